/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/endpoint.c: calls and replies. The usual case (the handler waits; the reply finds nobody queued) stands first in each function and is
 * measured (bench/call); what it can't do goes to the functions marked cold.
 */
#include "core/sched/endpoint.h"
#include "core/obj/call.h"
#include "core/x86/trap.h"

#define COLD __attribute__((noinline, cold))

/* ---- parts of both directions ---- */

void context_refresh(struct cpu *cpu, struct sched_context *context)
{
	uint8_t effective = context->priority;
	bool helped = false;
	for (struct thread *thread = context->top; thread != NULL; thread = thread->client) { /* CALL_DEPTH */
		if (thread->serves == NULL)
			continue;
		struct endpoint_cpu *queue = &thread->serves->cpu[cpu->index];
		if (list_empty(&queue->queue))
			continue;
		helped = true;
		if (queue->most > effective)
			effective = queue->most;
	}
	context->effective = effective;
	context->helped = helped;
	sched_update(cpu, context);
}

/* A call begins: the server runs on the caller's context. */
static inline void call_begin(struct thread *caller, struct thread *server)
{
	struct sched_context *context = caller->context;
	caller->state = THREAD_CALLING;
	caller->server = server;
	server->client = caller;
	server->context = context;
	server->depth = caller->depth + 1;
	server->state = THREAD_RUNNING;
	context->top = server;
}

static inline void message_give(struct thread *caller, struct thread *server, uint64_t handle)
{
	server->regs.rax = caller->call_badge;
	server->regs.rsi = caller->regs.rsi;
	server->regs.rdx = caller->regs.rdx;
	server->regs.r10 = caller->regs.r10;
	server->regs.r8 = caller->regs.r8;
	server->regs.r9 = handle;
}

static void fault_give(struct thread *caller, struct thread *server)
{
	server->regs.rax = caller->call_badge;
	server->regs.rsi = caller->fault[0];
	server->regs.rdx = caller->fault[1];
	server->regs.r10 = caller->fault[2];
	server->regs.r8 = caller->fault[3];
	server->regs.r9 = 0;
}

/* A copy of a handle for another process: its number there, or an error. */
COLD static int64_t handle_pass(struct process *from, uint64_t number, struct process *to)
{
	struct handle *handle;
	int error = handle_find(&from->handles, number, GYRE_OBJECT_NONE, GYRE_RIGHT_COPY, &handle);
	return error < 0 ? error : handle_create(to, handle->object, handle->rights, handle->badge);
}

/* It waits for a server no more. */
void endpoint_unqueue(struct cpu *cpu, struct thread *caller)
{
	struct endpoint_cpu *queue = &caller->endpoint->cpu[cpu->index];
	list_remove(&caller->queue_link);
	caller->endpoint = NULL;
	if (list_empty(&queue->queue))
		queue->most = 0;
}

/* A call ends without an answer. */
static void call_return(struct cpu *cpu, struct thread *caller, int64_t error)
{
	caller->call_kind = CALL_NONE;
	caller->regs.rax = (uint64_t)error;
	thread_wake(cpu, caller);
}

/* The server's answer is no more: the call ends with -GYRE_EDEAD. A fault that nobody answers ends its thread, later. */
void endpoint_call_failed(struct cpu *cpu, struct thread *caller)
{
	caller->server = NULL;
	if (caller->endpoint != NULL)
		endpoint_unqueue(cpu, caller);
	if (caller->call_kind == CALL_FAULT) {
		caller->call_kind = CALL_NONE;
		caller->state = THREAD_STOPPED;
		list_move_back(&cpu->sched.failed, &caller->queue_link);
		hazard_set(cpu, HAZARD_WORK);
	} else {
		call_return(cpu, caller, -GYRE_EDEAD);
	}
	context_refresh(cpu, caller->context);
}

/* ---- calling ---- */

/* Everybody who runs before this handler answers gets the caller's priority. -GYRE_EBUSY: they wait for the caller itself, or the chain is too long. */
static int inherit(struct cpu *cpu, struct thread *caller, struct thread *handler)
{
	uint8_t priority = caller->context->effective;
	for (unsigned int i = 0; i < 32; i++) {
		struct sched_context *context = handler->context;
		if (context == NULL)
			return 0; /* stopped while it waits for calls */
		if (context == caller->context)
			return -GYRE_EBUSY;
		context->helped = true;
		if (context->effective < priority)
			context->effective = priority;
		sched_update(cpu, context);
		struct thread *top = context->top;
		if (top->state != THREAD_QUEUED)
			return 0;
		handler = top->endpoint->cpu[cpu->index].handler;
		if (handler == NULL)
			return 0;
	}
	return -GYRE_EBUSY;
}

COLD static int call_queue(struct cpu *cpu, struct thread *caller, struct endpoint *endpoint, struct thread *handler)
{
	struct endpoint_cpu *queue = &endpoint->cpu[cpu->index];
	int error = inherit(cpu, caller, handler);
	if (error < 0)
		return error;
	caller->state = THREAD_QUEUED;
	caller->endpoint = endpoint;
	list_push_back(&queue->queue, &caller->queue_link);
	if (caller->context->effective > queue->most)
		queue->most = caller->context->effective;
	sched_update(cpu, caller->context);
	return 0;
}

void endpoint_call(struct cpu *cpu, struct thread *caller)
{
	struct regs *regs = &caller->regs;
	struct handle *handle;
	int64_t number = 0, error = handle_find(&caller->process->handles, regs->rdi, GYRE_OBJECT_ENDPOINT,
				    GYRE_RIGHT_CALL, &handle);
	if (error < 0) {
		regs->rax = (uint64_t)error;
		return;
	}
	struct endpoint *endpoint = container_of(handle->object, struct endpoint, object);
	struct thread *handler = endpoint->cpu[cpu->index].handler;
	caller->call_badge = handle->badge;
	caller->call_kind = CALL_MESSAGE;
	if (handler == NULL)
		error = -GYRE_EDEAD;
	else if (caller->depth >= CALL_DEPTH)
		error = -GYRE_EBUSY;
	else if (handler->state != THREAD_RECEIVING)
		error = call_queue(cpu, caller, endpoint, handler);
	else if (regs->r9 == 0 || (error = number = handle_pass(caller->process, regs->r9, handler->process)) >= 0) {
		call_begin(caller, handler);
		message_give(caller, handler, (uint64_t)number);
		thread_switch_to(cpu, handler);
		return;
	}
	if (error < 0) {
		caller->call_kind = CALL_NONE;
		regs->rax = (uint64_t)error;
	}
}

void fault_report(struct cpu *cpu, struct thread *thread, uint64_t trap, uint64_t error, uint64_t address)
{
	struct endpoint *endpoint = thread->fault_endpoint;
	struct thread *handler = endpoint == NULL ? NULL : endpoint->cpu[cpu->index].handler;
	thread->fault[0] = GYRE_FAULT_MESSAGE | trap;
	thread->fault[1] = error;
	thread->fault[2] = address;
	thread->fault[3] = thread->regs.rip;
	thread->call_kind = CALL_FAULT;
	thread->call_badge = thread->fault_badge;
	if (handler != NULL && thread->depth < CALL_DEPTH) {
		if (handler->state == THREAD_RECEIVING) {
			call_begin(thread, handler);
			fault_give(thread, handler);
			thread_switch_to(cpu, handler);
			return;
		}
		if (call_queue(cpu, thread, endpoint, handler) == 0)
			return;
	}
	thread->call_kind = CALL_NONE;
	thread_crash(cpu, thread, trap_name(trap));
}

/* ---- replying ---- */

/* Ends the call in hand: the client's context is its own again. */
static inline struct thread *call_end(struct thread *server)
{
	struct thread *client = server->client;
	server->client = NULL;
	server->context->top = client;
	server->context = NULL;
	server->depth = 0;
	client->server = NULL;
	client->call_kind = CALL_NONE;
	client->state = THREAD_RUNNING;
	return client;
}

static inline void reply_copy(struct thread *server, struct thread *client)
{
	client->regs.rax = server->regs.rsi;
	client->regs.rsi = server->regs.rdx;
	client->regs.rdx = server->regs.r10;
	client->regs.r10 = server->regs.r8;
	client->regs.r8 = 0;
	client->regs.r9 = 0;
}

COLD static void reply_slow(struct cpu *cpu, struct thread *server)
{
	struct thread *client = server->client;
	bool fault = client->call_kind == CALL_FAULT;
	struct sched_context *context = server->context;
	call_end(server);
	if (fault && (int64_t)server->regs.rsi < 0) {
		thread_crash(cpu, client, "its fault handler gave it up");
		return;
	}
	if (!fault) {
		reply_copy(server, client);
		if (server->regs.r9 != 0) {
			int64_t number = handle_pass(server->process, server->regs.r9, client->process);
			client->regs.r9 = number < 0 ? 0 : (uint64_t)number;
		}
	}
	thread_wake(cpu, client); /* it may have to stop now */
	context_refresh(cpu, context);
}

/* The next caller that waits. False: none is there any more, or their handles could not be passed. */
static bool take_queued(struct cpu *cpu, struct thread *server, struct endpoint_cpu *queue)
{
	for (unsigned int i = 0; i < 16 && !list_empty(&queue->queue); i++) {
		struct thread *caller = list_first(&queue->queue, struct thread, queue_link);
		int64_t number = 0;
		endpoint_unqueue(cpu, caller);
		if (caller->call_kind == CALL_MESSAGE && caller->regs.r9 != 0)
			number = handle_pass(caller->process, caller->regs.r9, server->process);
		if (number < 0) {
			call_return(cpu, caller, number);
			continue;
		}
		call_begin(caller, server);
		if (caller->call_kind == CALL_FAULT)
			fault_give(caller, server);
		else
			message_give(caller, server, (uint64_t)number);
		context_refresh(cpu, caller->context);
		return true;
	}
	return false;
}

/* From now on calls on this processor come to this thread. */
COLD static int serve(struct cpu *cpu, struct thread *server, struct endpoint *endpoint)
{
	struct endpoint_cpu *queue = &endpoint->cpu[cpu->index];
	if (queue->handler != NULL)
		return -GYRE_EBUSY;
	if (server->serves != NULL)
		endpoint_unserve(cpu, server);
	queue->handler = server;
	server->serves = endpoint;
	list_remove(&queue->work);
	return 0;
}

/* Waits for a caller, or has one already. */
void endpoint_receive(struct cpu *cpu, struct thread *server)
{
	struct endpoint_cpu *queue = &server->serves->cpu[cpu->index];
	server->context = NULL;
	server->state = THREAD_RECEIVING;
	if (take_queued(cpu, server, queue) || list_empty(&queue->queue))
		return;
	server->state = THREAD_RUNNING;
	server->context = &server->own;
	server->regs.rax = (uint64_t)-GYRE_EAGAIN;
	sched_update(cpu, &server->own);
}

COLD static void wait_slow(struct cpu *cpu, struct thread *server)
{
	struct sched_context *before = server->context;
	if (server->client != NULL)
		reply_slow(cpu, server);
	endpoint_receive(cpu, server);
	context_refresh(cpu, before);
	hazard_set(cpu, HAZARD_RESCHEDULE);
}

void endpoint_reply_wait(struct cpu *cpu, struct thread *server)
{
	struct regs *regs = &server->regs;
	struct handle *handle;
	int error = handle_find(&server->process->handles, regs->rdi, GYRE_OBJECT_ENDPOINT, GYRE_RIGHT_SERVE, &handle);
	if (error == 0 && server->serves != container_of(handle->object, struct endpoint, object))
		error = serve(cpu, server, container_of(handle->object, struct endpoint, object));
	if (error < 0) {
		regs->rax = (uint64_t)error;
		return;
	}
	struct thread *client = server->client;
	if (client == NULL || client->call_kind != CALL_MESSAGE || client->stop_pending || regs->r9 != 0 ||
		server->context->helped) {
		wait_slow(cpu, server);
		return;
	}
	call_end(server);
	server->state = THREAD_RECEIVING;
	reply_copy(server, client);
	thread_switch_to(cpu, client);
}
