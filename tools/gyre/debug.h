/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/debug.h: --gdb PORT: one debugger at a time, at 127.0.0.1 alone. Its bytes are carried to the first VM's monitor in DEBUG frames and back; what
 * they mean, only the monitor knows. The port opens when the monitor has said its first word, so that no debugger waits for a machine that still boots.
 */
#ifndef TOOLS_GYRE_DEBUG_H
#define TOOLS_GYRE_DEBUG_H

#include "tools/gyre/stream.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define DEBUG_MOST 256u /* bytes of the debugger in one frame */

struct debug_port {
	uint16_t number;
	int listener, client; /* -1: none */
	bool open;
	bool gone; /* the monitor is to be told that the debugger went */
	struct stream out;
};

/* Takes the port. 0 or an exit code, said. */
int debug_open(struct debug_port *port, uint16_t number);
/* Bytes for the debugger; words about the port go to `err`. */
void debug_take(struct debug_port *port, const uint8_t *bytes, size_t length, struct stream *err);

/* Around poll(); port may be NULL. take: the machine has room for more. debug_step: the bytes that the machine is to be sent, at most `room`. */
void debug_watch(struct debug_port *port, struct pollfd *listener, struct pollfd *client, bool take);
size_t debug_step(struct debug_port *port, const struct pollfd *listener, const struct pollfd *client, uint8_t *bytes,
	size_t room);

#endif
