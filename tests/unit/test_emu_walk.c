/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_emu_walk.c: the guest page-table walker: translations of every kind of page, each rule of protection with its error
 * code, accessed and dirty flags, races, and that the quick ways (window, slots) give what the full walk gives.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/emu/exec.h"

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

static uint8_t ram[0x10000] __attribute__((aligned(4096)));
static struct emu emu;
static uint64_t gpr[16];
static uint64_t race_gpa; /* the entry that changes just before it is written */
static bool race_armed;

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context;
	if (gpa >= sizeof ram)
		return NULL;
	if (write && race_armed) {
		race_armed = false;
		ram[race_gpa + 1] ^= 2; /* an ignored bit */
	}
	return ram + gpa;
}

static const struct emu_ops ops = {.page = page};

static void entry(uint64_t table, unsigned index, uint64_t value)
{
	memcpy(ram + table + index * 8, &value, 8);
}

static void entry32(uint64_t table, unsigned index, uint32_t value)
{
	memcpy(ram + table + index * 4, &value, 4);
}

static uint64_t entry_of(uint64_t table, unsigned index)
{
	uint64_t value;

	memcpy(&value, ram + table + index * 8, 8);
	return value;
}

/* 64-bit mode with supervisor rights, tables at 0x1000, 0x2000, 0x3000, 0x4000; nothing mapped. */
static int begin(void **state)
{
	(void)state;
	memset(ram, 0, sizeof ram);
	emu_init(&emu);
	emu.ops = &ops;
	emu.cpu.gpr = gpr;
	emu.cpu.mode = EMU_MODE_LONG;
	emu.cpu.cr0 = 0x80050033;
	emu.cpu.cr3 = 0x1000;
	emu.cpu.cr4 = CR4_PAE;
	emu.cpu.efer = 0xd01;
	emu.window[0] = (struct emu_window){ram, 0, sizeof ram};
	race_armed = false;
	return 0;
}

/* Maps linear page 0x8080_8060_5000 & ~..: index 1, 2, 3, 5 of the four levels, with these flags in all and more in the leaf. */
#define LINEAR	 0x0000008080605abcull
#define PAGE_GPA 0x9000ull
static void map_4k(uint64_t flags, uint64_t leaf)
{
	entry(0x1000, 1, 0x2000 | flags);
	entry(0x2000, 2, 0x3000 | flags);
	entry(0x3000, 3, 0x4000 | flags);
	entry(0x4000, 5, PAGE_GPA | leaf);
}

static void expect_gpa(uint64_t linear, unsigned access, uint64_t expected)
{
	uint64_t gpa = 0;

	/* Twice: in full, and by what the first left behind. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(emu_walk(&emu, linear, access, &gpa), EMU_DONE);
		assert_int_equal(gpa, expected);
	}
}

static void expect_fault(uint64_t linear, unsigned access, unsigned error)
{
	uint64_t gpa;

	for (unsigned i = 0; i < 2; i++) {
		memset(&emu.exception, 0, sizeof emu.exception);
		assert_int_equal(emu_walk(&emu, linear, access, &gpa), EMU_EXCEPTION);
		assert_int_equal(emu.exception.vector, 14);
		assert_true(emu.exception.has_error);
		assert_int_equal(emu.exception.error, error);
		assert_int_equal(emu.exception.address, linear);
	}
}

#define READ  0u
#define WRITE EMU_ACCESS_WRITE
#define FETCH EMU_ACCESS_FETCH
#define USER  EMU_ACCESS_USER

static void four_levels_map_all_page_sizes(void **state)
{
	(void)state;
	map_4k(P | W | U, P | W | U);
	expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
	entry(0x3000, 3, 0x40000000 | P | W | PS);
	expect_gpa(LINEAR, READ, 0x40000000 | (LINEAR & 0x1fffff));
	entry(0x2000, 2, 0x80000000 | P | W | PS);
	expect_gpa(LINEAR, READ, 0x80000000 | (LINEAR & 0x3fffffff));
}

static void five_levels(void **state)
{
	(void)state;
	emu.cpu.cr4 |= CR4_LA57;
	emu.cpu.cr3 = 0x8000;
	entry(0x8000, 7, 0x1000 | P | W);
	map_4k(P | W, P | W);
	expect_gpa(LINEAR | 7ull << 48, WRITE, PAGE_GPA | 0xabc);
	expect_fault(LINEAR | 6ull << 48, WRITE, 2);
	entry(0x8000, 7, 0x1000 | P | W | PS);
	expect_fault(LINEAR | 7ull << 48, READ, 1 | 8);
}

static void what_is_not_present_faults_at_every_level(void **state)
{
	(void)state;
	expect_fault(LINEAR, READ, 0);
	entry(0x1000, 1, 0x2000 | P | W | U);
	expect_fault(LINEAR, WRITE, 2);
	entry(0x2000, 2, 0x3000 | P | W | U);
	expect_fault(LINEAR, USER, 4);
	entry(0x3000, 3, 0x4000 | P | W | U);
	expect_fault(LINEAR, USER | WRITE, 6);
	expect_fault(LINEAR, FETCH, 16);
	expect_fault(LINEAR, FETCH | USER, 20);
}

/* The fetch bit is reported only where execute-disable or SMEP is on. */
static void fetch_bit_depends_on_nx_and_smep(void **state)
{
	(void)state;
	emu.cpu.efer &= ~EFER_NXE;
	expect_fault(LINEAR, FETCH, 0);
	emu.cpu.cr4 |= CR4_SMEP;
	expect_fault(LINEAR, FETCH, 16);
}

static void user_needs_the_user_bit_everywhere(void **state)
{
	(void)state;
	map_4k(P | W | U, P | W | U);
	expect_gpa(LINEAR, USER | WRITE, PAGE_GPA | 0xabc);
	for (unsigned level = 0; level < 4; level++) {
		uint64_t table = 0x1000 * (level + 1);
		unsigned index = (const unsigned[]){1, 2, 3, 5}[level];
		uint64_t good = entry_of(table, index);

		entry(table, index, good & ~U);
		expect_fault(LINEAR, USER, 5);
		expect_fault(LINEAR, USER | WRITE, 7);
		expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
		entry(table, index, good);
	}
}

static void writes_need_the_write_bit_or_wp_clear(void **state)
{
	(void)state;
	map_4k(P | W | U, P | U);
	expect_fault(LINEAR, WRITE, 3);
	expect_fault(LINEAR, USER | WRITE, 7);
	emu.cpu.cr0 &= ~CR0_WP;
	expect_fault(LINEAR, USER | WRITE, 7);
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	assert_int_equal(entry_of(0x4000, 5), PAGE_GPA | P | U | A | D);
	emu.cpu.cr0 |= CR0_WP;
	expect_fault(LINEAR, WRITE, 3);
	map_4k(P | U, P | W | U);
	expect_fault(LINEAR, WRITE, 3);
}

static void execute_disable(void **state)
{
	(void)state;
	map_4k(P | W | U, P | W | U | NX);
	expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
	expect_fault(LINEAR, FETCH, 1 | 16);
	expect_fault(LINEAR, FETCH | USER, 1 | 4 | 16);
	map_4k(P | W | U | NX, P | W | U);
	expect_fault(LINEAR, FETCH, 1 | 16);
	/* Without NXE the bit is reserved. */
	emu.cpu.efer &= ~EFER_NXE;
	expect_fault(LINEAR, READ, 1 | 8);
}

static void smep_and_smap(void **state)
{
	(void)state;
	map_4k(P | W | U, P | W | U);
	expect_gpa(LINEAR, FETCH, PAGE_GPA | 0xabc);
	emu.cpu.cr4 |= CR4_SMEP;
	expect_fault(LINEAR, FETCH, 1 | 16);
	expect_gpa(LINEAR, FETCH | USER, PAGE_GPA | 0xabc);
	expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
	emu.cpu.cr4 |= CR4_SMAP;
	expect_fault(LINEAR, READ, 1);
	expect_fault(LINEAR, WRITE, 3);
	expect_gpa(LINEAR, USER | WRITE, PAGE_GPA | 0xabc);
	emu.cpu.rflags |= FLAG_AC;
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	expect_fault(LINEAR, READ | EMU_ACCESS_IMPLICIT, 1);
	/* A supervisor page is none of their business. */
	map_4k(P | W, P | W);
	emu.cpu.rflags = 2;
	expect_gpa(LINEAR, FETCH, PAGE_GPA | 0xabc);
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
}

static void protection_keys(void **state)
{
	(void)state;
	emu.cpu.cr4 |= CR4_PKE;
	map_4k(P | W | U, P | W | U | 3ull << 59);
	expect_gpa(LINEAR, USER | WRITE, PAGE_GPA | 0xabc);
	emu.cpu.pkru = 2u << 6;
	expect_gpa(LINEAR, USER, PAGE_GPA | 0xabc);
	expect_fault(LINEAR, USER | WRITE, 7 | 32);
	expect_fault(LINEAR, WRITE, 3 | 32);
	emu.cpu.cr0 &= ~CR0_WP;
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	emu.cpu.pkru = 1u << 6;
	expect_fault(LINEAR, READ, 1 | 32);
	expect_gpa(LINEAR, USER | FETCH, PAGE_GPA | 0xabc);
}

static void reserved_bits(void **state)
{
	(void)state;
	for (unsigned level = 0; level < 4; level++) {
		uint64_t table = 0x1000 * (level + 1);
		unsigned index = (const unsigned[]){1, 2, 3, 5}[level];

		map_4k(P | W | U | A, P | W | U | A);
		expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
		for (unsigned bit = 40; bit < 52; bit++) {
			uint64_t good = entry_of(table, index);
			entry(table, index, good | 1ull << bit);
			expect_fault(LINEAR, USER | WRITE, 1 | 8 | 4 | 2);
			entry(table, index, good);
		}
		for (unsigned bit = 52; bit < 63; bit++) { /* ignored */
			uint64_t good = entry_of(table, index);
			entry(table, index, good | 1ull << bit);
			expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
			entry(table, index, good);
		}
	}
	/* Large pages: the address bits below their size, PAT apart. */
	entry(0x3000, 3, 0x40000000 | P | W | PS | 1 << 12);
	expect_gpa(LINEAR, READ, 0x40000000 | (LINEAR & 0x1fffff));
	entry(0x3000, 3, 0x40000000 | P | W | PS | 1 << 13);
	expect_fault(LINEAR, READ, 1 | 8);
	entry(0x2000, 2, 0x80000000 | P | W | PS | 1 << 29);
	expect_fault(LINEAR, READ, 1 | 8);
	entry(0x2000, 2, 0x80000000 | P | W | PS);
	expect_gpa(LINEAR, READ, 0x80000000 | (LINEAR & 0x3fffffff));
	emu.config &= ~EMU_CONFIG_1G;
	emu_reconfigured(&emu);
	expect_fault(LINEAR, READ, 1 | 8);
	map_4k(P | W | U, P | W | U);
	entry(0x1000, 1, 0x2000 | P | W | PS);
	expect_fault(LINEAR, READ, 1 | 8);
}

static void flags_are_set_when_the_access_is_allowed(void **state)
{
	(void)state;
	map_4k(P | W, P | W);
	expect_gpa(LINEAR, READ, PAGE_GPA | 0xabc);
	assert_int_equal(entry_of(0x1000, 1), 0x2000 | P | W | A);
	assert_int_equal(entry_of(0x2000, 2), 0x3000 | P | W | A);
	assert_int_equal(entry_of(0x3000, 3), 0x4000 | P | W | A);
	assert_int_equal(entry_of(0x4000, 5), PAGE_GPA | P | W | A);
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	assert_int_equal(entry_of(0x4000, 5), PAGE_GPA | P | W | A | D);
	assert_int_equal(entry_of(0x3000, 3), 0x4000 | P | W | A); /* no dirty flag in a table */
	map_4k(P | W, P | W);
	expect_fault(LINEAR, USER, 5);
	assert_int_equal(entry_of(0x4000, 5), PAGE_GPA | P | W);
}

/* A slot that is found again must not hide that the guest cleared a flag. */
static void cleared_flags_are_set_again(void **state)
{
	(void)state;
	map_4k(P | W | A, P | W | A | D);
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	entry(0x4000, 5, PAGE_GPA | P | W | A);
	expect_gpa(LINEAR, WRITE, PAGE_GPA | 0xabc);
	assert_int_equal(entry_of(0x4000, 5), PAGE_GPA | P | W | A | D);
}

/* Another processor changes an entry between our reading it and our setting its flag. */
static void a_race_is_seen(void **state)
{
	uint64_t gpa;

	(void)state;
	map_4k(P | W, P | W);
	race_gpa = 0x4000 + 5 * 8;
	race_armed = true;
	assert_int_equal(emu_walk(&emu, LINEAR, WRITE, &gpa), EMU_RETRY);
	expect_gpa(LINEAR, WRITE, (PAGE_GPA ^ 0) | 0xabc);
}

static void entries_in_no_memory_read_as_ones(void **state)
{
	(void)state;
	entry(0x1000, 1, 0x7fff000 | P | W);
	expect_fault(LINEAR, READ, 1 | 8);
	emu.physical_bits = 52;
	emu.cpu.cr4 &= ~CR4_PAE;
	emu.cpu.efer = 0;
	emu.cpu.mode = EMU_MODE_PROT32;
	emu_reconfigured(&emu);
	emu.cpu.cr3 = 0x7fff000;
	expect_gpa(0x123456, READ, 0xfffff456); /* a page table entry of ones is a page at the top */
}

static void legacy_mode(void)
{
	emu.cpu.mode = EMU_MODE_PROT32;
	emu.cpu.efer = EFER_NXE;
	emu.cpu.cr4 = 0;
}

static void two_levels(void **state)
{
	(void)state;
	legacy_mode();
	entry32(0x1000, 0x40, 0x2000 | P | W | U);
	entry32(0x2000, 0x155, 0x9000 | P | U);
	expect_gpa(0x10155abc, READ, 0x9abc);
	expect_gpa(0xffffffff10155abc, READ, 0x9abc); /* linear addresses have 32 bits */
	expect_fault(0x10155abc, USER | WRITE, 7);
	expect_fault(0x10155abc, WRITE, 3);
	expect_fault(0x10156abc, USER, 4);
	expect_fault(0x10500000, FETCH, 0); /* no fetch bit without PAE */
	assert_int_equal((uint32_t)entry_of(0x1000, 0x20), 0x2000 | P | W | U | A);
	/* Without PSE the size bit is ignored. */
	entry32(0x1000, 0x40, 0x2000 | P | W | U | PS);
	expect_gpa(0x10155abc, READ, 0x9abc);
}

static void pse_and_pse36(void **state)
{
	(void)state;
	legacy_mode();
	emu.cpu.cr4 = CR4_PSE;
	entry32(0x1000, 0x40, 0x00c00000 | P | W | U | PS);
	expect_gpa(0x10155abc, WRITE, 0x00d55abc);
	assert_int_equal((uint32_t)entry_of(0x1000, 0x20), 0x00c00000 | P | W | U | PS | A | D);
	entry32(0x1000, 0x40, 0x00c00000 | 0x5a << 13 | P | W | U | PS);
	expect_gpa(0x10155abc, READ, 0x5a00d55abc);
	entry32(0x1000, 0x40, 0x00c00000 | 1 << 21 | P | W | U | PS);
	expect_fault(0x10155abc, READ, 1 | 8);
	emu.physical_bits = 36;
	entry32(0x1000, 0x40, 0x00c00000 | 0x0f << 13 | P | W | U | PS);
	expect_gpa(0x10155abc, READ, 0xf00d55abc);
	entry32(0x1000, 0x40, 0x00c00000 | 0x10 << 13 | P | W | U | PS);
	expect_fault(0x10155abc, READ, 1 | 8);
}

static void pae(void **state)
{
	(void)state;
	legacy_mode();
	emu.cpu.cr4 = CR4_PAE;
	emu.cpu.cr3 = 0x1020; /* 32-byte aligned is enough */
	entry(0x1020, 2, 0x2000 | P);
	entry(0x2000, 1, 0x3000 | P | W | U);
	entry(0x3000, 5, 0x1200009000 | P | W | U | NX);
	expect_gpa(0x80205abc, WRITE, 0x1200009abc);
	expect_fault(0x80205abc, FETCH | USER, 1 | 4 | 16);
	expect_fault(0x40205abc, READ, 0);
	assert_int_equal(entry_of(0x1020, 2), 0x2000 | P); /* no accessed flag there */
	entry(0x2000, 1, 0x40600000 | P | W | U | PS);
	expect_gpa(0x80205abc, READ, 0x40605abc);
	entry(0x2000, 1, 0x40600000 | P | W | U | PS | 1ull << 52); /* reserved here, ignored in long mode */
	expect_fault(0x80205abc, READ, 1 | 8);
	for (unsigned bit = 1; bit < 9; bit++) {
		if (bit == 3 || bit == 4)
			continue;
		entry(0x1020, 2, 0x2000 | P | 1 << bit);
		expect_fault(0x80205abc, READ, 1 | 8);
	}
}

static void without_paging(void **state)
{
	(void)state;
	legacy_mode();
	emu.cpu.cr0 = 0x11;
	expect_gpa(0x12345678, WRITE, 0x12345678);
	expect_gpa(0x112345678, WRITE, 0x12345678);
}

static uint64_t seed = 88172645463325252ull;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Random flags at every level, random rights: with window and slots, with window only, with neither. */
static void quick_walks_equal_the_full_one(void **state)
{
	static struct emu slow;
	static uint8_t before[sizeof ram], after[sizeof ram];
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		static const uint64_t sets[] = {
			0, A, A | D, W | A | D, U | W | A | D, W | U, NX | A, 1ull << 45, PS, W | A | D | PS};
		unsigned access = (unsigned)rnd() & (FETCH | WRITE | USER);
		uint64_t gpa[3] = {0};
		enum emu_result result[3];
		struct emu_exception fault[3];

		if (access & FETCH)
			access &= ~WRITE;
		for (unsigned level = 0; level < 4; level++) {
			uint64_t flags = (rnd() & 7 ? W | U | A | D : 0) | sets[rnd() % 10] | (rnd() % 16 ? P : 0);
			entry(0x1000 * (level + 1), (const unsigned[]){1, 2, 3, 5}[level],
				(0x2000 + 0x1000 * level) | flags);
		}
		emu.cpu.cr4 = CR4_PAE | (rnd() & (CR4_SMEP | CR4_SMAP));
		emu.cpu.cr0 = 0x80000033 | (rnd() & CR0_WP);
		emu.cpu.efer = 0x501 | (rnd() & 3 ? EFER_NXE : 0);
		emu.cpu.rflags = 2 | (rnd() & FLAG_AC);
		memcpy(before, ram, sizeof ram);
		for (unsigned way = 0; way < 3; way++) {
			struct emu *e = way == 2 ? &slow : &emu;
			memcpy(ram, before, sizeof ram);
			if (way == 2) {
				slow = emu;
				slow.window[0].size = 0;
				emu_reconfigured(&slow);
			}
			memset(&e->exception, 0, sizeof e->exception);
			result[way] = emu_walk(e, LINEAR, access, &gpa[way]);
			fault[way] = e->exception;
			if (way == 0)
				memcpy(after, ram, sizeof ram);
			assert_memory_equal(after, ram, sizeof ram);
			assert_int_equal(result[way], result[0]);
			assert_int_equal(gpa[way], gpa[0]);
			assert_memory_equal(&fault[way], &fault[0], sizeof fault[0]);
		}
		good += result[0] == EMU_DONE;
	}
	assert_in_range(good, 1000, 19000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(four_levels_map_all_page_sizes, begin),
		cmocka_unit_test_setup(five_levels, begin),
		cmocka_unit_test_setup(what_is_not_present_faults_at_every_level, begin),
		cmocka_unit_test_setup(fetch_bit_depends_on_nx_and_smep, begin),
		cmocka_unit_test_setup(user_needs_the_user_bit_everywhere, begin),
		cmocka_unit_test_setup(writes_need_the_write_bit_or_wp_clear, begin),
		cmocka_unit_test_setup(execute_disable, begin),
		cmocka_unit_test_setup(smep_and_smap, begin),
		cmocka_unit_test_setup(protection_keys, begin),
		cmocka_unit_test_setup(reserved_bits, begin),
		cmocka_unit_test_setup(flags_are_set_when_the_access_is_allowed, begin),
		cmocka_unit_test_setup(cleared_flags_are_set_again, begin),
		cmocka_unit_test_setup(a_race_is_seen, begin),
		cmocka_unit_test_setup(entries_in_no_memory_read_as_ones, begin),
		cmocka_unit_test_setup(two_levels, begin),
		cmocka_unit_test_setup(pse_and_pse36, begin),
		cmocka_unit_test_setup(pae, begin),
		cmocka_unit_test_setup(without_paging, begin),
		cmocka_unit_test_setup(quick_walks_equal_the_full_one, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
