/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/event.c: see the header. Signalling is on the path of interrupts and of guests' doorbells: it allocates nothing and looks at no list unless a
 * bit is bound to a message.
 */
#include "core/obj/event.h"
#include "core/sched/sched.h"
#include "core/virt/vm.h"
#include "core/x86/timer.h"

static void timer_expired(struct cpu *cpu, struct deadline *deadline)
{
	event_source_signal(cpu, &container_of(deadline, struct event_timer, deadline)->source);
}

struct event *event_create(struct process *owner)
{
	struct event *event = OBJECT_CREATE(owner, GYRE_OBJECT_EVENT, event);
	if (event == NULL)
		return NULL;
	list_init(&event->kick_link);
	list_init(&event->sources);
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++)
		event->timer[i].deadline.expired = timer_expired;
	return event;
}

/* ---- signalling ---- */

static void messages_send(struct event *event, uint64_t bits)
{
	LIST_EACH (struct event_message, message, &event->sources, source.link) {
		if ((bits >> message->source.bit & 1) != 0)
			vlapic_bus_message(&message->vm->bus, message->address, (uint32_t)message->data);
	}
}

void event_signal(struct cpu *cpu, struct event *event, uint64_t bits)
{
	struct thread *woken = NULL;
	spin_lock(&event->object.lock);
	if ((bits & event->message_mask) != 0) {
		messages_send(event, bits & event->message_mask);
		bits &= ~event->message_mask;
	}
	if (bits != 0) {
		event->bits |= bits;
		woken = event->waiter;
		if (woken != NULL) {
			event->waiter = NULL;
			woken->event = NULL;
			woken->regs.rax = 0;
			woken->regs.rsi = event->bits;
			event->bits = 0;
		}
		if (event->kicks != NULL)
			vcpu_kick(event->kicks);
	}
	spin_unlock(&event->object.lock);
	if (woken != NULL) {
		deadline_cancel(&woken->timeout);
		thread_wake(cpu, woken);
	}
}

/* ---- waiting ---- */

static void wait_timeout(struct cpu *cpu, struct deadline *deadline)
{
	struct thread *thread = container_of(deadline, struct thread, timeout);
	event_wait_cancel(thread);
	thread->regs.rax = (uint64_t)-GYRE_ETIMEOUT;
	thread_wake(cpu, thread);
}

int64_t event_wait(struct cpu *cpu, struct thread *thread, struct event *event, uint64_t deadline)
{
	int64_t result = 0;
	spin_lock(&event->object.lock);
	if (event->waiter != NULL) {
		result = -GYRE_EBUSY;
	} else if (event->bits != 0) {
		thread->regs.rsi = event->bits;
		event->bits = 0;
	} else if (deadline != GYRE_FOREVER && (deadline == 0 || deadline <= tsc_read())) {
		result = -GYRE_ETIMEOUT;
	} else {
		event->waiter = thread;
		thread->event = event;
		result = EVENT_WAITS;
	}
	spin_unlock(&event->object.lock);
	if (result == EVENT_WAITS) {
		thread->timeout.expired = wait_timeout;
		if (deadline != GYRE_FOREVER)
			deadline_set(cpu, &thread->timeout, deadline);
		thread_block(cpu, thread, THREAD_WAITING);
	}
	return result;
}

void event_wait_cancel(struct thread *thread)
{
	struct event *event = thread->event;
	deadline_cancel(&thread->timeout);
	if (event == NULL)
		return;
	spin_lock(&event->object.lock);
	if (event->waiter == thread)
		event->waiter = NULL;
	thread->event = NULL;
	spin_unlock(&event->object.lock);
}

/* ---- bindings ---- */

int event_source_bind(struct event_source *source, struct event *event, uint64_t bit, bool message)
{
	int error = 0;
	if (bit >= 64)
		return -GYRE_EINVAL;
	spin_lock(&event->object.lock);
	if (!object_alive(&event->object)) {
		error = -GYRE_EHANDLE;
	} else if ((event->bound_mask >> bit & 1) != 0) {
		error = -GYRE_EBUSY;
	} else {
		event->bound_mask |= 1ul << bit;
		event->message_mask |= message ? 1ul << bit : 0;
		source->event = event;
		source->bit = (uint8_t)bit;
		list_push_back(&event->sources, &source->link);
	}
	spin_unlock(&event->object.lock);
	return error;
}

void event_source_unbind(struct event_source *source)
{
	struct event *event = source->event;
	if (event == NULL)
		return;
	spin_lock(&event->object.lock);
	list_remove(&source->link);
	event->bound_mask &= ~(1ul << source->bit);
	event->message_mask &= ~(1ul << source->bit);
	source->event = NULL;
	spin_unlock(&event->object.lock);
}

/* The message that a bit is, or NULL. */
static struct event_message *message_find(struct event *event, uint64_t bit)
{
	if (bit >= 64 || (event->message_mask >> bit & 1) == 0)
		return NULL;
	struct list *link = event->sources.next;
	while (container_of(link, struct event_source, link)->bit != bit)
		link = link->next;
	return container_of(link, struct event_message, source.link);
}

int event_message_bind(struct event *event, uint64_t bit, struct vm *vm, uint64_t address, uint64_t data)
{
	if (address == 0) {
		struct event_message *message = message_find(event, bit);
		if (message == NULL || message->vm != vm)
			return -GYRE_ENOENT;
		event_message_end(message);
		return 0;
	}
	struct event_message *message = slab_alloc(&event->object.owner->quota, sizeof(*message));
	if (message == NULL)
		return -GYRE_ENOMEM;
	message->vm = vm;
	message->address = address;
	message->data = data;
	int error = event_source_bind(&message->source, event, bit, true);
	if (error < 0)
		slab_free(&event->object.owner->quota, message, sizeof(*message));
	else
		list_push_back(&vm->messages, &message->in_vm);
	return error;
}

void event_message_end(struct event_message *message)
{
	struct quota *quota = &message->source.event->object.owner->quota;
	event_source_unbind(&message->source);
	list_remove(&message->in_vm);
	slab_free(quota, message, sizeof(*message));
}

int event_kick_bind(struct event *event, struct vcpu *vcpu, struct list *vcpu_events)
{
	spin_lock(&event->object.lock);
	bool busy = vcpu != NULL && event->kicks != NULL && event->kicks != vcpu;
	if (!busy) {
		event->kicks = vcpu;
		list_remove(&event->kick_link);
		if (vcpu != NULL)
			list_push_back(vcpu_events, &event->kick_link);
	}
	spin_unlock(&event->object.lock);
	return busy ? -GYRE_EBUSY : 0;
}

int event_timer_set(struct cpu *cpu, struct event *event, uint64_t bit, uint64_t deadline)
{
	struct event_timer *timer = NULL; /* the bit's, or a free one */
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++) {
		struct event_timer *other = &event->timer[i];
		if (other->source.event == NULL) {
			timer = other;
		} else if (other->source.bit == bit) {
			timer = other;
			break;
		}
	}
	if (bit >= 64)
		return -GYRE_EINVAL;
	if (timer == NULL)
		return deadline == 0 ? 0 : -GYRE_ENOMEM;
	deadline_cancel(&timer->deadline);
	if (deadline == 0) {
		event_source_unbind(&timer->source);
		return 0;
	}
	int error = timer->source.event != NULL ? 0 : event_source_bind(&timer->source, event, bit, false);
	if (error < 0)
		return error;
	if (deadline <= tsc_read())
		event_signal(cpu, event, 1ul << bit);
	else
		deadline_set(cpu, &timer->deadline, deadline);
	return 0;
}

/* ---- the end: everything that is bound counts at most 64 ---- */

int event_end(struct object *object, unsigned int *budget)
{
	struct event *event = container_of(object, struct event, object);
	if (!budget_take(budget, 8))
		return -GYRE_EAGAIN;
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++)
		deadline_cancel(&event->timer[i].deadline);
	while (!list_empty(&event->sources)) {
		struct event_source *source = container_of(event->sources.next, struct event_source, link);
		if ((event->message_mask >> source->bit & 1) != 0)
			event_message_end(container_of(source, struct event_message, source));
		else
			event_source_unbind(source);
	}
	event_kick_bind(event, NULL, NULL);
	struct thread *waiter = event->waiter;
	if (waiter != NULL) {
		event_wait_cancel(waiter);
		waiter->regs.rax = (uint64_t)-GYRE_EDEAD;
		thread_wake(cpu_current(), waiter);
	}
	return 0;
}
