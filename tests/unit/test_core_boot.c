/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_core_boot.c: what the core believes of its boot loader: memory maps, the Multiboot2 information, who gets which memory, options.
 */
/* unit-sources: core/boot/memory_map.c core/boot/multiboot.c core/boot/layout.c core/boot/options.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/boot/boot.h"
#include "core/x86/log.h"

#define MIB 0x100000ull

static unsigned warnings;

void log_warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

/* ---- memory maps ---- */

static void maps_do_what_a_bitmap_does(void **state)
{
	enum { PAGES = 64 };
	struct boot_memory_map map = {0};
	bool bits[PAGES] = {false};
	uint32_t seed = 1;
	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t start = seed >> 8 & 63, end = start + (seed >> 16 & 15);
		bool add = seed >> 31;
		if (end > PAGES)
			end = PAGES;
		assert_true((add ? memory_map_add : memory_map_remove)(&map, start * 4096ull, end * 4096ull));
		for (uint32_t page = start; page < end; page++)
			bits[page] = add;
		uint64_t pages = 0;
		for (uint32_t page = 0; page < PAGES; page++) {
			pages += bits[page];
			assert_int_equal(memory_map_contains(&map, page * 4096ull, page * 4096ull + 4096), bits[page]);
		}
		assert_int_equal(memory_map_bytes(&map), pages * 4096);
		for (uint32_t i = 1; i < map.count; i++)
			assert_true(map.range[i - 1].end < map.range[i].start);
	}
}

static void ranges_are_rounded_to_the_safe_side(void **state)
{
	struct boot_memory_map map = {0};
	(void)state;
	assert_true(memory_map_add(&map, 0x1001, 0x4fff));
	assert_int_equal(memory_map_bytes(&map), 0x2000);
	assert_true(memory_map_remove(&map, 0x2fff, 0x3000));
	assert_int_equal(map.range[0].start, 0x3000);
	assert_true(memory_map_cover(&map, 0x7fff, 0x8001));
	assert_true(memory_map_contains(&map, 0x7000, 0x9000));
	assert_true(memory_map_add(&map, UINT64_MAX - 5, UINT64_MAX));
	assert_true(memory_map_add(&map, 0x9000, 0x8000));
	assert_int_equal(map.count, 2);
}

static void a_full_map_loses_memory_and_gives_none(void **state)
{
	struct boot_memory_map map = {0};
	(void)state;
	for (uint64_t i = 0; i < BOOT_RANGES_MAX; i++)
		assert_true(memory_map_add(&map, i * 0x4000, i * 0x4000 + 0x3000));
	assert_false(memory_map_add(&map, MIB * 64, MIB * 65));
	assert_false(memory_map_remove(&map, 0x5000, 0x6000));
	assert_false(memory_map_contains(&map, 0x5000, 0x6000));
	assert_true(memory_map_contains(&map, 0x4000, 0x5000));
}

/* ---- the loader's information ---- */

static uint8_t information[8192];
static uint32_t information_bytes;

static void begin(void)
{
	memset(information, 0, sizeof(information));
	information_bytes = 8;
}

static void tag(uint32_t type, const void *data, uint32_t bytes)
{
	uint32_t head[2] = {type, bytes + 8};
	memcpy(information + information_bytes, head, 8);
	memcpy(information + information_bytes + 8, data, bytes);
	information_bytes = (information_bytes + 8 + bytes + 7) & ~7u;
}

static void map_tag(void)
{
	struct {
		uint32_t step, version;
		struct {
			uint64_t start, bytes;
			uint32_t type, reserved;
		} entry[4];
	} map = {24, 0, {{0, 0x9f000, 1, 0}, {MIB, 255 * MIB, 1, 0}, {200 * MIB, MIB, 2, 0}, {201 * MIB, MIB, 3, 0}}};
	tag(6, &map, sizeof(map));
}

static void module_tag(uint32_t start, uint32_t end, const char *name)
{
	uint8_t data[64] = {0};
	memcpy(data, &start, 4);
	memcpy(data + 4, &end, 4);
	strcpy((char *)data + 8, name);
	tag(3, data, (uint32_t)(8 + strlen(name) + 1));
}

static void good(void)
{
	begin();
	tag(1, "console=com1 pool=8M", 21);
	tag(2, "GRUB\033[1m", 9);
	map_tag();
	module_tag(0x400000, 0x401234, "root of all");
	tag(15, "RSD PTR 0123456789012345678901234567", 36);
}

/* In memory of just that size: the sanitizers see what is read beyond. */
static const char *parse(struct boot_info *info)
{
	tag(0, "", 0);
	memcpy(information, &information_bytes, 4);
	uint8_t *copy = malloc(information_bytes);
	memcpy(copy, information, information_bytes);
	const char *error = multiboot_parse(info, copy, information_bytes);
	free(copy);
	return error;
}

static void a_good_loader_is_understood(void **state)
{
	static struct boot_info info;
	(void)state;
	good();
	assert_null(parse(&info));
	assert_string_equal(info.told.command_line, "console=com1 pool=8M");
	assert_string_equal(info.loader, "GRUB?[1m");
	assert_int_equal(info.told.modules, 1);
	assert_string_equal(info.told.module[0].name, "root");
	assert_int_equal(info.told.module[0].first_page, 0x400);
	assert_int_equal(info.told.module[0].bytes, 0x1234);
	assert_int_equal(info.rsdp_bytes, 36);
	assert_int_equal(info.usable_bytes, 0x9f000 + 253 * MIB);
	assert_true(info.framebuffer.address.value == 0 && !info.uefi);
	assert_true(memory_map_contains(&info.reserved, 200 * MIB, 201 * MIB));
	assert_true(memory_map_contains(&info.firmware, 201 * MIB, 202 * MIB));
	assert_false(memory_map_contains(&info.memory, 200 * MIB, 200 * MIB + 4096));
}

static void a_framebuffer_is_taken_if_it_makes_sense(void **state)
{
	static struct boot_info info;
	struct {
		uint64_t address;
		uint32_t pitch, width, height;
		uint8_t bits, type, reserved[8];
	} screen = {0xfd000000, 2400, 800, 600, 24, 1, {0}};
	(void)state;
	good();
	tag(8, &screen, 30);
	assert_null(parse(&info));
	assert_int_equal(info.framebuffer.address.value, 0xfd000000);
	assert_int_equal(info.framebuffer.pixel_bytes, 3);
	screen.pitch = 2399;
	good();
	tag(8, &screen, 30);
	assert_null(parse(&info));
	assert_int_equal(info.framebuffer.address.value, 0);
}

static void bad_information_is_refused(void **state)
{
	static struct boot_info info;
	static const uint32_t step[2] = {23, 0};
	(void)state;
	begin();
	assert_string_equal(parse(&info), "the boot loader gives no memory map");
	good();
	map_tag();
	assert_string_equal(parse(&info), "the boot loader gives two memory maps");
	begin();
	tag(6, step, 8);
	assert_non_null(strstr(parse(&info), "impossible size"));
	good();
	module_tag(0x500001, 0x500002, "odd");
	assert_non_null(parse(&info));
	good();
	module_tag(0x500000, 0x4ff000, "backwards");
	assert_non_null(parse(&info));
	good();
	for (unsigned i = 0; i < GYRE_BOOT_MODULES; i++)
		module_tag(0x500000, 0x500000, "m");
	assert_string_equal(parse(&info), "there are too many boot modules");
}

static void any_changed_byte_of_it_is_survived(void **state)
{
	static struct boot_info info;
	(void)state;
	good();
	uint8_t framebuffer[30] = {0};
	tag(8, framebuffer, sizeof(framebuffer));
	parse(&info);
	for (uint32_t i = 0; i < information_bytes; i++)
		for (uint32_t value = 0; value < 256; value += 5) {
			uint8_t *copy = malloc(information_bytes);
			memcpy(copy, information, information_bytes);
			copy[i] = (uint8_t)value;
			multiboot_parse(&info, copy, information_bytes);
			free(copy);
		}
}

/* ---- who gets what ---- */

static const struct boot_range image = {MIB, 2 * MIB};

static void the_pool_lies_beside_image_and_modules(void **state)
{
	static struct boot_info info;
	(void)state;
	good();
	module_tag(0x1000000, 0x1800000, "disk");
	parse(&info);
	assert_null(boot_layout(&info, image, 0, 1ull << 40));
	assert_int_equal(info.pool.end - info.pool.start, 4 * MIB);
	assert_int_equal(info.pool.start, 0x1800000);
	assert_false(memory_map_contains(&info.memory, info.pool.start, info.pool.start + 4096));
	assert_false(memory_map_contains(&info.memory, image.start, image.start + 4096));
	assert_false(memory_map_contains(&info.memory, 0, 4096));
	assert_true(memory_map_contains(&info.memory, 0x1000000, 0x1800000));
}

static void impossible_layouts_are_refused(void **state)
{
	static struct boot_info info;
	static const struct boot_range outside = {300 * MIB, 301 * MIB};
	(void)state;
	good();
	parse(&info);
	assert_non_null(boot_layout(&info, outside, 0, 1ull << 40));
	good();
	module_tag(0x400000, 0x400001, "over");
	parse(&info);
	assert_non_null(strstr(boot_layout(&info, image, 0, 1ull << 40), "in another module"));
	good();
	module_tag(0x100000, 0x180000, "in the image");
	parse(&info);
	assert_non_null(boot_layout(&info, image, 0, 1ull << 40));
	good();
	module_tag(0x402000, 0xc800000, "all there is");
	parse(&info);
	info.memory.range[info.memory.count - 1].end = 0xc802000;
	assert_non_null(boot_layout(&info, image, 0, 1ull << 40));
}

/* ---- options ---- */

static void options_are_words(void **state)
{
	(void)state;
	options_set("  pool=8M smap=off\t quiet pool=2G bad=12Q big=99999999999999999999 ");
	assert_string_equal(core_option("smap"), "off");
	assert_null(core_option("quiet")); /* no value */
	assert_null(core_option("sma"));
	assert_null(core_option("other"));
	warnings = 0;
	assert_int_equal(core_option_size("pool", 1), 2ull << 30);
	assert_int_equal(core_option_size("other", 7), 7);
	assert_int_equal(warnings, 0);
	assert_int_equal(core_option_size("bad", 7), 7);
	assert_int_equal(core_option_size("big", 7), 7);
	assert_int_equal(warnings, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_do_what_a_bitmap_does),
		cmocka_unit_test(ranges_are_rounded_to_the_safe_side),
		cmocka_unit_test(a_full_map_loses_memory_and_gives_none),
		cmocka_unit_test(a_good_loader_is_understood),
		cmocka_unit_test(a_framebuffer_is_taken_if_it_makes_sense),
		cmocka_unit_test(bad_information_is_refused),
		cmocka_unit_test(any_changed_byte_of_it_is_survived),
		cmocka_unit_test(the_pool_lies_beside_image_and_modules),
		cmocka_unit_test(impossible_layouts_are_refused),
		cmocka_unit_test(options_are_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
