/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_vm.c: the calls on VMs. Mapping is in call_memory.c, virtual processors in core/virt/calls.c.
 */
#include "core/obj/call.h"

int64_t call_vm_create(struct call *call)
{
	struct process *owner = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct vm *vm;
	int error = owner == NULL ? call->error : vm_create(owner, &vm);
	return error < 0 ? error : call_new_handle(call, &vm->object, GYRE_RIGHT_ALL);
}

int64_t call_vm_doorbell(struct call *call)
{
	uint64_t where = ARG2(call), value = ARG3(call), size = where >> 16;
	struct doorbell doorbell = {.port = (uint16_t)where, .size = (uint8_t)size, .any = value == ~0ull};
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct event *event = ARG4(call) == 0 ? NULL : handle_event(call, ARG4(call), GYRE_RIGHT_SIGNAL);
	if (call->error < 0)
		return call->error;
	if ((size != 1 && size != 2 && size != 4) || (!doorbell.any && value >> (8 * size) != 0))
		return -GYRE_EINVAL;
	doorbell.value = doorbell.any ? 0 : (uint32_t)value;
	return vm_doorbell_set(vm, &doorbell, event, ARG5(call));
}

int64_t call_vm_interrupt(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_SIGNAL);
	return vm == NULL ? call->error : vlapic_bus_message(&vm->bus, ARG2(call), (uint32_t)ARG3(call));
}

int64_t call_vm_event_interrupt(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_SIGNAL);
	struct event *event = handle_event(call, ARG2(call), GYRE_RIGHT_WAIT);
	uint64_t address = ARG4(call);
	if (call->error < 0)
		return call->error;
	if (address != 0 && address >> 20 != 0xfee)
		return -GYRE_EINVAL;
	return event_message_bind(event, ARG3(call), vm, address, ARG5(call));
}

int64_t call_vm_dirty_log(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (vm == NULL)
		return call->error;
	return ARG2(call) > 1 ? -GYRE_EINVAL : aspace_dirty_log(&vm->aspace, ARG2(call) != 0);
}

int64_t call_vm_dirty_take(struct call *call)
{
	uint64_t bitmap[GYRE_DIRTY_PAGES / 64] = {0};
	uint64_t pages = ARG3(call);
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (vm == NULL)
		return call->error;
	if (pages == 0 || pages > GYRE_DIRTY_PAGES || pages % 64 != 0)
		return -GYRE_EINVAL;
	/* A buffer that can't be written would lose what is taken: so it is written first. */
	if (user_copy_to(ARG4(call), bitmap, pages / 8) < 0)
		return -GYRE_EFAULT;
	virt_vm_gather(vm);
	int64_t count = aspace_dirty_take(&vm->aspace, ARG2(call), (unsigned int)pages, bitmap);
	if (count > 0 && user_copy_to(ARG4(call), bitmap, pages / 8) < 0)
		return -GYRE_EFAULT;
	return count;
}
