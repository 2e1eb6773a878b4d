/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_handle.c: handles, events, devices, doorbells, processes and how they end.
 */
/* unit-sources: tests/unit/core_fixture.c */
/* unit-sources: core/mem/aspace.c core/mem/dirty.c core/mem/frame.c core/mem/memory.c core/mem/memory_change.c core/mem/memory_end.c core/mem/memory_tree.c core/mem/pagetable.c core/mem/pagetable_process.c core/mem/slab.c */
/* unit-sources: tests/core/check.c tests/core/pagetable_check.c core/obj/device.c core/obj/event.c core/obj/handle.c core/obj/object.c core/obj/process.c core/obj/vm.c core/sched/deadline.c core/sched/endpoint.c core/sched/endpoint_end.c core/sched/sched.c core/sched/thread.c */
#include "tests/unit/core_fixture.h"
#include "core/obj/device.h"
#include "core/virt/vcpu.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)

static void a_table_holds_what_the_header_says(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct event *event = event_create(core.root);
	uint64_t used = core_used(process);
	static bool seen[4096];
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < GYRE_HANDLES_MAX; i++) {
		int64_t number = handle_create(process, &event->object, GYRE_RIGHT_SIGNAL, i);
		assert_in_range(number, 1, 4095);
		assert_false(seen[number]);
		seen[number] = true;
	}
	assert_int_equal(handle_create(process, &event->object, GYRE_RIGHT_SIGNAL, 0), -GYRE_ENOMEM);
	assert_int_equal(process->handles.count, GYRE_HANDLES_MAX);
	assert_int_equal(core_used(process), used + HANDLE_FRAMES);
	struct handle *handle;
	assert_ok(handle_find(&process->handles, 4095, GYRE_OBJECT_NONE, GYRE_RIGHT_SIGNAL, &handle));
	handle_remove(handle);
	assert_int_equal(handle_create(process, &event->object, GYRE_RIGHT_SIGNAL, 0), 4095);
	/* The object's end clears them all, in pieces. */
	assert_true(core_destroy(&event->object) > 5);
	assert_int_equal(process->handles.count, 0);
	assert_int_equal(core_used(process), used);
	core_destroy(&process->object);
}

static void hostile_numbers_find_nothing(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	struct handle *handle;
	int64_t number = handle_create(core.root, &event->object, GYRE_RIGHT_SIGNAL, 0);
	static const uint64_t numbers[] = {
		0, 128, 127, 4095, 4096, 4224, 1ul << 31, 1ul << 32, 1ul << 63, ~0ul, 0x100000001};
	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(
			handle_find(&core.root->handles, numbers[i], GYRE_OBJECT_EVENT, 0, &handle), -GYRE_EHANDLE);
	assert_ok(handle_find(&core.root->handles, (uint64_t)number, GYRE_OBJECT_EVENT, GYRE_RIGHT_SIGNAL, &handle));
	assert_int_equal(
		handle_find(&core.root->handles, (uint64_t)number, GYRE_OBJECT_EVENT, GYRE_RIGHT_WAIT, &handle),
		-GYRE_EACCES);
	assert_ptr_equal(handle->object, &event->object);
	assert_int_equal(
		handle_find(&core.root->handles, (uint64_t)number, GYRE_OBJECT_MEMORY, 0, &handle), -GYRE_EHANDLE);
	/* What was remembered of a handle is forgotten with any of the object's. */
	int64_t other = handle_create(core.root, &event->object, GYRE_RIGHT_SIGNAL, 0);
	event->object.quick = (uint32_t)number;
	assert_ok(handle_find(&core.root->handles, (uint64_t)other, GYRE_OBJECT_NONE, 0, &handle));
	handle_remove(handle);
	assert_int_equal(event->object.quick, 0);
	core_destroy(&event->object);
	assert_int_equal(
		handle_find(&core.root->handles, (uint64_t)number, GYRE_OBJECT_EVENT, 0, &handle), -GYRE_EHANDLE);
}

static void the_quota_pays_for_handles(void **state)
{
	(void)state;
	struct process *process = core_process(PROCESS_FRAMES_MIN);
	struct event *event = event_create(core.root);
	struct quota hog = {0};
	quota_return(&process->quota, &hog);
	assert_int_equal(handle_create(process, &event->object, 0, 0), -GYRE_ENOMEM);
	quota_return(&hog, &process->quota);
	assert_true(handle_create(process, &event->object, 0, 0) > 0);
	core_destroy(&event->object);
	core_destroy(&process->object);
}

/* ---- events ---- */

static void waiting_returns_and_clears(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	struct thread *thread = core.root_thread;
	assert_int_equal(event_wait(core.cpu, thread, event, 0), -GYRE_ETIMEOUT);
	event_signal(core.cpu, event, 5);
	event_signal(core.cpu, event, 1ul << 63);
	assert_ok(event_wait(core.cpu, thread, event, 0));
	assert_int_equal(thread->regs.rsi, 5 | 1ul << 63);
	assert_int_equal(event_wait(core.cpu, thread, event, 0), -GYRE_ETIMEOUT);
	event_signal(core.cpu, event, 0); /* no bit: nobody wakes */
	assert_int_equal(event_wait(core.cpu, thread, event, GYRE_FOREVER), EVENT_WAITS);
	core_settle();
	assert_int_equal(thread->state, THREAD_WAITING);
	assert_null(core.cpu->thread);
	struct thread *second = core_thread(core.root, 32, NULL, 0);
	assert_ok(thread_start(core.cpu, second));
	core_settle();
	assert_int_equal(event_wait(core.cpu, second, event, GYRE_FOREVER), -GYRE_EBUSY);
	event_signal(core.cpu, event, 8);
	assert_int_equal(thread->state, THREAD_RUNNING);
	assert_int_equal(thread->regs.rax, 0);
	assert_int_equal(thread->regs.rsi, 8);
	assert_int_equal(event->bits, 0);
	/* A deadline. */
	assert_int_equal(event_wait(core.cpu, thread, event, unit_tsc + 100), EVENT_WAITS);
	time_passes(99);
	assert_int_equal(thread->state, THREAD_WAITING);
	time_passes(1);
	assert_int_equal(thread->state, THREAD_RUNNING);
	assert_int_equal((int64_t)thread->regs.rax, -GYRE_ETIMEOUT);
	assert_int_equal(event_wait(core.cpu, thread, event, unit_tsc), -GYRE_ETIMEOUT);
	/* Its death. */
	assert_int_equal(event_wait(core.cpu, thread, event, unit_tsc + 100), EVENT_WAITS);
	core_destroy(&event->object);
	assert_int_equal((int64_t)thread->regs.rax, -GYRE_EDEAD);
	assert_int_equal(thread->state, THREAD_RUNNING);
	assert_null(thread->timeout.cpu);
}

static void a_waiter_that_dies_is_forgotten(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	struct thread *thread = core_thread(core.root, 40, NULL, 0);
	assert_ok(thread_start(core.cpu, thread));
	core_settle();
	assert_int_equal(event_wait(core.cpu, thread, event, unit_tsc + 50), EVENT_WAITS);
	core_destroy(&thread->object);
	assert_null(event->waiter);
	event_signal(core.cpu, event, 1);
	assert_int_equal(event->bits, 1);
	time_passes(100);
	core_destroy(&event->object);
}

static void timers_set_their_bit(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	for (unsigned int bit = 0; bit < GYRE_EVENT_TIMERS; bit++)
		assert_ok(event_timer_set(core.cpu, event, bit, unit_tsc + 10 * (bit + 1)));
	assert_int_equal(event_timer_set(core.cpu, event, 9, unit_tsc + 1), -GYRE_ENOMEM);
	assert_int_equal(event_timer_set(core.cpu, event, 64, unit_tsc + 1), -GYRE_EINVAL);
	assert_ok(event_timer_set(core.cpu, event, 1, 0));
	assert_ok(event_timer_set(core.cpu, event, 1, 0));
	assert_ok(event_timer_set(core.cpu, event, 9, unit_tsc - 1)); /* passed: at once */
	assert_int_equal(event->bits, 1ul << 9);
	assert_ok(event_timer_set(core.cpu, event, 0, ~0ul - 1)); /* moved far away */
	time_passes(35);
	assert_int_equal(event->bits, 1ul << 9 | 1ul << 2);
	time_passes(10);
	assert_int_equal(event->bits, 1ul << 9 | 1ul << 2 | 1ul << 3);
	core_destroy(&event->object);
	time_passes(1000);
}

static void a_bit_has_one_binding(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	struct interrupt *one, *two;
	struct vm *vm;
	assert_ok(vm_create(core.root, &vm));
	assert_ok(interrupt_create(core.root, 4, GYRE_INTERRUPT_ISA, &one));
	assert_int_equal(interrupt_create(core.root, 4, 0, &two), -GYRE_EBUSY);
	assert_int_equal(interrupt_create(core.root, 32, 0, &two), -GYRE_ENODEV);
	assert_int_equal(interrupt_create(core.root, 1u << 31, 0, &two), -GYRE_ENODEV);
	assert_int_equal(interrupt_create(core.root, 16, GYRE_INTERRUPT_ISA, &two), -GYRE_EINVAL);
	assert_int_equal(interrupt_create(core.root, 5, 0x80, &two), -GYRE_EINVAL);
	assert_ok(interrupt_create(core.root, 5, GYRE_INTERRUPT_LEVEL, &two));
	assert_int_equal(interrupt_ack(one), -GYRE_ENOENT);
	assert_ok(interrupt_bind(one, event, 3));
	assert_int_equal(interrupt_bind(one, event, 4), -GYRE_EBUSY);
	assert_int_equal(interrupt_bind(two, event, 3), -GYRE_EBUSY);
	assert_int_equal(interrupt_bind(two, event, 64), -GYRE_EINVAL);
	assert_int_equal(event_timer_set(core.cpu, event, 3, unit_tsc + 1), -GYRE_EBUSY);
	assert_int_equal(event_message_bind(event, 3, vm, 0xfee00000, 0x41), -GYRE_EBUSY);
	assert_ok(event_message_bind(event, 7, vm, 0xfee00000, 0x41));
	assert_int_equal(event_message_bind(event, 7, vm, 0xfee00000, 0x41), -GYRE_EBUSY);
	/* A message is no bit to wait for. */
	event_signal(core.cpu, event, 1ul << 7 | 1);
	assert_int_equal(core.messages, 1);
	assert_int_equal(event->bits, 1);
	assert_ok(event_message_bind(event, 7, vm, 0, 0));
	assert_int_equal(event_message_bind(event, 7, vm, 0, 0), -GYRE_ENOENT);
	event_signal(core.cpu, event, 1ul << 7);
	assert_int_equal(core.messages, 1);
	/* Whoever dies first. */
	assert_ok(event_message_bind(event, 8, vm, 0xfee00000, 0x41));
	core_destroy(&vm->object);
	assert_int_equal(event->message_mask, 0);
	core_destroy(&event->object);
	assert_null(one->source.event);
	core_destroy(&one->object);
	core_destroy(&two->object);
	assert_ok(interrupt_create(core.root, 4, 0, &one)); /* the line is free again */
	core_destroy(&one->object);
}

/* So many handles that they are cleared in pieces; meanwhile what the object was is somebody else's. */
static void what_has_ended_but_for_its_handles_does_not_end_again(void **state)
{
	(void)state;
	struct interrupt *interrupt, *next, *third;
	struct thread *thread = core_thread(core.root, 20, NULL, 0);
	unsigned int budget = OBJECT_BUDGET;
	const uint32_t threads = core.root->thread_count;
	assert_ok(interrupt_create(core.root, 7, 0, &interrupt));
	for (unsigned int i = 0; i < 200; i++) {
		assert_true(handle_create(core.root, &interrupt->object, GYRE_RIGHT_MANAGE, 0) > 0);
		assert_true(handle_create(core.root, &thread->object, GYRE_RIGHT_MANAGE, 0) > 0);
	}
	assert_int_equal(object_destroy(&interrupt->object, NULL, &budget), -GYRE_EAGAIN);
	assert_ok(interrupt_create(core.root, 7, 0, &next));
	assert_true(core_destroy(&interrupt->object) > 0);
	assert_int_equal(interrupt_create(core.root, 7, 0, &third), -GYRE_EBUSY);
	assert_true(core_destroy(&thread->object) > 1);
	assert_int_equal(core.root->thread_count, threads - 1);
	core_destroy(&next->object);
}

/* What a call removes nothing of, no later one does: they all begin at the front. */
static void the_last_handle_of_each_frame_is_found(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct event *event = event_create(core.root);
	while (handle_create(process, &event->object, GYRE_RIGHT_WAIT, 0) > 0)
		;
	for (uint32_t number = 0; number < HANDLE_FRAMES * HANDLE_PER_FRAME; number++) {
		struct handle *handle = handle_entry(&process->handles, number);
		if (handle != NULL && number % HANDLE_PER_FRAME != HANDLE_PER_FRAME - 1)
			handle_remove(handle);
	}
	assert_int_equal(process->handles.count, HANDLE_FRAMES);
	assert_true(core_destroy(&process->object) <= 2 * HANDLE_FRAMES);
	core_destroy(&event->object);
}

/* So many handles that the child is cleared in pieces, after its end: that does not come again. */
static void a_child_that_has_ended_but_for_its_handles_does_not_end_again(void **state)
{
	(void)state;
	struct process *parent = core_process(100), *child;
	assert_ok(process_create(parent, 20, &child));
	for (unsigned int i = 0; i < 200; i++)
		assert_true(handle_create(core.root, &child->object, GYRE_RIGHT_MANAGE, 0) > 0);
	while (!list_empty(&parent->children)) {
		unsigned int budget = OBJECT_BUDGET;
		assert_int_equal(object_destroy(&parent->object, NULL, &budget), -GYRE_EAGAIN);
	}
	assert_int_equal(child->object.state, OBJECT_ENDED);
	assert_true(core_destroy(&parent->object) > 1);
}

static void doorbells_ring_for_their_port_size_and_value(void **state)
{
	(void)state;
	struct event *event = event_create(core.root);
	struct vm *vm;
	assert_ok(vm_create(core.root, &vm));
	struct doorbell any = {.port = 0xc000, .size = 2, .any = true}, three = {.port = 0xc000, .size = 2, .value = 3};
	uint64_t used = core_used(core.root);
	assert_ok(vm_doorbell_set(vm, &any, event, 0));
	assert_ok(vm_doorbell_set(vm, &three, event, 1));
	assert_int_equal(vm_doorbell_set(vm, &three, event, 2), -GYRE_EEXIST);
	assert_false(vm_doorbell(core.cpu, vm, 0xc000, 4, 3));
	assert_false(vm_doorbell(core.cpu, vm, 0xc001, 2, 3));
	assert_true(vm_doorbell(core.cpu, vm, 0xc000, 2, 3));
	assert_int_equal(event->bits, 2);
	assert_true(vm_doorbell(core.cpu, vm, 0xc000, 2, 4));
	assert_int_equal(event->bits, 3);
	assert_ok(vm_doorbell_set(vm, &three, NULL, 0));
	assert_int_equal(vm_doorbell_set(vm, &three, NULL, 0), -GYRE_ENOENT);
	struct doorbell more = {.size = 1, .any = true};
	struct event *second = event_create(core.root);
	unsigned int set = 1;
	for (; set < GYRE_DOORBELLS; set++) {
		more.port = (uint16_t)(0x100 + set);
		assert_ok(vm_doorbell_set(vm, &more, set < 60 ? event : second, set));
	}
	more.port = 5;
	assert_int_equal(vm_doorbell_set(vm, &more, second, 0), -GYRE_ENOMEM);
	core_destroy(&event->object);
	assert_false(vm_doorbell(core.cpu, vm, 0xc000, 2, 4)); /* nobody hears: the monitor's */
	core_destroy(&vm->object);
	core_destroy(&second->object);
	assert_true(core_used(core.root) <= used);
}

/* ---- ports ---- */

static bool port_allowed(const struct process *process, unsigned int port)
{
	return process->ioports != NULL && (process->ioports[port / 8] >> port % 8 & 1) == 0;
}

static void ports_are_granted_and_gone_with_the_object(void **state)
{
	(void)state;
	struct ioports *one, *two, *all;
	struct process *process = core_process(100);
	assert_int_equal(ioports_create(core.root, 0xfffc, 5, &one), -GYRE_EINVAL);
	assert_int_equal(ioports_create(core.root, 0x10000, 1, &one), -GYRE_EINVAL);
	assert_int_equal(ioports_create(core.root, 5, 0, &one), -GYRE_EINVAL);
	assert_int_equal(ioports_create(core.root, 0, 0x10000, &one), -GYRE_EPERM);
	assert_int_equal(ioports_create(core.root, 5, ~0ul, &one), -GYRE_EINVAL);
	assert_ok(ioports_create(core.root, 0x3f8, 8, &one));
	assert_ok(ioports_create(core.root, 0x60b, 0x101, &two));
	assert_ok(ioports_create(core.root, 0x100, 0xff00, &all));
	uint64_t used = core_used(process);
	assert_ok(ioports_grant(core.cpu, process, one));
	assert_ok(ioports_grant(core.cpu, process, two));
	assert_int_equal(ioports_grant(core.cpu, process, two), -GYRE_EEXIST);
	assert_int_equal(ioports_grant(core.cpu, process, all), -GYRE_EEXIST);
	assert_int_equal(ioports_grant(core.cpu, core.root, two), -GYRE_EBUSY); /* it has its process */
	for (unsigned int port = 0; port < 0x10000; port++)
		assert_int_equal(port_allowed(process, port),
			(port >= 0x3f8 && port < 0x400) || (port >= 0x60b && port < 0x70c));
	core_destroy(&one->object);
	for (unsigned int port = 0; port < 0x10000; port++)
		assert_int_equal(port_allowed(process, port), port >= 0x60b && port < 0x70c);
	core_destroy(&two->object);
	assert_null(process->ioports);
	assert_int_equal(core_used(process), used);
	assert_ok(ioports_grant(core.cpu, process, all));
	core_destroy(&process->object);
	assert_null(all->process);
	core_destroy(&all->object);
}

/* ---- processes ---- */

static void quotas_come_from_the_creator_and_return(void **state)
{
	(void)state;
	uint64_t given = core.root->quota.given, used = core_used(core.root);
	struct process *process, *child;
	assert_int_equal(process_create(core.root, PROCESS_FRAMES_MIN - 1, &process), -GYRE_EINVAL);
	assert_int_equal(process_create(core.root, 1ul << 40, &process), -GYRE_ENOMEM);
	assert_int_equal(process_create(core.root, ~0ul, &process), -GYRE_ENOMEM);
	assert_int_equal(core_used(core.root), used);
	process = core_process(100);
	assert_int_equal(core.root->quota.given, given - 100);
	assert_int_equal(process_create(process, 100, &child), -GYRE_ENOMEM);
	assert_ok(process_create(process, 50, &child));
	assert_int_equal(process->quota.given, 50);
	core_memory(child, 100000, 0);
	core_destroy(&child->object);
	assert_int_equal(process->quota.given, 100);
	core_destroy(&process->object);
	assert_int_equal(core.root->quota.given, given);
	assert_int_equal(core_used(core.root), used);
}

static void processes_do_not_nest_endlessly(void **state)
{
	(void)state;
	uint64_t used = core_used(core.root);
	struct process *process = core_process(200), *next = process;
	unsigned int depth = 2;
	while (process_create(next, next->quota.free - 8, &next) == 0)
		depth++;
	assert_int_equal(depth, PROCESS_DEPTH);
	assert_true(process_is_below(next, process));
	assert_false(process_is_below(process, next));
	core_destroy(&process->object);
	assert_int_equal(core_used(core.root), used);
}

static void a_process_takes_all_that_it_owns_along(void **state)
{
	(void)state;
	uint64_t used = core_used(core.root), objects = objects_live, handles = handles_live;
	for (unsigned int round = 0; round < 20; round++) {
		struct process *process = core_process(400), *child;
		struct interrupt *interrupt;
		struct ioports *ports;
		struct vm *vm;
		struct memory *memory = core_memory(process, 1500, RAM_FIRST + round), *window;
		struct event *event = event_create(process);
		struct endpoint *endpoint = endpoint_create(process);
		assert_ok(process_create(process, 100, &child));
		assert_ok(memory_derive(child, memory, 3, 1000, GYRE_RIGHT_READ, &window));
		assert_ok(interrupt_create(process, 9, 0, &interrupt));
		assert_ok(interrupt_bind(interrupt, event, 1));
		assert_ok(ioports_create(process, 0x70, 2, &ports));
		assert_ok(ioports_grant(core.cpu, child, ports));
		assert_ok(vm_create(child, &vm));
		struct doorbell doorbell = {.port = 1, .size = 1, .any = true};
		assert_ok(vm_doorbell_set(vm, &doorbell, event, 2));
		assert_ok(event_message_bind(event, 3, vm, 0xfee00000, 0));
		assert_int_equal(core_map(&vm->aspace, window, 0, 0, 1000, GYRE_RIGHT_READ), 1000);
		assert_int_equal(core_map(&child->aspace, memory, 0, 0x1000, 1500, GYRE_RIGHT_READ), 1500);
		assert_int_equal(core_map(&core.root->aspace, memory, 0, 0x1000, 1500, GYRE_RIGHT_READ), 1500);
		struct thread *thread = core_thread(child, 33, endpoint, 0);
		assert_ok(thread_start(core.cpu, thread));
		core_settle();
		assert_int_equal(event_wait(core.cpu, thread, event, unit_tsc + 1000), EVENT_WAITS);
		core_settle();
		for (unsigned int i = 0; i < 300; i++)
			assert_true(handle_create(i % 2 ? child : process, &memory->object, 1, 0) > 0);
		assert_true(handle_create(core.root, &event->object, GYRE_RIGHT_ALL, 0) > 0);
		assert_ok(check_invariants(core.cpu));
		core_destroy(&process->object);
		assert_int_equal(core_used(core.root), used);
		assert_int_equal(objects_live, objects);
		assert_int_equal(handles_live, handles);
		assert_int_equal(core.root->aspace.record_count, 0);
		time_passes(2000);
	}
}

static void what_the_core_needs_ends_last(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct memory *pages = memory_create_core(process, 8);
	struct event *event = event_create(process);
	assert_non_null(pages);
	assert_ptr_equal(process->objects.prev, &pages->object.owned);
	assert_ptr_equal(process->objects.next, &event->object.owned);
	assert_true(frame_in_pool(memory_core_page(pages, 7)));
	assert_int_equal(memory_punch(pages, 0, 1), -GYRE_EINVAL);
	assert_int_equal(memory_move(pages, 0, memory_ram, RAM_FIRST, 1), -GYRE_EINVAL);
	assert_null(memory_create_core(process, 500)); /* more than the quota: nothing stays behind */
	assert_ok(check_invariants(core.cpu));
	core_destroy(&process->object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_holds_what_the_header_says),
		TEST(hostile_numbers_find_nothing),
		TEST(the_quota_pays_for_handles),
		TEST(waiting_returns_and_clears),
		TEST(a_waiter_that_dies_is_forgotten),
		TEST(timers_set_their_bit),
		TEST(a_bit_has_one_binding),
		TEST(what_has_ended_but_for_its_handles_does_not_end_again),
		TEST(the_last_handle_of_each_frame_is_found),
		TEST(a_child_that_has_ended_but_for_its_handles_does_not_end_again),
		TEST(doorbells_ring_for_their_port_size_and_value),
		TEST(ports_are_granted_and_gone_with_the_object),
		TEST(quotas_come_from_the_creator_and_return),
		TEST(processes_do_not_nest_endlessly),
		TEST(a_process_takes_all_that_it_owns_along),
		TEST(what_the_core_needs_ends_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
