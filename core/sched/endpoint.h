/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/endpoint.h: synchronous calls between threads of one processor.
 *
 * An endpoint has at most one handler thread on each processor. A call makes the handler run at once on the caller's context; callers that find it busy
 * queue in order, and lend their priority to the context that it runs on. Calls nest CALL_DEPTH deep.
 */
#ifndef CORE_SCHED_ENDPOINT_H
#define CORE_SCHED_ENDPOINT_H

#include "core/sched/sched.h"

#define CALL_DEPTH 8

struct endpoint_cpu {
	struct thread *handler; /* or NULL: calls fail */
	struct list queue;	/* of callers: thread.queue_link */
	uint8_t most;		/* priority of the highest that waits, or waited since the queue was last empty */
	struct list work;	/* in sched.work: the handler is gone, callers are to be told */
};

struct endpoint {
	struct object object;
	struct list fault_clients; /* thread.fault_link */
	struct endpoint_cpu cpu[];
};
HANDLE_FIND(handle_endpoint, endpoint, GYRE_OBJECT_ENDPOINT)

struct endpoint *endpoint_create(struct process *owner);
int endpoint_end(struct object *object, unsigned int *budget);

/* The two calls of calls.h, in full: they write the registers of all that take part. */
void endpoint_call(struct cpu *cpu, struct thread *caller);
void endpoint_reply_wait(struct cpu *cpu, struct thread *server);

/* A thread has faulted: calls its fault endpoint, or ends it. */
void fault_report(struct cpu *cpu, struct thread *thread, uint64_t trap, uint64_t error, uint64_t address);

/* A thread ends or is unbound: calls that it makes or serves end with -GYRE_EDEAD. Bounded. */
void endpoint_thread_gone(struct cpu *cpu, struct thread *thread);
/* The thread is no handler any more. */
void endpoint_unserve(struct cpu *cpu, struct thread *server);
/* A call that nobody answers any more ends with -GYRE_EDEAD; a fault, with its thread. */
void endpoint_call_failed(struct cpu *cpu, struct thread *caller);
/* HAZARD_WORK: tells callers whose handler is gone, ends threads whose fault nobody answers. A bounded part; sets the hazard again while there is more. */
void endpoint_work(struct cpu *cpu);
void endpoint_unqueue(struct cpu *cpu, struct thread *caller);
/* What a context inherits follows anew from the queues of all servers that run on it. */
void context_refresh(struct cpu *cpu, struct sched_context *context);
/* A server takes the next caller, or waits for one; also when it goes on that was stopped while RECEIVING. */
void endpoint_receive(struct cpu *cpu, struct thread *server);

#endif
