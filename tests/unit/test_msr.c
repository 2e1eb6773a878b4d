/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_msr.c: which MSRs the core answers, what control registers may hold, and what CPUID says.
 */
/* unit-sources: tests/unit/virt_fixture.c tests/unit/virt_memory.c core/virt/msr.c core/virt/cpuid_table.c core/virt/hypercall.c core/virt/svm/vmcb.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c core/virt/fetch.c */
#include "tests/unit/virt_fixture.h"
#include "gyre/errors.h"

static struct vcpu *vcpu(void)
{
	return &virt->v.vcpu;
}

static uint64_t read_of(uint32_t index)
{
	uint64_t value = 0;
	assert_int_equal(msr_guest_read(vcpu(), index, &value), ANSWER_DONE);
	return value;
}

/* As an exit finds a slot. */
static const struct cpuid_slot *cpuid_table_find(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_slot *slot = cpuid_table_index(table, leaf);
	return slot != NULL ? slot : cpuid_table_search(table, leaf, subleaf);
}

static void what_is_not_listed_is_the_monitors(void **state)
{
	static const uint32_t own[] = {0x10, 0x1b, 0x3b, 0x48, 0x49, 0x6e0, 0xc0000103};
	uint64_t value;
	(void)state;
	for (uint64_t index = 0; index < 0x200000000ull;
		index += index < 0x3000 || (index >= 0xbffff000 && index < 0xc0003000) ? 1 : 0x1001) {
		bool mine = index >= 0x800 && index < 0x900;
		for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			mine |= (uint32_t)index == own[i];
		mine |= ((uint32_t)index & ~0xffu) == 0x800;
		assert_int_equal(msr_guest_read(vcpu(), (uint32_t)index, &value) != ANSWER_MONITOR, mine);
	}
}

static void registers_that_the_level_has_not_fault(void **state)
{
	static const uint32_t optional[] = {0x3b, 0x48, 0x49, 0x6e0, 0xc0000103};
	uint64_t value;
	(void)state;
	vcpu()->offers = (struct vcpu_offers){0};
	for (unsigned i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		assert_int_equal(msr_guest_read(vcpu(), optional[i], &value), ANSWER_FAULT);
		assert_int_equal(msr_guest_write(vcpu(), optional[i], 0), ANSWER_FAULT);
	}
	assert_int_equal(msr_guest_write(vcpu(), 0x1b, APIC_BASE_DEFAULT | 0xd00), ANSWER_FAULT); /* x2APIC */
}

static void values_are_checked(void **state)
{
	(void)state;
	assert_int_equal(msr_guest_write(vcpu(), 0xc0000103, 1ull << 32), ANSWER_FAULT);
	assert_int_equal(msr_guest_write(vcpu(), 0xc0000103, 0xffffffff), ANSWER_DONE);
	assert_int_equal(read_of(0xc0000103), 0xffffffff);
	assert_int_equal(msr_guest_write(vcpu(), 0x48, 8), ANSWER_FAULT);
	assert_int_equal(msr_guest_write(vcpu(), 0x48, 7), ANSWER_DONE);
	assert_int_equal(msr_guest_write(vcpu(), 0x49, 2), ANSWER_FAULT);
	assert_int_equal(msr_guest_write(vcpu(), 0x49, 1), ANSWER_DONE);
}

static void tsc_and_its_adjustment_are_one_clock(void **state)
{
	(void)state;
	virt->now = 5000;
	assert_int_equal(msr_guest_write(vcpu(), 0x10, 100), ANSWER_TSC);
	assert_int_equal(read_of(0x10), 100);
	assert_true(read_of(0x3b) == (uint64_t)-4900);
	virt->now += 50;
	assert_int_equal(read_of(0x10), 150);
	assert_int_equal(msr_guest_write(vcpu(), 0x3b, 0), ANSWER_TSC);
	assert_int_equal(read_of(0x10), 5050);
	assert_int_equal(vcpu()->lapic.tsc_offset, vcpu()->tsc_offset); /* the timer's idea of it is the same */
	vlapic_mmio_write(&vcpu()->lapic, APIC_LVT_TIMER, 0x40040);
	assert_int_equal(msr_guest_write(vcpu(), 0x6e0, 6000), ANSWER_DONE);
	assert_int_equal(virt->timer_at, 6000);
	assert_int_equal(msr_guest_write(vcpu(), 0x10, 5550), ANSWER_TSC);
	assert_int_equal(virt->timer_at, 5500);
}

/* ---- control registers ---- */
static bool valid(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	struct gyre_vcpu_state state = {.cr0 = cr0, .cr3 = cr3, .cr4 = cr4, .efer = efer};
	return state_valid(&vcpu()->policy, &state, GYRE_STATE_CONTROL);
}

/* Of a whole state: what no guest could have reached. */
static void control_rules(void **state)
{
	(void)state;
	assert_true(valid(0x10, 0, 0, 0));
	assert_true(valid(0x11, 0, 0, 0x100));
	assert_true(valid(0x80000011, 0x1000, 0x20, 0xd00));
	assert_false(valid(0x80000010, 0, 0, 0));	      /* PG without PE */
	assert_false(valid(0x20000011, 0, 0, 0));	      /* NW without CD */
	assert_false(valid(0x100000011, 0, 0, 0));	      /* upper half */
	assert_false(valid(0x80000011, 0x1000, 0, 0xd00));    /* long mode without PAE */
	assert_false(valid(0x80000011, 0x1000, 0x20, 0x900)); /* LMA does not follow */
	assert_false(valid(0x11, 0, 0x20, 0xd00));
	assert_false(valid(0x80000011, 0x1000, 0x20020, 0)); /* PCIDE outside long mode */
	assert_false(valid(0x11, 1ull << 40, 0, 0));
	for (unsigned bit = 0; bit < 64; bit++) {
		bool legal = (vcpu()->policy.cr4_allowed >> bit & 1) != 0 || bit == 5;
		assert_int_equal(valid(0x80000011, 0x1000, 0x20 | 1ull << bit, 0xd00), legal);
		legal = ((vcpu()->policy.efer_allowed >> bit & 1) != 0 || bit == 8) && bit != 10;
		assert_int_equal(valid(0x11, 0, 0, 1ull << bit), legal);
	}
}

static void pat_and_xcr0(void **state)
{
	(void)state;
	assert_true(pat_valid(0x0007040600070406));
	for (unsigned type = 0; type < 256; type++)
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(
				pat_valid((uint64_t)type << 8 * i), type == 0 || type == 1 || (type >= 4 && type <= 7));
	for (uint64_t xcr0 = 0; xcr0 < 0x400; xcr0++) {
		bool legal = (xcr0 & 1) != 0 && ((xcr0 & 4) == 0 || (xcr0 & 2) != 0) &&
			     ((xcr0 & 0x18) == 0 || (xcr0 & 0x18) == 0x18) &&
			     ((xcr0 & 0xe0) == 0 || ((xcr0 & 0xe0) == 0xe0 && (xcr0 & 4) != 0)) &&
			     (xcr0 & ~0x2ffull) == 0;
		assert_int_equal(xcr0_valid(xcr0, 0x2ff), legal);
		assert_int_equal(xcr0_valid(xcr0, 7), legal && (xcr0 & ~7ull) == 0);
	}
}

/* ---- CPUID ---- */
static void cpuid_finds_leaves_and_subleaves(void **state)
{
	static const struct gyre_cpuid_entry entries[] = {
		{.leaf = 0, .eax = 0xd},
		{.leaf = 1, .flags = GYRE_CPUID_APIC_ID | GYRE_CPUID_OSXSAVE, .ebx = 0xff000800, .ecx = 1u << 27 | 1},
		{.leaf = 4, .subleaf = 0, .flags = GYRE_CPUID_SUBLEAF, .eax = 40},
		{.leaf = 4, .subleaf = 1, .flags = GYRE_CPUID_SUBLEAF, .eax = 41},
		{.leaf = 4, .subleaf = 3, .flags = GYRE_CPUID_SUBLEAF, .eax = 43},
		{.leaf = 0xb, .subleaf = 0, .flags = GYRE_CPUID_SUBLEAF | GYRE_CPUID_APIC_ID, .eax = 1},
		{.leaf = 0xd, .subleaf = 0, .flags = GYRE_CPUID_SUBLEAF | GYRE_CPUID_XCR0, .eax = 3},
		{.leaf = 0x20, .eax = 0x2020},
		{.leaf = 0x40000000, .eax = 0x40000001},
		{.leaf = 0x40000100, .eax = 0x4100},
		{.leaf = 0x80000000, .eax = 0x80000001},
		{.leaf = 0x80000001, .edx = 5},
		{.leaf = 0xffffffff, .eax = 99},
	};
	struct cpuid_table *table = vcpu()->cpuid;
	(void)state;
	assert_int_equal(cpuid_table_set(table, entries, sizeof(entries) / sizeof(entries[0]), 0x42), 0);
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		uint32_t subleaf = (entries[i].flags & GYRE_CPUID_SUBLEAF) != 0 ? entries[i].subleaf : 0x1234;
		assert_int_equal(cpuid_table_find(table, entries[i].leaf, subleaf)->eax, entries[i].eax);
	}
	assert_int_equal(cpuid_table_find(table, 1, 0)->ebx, 0x42000800);
	assert_int_equal(cpuid_table_find(table, 0xb, 0)->edx, 0x42);
	static const uint32_t missing[] = {
		2, 3, 0x1f, 0x21, 0x3fffffff, 0x40000001, 0x400000ff, 0x80000002, 0x8fffffff, 0xc0000000};
	for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		const struct cpuid_slot *slot = cpuid_table_find(table, missing[i], 0);
		assert_int_equal(slot->eax | slot->ebx | slot->ecx | slot->edx, 0);
	}
	assert_int_equal(cpuid_table_find(table, 4, 2)->eax, 0);
	assert_int_equal(cpuid_table_find(table, 4, 4)->eax, 0);
	/* What follows control registers. */
	cpuid_table_cr4(table, 0);
	assert_int_equal(cpuid_table_find(table, 1, 0)->ecx, 1);
	cpuid_table_cr4(table, CR4_OSXSAVE);
	assert_int_equal(cpuid_table_find(table, 1, 0)->ecx, 1u << 27 | 1);
	cpuid_table_xcr0(table, 832);
	assert_int_equal(cpuid_table_find(table, 0xd, 0)->ebx, 832);
}

static void unsorted_tables_are_refused(void **state)
{
	struct gyre_cpuid_entry entries[GYRE_CPUID_ENTRIES] = {0};
	(void)state;
	for (unsigned i = 0; i < GYRE_CPUID_ENTRIES; i++)
		entries[i].leaf = i;
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, GYRE_CPUID_ENTRIES, 0), 0);
	for (unsigned i = 0; i < GYRE_CPUID_ENTRIES; i++)
		assert_int_equal(cpuid_table_find(vcpu()->cpuid, i, 0)->leaf, i);
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, GYRE_CPUID_ENTRIES + 1, 0), -GYRE_EINVAL);
	entries[5].leaf = 3;
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, 10, 0), -GYRE_EINVAL);
	entries[5].leaf = 4; /* twice, and not by subleaves */
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, 10, 0), -GYRE_EINVAL);
	entries[5].flags = entries[4].flags = GYRE_CPUID_SUBLEAF;
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, 10, 0), -GYRE_EINVAL);
	entries[5].subleaf = 1;
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, 10, 0), 0);
	assert_int_equal(cpuid_table_set(vcpu()->cpuid, entries, 0, 0), 0);
	assert_int_equal(cpuid_table_find(vcpu()->cpuid, 1, 0)->eax, 0);
}

/* ---- hypercalls ---- */
static void hypercalls_of_the_closed_table(void **state)
{
	uint64_t *gpr = vcpu()->page->gpr;
	struct hypercall_answer answer = hypercall(vcpu(), 1, true, 0);
	(void)state;
	assert_int_equal(answer.next, VCPU_MONITOR); /* not by this policy */
	vcpu()->policy.flags = GYRE_POLICY_KVM_HYPERCALLS;
	answer = hypercall(vcpu(), 1, true, 0);
	assert_true(answer.next == VCPU_AGAIN && answer.rax == 0);
	answer = hypercall(vcpu(), 1, true, 3);
	assert_true(answer.next == VCPU_AGAIN && answer.rax == (uint64_t)-1);
	answer = hypercall(vcpu(), 0xff00000001, false, 3);
	assert_true(answer.rax == 0xffffffff);
	answer = hypercall(vcpu(), 11, true, 0);
	assert_int_equal(answer.next, VCPU_YIELD);
	answer = hypercall(vcpu(), 9, true, 0);
	assert_true(answer.next == VCPU_MONITOR && answer.rax == 9);
	/* IPIs by a bitmap of ids. */
	gpr[GYRE_RBX] = 3;
	gpr[GYRE_RCX] = 0;
	gpr[GYRE_RDX] = 0;
	gpr[GYRE_RSI] = 0x40;
	answer = hypercall(vcpu(), 10, true, 0);
	assert_int_equal(answer.rax, 1);
	assert_int_equal(vlapic_deliverable(&vcpu()->lapic), 0x40);
	gpr[GYRE_RSI] = 5; /* an illegal vector */
	answer = hypercall(vcpu(), 10, true, 0);
	assert_true(answer.rax == (uint64_t)-22);
	gpr[GYRE_RSI] = 0x500; /* INIT by this way: no */
	answer = hypercall(vcpu(), 10, true, 0);
	assert_true(answer.rax == (uint64_t)-22);
	gpr[GYRE_RDX] = UINT64_MAX;
	gpr[GYRE_RSI] = 0x40;
	answer = hypercall(vcpu(), 10, true, 0);
	assert_int_equal(answer.rax, 0);
	gpr[GYRE_RCX] = 0;
	answer = hypercall(vcpu(), 5, true, 0);
	assert_true(answer.rax == 0 && vcpu()->pv_kicked && virt->wakes != 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, virt_set_up, virt_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_listed_is_the_monitors),
		TEST(registers_that_the_level_has_not_fault),
		TEST(values_are_checked),
		TEST(tsc_and_its_adjustment_are_one_clock),
		TEST(control_rules),
		TEST(pat_and_xcr0),
		TEST(cpuid_finds_leaves_and_subleaves),
		TEST(unsorted_tables_are_refused),
		TEST(hypercalls_of_the_closed_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
