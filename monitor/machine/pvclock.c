/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/pvclock.c: writes the clock's page (Linux, Documentation/virt/kvm/x86/msr.rst, is where the layout is public).
 *
 * The TSC is invariant and the same on all processors, so the page is written once and the flag "stable" says that it may be used anywhere. A reader
 * takes the version before and after: odd means that it is being written.
 */
#include "monitor/machine/machine.h"
#include "lib/string.h"

struct pvclock_page {
	uint32_t version, pad;
	uint64_t tsc, system_time; /* they belong together */
	uint32_t multiplier;	   /* nanoseconds = (ticks << shift) * multiplier >> 32 */
	int8_t shift;
	uint8_t flags, reserved[2];
};
_Static_assert(sizeof(struct pvclock_page) == 32, "the guest's view");
struct pvclock_wall {
	uint32_t version, seconds, nanoseconds;
};
#define FLAG_STABLE 0x1u

/* As one store each: the guest may look at any moment. */
static void store32(uint8_t *to, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)to, value, __ATOMIC_RELEASE);
}

/* 10^9 / rate as 0.32 fixed point with a shift, so that the multiplier has its top bit set. */
static void scale(uint64_t khz, uint32_t *multiplier, int8_t *shift)
{
	uint64_t hz = khz * 1000;
	int moved = 0;
	while (hz > 2000000000ull)
		hz >>= 1, moved--;
	while (hz <= 1000000000ull)
		hz <<= 1, moved++;
	/* Here 1e9 < hz <= 2e9. What the halving above cut off is less than 1 in 1e9. */
	*multiplier = (uint32_t)(rate_make(1000000000, hz).fraction >> 32);
	*shift = (int8_t)moved;
}

int pvclock_system(struct machine *machine, uint64_t value)
{
	if ((value & 1) && !memory_at(&machine->memory, value & ~3ull, sizeof(struct pvclock_page)))
		return -1;
	machine->cpu.pv_system = value;
	pvclock_update(machine);
	return 0;
}

void pvclock_update(struct machine *machine)
{
	uint64_t value = machine->cpu.pv_system;
	if (!(value & 1))
		return;
	uint8_t *page = memory_at(&machine->memory, value & ~3ull, sizeof(struct pvclock_page));
	if (!page)
		return;
	struct pvclock_page now = {.flags = FLAG_STABLE};
	/* The guest's own TSC at this moment, TSC_ADJUST included, and machine time that belongs to it. */
	uint64_t before = clock_now(&machine->clock);
	if (engine_state_get(&machine->vcpu, GYRE_STATE_MSRS) < 0)
		return;
	now.tsc = machine->vcpu.state->tsc;
	/* Without TSC_ADJUST the two are the same clock, and nothing need be estimated. */
	uint64_t machine_time = now.tsc - machine->vcpu.state->tsc_adjust;
	if (machine_time - before > machine->clock.khz * 1000)
		machine_time = before; /* the guest wrote its TSC itself */
	now.system_time = clock_ns(&machine->clock, machine_time);
	scale(machine->clock.khz, &now.multiplier, &now.shift);

	uint32_t version;
	memcpy(&version, page, 4); /* the guest's memory: any value is right, as long as it changes */
	version |= 1;
	store32(page, version);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(page + 8, (uint8_t *)&now + 8, sizeof now - 8);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	store32(page, version + 1);
}

int pvclock_wall(struct machine *machine, uint64_t value)
{
	uint8_t *page = memory_at(&machine->memory, value & ~3ull, sizeof(struct pvclock_wall));
	if (!page)
		return -1;
	/* The wall-clock time at which the system time was 0. */
	uint64_t now = engine_wall_clock(), since = clock_ns(&machine->clock, clock_now(&machine->clock));
	uint64_t start = now > since ? now - since : 0;
	uint32_t version;
	memcpy(&version, page, 4);
	version |= 1;
	struct pvclock_wall wall = {version, (uint32_t)(start / 1000000000), (uint32_t)(start % 1000000000)};
	store32(page, version);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(page + 4, (uint8_t *)&wall + 4, sizeof wall - 4);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	store32(page, version + 1);
	return 0;
}
