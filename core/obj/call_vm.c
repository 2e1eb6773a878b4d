/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_vm.c: the calls on VMs. Mapping is in call_memory.c, virtual processors in core/virt/calls.c.
 */
#include "core/obj/call.h"
#include "core/virt/vm.h"
#include "core/x86/user_copy.h"

int64_t call_vm_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *owner;
	struct vm *vm;
	int error;
	(void)cpu;
	if ((error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &owner)) < 0 ||
		(error = vm_create(owner, &vm)) < 0)
		return error;
	return call_new_handle(
		caller, &vm->object, GYRE_RIGHT_READ | GYRE_RIGHT_SIGNAL | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_vm_doorbell(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	uint64_t where = ARG2(regs), value = ARG3(regs), size = where >> 16;
	struct doorbell doorbell = {.port = (uint16_t)where, .size = (uint8_t)size, .any = value == ~0ull};
	struct event *event = NULL;
	struct vm *vm;
	int error;
	(void)cpu;
	if ((size != 1 && size != 2 && size != 4) || ARG5(regs) >= 64 || (!doorbell.any && value >> (8 * size) != 0))
		return -GYRE_EINVAL;
	doorbell.value = doorbell.any ? 0 : (uint32_t)value;
	if ((error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm)) < 0 ||
		(ARG4(regs) != 0 && (error = handle_event(caller->process, ARG4(regs), GYRE_RIGHT_SIGNAL, &event)) < 0))
		return error;
	return vm_doorbell_set(vm, &doorbell, event, (unsigned int)ARG5(regs));
}

int64_t call_vm_interrupt(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	int error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_SIGNAL, &vm);
	return error < 0 ? error : vm_message(cpu, vm, ARG2(regs), ARG3(regs));
}

int64_t call_vm_event_interrupt(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	struct event *event;
	uint64_t address = ARG4(regs);
	int error;
	(void)cpu;
	if (ARG3(regs) >= 64 || (address != 0 && address >> 20 != 0xfee))
		return -GYRE_EINVAL;
	if ((error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_SIGNAL, &vm)) < 0 ||
		(error = handle_event(caller->process, ARG2(regs), GYRE_RIGHT_WAIT, &event)) < 0)
		return error;
	return event_message_bind(event, (unsigned int)ARG3(regs), vm, address, ARG5(regs));
}

int64_t call_vm_dirty_log(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	(void)cpu;
	if (ARG2(regs) > 1)
		return -GYRE_EINVAL;
	int error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm);
	return error < 0 ? error : aspace_dirty_log(&vm->aspace, ARG2(regs) != 0);
}

int64_t call_vm_dirty_take(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	uint64_t bitmap[GYRE_DIRTY_PAGES / 64] = {0};
	uint64_t pages = ARG3(regs);
	struct vm *vm;
	(void)cpu;
	int error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm);
	if (error < 0)
		return error;
	if (pages == 0 || pages > GYRE_DIRTY_PAGES || pages % 64 != 0)
		return -GYRE_EINVAL;
	/* A buffer that can't be written would lose what is taken: so it is written first. */
	if (user_copy_to(ARG4(regs), bitmap, pages / 8) < 0)
		return -GYRE_EFAULT;
	int64_t count = aspace_dirty_take(&vm->aspace, ARG2(regs), (unsigned int)pages, bitmap);
	if (count > 0 && user_copy_to(ARG4(regs), bitmap, pages / 8) < 0)
		return -GYRE_EFAULT;
	return count;
}
