/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_process.c: the calls on processes and threads. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/x86/log.h"
#include "core/x86/timer.h"

int64_t call_process_create(struct call *call)
{
	struct process *process;
	int error = process_create(call->caller->process, ARG1(call), &process);
	return error < 0 ? error : call_new_handle(call, &process->object, GYRE_RIGHT_ALL);
}

int64_t call_process_info(struct call *call)
{
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_READ);
	if (process == NULL)
		return call->error;
	struct gyre_process_info info = {
		.quota_frames = process->quota.given,
		.used_frames = quota_used(&process->quota),
		.handles = process->handles.count,
		.objects = process->object_count,
		.threads = process->thread_count,
		.mapped_records = process->aspace.record_count,
	};
	return user_copy_to(ARG2(call), &info, sizeof(info));
}

int64_t call_thread_create(struct call *call)
{
	struct thread_start start = {.entry = ARG2(call),
		.stack = ARG3(call),
		.argument = ARG4(call),
		.flags = ARG6(call),
		.cpu = call->cpu->index,
		.priority = call->caller->own.priority};
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (ARG5(call) != 0) {
		struct handle *fault = call_handle(call, ARG5(call), GYRE_OBJECT_ENDPOINT, GYRE_RIGHT_CALL);
		if (fault != NULL) {
			start.fault = container_of(fault->object, struct endpoint, object);
			start.fault_badge = fault->badge;
		}
	}
	if (call->error < 0)
		return call->error;
	if (start.entry >= USER_END)
		return -GYRE_EINVAL;
	struct thread *thread;
	int error = thread_create(process, &start, &thread);
	return error < 0 ? error : call_new_handle(call, &thread->object, GYRE_RIGHT_ALL);
}

int64_t call_thread_start(struct call *call)
{
	struct thread *thread = handle_thread(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return thread == NULL ? call->error : thread_start(call->cpu, thread);
}

int64_t call_thread_stop(struct call *call)
{
	struct thread *thread = handle_thread(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return thread == NULL ? call->error : thread_stop(call->cpu, thread);
}

/* Longest budget and period: an hour, so that no sum of ticks overflows. */
#define SCHED_US_MAX 3600000000ul
#define SCHED_US_MIN 100ul

int64_t call_thread_schedule(struct call *call)
{
	struct thread *caller = call->caller;
	struct thread *thread = ARG1(call) == 0 ? caller : handle_thread(call, ARG1(call), GYRE_RIGHT_MANAGE);
	uint64_t priority = ARG2(call), slice = ARG3(call), budget = ARG4(call), period = ARG5(call);
	if (thread == NULL)
		return call->error;
	if (priority >= GYRE_PRIORITIES || slice > SCHED_SLICE_US || budget > SCHED_US_MAX || period > SCHED_US_MAX ||
		ARG6(call) >= cpu_count || (period == 0 ? budget != 0 : budget == 0 || budget > period))
		return -GYRE_EINVAL;
	/* Periods shorter than this would keep the processor busy with replenishing. */
	if ((slice != 0 && slice < SCHED_US_MIN) ||
		(period != 0 && (period < SCHED_US_MIN || budget < SCHED_US_MIN / 4)))
		return -GYRE_EINVAL;
	/* Root decides what its processes have, and none of them gets more. */
	if (priority > caller->own.priority && priority > thread->own.priority && caller->process != root_process)
		return -GYRE_EACCES;
	if (ARG6(call) != thread->cpu)
		return thread->client != NULL || thread->state == THREAD_CALLING || thread->state == THREAD_QUEUED
			       ? -GYRE_EBUSY
			       : -GYRE_ENOTSUP;
	sched_priority_set(call->cpu, thread, (unsigned int)priority,
		tsc_from_ns((slice != 0 ? slice : SCHED_SLICE_US) * 1000), tsc_from_ns(budget * 1000),
		tsc_from_ns(period * 1000));
	return 0;
}

/* Where the registers of gyre_thread_registers stand in struct regs. */
#define AT(name) offsetof(struct regs, name) / sizeof(uint64_t)
static const uint8_t register_at[16] = {AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi), AT(r8),
	AT(r9), AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15)};

static void registers_get(const struct thread *thread, struct gyre_thread_registers *out)
{
	const uint64_t *regs = (const uint64_t *)&thread->regs;
	for (unsigned int i = 0; i < 16; i++)
		out->gpr[i] = regs[register_at[i]];
	out->rip = thread->regs.rip;
	out->rflags = thread->regs.rflags;
	out->fs_base = thread->fs_base;
	out->gs_base = thread->gs_base;
}

static void registers_set(struct thread *thread, const struct gyre_thread_registers *in)
{
	uint64_t *regs = (uint64_t *)&thread->regs;
	thread->regs = (struct regs){.rip = in->rip, .rflags = in->rflags, .trap = REGS_TRAP_NONE};
	for (unsigned int i = 0; i < 16; i++)
		regs[register_at[i]] = in->gpr[i];
	regs_make_user(&thread->regs);
	thread->fs_base = in->fs_base;
	thread->gs_base = in->gs_base;
	thread->special &= ~THREAD_SPECIAL_BASES;
	if ((in->fs_base | in->gs_base) != 0)
		thread->special |= THREAD_SPECIAL_BASES;
}

int64_t call_thread_registers(struct call *call)
{
	struct gyre_thread_registers registers;
	struct thread *thread = handle_thread(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (thread == NULL)
		return call->error;
	if (ARG2(call) > 1)
		return -GYRE_EINVAL;
	if (!thread_is_still(thread))
		return -GYRE_EBUSY;
	if (ARG2(call) == 0) {
		registers_get(thread, &registers);
		return user_copy_to(ARG3(call), &registers, sizeof(registers));
	}
	if (user_copy_from(&registers, ARG3(call), sizeof(registers)) < 0)
		return -GYRE_EFAULT;
	/* Others would be faults of the core's when it loads them. */
	if (registers.rip >= USER_END || registers.fs_base >= USER_END || registers.gs_base >= USER_END)
		return -GYRE_EINVAL;
	registers_set(thread, &registers);
	return 0;
}

int64_t call_thread_exit(struct call *call)
{
	if (call->caller->essential)
		panic_regs(call->regs, "root ended by its own call");
	thread_kill(call->cpu, call->caller);
	return CALL_LATER;
}

int64_t call_thread_yield(struct call *call)
{
	sched_pass(call->cpu);
	return 0;
}
