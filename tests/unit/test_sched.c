/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_sched.c: deadlines, run queues, time, calls of endpoints, faults.
 */
/* unit-sources: tests/unit/core_fixture.c */
/* unit-sources: core/mem/aspace.c core/mem/dirty.c core/mem/frame.c core/mem/memory.c core/mem/memory_change.c core/mem/memory_end.c core/mem/memory_tree.c core/mem/pagetable.c core/mem/pagetable_process.c core/mem/slab.c */
/* unit-sources: tests/core/check.c tests/core/pagetable_check.c core/obj/device.c core/obj/event.c core/obj/handle.c core/obj/object.c core/obj/process.c core/obj/vm.c core/sched/deadline.c core/sched/endpoint.c core/sched/endpoint_end.c core/sched/sched.c core/sched/thread.c */
#include "tests/unit/core_fixture.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)

static uint64_t seed = 88172645463325252ull;
static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

/* ---- deadlines ---- */

#define MANY 500
static struct deadline many[MANY];
static uint64_t expired_last;
static unsigned int expired_count;

static void expired(struct cpu *cpu, struct deadline *deadline)
{
	(void)cpu;
	assert_true(deadline->tsc >= expired_last);
	assert_true(deadline->tsc <= unit_tsc);
	expired_last = deadline->tsc;
	expired_count++;
}

static unsigned int heap_check(struct deadline *node)
{
	/* Walked by the parents, without recursion: down left, then right. */
	unsigned int count = 0;
	struct deadline *last = node == NULL ? NULL : node->parent;
	while (node != NULL) {
		struct deadline *next;
		if (last == node->parent) {
			count++;
			assert_true(node->parent == NULL || node->parent->tsc <= node->tsc);
			assert_true((node->left ? node->left->rank : 0) >= (node->right ? node->right->rank : 0));
			assert_int_equal(node->rank, (node->right ? node->right->rank : 0) + 1);
			next = node->left ? node->left : node->right ? node->right : node->parent;
		} else if (last == node->left && node->right != NULL) {
			next = node->right;
		} else {
			next = node->parent;
		}
		last = node;
		node = next;
	}
	return count;
}

static void deadlines_expire_in_order(void **state)
{
	(void)state;
	memset(many, 0, sizeof(many));
	expired_last = expired_count = 0;
	for (unsigned int i = 0; i < MANY; i++)
		many[i].expired = expired;
	unsigned int set = 0, before = heap_check(core.cpu->sched.deadlines);
	for (unsigned int step = 0; step < 5000; step++) {
		struct deadline *one = &many[dice(MANY)];
		if (dice(3) == 0) {
			set -= one->cpu != NULL;
			deadline_cancel(one);
		} else {
			set += one->cpu == NULL;
			deadline_set(core.cpu, one, unit_tsc + 1 + dice(1000));
		}
		if (step % 50 == 0)
			assert_int_equal(heap_check(core.cpu->sched.deadlines), before + set);
	}
	assert_true(core.timer_armed <= unit_tsc + 1000);
	time_passes(1000);
	assert_int_equal(expired_count, set);
	assert_int_equal(heap_check(core.cpu->sched.deadlines), before);
}

static void a_batch_of_deadlines_is_bounded(void **state)
{
	(void)state;
	memset(many, 0, sizeof(many));
	expired_last = expired_count = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		many[i].expired = expired;
		deadline_set(core.cpu, &many[i], unit_tsc + 5);
	}
	unit_tsc += 10;
	deadline_interrupt(core.cpu);
	assert_int_equal(expired_count, DEADLINE_BATCH);
	assert_true(core.timer_armed <= unit_tsc); /* the rest at once */
	time_passes(0);
	assert_int_equal(expired_count, MANY);
}

/* ---- queues and time ---- */

static void higher_priorities_run_first(void **state)
{
	(void)state;
	struct thread *low = core_thread(core.root, 10, NULL, 0), *high = core_thread(core.root, 50, NULL, 0);
	assert_ok(thread_start(core.cpu, low));
	core_settle();
	assert_ptr_equal(core.cpu->thread, core.root_thread);
	assert_ok(thread_start(core.cpu, high));
	core_settle();
	assert_ptr_equal(core.cpu->thread, high);
	assert_ok(thread_stop(core.cpu, high));
	core_settle();
	assert_ptr_equal(core.cpu->thread, core.root_thread);
	assert_ok(thread_stop(core.cpu, core.root_thread));
	core_settle();
	assert_ptr_equal(core.cpu->thread, low);
	assert_ok(thread_stop(core.cpu, low));
	core_settle();
	assert_null(core.cpu->thread); /* idle */
	assert_ok(thread_start(core.cpu, core.root_thread));
	core_settle();
	assert_ptr_equal(core.cpu->thread, core.root_thread);
}

static void equals_take_turns_by_slices(void **state)
{
	(void)state;
	struct thread *thread[3];
	uint64_t ran[3] = {0};
	for (unsigned int i = 0; i < 3; i++) {
		thread[i] = core_thread(core.root, 40, NULL, 0);
		sched_priority_set(core.cpu, thread[i], 40, 1000, 0, 0);
		assert_ok(thread_start(core.cpu, thread[i]));
	}
	core_settle();
	for (unsigned int step = 0; step < 3000; step++) {
		for (unsigned int i = 0; i < 3; i++)
			ran[i] += core.cpu->thread == thread[i] ? 10 : 0;
		time_passes(10);
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_in_range(ran[i], 9000, 11000);
	for (unsigned int i = 0; i < 3; i++)
		thread_kill(core.cpu, thread[i]);
	core_settle();
}

static void a_yield_lets_the_next_equal_run(void **state)
{
	(void)state;
	struct thread *other = core_thread(core.root, 32, NULL, 0);
	assert_ok(thread_start(core.cpu, other));
	core_settle();
	assert_ptr_equal(core.cpu->thread, core.root_thread);
	sched_pass(core.cpu);
	core_settle();
	assert_ptr_equal(core.cpu->thread, other);
	sched_pass(core.cpu);
	core_settle();
	assert_ptr_equal(core.cpu->thread, core.root_thread);
}

static void a_budget_is_kept_in_each_period(void **state)
{
	(void)state;
	struct thread *capped = core_thread(core.root, 60, NULL, 0);
	uint64_t ran = 0;
	sched_priority_set(core.cpu, capped, 60, 1000, 2000, 10000);
	assert_ok(thread_start(core.cpu, capped));
	core_settle();
	for (unsigned int step = 0; step < 10000; step++) {
		ran += core.cpu->thread == capped ? 10 : 0;
		time_passes(10);
	}
	assert_in_range(ran, 19000, 21000); /* a fifth of 100,000 */
	thread_kill(core.cpu, capped);
	core_settle();
}

/* ---- calls ---- */

static struct endpoint *endpoint;
static uint64_t call_number, serve_number;

static struct thread *server_make(struct process *process, unsigned int priority)
{
	struct thread *server = core_thread(process, priority, NULL, 0);
	assert_ok(thread_start(core.cpu, server));
	int64_t number = handle_create(process, &endpoint->object, GYRE_RIGHT_SERVE, 0);
	assert_true(number > 0);
	server->regs.rdi = serve_number = (uint64_t)number;
	/* As if it were chosen, and made the call. */
	struct sched_context *current = core.cpu->sched.current;
	(void)current;
	core_run(server);
	endpoint_reply_wait(core.cpu, server);
	core_settle();
	return server;
}

static void endpoint_make(void)
{
	endpoint = endpoint_create(core.root);
	assert_non_null(endpoint);
	int64_t number = handle_create(core.root, &endpoint->object, GYRE_RIGHT_CALL, 77);
	assert_true(number > 0);
	call_number = (uint64_t)number;
}

static void call(struct thread *caller, uint64_t w0)
{
	caller->regs.rdi = call_number;
	caller->regs.rsi = w0;
	caller->regs.rdx = w0 + 1;
	caller->regs.r10 = w0 + 2;
	caller->regs.r8 = w0 + 3;
	caller->regs.r9 = 0;
	caller->regs.rax = 0;
	core_run(caller);
	endpoint_call(core.cpu, caller);
	core_settle();
}

static void reply(struct thread *server, int64_t status)
{
	server->regs.rdi = serve_number;
	server->regs.rsi = (uint64_t)status;
	server->regs.rdx = 21;
	server->regs.r10 = 22;
	server->regs.r8 = 23;
	server->regs.r9 = 0;
	core_run(server);
	endpoint_reply_wait(core.cpu, server);
	core_settle();
}

static void a_call_runs_on_the_callers_time(void **state)
{
	(void)state;
	endpoint_make();
	call(core.root_thread, 1);
	assert_int_equal(core.root_thread->regs.rax, -GYRE_EDEAD); /* nobody serves */
	struct process *process = core_process(100);
	struct thread *server = server_make(process, 5);
	assert_int_equal(server->state, THREAD_RECEIVING);
	call(core.root_thread, 100);
	assert_ptr_equal(core.cpu->thread, server);
	assert_ptr_equal(server->context, &core.root_thread->own);
	assert_int_equal(server->regs.rax, 77);
	assert_int_equal(server->regs.rsi, 100);
	assert_int_equal(server->regs.rdx, 101);
	assert_int_equal(server->regs.r10, 102);
	assert_int_equal(server->regs.r8, 103);
	assert_int_equal(server->regs.r9, 0);
	/* It is preempted and chosen again with the caller's priority. */
	struct thread *high = core_thread(core.root, 50, NULL, 0);
	assert_ok(thread_start(core.cpu, high));
	core_settle();
	assert_ptr_equal(core.cpu->thread, high);
	assert_ok(thread_stop(core.cpu, high));
	core_settle();
	assert_ptr_equal(core.cpu->thread, server);
	reply(server, -5);
	assert_ptr_equal(core.cpu->thread, core.root_thread);
	assert_int_equal((int64_t)core.root_thread->regs.rax, -5);
	assert_int_equal(core.root_thread->regs.rsi, 21);
	assert_int_equal(core.root_thread->regs.rdx, 22);
	assert_int_equal(core.root_thread->regs.r10, 23);
	assert_int_equal(core.root_thread->regs.r8, 0);
	core_destroy(&process->object);
	core_destroy(&endpoint->object);
}

static void callers_queue_in_order_and_lend_priority(void **state)
{
	(void)state;
	endpoint_make();
	struct thread *server = server_make(core.root, 5), *low = core_thread(core.root, 8, NULL, 0),
		      *middle = core_thread(core.root, 20, NULL, 0), *high = core_thread(core.root, 60, NULL, 0);
	assert_ok(thread_stop(core.cpu, core.root_thread));
	assert_ok(thread_start(core.cpu, low));
	core_settle();
	call(low, 1);
	assert_ptr_equal(core.cpu->thread, server);
	assert_ok(thread_start(core.cpu, middle));
	core_settle();
	assert_ptr_equal(core.cpu->thread, middle);
	assert_ok(thread_start(core.cpu, high));
	core_settle();
	call(high, 2);
	/* The server works for `low`, and has the priority of `high` meanwhile: `middle` must wait. */
	assert_int_equal(high->state, THREAD_QUEUED);
	assert_ptr_equal(core.cpu->thread, server);
	assert_int_equal(low->own.effective, 60);
	reply(server, 0);
	/* Now it works for `high`, and `low` is what it was. */
	assert_int_equal(low->state, THREAD_RUNNING);
	assert_int_equal(low->own.effective, 8);
	assert_ptr_equal(core.cpu->thread, server);
	assert_ptr_equal(server->client, high);
	assert_int_equal(server->regs.rsi, 2);
	reply(server, 0);
	assert_ptr_equal(core.cpu->thread, high);
	core_destroy(&endpoint->object);
	assert_int_equal((int64_t)server->regs.rax, -GYRE_EDEAD);
}

static void waiting_for_oneself_is_refused(void **state)
{
	(void)state;
	endpoint_make();
	struct thread *server = server_make(core.root, 5);
	call(core.root_thread, 1);
	call(server, 2);
	assert_int_equal((int64_t)server->regs.rax, -GYRE_EBUSY);
	assert_ptr_equal(core.cpu->thread, server);
	reply(server, 0);
	core_destroy(&endpoint->object);
}

static void who_dies_ends_the_calls(void **state)
{
	(void)state;
	endpoint_make();
	struct process *process = core_process(100);
	struct thread *server = server_make(process, 5), *one = core_thread(core.root, 20, NULL, 0),
		      *two = core_thread(core.root, 30, NULL, 0);
	assert_ok(thread_start(core.cpu, one));
	call(one, 1);
	assert_ok(thread_start(core.cpu, two));
	call(two, 2);
	assert_int_equal(two->state, THREAD_QUEUED);
	/* The server's process dies: the call in hand, and the one that waits. */
	core_destroy(&process->object);
	assert_int_equal((int64_t)one->regs.rax, -GYRE_EDEAD);
	assert_int_equal((int64_t)two->regs.rax, -GYRE_EDEAD);
	assert_int_equal(one->state, THREAD_RUNNING);
	assert_int_equal(two->state, THREAD_RUNNING);
	/* A client dies while it is served: the server goes on, on its own time. */
	server = server_make(core.root, 5);
	call(one, 3);
	core_destroy(&one->object);
	assert_int_equal(server->state, THREAD_RUNNING);
	assert_null(server->client);
	assert_ptr_equal(server->context, &server->own);
	/* A client dies while it waits. */
	call(two, 4);
	assert_int_equal(two->state, THREAD_QUEUED);
	core_destroy(&two->object);
	reply(server, 0);
	assert_int_equal(server->state, THREAD_RECEIVING);
	core_destroy(&server->object);
	core_destroy(&endpoint->object);
}

static void handles_travel_with_calls(void **state)
{
	(void)state;
	endpoint_make();
	struct process *process = core_process(100);
	struct thread *server = server_make(process, 5);
	struct memory *memory = core_memory(core.root, 1, 0);
	int64_t number = handle_create(core.root, &memory->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, 0);
	int64_t kept = handle_create(core.root, &memory->object, GYRE_RIGHT_READ, 0);
	core.root_thread->regs.rdi = call_number;
	core.root_thread->regs.r9 = (uint64_t)kept;
	endpoint_call(core.cpu, core.root_thread);
	assert_int_equal((int64_t)core.root_thread->regs.rax, -GYRE_EACCES);
	core.root_thread->regs.r9 = 4000;
	endpoint_call(core.cpu, core.root_thread);
	assert_int_equal((int64_t)core.root_thread->regs.rax, -GYRE_EHANDLE);
	core.root_thread->regs.r9 = (uint64_t)number;
	endpoint_call(core.cpu, core.root_thread);
	struct handle *got;
	assert_ok(handle_find(
		&process->handles, server->regs.r9, GYRE_OBJECT_NONE, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, &got));
	assert_ptr_equal(got->object, &memory->object);
	core_destroy(&process->object);
	core_destroy(&memory->object);
	core_destroy(&endpoint->object);
}

static void a_fault_is_a_call_that_keeps_the_registers(void **state)
{
	(void)state;
	endpoint_make();
	struct thread *server = server_make(core.root, 5), *thread = core_thread(core.root, 40, endpoint, 4711);
	assert_ok(thread_start(core.cpu, thread));
	core_settle();
	assert_ptr_equal(core.cpu->thread, thread);
	struct regs before = thread->regs;
	fault_report(core.cpu, thread, 14, 6, 0x1234000);
	core_settle();
	assert_ptr_equal(core.cpu->thread, server);
	assert_int_equal(server->regs.rax, 4711);
	assert_int_equal(server->regs.rsi, GYRE_FAULT_MESSAGE | 14);
	assert_int_equal(server->regs.rdx, 6);
	assert_int_equal(server->regs.r10, 0x1234000);
	assert_int_equal(server->regs.r8, before.rip);
	assert_true(thread_is_still(thread));
	reply(server, 0);
	assert_memory_equal(&thread->regs, &before, sizeof(before));
	assert_ptr_equal(core.cpu->thread, thread);
	fault_report(core.cpu, thread, 6, 0, 0);
	core_settle();
	reply(server, -1);
	assert_int_equal(thread->state, THREAD_ENDED);
	/* Without a handler a fault ends the thread at once; and when the handler dies with the fault in hand. */
	struct thread *other = core_thread(core.root, 40, endpoint, 1);
	assert_ok(thread_start(core.cpu, other));
	core_settle();
	fault_report(core.cpu, other, 6, 0, 0);
	core_settle();
	core_destroy(&server->object);
	assert_int_equal(other->state, THREAD_ENDED);
	struct thread *last = core_thread(core.root, 40, endpoint, 1);
	assert_ok(thread_start(core.cpu, last));
	core_settle();
	fault_report(core.cpu, last, 6, 0, 0);
	core_settle();
	assert_int_equal(last->state, THREAD_ENDED);
	core_destroy(&endpoint->object);
	assert_null(last->fault_endpoint);
}

static void a_stopped_server_keeps_its_callers_waiting(void **state)
{
	(void)state;
	endpoint_make();
	struct thread *server = server_make(core.root, 5);
	assert_ok(thread_stop(core.cpu, server));
	call(core.root_thread, 9);
	assert_int_equal(core.root_thread->state, THREAD_QUEUED);
	assert_ok(thread_start(core.cpu, server));
	core_settle();
	assert_ptr_equal(server->client, core.root_thread);
	assert_ptr_equal(core.cpu->thread, server);
	/* A client that is stopped in a call stops when the answer is there. */
	assert_ok(thread_stop(core.cpu, core.root_thread));
	reply(server, 3);
	assert_int_equal(core.root_thread->state, THREAD_STOPPED);
	assert_int_equal(core.root_thread->regs.rax, 3);
	assert_ok(thread_start(core.cpu, core.root_thread));
	core_settle();
	core_destroy(&endpoint->object);
}

static void calls_nest_only_so_deep(void **state)
{
	(void)state;
	struct endpoint *chain[CALL_DEPTH + 2];
	struct thread *server[CALL_DEPTH + 2], *last = core.root_thread;
	for (unsigned int i = 0; i < CALL_DEPTH + 2; i++) {
		endpoint_make();
		chain[i] = endpoint;
		server[i] = server_make(core.root, 5);
		assert_int_equal(server[i]->state, THREAD_RECEIVING);
	}
	core_run(core.root_thread);
	for (unsigned int i = 0; i < CALL_DEPTH + 2; i++) {
		call_number = (uint64_t)handle_create(core.root, &chain[i]->object, GYRE_RIGHT_CALL, 0);
		call(last, i);
		if (i >= CALL_DEPTH) {
			assert_int_equal((int64_t)last->regs.rax, -GYRE_EBUSY);
			break;
		}
		last = server[i];
		assert_ptr_equal(core.cpu->thread, last);
	}
	/* The first caller dies: all of them go on without it. */
	core_destroy(&core.root_thread->object);
	assert_ptr_equal(last->context, &server[0]->own);
	assert_ptr_equal(server[0]->own.top, last);
	for (unsigned int i = 0; i < CALL_DEPTH + 2; i++)
		core_destroy(&chain[i]->object);
}

/* A calls B, B calls C, and then nobody answers A any more: B and C go on with each other on B's time, and nothing of A's is used. */
static void a_chain_goes_on_without_its_beginning(void **state)
{
	(void)state;
	for (unsigned int dies = 0; dies < 2; dies++) {
		struct thread *first = core_thread(core.root, 20, NULL, 0),
			      *waits = core_thread(core.root, 30, NULL, 0);
		struct endpoint *outer, *inner;
		endpoint_make();
		outer = endpoint;
		struct thread *b = server_make(core.root, 5);
		uint64_t outer_call = call_number;
		endpoint_make();
		inner = endpoint;
		struct thread *c = server_make(core.root, 5);
		uint64_t inner_call = call_number;
		assert_ok(thread_start(core.cpu, first));
		assert_ok(thread_start(core.cpu, waits));
		call_number = outer_call;
		call(first, 1);
		call_number = inner_call;
		call(b, 2);
		assert_ptr_equal(c->context, &first->own);
		call(waits, 3);
		assert_int_equal(waits->state, THREAD_QUEUED);
		core_destroy(dies ? &first->object : &outer->object);
		assert_ptr_equal(b->context, &b->own);
		assert_ptr_equal(c->context, &b->own);
		assert_ptr_equal(b->own.top, c);
		assert_int_equal(b->own.effective, 30);
		if (!dies) {
			assert_ptr_equal(first->own.top, first);
			assert_int_equal((int64_t)first->regs.rax, -GYRE_EDEAD);
			core_destroy(&first->object);
		}
		/* Who waited for C is served next, though its first caller is gone. */
		reply(c, 7);
		assert_int_equal(b->regs.rax, 7);
		assert_int_equal(b->state, THREAD_RUNNING);
		assert_ptr_equal(c->client, waits);
		reply(c, 8);
		assert_int_equal(waits->regs.rax, 8);
		core_destroy(&inner->object);
		if (dies)
			core_destroy(&outer->object);
		core_destroy(&b->object);
		core_destroy(&c->object);
		core_destroy(&waits->object);
	}
}

/* Threads that call, answer, fault, stop, start and die in any order; books and queues hold after each step. */
static void random_calls_keep_the_books(void **state)
{
	(void)state;
	uint64_t used = core_used(core.root);
	uint32_t objects = core.root->object_count;
	for (unsigned int round = 0; round < 20; round++) {
		struct process *process = core_process(400);
		struct endpoint *e[3];
		struct thread *thread[10] = {0};
		int64_t number[3];
		for (unsigned int i = 0; i < 3; i++) {
			e[i] = endpoint_create(process);
			number[i] = handle_create(
				process, &e[i]->object, GYRE_RIGHT_CALL | GYRE_RIGHT_SERVE | GYRE_RIGHT_COPY, i);
		}
		for (unsigned int step = 0; step < 600; step++) {
			unsigned int i = (unsigned int)dice(10);
			struct thread *t = thread[i], *now = core.cpu->thread;
			if (t == NULL) {
				thread[i] = core_thread(
					process, (unsigned int)dice(64), dice(2) ? e[dice(3)] : NULL, 5);
				thread_start(core.cpu, thread[i]);
			} else if (dice(40) == 0) {
				core_destroy(&t->object);
				thread[i] = NULL;
			} else if (dice(15) == 0) {
				thread_stop(core.cpu, t);
			} else if (dice(10) == 0) {
				thread_start(core.cpu, t);
			} else if (now != NULL && now != core.root_thread) {
				now->regs.rdi = (uint64_t)number[dice(3)];
				now->regs.r9 = dice(10) == 0 ? (uint64_t)number[0] : 0;
				now->regs.rsi = dice(5) == 0 ? -1ul : 0;
				switch (dice(4)) {
				case 0: endpoint_call(core.cpu, now); break;
				case 1:
				case 2: endpoint_reply_wait(core.cpu, now); break;
				default:
					if (dice(4) == 0)
						fault_report(core.cpu, now, 14, 0, 0);
				}
			} else {
				sched_pass(core.cpu);
				thread_stop(core.cpu, core.root_thread);
			}
			core_settle();
			time_passes(dice(100));
			assert_ok(check_invariants(core.cpu));
		}
		core_destroy(&process->object);
		thread_start(core.cpu, core.root_thread);
		core_settle();
		assert_int_equal(core_used(core.root), used);
		assert_int_equal(core.root->object_count, objects);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(deadlines_expire_in_order),
		TEST(a_batch_of_deadlines_is_bounded),
		TEST(higher_priorities_run_first),
		TEST(equals_take_turns_by_slices),
		TEST(a_yield_lets_the_next_equal_run),
		TEST(a_budget_is_kept_in_each_period),
		TEST(a_call_runs_on_the_callers_time),
		TEST(callers_queue_in_order_and_lend_priority),
		TEST(waiting_for_oneself_is_refused),
		TEST(who_dies_ends_the_calls),
		TEST(handles_travel_with_calls),
		TEST(a_fault_is_a_call_that_keeps_the_registers),
		TEST(a_stopped_server_keeps_its_callers_waiting),
		TEST(calls_nest_only_so_deep),
		TEST(a_chain_goes_on_without_its_beginning),
		TEST(random_calls_keep_the_books),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
