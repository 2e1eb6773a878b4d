/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_fetch.c: the length of an intercepted instruction, from a guest's memory that may hold anything and change at any time.
 */
/* unit-sources: core/virt/fetch.c tests/unit/virt_memory.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/virt/fetch.h"
#include "gyre/vcpu.h"
#include "tests/unit/virt_memory.h"

#define RAM_BYTES 0x20000ul

struct guest {
	struct fetch_cache cache;
	struct gyre_ram_window windows[GYRE_RAM_WINDOWS];
	struct fetch_where where;
	uint8_t *ram;
};

static uint64_t *entry(struct guest *guest, uint64_t gpa)
{
	return (uint64_t *)(guest->ram + gpa);
}

/* Four levels at 0x1000 to 0x4000 map linear 0x200000 to gpa 0x10000 and the page after it to gpa 0x8000. */
static int set_up(void **state)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	guest->ram = aligned_alloc(4096, RAM_BYTES);
	memset(guest->ram, 0xcc, RAM_BYTES);
	memset(guest->ram + 0x1000, 0, 0x4000);
	*entry(guest, 0x1000) = 0x2003;
	*entry(guest, 0x2000) = 0x3003;
	*entry(guest, 0x3008) = 0x4003;
	*entry(guest, 0x4000) = 0x10003;
	*entry(guest, 0x4008) = 0x8003;
	guest->windows[2] = (struct gyre_ram_window){0, RAM_BYTES, (uint64_t)guest->ram};
	guest->where = (struct fetch_where){
		.rip = 0x200100, .cr0 = 0x80000011, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0xd00, .cs_long = true};
	fetch_forget(&guest->cache);
	virt_hole = virt_hole_end = 0;
	*state = guest;
	return 0;
}

static int tear_down(void **state)
{
	struct guest *guest = *state;
	free(guest->ram);
	free(guest);
	return 0;
}

static uint32_t slow(struct guest *guest, const struct fetch_opcode *opcode)
{
	return fetch_length_slow(&guest->cache, guest->windows, &guest->where, opcode);
}

static uint32_t fast_cpuid(struct guest *guest)
{
	return fetch_length_fast(&guest->cache, guest->where.rip, guest->where.cr3, 0xa20f, 0xffff, 2);
}

static void put(struct guest *guest, uint64_t gpa, const char *bytes, size_t count)
{
	memcpy(guest->ram + gpa, bytes, count);
}

static void plain_and_prefixed(void **state)
{
	struct guest *guest = *state;
	put(guest, 0x10100, "\x0f\xa2", 2);
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	assert_int_equal(slow(guest, &FETCH_RDMSR), 0); /* it is another one by now */
	put(guest, 0x10100, "\x66\x2e\xf3\x48\x0f\xa2", 6);
	assert_int_equal(slow(guest, &FETCH_CPUID), 6);
	put(guest, 0x10100, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", 15);
	assert_int_equal(slow(guest, &FETCH_CPUID), 15);
	put(guest, 0x10100, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", 16);
	assert_int_equal(slow(guest, &FETCH_CPUID), 0); /* no instruction is that long */
	put(guest, 0x10100, "\x48\x0f\xa2", 3);
	guest->where.cs_long = false;
	guest->where.efer = 0xd00;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0); /* 48 is DEC EAX there */
	put(guest, 0x10100, "\x0f\x01\xc1", 3);
	assert_int_equal(slow(guest, &FETCH_VMCALL), 3);
}

static void across_a_page(void **state)
{
	struct guest *guest = *state;
	guest->where.rip = 0x200fff;
	put(guest, 0x10fff, "\x0f", 1);
	put(guest, 0x8000, "\xa2", 1);
	assert_int_equal(fast_cpuid(guest), 0);
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	/* The page after it is missing: that matters only to what reaches into it. */
	*entry(guest, 0x4008) = 0;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	put(guest, 0x10fff, "\xf4", 1);
	assert_int_equal(slow(guest, &FETCH_HLT), 1);
	guest->where.rip = 0x200ffd;
	put(guest, 0x10ffd, "\x0f\x01\xd9", 3);
	assert_int_equal(slow(guest, &FETCH_VMMCALL), 3);
}

static void the_cache_is_never_older_than_memory(void **state)
{
	struct guest *guest = *state;
	put(guest, 0x10100, "\x0f\xa2", 2);
	put(guest, 0x8100, "\x0f\xa2", 2);
	assert_int_equal(fast_cpuid(guest), 0);
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	assert_int_equal(fast_cpuid(guest), 2);
	/* The bytes change. */
	put(guest, 0x10100, "\x66\x0f\xa2", 3);
	assert_int_equal(fast_cpuid(guest), 0);
	put(guest, 0x10100, "\x0f\xa2", 2);
	assert_int_equal(fast_cpuid(guest), 2);
	/* Any level of the walk changes, to a page with the same bytes even. */
	static const uint64_t levels[] = {0x1000, 0x2000, 0x3008, 0x4000};
	for (unsigned i = 0; i < 4; i++) {
		uint64_t old = *entry(guest, levels[i]);
		*entry(guest, levels[i]) = old ^ 0x20;
		assert_int_equal(fast_cpuid(guest), 0);
		*entry(guest, levels[i]) = old;
		assert_int_equal(fast_cpuid(guest), 2);
	}
	*entry(guest, 0x4000) = 0x8003;
	put(guest, 0x8100, "\x66\x0f\xa2", 3);
	assert_int_equal(fast_cpuid(guest), 0);
	assert_int_equal(slow(guest, &FETCH_CPUID), 3);
	/* Another CR3, another RIP. */
	*entry(guest, 0x4000) = 0x10003;
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	guest->where.cr3 = 0x1018;
	assert_int_equal(fast_cpuid(guest), 0);
	guest->where.cr3 = 0x1000;
	guest->where.rip += 0x4000;
	assert_int_equal(fast_cpuid(guest), 0);
	guest->where.rip -= 0x4000;
	assert_int_equal(fast_cpuid(guest), 2);
	fetch_forget(&guest->cache);
	assert_int_equal(fast_cpuid(guest), 0);
}

static void every_way_of_paging(void **state)
{
	struct guest *guest = *state;
	put(guest, 0x10100, "\x0f\xa2", 2);
	/* None. */
	guest->where = (struct fetch_where){.rip = 0x100, .cs_base = 0x10000, .cr0 = 0x10};
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	/* 32 bits: 4 KiB and 4 MiB. */
	memset(guest->ram + 0x1000, 0, 0x4000);
	*(uint32_t *)(guest->ram + 0x1000 + 4) = 0x2003;
	*(uint32_t *)(guest->ram + 0x2000) = 0x10003;
	guest->where = (struct fetch_where){.rip = 0x400100, .cr0 = 0x80000011, .cr3 = 0x1000};
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	*(uint32_t *)(guest->ram + 0x1000 + 4) = 0x83;
	guest->where.rip = 0x410100;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0); /* without PSE it is a table */
	guest->where.cr4 = 0x10;
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	/* PAE: the pointers stand at a multiple of 32. */
	memset(guest->ram + 0x1000, 0, 0x4000);
	*entry(guest, 0x1020 + 8) = 0x2001;
	*entry(guest, 0x2000 + 8) = 0x83;
	guest->where = (struct fetch_where){.rip = 0x40210100, .cr0 = 0x80000011, .cr3 = 0x1020, .cr4 = 0x20};
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	/* Long mode: 2 MiB and 1 GiB, five levels. */
	memset(guest->ram + 0x1000, 0, 0x4000);
	*entry(guest, 0x1000) = 0x2003;
	*entry(guest, 0x2000) = 0x3003;
	*entry(guest, 0x3008) = 0x83;
	guest->where = (struct fetch_where){
		.rip = 0x210100, .cr0 = 0x80000011, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0xd00, .cs_long = true};
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	assert_int_equal(fast_cpuid(guest), 2);
	*entry(guest, 0x2000) = 0x83;
	guest->where.rip = 0x10100;
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	*entry(guest, 0x4000) = 0x1003;
	guest->where.cr3 = 0x4000;
	guest->where.cr4 |= 0x1000;
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
}

/* Only the windows are read, and a fault in them is an answer. */
static void nothing_else_is_read(void **state)
{
	struct guest *guest = *state;
	put(guest, 0x10100, "\x0f\xa2", 2);
	*entry(guest, 0x4000) = RAM_BYTES | 3; /* behind the window */
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	*entry(guest, 0x4000) = 0x000ffffffffff003;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	*entry(guest, 0x3008) = 0xdeadbeef003;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	guest->where.cr3 = UINT64_MAX;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	guest->where.cr3 = 0x1000;
	*entry(guest, 0x3008) = 0x4003;
	*entry(guest, 0x4000) = 0x10003;
	virt_hole = (uint64_t)guest->ram + 0x3000;
	virt_hole_end = virt_hole + 0x1000;
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
	virt_hole = virt_hole_end = 0;
	assert_int_equal(slow(guest, &FETCH_CPUID), 2);
	memset(guest->windows, 0, sizeof(guest->windows));
	assert_int_equal(slow(guest, &FETCH_CPUID), 0);
}

/* Random tables, random modes: it ends, and stays in the window (the sanitizer watches). */
static void any_memory_at_all(void **state)
{
	struct guest *guest = *state;
	srand(3);
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < 64; i++) {
			uint64_t value = ((uint64_t)rand() << 31 ^ (uint64_t)rand()) & 0x1ffff;
			*entry(guest, (uint64_t)rand() % RAM_BYTES &
					      ~7ul) = value | (rand() % 8 == 0 ? (uint64_t)rand() << 40 : 0);
		}
		guest->where = (struct fetch_where){.rip = (uint64_t)rand() << 20 ^ (uint64_t)rand(),
			.cs_base = (uint64_t)rand(),
			.cr0 = rand() % 4 ? 0x80000011 : 0x11,
			.cr3 = (uint64_t)rand() % (2 * RAM_BYTES),
			.cr4 = (uint64_t)rand() & 0x1030,
			.efer = (uint64_t)rand() & 0x400,
			.cs_long = rand() & 1};
		uint32_t length = slow(guest, &FETCH_HLT);
		assert_true(length <= 15);
		fast_cpuid(guest);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(plain_and_prefixed),
		TEST(across_a_page),
		TEST(the_cache_is_never_older_than_memory),
		TEST(every_way_of_paging),
		TEST(nothing_else_is_read),
		TEST(any_memory_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
