/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/vlapic_fixture.h: four local APICs of a guest; the host is a clock that the test turns and a timer that it reads. For one test program's
 * only source.
 */
#ifndef TESTS_UNIT_VLAPIC_FIXTURE_H
#define TESTS_UNIT_VLAPIC_FIXTURE_H

#include <stdlib.h>
#include "core/virt/vlapic.h"

#define CPUS 4
#define KHZ  1000000u /* of TSC and timer: a tick of the one is a tick of the other */

struct machine {
	struct vlapic_bus bus;
	struct vlapic lapic[CPUS];
	uint32_t page[CPUS + 1][1024]; /* one more for a test's own */
};

static uint64_t clock_now, timer_at;
static struct vlapic *timer_of;
static unsigned notified;

void vlapic_notify(struct vlapic *lapic)
{
	(void)lapic;
	__atomic_fetch_add(&notified, 1, __ATOMIC_RELAXED);
}

void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc)
{
	timer_of = lapic;
	timer_at = host_tsc;
}

uint64_t vlapic_host_tsc(void)
{
	return clock_now;
}

static inline int set_up(void **state)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	clock_now = 1000000;
	timer_at = VLAPIC_TSC_NEVER;
	notified = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		vlapic_init(&machine->lapic[i], machine->page[i], &machine->bus, i, i == 0);
		machine->lapic[i].timer_khz = KHZ;
		machine->lapic[i].tsc_khz = KHZ;
		machine->bus.member[i] = &machine->lapic[i];
		vlapic_mmio_write(&machine->lapic[i], APIC_SVR, 0x1ff);
	}
	machine->bus.count = CPUS;
	*state = machine;
	return 0;
}

static inline int tear_down(void **state)
{
	free(*state);
	return 0;
}

static inline struct vlapic *first(void **state)
{
	return &((struct machine *)*state)->lapic[0];
}

/* What the processor does when it takes an interrupt. -1: none. */
static inline int take(struct vlapic *lapic)
{
	int vector = vlapic_deliverable(lapic);
	if (vector >= 0)
		vlapic_accept(lapic, (uint32_t)vector);
	return vector;
}

#endif
