/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: services/root/config.c services/root/pool.c services/root/s5.c services/root/rtc.c lib/crc32.c lib/format.c lib/random.c */
/* tests/unit/test_root.c: what root decides by itself: descriptions that lie, memory, the DSDT, the clock; and the generator of seeds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "gyre/errors.h"
#include "lib/crc32.h"
#include "lib/random.h"
#include "services/root/config.h"
#include "services/root/pool.h"
#include "services/root/rtc.h"
#include "services/root/s5.h"
#include "services/root/share.h"

/* ---- the description ---- */

struct table {
	struct gyre_config_header header;
	struct gyre_config_vm vm[2];
	char text[16];
	uint8_t entropy[32];
};

static void table_seal(struct table *table)
{
	table->header.crc32 = 0;
	table->header.crc32 = gyre_crc32(0, table, sizeof(*table));
}

static struct table *table_make(void)
{
	struct table *table = calloc(1, sizeof(*table));
	table->header = (struct gyre_config_header){
		.magic = GYRE_CONFIG_MAGIC,
		.version = GYRE_CONFIG_VERSION,
		.total_bytes = sizeof(*table),
		.vms = 2,
		.text = offsetof(struct table, text),
		.text_bytes = sizeof(table->text) + sizeof(table->entropy),
		.entropy_bytes = sizeof(table->entropy),
	};
	for (int i = 0; i < 2; i++) {
		struct gyre_config_vm *vm = &table->vm[i];
		strcpy(vm->name, i == 0 ? "debian" : "other-1");
		vm->memory = 256u << 20;
		vm->cpus = 1;
		vm->level = GYRE_LEVEL_PORTABLE_1;
		vm->kernel = 0;
		vm->append = 1;
		vm->firmware = vm->cdrom = GYRE_NO_FILE;
	}
	memcpy(table->text, "\0console=ttyS0", 15);
	table_seal(table);
	return table;
}

static int check(const struct table *table, size_t bytes)
{
	struct config config;
	struct config_fault fault;
	void *copy = malloc(bytes ? bytes : 1);
	memcpy(copy, table, bytes);
	int error = config_check(copy, bytes, &config, &fault);
	if (error < 0) {
		assert_true(fault.status != 0);
		assert_true(strlen(fault.text) > 0);
	}
	free(copy);
	return error;
}

static void a_right_description_passes(void **state)
{
	(void)state;
	struct table *table = table_make();
	struct config config;
	struct config_fault fault;
	assert_int_equal(config_check(table, sizeof(*table), &config, &fault), 0);
	assert_string_equal(config.text + config.vm[1].append, "console=ttyS0");
	assert_ptr_equal(config.entropy, table->entropy);
	free(table);
}

static void every_truncation_and_flipped_bit_is_refused(void **state)
{
	(void)state;
	struct table *table = table_make();
	for (size_t bytes = 0; bytes < sizeof(*table); bytes++)
		assert_true(check(table, bytes) < 0);
	for (size_t bit = 0; bit < sizeof(*table) * 8; bit++) {
		((uint8_t *)table)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(check(table, sizeof(*table)) < 0);
		((uint8_t *)table)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(table);
}

/* With a checksum that is right: someone made it on purpose. */
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		struct table *table = table_make();                                                                    \
		struct gyre_config_header *header = &table->header;                                                    \
		struct gyre_config_vm *vm = &table->vm[1];                                                             \
		(void)header, (void)vm;                                                                                \
		change;                                                                                                \
		table_seal(table);                                                                                     \
		assert_true(check(table, sizeof(*table)) < 0);                                                         \
		free(table);                                                                                           \
	} while (0)

static void made_up_numbers_are_refused(void **state)
{
	(void)state;
	REFUSED(header->vms = 0);
	REFUSED(header->vms = 3);
	REFUSED(header->vms = UINT32_MAX);
	REFUSED(header->text = UINT32_MAX);
	REFUSED(header->text = 64);
	REFUSED(header->text_bytes = UINT32_MAX);
	REFUSED(header->entropy_bytes = header->text_bytes);
	REFUSED(header->entropy_bytes = UINT32_MAX);
	REFUSED(header->flags = 0x80);
	REFUSED(table->text[0] = 'x');
	REFUSED(table->text[15] = 'x');
	REFUSED(vm->name[0] = 0);
	REFUSED(vm->name[0] = 'A');
	REFUSED(memset(vm->name, 'a', sizeof(vm->name)));
	REFUSED(strcpy(vm->name, "debian"));
	REFUSED(vm->memory = 0);
	REFUSED(vm->memory += 4096);
	REFUSED(vm->memory = 1ull << 63);
	REFUSED(vm->cpus = 0);
	REFUSED(vm->level = 9);
	REFUSED(vm->flags = 0x80000000u);
	REFUSED(vm->restart = GYRE_RESTART_ALWAYS + 1);
	REFUSED(vm->initrds = 9);
	REFUSED(vm->append = 16);
	REFUSED(vm->append = UINT32_MAX);
	REFUSED(vm->kernel_name = 48);
	REFUSED((vm->initrds = 8, vm->initrd[7].arguments = 16));
	REFUSED(vm->kernel = GYRE_NO_FILE);
	REFUSED(vm->firmware = 0);
}

/* ---- memory ---- */

static void free_ranges_join_and_split(void **state)
{
	(void)state;
	static struct pool pool;
	memset(&pool, 0, sizeof(pool));
	assert_int_equal(pool_give(&pool, 0, 10), 0); /* without page 0 */
	assert_int_equal(pool_free(&pool), 9);
	assert_int_equal(pool_give(&pool, 20, 10), 0);
	assert_int_equal(pool_give(&pool, 10, 10), 0);
	assert_int_equal(pool.ranges, 1);
	assert_int_equal(pool_give(&pool, 29, 2), -GYRE_EEXIST);
	assert_int_equal(pool_give(&pool, 5, 1), -GYRE_EEXIST);
	assert_int_equal(pool_reserve(&pool, 5, 5), 0);
	assert_int_equal(pool.ranges, 2);
	assert_int_equal(pool_give(&pool, 4, 3), -GYRE_EEXIST);
	assert_int_equal(pool_give(&pool, 8, 3), -GYRE_EEXIST);
	assert_int_equal(pool_free(&pool), 24);
}

static void pieces_are_aligned_and_from_the_smallest_range(void **state)
{
	(void)state;
	static struct pool pool;
	memset(&pool, 0, sizeof(pool));
	pool_give(&pool, 1000, 5000);
	pool_give(&pool, 100000, 600);
	assert_int_equal(pool_take(&pool, 512, 1), 100000);
	assert_int_equal(pool_take(&pool, 1024, 512), 1024);
	assert_int_equal(pool_take(&pool, 8192, 1), 0);
	uint64_t pages = 100000;
	uint64_t first = pool_take_largest(&pool, &pages, 512);
	assert_int_equal(first, 2048);
	assert_int_equal(pages, (6000 & ~511) - 2048);
}

/* Against a map of single pages. */
static void any_sequence_keeps_count(void **state)
{
	(void)state;
	static struct pool pool;
	static uint8_t map[4096];
	memset(&pool, 0, sizeof(pool));
	memset(map, 0, sizeof(map));
	srand(7);
	for (int round = 0; round < 50000; round++) {
		uint64_t first = 1 + (uint64_t)rand() % 4000, pages = 1 + (uint64_t)rand() % 60, free = 0;
		if (rand() % 2) {
			int overlap = 0;
			for (uint64_t i = first; i < first + pages; i++)
				overlap |= map[i];
			int error = pool_give(&pool, first, pages);
			if (overlap)
				assert_int_equal(error, -GYRE_EEXIST);
			if (error == 0)
				memset(map + first, 1, pages);
		} else {
			uint64_t align = 1ull << rand() % 5, at = pool_take(&pool, pages, align);
			for (uint64_t i = at; at != 0 && i < at + pages; i++) {
				assert_int_equal(map[i], 1);
				map[i] = 0;
			}
			assert_int_equal(at % align, 0);
		}
		for (size_t i = 0; i < sizeof(map); i++)
			free += map[i];
		assert_int_equal(pool_free(&pool), free);
	}
}

/* ---- \_S5 ---- */

static int s5(const char *aml, size_t bytes, int *a, int *b)
{
	uint8_t type_a = 99, type_b = 99;
	uint8_t *copy = malloc(bytes ? bytes : 1);
	memcpy(copy, aml, bytes);
	int error = s5_find(copy, (uint32_t)bytes, &type_a, &type_b);
	free(copy);
	*a = type_a;
	*b = type_b;
	return error;
}

#define S5(string) s5(string, sizeof(string) - 1, &a, &b)

static void sleep_types_are_found_in_every_form(void **state)
{
	(void)state;
	int a, b;
	assert_int_equal(S5("xx\x08_S5_\x12\x06\x04\x0a\x05\x0a\x07\x00\x00"), 0);
	assert_int_equal(a, 5);
	assert_int_equal(b, 7);
	assert_int_equal(S5("\x08\\_S5_\x12\x06\x04\x00\x01\x00\x00"), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	assert_int_equal(S5("\x08_S5_\x12\x47\x00\x04\x0b\x02\x00\x0c\x03\x00\x00\x00"), 0);
	assert_int_equal(a, 2);
	assert_int_equal(b, 3);
	assert_int_equal(S5("\x08_S5_\x12\x03\x01\x0a\x06"), 0);
	assert_int_equal(b, 6);
	/* The name alone, or used in other code, is none. */
	assert_int_equal(S5("_S5_\x12\x06\x04\x0a\x05\x0a\x07"), -GYRE_ENOENT);
	assert_int_equal(S5("\x08_S5_\x0a\x05"), -GYRE_ENOENT);
	assert_int_equal(S5(""), -GYRE_ENOENT);
	/* A false one first. */
	assert_int_equal(S5("\x08_S5_\x70\x08_S5_\x12\x06\x04\x0a\x01\x0a\x01"), 0);
	assert_int_equal(a, 1);
}

static void ports_of_the_fadt_are_found_in_both_forms(void **state)
{
	(void)state;
	uint8_t table[276] = {0};
	table[48] = 0xb2, table[52] = 0xf1, table[108] = 0x32;
	table[64] = 4, table[65] = 6; /* PM1a: 0x604 */
	struct fadt fadt = fadt_read(table, 116);
	assert_int_equal(fadt.pm1a_control, 0x604);
	assert_int_equal(fadt.pm1b_control, 0);
	assert_int_equal(fadt.smi_command, 0xb2);
	assert_int_equal(fadt.acpi_enable, 0xf1);
	assert_int_equal(fadt.century, 0x32);
	table[172] = 1, table[176] = 8, table[177] = 0x40; /* the newer form: 0x4008 */
	table[184] = 1, table[188] = 0x10;
	assert_int_equal(fadt_read(table, 116).pm1a_control, 0x604);
	assert_int_equal(fadt_read(table, 244).pm1a_control, 0x4008);
	assert_int_equal(fadt_read(table, 244).pm1b_control, 0x10);
	table[172] = 0; /* in memory: the older form */
	assert_int_equal(fadt_read(table, 244).pm1a_control, 0x604);
	table[66] = 1, table[50] = 1; /* no ports */
	assert_int_equal(fadt_read(table, 244).pm1a_control, 0);
	assert_int_equal(fadt_read(table, 244).smi_command, 0);
	assert_int_equal(fadt_read(table, 36).century, 0);
	assert_int_equal(fadt_read(table, 0).acpi_enable, 0);
}

static void a_truncated_package_is_none(void **state)
{
	(void)state;
	static const char aml[] = "\x08_S5_\x12\x47\x00\x04\x0b\x02\x00\x0c\x03\x00\x00\x00";
	int a, b;
	for (size_t bytes = 0; bytes < 12; bytes++)
		assert_int_equal(s5(aml, bytes, &a, &b), -GYRE_ENOENT);
}

/* ---- the clock ---- */

static uint8_t bcd(int value)
{
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static void dates_are_those_of_the_library(void **state)
{
	(void)state;
	for (time_t when = 0; when < 4102444800; when += 86399 * 7) {
		struct tm tm;
		gmtime_r(&when, &tm);
		int year = tm.tm_year + 1900;
		struct rtc_registers binary = {(uint8_t)tm.tm_sec, (uint8_t)tm.tm_min, (uint8_t)tm.tm_hour,
			(uint8_t)tm.tm_mday, (uint8_t)(tm.tm_mon + 1), (uint8_t)(year % 100), (uint8_t)(year / 100),
			0x06};
		int hour = tm.tm_hour % 12 == 0 ? 12 : tm.tm_hour % 12;
		struct rtc_registers digits = {bcd(tm.tm_sec), bcd(tm.tm_min),
			(uint8_t)(bcd(hour) | (tm.tm_hour >= 12 ? 0x80 : 0)), bcd(tm.tm_mday), bcd(tm.tm_mon + 1),
			bcd(year % 100), bcd(year / 100), 0x00};
		if (when == 0)
			continue;
		assert_int_equal(rtc_seconds(&binary), when);
		assert_int_equal(rtc_seconds(&digits), when);
	}
}

static void nonsense_is_no_date(void **state)
{
	(void)state;
	const struct rtc_registers good = {0x59, 0x59, 0x23, 0x31, 0x12, 0x26, 0x20, 0x02};
	struct rtc_registers bad;
	assert_true(rtc_seconds(&good) != 0);
#define NO_DATE(field, value) (bad = good, bad.field = (value), assert_int_equal(rtc_seconds(&bad), 0))
	NO_DATE(second, 0x60);
	NO_DATE(minute, 0x1a);
	NO_DATE(hour, 0x24);
	NO_DATE(day, 0);
	NO_DATE(month, 0x13);
	NO_DATE(month, 0xff);
	NO_DATE(year, 0xaa);
}

/* ---- random bytes ---- */

/* RFC 8439, section "Test Vector for the ChaCha20 Block Function". */
static void the_block_is_the_standards(void **state)
{
	(void)state;
	static const uint8_t expected[16] = {
		0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4};
	const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
	uint8_t key_bytes[32], block[64];
	uint32_t key[8];
	for (int i = 0; i < 32; i++)
		key_bytes[i] = (uint8_t)i;
	memcpy(key, key_bytes, sizeof(key));
	chacha20_block(key, 1, nonce, block);
	assert_memory_equal(block, expected, sizeof(expected));
}

static void requests_never_repeat_and_depend_on_the_seed(void **state)
{
	(void)state;
	struct random one = {0}, two = {0};
	uint8_t a[100], b[100];
	random_mix(&one, "seed", 4);
	random_mix(&two, "seed", 4);
	random_bytes(&one, a, sizeof(a));
	random_bytes(&two, b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	random_bytes(&two, b, sizeof(b));
	assert_memory_not_equal(a, b, 32);
	random_mix(&two, "more", 4);
	assert_memory_not_equal(&one, &two, sizeof(one));
}

/* ---- root's share of the time ---- */

/* Busy for `work` ticks each time that it may: the part of the time that it gets, in thousandths. */
static uint64_t share_of(uint64_t work, uint64_t ticks_ms)
{
	struct share share = {0};
	const uint64_t all = 10000 * ticks_ms;
	uint64_t now = 5, busy = 0;
	while (now < all) {
		uint64_t until = share_spend(&share, now, now + work, ticks_ms);
		assert_true(until >= now + work && until - (now + work) <= SHARE_MOST_MS * ticks_ms);
		busy += work;
		now = until;
	}
	return busy * 1000 / now;
}

static void root_has_its_share_and_no_more(void **state)
{
	(void)state;
	assert_in_range(share_of(100, 1000), 45, 55);
	assert_in_range(share_of(1, 1000000), 45, 55);
	assert_in_range(share_of(2000, 1000), 40, 55);
	/* What it does now and then is not held up. */
	struct share share = {0};
	for (uint64_t now = 1000; now < 1000000; now += 10000)
		assert_int_equal(share_spend(&share, now, now + 100, 1000), now + 100);
	/* Long work in one piece: it rests, but does not sleep. */
	assert_int_equal(share_spend(&share, 2000000, 3000000, 1000), 3000000 + SHARE_MOST_MS * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_description_passes),
		cmocka_unit_test(every_truncation_and_flipped_bit_is_refused),
		cmocka_unit_test(made_up_numbers_are_refused),
		cmocka_unit_test(free_ranges_join_and_split),
		cmocka_unit_test(pieces_are_aligned_and_from_the_smallest_range),
		cmocka_unit_test(any_sequence_keeps_count),
		cmocka_unit_test(sleep_types_are_found_in_every_form),
		cmocka_unit_test(ports_of_the_fadt_are_found_in_both_forms),
		cmocka_unit_test(a_truncated_package_is_none),
		cmocka_unit_test(dates_are_those_of_the_library),
		cmocka_unit_test(nonsense_is_no_date),
		cmocka_unit_test(the_block_is_the_standards),
		cmocka_unit_test(requests_never_repeat_and_depend_on_the_seed),
		cmocka_unit_test(root_has_its_share_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
