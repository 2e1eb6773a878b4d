/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fixture_dev.h: what tests of one device share: a bus, a clock, and lines that write down their edges. */
#ifndef TESTS_UNIT_FIXTURE_DEV_H
#define TESTS_UNIT_FIXTURE_DEV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/dev/device.h"
#include "monitor/engine/fake.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"

struct watched {
	int level;
	unsigned rises;
};
static struct bus bus;
static struct clock machine_clock;
static struct watched watched[24];
static unsigned requests[4];
static uint32_t request_code;

static inline void watch(void *context, unsigned number, int level)
{
	(void)context;
	if (level && !watched[number].level)
		watched[number].rises++;
	watched[number].level = level;
}

static inline struct line watch_line(unsigned number)
{
	return (struct line){watch, NULL, number};
}

static inline void note_request(void *context, enum machine_request request, uint32_t code)
{
	(void)context;
	requests[request]++;
	request_code = code;
}

static const struct control noted = {note_request, NULL};

static inline void fixture_reset(void)
{
	fake_reset();
	bus_init(&bus);
	clock_init(&machine_clock, fake.khz);
	memset(watched, 0, sizeof(watched));
	memset(requests, 0, sizeof(requests));
	(void)noted;
}

/* Time passes in steps, and timers fire. */
static inline void pass(uint64_t nanoseconds)
{
	uint64_t end = fake.tsc + nanoseconds;
	while (fake.tsc < end) {
		uint64_t step = end - fake.tsc;
		if (fake.timer && fake.timer > fake.tsc && fake.timer - fake.tsc < step)
			step = fake.timer - fake.tsc;
		fake_pass(step);
		if (fake.events & ENGINE_EVENT_TIMER) {
			fake.events &= ~ENGINE_EVENT_TIMER;
			clock_run(&machine_clock);
		}
	}
}

static inline uint32_t in8(uint16_t port)
{
	return bus_port_read(&bus, port, 1);
}

static inline uint32_t in16(uint16_t port)
{
	return bus_port_read(&bus, port, 2);
}

static inline uint32_t in32(uint16_t port)
{
	return bus_port_read(&bus, port, 4);
}

static inline void out8(uint16_t port, uint32_t value)
{
	bus_port_write(&bus, port, 1, value);
}

static inline void out16(uint16_t port, uint32_t value)
{
	bus_port_write(&bus, port, 2, value);
}

static inline void out32(uint16_t port, uint32_t value)
{
	bus_port_write(&bus, port, 4, value);
}

/* The promise that all devices make: a state that was saved and restored is the state, and impossible ones are refused untouched. */
static inline void state_survives(const struct device *device)
{
	uint8_t *before = malloc(device->ops->state_bytes), *after = malloc(device->ops->state_bytes);
	device_save(device, before);
	device->ops->reset(device->self);
	assert_int_equal(device_load(device, before, clock_now(&machine_clock)), 0);
	device_save(device, after);
	assert_memory_equal(before, after, device->ops->state_bytes);
	memset(after, 0xff, device->ops->state_bytes);
	int error = device_load(device, after, clock_now(&machine_clock));
	device_save(device, after);
	if (error < 0)
		assert_memory_equal(before, after, device->ops->state_bytes);
	free(before);
	free(after);
}

#endif
