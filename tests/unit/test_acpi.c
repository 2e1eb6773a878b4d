/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_acpi.c: firmware tables, good ones and hostile ones, in a small array that stands for physical memory.
 * Reads outside the array fail, as the core's do for what the memory map does not list.
 */
/* unit-sources: core/x86/acpi.c core/boot/layout.c core/boot/memory_map.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/x86/acpi.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"

#define MEMORY_BYTES 0x200000
#define RSDP_AT	     0xf0040
#define ROOT_AT	     0x100000
#define MADT_AT	     0x101000
#define FADT_AT	     0x102000
#define MCFG_AT	     0x103000
#define HPET_AT	     0x104000
#define DSDT_AT	     0x105000

struct machine {
	uint8_t memory[MEMORY_BYTES];
	char complaints[4096];
	uint64_t bytes_read;
	struct boot_info boot;
};

static struct machine machine;

bool firmware_read(void *to, uint64_t physical, size_t bytes)
{
	machine.bytes_read += bytes;
	if (physical > MEMORY_BYTES || bytes > MEMORY_BYTES - physical)
		return false;
	memcpy(to, machine.memory + physical, bytes);
	return true;
}

void log_warn(const char *format, ...)
{
	size_t used = strlen(machine.complaints);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(machine.complaints + used, sizeof(machine.complaints) - used, format, arguments);
	va_end(arguments);
	strncat(machine.complaints, "\n", sizeof(machine.complaints) - strlen(machine.complaints) - 1);
}

void log_info(const char *format, ...)
{
	(void)format;
}

/* The loader's copy of so many bytes. True: there were tables. */
static bool parse_copy(uint32_t rsdp_bytes)
{
	machine.complaints[0] = 0;
	machine.bytes_read = 0;
	memset(&machine.boot, 0, sizeof(machine.boot));
	memcpy(machine.boot.rsdp_copy, machine.memory + RSDP_AT, rsdp_bytes);
	machine.boot.rsdp_bytes = rsdp_bytes;
	acpi_init(&machine.boot);
	return strstr(machine.complaints, "no ACPI tables") == NULL;
}

static bool parse(void)
{
	return parse_copy(36);
}

/* The entry of this type, counted from 0, or NULL. */
static const struct madt_entry *entry_find(uint8_t type, unsigned number)
{
	for (const struct madt_entry *entry = madt_next(NULL); entry != NULL; entry = madt_next(entry))
		if (entry->type == type && number-- == 0)
			return entry;
	return NULL;
}

static void put(uint64_t at, uint64_t value, unsigned bytes)
{
	memcpy(machine.memory + at, &value, bytes);
}

static void fix_checksum(uint64_t at, uint32_t bytes, uint32_t checksum_at)
{
	uint8_t sum = 0;
	machine.memory[at + checksum_at] = 0;
	for (uint32_t i = 0; i < bytes; i++)
		sum += machine.memory[at + i];
	machine.memory[at + checksum_at] = (uint8_t)-sum;
}

static void finish_table(uint64_t at, const char *signature, uint32_t bytes)
{
	memcpy(machine.memory + at, signature, 4);
	put(at + 4, bytes, 4);
	fix_checksum(at, bytes, 9);
}

static void make_rsdp(uint8_t revision, uint64_t rsdt, uint64_t xsdt)
{
	memcpy(machine.memory + RSDP_AT, "RSD PTR ", 8);
	machine.memory[RSDP_AT + 15] = revision;
	put(RSDP_AT + 16, rsdt, 4);
	put(RSDP_AT + 20, 36, 4);
	put(RSDP_AT + 24, xsdt, 8);
	fix_checksum(RSDP_AT, 20, 8);
	fix_checksum(RSDP_AT, 36, 32);
}

static uint32_t make_madt(void)
{
	static const uint8_t entries[] = {0, 8, 0, 0, 1, 0, 0, 0, /* processor 0, enabled */
		0, 8, 1, 2, 0, 0, 0, 0,				  /* processor 2: neither enabled nor capable */
		9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0,  /* x2APIC id 256, uid 7 */
		1, 12, 4, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,	  /* I/O APIC 4 at 0xfec00000 */
		2, 10, 0, 0, 2, 0, 0, 0, 0, 0,			  /* IRQ 0 is line 2 */
		2, 10, 0, 9, 9, 0, 0, 0, 0xf, 0,		  /* IRQ 9: low, level */
		4, 6, 0xff, 0, 0, 1,				  /* NMI on LINT1 of all */
		0x7f, 4, 0xaa, 0xbb};				  /* of a type that nobody knows */
	put(MADT_AT + 36, 0xfee00000, 4);
	put(MADT_AT + 40, 1, 4);
	memcpy(machine.memory + MADT_AT + 44, entries, sizeof(entries));
	finish_table(MADT_AT, "APIC", 44 + sizeof(entries));
	return 44 + sizeof(entries);
}

static void make_fadt(void)
{
	put(FADT_AT + 40, DSDT_AT, 4);
	put(FADT_AT + 46, 9, 2);
	put(FADT_AT + 48, 0xb2, 4);
	put(FADT_AT + 52, 0xf1, 1);
	put(FADT_AT + 64, 0x604, 4);
	put(FADT_AT + 76, 0x608, 4);
	put(FADT_AT + 108, 0x32, 1);
	put(FADT_AT + 112, 1u << 8 | 1u << 10, 4);
	put(FADT_AT + 116, 1, 1);
	put(FADT_AT + 120, 0xcf9, 8);
	put(FADT_AT + 128, 0x0f, 1);
	finish_table(FADT_AT, "FACP", 244);
	finish_table(DSDT_AT, "DSDT", 300);
}

static void make_root(const char *signature, unsigned entry_bytes)
{
	const uint64_t tables[] = {MADT_AT, FADT_AT, MCFG_AT, HPET_AT};
	memset(machine.memory + ROOT_AT, 0, 0x1000);
	for (unsigned i = 0; i < 4; i++)
		put(ROOT_AT + 36 + i * entry_bytes, tables[i], entry_bytes);
	finish_table(ROOT_AT, signature, 36 + 4 * entry_bytes);
}

static int good_machine(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	make_rsdp(2, 0, ROOT_AT);
	make_root("XSDT", 8);
	make_madt();
	make_fadt();
	put(MCFG_AT + 44, 0xb0000000, 8);
	put(MCFG_AT + 44 + 11, 0xff, 1);
	finish_table(MCFG_AT, "MCFG", 60);
	put(HPET_AT + 44, 0xfed00000, 8);
	finish_table(HPET_AT, "HPET", 56);
	return 0;
}

static void all_tables_of_a_good_machine_are_read(void **state)
{
	(void)state;
	assert_true(parse());
	assert_string_equal(machine.complaints, "");
	assert_int_equal(acpi_info.tables, 4);
	assert_int_equal(entry_find(MADT_IOAPIC, 0)->ioapic.address, 0xfec00000);
	assert_null(entry_find(MADT_IOAPIC, 1));
	assert_int_equal(entry_find(MADT_OVERRIDE, 0)->override.gsi, 2);
	assert_false(MADT_IS_LOW(entry_find(MADT_OVERRIDE, 0)->override.flags));
	assert_true(MADT_IS_LOW(entry_find(MADT_OVERRIDE, 1)->override.flags));
	assert_true(MADT_IS_LEVEL(entry_find(MADT_OVERRIDE, 1)->override.flags));
	assert_int_equal(acpi_info.hpet, 0xfed00000);
	assert_int_equal(machine.boot.told.fadt, FADT_AT);
	assert_int_equal(acpi_info.pm_timer, 0x608);
	assert_int_equal(machine.boot.told.dsdt, DSDT_AT);
	assert_int_equal(machine.boot.told.dsdt_bytes, 300);
	assert_true(memory_map_contains(&machine.boot.firmware, DSDT_AT, DSDT_AT + 300));
	assert_true(memory_map_contains(&machine.boot.firmware, MCFG_AT, MCFG_AT + 60));
}

static void an_rsdt_serves_where_there_is_no_xsdt(void **state)
{
	(void)state;
	make_rsdp(0, ROOT_AT, 0);
	make_root("RSDT", 4);
	assert_true(parse());
	assert_int_equal(acpi_info.tables, 4);
}

static void a_broken_xsdt_falls_back_to_the_rsdt(void **state)
{
	(void)state;
	make_root("RSDT", 4);
	make_rsdp(2, ROOT_AT, ROOT_AT + 0x800);
	finish_table(ROOT_AT + 0x800, "XSDT", 44);
	machine.memory[ROOT_AT + 0x800 + 40] ^= 1;
	assert_true(parse());
	assert_non_null(strstr(machine.complaints, "XSDT at 0x100800, 44 bytes: wrong checksum"));
	assert_non_null(entry_find(MADT_IOAPIC, 0));
}

static void a_wrong_rsdp_is_none(void **state)
{
	(void)state;
	assert_false(parse_copy(35));
	assert_false(parse_copy(7));
	assert_false(parse_copy(0));
	machine.memory[RSDP_AT + 20] ^= 1; /* only the second checksum notices */
	assert_false(parse());
	machine.memory[RSDP_AT + 20] ^= 1;
	machine.memory[RSDP_AT + 3] = 'x';
	assert_false(parse());
	assert_int_equal(acpi_info.tables, 0);
	assert_null(madt_next(NULL));
}

static void a_table_with_a_wrong_checksum_is_left_out_by_name(void **state)
{
	(void)state;
	machine.memory[MCFG_AT + 50] ^= 0x40;
	assert_true(parse());
	assert_non_null(strstr(machine.complaints, "MCFG at 0x103000, 60 bytes: wrong checksum"));
	assert_false(memory_map_contains(&machine.boot.firmware, MCFG_AT, MCFG_AT + 60));
	assert_non_null(entry_find(MADT_IOAPIC, 0));
}

static void impossible_lengths_are_refused(void **state)
{
	static const uint32_t lengths[] = {0, 1, 35, ACPI_TABLE_MAX + 1, 0x7fffffff, UINT32_MAX};
	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		put(MADT_AT + 4, lengths[i], 4);
		assert_true(parse());
		assert_non_null(strstr(machine.complaints, "ACPI APIC at 0x101000"));
		assert_non_null(strstr(machine.complaints, "impossible length"));
		assert_false(acpi_info.madt.bytes);
		assert_true(machine.bytes_read < 0x100000);
		put(ROOT_AT + 4, lengths[i], 4);
		assert_false(parse());
		assert_non_null(strstr(machine.complaints, "ACPI XSDT at 0x100000"));
		make_root("XSDT", 8);
	}
}

static void a_table_beyond_memory_is_refused(void **state)
{
	static const uint64_t places[] = {
		MEMORY_BYTES - 40, MEMORY_BYTES - 8, MEMORY_BYTES, UINT64_MAX - 8, 1ull << 63};
	(void)state;
	memcpy(machine.memory + MEMORY_BYTES - 40, machine.memory + MADT_AT, 40);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put(ROOT_AT + 36, places[i], 8);
		fix_checksum(ROOT_AT, 36 + 32, 9);
		assert_true(parse());
		assert_string_not_equal(machine.complaints, "");
		assert_false(acpi_info.madt.bytes);
		assert_true(machine.boot.told.fadt_bytes);
	}
}

static void madt_entries_that_do_not_fit_end_the_list(void **state)
{
	/* An entry of no length would be looked at for ever; the others are too long for the table, or too short for their type. */
	static const struct {
		uint8_t type, bytes;
	} entries[] = {{0, 0}, {0, 1}, {0, 200}, {1, 11}, {2, 9}, {0x7f, 1}};
	uint32_t bytes = make_madt();
	(void)state;
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		char words[64];
		machine.memory[MADT_AT + 44 + 8] = entries[i].type;
		machine.memory[MADT_AT + 44 + 8 + 1] = entries[i].bytes;
		finish_table(MADT_AT, "APIC", bytes);
		assert_true(parse());
		snprintf(words, sizeof(words), "MADT: an entry of type %u has %u bytes", entries[i].type,
			entries[i].bytes);
		assert_non_null(strstr(machine.complaints, words));
		assert_int_equal(madt_next(NULL)->bytes, 8);
		assert_null(madt_next(madt_next(NULL)));
	}
}

static void a_madt_of_only_its_header_has_nothing(void **state)
{
	(void)state;
	finish_table(MADT_AT, "APIC", 36);
	assert_true(parse());
	assert_null(madt_next(NULL));
}

static void more_processors_than_there_is_room_for_are_left_out(void **state)
{
	enum { COUNT = 2 * ACPI_MADT_MAX / 16 };
	unsigned count = 0;
	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		put(0x180000 + 44 + 16 * i, 9 | 16 << 8, 2);
		put(0x180000 + 44 + 16 * i + 4, 1000 + i, 4);
		put(0x180000 + 44 + 16 * i + 8, 1, 4);
	}
	finish_table(0x180000, "APIC", 44 + 16 * COUNT);
	put(ROOT_AT + 36, 0x180000, 8);
	fix_checksum(ROOT_AT, 36 + 32, 9);
	assert_true(parse());
	while (entry_find(9, count) != NULL)
		count++;
	assert_int_equal(count, (ACPI_MADT_MAX - 44) / 16);
	assert_non_null(strstr(machine.complaints, "left out"));
}

static void tables_that_point_in_circles_end(void **state)
{
	(void)state;
	/* The root names itself and one table over and over. */
	for (unsigned i = 0; i < 100; i++)
		put(ROOT_AT + 36 + 8 * i, i % 2 ? ROOT_AT : MADT_AT, 8);
	finish_table(ROOT_AT, "XSDT", 36 + 800);
	assert_true(parse());
	assert_int_equal(acpi_info.tables, 100);
	assert_null(entry_find(MADT_IOAPIC, 1));
	/* A DSDT that is the FADT is not one. */
	good_machine(NULL);
	put(FADT_AT + 40, FADT_AT, 4);
	finish_table(FADT_AT, "FACP", 244);
	assert_true(parse());
	assert_int_equal(machine.boot.told.dsdt_bytes, 0);
	assert_non_null(strstr(machine.complaints, "FACP at 0x102000, 244 bytes: stands where another"));
}

static void the_first_table_of_a_kind_counts(void **state)
{
	(void)state;
	memcpy(machine.memory + MCFG_AT, machine.memory + MADT_AT, 44 + 8);
	finish_table(MCFG_AT, "APIC", 44 + 8);
	assert_true(parse());
	assert_int_equal(acpi_info.tables, 4);
	assert_non_null(entry_find(MADT_IOAPIC, 0));
}

static void a_huge_root_table_is_looked_at_only_so_far(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t at = 0x110000 + 64 * i;
		put(0x180000 + 36 + 8 * i, at, 8);
		finish_table(at, "SSDT", 36);
	}
	finish_table(0x180000, "XSDT", 36 + 8000);
	make_rsdp(2, 0, 0x180000);
	assert_true(parse());
	assert_int_equal(acpi_info.tables, ACPI_TABLES_MAX);
	assert_non_null(strstr(machine.complaints, "too many tables"));
}

static void an_old_fadt_has_nothing_beyond_its_end(void **state)
{
	(void)state;
	put(FADT_AT + 140, 0xdead0000, 8);
	put(FADT_AT + 208, 1, 1);
	put(FADT_AT + 212, 0x1234, 8);
	finish_table(FADT_AT, "FACP", 116);
	assert_true(parse());
	assert_int_equal(machine.boot.told.dsdt, DSDT_AT);
	assert_int_equal(acpi_info.pm_timer, 0x608);
	finish_table(FADT_AT, "FACP", 36);
	assert_true(parse());
	assert_int_equal(acpi_info.pm_timer, 0);
	assert_int_equal(machine.boot.told.dsdt_bytes, 0);
}

static void clocks_that_are_not_there_are_none(void **state)
{
	(void)state;
	put(FADT_AT + 76, 0, 4);
	finish_table(FADT_AT, "FACP", 244);
	put(HPET_AT + 40, 1, 1); /* an HPET in ports is none */
	finish_table(HPET_AT, "HPET", 56);
	assert_true(parse());
	assert_int_equal(acpi_info.pm_timer, 0);
	assert_int_equal(acpi_info.hpet, 0);
}

static void signatures_reach_the_log_as_letters_only(void **state)
{
	(void)state;
	memcpy(machine.memory + MCFG_AT, "\033[%n", 4);
	assert_true(parse());
	assert_null(strchr(machine.complaints, '\033'));
	assert_non_null(strstr(machine.complaints, "?[%n at 0x103000, 60 bytes: wrong checksum"));
}

/* Whatever single byte of the tables changes, parsing ends, within bounds (the sanitizers watch), with a limited number of reads. */
static void any_changed_byte_is_survived(void **state)
{
	static const uint64_t places[] = {RSDP_AT, ROOT_AT, MADT_AT, FADT_AT, MCFG_AT, HPET_AT, DSDT_AT};
	uint32_t seed = 1;
	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		uint64_t at = places[i % 7];
		seed = seed * 1664525 + 1013904223;
		uint32_t offset = (seed >> 8) % 130;
		uint8_t old = machine.memory[at + offset];
		uint32_t length;
		machine.memory[at + offset] = (uint8_t)seed >> 3;
		memcpy(&length, machine.memory + at + 4, 4);
		if (at != RSDP_AT && (seed & 0x80000000) && length < 0x1000 && length >= 36)
			fix_checksum(at, length, 9);
		parse();
		assert_true(machine.bytes_read < 0x2000000);
		machine.memory[at + offset] = old;
		if (at != RSDP_AT) {
			memcpy(&length, machine.memory + at + 4, 4);
			fix_checksum(at, length, 9);
		}
	}
	assert_true(parse());
	assert_string_equal(machine.complaints, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, good_machine)
	const struct CMUnitTest tests[] = {
		TEST(all_tables_of_a_good_machine_are_read),
		TEST(an_rsdt_serves_where_there_is_no_xsdt),
		TEST(a_broken_xsdt_falls_back_to_the_rsdt),
		TEST(a_wrong_rsdp_is_none),
		TEST(a_table_with_a_wrong_checksum_is_left_out_by_name),
		TEST(impossible_lengths_are_refused),
		TEST(a_table_beyond_memory_is_refused),
		TEST(madt_entries_that_do_not_fit_end_the_list),
		TEST(a_madt_of_only_its_header_has_nothing),
		TEST(more_processors_than_there_is_room_for_are_left_out),
		TEST(tables_that_point_in_circles_end),
		TEST(the_first_table_of_a_kind_counts),
		TEST(a_huge_root_table_is_looked_at_only_so_far),
		TEST(an_old_fadt_has_nothing_beyond_its_end),
		TEST(clocks_that_are_not_there_are_none),
		TEST(signatures_reach_the_log_as_letters_only),
		TEST(any_changed_byte_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
