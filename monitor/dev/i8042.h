/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_I8042_H
#define MONITOR_DEV_I8042_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define I8042_STATE_VERSION 1u

struct i8042_state {
	uint8_t command; /* the command byte */
	uint8_t pending; /* a command that waits for its data, 0: none */
	uint8_t output;	 /* the output buffer */
	uint8_t status;	 /* bits 0 (buffer full), 2, 3, 5 and 6 */
	uint8_t outport; /* bit 1: A20 */
	uint8_t port92, portcf9;
	uint8_t reserved;
};

struct i8042 {
	struct i8042_state state;
	struct line keyboard, mouse;
	struct control control;
};

void i8042_init(struct i8042 *kbc, struct bus *bus, const struct line *keyboard, const struct line *mouse,
	const struct control *control);
struct device i8042_device(struct i8042 *kbc);

#endif
