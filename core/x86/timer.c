/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/timer.c: see timer.h.
 */
#include "core/x86/timer.h"
#include "core/x86/clock.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/muldiv.h"

#define LVT_MASKED	 0x10000
#define LVT_TSC_DEADLINE 0x40000
#define DIVIDE_BY_1	 0xb
#define MEASURE_MS	 25
#define SAMPLES		 5
#define STUCK_TICKS	 (1ull << 33) /* some seconds at any rate: a clock that has not come that far has stopped */
#define STATED_WITHIN	 1000	      /* a stated rate is taken if it is right to one in so many */
#define NS_PER_SECOND	 1000000000ull

uint32_t tsc_khz;
uint32_t lapic_timer_khz;
static uint64_t tsc_hz, lapic_hz;
static uint64_t lapic_per_tsc, tsc_per_ns; /* fixed point, 32 bits of fraction */
static bool deadline_mode;

struct sample {
	uint64_t tsc, lapic, clock;
};

/* All three at once, as nearly as several tries get: what comes between the readings (an SMI, another virtual machine) makes them worthless. */
static struct sample sample_take(const struct clock *clock)
{
	struct sample best = {0, 0, 0};
	uint64_t best_width = UINT64_MAX;
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t before = tsc_read();
		uint64_t count = clock->read();
		uint64_t lapic = lapic_read(LAPIC_TIMER_CURRENT);
		uint64_t width = tsc_read() - before;
		if (width < best_width) {
			best_width = width;
			best = (struct sample){before + width / 2, lapic, count};
		}
	}
	return best;
}

/* False: the clock does not run. */
static bool measure(const struct clock *clock)
{
	uint64_t wanted = clock->hz * MEASURE_MS / 1000;
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	struct sample start = sample_take(clock);
	while (((clock->read() - start.clock) & clock->mask) < wanted) {
		if (tsc_read() - start.tsc > STUCK_TICKS)
			return false;
		cpu_pause();
	}
	struct sample end = sample_take(clock);
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	uint64_t elapsed = (end.clock - start.clock) & clock->mask;
	tsc_hz = muldiv(end.tsc - start.tsc, clock->hz, elapsed);
	lapic_hz = muldiv(start.lapic - end.lapic, clock->hz, elapsed);
	return tsc_hz >= 1000000;
}

/* The processor's own statement is exact where it is true; on emulators it is not. */
static const char *trust_stated(void)
{
	uint64_t stated = cpu_features.tsc_khz_stated * 1000ull;
	uint64_t apart = stated > tsc_hz ? stated - tsc_hz : tsc_hz - stated;
	if (stated == 0)
		return "";
	if (apart > tsc_hz / STATED_WITHIN)
		return ", not as CPUID states";
	tsc_hz = stated;
	return ", as CPUID states";
}

void timer_calibrate(void)
{
	struct clock *clock = NULL;
	for (unsigned i = 0; i < CLOCK_COUNT && clock == NULL; i++)
		if (clocks[i].start(&clocks[i]) && measure(&clocks[i]))
			clock = &clocks[i];
	if (clock == NULL)
		panic("no clock to measure time by: neither HPET nor PM timer nor PIT runs");
	const char *stated = trust_stated();
	tsc_khz = (tsc_hz + 500) / 1000;
	tsc_per_ns = muldiv(tsc_hz, 1ull << 32, NS_PER_SECOND);
	lapic_per_tsc = muldiv(lapic_hz, 1ull << 32, tsc_hz);
	lapic_timer_khz = (lapic_hz + 500) / 1000;
	deadline_mode = cpu_features.tsc_deadline;
	if (!deadline_mode && lapic_per_tsc == 0)
		panic("the local APIC's timer does not run");
	log_info("TSC %u.%03u MHz by %s%s%s; timer: %s", tsc_khz / 1000, tsc_khz % 1000, clock->name, stated,
		cpu_features.tsc_invariant ? "" : ", not announced as invariant",
		deadline_mode ? "TSC deadline" : "one-shot");
}

void timer_init(struct cpu *cpu)
{
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (deadline_mode ? LVT_TSC_DEADLINE : 0));
	/* The mode must be in effect before the first deadline is written. SDM vol. 3, "TSC-Deadline Mode". */
	__asm__ volatile("mfence" : : : "memory");
	timer_arm(cpu, TIMER_NEVER);
}

void timer_arm(struct cpu *cpu, uint64_t tsc_deadline)
{
	cpu->timer_deadline = tsc_deadline;
	if (deadline_mode) {
		/* 0 disarms; a deadline that has passed fires at once. */
		msr_write(MSR_TSC_DEADLINE, tsc_deadline == TIMER_NEVER ? 0 : tsc_deadline == 0 ? 1 : tsc_deadline);
		return;
	}
	uint64_t count = 0;
	if (tsc_deadline != TIMER_NEVER) {
		uint64_t now = tsc_read(), left = tsc_deadline > now ? tsc_deadline - now : 0;
		unsigned __int128 scaled = (unsigned __int128)left * lapic_per_tsc >> 32;
		/* Rounded up: not too early, and never 0, which would disarm. */
		count = scaled >= UINT32_MAX ? UINT32_MAX : (uint64_t)scaled + 1;
	}
	lapic_write(LAPIC_TIMER_INITIAL, count);
}

uint64_t tsc_from_ns(uint64_t ns)
{
	unsigned __int128 scaled = (unsigned __int128)ns * tsc_per_ns >> 32;
	return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}
