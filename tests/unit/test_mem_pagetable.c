/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_mem_pagetable.c: page tables, in the processor's format and in one like EPT; the dirty log; frames, quotas and slabs.
 */
/* unit-sources: tests/unit/core_fixture.c */
/* unit-sources: core/mem/aspace.c core/mem/dirty.c core/mem/frame.c core/mem/memory.c core/mem/memory_change.c core/mem/memory_end.c core/mem/memory_tree.c core/mem/pagetable.c core/mem/pagetable_process.c core/mem/slab.c */
/* unit-sources: tests/core/check.c tests/core/pagetable_check.c core/obj/device.c core/obj/event.c core/obj/handle.c core/obj/object.c core/obj/process.c core/obj/vm.c core/sched/deadline.c core/sched/endpoint.c core/sched/endpoint_end.c core/sched/sched.c core/sched/thread.c */
#include "tests/unit/core_fixture.h"
#include "core/mem/pagetable_entry.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)
#define R	   GYRE_RIGHT_READ
#define RW	   (GYRE_RIGHT_READ | GYRE_RIGHT_WRITE)

/* In the manner of EPT: three rights, no present bit of its own, the memory's type in bits 5:3 at every level. */
static uint64_t ept_leaf(unsigned int level, unsigned int rights, enum memory_cache cache)
{
	return ((rights & GYRE_RIGHT_READ) ? 1 : 0) | ((rights & GYRE_RIGHT_WRITE) ? 2 : 0) |
	       ((rights & GYRE_RIGHT_EXEC) ? 4 : 0) | (cache == MEMORY_WRITE_BACK ? 6ul << 3 : 0) |
	       (level > 0 ? 0x80 : 0);
}
static const struct pagetable_format ept = {.max_leaf = 2,
	.address = 0x000ffffffffff000,
	.present = 7,
	.large = 0x80,
	.write = 2,
	.table = 7,
	.ignored = 0x300,
	.leaf = ept_leaf};
/* And one whose processor sets bit 9 of what it writes to, and lists it. */
static struct pagetable_format ept_listed;
static const struct pagetable_format *formats[] = {&pagetable_process, &ept};

static struct quota quota;
static struct pagetable table;

static void begin(const struct pagetable_format *format, uint64_t frames)
{
	quota_init(&quota, 0);
	assert_true(quota_give(&core.root->quota, &quota, frames));
	assert_ok(pagetable_init(&table, format, &quota));
}

static void end(void)
{
	struct pagetable_unmap unmap = {.budget = ~0u};
	assert_int_equal(pagetable_unmap(&table, 0, 1ul << 36, &unmap), 1l << 36);
	pagetable_free(&table, unmap.freed);
	assert_int_equal(table.tables, 1);
	pagetable_end(&table);
	assert_int_equal(quota_used(&quota), 0);
	quota_return(&quota, &core.root->quota);
}

static int64_t map(uint64_t page, uint64_t frame, uint64_t pages, unsigned int rights)
{
	struct pagetable_map request = {
		.page = page, .frame = frame, .pages = pages, .rights = rights, .max_level = 2, .entries = ~0u};
	return pagetable_map(&table, &request);
}

static int64_t unmap(uint64_t page, uint64_t pages)
{
	struct pagetable_unmap request = {.budget = ~0u};
	int64_t result = pagetable_unmap(&table, page, pages, &request);
	pagetable_free(&table, request.freed);
	return result;
}

static uint64_t frame_at(uint64_t page)
{
	unsigned int level;
	uint64_t leaf = pagetable_walk(&table, page, &level);
	return leaf == 0 ? 0 : pagetable_frame(&table, leaf, level, page);
}

static bool any_leaf(void *context, uint64_t page, uint64_t frame, uint64_t pages)
{
	*(uint64_t *)context += pages;
	return page + frame + pages != 0;
}

static void pages_of_all_sizes(void **state)
{
	(void)state;
	for (unsigned int f = 0; f < 2; f++) {
		begin(formats[f], 100);
		unsigned int level;
		/* A gibibyte, between two pieces that make it start and end somewhere. */
		uint64_t first = (3ul << 18) - 700, pages = 700 + (1ul << 18) + 3;
		assert_int_equal(map(first, first + (4ul << 18), pages, RW), pages);
		pagetable_walk(&table, 3ul << 18, &level);
		assert_int_equal(level, 2);
		pagetable_walk(&table, (3ul << 18) - 512, &level);
		assert_int_equal(level, 1);
		pagetable_walk(&table, first, &level);
		assert_int_equal(level, 0);
		for (uint64_t page = first; page < first + pages; page += 61)
			assert_int_equal(frame_at(page), page + (4ul << 18));
		assert_int_equal(frame_at(first - 1), 0);
		assert_int_equal(frame_at(first + pages), 0);
		uint64_t mapped = 0;
		assert_int_equal(pagetable_check(&table, 1ul << 36, any_leaf, &mapped), table.tables);
		assert_int_equal(mapped, pages);
		/* One page out of the gibibyte: split twice, all else stays. */
		assert_int_equal(unmap((3ul << 18) + 5000, 1), 1);
		for (uint64_t page = first; page < first + pages; page += 61)
			assert_int_equal(frame_at(page), page == (3ul << 18) + 5000 ? 0 : page + (4ul << 18));
		mapped = 0;
		assert_int_equal(pagetable_check(&table, 1ul << 36, any_leaf, &mapped), table.tables);
		assert_int_equal(mapped, pages - 1);
		end();
	}
}

static void shifted_frames_get_small_pages(void **state)
{
	(void)state;
	begin(&ept, 100);
	unsigned int level;
	assert_int_equal(map(0x10000, 0x20001, 2000, RW), 2000);
	pagetable_walk(&table, 0x10200, &level);
	assert_int_equal(level, 0);
	assert_int_equal(frame_at(0x10000 + 1999), 0x20001 + 1999);
	end();
}

static void what_is_mapped_is_not_mapped_over(void **state)
{
	(void)state;
	begin(&pagetable_process, 100);
	assert_int_equal(map(1000, 5000, 1, R), 1);
	uint64_t tables = table.tables;
	assert_int_equal(map(1000, 6000, 1, R), -GYRE_EEXIST);
	assert_int_equal(map(990, 6000, 20, R), 10); /* up to it */
	assert_int_equal(map(512, 512 * 9, 512, R), 478);
	assert_int_equal(table.tables, tables);
	assert_int_equal(frame_at(1000), 5000);
	assert_int_equal(map(1024, 1024, 512, R), 512);
	assert_int_equal(map(1100, 6000, 1, R), -GYRE_EEXIST);
	end();
}

static void a_failed_map_adds_no_tables(void **state)
{
	(void)state;
	for (uint64_t frames = 1; frames < 5; frames++) {
		begin(&ept, frames);
		int64_t n = map(0x123456789, 77, 1, R);
		if (frames < 4) {
			assert_int_equal(n, -GYRE_ENOMEM);
			assert_int_equal(table.tables, 1);
			assert_int_equal(quota_used(&quota), 1);
		} else {
			assert_int_equal(n, 1);
		}
		end();
	}
}

static void empty_tables_go_at_once(void **state)
{
	(void)state;
	begin(&ept, 100);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(map(i << 27, i + 1, 1, R), 1);
	assert_int_equal(table.tables, 1 + 3 * 10);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(unmap(i << 27, 1), 1);
	assert_int_equal(table.tables, 1);
	end();
}

static void unmapping_comes_in_bounded_pieces(void **state)
{
	(void)state;
	begin(&ept, 100);
	assert_int_equal(map(1, 8, 3000, R), 3000); /* shifted: small pages */
	uint64_t page = 0, steps = 0;
	while (page < 1ul << 36) {
		struct pagetable_unmap request = {.budget = 50};
		int64_t n = pagetable_unmap(&table, page, (1ul << 36) - page, &request);
		assert_true(n > 0);
		pagetable_free(&table, request.freed);
		page += (uint64_t)n;
		assert_true(steps++ < 200);
	}
	assert_int_equal(table.tables, 1);
	end();
}

/* Whatever is left of a budget, in whichever loop, it does not wrap around: then one call would do it all. */
static void a_budget_stays_used_up(void **state)
{
	(void)state;
	for (unsigned int budget = 1; budget < 200; budget++) {
		begin(&ept, 100);
		assert_int_equal(map(1, 8, 3000, R), 3000);
		struct pagetable_unmap request = {.budget = budget, .only = true, .frame = 7};
		int64_t n = pagetable_unmap(&table, 1, 3000, &request);
		pagetable_free(&table, request.freed);
		assert_int_equal(request.budget, 0);
		assert_int_equal(n, budget - 1); /* the way to the table is a step, too */
		end();
	}
}

static void cache_types_survive_a_split(void **state)
{
	(void)state;
	begin(&pagetable_process, 100);
	struct pagetable_map request = {.page = 512,
		.frame = 1024,
		.pages = 512,
		.rights = RW,
		.max_level = 2,
		.cache = MEMORY_WRITE_COMBINING,
		.entries = 10};
	assert_int_equal(pagetable_map(&table, &request), 512);
	unsigned int level;
	uint64_t large = pagetable_walk(&table, 600, &level);
	assert_int_equal(level, 1);
	assert_int_equal(large & 0x1098, 0x88); /* a large page; PWT alone: write combining */
	assert_int_equal(frame_at(600), 1024 + 88);
	assert_int_equal(unmap(512, 1), 1);
	uint64_t small = pagetable_walk(&table, 600, &level);
	assert_int_equal(level, 0);
	assert_int_equal(small & 0xfff & ~0x60ul, pagetable_process.leaf(0, RW, MEMORY_WRITE_COMBINING) & 0xfff);
	assert_int_equal(frame_at(600), 1024 + 88);
	end();
}

/* ---- the dirty log, through an address space ---- */

static struct vm *vm;

static void log_set(bool on)
{
	int result;
	unsigned int times = 0;
	while ((result = aspace_dirty_log(&vm->aspace, on)) == -GYRE_EAGAIN)
		assert_true(times++ < 1000);
	assert_ok(result);
}

static void the_dirty_log_sees_each_write_once(void **state)
{
	(void)state;
	struct memory *memory = core_memory(core.root, 4096, 0x1200);
	uint64_t bitmap[GYRE_DIRTY_PAGES / 64];
	assert_ok(vm_create(core.root, &vm));
	assert_int_equal(core_map(&vm->aspace, memory, 0, 0, 3000, RW), 3000);
	assert_int_equal(core_map(&vm->aspace, memory, 3000, 3000, 50, R), 50);
	uint64_t tables = vm->aspace.table.tables, used = core_used(core.root);
	assert_false(aspace_dirty_fault(&vm->aspace, 5)); /* off: not ours */
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 64, bitmap), -GYRE_ENOENT);
	log_set(true);
	log_set(true);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 0);
	uint64_t frame;
	bool writable;
	assert_true(aspace_lookup(&vm->aspace, 700, &frame, &writable) && !writable);
	/* Faults: of the log; twice; of a page that may only be read; of a hole. */
	assert_true(aspace_dirty_fault(&vm->aspace, 700));
	assert_true(aspace_lookup(&vm->aspace, 700, &frame, &writable) && writable);
	assert_true(aspace_dirty_fault(&vm->aspace, 700));
	assert_true(aspace_dirty_fault(&vm->aspace, 2047));
	assert_true(aspace_dirty_fault(&vm->aspace, 2048));
	assert_false(aspace_dirty_fault(&vm->aspace, 3001));
	assert_false(aspace_dirty_fault(&vm->aspace, 4000));
	assert_false(aspace_dirty_fault(&vm->aspace, ~0ul >> 12));
	uint64_t flushes = core.flushes;
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 2);
	assert_true(core.flushes > flushes);
	assert_int_equal(bitmap[700 / 64], 1ul << 700 % 64);
	assert_int_equal(bitmap[2047 / 64], 1ul << 63);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 0);
	assert_true(aspace_lookup(&vm->aspace, 700, &frame, &writable) && !writable);
	/* A part of a table takes its part. */
	assert_true(aspace_dirty_fault(&vm->aspace, 2060));
	assert_int_equal(aspace_dirty_take(&vm->aspace, 2048, 64, bitmap), 2);
	assert_int_equal(bitmap[0], 1 | 1ul << 12);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 2048 + 64, 1024, bitmap), 0);
	/* What is mapped while it is on is new to whoever copies: dirty. */
	assert_int_equal(aspace_unmap(&vm->aspace, 100, 1), 1);
	assert_int_equal(core_map(&vm->aspace, memory, 100, 100, 1, RW), 1);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 64, 64, bitmap), 1);
	assert_int_equal(bitmap[0], 1ul << 36);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 1, 64, bitmap), -GYRE_EINVAL);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 63, bitmap), -GYRE_EINVAL);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 0, bitmap), -GYRE_EINVAL);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, GYRE_DIRTY_PAGES + 64, bitmap), -GYRE_EINVAL);
	assert_int_equal(aspace_dirty_take(&vm->aspace, ~0ul - 63, 64, bitmap), -GYRE_EINVAL);
	assert_ok(check_invariants(core.cpu));
	/* Off: large pages again, and nothing left over. */
	log_set(false);
	assert_int_equal(vm->aspace.table.tables, tables);
	assert_int_equal(core_used(core.root), used);
	assert_true(aspace_lookup(&vm->aspace, 701, &frame, &writable) && writable);
	assert_true(aspace_lookup(&vm->aspace, 3001, &frame, &writable) && !writable);
	core_destroy(&vm->object);
	core_destroy(&memory->object);
}

static uint64_t leaf_at(uint64_t page)
{
	unsigned int level;
	return pagetable_walk(&vm->aspace.table, page, &level);
}

/* What the processor does at a write: true if the page goes on its list. */
static bool processor_writes(uint64_t page)
{
	struct path path;
	unsigned int level = path_walk(&vm->aspace.table, page, 0, &path);
	return (__atomic_fetch_or(path.at[level], 0x300, __ATOMIC_SEQ_CST) & 0x200) == 0;
}

static struct memory *listed_begin(void)
{
	ept_listed = ept;
	ept_listed.dirty = 0x200;
	virt_nested_format = &ept_listed;
	assert_ok(vm_create(core.root, &vm));
	struct memory *memory = core_memory(core.root, 4096, 0x1200);
	assert_int_equal(core_map(&vm->aspace, memory, 0, 0, 3000, RW), 3000);
	assert_int_equal(core_map(&vm->aspace, memory, 3000, 3000, 50, R), 50);
	return memory;
}

static void listed_end(struct memory *memory)
{
	assert_ok(check_invariants(core.cpu));
	core_destroy(&vm->object);
	core_destroy(&memory->object);
	virt_nested_format = &pagetable_process;
}

static void pages_that_the_processor_lists_stay_writable(void **state)
{
	(void)state;
	uint64_t bitmap[GYRE_DIRTY_PAGES / 64], frame;
	bool writable;
	struct memory *memory = listed_begin();
	uint64_t tables = vm->aspace.table.tables;
	assert_true(processor_writes(700)); /* a large page, before the log: forgotten */
	log_set(true);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 0);
	assert_true(aspace_lookup(&vm->aspace, 700, &frame, &writable) && writable);
	assert_int_equal(leaf_at(700) & 0x200, 0);
	/* The bit alone is kept for later: the list is what makes the take look. */
	assert_true(processor_writes(700));
	assert_false(processor_writes(700));
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 0);
	aspace_dirty_logged(&vm->aspace, 700);
	uint64_t flushes = core.flushes;
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 1);
	assert_true(core.flushes > flushes);
	assert_int_equal(bitmap[700 / 64], 1ul << 700 % 64);
	assert_int_equal(leaf_at(700) & 0x200, 0);
	assert_true(aspace_lookup(&vm->aspace, 700, &frame, &writable) && writable);
	/* Listed, but taken meanwhile with another of its table: not taken twice. */
	assert_true(processor_writes(701));
	assert_true(processor_writes(702));
	aspace_dirty_logged(&vm->aspace, 701);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 2);
	aspace_dirty_logged(&vm->aspace, 702);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 0);
	assert_true(processor_writes(702));
	aspace_dirty_logged(&vm->aspace, 702);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 1);
	/* A fault that the old entry in a TLB made: the page is dirty, and the guest runs on. */
	assert_true(aspace_dirty_fault(&vm->aspace, 703));
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 2048, bitmap), 1);
	assert_int_equal(bitmap[703 / 64], 1ul << 703 % 64);
	/* What is mapped while it is on is dirty. */
	assert_int_equal(aspace_unmap(&vm->aspace, 100, 1), 1);
	assert_int_equal(core_map(&vm->aspace, memory, 100, 100, 1, RW), 1);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 64, 64, bitmap), 1);
	assert_int_equal(bitmap[0], 1ul << 36);
	/* Off: large pages again, writable. */
	log_set(false);
	assert_int_equal(vm->aspace.table.tables, tables);
	assert_int_equal(leaf_at(701) & (PAGETABLE_LOGGED | 0x82), 0x82);
	listed_end(memory);
}

/* The list is in memory that only the processor writes, but the core believes no address in it. */
static void what_is_listed_wrongly_is_ignored(void **state)
{
	(void)state;
	uint64_t bitmap[GYRE_DIRTY_PAGES / 64];
	struct memory *memory = listed_begin();
	aspace_dirty_logged(&vm->aspace, 5); /* off */
	log_set(true);
	uint64_t used = core_used(core.root);
	aspace_dirty_logged(&vm->aspace, 3001); /* may only be read */
	aspace_dirty_logged(&vm->aspace, 4000);
	aspace_dirty_logged(&vm->aspace, 1ul << 30);
	aspace_dirty_logged(&vm->aspace, ~0ul);
	aspace_dirty_logged(&vm->aspace, ~0ul >> 12);
	aspace_dirty_logged(&vm->aspace, 6); /* not written */
	assert_int_equal(core_used(core.root), used);
	for (uint64_t page = 0; page < 4096; page += GYRE_DIRTY_PAGES)
		assert_int_equal(aspace_dirty_take(&vm->aspace, page, GYRE_DIRTY_PAGES, bitmap), 0);
	assert_int_equal(leaf_at(3001) & (PAGETABLE_LOGGED | 2), 0);
	/* Written, listed, and unmapped before the list is read. */
	assert_true(processor_writes(7));
	assert_int_equal(aspace_unmap(&vm->aspace, 7, 1), 1);
	aspace_dirty_logged(&vm->aspace, 7);
	assert_int_equal(aspace_dirty_take(&vm->aspace, 0, 64, bitmap), 0);
	listed_end(memory);
}

static void a_log_that_does_not_fit_the_quota_goes_again(void **state)
{
	(void)state;
	struct process *process = core_process(16);
	struct memory *memory = core_memory(core.root, 16384, 0x1200);
	assert_ok(vm_create(process, &vm));
	assert_int_equal(core_map(&vm->aspace, memory, 0, 0, 16384, RW), 16384);
	uint64_t used = core_used(process);
	int result;
	while ((result = aspace_dirty_log(&vm->aspace, true)) == -GYRE_EAGAIN)
		;
	assert_int_equal(result, -GYRE_ENOMEM);
	assert_int_equal(aspace_dirty_log(&vm->aspace, true), -GYRE_EBUSY);
	log_set(false);
	assert_int_equal(core_used(process), used);
	for (uint64_t page = 0; page < 16384; page += 100)
		assert_int_equal(core_mapped(&vm->aspace, page), 0x1200 + page);
	core_destroy(&process->object);
	core_destroy(&memory->object);
}

/* ---- frames and slabs ---- */

static void frames_come_zeroed_and_are_counted(void **state)
{
	(void)state;
	struct quota own;
	hpa_t frame[20], run;
	quota_init(&own, 0);
	assert_true(quota_give(&core.root->quota, &own, 20));
	uint64_t free = frame_pool_free();
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 20; i++) {
			assert_true(frame_alloc(&own, &frame[i]));
			char *memory = frame_virtual(frame[i]);
			for (unsigned int byte = 0; byte < PAGE_SIZE; byte++)
				assert_int_equal(memory[byte], 0);
			memset(memory, 0xa5, PAGE_SIZE);
		}
		hpa_t none;
		assert_false(frame_alloc(&own, &none));
		assert_int_equal(frame_pool_free(), free - 20);
		for (unsigned int i = 0; i < 20; i++)
			frame_free(&own, frame[i]);
	}
	assert_int_equal(frame_pool_free(), free);
	assert_true(frame_alloc_run(&own, 3, &run));
	assert_int_equal(run.value / PAGE_SIZE % 4, 0);
	assert_false(frame_alloc_run(&own, 18, &frame[0]));
	frame_free_run(&own, run, 3);
	quota_return(&own, &core.root->quota);
}

static void the_pool_itself_can_run_out(void **state)
{
	(void)state;
	struct quota endless;
	quota_init(&endless, 1ul << 40);
	uint64_t got = 0, free = frame_pool_free();
	hpa_t frame, first = hpa(0);
	while (frame_alloc(&endless, &frame)) {
		*(uint64_t *)frame_virtual(frame) = first.value;
		first = frame;
		got++;
	}
	assert_int_equal(got, free);
	assert_false(frame_alloc_run(&endless, 2, &frame));
	while (first.value != 0) {
		frame = first;
		first = hpa(*(uint64_t *)frame_virtual(frame));
		frame_free(&endless, frame);
	}
	assert_int_equal(frame_pool_free(), free);
	assert_int_equal(quota_used(&endless), 0);
}

static void slabs_return_their_frames(void **state)
{
	(void)state;
	static void *object[400];
	static const size_t sizes[] = {1, 64, 65, 100, 300, 500, 1000, 2016, 2017, 8192};
	struct quota *own = &core.root->quota;
	uint64_t used = quota_used(own);
	for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned int i = 0; i < 400; i++) {
			object[i] = slab_alloc(own, sizes[s]);
			assert_non_null(object[i]);
			assert_int_equal((uint64_t)object[i] % 16, 0);
			for (size_t byte = 0; byte < sizes[s]; byte++)
				assert_int_equal(((char *)object[i])[byte], 0);
			memset(object[i], (int)i, sizes[s]);
		}
		for (unsigned int i = 0; i < 400; i++)
			assert_int_equal(((unsigned char *)object[i * 7 % 400])[sizes[s] - 1], (i * 7 % 400) & 0xff);
		for (unsigned int i = 0; i < 400; i++)
			slab_free(own, object[i * 7 % 400], sizes[s]);
		assert_int_equal(quota_used(own), used);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_of_all_sizes),
		TEST(shifted_frames_get_small_pages),
		TEST(what_is_mapped_is_not_mapped_over),
		TEST(a_failed_map_adds_no_tables),
		TEST(empty_tables_go_at_once),
		TEST(unmapping_comes_in_bounded_pieces),
		TEST(a_budget_stays_used_up),
		TEST(cache_types_survive_a_split),
		TEST(the_dirty_log_sees_each_write_once),
		TEST(pages_that_the_processor_lists_stay_writable),
		TEST(what_is_listed_wrongly_is_ignored),
		TEST(a_log_that_does_not_fit_the_quota_goes_again),
		TEST(frames_come_zeroed_and_are_counted),
		TEST(the_pool_itself_can_run_out),
		TEST(slabs_return_their_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
