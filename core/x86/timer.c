/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/timer.c: see timer.h. HPET (IA-PC HPET specification), ACPI PM timer (ACPI, "Power Management Timer"), PIT (Intel 8254 data sheet).
 */
#include "core/x86/timer.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/io.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/paging.h"

#define LVT_TSC_DEADLINE 0x40000
#define DIVIDE_BY_1	 0xb
#define MEASURE_MS	 25
#define SAMPLES		 5
#define STUCK_TICKS	 (1ull << 33) /* some seconds at any rate: a clock that has not come that far has stopped */
#define STATED_WITHIN	 1000	      /* a stated rate is taken if it is right to one in so many */
#define NS_PER_SECOND	 1000000000ull

#define HPET_PERIOD	0x004 /* femtoseconds */
#define HPET_CONFIG	0x010
#define HPET_ENABLE	0x1
#define HPET_COUNTER	0x0f0
#define HPET_PERIOD_MAX 100000000u
#define FEMTOSECONDS	1000000000000000ull

#define PM_TIMER_HZ 3579545

#define PIT_HZ	     1193182
#define PIT_COUNT2   0x42
#define PIT_CONTROL  0x43
#define PIT_MODE     0xb0 /* channel 2, both bytes, mode 0: counts down once, then on through 0 */
#define PIT_LATCH    0x80
#define PORT_GATE    0x61
#define GATE_COUNT   0x01
#define GATE_SPEAKER 0x02

SEALED uint32_t tsc_khz;
SEALED uint32_t lapic_timer_khz;
SEALED static uint64_t tsc_hz, lapic_hz;
SEALED static uint64_t lapic_per_tsc, tsc_per_ns; /* fixed point, 32 bits of fraction */
SEALED static bool deadline_mode;

/* ---- the clocks of known rate against which the TSC is measured, best first ---- */

enum clock { CLOCK_HPET, CLOCK_PM_TIMER, CLOCK_PIT, CLOCKS };
static const char *const clock_names[] = {"HPET", "PM timer", "PIT"};
static const uint64_t clock_masks[] = {0xffffffff, 0xffffff, 0xffff};
static volatile uint8_t *hpet;

/* Its rate; 0: it is not here. */
static uint64_t clock_start(enum clock clock)
{
	uint32_t period;
	switch (clock) {
	case CLOCK_HPET:
		if (acpi_info.hpet == 0 || (hpet = mmio_map(hpa(acpi_info.hpet), PAGE_SIZE, MEMORY_UNCACHED)) == NULL)
			return 0;
		period = mmio_read32(hpet + HPET_PERIOD);
		mmio_write32(hpet + HPET_CONFIG, mmio_read32(hpet + HPET_CONFIG) | HPET_ENABLE);
		return period == 0 || period > HPET_PERIOD_MAX ? 0 : FEMTOSECONDS / period;
	case CLOCK_PM_TIMER: return acpi_info.pm_timer != 0 ? PM_TIMER_HZ : 0;
	default:
		io_write8(PORT_GATE, (io_read8(PORT_GATE) & ~GATE_SPEAKER) | GATE_COUNT);
		io_write8(PIT_CONTROL, PIT_MODE);
		io_write8(PIT_COUNT2, 0xff);
		io_write8(PIT_COUNT2, 0xff);
		return PIT_HZ;
	}
}

/* Counts up, modulo its mask + 1. */
static uint64_t clock_read(enum clock clock)
{
	if (clock == CLOCK_HPET)
		return mmio_read32(hpet + HPET_COUNTER);
	if (clock == CLOCK_PM_TIMER)
		return io_read32(acpi_info.pm_timer);
	io_write8(PIT_CONTROL, PIT_LATCH);
	uint32_t low = io_read8(PIT_COUNT2);
	return ~(low | (uint32_t)io_read8(PIT_COUNT2) << 8);
}

/* ---- measuring ---- */

struct sample {
	uint64_t tsc, lapic, clock;
};

/* All three at once, as nearly as several tries get: what comes between the readings (an SMI, another virtual machine) makes them worthless. */
static struct sample sample_take(enum clock clock)
{
	struct sample best = {0, 0, 0};
	uint64_t best_width = UINT64_MAX;
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t before = tsc_read();
		uint64_t count = clock_read(clock);
		uint64_t lapic = lapic_read(APIC_TIMER_CURRENT);
		uint64_t width = tsc_read() - before;
		if (width < best_width) {
			best_width = width;
			best = (struct sample){before + width / 2, lapic, count};
		}
	}
	return best;
}

/* False: the clock does not run. */
static bool measure(enum clock clock, uint64_t hz)
{
	uint64_t wanted = hz * MEASURE_MS / 1000;
	lapic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
	lapic_write(APIC_TIMER_INITIAL, UINT32_MAX);
	struct sample start = sample_take(clock);
	while (((clock_read(clock) - start.clock) & clock_masks[clock]) < wanted) {
		if (tsc_read() - start.tsc > STUCK_TICKS)
			return false;
		cpu_pause();
	}
	struct sample end = sample_take(clock);
	lapic_write(APIC_TIMER_INITIAL, 0);
	uint64_t elapsed = (end.clock - start.clock) & clock_masks[clock];
	tsc_hz = muldiv(end.tsc - start.tsc, hz, elapsed);
	lapic_hz = muldiv(start.lapic - end.lapic, hz, elapsed);
	return tsc_hz >= 1000000;
}

/*
 * CPUID's statement is exact where it is true. Emulators, and processors whose crystal is another or is spread in frequency, run at another rate than
 * they state, and a measurement is good to one in some ten thousand.
 */
uint64_t tsc_choose(uint64_t measured, const struct cpuid_result *stated)
{
	if (stated->eax == 0 || stated->ebx == 0 || stated->ecx == 0)
		return measured;
	uint64_t hz = (uint64_t)stated->ecx * stated->ebx / stated->eax; /* crystal * numerator / denominator */
	if ((hz > measured ? hz - measured : measured - hz) <= measured / STATED_WITHIN)
		return hz;
	log_warn("CPUID states a TSC of %lu kHz, and it runs at %lu kHz: the measurement is believed", hz / 1000,
		measured / 1000);
	return measured;
}

void timer_calibrate(void)
{
	enum clock clock = 0;
	for (uint64_t hz; clock < CLOCKS; clock++)
		if ((hz = clock_start(clock)) != 0 && measure(clock, hz))
			break;
	if (clock == CLOCKS)
		panic("no clock to measure time by: neither HPET nor PM timer nor PIT runs");
	tsc_hz = tsc_choose(tsc_hz, &cpu_features.tsc_stated);
	tsc_khz = (tsc_hz + 500) / 1000;
	tsc_per_ns = muldiv(tsc_hz, 1ull << 32, NS_PER_SECOND);
	lapic_per_tsc = muldiv(lapic_hz, 1ull << 32, tsc_hz);
	lapic_timer_khz = (lapic_hz + 500) / 1000;
	deadline_mode = cpu_features.tsc_deadline;
	if (!deadline_mode && lapic_per_tsc == 0)
		panic("the local APIC's timer does not run");
	log_info("TSC %u.%03u MHz by %s%s; timer: %s", tsc_khz / 1000, tsc_khz % 1000, clock_names[clock],
		cpu_features.tsc_invariant ? "" : ", not announced as invariant",
		deadline_mode ? "TSC deadline" : "one-shot");
}

/* ---- the timer of a processor ---- */

void timer_init(struct cpu *cpu)
{
	lapic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(APIC_LVT_TIMER, VECTOR_TIMER | (deadline_mode ? LVT_TSC_DEADLINE : 0));
	/* The mode must be in effect before the first deadline is written. SDM vol. 3, "TSC-Deadline Mode". */
	__asm__ volatile("mfence" : : : "memory");
	timer_arm(cpu, DEADLINE_NEVER);
}

void timer_arm(struct cpu *cpu, uint64_t tsc_deadline)
{
	cpu->timer_deadline = tsc_deadline;
	if (deadline_mode) {
		/* 0 disarms; a deadline that has passed fires at once. */
		msr_write(MSR_TSC_DEADLINE, tsc_deadline == DEADLINE_NEVER ? 0 : tsc_deadline == 0 ? 1 : tsc_deadline);
		return;
	}
	uint64_t count = 0;
	if (tsc_deadline != DEADLINE_NEVER) {
		uint64_t now = tsc_read(), left = tsc_deadline > now ? tsc_deadline - now : 0;
		unsigned __int128 scaled = (unsigned __int128)left * lapic_per_tsc >> 32;
		/* Rounded up: not too early, and never 0, which would disarm. */
		count = scaled >= UINT32_MAX ? UINT32_MAX : (uint64_t)scaled + 1;
	}
	lapic_write(APIC_TIMER_INITIAL, count);
}

uint64_t tsc_from_ns(uint64_t ns)
{
	unsigned __int128 scaled = (unsigned __int128)ns * tsc_per_ns >> 32;
	return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}
