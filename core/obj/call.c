/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call.c: from a call's number to its function.
 */
#include "core/obj/call.h"
#include "core/mem/memory.h"
#include "core/obj/device.h"
#include "core/obj/event.h"
#include "core/sched/endpoint.h"
#include "core/virt/vm.h"
#include "core/x86/entry.h"

#define CALL_ENTRY(name, number) [number] = call_##name,
static const call_function call_table[GYRE_CALL_COUNT] = {GYRE_CALLS(CALL_ENTRY)};

#define CALL_NUMBER_CHECK(name, number) _Static_assert((number) < GYRE_CALL_COUNT, #name);
GYRE_CALLS(CALL_NUMBER_CHECK)

_Static_assert(GYRE_CALL_vcpu_run == CALL_VCPU_RUN, "core/x86/entry.S has a way of its own for it");

const object_end object_ends[GYRE_OBJECT_TYPES] = {
	[GYRE_OBJECT_MEMORY] = memory_end,
	[GYRE_OBJECT_PROCESS] = process_end,
	[GYRE_OBJECT_THREAD] = thread_end,
	[GYRE_OBJECT_ENDPOINT] = endpoint_end,
	[GYRE_OBJECT_EVENT] = event_end,
	[GYRE_OBJECT_INTERRUPT] = interrupt_end,
	[GYRE_OBJECT_IOPORTS] = ioports_end,
	[GYRE_OBJECT_VM] = vm_end,
	[GYRE_OBJECT_VCPU] = vcpu_end,
	[GYRE_OBJECT_MACHINE] = machine_end,
};

static __attribute__((noinline)) void call_any(struct cpu *cpu, uint64_t number)
{
	struct regs *regs = cpu->regs;
	if (number >= GYRE_CALL_COUNT) {
		regs->rax = (uint64_t)-GYRE_ENOSYS;
		return;
	}
	int64_t result = call_table[number](cpu, cpu->thread, regs);
	if (result != CALL_LATER)
		regs->rax = (uint64_t)result;
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

int64_t call_new_handle(struct thread *caller, struct object *object, uint32_t rights)
{
	int64_t number = handle_create(caller->process, object, rights, 0);
	if (number < 0) {
		/* Nobody knows it yet, so this is short; a process's death goes on with the rest if it is not. */
		unsigned int budget = OBJECT_BUDGET;
		object_destroy(object, NULL, &budget);
	}
	return number;
}
