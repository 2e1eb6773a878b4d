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
struct handle_frame_header;

#define SCHED_PRIORITIES 64

/*
 * The hazard word, cpu->hazard: whether anything special is due before a return to a process or an entry of a guest. Tested once, there; set by whoever
 * has something to do, on the processor itself (from another one by VECTOR_WAKE).
 */
#define HAZARD_RESCHEDULE 0x1u /* another context should run, or the current one can't */
#define HAZARD_FREE	  0x2u /* objects wait to be freed at the end of the call */
#define HAZARD_WORK	  0x4u /* sched.work or sched.failed */

struct sched_cpu {
	uint64_t ready; /* bit per priority whose queue has a context */
	struct list queue[SCHED_PRIORITIES];
	struct spinlock lock;	       /* of the queues */
	struct sched_context *current; /* whose time it is; NULL: idle. Not in a queue */
	uint64_t since;		       /* TSC up to which its time is counted */
	struct deadline slice;	       /* end of the current one's slice or budget */
	struct deadline *deadlines;    /* the heap */
	struct list deferred;	       /* objects to be freed when the call ends: object.owned */
	struct handle_frame_header *deferred_frames;
	struct list work;   /* endpoint_cpu.work: queues whose callers have to be told that nobody serves them */
	struct list failed; /* thread.queue_link: threads whose fault nobody answers; they end */
	uint64_t special;   /* THREAD_SPECIAL_ of the current thread: what the processor holds of it */
};

#endif
