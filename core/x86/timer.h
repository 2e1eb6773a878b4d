/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/timer.h: the clock of the core is the TSC; each processor has one deadline, kept by its local APIC.
 *
 * An interrupt on VECTOR_TIMER means "look at the clock": it can come early, since a far deadline is split. Its handler arms anew.
 */
#ifndef CORE_X86_TIMER_H
#define CORE_X86_TIMER_H

#include <stdint.h>

struct cpu;

extern uint32_t tsc_khz;	 /* measured, the same on every processor */
extern uint32_t lapic_timer_khz; /* of the local APIC's timer, undivided */

#ifdef GYRE_UNIT_TEST
extern uint64_t unit_tsc; /* a test's */
static inline uint64_t tsc_read(void)
{
	return unit_tsc;
}
#else
static inline uint64_t tsc_read(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}
#endif

/* Measures TSC and local APIC timer against HPET, PM timer or PIT. Panics when there is no second clock at all. */
void timer_calibrate(void);
void timer_init(struct cpu *cpu);
/* Plain: the rate to go by, of what was measured and what CPUID leaf 15h states. */
struct cpuid_result;
uint64_t tsc_choose(uint64_t measured, const struct cpuid_result *stated);

/* Fires at or soon after this TSC value, at once when it has passed; DEADLINE_NEVER: not at all. */
void timer_arm(struct cpu *cpu, uint64_t tsc_deadline);

/* Without overflow for any 64-bit argument; saturating. */
uint64_t tsc_from_ns(uint64_t ns);

/* a * b / c with a 128-bit product, which C would call a library for. The quotient must fit in 64 bits: it does not where a * b / 2^64 >= c, and the result is all ones then. */
static inline uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	uint64_t high = product >> 64, low = product, quotient;
	if (high >= c)
		return UINT64_MAX;
	__asm__("divq %3" : "=a"(quotient), "+d"(high) : "0"(low), "r"(c) : "cc");
	return quotient;
}

#endif
