/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/event.c: see the header. Signalling is on the path of interrupts and of guests' doorbells: it allocates nothing and looks at no list unless a
 * bit is bound to a message.
 */
#include "core/obj/event.h"
#include "core/mem/slab.h"
#include "core/obj/process.h"
#include "core/sched/sched.h"
#include "core/virt/vm.h"
#include "core/x86/timer.h"

static void timer_expired(struct cpu *cpu, struct deadline *deadline)
{
	struct event_timer *timer = container_of(deadline, struct event_timer, deadline);
	event_signal(cpu, timer->event, 1ul << timer->bit);
}

struct event *event_create(struct process *owner)
{
	struct event *event = OBJECT_CREATE(owner, GYRE_OBJECT_EVENT, event);
	if (event == NULL)
		return NULL;
	list_init(&event->kick_link);
	list_init(&event->sources);
	list_init(&event->messages);
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++) {
		event->timer[i].event = event;
		event->timer[i].deadline.expired = timer_expired;
	}
	return event;
}

/* ---- signalling ---- */

static void messages_send(struct cpu *cpu, struct event *event, uint64_t bits)
{
	for (struct list *link = event->messages.next; link != &event->messages; link = link->next) {
		struct event_message *message = container_of(link, struct event_message, in_event);
		if ((bits >> message->bit & 1) != 0)
			vm_message(cpu, message->vm, message->address, message->data);
	}
}

void event_signal(struct cpu *cpu, struct event *event, uint64_t bits)
{
	struct thread *woken = NULL;
	spin_lock(&event->object.lock);
	if ((bits & event->message_mask) != 0) {
		messages_send(cpu, event, bits & event->message_mask);
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
			vcpu_kick(cpu, event->kicks);
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

static int bit_claim(struct event *event, unsigned int bit)
{
	if (!object_alive(&event->object))
		return -GYRE_EHANDLE;
	if ((event->bound_mask >> bit & 1) != 0)
		return -GYRE_EBUSY;
	event->bound_mask |= 1ul << bit;
	return 0;
}

int event_source_bind(struct event_source *source, struct event *event, unsigned int bit)
{
	if (bit >= 64)
		return -GYRE_EINVAL;
	spin_lock(&event->object.lock);
	int error = bit_claim(event, bit);
	if (error == 0) {
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
	source->event = NULL;
	spin_unlock(&event->object.lock);
}

static struct event_message *message_find(struct event *event, unsigned int bit)
{
	for (struct list *link = event->messages.next; link != &event->messages; link = link->next) {
		struct event_message *message = container_of(link, struct event_message, in_event);
		if (message->bit == bit)
			return message;
	}
	return NULL;
}

int event_message_bind(struct event *event, unsigned int bit, struct vm *vm, uint64_t address, uint64_t data)
{
	if (bit >= 64)
		return -GYRE_EINVAL;
	struct event_message *message = message_find(event, bit);
	if (address == 0) {
		if (message == NULL || message->vm != vm)
			return -GYRE_ENOENT;
		event_message_end(message);
		return 0;
	}
	if (message != NULL)
		return -GYRE_EBUSY;
	message = slab_alloc(&event->object.owner->quota, sizeof(*message));
	if (message == NULL)
		return -GYRE_ENOMEM;
	*message = (struct event_message){
		.event = event, .vm = vm, .address = address, .data = data, .bit = (uint8_t)bit};
	spin_lock(&event->object.lock);
	int error = bit_claim(event, bit);
	if (error == 0) {
		event->message_mask |= 1ul << bit;
		list_push_back(&event->messages, &message->in_event);
		list_push_back(&vm->messages, &message->in_vm);
	}
	spin_unlock(&event->object.lock);
	if (error < 0)
		slab_free(&event->object.owner->quota, message, sizeof(*message));
	return error;
}

void event_message_end(struct event_message *message)
{
	struct event *event = message->event;
	spin_lock(&event->object.lock);
	list_remove(&message->in_event);
	list_remove(&message->in_vm);
	event->message_mask &= ~(1ul << message->bit);
	event->bound_mask &= ~(1ul << message->bit);
	spin_unlock(&event->object.lock);
	slab_free(&event->object.owner->quota, message, sizeof(*message));
}

int event_kick_bind(struct event *event, struct vcpu *vcpu, struct list *vcpu_events)
{
	int error = 0;
	spin_lock(&event->object.lock);
	if (vcpu == NULL) {
		event->kicks = NULL;
		list_remove(&event->kick_link);
	} else if (event->kicks != NULL && event->kicks != vcpu) {
		error = -GYRE_EBUSY;
	} else {
		event->kicks = vcpu;
		list_remove(&event->kick_link);
		list_push_back(vcpu_events, &event->kick_link);
	}
	spin_unlock(&event->object.lock);
	return error;
}

int event_timer_set(struct cpu *cpu, struct event *event, unsigned int bit, uint64_t deadline)
{
	struct event_timer *found = NULL, *free = NULL;
	if (bit >= 64)
		return -GYRE_EINVAL;
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++) {
		struct event_timer *timer = &event->timer[i];
		if (timer->used && timer->bit == bit)
			found = timer;
		else if (!timer->used)
			free = timer;
	}
	if (deadline == 0) {
		if (found != NULL) {
			deadline_cancel(&found->deadline);
			found->used = false;
			event->bound_mask &= ~(1ul << bit);
		}
		return 0;
	}
	if (found == NULL) {
		int error = free == NULL ? -GYRE_ENOMEM : bit_claim(event, bit);
		if (error < 0)
			return error;
		found = free;
		found->used = true;
		found->bit = (uint8_t)bit;
	}
	if (deadline <= tsc_read()) {
		deadline_cancel(&found->deadline);
		event_signal(cpu, event, 1ul << bit);
	} else {
		deadline_set(cpu, &found->deadline, deadline);
	}
	return 0;
}

/* ---- the end: everything that is bound counts at most 64 ---- */

int event_end(struct object *object, unsigned int *budget)
{
	struct event *event = container_of(object, struct event, object);
	struct cpu *cpu = cpu_current();
	if (*budget < 8)
		return -GYRE_EAGAIN;
	for (unsigned int i = 0; i < GYRE_EVENT_TIMERS; i++)
		deadline_cancel(&event->timer[i].deadline);
	while (!list_empty(&event->sources))
		event_source_unbind(container_of(event->sources.next, struct event_source, link));
	while (!list_empty(&event->messages))
		event_message_end(container_of(event->messages.next, struct event_message, in_event));
	event_kick_bind(event, NULL, NULL);
	struct thread *waiter = event->waiter;
	if (waiter != NULL) {
		event_wait_cancel(waiter);
		waiter->regs.rax = (uint64_t)-GYRE_EDEAD;
		thread_wake(cpu, waiter);
	}
	*budget -= 8;
	return 0;
}
