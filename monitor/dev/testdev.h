/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_TESTDEV_H
#define MONITOR_DEV_TESTDEV_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define TESTDEV_STATE_VERSION 1u
#define TESTDEV_RAM	      0xff000000ull
#define TESTDEV_RAM_BYTES     0x10000u

struct testdev_state {
	uint8_t scratch[4]; /* ports 0xe0 to 0xe3 */
	uint32_t fw_cfg_offset;
	uint16_t fw_cfg_key;
	uint8_t line_bytes; /* collected of a line of the debug port */
	uint8_t dirty_log;  /* is on */
	uint8_t reserved[4];
	uint8_t line[120];
};

/* What the machine does for it. */
struct testdev_host {
	struct line lines;			      /* by number of the interrupt */
	struct control control;			      /* debug exit */
	void (*remap)(void *context, uint64_t gpa);   /* drops the mapping of a page */
	void (*dirty)(void *context, uint32_t value); /* 1 starts the dirty log, 2 takes it, 0 ends it */
	void *context;
	uint64_t memory;
	uint32_t cpus;
};

struct testdev {
	struct testdev_state state;
	struct testdev_host host;
};

void testdev_init(struct testdev *dev, struct bus *bus, const struct testdev_host *host);
struct device testdev_device(struct testdev *dev);

#endif
