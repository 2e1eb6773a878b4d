/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/clock.c: rates without 128-bit division, and the devices' timers on the engine's one.
 */
#include "monitor/machine/clock.h"

struct rate rate_make(uint64_t to_hz, uint64_t from_hz)
{
	struct rate rate = {to_hz / from_hz, 0};
	uint64_t rest = to_hz % from_hz;
	/* Long division, 16 bits at a time: rest < from_hz < 2^47 leaves room for them. */
	for (int i = 0; i < 4; i++) {
		rest <<= 16;
		rate.fraction = rate.fraction << 16 | rest / from_hz;
		rest %= from_hz;
	}
	return rate;
}

void clock_init(struct clock *clock, uint64_t tsc_khz)
{
	clock->khz = tsc_khz;
	clock->to_ns = rate_make(1000000000, tsc_khz * 1000);
	clock->offset = -engine_tsc();
	clock->armed = CLOCK_NEVER;
	clock->timers = 0;
}

void clock_timer_add(struct clock *clock, struct clock_timer *timer, void (*fire)(void *, uint64_t), void *device)
{
	timer->deadline = CLOCK_NEVER;
	timer->fire = fire;
	timer->device = device;
	if (clock->timers < CLOCK_TIMERS)
		clock->timer[clock->timers++] = timer;
}

static void clock_arm(struct clock *clock)
{
	uint64_t first = CLOCK_NEVER;
	for (unsigned i = 0; i < clock->timers; i++)
		if (clock->timer[i]->deadline < first)
			first = clock->timer[i]->deadline;
	if (first == clock->armed)
		return;
	clock->armed = first;
	uint64_t host = first - clock->offset;
	engine_timer(first == CLOCK_NEVER ? 0 : host ? host : 1); /* 0 would disarm */
}

void clock_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	if (timer->deadline == deadline)
		return;
	timer->deadline = deadline;
	clock_arm(clock);
}

void clock_run(struct clock *clock)
{
	uint64_t now = clock_now(clock);
	for (unsigned i = 0; i < clock->timers; i++) {
		struct clock_timer *timer = clock->timer[i];
		if (timer->deadline > now)
			continue;
		timer->deadline = CLOCK_NEVER;
		timer->fire(timer->device, now);
	}
	/* The engine's timer has fired, or was early: what it was set to holds no longer. */
	clock->armed = CLOCK_NEVER - 1;
	clock_arm(clock);
}
