/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/sched.c: run queues and time. Plain code: what has to do with the processor's registers is in switch.c.
 */
#include "core/sched/sched.h"
#include "core/x86/timer.h"

static void slice_expired(struct cpu *cpu, struct deadline *deadline)
{
	(void)deadline;
	hazard_set(cpu, HAZARD_RESCHEDULE);
}

void sched_init(struct cpu *cpu)
{
	struct sched_cpu *sched = &cpu->sched;
	for (unsigned int i = 0; i < SCHED_PRIORITIES; i++)
		list_init(&sched->queue[i]);
	list_init(&sched->deferred);
	list_init(&sched->work);
	list_init(&sched->failed);
	sched->slice.expired = slice_expired;
}

/* ---- queues ---- */

/* Whether its thread at the end of the chain could run, and it has time left. */
static bool is_runnable(const struct sched_context *context)
{
	return context->top->state == THREAD_RUNNING && context->top->context == context &&
	       (!context->throttled || context->helped);
}

static bool is_queued(const struct sched_context *context)
{
	return !list_empty(&context->link);
}

static void queue_remove(struct sched_cpu *sched, struct sched_context *context)
{
	struct list *queue = &sched->queue[context->queued_at];
	list_remove(&context->link);
	if (list_empty(queue))
		sched->ready &= ~(1ul << context->queued_at);
}

static void queue_insert(struct sched_cpu *sched, struct sched_context *context, bool front)
{
	struct list *queue = &sched->queue[context->effective];
	context->queued_at = context->effective;
	sched->ready |= 1ul << context->effective;
	if (front)
		list_push_front(queue, &context->link);
	else
		list_push_back(queue, &context->link);
}

void sched_update(struct cpu *cpu, struct sched_context *context)
{
	struct sched_cpu *sched = &cpu->sched;
	bool runnable = is_runnable(context);
	spin_lock(&sched->lock);
	if (context == sched->current) {
		/* It may have lost its thread, or priority. */
		if (!runnable || (sched->ready >> context->effective) > 1)
			hazard_set(cpu, HAZARD_RESCHEDULE);
	} else {
		if (is_queued(context) && (!runnable || context->queued_at != context->effective))
			queue_remove(sched, context);
		if (runnable && !is_queued(context))
			queue_insert(sched, context, false);
		if (runnable && (sched->current == NULL || context->effective >= sched->current->effective))
			hazard_set(cpu, HAZARD_RESCHEDULE);
	}
	spin_unlock(&sched->lock);
}

void thread_block(struct cpu *cpu, struct thread *thread, enum thread_state state)
{
	thread->state = (uint8_t)state;
	if (thread->context != NULL)
		sched_update(cpu, thread->context);
}

void thread_wake(struct cpu *cpu, struct thread *thread)
{
	if (thread->state == THREAD_STOPPED || thread->state == THREAD_ENDED)
		return;
	thread->state = thread->stop_pending ? THREAD_STOPPED : THREAD_RUNNING;
	thread->stop_pending = false;
	sched_update(cpu, thread->context);
}

/* ---- time ---- */

static void replenish(struct cpu *cpu, struct deadline *deadline)
{
	struct sched_context *context = container_of(deadline, struct sched_context, replenish);
	if (context->period == 0)
		return;
	context->budget_left += (int64_t)context->budget;
	if (context->budget_left > (int64_t)context->budget)
		context->budget_left = (int64_t)context->budget;
	if (context->budget_left > 0)
		context->throttled = false;
	else
		deadline_set(cpu, &context->replenish, deadline->tsc + context->period);
	sched_update(cpu, context);
}

/* Its budget begins to run with a period of its own. */
static void period_begin(struct cpu *cpu, struct sched_context *context)
{
	if (context->period != 0 && context->replenish.cpu == NULL)
		deadline_set(cpu, &context->replenish, cpu->sched.since + context->period);
}

static void sched_account(struct cpu *cpu)
{
	struct sched_context *context = cpu->sched.current;
	uint64_t now = tsc_read(), ran = now - cpu->sched.since;
	cpu->sched.since = now;
	if (context == NULL)
		return;
	context->slice_left -= (int64_t)ran;
	if (context->period != 0) {
		context->budget_left -= (int64_t)ran;
		context->throttled = context->budget_left <= 0;
		period_begin(cpu, context);
	}
}

/* When the current context has to be looked at again: its budget ends, or its slice while an equal waits. */
static void slice_arm(struct cpu *cpu, struct sched_context *context)
{
	struct sched_cpu *sched = &cpu->sched;
	uint64_t end = DEADLINE_NEVER;
	if ((sched->ready >> context->effective & 1) != 0)
		end = sched->since + (uint64_t)context->slice_left;
	if (context->period != 0 && context->budget_left > 0 && sched->since + (uint64_t)context->budget_left < end)
		end = sched->since + (uint64_t)context->budget_left;
	deadline_set(cpu, &sched->slice, end);
}

struct thread *sched_choose(struct cpu *cpu)
{
	struct sched_cpu *sched = &cpu->sched;
	sched_account(cpu);
	spin_lock(&sched->lock);
	struct sched_context *current = sched->current;
	if (current != NULL && is_runnable(current)) {
		bool used_up = current->slice_left <= 0;
		if (used_up)
			current->slice_left = (int64_t)current->slice;
		/* Who was preempted goes on with the rest of its slice before its equals. */
		queue_insert(sched, current, !used_up);
	}
	struct sched_context *next = NULL;
	if (sched->ready != 0) {
		unsigned int priority = 63u - (unsigned int)__builtin_clzl(sched->ready);
		next = list_first(&sched->queue[priority], struct sched_context, link);
		queue_remove(sched, next);
	}
	sched->current = next;
	spin_unlock(&sched->lock);
	if (next == NULL) {
		deadline_cancel(&sched->slice);
		return NULL;
	}
	period_begin(cpu, next);
	slice_arm(cpu, next);
	return next->top;
}

void sched_pass(struct cpu *cpu)
{
	if (cpu->sched.current != NULL)
		cpu->sched.current->slice_left = 0;
	hazard_set(cpu, HAZARD_RESCHEDULE);
}

void sched_context_init(struct thread *thread, unsigned int priority)
{
	struct sched_context *context = &thread->own;
	list_init(&context->link);
	context->top = thread;
	context->priority = context->effective = (uint8_t)priority;
	context->slice = tsc_from_ns(SCHED_SLICE_US * 1000ul);
	context->slice_left = (int64_t)context->slice;
	context->replenish.expired = replenish;
	thread->context = context;
}

void sched_priority_set(
	struct cpu *cpu, struct thread *thread, unsigned int priority, uint64_t slice, uint64_t budget, uint64_t period)
{
	struct sched_context *context = &thread->own;
	context->priority = (uint8_t)priority;
	if (!context->helped || context->effective < priority)
		context->effective = (uint8_t)priority;
	context->slice = slice;
	context->slice_left = (int64_t)slice;
	context->budget = budget;
	context->budget_left = (int64_t)budget;
	context->period = period;
	context->throttled = false;
	deadline_cancel(&context->replenish);
	sched_update(cpu, context);
}

/* The context has no thread to run any more. */
void sched_context_end(struct cpu *cpu, struct sched_context *context)
{
	struct sched_cpu *sched = &cpu->sched;
	if (is_queued(context))
		queue_remove(sched, context);
	if (sched->current == context) {
		sched_account(cpu);
		sched->current = NULL;
		hazard_set(cpu, HAZARD_RESCHEDULE);
	}
	deadline_cancel(&context->replenish);
}
