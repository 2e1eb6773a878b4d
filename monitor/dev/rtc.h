/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_RTC_H
#define MONITOR_DEV_RTC_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"

#define RTC_STATE_VERSION 1u

struct rtc_state {
	int64_t offset;		/* while it runs, the clock's time = machine time + offset seconds + offset_ns */
	uint64_t offset_ns;	/* below a second */
	uint64_t periodic_seen; /* 32768 Hz ticks at which periodic interrupts were last looked at */
	int64_t update_seen;	/* second of the last update that was looked at */
	uint8_t cmos[128];	/* registers A to D and the memory; the time's only while it is stopped */
	uint8_t index, reserved[7];
};

struct rtc {
	struct rtc_state state;
	struct clock *clock;
	struct rate to_ticks, to_time; /* of 32768 Hz */
	uint64_t ticks_per_second;
	struct clock_timer timer;
	struct line irq;
};

void rtc_init(struct rtc *rtc, struct bus *bus, struct clock *clock, const struct line *irq);
struct device rtc_device(struct rtc *rtc);
/* What firmware finds out and leaves in CMOS memory: the amount of memory, the number of processors. */
void rtc_memory(struct rtc *rtc, uint64_t below_4g, uint64_t above_4g, uint32_t cpus);

/* Days since 1970-01-01 and back, in the Gregorian calendar. */
int64_t rtc_days(int64_t year, unsigned month, unsigned day);
void rtc_date(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif
