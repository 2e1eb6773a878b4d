/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/xsave.c: XSAVE, XRSTOR, XGETBV, XSETBV, where the level has them (host). SDM vol. 1, "Managing State Using the XSAVE Feature Set". */
#include "guests/conform/conform.h"

#define CR4_OSXSAVE (1ull << 18)

static uint8_t area[4096] __attribute__((aligned(64)));

KERNEL(xgetbv, "mov %%edi, %%ecx; xgetbv; shl $32, %%rdx; or %%rdx, %%rax")
KERNEL(xsetbv, "xor %%ecx, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx; xsetbv")
KERNEL(xsetbv_1, "mov $1, %%ecx; mov %%edi, %%eax; xor %%edx, %%edx; xsetbv")
KERNEL(xsave, "mov $7, %%eax; xor %%edx, %%edx; xsave (%%rdi)")
KERNEL(xrstor, "mov $7, %%eax; xor %%edx, %%edx; xrstor (%%rdi)")
KERNEL(avx, ".byte 0xc5, 0xfc, 0x57, 0xc0") /* vxorps ymm0, ymm0, ymm0 */
USER(user_xsetbv, "xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx; xsetbv")
USER(user_xgetbv, "xor %%ecx, %%ecx; xgetbv")

static uint32_t leaf(uint32_t subleaf, unsigned reg)
{
	uint32_t out[4];
	cpuid(0x0d, subleaf, out);
	return out[reg];
}

static void rules(uint64_t all)
{
	expect("XCR0: without x87 is #GP(0)", xsetbv, 0, GP, 0);
	expect("XCR0: AVX without SSE is #GP(0)", xsetbv, 5, GP, 0);
	expect("XCR0: a state that CPUID has not is #GP(0)", xsetbv, all | 1ull << 62, GP, 0);
	expect("XCR0: a reserved bit is #GP(0)", xsetbv, all | 1ull << 10, GP, 0);
	expect("XCR1 cannot be written", xsetbv_1, 1, GP, 0);
	expect("XGETBV of what is not there is #GP(0)", xgetbv, 5, GP, 0);
	expect_user("XSETBV in ring 3 is #GP(0)", user_xsetbv, 0, GP, 0);
	expect_user("XGETBV in ring 3 is fine", user_xgetbv, 0, NONE, -1);
	expect("XCR0: all that CPUID has is fine", xsetbv, all, NONE, -1);
	attempt(xgetbv, 0);
	check(outcome.value == all, "and XGETBV shows it");
	check(leaf(0, 1) >= 576 && leaf(0, 1) <= leaf(0, 2), "CPUID: the size that is in use is not above the most");
	uint32_t full = leaf(0, 1);
	attempt(xsetbv, 1);
	check(leaf(0, 1) == 576 && full >= 576, "CPUID: it follows XCR0");
	attempt(xsetbv, all);
}

static void memory(uint64_t all)
{
	expect("XSAVE", xsave, (uint64_t)area, NONE, -1);
	expect("XSAVE of an address that is not aligned is #GP(0)", xsave, (uint64_t)area + 16, GP, 0);
	expect("XRSTOR", xrstor, (uint64_t)area, NONE, -1);
	*(uint64_t *)(area + 512) |= 1ull << 62;
	expect("XRSTOR of a state that XCR0 has not is #GP(0)", xrstor, (uint64_t)area, GP, 0);
	*(uint64_t *)(area + 512) &= all;
	*(uint64_t *)(area + 520) = 1;
	expect("XRSTOR of a header with reserved bits is #GP(0)", xrstor, (uint64_t)area, GP, 0);
	*(uint64_t *)(area + 520) = 0;
	*(uint32_t *)(area + 24) = 0xffff0000;
	*(uint64_t *)(area + 512) |= 2;
	if (lenient)
		skip("XRSTOR of a reserved bit of MXCSR: this processor takes it");
	else
		expect("XRSTOR of a reserved bit of MXCSR is #GP(0)", xrstor, (uint64_t)area, GP, 0);
	uint64_t old = cr0();
	set_cr0(old | 8);
	expect("XSAVE with CR0.TS is #NM", xsave, (uint64_t)area, NM, -1);
	set_cr0(old);
	if (!(all & 4)) {
		skip("AVX: CPUID has it not");
		return;
	}
	expect("AVX with XCR0.AVX is fine", avx, 0, NONE, -1);
	attempt(xsetbv, 3);
	expect("AVX without XCR0.AVX is #UD", avx, 0, UD, -1);
	attempt(xsetbv, all);
}

void extended_state(void)
{
	uint64_t old = cr4();
	expect("XGETBV without CR4.OSXSAVE is #UD", xgetbv, 0, UD, -1);
	expect("XSETBV without CR4.OSXSAVE is #UD", xsetbv, 1, UD, -1);
	if (!has(1, 2, 26)) {
		expect("XSAVE without CR4.OSXSAVE is #UD", xsave, (uint64_t)area, UD, -1);
		skip("XSAVE: CPUID has it not");
		return;
	}
	check(!has(1, 2, 27), "CPUID: OSXSAVE is clear without CR4.OSXSAVE");
	uint64_t old0 = cr0();
	set_cr0((old0 & ~12ull) | 0x22);
	set_cr4(old | CR4_OSXSAVE | 0x600);
	check(has(1, 2, 27), "CPUID: OSXSAVE is set with it");
	uint64_t all = leaf(0, 0) | (uint64_t)leaf(0, 3) << 32;
	rules(all);
	memory(all);
	attempt(xsetbv, 1);
	set_cr4(old);
	set_cr0(old0);
}
