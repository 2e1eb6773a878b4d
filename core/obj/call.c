/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call.c: from a call's number to its function; and the calls on handles of any type.
 */
#include "core/obj/call.h"
#include "core/x86/entry.h"

/* They never come by the table: core_call() makes the first two, and the entry code the third. */
#define call_endpoint_call	 NULL
#define call_endpoint_reply_wait NULL
#define call_vcpu_run		 NULL
#define CALL_ENTRY(name, number) [number] = call_##name,
static int64_t (*const call_table[GYRE_CALL_COUNT])(struct call *call) = {GYRE_CALLS(CALL_ENTRY)};

_Static_assert(GYRE_CALL_vcpu_run == CALL_VCPU_RUN, "core/x86/entry.S has a way of its own for it");

#define KEEP (GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE)
const struct object_type object_types[GYRE_OBJECT_TYPES] = {
	[GYRE_OBJECT_MEMORY] = {memory_end, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC | KEEP},
	[GYRE_OBJECT_PROCESS] = {process_end, GYRE_RIGHT_READ | KEEP},
	[GYRE_OBJECT_THREAD] = {thread_end, GYRE_RIGHT_READ | KEEP},
	[GYRE_OBJECT_ENDPOINT] = {endpoint_end, GYRE_RIGHT_CALL | GYRE_RIGHT_SERVE | KEEP},
	[GYRE_OBJECT_EVENT] = {event_end, GYRE_RIGHT_SIGNAL | GYRE_RIGHT_WAIT | KEEP},
	[GYRE_OBJECT_INTERRUPT] = {interrupt_end, GYRE_RIGHT_WAIT | KEEP},
	[GYRE_OBJECT_IOPORTS] = {ioports_end, KEEP},
	[GYRE_OBJECT_VM] = {vm_end, GYRE_RIGHT_READ | GYRE_RIGHT_SIGNAL | KEEP},
	[GYRE_OBJECT_VCPU] = {vcpu_end, GYRE_RIGHT_ALL},
	[GYRE_OBJECT_MACHINE] = {NULL, GYRE_RIGHT_READ | KEEP},
};

static __attribute__((noinline)) void call_any(struct cpu *cpu, uint64_t number)
{
	struct call call = {.cpu = cpu, .caller = cpu->thread, .regs = cpu->regs};
	int64_t result = number < GYRE_CALL_COUNT ? call_table[number](&call) : -GYRE_ENOSYS;
	if (result != CALL_LATER)
		call.regs->rax = (uint64_t)result;
}

void core_call(struct cpu *cpu, uint64_t number)
{
	off_begin(cpu);
	call_counted(number);
	/* Those that are made most, at once; vcpu_run does not come here. */
	if (number == GYRE_CALL_endpoint_call)
		endpoint_call(cpu, cpu->thread);
	else if (number == GYRE_CALL_endpoint_reply_wait)
		endpoint_reply_wait(cpu, cpu->thread);
	else
		call_any(cpu, number);
}

struct handle *call_handle(struct call *call, uint64_t number, enum gyre_object_type type, uint32_t rights)
{
	struct handle *handle;
	int error = handle_find(&call->caller->process->handles, number, type, rights, &handle);
	if (error == 0)
		return handle;
	if (call->error == 0)
		call->error = error;
	return NULL;
}

struct process *call_process(struct call *call, uint64_t number, uint32_t rights)
{
	return number == 0 ? call->caller->process : handle_process(call, number, rights);
}

int64_t call_new_handle(struct call *call, struct object *object, uint32_t rights)
{
	int64_t number = handle_create(call->caller->process, object, object_types[object->type].rights & rights, 0);
	if (number < 0) {
		/* Nobody knows it yet, so this is short; a process's death goes on with the rest if it is not. */
		unsigned int budget = OBJECT_BUDGET;
		object_destroy(object, NULL, &budget);
	}
	return number;
}

/* ---- handles of any type ---- */

int64_t call_handle_close(struct call *call)
{
	struct handle *handle = handle_entry(&call->caller->process->handles, ARG1(call));
	if (handle == NULL)
		return -GYRE_EHANDLE;
	handle_remove(handle);
	return 0;
}

int64_t call_handle_copy(struct call *call)
{
	uint64_t rights = ARG3(call), badge = ARG4(call);
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct handle *handle = call_handle(call, ARG2(call), GYRE_OBJECT_NONE, GYRE_RIGHT_COPY);
	if (call->error < 0)
		return call->error;
	if ((rights & ~(uint64_t)GYRE_RIGHT_ALL) != 0 || badge > UINT32_MAX)
		return -GYRE_EINVAL;
	if ((rights & ~(uint64_t)handle->rights) != 0)
		return -GYRE_EACCES;
	if (badge != handle->badge && (handle->badge != 0 || handle->object->type != GYRE_OBJECT_ENDPOINT))
		return -GYRE_EACCES;
	return handle_create(process, handle->object, (uint32_t)rights, (uint32_t)badge);
}

int64_t call_handle_info(struct call *call)
{
	struct handle *handle = call_handle(call, ARG1(call), GYRE_OBJECT_NONE, 0);
	if (handle == NULL)
		return call->error;
	call->regs->rsi = handle->badge;
	call->regs->rdx = 0;
	if (handle->object->type == GYRE_OBJECT_MEMORY)
		call->regs->rdx = container_of(handle->object, struct memory, object)->pages;
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

/* Also of an object that is dying: it goes on with it. */
int64_t call_object_destroy(struct call *call)
{
	struct handle *handle = handle_entry(&call->caller->process->handles, ARG1(call));
	unsigned int budget = OBJECT_BUDGET;
	if (handle == NULL)
		return -GYRE_EHANDLE;
	if ((handle->rights & GYRE_RIGHT_MANAGE) == 0)
		return -GYRE_EACCES;
	int error = destroy_check(call->caller, handle->object);
	return error < 0 ? error : object_destroy(handle->object, handle, &budget);
}
