/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/deadline.h: what is to happen at a TSC value, on one processor.
 *
 * A leftist heap of records that are part of their objects: it needs no memory of its own, and setting, cancelling and expiring each take O(log n)
 * steps at worst (D. E. Knuth, The Art of Computer Programming, vol. 3, 5.2.3), so no process's timers make another's slow.
 */
#ifndef CORE_SCHED_DEADLINE_H
#define CORE_SCHED_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct deadline;
/* Runs on the processor where it was set, with interrupts off; the deadline is not set any more and may be set again. Bounded. */
typedef void (*deadline_expired)(struct cpu *cpu, struct deadline *deadline);

struct deadline {
	uint64_t tsc;
	deadline_expired expired; /* set by the owner, once */
	struct cpu *cpu;	  /* where it is set, or NULL */
	struct deadline *parent, *left, *right;
	uint32_t rank; /* distance to the nearest missing child */
};

#define DEADLINE_NEVER UINT64_MAX

/* On this processor only. A deadline that is set moves; DEADLINE_NEVER cancels; one that has passed expires as soon as the timer's interrupt is let in. */
void deadline_set(struct cpu *cpu, struct deadline *deadline, uint64_t tsc);
void deadline_cancel(struct deadline *deadline);

/* The timer's interrupt: expires what is due, at most DEADLINE_BATCH at a time, and arms the timer anew. */
#define DEADLINE_BATCH 32
void deadline_interrupt(struct cpu *cpu);

#endif
