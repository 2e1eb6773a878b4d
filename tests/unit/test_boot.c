/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_boot.c: the boot loader's information and the firmware's memory map, honest and hostile, and who gets which memory.
 */
/* unit-sources: core/boot/multiboot.c core/boot/memory_map.c core/boot/layout.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/boot/memory_map.h"

#define MIB   0x100000ull
#define IMAGE ((struct boot_range){MIB, MIB + 0x80000})
#define LIMIT (1ull << 40)

static struct boot_info info;
static uint8_t block[8192] __attribute__((aligned(8)));
static uint32_t used;

static void put(uint64_t value, unsigned bytes)
{
	memcpy(block + used, &value, bytes);
	used += bytes;
}

static void begin(void)
{
	memset(block, 0xaa, sizeof(block));
	used = 8;
}

static void tag(uint32_t type, uint32_t bytes)
{
	used = (used + 7) & ~7u;
	put(type, 4);
	put(bytes, 4);
}

static void tag_text(uint32_t type, const char *text)
{
	tag(type, 8 + strlen(text) + 1);
	memcpy(block + used, text, strlen(text) + 1);
	used += strlen(text) + 1;
}

static void tag_module(uint32_t start, uint32_t end, const char *name)
{
	tag(3, 16 + strlen(name) + 1);
	put(start, 4);
	put(end, 4);
	memcpy(block + used, name, strlen(name) + 1);
	used += strlen(name) + 1;
}

struct entry {
	uint64_t start, bytes;
	uint32_t type;
};

static void tag_memory(const struct entry *entry, uint32_t count)
{
	tag(6, 16 + 24 * count);
	put(24, 4);
	put(0, 4);
	for (uint32_t i = 0; i < count; i++) {
		put(entry[i].start, 8);
		put(entry[i].bytes, 8);
		put(entry[i].type, 4);
		put(0, 4);
	}
}

static const struct entry plain[] = {
	{0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {MIB, 1023 * MIB - 0x20000, 1}, {1024 * MIB - 0x20000, 0x20000, 2}};

static const char *end_and_parse(void)
{
	tag(0, 8);
	memcpy(block, &used, 4);
	memset(block + 4, 0, 4);
	/* A copy of just that size, so that the sanitizer sees each byte read beyond. */
	uint8_t *copy = malloc(used);
	memcpy(copy, block, used);
	const char *error = multiboot_parse(&info, copy, used);
	free(copy);
	return error;
}

static const char *parse_map(const struct entry *entry, uint32_t count)
{
	begin();
	tag_memory(entry, count);
	return end_and_parse();
}

static void what_the_loader_says_is_copied(void **state)
{
	(void)state;
	begin();
	tag_text(1, "console=frames pool=8M");
	tag_text(2, "GRUB 2.06");
	tag_module(0x200000, 0x200006, "root one two");
	tag_memory(plain, 4);
	tag(14, 8 + 20);
	memcpy(block + used, "RSD PTR old.........", 20);
	used += 20;
	tag(15, 8 + 36);
	memcpy(block + used, "RSD PTR new.........................", 36);
	used += 36;
	tag(8, 38);
	put(0x80000000, 8);
	put(4096, 4);
	put(1024, 4);
	put(768, 4);
	put(32, 1);
	put(1, 1);
	put(0, 2);
	put(0x080808100810, 6);
	assert_null(end_and_parse());
	assert_string_equal(info.command_line, "console=frames pool=8M");
	assert_string_equal(info.loader, "GRUB 2.06");
	assert_int_equal(info.module_count, 1);
	assert_string_equal(info.module[0].name, "root one two");
	assert_int_equal(info.module[0].bytes, 6);
	assert_int_equal(info.rsdp_bytes, 36);
	assert_memory_equal(info.rsdp_copy, "RSD PTR new", 11);
	assert_int_equal(info.framebuffer.address.value, 0x80000000);
	assert_false(info.framebuffer.text);
	assert_false(info.uefi);
	assert_int_equal(info.memory.count, 2);
	assert_int_equal(info.usable_bytes, 0x9f000 + 1023 * MIB - 0x20000);
}

static void cut_off_information_is_refused(void **state)
{
	(void)state;
	begin();
	tag_text(1, "x");
	tag_module(0x200000, 0x300000, "root");
	tag_memory(plain, 4);
	assert_null(end_and_parse());
	/* Any length that is claimed, and any that is there, ends in a message or a result, and reads nothing beyond. */
	for (uint32_t there = 0; there <= used; there++) {
		uint8_t *copy = malloc(there + 1);
		memcpy(copy, block, there);
		if (there >= 4)
			memcpy(copy, &there, 4);
		multiboot_parse(&info, copy, there);
		free(copy);
	}
	uint32_t total = used + 1;
	memcpy(block, &total, 4);
	assert_non_null(multiboot_parse(&info, block, used));
	total = 4;
	memcpy(block, &total, 4);
	assert_non_null(multiboot_parse(&info, block, used));
}

static void tags_of_impossible_size_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 7, 0x7fffffff, 0xfffffff9, UINT32_MAX};
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		begin();
		tag(1, sizes[i]);
		put(0, 8);
		assert_non_null(end_and_parse());
	}
}

static void text_without_an_end_or_with_odd_bytes_is_made_harmless(void **state)
{
	(void)state;
	begin();
	tag(1, 8 + 3000);
	memset(block + used, '\033', 3000);
	used += 3000;
	tag_memory(plain, 4);
	assert_null(end_and_parse());
	assert_int_equal(strlen(info.command_line), BOOT_LINE_BYTES - 1);
	assert_null(strchr(info.command_line, '\033'));
}

static void a_map_is_needed(void **state)
{
	(void)state;
	begin();
	assert_non_null(strstr(end_and_parse(), "no memory map"));
	begin();
	tag(6, 16);
	put(0, 8); /* entries of no size */
	assert_non_null(end_and_parse());
	begin();
	tag(6, 12);
	put(24, 4);
	assert_non_null(end_and_parse());
}

static void overlapping_entries_leave_only_undisputed_ram(void **state)
{
	static const struct entry entries[] = {{4 * MIB, 4 * MIB, 1}, {2 * MIB, 4 * MIB, 1}, {5 * MIB + 100, 10, 3},
		{7 * MIB, 100 * MIB, 2}, {8 * MIB, 0, 1}, {3 * MIB + 0x800, 0x1000, 9}, {UINT64_MAX - 100, 4096, 1},
		{UINT64_MAX, UINT64_MAX, 2}};
	(void)state;
	assert_null(parse_map(entries, 8));
	assert_int_equal(info.memory.count, 3);
	assert_int_equal(info.memory.range[0].start, 2 * MIB);
	assert_int_equal(info.memory.range[0].end, 3 * MIB);
	assert_int_equal(info.memory.range[1].start, 3 * MIB + 0x2000);
	assert_int_equal(info.memory.range[1].end, 5 * MIB);
	assert_int_equal(info.memory.range[2].start, 5 * MIB + 0x1000);
	assert_int_equal(info.memory.range[2].end, 7 * MIB);
	assert_int_equal(info.firmware.count, 1);
	assert_true(memory_map_contains(&info.firmware, 5 * MIB, 5 * MIB + 0x1000));
	assert_true(memory_map_contains(&info.reserved, 7 * MIB, 107 * MIB));
}

static void a_map_of_everything_reserved_has_no_ram(void **state)
{
	static const struct entry entries[] = {{MIB, 1023 * MIB, 1}, {0, UINT64_MAX, 2}};
	(void)state;
	assert_null(parse_map(entries, 2));
	assert_int_equal(info.memory.count, 0);
	assert_non_null(boot_layout(&info, IMAGE, 0, LIMIT));
}

static void too_many_reserved_ranges_are_refused(void **state)
{
	static struct entry entries[300];
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		entries[i] = (struct entry){i * 2 * MIB, MIB, 2};
	assert_non_null(parse_map(entries, 300));
	for (unsigned i = 0; i < 300; i++)
		entries[i].type = 1;
	assert_null(parse_map(entries, 300)); /* of RAM, what does not fit is left unused */
	assert_int_equal(info.memory.count, BOOT_RANGES_MAX);
}

static void the_pool_lies_in_ram_that_nobody_has(void **state)
{
	(void)state;
	begin();
	tag_memory(plain, 4);
	tag_module(0x1000000, 0x1000000 + 3 * MIB, "root");
	assert_null(end_and_parse());
	assert_null(boot_layout(&info, IMAGE, 0, LIMIT));
	assert_int_equal(info.pool.end - info.pool.start, 4 * MIB);
	assert_int_equal(info.pool.start, 0x1400000);
	assert_int_equal(info.pool.start % (2 * MIB), 0);
	/* Root's: all but the first MiB, the image and the pool; the module is part of it. */
	assert_int_equal(info.memory.count, 2);
	assert_int_equal(info.memory.range[0].start, IMAGE.end);
	assert_int_equal(info.memory.range[0].end, info.pool.start);
	assert_int_equal(info.memory.range[1].start, info.pool.end);
	assert_true(memory_map_contains(&info.memory, 0x1000000, 0x1000000 + 3 * MIB));
}

static void the_pool_is_as_large_as_asked_for_within_reason(void **state)
{
	static const struct {
		uint64_t asked, got;
	} cases[] = {{8 * MIB, 8 * MIB}, {3 * MIB, 4 * MIB}, {1, 2 * MIB}, {UINT64_MAX, 512 * MIB}};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_null(parse_map(plain, 4));
		assert_null(boot_layout(&info, IMAGE, cases[i].asked, LIMIT));
		assert_int_equal(info.pool.end - info.pool.start, cases[i].got);
	}
}

static void a_machine_with_too_little_memory_is_refused(void **state)
{
	static const struct entry small[] = {{0, 0x9f000, 1}, {MIB, 4 * MIB, 1}};
	(void)state;
	assert_null(parse_map(small, 2));
	assert_non_null(strstr(boot_layout(&info, IMAGE, 0, LIMIT), "too little memory"));
}

static void memory_beyond_the_processors_reach_is_nobodys(void **state)
{
	static const struct entry entries[] = {{MIB, 1023 * MIB, 1}, {LIMIT - MIB, 3 * MIB, 1}};
	(void)state;
	assert_null(parse_map(entries, 2));
	assert_null(boot_layout(&info, IMAGE, 0, LIMIT));
	assert_int_equal(info.memory.range[info.memory.count - 1].end, LIMIT);
}

static void modules_must_lie_in_ram_and_apart(void **state)
{
	static const struct {
		uint32_t start, end, start2, end2;
		const char *error;
	} cases[] = {
		{0x200000, 0x300000, 0x300000, 0x300001, NULL}, {0x200000, 0x300001, 0x300000, 0x400000, "overlap"},
		{0x200000, 0x300000, 0x3fff0000, 0x40001000, "outside"},
		{0x200000, 0x300000, 0x150000, 0x190000, "outside"}, /* the image */
		{0x200000, 0x300000, 0x400800, 0x500000, "page boundary"},
		{0x200000, 0x300000, 0x500000, 0x400000, "before it begins"},
		{0x200000, 0x200000, 0x200000, 0x200000, NULL}, /* empty files */
		{0x10000, 0x18000, 0x200000, 0x300000, NULL},	/* UEFI's GRUB puts small ones below 1 MiB */
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		tag_memory(plain, 4);
		tag_module(cases[i].start, cases[i].end, "a");
		tag_module(cases[i].start2, cases[i].end2, "b");
		const char *error = end_and_parse();
		if (error == NULL)
			error = boot_layout(&info, IMAGE, 0, LIMIT);
		if (cases[i].error)
			assert_non_null(strstr(error, cases[i].error));
		else
			assert_null(error);
		if (i == 7)
			assert_true(memory_map_contains(&info.memory, 0x10000, 0x18000));
	}
}

static void too_many_modules_are_refused(void **state)
{
	(void)state;
	begin();
	tag_memory(plain, 4);
	for (unsigned i = 0; i <= BOOT_MODULES_MAX; i++)
		tag_module(0x200000 + i * 0x1000, 0x201000 + i * 0x1000, "m");
	assert_non_null(strstr(end_and_parse(), "too many boot modules"));
}

static void nonsense_framebuffers_are_not_used(void **state)
{
	static const struct {
		uint32_t pitch, width, height, bits;
	} cases[] = {{4096, 1025, 768, 32}, {4096, 0, 768, 32}, {4096, 1024, 1u << 30, 32}, {4096, 1024, 768, 8},
		{4096, 1024, 768, 255}, {1u << 30, 1024, 768, 32}, {0, 0x40000001, 768, 32}};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		tag_memory(plain, 4);
		tag(8, 38);
		put(0x80000000, 8);
		put(cases[i].pitch, 4);
		put(cases[i].width, 4);
		put(cases[i].height, 4);
		put(cases[i].bits, 1);
		put(1, 1);
		put(0, 2);
		put(0x080808100810, 6);
		assert_null(end_and_parse());
		assert_int_equal(info.framebuffer.address.value, 0);
	}
}

/* Against a plain array of pages: after any sequence of operations the map says the same, and is sorted and merged. */
static void a_map_agrees_with_a_plain_array(void **state)
{
	enum { PAGES = 200 };
	(void)state;
	for (uint32_t seed = 1; seed < 200; seed++) {
		static struct boot_memory_map map;
		uint8_t model[PAGES] = {0};
		uint32_t random = seed;
		map.count = 0;
		for (unsigned step = 0; step < 60; step++) {
			random = random * 1664525 + 1013904223;
			uint32_t start = (random >> 8) % PAGES, end = start + (random >> 20) % (PAGES - start + 1);
			bool add = random >> 31;
			if (add)
				assert_true(memory_map_add(&map, start * 4096ull, end * 4096ull));
			else
				assert_true(memory_map_remove(&map, start * 4096ull, end * 4096ull));
			memset(model + start, add, end - start);
		}
		for (uint32_t page = 0; page < PAGES; page++)
			assert_int_equal(memory_map_contains(&map, page * 4096ull, page * 4096ull + 4096), model[page]);
		for (uint32_t i = 1; i < map.count; i++)
			assert_true(map.range[i - 1].end < map.range[i].start);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_loader_says_is_copied),
		cmocka_unit_test(cut_off_information_is_refused),
		cmocka_unit_test(tags_of_impossible_size_are_refused),
		cmocka_unit_test(text_without_an_end_or_with_odd_bytes_is_made_harmless),
		cmocka_unit_test(a_map_is_needed),
		cmocka_unit_test(overlapping_entries_leave_only_undisputed_ram),
		cmocka_unit_test(a_map_of_everything_reserved_has_no_ram),
		cmocka_unit_test(too_many_reserved_ranges_are_refused),
		cmocka_unit_test(the_pool_lies_in_ram_that_nobody_has),
		cmocka_unit_test(the_pool_is_as_large_as_asked_for_within_reason),
		cmocka_unit_test(a_machine_with_too_little_memory_is_refused),
		cmocka_unit_test(memory_beyond_the_processors_reach_is_nobodys),
		cmocka_unit_test(modules_must_lie_in_ram_and_apart),
		cmocka_unit_test(too_many_modules_are_refused),
		cmocka_unit_test(nonsense_framebuffers_are_not_used),
		cmocka_unit_test(a_map_agrees_with_a_plain_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
