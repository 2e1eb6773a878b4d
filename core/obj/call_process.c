/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_process.c: the calls on processes and threads. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/x86/log.h"
#include "core/sched/endpoint.h"
#include "core/x86/timer.h"
#include "core/x86/user_copy.h"

int64_t call_process_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	(void)cpu;
	int error = process_create(caller->process, ARG1(regs), &process);
	return error < 0 ? error
			 : call_new_handle(
				   caller, &process->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_process_info(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	(void)cpu;
	int error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_READ, &process);
	if (error < 0)
		return error;
	struct gyre_process_info info = {
		.quota_frames = process->quota.given,
		.used_frames = quota_used(&process->quota),
		.handles = process->handles.count,
		.objects = process->object_count,
		.threads = process->thread_count,
		.mapped_records = process->aspace.record_count,
	};
	return user_copy_to(ARG2(regs), &info, sizeof(info)) < 0 ? -GYRE_EFAULT : 0;
}

int64_t call_thread_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct thread_start start = {.entry = ARG2(regs), .stack = ARG3(regs), .argument = ARG4(regs)};
	struct process *process;
	struct thread *thread;
	struct handle *fault;
	int error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &process);
	if (error < 0)
		return error;
	if ((ARG6(regs) & ~(uint64_t)GYRE_THREAD_FPU) != 0 || start.entry >= USER_END)
		return -GYRE_EINVAL;
	if (ARG5(regs) != 0) {
		error = handle_find(caller->process, ARG5(regs), GYRE_RIGHT_CALL, &fault);
		if (error < 0 || fault->object->type != GYRE_OBJECT_ENDPOINT)
			return error < 0 ? error : -GYRE_EHANDLE;
		start.fault = container_of(fault->object, struct endpoint, object);
		start.fault_badge = fault->badge;
	}
	start.flags = (uint32_t)ARG6(regs);
	start.cpu = cpu->index;
	start.priority = caller->own.priority;
	error = thread_create(process, &start, &thread);
	return error < 0 ? error
			 : call_new_handle(
				   caller, &thread->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_thread_start(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct thread *thread;
	int error = handle_thread(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &thread);
	return error < 0 ? error : thread_start(cpu, thread);
}

int64_t call_thread_stop(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct thread *thread;
	int error = handle_thread(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &thread);
	return error < 0 ? error : thread_stop(cpu, thread);
}

/* Longest budget and period: an hour, so that no sum of ticks overflows. */
#define SCHED_US_MAX 3600000000ul
#define SCHED_US_MIN 100ul

int64_t call_thread_schedule(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct thread *thread;
	uint64_t priority = ARG2(regs), slice = ARG3(regs), budget = ARG4(regs), period = ARG5(regs);
	int error = 0;
	if (ARG1(regs) == 0)
		thread = caller;
	else
		error = handle_thread(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &thread);
	if (error < 0)
		return error;
	if (priority >= GYRE_PRIORITIES || slice > SCHED_SLICE_US || budget > SCHED_US_MAX || period > SCHED_US_MAX ||
		ARG6(regs) >= cpu_count || (period == 0 ? budget != 0 : budget == 0 || budget > period))
		return -GYRE_EINVAL;
	/* Periods shorter than this would keep the processor busy with replenishing. */
	if ((slice != 0 && slice < SCHED_US_MIN) ||
		(period != 0 && (period < SCHED_US_MIN || budget < SCHED_US_MIN / 4)))
		return -GYRE_EINVAL;
	/* Root decides what its processes have, and none of them gets more. */
	if (priority > caller->own.priority && priority > thread->own.priority && caller->process != root_process)
		return -GYRE_EACCES;
	if (ARG6(regs) != thread->cpu)
		return thread->client != NULL || thread->state == THREAD_CALLING || thread->state == THREAD_QUEUED
			       ? -GYRE_EBUSY
			       : -GYRE_ENOTSUP;
	sched_priority_set(cpu, thread, (unsigned int)priority,
		tsc_from_ns((slice != 0 ? slice : SCHED_SLICE_US) * 1000), tsc_from_ns(budget * 1000),
		tsc_from_ns(period * 1000));
	return 0;
}

static void registers_get(const struct thread *thread, struct gyre_thread_registers *out)
{
	const struct regs *r = &thread->regs;
	*out = (struct gyre_thread_registers){
		.gpr = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11,
			r->r12, r->r13, r->r14, r->r15},
		.rip = r->rip,
		.rflags = r->rflags,
		.fs_base = thread->fs_base,
		.gs_base = thread->gs_base,
	};
}

static void registers_set(struct thread *thread, const struct gyre_thread_registers *in)
{
	struct regs *r = &thread->regs;
	*r = (struct regs){in->gpr[15], in->gpr[14], in->gpr[13], in->gpr[12], in->gpr[5], in->gpr[3], in->gpr[11],
		in->gpr[10], in->gpr[9], in->gpr[8], in->gpr[7], in->gpr[6], in->gpr[2], in->gpr[1], in->gpr[0],
		.rip = in->rip, .rflags = in->rflags, .rsp = in->gpr[4]};
	regs_make_user(r);
	thread->fs_base = in->fs_base;
	thread->gs_base = in->gs_base;
	thread->special &= ~THREAD_SPECIAL_BASES;
	if ((in->fs_base | in->gs_base) != 0)
		thread->special |= THREAD_SPECIAL_BASES;
}

int64_t call_thread_registers(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct gyre_thread_registers registers;
	struct thread *thread;
	uint64_t direction = ARG2(regs);
	(void)cpu;
	int error = handle_thread(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &thread);
	if (error < 0)
		return error;
	if (direction > 1)
		return -GYRE_EINVAL;
	if (!thread_is_still(thread))
		return -GYRE_EBUSY;
	if (direction == 0) {
		registers_get(thread, &registers);
		return user_copy_to(ARG3(regs), &registers, sizeof(registers)) < 0 ? -GYRE_EFAULT : 0;
	}
	if (user_copy_from(&registers, ARG3(regs), sizeof(registers)) < 0)
		return -GYRE_EFAULT;
	/* Others would be faults of the core's when it loads them. */
	if (registers.rip >= USER_END || registers.fs_base >= USER_END || registers.gs_base >= USER_END)
		return -GYRE_EINVAL;
	registers_set(thread, &registers);
	return 0;
}

int64_t call_thread_exit(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	if (caller->essential)
		panic_regs(regs, "root ended by its own call");
	thread_kill(cpu, caller);
	return CALL_LATER;
}

int64_t call_thread_yield(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	(void)caller;
	(void)regs;
	sched_pass(cpu);
	return 0;
}
