/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/device.h: what every device model has in common: reset, and its state as one piece of plain data that can be saved and restored.
 *
 * A device is a struct whose member "state" is all that a guest can have changed: no pointers, fixed size, versioned. The rest of the struct is
 * wiring, made again at each start. Restored state is hostile: check() refuses it before anything has changed.
 */
#ifndef MONITOR_DEV_DEVICE_H
#define MONITOR_DEV_DEVICE_H

#include <stdint.h>
#include "monitor/save/stream.h"

struct device_ops {
	const char *name;
	uint32_t version, state_bytes;
	void (*reset)(void *device);		    /* as after power-on */
	int (*check)(const void *state);	    /* 0, or -GYRE_EPROTO: no device can be in that state */
	void (*resume)(void *device, uint64_t now); /* the state was replaced: lines, timers and ports follow it */
	/* Every field of the state, both ways: its saved form. A field more or less is another version. What is reserved is no field, and 0. */
	void (*fields)(struct save *save, void *state);
};

struct device {
	const struct device_ops *ops;
	void *self;
	void *state;
};

/* A line to an interrupt controller, or from one to the processor. */
struct line {
	void (*set)(void *context, unsigned number, int level);
	void *context;
	unsigned number;
};

static inline void line_set(const struct line *line, int level)
{
	line->set(line->context, line->number, level);
}

/* What a device can ask of the machine; it happens after the access that asked, at the end of the exit. */
enum machine_request { MACHINE_RUN, MACHINE_POWER_OFF, MACHINE_RESET, MACHINE_DEBUG_EXIT };
struct control {
	void (*request)(void *context, enum machine_request request, uint32_t code);
	void *context;
};

/* The saved form: version and size are checked by who keeps it. Returns -GYRE_EPROTO and changes nothing if the state is not possible. */
void device_save(const struct device *device, void *state);
int device_load(const struct device *device, const void *state, uint64_t now);

#endif
