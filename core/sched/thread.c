/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/thread.c: threads as objects: how they begin, stop, fault and end.
 */
#include "core/sched/thread.h"
#include "core/sched/endpoint.h"
#include "core/virt/fpu.h"
#include "core/virt/vm.h"
#include "core/x86/log.h"

static uint32_t thread_numbers;

/* ---- beginning ---- */

static bool fpu_make(struct process *owner, struct thread *thread)
{
	hpa_t frame;
	if (!frame_alloc(&owner->quota, &frame))
		return false;
	thread->fpu_state = frame_virtual(frame);
	fpu_state_reset(thread->fpu_state);
	thread->special |= THREAD_SPECIAL_FPU;
	return true;
}

int thread_create(struct process *owner, const struct thread_start *start, struct thread **out)
{
	if ((start->flags & ~(uint64_t)GYRE_THREAD_FPU) != 0)
		return -GYRE_EINVAL;
	struct thread *thread = OBJECT_CREATE(owner, GYRE_OBJECT_THREAD, thread);
	if (thread == NULL)
		return -GYRE_ENOMEM;
	if ((start->flags & GYRE_THREAD_FPU) != 0 && !fpu_make(owner, thread)) {
		object_discard(&thread->object);
		return -GYRE_ENOMEM;
	}
	thread->process = owner;
	thread->state = THREAD_STOPPED;
	thread->cpu = start->cpu;
	thread->processor = cpus[start->cpu];
	thread->number = thread_numbers++;
	list_init(&thread->queue_link);
	list_init(&thread->fault_link);
	thread->regs.rip = start->entry;
	thread->regs.rsp = start->stack;
	thread->regs.rdi = start->argument;
	regs_make_user(&thread->regs);
	sched_context_init(thread, start->priority);
	thread->fault_endpoint = start->fault;
	thread->fault_badge = start->fault_badge;
	if (start->fault != NULL)
		list_push_back(&start->fault->fault_clients, &thread->fault_link);
	*out = thread;
	return 0;
}

/* ---- stopping and starting ---- */

int thread_start(struct cpu *cpu, struct thread *thread)
{
	if (thread->state == THREAD_ENDED)
		return -GYRE_EDEAD;
	thread->stop_pending = false;
	if (thread->state != THREAD_STOPPED || !list_empty(&thread->queue_link)) /* it is about to end */
		return 0;
	if (thread->was_receiving) {
		thread->was_receiving = false;
		endpoint_receive(cpu, thread);
		return 0;
	}
	thread->state = THREAD_RUNNING;
	sched_update(cpu, thread->context);
	return 0;
}

int thread_stop(struct cpu *cpu, struct thread *thread)
{
	if (thread->vcpu != NULL)
		vcpu_abandon(thread->vcpu, thread);
	switch (thread->state) {
	case THREAD_ENDED: return -GYRE_EDEAD;
	case THREAD_STOPPED: return 0;
	case THREAD_RUNNING:
	case THREAD_HALTED: thread_block(cpu, thread, THREAD_STOPPED); return 0;
	case THREAD_RECEIVING:
		thread->state = THREAD_STOPPED;
		thread->was_receiving = true;
		return 0;
	default: thread->stop_pending = true; return 0;
	}
}

/* Its registers can be read and written: it stands still, and no answer is on its way. */
bool thread_is_still(const struct thread *thread)
{
	return thread->state == THREAD_STOPPED || thread->state == THREAD_ENDED ||
	       ((thread->state == THREAD_CALLING || thread->state == THREAD_QUEUED) && thread->call_kind == CALL_FAULT);
}

void thread_crash(struct cpu *cpu, struct thread *thread, const char *why)
{
	const struct regs *regs = &thread->regs;
	if (thread->essential)
		panic_regs(regs, "root ended: %s; error %lx, address %lx", why, thread->fault[1], thread->fault[2]);
	/* All registers would take too long: who wants them has a fault endpoint. */
	log_warn("process %u: thread %u ended: %s; error %lx, address %lx, rip %lx, rsp %lx", thread->process->number,
		thread->number, why, thread->fault[1], thread->fault[2], regs->rip, regs->rsp);
	thread_kill(cpu, thread);
}

/* ---- the end ---- */

void thread_kill(struct cpu *cpu, struct thread *thread)
{
	if (thread->state == THREAD_ENDED)
		return;
	if (thread->vcpu != NULL)
		vcpu_abandon(thread->vcpu, thread);
	event_wait_cancel(thread);
	endpoint_thread_gone(cpu, thread);
	thread->state = THREAD_ENDED;
	thread->context = &thread->own;
	sched_context_end(cpu, &thread->own);
	if (cpu->thread == thread) {
		cpu->thread = NULL;
		hazard_set(cpu, HAZARD_RESCHEDULE);
	}
}

int thread_end(struct object *object, unsigned int *budget)
{
	struct thread *thread = container_of(object, struct thread, object);
	struct cpu *cpu = cpu_current();
	if (!budget_take(budget, 20))
		return -GYRE_EAGAIN;
	thread_kill(cpu, thread);
	list_remove(&thread->fault_link);
	if (thread->fpu_state != NULL) {
		fpu_forget(cpu, thread->fpu_state);
		frame_free(&thread->object.owner->quota, frame_physical(thread->fpu_state));
		thread->fpu_state = NULL;
	}
	return 0;
}
