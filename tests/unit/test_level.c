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
#include "tests/unit/cpuid_recorded.h"

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

/* Intel's processors, as recorded. Beyond the last leaf they give that one's values (SDM vol. 2, CPUID): nothing here may come from there. */
static const struct recorded *processor;
static void recorded(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	int found = 0;
	memset(out, 0, 16);
	for (const struct recorded *at = processor; at->leaf != 0xffffffff; at++)
		if (at->leaf == leaf && (at->subleaf == subleaf || (leaf != 4 && leaf != 0x0b && leaf != 0x0d))) {
			memcpy(out, at->value, 16);
			return;
		} else if (at->leaf == leaf) {
			found = 1;
		}
	if (!found && leaf > processor[0].value[0] && leaf < 0x80000000)
		memset(out, 0xa5, 16);
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
	/* But for what this machine's vendor has not, which the monitor does: foreign.c. */
	assert_int_equal(other.policy.flags & GYRE_POLICY_UNDEFINED_EXIT, 0);
	assert_int_equal(level.policy.flags, other.policy.flags | GYRE_POLICY_UNDEFINED_EXIT);
	other.policy.flags = level.policy.flags;
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

static void portable_holds_on_intel(void **state)
{
	(void)state;
	static const struct recorded *const good[] = {haswell, skylake_x, icelake_u, arrandale};
	struct level first;
	assert_int_equal(level_make(&first, &request, missing, sizeof(missing)), 0);
	request.cpuid = recorded;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		processor = good[i];
		assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
		assert_memory_equal(&level, &first, sizeof(level));
	}
	processor = penryn;
	assert_true(level_make(&level, &request, missing, sizeof(missing)) < 0);
	assert_string_equal(missing, "sse4.2, popcnt, rdtscp");
}

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	level_cpuid(&level, leaf, subleaf, out);
}

static void host_on_intel(void **state)
{
	(void)state;
	static const struct {
		const struct recorded *processor;
		uint32_t highest, xcr0, ecx1, ebx7, edx7;
	} cases[] = {
		{haswell, 0x0d, 7, 0xf3f83203, 0x000003a9, 0},
		{skylake_x, 0x0d, 7, 0xf3f83203, 0x019c03a9, 0},
		{icelake_u, 0x0d, 7, 0xf3f83203, 0x209c03a9, 0x10},
		{arrandale, 0x0b, 0, 0x83b82203, 0, 0},
		{penryn, 0x0d, 3, 0x81282201, 0, 0},
	};
	uint32_t out[4], host[4];
	request.level = GYRE_LEVEL_HOST;
	request.cpuid = recorded;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		processor = cases[i].processor;
		assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
		check_sorted(&level);
		cpuid(0, 0, out);
		assert_int_equal(out[0], cases[i].highest);
		assert_memory_equal(&out[1], "Genu", 4);
		recorded(1, 0, host);
		cpuid(1, 0, out);
		assert_int_equal(out[0], host[0]);
		assert_int_equal(out[1], 0x10800);
		assert_int_equal(out[2] & ~(1u << 26), cases[i].ecx1 & ~(1u << 26));
		assert_int_equal(out[2] >> 26 & 1, cases[i].xcr0 != 0);
		assert_int_equal(out[3], 0x0783fbff); /* no thermal, debug store, self snoop, threads */
		cpuid(7, 0, out);
		assert_int_equal(out[1], cases[i].ebx7);
		assert_int_equal(out[3], cases[i].edx7);
		cpuid(0x0d, 0, out);
		assert_int_equal(out[0], cases[i].xcr0);
		assert_int_equal(out[2], cases[i].xcr0 == 7 ? 832 : cases[i].xcr0 ? 576 : 0);
		cpuid(0x0d, 1, out);
		assert_int_equal(out[0], cases[i].xcr0 == 7); /* XSAVEOPT; not XSAVES, which Bochs 2.7 gets wrong */
		for (uint32_t leaf = 0x0e; leaf < 0x20; leaf++) {
			cpuid(leaf, 0, out);
			assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
		}
		cpuid(0x0a, 0, out);
		assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
		cpuid(5, 0, out);
		assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
		cpuid(6, 0, out);
		assert_int_equal(out[0], 4);
		recorded(0x80000001, 0, host);
		cpuid(0x80000001, 0, out);
		assert_int_equal(out[3], host[3]); /* none of AMD's copies of leaf 1 */
		assert_int_equal(out[3] >> 11 & 1, 1);
		recorded(0x80000002, 0, host);
		cpuid(0x80000002, 0, out);
		assert_memory_equal(out, host, sizeof(out));
		cpuid(0x80000007, 0, out);
		assert_int_equal(out[3], 0x100);
		assert_int_equal(level.policy.cr4_allowed & (1u << 13 | 1u << 17 | 1u << 22), 0); /* VMXE, PCIDE, PKE */
		assert_int_equal(level.policy.cr4_allowed >> 18 & 1, cases[i].xcr0 != 0);
		assert_int_equal(level.policy.efer_allowed, 0xd01);
	}
}

/* Sharing is the VM's, not the machine's. */
static void caches_are_shared_by_the_vms_own(void **state)
{
	(void)state;
	uint32_t out[4];
	request.level = GYRE_LEVEL_HOST;
	request.cpuid = recorded;
	processor = skylake_x;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	for (uint32_t i = 0; i < 4; i++) {
		cpuid(4, i, out);
		assert_int_equal(out[0] >> 14, 0);
		assert_true(out[0] & 0x1f);
	}
	cpuid(4, 4, out);
	assert_int_equal(out[0], 0);
	request.cpus = 6;
	assert_int_equal(level_make(&level, &request, missing, sizeof(missing)), 0);
	for (uint32_t i = 0; i < 4; i++) {
		cpuid(4, i, out);
		assert_int_equal(out[0] >> 26, 7);
		assert_int_equal(out[0] >> 14 & 0xfff, i == 3 ? 7 : 0);
	}
	cpuid(0x0b, 1, out);
	assert_int_equal(out[0], 3);
	assert_int_equal(out[1], 6);
	cpuid(1, 0, out);
	assert_int_equal(out[1] >> 16, 6);
	assert_int_equal(out[3] >> 28, 1);
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
		cmocka_unit_test_setup(portable_holds_on_intel, setup),
		cmocka_unit_test_setup(host_on_intel, setup),
		cmocka_unit_test_setup(caches_are_shared_by_the_vms_own, setup),
		cmocka_unit_test_setup(the_table_has_room_on_any_machine, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
