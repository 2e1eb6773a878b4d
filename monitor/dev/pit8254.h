/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_PIT8254_H
#define MONITOR_DEV_PIT8254_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"

#define PIT_STATE_VERSION 1u
#define PIT_HZ		  1193182u

struct pit_channel_state {
	uint64_t start;	  /* PIT ticks since machine time 0, when counting began */
	uint64_t elapsed; /* while it is held: ticks counted so far */
	uint32_t count;	  /* 1 to 65536 (10000 in BCD): what it counts down from */
	uint16_t latch;
	uint8_t mode, bcd, access; /* access: 1 low byte, 2 high byte, 3 both */
	uint8_t running;	   /* a count was loaded, and triggered where the mode needs that */
	uint8_t loaded;		   /* a count was written since the control word */
	uint8_t gate;
	uint8_t write_high, write_low; /* the high byte comes next; the low byte that was written */
	uint8_t read_high;
	uint8_t latched, status_latched, status; /* latched: bytes left to read */
};

struct pit_state {
	struct pit_channel_state channel[3];
	uint8_t port61; /* bits 3:0 as written */
	uint8_t line; /* channel 0 to the interrupt controllers: rises with its output, and falls before the next rise */
	uint8_t reserved[6];
};

struct pit8254 {
	struct pit_state state;
	struct clock *clock;
	struct rate to_ticks, to_time;
	struct clock_timer timer;
	struct line irq;
};

void pit_init(struct pit8254 *pit, struct bus *bus, struct clock *clock, const struct line *irq);
struct device pit_device(struct pit8254 *pit);

#endif
