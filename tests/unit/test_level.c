/* SPDX-License-Identifier: Apache-2.0 */
/* CPU levels. */
/* unit-sources: monitor/machine/level.c monitor/machine/level_portable.c monitor/machine/level_host.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "gyre/config.h"
#include "monitor/machine/level.h"

static uint32_t hide_leaf, hide_register, hide_bits;

/* A processor with everything and one thing missing. */
static void rich(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	out[0] = out[1] = out[2] = out[3] = 0xffffffff;
	if (leaf == 0) {
		out[0] = 0x20;
		memcpy(&out[1], "Genu", 4), memcpy(&out[3], "ineI", 4), memcpy(&out[2], "ntel", 4);
	}
	if (leaf == 0x80000000)
		out[0] = 0x80000028;
	if (leaf == 0x0d)
		out[0] = subleaf ? 256 : 0xe7, out[1] = 576;
	if (leaf == 4 && subleaf > 3)
		out[0] = 0;
	if (leaf == hide_leaf)
		out[hide_register] &= ~hide_bits;
}

/* Another vendor's, with the least that portable-1 asks for. */
static void poor(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	memset(out, 0, 16);
	if (leaf == 0)
		out[0] = 7, memcpy(&out[1], "Auth", 4), memcpy(&out[3], "enti", 4), memcpy(&out[2], "cAMD", 4);
	if (leaf == 1)
		out[0] = 0x600f20, out[2] = 0x00982201, out[3] = 0x078bfbff;
	if (leaf == 0x80000000)
		out[0] = 0x80000008;
	if (leaf == 0x80000001)
		out[2] = 1, out[3] = 0x28100800;
}

static struct level_request request = {GYRE_LEVEL_PORTABLE_1, 1, 2000000, 1000000, 40, rich};
static struct level level;
static char missing[160];

static int setup(void **state)
{
	(void)state;
	hide_leaf = hide_bits = 0;
	request = (struct level_request){GYRE_LEVEL_PORTABLE_1, 1, 2000000, 1000000, 40, rich};
	return 0;
}

static void check_sorted(const struct level *l)
{
	for (uint32_t i = 1; i < l->entries; i++)
		assert_true(
			l->cpuid[i - 1].leaf < l->cpuid[i].leaf ||
			(l->cpuid[i - 1].leaf == l->cpuid[i].leaf && l->cpuid[i - 1].subleaf < l->cpuid[i].subleaf));
}

static void portable_is_the_same_everywhere(void **state)
{
	(void)state;
	struct level other;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	request.cpuid = poor;
	request.physical_bits = 48;
	assert_int_equal(level_make(&other, &request, missing, sizeof(missing)), 0);
	assert_memory_equal(&level, &other, sizeof(level));
	check_sorted(&level);
}

static void portable_is_what_was_promised(void **state)
{
	(void)state;
	uint32_t out[4];
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	level_cpuid(&level, 0, 0, out);
	assert_memory_equal(&out[1], "Auth", 4);
	assert_int_equal(out[0], 0x0d);
	level_cpuid(&level, 1, 0, out);
	assert_int_equal(out[0], 0x600f20);
	assert_int_equal(out[2],
		0x81b82201u); /* SSE3 to SSE4.2, CX16, x2APIC, POPCNT, TSC deadline, hypervisor: no XSAVE, no PCID */
	assert_int_equal(out[3], 0x078bfbfd);
	level_cpuid(&level, 7, 0, out);
	assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
	level_cpuid(&level, 0x0d, 0, out);
	assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
	level_cpuid(&level, 0x80000008, 0, out);
	assert_int_equal(out[0], 39 | 48 << 8);
	level_cpuid(&level, 0x80000007, 0, out);
	assert_int_equal(out[3], 0x100);
	level_cpuid(&level, 0x40000000, 0, out);
	assert_memory_equal(&out[1], "GyreGyreGyre", 12);
	level_cpuid(&level, 0x40000100, 0, out);
	assert_memory_equal(&out[1], "KVMKVMKVM\0\0\0", 12);
	level_cpuid(&level, 0x40000101, 0, out);
	assert_int_equal(out[0], 1 << 1 | 1 << 3 | 1 << 24);
	level_cpuid(&level, 0x40000010, 0, out);
	assert_int_equal(out[0], 2000000);
	assert_int_equal(level.policy.xcr0_allowed, 0);
	assert_int_equal(level.policy.cr4_allowed, 0x6fc);
	assert_int_equal(level.policy.physical_bits, 39);
}

static void what_lacks_is_named(void **state)
{
	(void)state;
	hide_leaf = 1, hide_register = 2, hide_bits = 1u << 20 | 1u << 23;
	assert_true(level_make(&level, &request, missing, sizeof(missing)) < 0);
	assert_string_equal(missing, "sse4.2, popcnt");
	hide_leaf = 0x80000001, hide_register = 3, hide_bits = 1u << 20;
	assert_true(level_make(&level, &request, missing, sizeof(missing)) < 0);
	assert_string_equal(missing, "nx");
	char small[8];
	hide_leaf = 1, hide_register = 3, hide_bits = ~0u;
	assert_true(level_make(&level, &request, small, sizeof(small)) < 0); /* cut, not overrun */
	assert_true(strlen(small) < sizeof(small));
}

static void host_shows_what_is_supported_and_no_more(void **state)
{
	(void)state;
	uint32_t out[4];
	request.level = GYRE_LEVEL_HOST;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	check_sorted(&level);
	level_cpuid(&level, 1, 0, out);
	assert_int_equal(out[2] & (1u << 5 | 1u << 3 | 1u << 17), 0); /* no VMX, no MONITOR, no PCID */
	assert_int_equal(out[2] >> 31, 1);
	assert_true(out[2] & 1u << 28); /* AVX */
	level_cpuid(&level, 7, 0, out);
	assert_int_equal(out[1] & 1u << 16, 0); /* no AVX-512 */
	assert_int_equal(out[2] & 1u << 3, 0);	/* no protection keys */
	level_cpuid(&level, 0x0d, 0, out);
	assert_int_equal(out[0], 7);
	assert_int_equal(out[2], 832);
	assert_int_equal(level.policy.xcr0_allowed, 7);
	level_cpuid(&level, 0x0a, 0, out);
	assert_int_equal(out[0], 0); /* no performance counters */
}

static void host_without_xsave_has_no_avx(void **state)
{
	(void)state;
	uint32_t out[4];
	request.level = GYRE_LEVEL_HOST;
	hide_leaf = 1, hide_register = 2, hide_bits = 1u << 26;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	level_cpuid(&level, 1, 0, out);
	assert_int_equal(out[2] & (1u << 28 | 1u << 12 | 1u << 29 | 1u << 26), 0);
	level_cpuid(&level, 7, 0, out);
	assert_int_equal(out[1] & 1u << 5, 0);
	assert_int_equal(level.policy.cr4_allowed >> 18 & 1, 0);
}

static void the_table_has_room_on_any_machine(void **state)
{
	(void)state;
	request.level = GYRE_LEVEL_HOST;
	request.cpus = 64;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	assert_true(level.entries < GYRE_CPUID_ENTRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(portable_is_the_same_everywhere, setup),
		cmocka_unit_test_setup(portable_is_what_was_promised, setup),
		cmocka_unit_test_setup(what_lacks_is_named, setup),
		cmocka_unit_test_setup(host_shows_what_is_supported_and_no_more, setup),
		cmocka_unit_test_setup(host_without_xsave_has_no_avx, setup),
		cmocka_unit_test_setup(the_table_has_room_on_any_machine, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
