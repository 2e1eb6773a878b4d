/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/percpu.h: the scheduler's part of struct cpu.
 */
#ifndef CORE_SCHED_PERCPU_H
#define CORE_SCHED_PERCPU_H

#include "core/obj/list.h"
#include "core/sched/deadline.h"
#include "core/x86/spinlock.h"

struct thread;
struct sched_context;
struct deferred;

#define SCHED_PRIORITIES 64

/*
 * The hazard word, cpu->hazard: whether anything special is due before a return to a process or an entry of a guest. Tested once, there; set by whoever
 * has something to do, on the processor itself (from another one by VECTOR_WAKE).
 */
#define HAZARD_RESCHEDULE 0x1u /* another context should run, or the current one can't */
#define HAZARD_FREE	  0x2u /* objects wait to be freed at the end of the call */
#define HAZARD_STOP	  0x4u /* the current thread was stopped or ended from outside */

struct sched_cpu {
	uint64_t ready; /* bit per priority whose queue has a context */
	struct list queue[SCHED_PRIORITIES];
	struct spinlock lock;	       /* of the queues */
	struct sched_context *current; /* whose time it is; NULL: idle. Not in a queue */
	uint64_t since;		       /* TSC up to which its time is counted */
	struct deadline slice;	       /* end of the current one's slice or budget */
	struct deadline *deadlines;    /* the heap */
	struct deferred *deferred;     /* to be freed */
	uint64_t fs_base;	       /* what the processor holds */
	bool fpu_enabled;	       /* CR0.TS is clear: a thread with FPU runs */
	uint64_t switches, idles;      /* for people */
};

#endif
