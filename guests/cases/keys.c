/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/cases/keys.c: A11: registers of protection keys and of bounds, whose state could stay in the processor for others, or stand between the core and a
 * monitor's memory (XSA-220). No level offers them, whatever the processor has: so nothing turns them on, and nothing reaches them. SDM vol. 3,
 * "Protection Keys" and "Feature Enumeration"; vol. 1, "Managing State Using the XSAVE Feature Set".
 */
#include "guests/cases/cases.h"

#define GP (1 + 13)
#define UD (1 + 6)

#define CR4_PKE	    (1ull << 22)
#define CR4_PKS	    (1ull << 24)
#define CR4_OSXSAVE (1ull << 18)
#define XCR0_BOUNDS 0x18u /* BNDREGS, BNDCSR */
#define XCR0_KEYS   0x200u

static void cr4_set(uint64_t bits)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(CR4_HOME | bits));
}
static void key_rights_read(uint64_t unused)
{
	uint32_t low, high;
	(void)unused;
	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(low), "=d"(high) : "c"(0)); /* RDPKRU */
}
static void key_rights_write(uint64_t rights)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"((uint32_t)rights), "c"(0), "d"(0)); /* WRPKRU */
}
static void xcr0_set(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(CR4_HOME | CR4_OSXSAVE));
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"(0), "c"(0));
}
static void msr_read(uint64_t index)
{
	rdmsr((uint32_t)index);
}
static void msr_write(uint64_t index)
{
	wrmsr((uint32_t)index, 0);
}

static void leaf(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	__asm__ volatile("cpuid" : "+a"(*a), "=b"(*b), "+c"(*c), "=d"(*d));
}

/* With what XSAVE needs; one half of the bounds' state alone, too. #UD: there is no XSAVE at all. */
static void states_stay_off(void)
{
	static const uint32_t states[] = {XCR0_KEYS, XCR0_BOUNDS, 8, 16, XCR0_KEYS | XCR0_BOUNDS};
	for (unsigned i = 0; i < COUNT(states); i++)
		for (uint32_t with = 1; with < 8; with += 2) {
			const uint32_t outcome = attempt(xcr0_set, states[i] | with);
			MUST(outcome == GP || outcome == UD);
		}
}

void protection_keys_and_bounds(bool sets_what_it_likes)
{
	static const uint32_t msrs[] = {0x6e1, 0xd90}; /* IA32_PKRS, IA32_BNDCFGS */
	uint32_t a = 7, b, c = 0, d;
	leaf(&a, &b, &c, &d);
	MUST((c & (1u << 3 | 1u << 4 | 1u << 31)) == 0 && (b & 1u << 14) == 0);
	a = 0xd, c = 0;
	leaf(&a, &b, &c, &d);
	MUST((a & (XCR0_BOUNDS | XCR0_KEYS)) == 0);
	MUST(attempt(cr4_set, CR4_PKE) == GP);
	MUST(attempt(cr4_set, CR4_PKS) == GP);
	MUST(attempt(key_rights_read, 0) == UD);
	MUST(attempt(key_rights_write, 0xffffffff) == UD);
	for (unsigned i = 0; i < COUNT(msrs); i++) {
		MUST(attempt(msr_read, msrs[i]) == GP);
		MUST(attempt(msr_write, msrs[i]) == GP);
	}
	if (!sets_what_it_likes)
		states_stay_off();
	/* Whoever comes next finds his memory. */
	in8(0xe0);
	mmio_read(HOLE);
}
