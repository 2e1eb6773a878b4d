/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/clock.h: machine time, the one time that all devices of a VM count by, and their timers.
 *
 * Machine time is counted in ticks of the guest's TSC as it would be if the guest never wrote it: host TSC + offset. It starts near 0 with
 * the VM and its rate is fixed for the VM's life, so device state that holds machine times stays valid where the VM is moved to.
 */
#ifndef MONITOR_MACHINE_CLOCK_H
#define MONITOR_MACHINE_CLOCK_H

#include <stdint.h>
#include "monitor/engine/engine.h"

/* From ticks of one rate to ticks of another: whole + fraction / 2^64 of them each. */
struct rate {
	uint64_t whole, fraction;
};

struct rate rate_make(uint64_t to_hz, uint64_t from_hz); /* both up to 2^47 */

static inline uint64_t rate_convert(struct rate rate, uint64_t ticks)
{
	return ticks * rate.whole + (uint64_t)((unsigned __int128)ticks * rate.fraction >> 64);
}

#define CLOCK_TIMERS 8
#define CLOCK_NEVER  UINT64_MAX

struct clock;
struct clock_timer {
	uint64_t deadline; /* machine time, CLOCK_NEVER: not armed */
	void (*fire)(void *device, uint64_t now);
	void *device;
};

struct clock {
	uint64_t offset; /* machine time = host TSC + offset */
	uint64_t khz;
	struct rate to_ns;
	uint64_t armed; /* what the engine's timer is set to, machine time */
	struct clock_timer *timer[CLOCK_TIMERS];
	unsigned timers;
};

void clock_init(struct clock *clock, uint64_t tsc_khz);

static inline uint64_t clock_now(const struct clock *clock)
{
	return engine_tsc() + clock->offset;
}

static inline uint64_t clock_ns(const struct clock *clock, uint64_t now)
{
	return rate_convert(clock->to_ns, now);
}

/* A device's timer, made once. */
void clock_timer_add(struct clock *clock, struct clock_timer *timer, void (*fire)(void *, uint64_t), void *device);
void clock_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline);
/* Fires what is due and arms the engine's timer for what comes next. */
void clock_run(struct clock *clock);

#endif
