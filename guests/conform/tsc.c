/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/tsc.c: the time-stamp counter. SDM vol. 3, "Time-Stamp Counter". */
#include "guests/conform/conform.h"

#define TSC	   0x10
#define TSC_ADJUST 0x3b
#define TSC_AUX	   0xc0000103
#define CR4_TSD	   4

KERNEL(kernel_rdtsc, "rdtsc")
KERNEL(kernel_rdtscp, "rdtscp; mov %%ecx, %%eax")
USER(user_rdtsc, "rdtsc")
USER(user_rdtscp, "rdtscp")

static void counts(void)
{
	uint64_t last = tsc();
	bool rises = true;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = tsc();
		rises &= now > last;
		last = now;
	}
	check(rises, "it rises at each look");
	uint64_t old = rdmsr(TSC);
	check(old > last, "the MSR shows it");
	wrmsr(TSC, 1ull << 40);
	uint64_t now = tsc();
	check(now >= 1ull << 40 && now - (1ull << 40) < 100000000, "it counts on from what is written");
	wrmsr(TSC, old);
	now = tsc();
	check(now >= old && now - old < 100000000, "and so downwards");
}

static void adjusted(void)
{
	if (!has(7, 1, 1)) {
		skip("TSC_ADJUST: CPUID has it not");
		return;
	}
	uint64_t adjust = rdmsr(TSC_ADJUST), before = tsc();
	wrmsr(TSC_ADJUST, adjust + (1ull << 40));
	uint64_t now = tsc();
	check(now - before >= 1ull << 40 && now - before < (1ull << 40) + 100000000, "TSC_ADJUST: a change is added");
	wrmsr(TSC, tsc() - (1ull << 39));
	check(rdmsr(TSC_ADJUST) - adjust < (1ull << 39) + 100000000, "TSC_ADJUST: a write of the TSC shows in it");
	wrmsr(TSC_ADJUST, adjust);
	check(rdmsr(TSC_ADJUST) == adjust, "TSC_ADJUST: and is kept");
}

void time_stamps(void)
{
	uint64_t old = cr4();
	counts();
	adjusted();
	if (has(0x80000001, 3, 27)) {
		uint64_t aux = rdmsr(TSC_AUX);
		wrmsr(TSC_AUX, 0x12345678);
		attempt(kernel_rdtscp, 0);
		check(outcome.vector == NONE && outcome.value == 0x12345678, "RDTSCP gives TSC_AUX in ECX");
		wrmsr(TSC_AUX, 0xffffffff);
		attempt(kernel_rdtscp, 0);
		check(outcome.value == 0xffffffff, "all 32 bits of it");
		wrmsr(TSC_AUX, aux);
	}
	expect_user("RDTSC in ring 3 is fine", user_rdtsc, 0, NONE, -1);
	set_cr4(old | CR4_TSD);
	expect_user("RDTSC in ring 3 with CR4.TSD is #GP(0)", user_rdtsc, 0, GP, 0);
	if (has(0x80000001, 3, 27))
		expect_user("RDTSCP in ring 3 with CR4.TSD is #GP(0)", user_rdtscp, 0, GP, 0);
	expect("RDTSC in ring 0 with CR4.TSD is fine", kernel_rdtsc, 0, NONE, -1);
	set_cr4(old);
}
