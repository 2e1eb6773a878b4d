/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_memory.c: the calls on memory objects. include/gyre/calls.h says what each promises.
 */
#include "core/mem/memory.h"
#include "core/obj/call.h"
#include "core/virt/vm.h"

#define MAP_RIGHTS (GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC)

int64_t call_memory_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *owner;
	(void)cpu;
	int error = process_or_self(caller->process, ARG2(regs), GYRE_RIGHT_MANAGE, &owner);
	if (error < 0)
		return error;
	if (ARG1(regs) == 0 || ARG1(regs) > MEMORY_PAGES_MAX)
		return -GYRE_EINVAL;
	struct memory *memory = memory_create(owner, ARG1(regs));
	return memory == NULL
		       ? -GYRE_ENOMEM
		       : call_new_handle(caller, &memory->object, MAP_RIGHTS | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_memory_derive(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *window;
	struct handle *handle;
	uint64_t rights = ARG4(regs);
	(void)cpu;
	int error = handle_find(caller->process, ARG1(regs), GYRE_RIGHT_READ, &handle);
	if (error < 0 || handle->object->type != GYRE_OBJECT_MEMORY)
		return error < 0 ? error : -GYRE_EHANDLE;
	if ((rights & ~(uint64_t)MAP_RIGHTS) != 0)
		return -GYRE_EINVAL;
	if ((rights & ~(uint64_t)handle->rights) != 0)
		return -GYRE_EACCES;
	error = memory_derive(caller->process, container_of(handle->object, struct memory, object), ARG2(regs),
		ARG3(regs), (uint32_t)rights, &window);
	return error < 0 ? error
			 : call_new_handle(
				   caller, &window->object, (uint32_t)rights | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_memory_move(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *target, *source;
	int error;
	(void)cpu;
	if ((error = handle_memory(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &target)) < 0 ||
		(error = handle_memory(caller->process, ARG3(regs), GYRE_RIGHT_MANAGE, &source)) < 0)
		return error;
	return memory_move(target, ARG2(regs), source, ARG4(regs), ARG5(regs));
}

int64_t call_memory_replace(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *target, *source;
	int error;
	(void)cpu;
	if ((error = handle_memory(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &target)) < 0 ||
		(error = handle_memory(caller->process, ARG3(regs), GYRE_RIGHT_READ, &source)) < 0)
		return error;
	return memory_replace(target, ARG2(regs), source, ARG4(regs));
}

int64_t call_memory_punch(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *memory;
	(void)cpu;
	int error = handle_memory(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &memory);
	return error < 0 ? error : memory_punch(memory, ARG2(regs), ARG3(regs));
}

int64_t call_memory_clear(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *memory;
	int error = handle_memory(caller->process, ARG1(regs), GYRE_RIGHT_WRITE, &memory);
	return error < 0 ? error : memory_clear(cpu, memory, ARG2(regs), ARG3(regs));
}

int64_t call_memory_revoke(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct memory *memory;
	unsigned int budget = OBJECT_BUDGET;
	(void)cpu;
	int error = handle_memory(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &memory);
	return error < 0 ? error : memory_revoke(memory, &budget);
}

/* What memory_map and vm_map share: arguments 2 to 6, the page shifted as the call has it. */
static int64_t map(struct thread *caller, struct regs *regs, struct aspace *aspace, uint64_t page)
{
	struct map_request request = {.offset = ARG3(regs), .page = page, .pages = ARG5(regs)};
	uint64_t rights = ARG6(regs);
	if ((rights & ~(uint64_t)MAP_RIGHTS) != 0)
		return -GYRE_EINVAL;
	request.rights = (unsigned int)rights;
	int error = handle_memory(caller->process, ARG2(regs), request.rights, &request.memory);
	return error < 0 ? error : aspace_map(aspace, &request);
}

int64_t call_memory_map(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	(void)cpu;
	if (!is_page_aligned(ARG4(regs)))
		return -GYRE_EINVAL;
	int error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &process);
	return error < 0 ? error : map(caller, regs, &process->aspace, ARG4(regs) >> PAGE_SHIFT);
}

int64_t call_memory_unmap(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	(void)cpu;
	if (!is_page_aligned(ARG2(regs)))
		return -GYRE_EINVAL;
	int error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &process);
	return error < 0 ? error : aspace_unmap(&process->aspace, ARG2(regs) >> PAGE_SHIFT, ARG3(regs));
}

int64_t call_vm_map(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	(void)cpu;
	int error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm);
	return error < 0 ? error : map(caller, regs, &vm->aspace, ARG4(regs));
}

int64_t call_vm_unmap(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	(void)cpu;
	int error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm);
	return error < 0 ? error : aspace_unmap(&vm->aspace, ARG2(regs), ARG3(regs));
}
