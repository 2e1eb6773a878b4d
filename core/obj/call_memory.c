/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_memory.c: the calls on memory objects, and on what is mapped. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"

#define MAP_RIGHTS (uint64_t)(GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC)

int64_t call_memory_create(struct call *call)
{
	struct process *owner = call_process(call, ARG2(call), GYRE_RIGHT_MANAGE);
	if (owner == NULL)
		return call->error;
	if (ARG1(call) == 0 || ARG1(call) > MEMORY_PAGES_MAX)
		return -GYRE_EINVAL;
	struct memory *memory = memory_create(owner, ARG1(call));
	return memory == NULL ? -GYRE_ENOMEM : call_new_handle(call, &memory->object, GYRE_RIGHT_ALL);
}

int64_t call_memory_derive(struct call *call)
{
	struct memory *window;
	struct handle *handle = call_handle(call, ARG1(call), GYRE_OBJECT_MEMORY, GYRE_RIGHT_READ);
	uint64_t rights = ARG4(call);
	if (handle == NULL)
		return call->error;
	if ((rights & ~MAP_RIGHTS) != 0)
		return -GYRE_EINVAL;
	if ((rights & ~(uint64_t)handle->rights) != 0)
		return -GYRE_EACCES;
	int error = memory_derive(call->caller->process, container_of(handle->object, struct memory, object),
		ARG2(call), ARG3(call), (uint32_t)rights, &window);
	return error < 0 ? error : call_new_handle(call, &window->object, (uint32_t)(rights | ~MAP_RIGHTS));
}

int64_t call_memory_move(struct call *call)
{
	struct memory *target = handle_memory(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct memory *source = handle_memory(call, ARG3(call), GYRE_RIGHT_MANAGE);
	return call->error < 0 ? call->error : memory_move(target, ARG2(call), source, ARG4(call), ARG5(call));
}

int64_t call_memory_replace(struct call *call)
{
	struct memory *target = handle_memory(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct memory *source = handle_memory(call, ARG3(call), GYRE_RIGHT_READ);
	return call->error < 0 ? call->error : memory_replace(target, ARG2(call), source, ARG4(call));
}

int64_t call_memory_punch(struct call *call)
{
	struct memory *memory = handle_memory(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return memory == NULL ? call->error : memory_punch(memory, ARG2(call), ARG3(call));
}

int64_t call_memory_revoke(struct call *call)
{
	struct memory *memory = handle_memory(call, ARG1(call), GYRE_RIGHT_MANAGE);
	unsigned int budget = OBJECT_BUDGET;
	return memory == NULL ? call->error : memory_revoke(memory, &budget);
}

/* ---- mapping ---- */

/* What memory_map and vm_map share: arguments 2 to 6, the page shifted as the call has it. */
static int64_t map(struct call *call, struct aspace *aspace, uint64_t page)
{
	struct memory *memory = handle_memory(call, ARG2(call), (uint32_t)ARG6(call));
	struct map_request request = {memory, ARG3(call), page, ARG5(call), ARG6(call)};
	return memory == NULL ? call->error : aspace_map(aspace, &request);
}

int64_t call_memory_map(struct call *call)
{
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (process == NULL)
		return call->error;
	return is_page_aligned(ARG4(call)) ? map(call, &process->aspace, ARG4(call) >> PAGE_SHIFT) : -GYRE_EINVAL;
}

int64_t call_memory_unmap(struct call *call)
{
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (process == NULL)
		return call->error;
	return is_page_aligned(ARG2(call)) ? aspace_unmap(&process->aspace, ARG2(call) >> PAGE_SHIFT, ARG3(call))
					   : -GYRE_EINVAL;
}

int64_t call_vm_map(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return vm == NULL ? call->error : map(call, &vm->aspace, ARG4(call));
}

int64_t call_vm_unmap(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return vm == NULL ? call->error : aspace_unmap(&vm->aspace, ARG2(call), ARG3(call));
}
