/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/thread.h: threads, and the time they run on.
 *
 * A thread is registers and what it waits for. Time is a scheduling context: priority, slice, budget. Each thread brings one; in a call of an endpoint
 * the server's thread runs on the caller's, so a call needs no scheduling, and who is called does not lose its own time. `context->top` is the thread
 * that runs when the context is chosen: the one at the end of its chain of calls. Only a context whose top is THREAD_RUNNING is in a run queue.
 */
#ifndef CORE_SCHED_THREAD_H
#define CORE_SCHED_THREAD_H

#include "core/obj/handle.h"
#include "core/obj/process.h"
#include "core/sched/deadline.h"
#include "core/x86/regs.h"

struct endpoint;
struct event;
struct vcpu;

enum thread_state {
	THREAD_STOPPED,	  /* created, or thread_stop() */
	THREAD_RUNNING,	  /* runs, or would if it were its context's turn */
	THREAD_CALLING,	  /* a server works for it: thread->server */
	THREAD_QUEUED,	  /* wants to call; the server is busy: in the endpoint's queue */
	THREAD_RECEIVING, /* a server's thread without a call: runs on nobody's time */
	THREAD_WAITING,	  /* for an event: thread->event */
	THREAD_HALTED,	  /* inside a guest that halts: core/virt wakes it */
	THREAD_ENDED,
};

#define SCHED_SLICE_US 10000

struct sched_context {
	struct list link;   /* in a run queue, or in none */
	struct thread *top; /* who runs on it */
	uint8_t priority;   /* its own */
	uint8_t effective;  /* with what it inherited from callers that wait for a server that runs on it */
	bool throttled;	    /* its budget is used up */
	bool helped; /* callers wait for servers that run on it: it is not throttled meanwhile, and runs into debt */
	uint8_t queued_at; /* priority of the queue that it is in */
	uint64_t slice;	   /* TSC ticks */
	int64_t slice_left;
	uint64_t budget, period; /* TSC ticks; period 0: none */
	int64_t budget_left;	 /* may be negative: debt */
	struct deadline replenish;
};

enum call_kind { CALL_NONE, CALL_MESSAGE, CALL_FAULT };

#define THREAD_SPECIAL_FPU   1ul
#define THREAD_SPECIAL_BASES 2ul /* FS or GS base is not 0 */

struct thread {
	struct regs regs;      /* first: the processor pushes to its end */
	struct cpu *processor; /* of `cpu`: next, for entry.S */
	struct process *process;
	struct sched_context *context; /* whose time it runs on: its own, or its caller's; NULL while RECEIVING */
	uint64_t special;	       /* THREAD_SPECIAL_: what else than registers it has */
	struct vcpu *vcpu;	       /* inside vcpu_run of it: core_leave enters the guest instead of the process */
	uint8_t state;		       /* enum thread_state */
	uint8_t call_kind;	       /* of the call it is in, CALLING or QUEUED */
	uint8_t depth;		       /* of calls that led to it */
	bool stop_pending;	       /* to be stopped when its call or wait ends */
	bool was_receiving;	       /* STOPPED while RECEIVING */
	bool essential;		       /* root's first: without it nobody ends the machine, so the core stops */
	uint32_t cpu;
	/* as a client */
	struct thread *server;	   /* CALLING */
	struct endpoint *endpoint; /* QUEUED: where */
	struct list queue_link;
	uint32_t call_badge;
	uint64_t fault[4]; /* CALL_FAULT: what the server is to get */
	/* as a server */
	struct endpoint *serves; /* it is this endpoint's handler on its processor */
	struct thread *client;	 /* whose call it works on */
	/* faults */
	struct endpoint *fault_endpoint;
	struct list fault_link; /* in the endpoint's list of those that fault to it */
	uint32_t fault_badge;
	/* waiting */
	struct event *event;
	struct deadline timeout;
	/* what is changed less often */
	struct object object;
	struct list in_process;
	struct sched_context own;
	uint64_t fs_base, gs_base;
	uint32_t number; /* for people */
	void *fpu_state; /* GYRE_THREAD_FPU: a frame for core/virt/fpu.c */
};
HANDLE_FIND(handle_thread, thread, GYRE_OBJECT_THREAD)
_Static_assert(offsetof(struct thread, processor) == sizeof(struct regs), "core/x86/entry.S");

struct thread_start {
	uint64_t entry, stack, argument;
	struct endpoint *fault; /* or NULL */
	uint64_t flags;
	uint32_t fault_badge, priority, cpu;
};
/* Stopped, with registers that start at entry. */
int thread_create(struct process *owner, const struct thread_start *start, struct thread **out);
int thread_start(struct cpu *cpu, struct thread *thread);
int thread_stop(struct cpu *cpu, struct thread *thread);
bool thread_is_still(const struct thread *thread);
int thread_end(struct object *object, unsigned int *budget);
/* It runs no more; calls that it is part of end with -GYRE_EDEAD. Any state. */
void thread_kill(struct cpu *cpu, struct thread *thread);
/* Kills with a line in the log: why, and the registers. */
void thread_crash(struct cpu *cpu, struct thread *thread, const char *why);

#endif
