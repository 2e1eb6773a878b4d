/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/event.h: 64 bits, each set by one binding; waiting returns and clears them. What a bit does instead of waiting for a reader: it can
 * become a message (MSI) of a VM, and any bit can kick a vcpu.
 */
#ifndef CORE_OBJ_EVENT_H
#define CORE_OBJ_EVENT_H

#include "core/obj/handle.h"
#include "core/sched/deadline.h"
#include "gyre/calls.h"

struct thread;
struct vcpu;
struct vm;
struct event;

/* What a bit is bound to: what sets it (an interrupt object, a doorbell, a timer), or the message that it becomes. */
struct event_source {
	struct event *event; /* NULL: not bound */
	struct list link;    /* in event->sources */
	uint8_t bit;
};

struct event_timer {
	struct event_source source;
	struct deadline deadline;
};

/* A bit that becomes a message, with no process between. */
struct event_message {
	struct event_source source;
	struct list in_vm;
	struct vm *vm;
	uint64_t address, data;
};

struct event {
	struct object object;  /* its lock covers what follows */
	uint64_t bits;	       /* set and not yet taken */
	uint64_t message_mask; /* bits that are messages */
	uint64_t bound_mask;   /* bits that a source has */
	struct thread *waiter;
	struct vcpu *kicks;    /* vcpu_kick_on */
	struct list kick_link; /* in the vcpu's list of events that kick it */
	struct list sources;
	struct event_timer timer[GYRE_EVENT_TIMERS];
};
HANDLE_FIND(handle_event, event, GYRE_OBJECT_EVENT)

struct event *event_create(struct process *owner);
int event_end(struct object *object, unsigned int *budget);

/* From anywhere in the core: an interrupt, a deadline, an exit. */
void event_signal(struct cpu *cpu, struct event *event, uint64_t bits);
static inline void event_source_signal(struct cpu *cpu, struct event_source *source)
{
	if (source->event != NULL)
		event_signal(cpu, source->event, 1ul << source->bit);
}
/* -GYRE_EBUSY: the bit has a binding. `message`: the source is a struct event_message's. event_source_unbind() of one that is not bound does nothing. */
int event_source_bind(struct event_source *source, struct event *event, uint64_t bit, bool message);
void event_source_unbind(struct event_source *source);

/* -GYRE_EBUSY, -GYRE_ENOMEM; address 0 removes: -GYRE_ENOENT. */
int event_message_bind(struct event *event, uint64_t bit, struct vm *vm, uint64_t address, uint64_t data);
void event_message_end(struct event_message *message);

/* The call: 0 with the bits in the thread's rsi, an error, or EVENT_WAITS: it blocks, and gets its answer later. */
#define EVENT_WAITS INT64_MIN
int64_t event_wait(struct cpu *cpu, struct thread *thread, struct event *event, uint64_t deadline);
/* The thread waits no more (stopped, killed, timed out). */
void event_wait_cancel(struct thread *thread);
int event_timer_set(struct cpu *cpu, struct event *event, uint64_t bit, uint64_t deadline);
/* vcpu_kick_on: NULL unbinds. -GYRE_EBUSY: the event kicks another. core/virt calls it with NULL when the vcpu ends. */
int event_kick_bind(struct event *event, struct vcpu *vcpu, struct list *vcpu_events);

#endif
