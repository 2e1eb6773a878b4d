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
};

struct endpoint {
	struct object object;
	struct list fault_clients; /* thread.fault_link */
	uint32_t cpus;
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
/* Ends the wait of callers that queue for a handler that is gone: at most `budget` of them. */
bool endpoint_queue_end(struct cpu *cpu, struct endpoint *endpoint, uint32_t index, unsigned int *budget);

#endif
