/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_handle.c: the calls on handles of any type. include/gyre/calls.h says what each promises.
 */
#include "core/mem/memory.h"
#include "core/obj/call.h"

int64_t call_handle_close(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct handle *handle;
	(void)cpu;
	int error = handle_find_dying(caller->process, ARG1(regs), 0, &handle);
	if (error == 0)
		handle_remove(handle);
	return error;
}

int64_t call_handle_copy(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	struct handle *handle;
	uint64_t rights = ARG3(regs), badge = ARG4(regs);
	int error;
	(void)cpu;
	if ((rights & ~(uint64_t)GYRE_RIGHT_ALL) != 0 || badge > UINT32_MAX)
		return -GYRE_EINVAL;
	if ((error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &process)) < 0 ||
		(error = handle_find(caller->process, ARG2(regs), GYRE_RIGHT_COPY, &handle)) < 0)
		return error;
	if ((rights & ~(uint64_t)handle->rights) != 0)
		return -GYRE_EACCES;
	if (badge != handle->badge && (handle->badge != 0 || handle->object->type != GYRE_OBJECT_ENDPOINT))
		return -GYRE_EACCES;
	return handle_create(process, handle->object, (uint32_t)rights, (uint32_t)badge);
}

int64_t call_handle_info(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct handle *handle;
	(void)cpu;
	int error = handle_find(caller->process, ARG1(regs), 0, &handle);
	if (error < 0)
		return error;
	regs->rsi = handle->badge;
	regs->rdx = 0;
	if (handle->object->type == GYRE_OBJECT_MEMORY)
		regs->rdx = container_of(handle->object, struct memory, object)->pages;
	return handle->object->type | (int64_t)handle->rights << 8;
}

/* What may not end: the machine, what root got from the core, who asks, and what somebody above pays for. */
static int destroy_check(struct thread *caller, struct object *object)
{
	if (object->type == GYRE_OBJECT_MACHINE)
		return -GYRE_EPERM;
	/* His handle would become another object's, and he would not know. */
	if (object->owner != NULL && !process_is_below(object->owner, caller->process))
		return -GYRE_EPERM;
	if (object->type == GYRE_OBJECT_MEMORY) {
		const struct memory *memory = container_of(object, struct memory, object);
		return memory->home || (memory->fixed && memory->origin == NULL) ? -GYRE_EPERM : 0;
	}
	if (object->type == GYRE_OBJECT_PROCESS &&
		process_is_below(caller->process, container_of(object, struct process, object)))
		return -GYRE_EPERM;
	return 0;
}

int64_t call_object_destroy(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct handle *handle;
	unsigned int budget = OBJECT_BUDGET;
	(void)cpu;
	int error = handle_find_dying(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &handle);
	if (error < 0 || (error = destroy_check(caller, handle->object)) < 0)
		return error;
	return object_destroy(handle->object, handle, &budget);
}
