/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/endpoint_end.c: endpoints as objects, and what becomes of calls when one of those who take part goes away.
 */
#include "core/sched/endpoint.h"

struct endpoint *endpoint_create(struct process *owner)
{
	uint32_t bytes = (uint32_t)(sizeof(struct endpoint) + cpu_count * sizeof(struct endpoint_cpu));
	struct endpoint *endpoint = object_create_at(
		owner, GYRE_OBJECT_ENDPOINT, bytes, offsetof(struct endpoint, object));
	if (endpoint == NULL)
		return NULL;
	list_init(&endpoint->fault_clients);
	for (uint32_t i = 0; i < cpu_count; i++) {
		list_init(&endpoint->cpu[i].queue);
		list_init(&endpoint->cpu[i].work);
	}
	return endpoint;
}

void endpoint_unserve(struct cpu *cpu, struct thread *server)
{
	struct endpoint_cpu *queue = &server->serves->cpu[cpu->index];
	queue->handler = NULL;
	server->serves = NULL;
	if (!list_empty(&queue->queue)) {
		list_move_back(&cpu->sched.work, &queue->work);
		hazard_set(cpu, HAZARD_WORK);
	}
}

/* The server goes on with what it does, on its own time, and its answer goes nowhere; and so do those that it has called itself. */
static void client_gone(struct cpu *cpu, struct thread *client)
{
	struct thread *server = client->server;
	struct sched_context *context = client->context;
	client->server = NULL;
	server->client = NULL;
	server->own.top = context->top;
	context->top = client;
	uint8_t depth = 0;
	for (struct thread *thread = server; thread != NULL; /* CALL_DEPTH */
		thread = thread->state == THREAD_CALLING ? thread->server : NULL) {
		thread->context = &server->own;
		thread->depth = depth++;
	}
	context_refresh(cpu, &server->own);
	sched_update(cpu, context);
	/* Who runs may run on another context now. */
	hazard_set(cpu, HAZARD_RESCHEDULE);
}

static void server_gone(struct cpu *cpu, struct thread *server)
{
	struct thread *client = server->client;
	client_gone(cpu, client);
	endpoint_call_failed(cpu, client);
}

void endpoint_thread_gone(struct cpu *cpu, struct thread *thread)
{
	if (thread->state == THREAD_QUEUED)
		endpoint_unqueue(cpu, thread);
	list_remove(&thread->queue_link); /* of sched.failed */
	if (thread->state == THREAD_CALLING)
		client_gone(cpu, thread);
	if (thread->serves != NULL)
		endpoint_unserve(cpu, thread);
	if (thread->client != NULL)
		server_gone(cpu, thread);
}

#define WORK_STEPS 4

void endpoint_work(struct cpu *cpu)
{
	struct sched_cpu *sched = &cpu->sched;
	for (unsigned int i = 0; i < WORK_STEPS; i++) {
		if (!list_empty(&sched->failed)) {
			struct thread *thread = list_first(&sched->failed, struct thread, queue_link);
			list_remove(&thread->queue_link);
			thread_crash(cpu, thread, "nobody answers its fault");
		} else if (!list_empty(&sched->work)) {
			struct endpoint_cpu *queue = list_first(&sched->work, struct endpoint_cpu, work);
			if (queue->handler != NULL || list_empty(&queue->queue))
				list_remove(&queue->work);
			else
				endpoint_call_failed(cpu, list_first(&queue->queue, struct thread, queue_link));
		} else {
			return;
		}
	}
	hazard_set(cpu, HAZARD_WORK);
}

/* ---- the end of an endpoint ---- */

static void handler_released(struct cpu *cpu, struct thread *handler)
{
	handler->serves = NULL;
	if (handler->client != NULL)
		server_gone(cpu, handler);
	if (handler->state == THREAD_RECEIVING || handler->was_receiving) {
		handler->state = handler->was_receiving ? THREAD_STOPPED : THREAD_RUNNING;
		handler->was_receiving = false;
		handler->context = &handler->own;
		handler->regs.rax = (uint64_t)-GYRE_EDEAD;
	}
	sched_update(cpu, handler->context);
}

int endpoint_end(struct object *object, unsigned int *budget)
{
	struct endpoint *endpoint = container_of(object, struct endpoint, object);
	struct cpu *cpu = cpu_current();
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct endpoint_cpu *queue = &endpoint->cpu[i];
		struct thread *handler = queue->handler;
		queue->handler = NULL;
		if (handler != NULL)
			handler_released(cpu, handler);
		while (!list_empty(&queue->queue)) {
			if (!budget_take(budget, 4))
				return -GYRE_EAGAIN;
			endpoint_call_failed(cpu, list_first(&queue->queue, struct thread, queue_link));
		}
		list_remove(&queue->work);
	}
	while (!list_empty(&endpoint->fault_clients)) {
		if (!budget_take(budget, 1))
			return -GYRE_EAGAIN;
		struct thread *thread = container_of(endpoint->fault_clients.next, struct thread, fault_link);
		list_remove(&thread->fault_link);
		thread->fault_endpoint = NULL;
	}
	return 0;
}
