/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_memory_object.c: memory objects, mappings of them, and what a revocation leaves: nothing.
 */
/* unit-sources: tests/unit/core_fixture.c */
/* unit-sources: core/mem/aspace.c core/mem/dirty.c core/mem/frame.c core/mem/memory.c core/mem/memory_change.c core/mem/memory_end.c core/mem/memory_tree.c core/mem/pagetable.c core/mem/pagetable_process.c core/mem/slab.c */
/* unit-sources: tests/core/check.c tests/core/pagetable_check.c core/obj/device.c core/obj/event.c core/obj/handle.c core/obj/object.c core/obj/process.c core/obj/vm.c core/sched/deadline.c core/sched/endpoint.c core/sched/endpoint_end.c core/sched/sched.c core/sched/thread.c */
#include "tests/unit/core_fixture.h"

#define R  GYRE_RIGHT_READ
#define RW (GYRE_RIGHT_READ | GYRE_RIGHT_WRITE)
#define RX (GYRE_RIGHT_READ | GYRE_RIGHT_EXEC)

static void revoke(struct memory *memory)
{
	int result;
	do {
		unsigned int budget = OBJECT_BUDGET;
		result = memory_revoke(memory, &budget);
	} while (result == -GYRE_EAGAIN);
	assert_ok(result);
	core_settle();
}

static void pages_move_out_of_ram_and_come_home(void **state)
{
	(void)state;
	struct process *process = core_process(200);
	uint64_t used = core_used(process), home = quota_used(&home_quota);
	struct memory *memory = core_memory(process, 1000, RAM_FIRST + 700);
	uint64_t frame;
	uint32_t rights = RW;
	struct memory_locked locked = memory_lock();
	assert_true(memory_frames(locked, memory_ram, RAM_FIRST + 700, 1000, &frame, &rights) > 0);
	assert_int_equal(frame, PAGETABLE_NO_FRAME);
	memory_frames(locked, memory, 999, 1, &frame, &rights);
	assert_int_equal(frame, RAM_FIRST + 1699);
	memory_unlock(&locked);
	assert_ok(check_invariants(core.cpu));
	core_destroy(&memory->object);
	assert_int_equal(core_used(process), used);
	assert_int_equal(quota_used(&home_quota), home);
	core_destroy(&process->object);
}

static void ram_in_a_row_costs_few_entries(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	uint64_t used = core_used(process);
	/* Same alignment: runs of 512 pages; one table for them, and none for pieces. */
	struct memory *memory = core_memory(process, 16384, 0x1200);
	assert_true(core_used(process) - used <= 3);
	core_destroy(&memory->object);
	/* Shifted by one page, there is a table for each 512. */
	memory = core_memory(process, 2048, 0x1201);
	assert_true(core_used(process) - used <= 8);
	core_destroy(&memory->object);
	core_destroy(&process->object);
}

static void mapping_uses_the_largest_pages(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct memory *memory = core_memory(process, 4096, 0x1200);
	uint64_t tables = process->aspace.table.tables;
	assert_int_equal(core_map(&process->aspace, memory, 0, 0x40000, 4096, RW), 4096);
	assert_int_equal(process->aspace.table.tables, tables + 2); /* levels 2 and 1 */
	unsigned int level;
	assert_true(pagetable_walk(&process->aspace.table, 0x40000 + 4095, &level) != 0);
	assert_int_equal(level, 1);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 4095), 0x1200 + 4095);
	/* One page taken out of a large one: the rest stays. */
	assert_int_equal(aspace_unmap(&process->aspace, 0x40000 + 600, 1), 1);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 600), 0);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 601), 0x1200 + 601);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 599), 0x1200 + 599);
	/* And back: no new record. */
	assert_int_equal(process->aspace.record_count, 1);
	assert_int_equal(core_map(&process->aspace, memory, 600, 0x40000 + 600, 1, R), 1);
	assert_int_equal(process->aspace.record_count, 1);
	assert_ok(check_invariants(core.cpu));
	core_destroy(&process->object);
}

static void maps_at_most_so_many_entries_a_call(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct memory *memory = core_memory(process, 1000, 0x1201); /* no large page fits */
	struct map_request request = {memory, 0, 0x40000, 1000, RW};
	int64_t n = aspace_map(&process->aspace, &request);
	assert_true(n > 0 && n <= GYRE_MAP_ENTRIES);
	assert_int_equal(core_map(&process->aspace, memory, (uint64_t)n, 0x40000 + (uint64_t)n, 1000 - (uint64_t)n, RW),
		1000 - n);
	assert_int_equal(process->aspace.record_count, 1);
	n = 0;
	while (n < 1000) {
		int64_t done = aspace_unmap(&process->aspace, 0x40000 + (uint64_t)n, 1000 - (uint64_t)n);
		assert_true(done > 0);
		n += done;
	}
	assert_int_equal(process->aspace.record_count, 0);
	core_destroy(&process->object);
}

static void hostile_map_arguments_change_nothing(void **state)
{
	(void)state;
	struct process *process = core_process(100);
	struct memory *memory = core_memory(process, 10, 0x1200);
	struct memory *holes = core_memory(process, 10, 0);
	uint64_t used = core_used(process);
	struct {
		struct map_request request;
		int error;
	} cases[] = {
		{{memory, 0, 0x40000, 0, R}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, 11, R}, -GYRE_EINVAL},
		{{memory, 9, 0x40000, 2, R}, -GYRE_EINVAL},
		{{memory, 10, 0x40000, 1, R}, -GYRE_EINVAL},
		{{memory, ~0ul, 0x40000, 2, R}, -GYRE_EINVAL},
		{{memory, 0, 0xf, 1, R}, -GYRE_EINVAL},
		{{memory, 0, ~0ul, 2, R}, -GYRE_EINVAL},
		{{memory, 0, USER_END >> 12, 1, R}, -GYRE_EINVAL},
		{{memory, 0, (USER_END >> 12) - 1, 2, R}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, ~0ul, R}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, 1, 0}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, 1, GYRE_RIGHT_WRITE}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, 1, RW | RX}, -GYRE_EINVAL},
		{{memory, 0, 0x40000, 1, GYRE_RIGHT_ALL}, -GYRE_EINVAL},
		{{holes, 0, 0x40000, 1, R}, -GYRE_ENOENT},
	};
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(aspace_map(&process->aspace, &cases[i].request), cases[i].error);
	assert_int_equal(core_used(process), used);
	assert_int_equal(process->aspace.record_count, 0);
	assert_int_equal(aspace_unmap(&process->aspace, 0, 1), -GYRE_EINVAL);
	assert_int_equal(aspace_unmap(&process->aspace, 0x40000, ~0ul), -GYRE_EINVAL);
	assert_int_equal(aspace_unmap(&process->aspace, 0x40000, 0), -GYRE_EINVAL);
	core_destroy(&process->object);
}

static void out_of_frames_changes_nothing(void **state)
{
	(void)state;
	/* For each number of frames from none to enough: a map either does it all or leaves no trace. */
	for (uint64_t frames = PROCESS_FRAMES_MIN; frames < 24; frames++) {
		struct process *process = core_process(frames);
		struct memory *memory = core_memory(core.root, 600, 0x1201);
		uint64_t used = core_used(process), tables = process->aspace.table.tables;
		struct map_request request = {memory, 0, 0x7fff0, 300, RW};
		struct quota hog = {0};
		quota_give(
			&process->quota, &hog, process->quota.free > frames % 8 ? process->quota.free - frames % 8 : 0);
		int64_t n = aspace_map(&process->aspace, &request);
		if (n < 0) {
			assert_int_equal(n, -GYRE_ENOMEM);
			assert_int_equal(core_used(process), used);
			assert_int_equal(process->aspace.table.tables, tables);
			assert_int_equal(process->aspace.record_count, 0);
		}
		quota_return(&hog, &process->quota);
		core_destroy(&process->object);
		core_destroy(&memory->object);
		assert_ok(check_invariants(core.cpu));
	}
}

static void windows_see_their_part_and_no_more(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 100, 0x1200), *window, *inner, *none;
	assert_ok(memory_derive(core.root, memory, 10, 20, R, &window));
	assert_ok(memory_derive(core.root, window, 5, 10, RW, &inner));
	assert_int_equal(inner->rights, R);
	assert_int_equal(memory_derive(core.root, window, 5, 16, R, &none), -GYRE_EINVAL);
	assert_int_equal(memory_derive(core.root, window, 20, 1, R, &none), -GYRE_EINVAL);
	assert_int_equal(memory_derive(core.root, window, ~0ul, 2, R, &none), -GYRE_EINVAL);
	assert_int_equal(memory_derive(core.root, window, 1, 0, R, &none), -GYRE_EINVAL);
	struct process *process = core_process(100);
	struct map_request request = {inner, 0, 0x40000, 10, RW};
	assert_int_equal(aspace_map(&process->aspace, &request), -GYRE_EACCES);
	assert_int_equal(core_map(&process->aspace, inner, 0, 0x40000, 10, R), 10);
	assert_int_equal(core_mapped(&process->aspace, 0x40000), 0x1200 + 15);
	/* Moving and punching are the owner's; a window only gets holes. */
	assert_int_equal(memory_move(window, 0, memory_ram, 0x1400, 1), -GYRE_EINVAL);
	assert_int_equal(memory_move(memory, 0, window, 0, 1), -GYRE_EINVAL);
	assert_int_equal(memory_punch(window, 7, 2), 2);
	assert_int_equal(core_mapped(&process->aspace, 0x40002), 0);
	assert_int_equal(core_mapped(&process->aspace, 0x40003), 0);
	assert_int_equal(core_mapped(&process->aspace, 0x40004), 0x1200 + 19);
	assert_int_equal(core_map(&process->aspace, inner, 2, 0x40002, 1, R), -GYRE_ENOENT);
	assert_int_equal(core_map(&process->aspace, memory, 17, 0x40002, 1, R), 1);
	core_destroy(&process->object);
	core_destroy(&memory->object);
}

static void derivation_is_not_endlessly_deep(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 1, 0x1200), *next = memory;
	unsigned int depth = 1;
	while (memory_derive(core.root, next, 0, 1, R, &next) == 0)
		depth++;
	assert_int_equal(depth, MEMORY_DEPTH);
	struct process *process = core_process(100);
	assert_int_equal(core_map(&process->aspace, next, 0, 0x40000, 1, R), 1);
	revoke(memory);
	assert_int_equal(core_mapped(&process->aspace, 0x40000), 0);
	core_destroy(&memory->object);
	core_destroy(&process->object);
}

static void revocation_leaves_nothing_mapped_anywhere(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 2048, 0x1200);
	struct process *process[8];
	struct vm *vm;
	uint64_t used = core_used(core.root);
	for (unsigned int i = 0; i < 8; i++)
		process[i] = core_process(100);
	assert_ok(vm_create(core.root, &vm));
	for (unsigned int i = 0; i < 8; i++) {
		struct memory *window;
		assert_ok(memory_derive(process[i], memory, 10 * i, 1024, RW, &window));
		assert_true(handle_create(process[i], &window->object, GYRE_RIGHT_ALL, 0) > 0);
		for (unsigned int j = 0; j < 8; j++)
			assert_int_equal(
				core_map(&process[j]->aspace, window, 0, 0x40000 + 0x1000 * i, 1024, RW), 1024);
	}
	assert_int_equal(core_map(&vm->aspace, memory, 0, 0, 2048, RW), 2048);
	assert_ok(check_invariants(core.cpu));
	revoke(memory);
	for (unsigned int j = 0; j < 8; j++) {
		for (unsigned int i = 0; i < 8; i++)
			for (unsigned int page = 0; page < 1024; page++)
				assert_int_equal(core_mapped(&process[j]->aspace, 0x40000 + 0x1000 * i + page), 0);
		assert_int_equal(process[j]->aspace.record_count, 0);
		assert_int_equal(process[j]->object_count, 0);
		assert_int_equal(process[j]->handles.count, 0);
		assert_int_equal(process[j]->aspace.table.tables, 1);
	}
	assert_int_equal(core_mapped(&vm->aspace, 5), 0);
	assert_true(core.flushes > 0);
	core_destroy(&vm->object);
	for (unsigned int i = 0; i < 8; i++)
		core_destroy(&process[i]->object);
	assert_int_equal(core_used(core.root), used);
	/* The object itself stays. */
	struct process *late = core_process(100);
	assert_int_equal(core_map(&late->aspace, memory, 0, 0x40000, 2048, RW), 2048);
	core_destroy(&late->object);
	core_destroy(&memory->object);
}

static void nothing_is_mapped_while_it_is_being_revoked(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 1000, 0x1201), *window, *none;
	struct process *process = core_process(200);
	assert_ok(memory_derive(process, memory, 0, 1000, RW, &window));
	assert_int_equal(core_map(&process->aspace, window, 0, 0x40000, 1000, RW), 1000);
	unsigned int budget = 60;
	assert_int_equal(memory_revoke(memory, &budget), -GYRE_EAGAIN);
	struct map_request again = {window, 0, 0x50000, 1, R};
	assert_int_equal(aspace_map(&process->aspace, &again), -GYRE_EBUSY);
	again.memory = memory;
	assert_int_equal(aspace_map(&process->aspace, &again), -GYRE_EBUSY);
	assert_int_equal(memory_derive(process, window, 0, 1, R, &none), -GYRE_EBUSY);
	assert_int_equal(memory_derive(process, memory, 0, 1, R, &none), -GYRE_EBUSY);
	unsigned int times = 0;
	int result;
	do {
		budget = 60;
		result = memory_revoke(memory, &budget);
		assert_true(times++ < 1000);
	} while (result == -GYRE_EAGAIN);
	assert_ok(result);
	core_settle();
	for (unsigned int page = 0; page < 1000; page++)
		assert_int_equal(core_mapped(&process->aspace, 0x40000 + page), 0);
	core_destroy(&process->object);
	core_destroy(&memory->object);
}

static void revocation_spares_other_objects_in_the_same_range(void **state)
{
	(void)state;
	struct memory *one = core_memory(core.root, 100, 0x1200), *other = core_memory(core.root, 100, 0x1300);
	struct process *process = core_process(100);
	assert_int_equal(core_map(&process->aspace, one, 0, 0x40000, 100, RW), 100);
	assert_int_equal(aspace_unmap(&process->aspace, 0x40000 + 50, 1), 1);
	assert_int_equal(core_map(&process->aspace, other, 50, 0x40000 + 50, 1, RW), 1);
	revoke(one);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 50), 0x1300 + 50);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 51), 0);
	revoke(other);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 50), 0);
	core_destroy(&process->object);
	core_destroy(&one->object);
	core_destroy(&other->object);
}

static void a_punched_page_goes_home_and_is_mapped_nowhere(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 2048, 0x1200);
	struct process *process = core_process(100);
	struct vm *vm;
	assert_ok(vm_create(process, &vm));
	assert_int_equal(core_map(&process->aspace, memory, 0, 0x40000, 2048, RW), 2048);
	assert_int_equal(core_map(&vm->aspace, memory, 0, 0x100, 2048, RW), 2048);
	assert_int_equal(memory_punch(memory, 700, 3), 3);
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t expected = i == 0 || i == 4 ? 0x1200 + 699 + i : 0;
		assert_int_equal(core_mapped(&process->aspace, 0x40000 + 699 + i), expected);
		assert_int_equal(core_mapped(&vm->aspace, 0x100 + 699 + i), expected);
	}
	struct tree_run run;
	tree_find(&memory_ram->tree, 0x1200 + 701, &run);
	assert_int_equal(run.kind, TREE_RUN);
	assert_int_equal(run.frame, 0x1200 + 701);
	/* Once more: holes count as done. */
	assert_int_equal(memory_punch(memory, 700, 3), 3);
	assert_int_equal(memory_punch(memory, 0, 3000), -GYRE_EINVAL);
	assert_int_equal(memory_punch(memory_ram, 0x1200 + 701, 1), -GYRE_EINVAL);
	core_destroy(&process->object);
	core_destroy(&memory->object);
}

static void a_revocation_needs_no_frames(void **state)
{
	(void)state;
	/* The victim's quota is exhausted, so its large page can't be split: it loses all of that page, and not the owner its right. */
	struct memory *memory = core_memory(core.root, 512, 0x1200);
	struct process *process = core_process(PROCESS_FRAMES_MIN);
	struct quota hog = {0};
	assert_int_equal(core_map(&process->aspace, memory, 0, 0x40000, 512, RW), 512);
	quota_return(&process->quota, &hog);
	assert_int_equal(aspace_unmap(&process->aspace, 0x40000 + 100, 1), -GYRE_ENOMEM);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 100), 0x1200 + 100);
	assert_int_equal(memory_punch(memory, 100, 1), 1);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 100), 0);
	quota_return(&hog, &process->quota);
	core_destroy(&process->object);
	core_destroy(&memory->object);
}

static void a_replaced_page_shows_its_source_until_that_goes(void **state)
{
	(void)state;
	struct memory *source = core_memory(core.root, 10, 0x1200), *target = core_memory(core.root, 1024, 0x1400),
		      *window;
	struct process *process = core_process(100);
	assert_ok(memory_derive(core.root, source, 2, 4, R, &window));
	assert_int_equal(core_map(&process->aspace, target, 0, 0x40000, 1024, RW), 1024);
	assert_ok(memory_replace(target, 600, window, 1));
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 600), 0);
	assert_ok(check_invariants(core.cpu));
	assert_int_equal(core_map(&process->aspace, target, 600, 0x40000 + 600, 1, RW), 1);
	uint64_t frame;
	bool writable = true;
	assert_true(aspace_lookup(&process->aspace, 0x40000 + 600, &frame, &writable));
	assert_int_equal(frame, 0x1203);
	assert_false(writable);
	/* Not itself a source, not moved. */
	assert_int_equal(memory_replace(target, 601, target, 600), -GYRE_EINVAL);
	assert_int_equal(memory_move(source, 9, target, 600, 1), -GYRE_EINVAL);
	/* The source loses the page: by its own window's end, or a punch. */
	assert_int_equal(memory_punch(source, 3, 1), 1);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 600), 0);
	assert_int_equal(core_map(&process->aspace, target, 600, 0x40000 + 600, 1, R), -GYRE_ENOENT);
	assert_ok(memory_replace(target, 600, window, 0));
	assert_ok(memory_replace(target, 600, window, 2)); /* again, another */
	assert_int_equal(core_map(&process->aspace, target, 600, 0x40000 + 600, 1, R), 1);
	revoke(source);
	assert_int_equal(core_mapped(&process->aspace, 0x40000 + 600), 0);
	assert_int_equal(memory_replace(target, 5, source, 3), -GYRE_ENOENT);
	assert_ok(memory_replace(target, 5, source, 4));
	core_destroy(&target->object);
	core_destroy(&source->object);
	core_destroy(&process->object);
}

/* The frame of a page, as who maps it would find it; PAGETABLE_NO_FRAME: a hole. */
static uint64_t frame_at(struct memory *memory, uint64_t offset)
{
	uint64_t frame;
	uint32_t rights = RW;
	struct memory_locked locked = memory_lock();
	memory_frames(locked, memory, offset, 1, &frame, &rights);
	memory_unlock(&locked);
	return frame;
}

/* With any number of frames left, for the target's tables and home's: a page in a run, alone in its table, shown, or none. */
static void a_replacement_that_fails_loses_no_page(void **state)
{
	(void)state;
	static const uint64_t pages[] = {700, 1100, 2100, 2101, 3000, 4500, 5500};
	unsigned int failed = 0, done = 0;
	for (unsigned int left = 0; left < 2 * 8; left++) {
		struct process *process = core_process(64), *sources = core_process(64);
		struct memory *source = core_memory(sources, 8, 0x1803 + 1), *target = core_memory(process, 6000, 0);
		struct quota *quota = left % 2 == 0 ? &process->quota : &home_quota;
		assert_int_equal(memory_move(target, 512, memory_ram, 0x1400, 1024), 1024);
		assert_int_equal(memory_move(target, 2100, memory_ram, 0x1801, 1), 1);
		assert_int_equal(memory_move(target, 3000, memory_ram, 0x1803, 1), 1);
		if (left % 4 < 2) /* else its share takes a frame, too */
			assert_ok(memory_replace(target, 4500, source, 0));
		hpa_t frame[256];
		unsigned int frames = 0;
		while (quota->free > left / 2 && frame_alloc(quota, &frame[frames]))
			frames++;
		for (unsigned int i = 0; i < 7; i++) {
			uint64_t before = frame_at(target, pages[i]);
			int error = memory_replace(target, pages[i], source, i + 1);
			assert_int_equal(frame_at(target, pages[i]), error < 0 ? before : 0x1805 + i);
			assert_ok(check_invariants(core.cpu));
			failed += error < 0;
			done += error == 0;
		}
		while (frames > 0)
			frame_free(quota, frame[--frames]);
		core_destroy(&process->object);
		core_destroy(&sources->object);
	}
	assert_true(failed > 5 && done > 30);
}

/* The table that was prepared for the page went with the entry that the page left: what was written to then was anywhere. */
static void a_page_moves_within_its_own_object(void **state)
{
	(void)state;
	struct process *process = core_process(64);
	struct memory *memory = core_memory(process, 2048, 0);
	assert_int_equal(memory_move(memory, 0, memory_ram, 0x2000, 1), 1);
	for (uint64_t at = 0, to = 1; to < 2048; at = to, to = to * 3 + 1) {
		assert_int_equal(memory_move(memory, to, memory, at, 1), 1);
		assert_int_equal(core_map(&process->aspace, memory, to, 0x1000, 1, 1), 1);
		assert_int_equal(core_mapped(&process->aspace, 0x1000), 0x2000);
		assert_int_equal(core_map(&process->aspace, memory, at, 0x1001, 1, 1), -GYRE_ENOENT);
		assert_ok(check_invariants(core.cpu));
	}
	core_destroy(&process->object);
}

/*
 * A walk that met a share of its own object went on with the share's one page, and called the rest done: the pages of an object that ended went home,
 * and to somebody else, while a process had them mapped.
 */
static void an_object_shows_no_page_of_its_own(void **state)
{
	(void)state;
	struct process *process = core_process(64);
	struct memory *memory = core_memory(process, 2048, 0x1200), *window;
	uint64_t page = 0;
	assert_ok(memory_derive(process, memory, 512, 5, RW, &window));
	assert_int_equal(core_map(&process->aspace, memory, 0, 0x1000, 2048, RW), 2048);
	assert_int_equal(memory_replace(memory, 198, window, 0), -GYRE_EINVAL);
	assert_int_equal(memory_replace(memory, 198, memory, 3), -GYRE_EINVAL);
	core_destroy(&memory->object);
	while (page < 2048)
		assert_int_equal(core_mapped(&process->aspace, 0x1000 + page++), 0);
	core_destroy(&process->object);
}

/* The run that the pages would have left was split for nothing, and home's frames were used up bit by bit. */
static void a_move_that_fails_splits_nothing(void **state)
{
	(void)state;
	struct process *process = core_process(16);
	struct memory *memory = core_memory(process, 2048, 0);
	uint64_t home = quota_used(&home_quota);
	hpa_t frame[16];
	unsigned int frames = 0;
	while (frame_alloc(&process->quota, &frame[frames]))
		frames++;
	for (uint64_t page = 0x1401; page < 0x5000; page += 0x200)
		assert_int_equal(memory_move(memory, 0, memory_ram, page, 1), -GYRE_ENOMEM);
	assert_int_equal(quota_used(&home_quota), home);
	while (frames > 0)
		frame_free(&process->quota, frame[--frames]);
	core_destroy(&process->object);
}

/* Each costs some 500 instructions: a call does not do all of them with interrupts off. */
static void shares_and_holes_end_in_pieces(void **state)
{
	(void)state;
	struct process *process = core_process(300);
	struct memory *source = core_memory(process, 400, 0x1200), *target = core_memory(process, 1200, 0);
	for (uint64_t page = 0; page < 400; page++)
		assert_ok(memory_replace(target, 3 * page, source, page));
	assert_true(memory_punch(target, 900, 300) < 300);
	assert_true(core_destroy(&source->object) > 20);
	core_destroy(&process->object);
}

static void memory_dies_with_its_owner_everywhere(void **state)
{
	(void)state;
	struct process *owner = core_process(300), *user = core_process(100);
	struct memory *memory = core_memory(owner, 2048, 0x1200), *window;
	assert_ok(memory_derive(user, memory, 0, 2048, RW, &window));
	assert_true(handle_create(user, &memory->object, RW, 0) > 0);
	assert_int_equal(core_map(&user->aspace, window, 0, 0x40000, 2048, RW), 2048);
	core_destroy(&owner->object);
	assert_int_equal(core_mapped(&user->aspace, 0x40000), 0);
	assert_int_equal(user->object_count, 0);
	assert_int_equal(user->handles.count, 0);
	core_destroy(&user->object);
}

/* Whatever budget is left in whichever loop, it never wraps around. */
static void ends_come_in_pieces(void **state)
{
	(void)state;
	struct process *process = core_process(200);
	for (unsigned int mapped = 0; mapped < 40; mapped++) {
		struct memory *memory = core_memory(process, 1000, 0x1201);
		for (unsigned int i = 0; i < mapped; i++)
			assert_int_equal(
				core_map(&process->aspace, memory, 20 * i, 0x40000 + 21 * i, 1 + mapped % 11, RW),
				1 + mapped % 11);
		assert_true(core_destroy(&memory->object) >= 40);
	}
	core_destroy(&process->object);
}

static void records_are_bounded(void **state)
{
	(void)state;
	struct process *process = core_process(600);
	struct memory *memory = core_memory(process, 2000, 0x1201);
	unsigned int made = 0;
	/* Every second page backwards: nothing is adjacent. */
	for (unsigned int i = 0; i < 300; i++)
		made += core_map(&process->aspace, memory, 1000 - 3 * i, 0x40000 + 2 * i, 1, R) == 1;
	assert_int_equal(made, ASPACE_RECORDS);
	assert_int_equal(process->aspace.record_count, ASPACE_RECORDS);
	revoke(memory);
	assert_int_equal(process->aspace.record_count, 0);
	core_destroy(&process->object);
}

static uint64_t seed = 88172645463325252ull;
static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

/* Anything in any order, on a few objects: after each step the books are right, and in the end all is as it was. */
static void random_changes_keep_the_books(void **state)
{
	(void)state;
	uint64_t used = core_used(core.root), home = quota_used(&home_quota);
	for (unsigned int round = 0; round < 30; round++) {
		struct process *process[3] = {core_process(200), core_process(60), core_process(30)};
		struct memory *memory[12] = {0};
		for (unsigned int step = 0; step < 150; step++) {
			struct process *p = process[dice(3)];
			unsigned int a = (unsigned int)dice(12), b = (unsigned int)dice(12), budget = OBJECT_BUDGET;
			struct memory *m = memory[a], *n = memory[b];
			bool ok = m != NULL && object_alive(&m->object);
			if (m == NULL && dice(2) == 0) {
				memory[a] = memory_create(p, 1 + dice(3000));
				if (memory[a] != NULL)
					memory_move(memory[a], 0, memory_ram, RAM_FIRST + dice(RAM_PAGES),
						1 + dice(memory[a]->pages));
				continue;
			}
			if (!ok)
				continue;
			switch (dice(9)) {
			case 0:
				memory_move(m, dice(m->pages), memory_ram, RAM_FIRST + dice(RAM_PAGES), 1 + dice(1500));
				break;
			case 1: memory_punch(m, dice(m->pages), 1 + dice(600)); break;
			case 2:
				core_map(&p->aspace, m, dice(m->pages), 0x40000 + dice(4000), 1 + dice(1200),
					dice(2) ? R : RW);
				break;
			case 3: aspace_unmap(&p->aspace, 0x40000 + dice(4000), 1 + dice(800)); break;
			case 4:
				if (n != NULL && object_alive(&n->object))
					memory_replace(m, dice(m->pages), n, dice(n->pages));
				break;
			case 5:
				if (n == NULL)
					memory_derive(
						p, m, dice(m->pages), 1 + dice(m->pages), dice(2) ? R : RW, &memory[b]);
				break;
			case 6:
				if (n != NULL && object_alive(&n->object))
					memory_move(m, dice(m->pages), n, dice(n->pages), 1 + dice(700));
				break;
			case 7:
				if (dice(4) == 0)
					memory_revoke(m, &budget);
				break;
			default: break;
			}
			/* Windows may have died with a revocation: their memory is freed when the call ends. */
			for (unsigned int i = 0; i < 12; i++)
				if (memory[i] != NULL && !object_alive(&memory[i]->object))
					memory[i] = NULL;
			core_settle();
			assert_ok(check_invariants(core.cpu));
		}
		for (unsigned int i = 0; i < 3; i++)
			core_destroy(&process[i]->object);
		assert_int_equal(core_used(core.root), used);
		assert_int_equal(quota_used(&home_quota), home);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_move_out_of_ram_and_come_home),
		TEST(ram_in_a_row_costs_few_entries),
		TEST(mapping_uses_the_largest_pages),
		TEST(maps_at_most_so_many_entries_a_call),
		TEST(hostile_map_arguments_change_nothing),
		TEST(out_of_frames_changes_nothing),
		TEST(windows_see_their_part_and_no_more),
		TEST(derivation_is_not_endlessly_deep),
		TEST(revocation_leaves_nothing_mapped_anywhere),
		TEST(nothing_is_mapped_while_it_is_being_revoked),
		TEST(revocation_spares_other_objects_in_the_same_range),
		TEST(a_punched_page_goes_home_and_is_mapped_nowhere),
		TEST(a_revocation_needs_no_frames),
		TEST(a_replaced_page_shows_its_source_until_that_goes),
		TEST(a_replacement_that_fails_loses_no_page),
		TEST(a_page_moves_within_its_own_object),
		TEST(an_object_shows_no_page_of_its_own),
		TEST(a_move_that_fails_splits_nothing),
		TEST(shares_and_holes_end_in_pieces),
		TEST(memory_dies_with_its_owner_everywhere),
		TEST(ends_come_in_pieces),
		TEST(records_are_bounded),
		TEST(random_changes_keep_the_books),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
