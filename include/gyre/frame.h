/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/frame.h: frames on COM2 between an emulated machine and the gyre command at its other end, both ways.
 * 8 bytes of header, then length bytes. A reader that finds a bad header drops one byte and looks again. All numbers little-endian.
 */
#ifndef GYRE_FRAME_H
#define GYRE_FRAME_H

#include <stdint.h>

#define GYRE_FRAME_MAGIC0  0xf5u
#define GYRE_FRAME_MAGIC1  0x47u
#define GYRE_FRAME_DATA	   4096u /* most data in one frame */
#define GYRE_FRAME_MACHINE 0xffu /* vm: the machine itself, core or root */

struct gyre_frame_header {
	uint8_t magic0, magic1;
	uint8_t type; /* enum gyre_frame_type */
	uint8_t vm;   /* number in the description, or GYRE_FRAME_MACHINE */
	uint16_t length;
	uint8_t sequence; /* counts up per direction; a gap is reported */
	uint8_t check;	  /* XOR of the seven bytes before it */
};
_Static_assert(sizeof(struct gyre_frame_header) == 8, "");

static inline uint8_t gyre_frame_check(const struct gyre_frame_header *header)
{
	const uint8_t *byte = (const uint8_t *)header;
	uint8_t check = 0;
	for (unsigned i = 0; i + 1 < sizeof(*header); i++)
		check ^= byte[i];
	return check;
}

/* The header of a frame with that much data (at most GYRE_FRAME_DATA). */
static inline struct gyre_frame_header gyre_frame_header(uint8_t type, uint8_t vm, uint16_t length, uint8_t sequence)
{
	struct gyre_frame_header header = {
		.magic0 = GYRE_FRAME_MAGIC0,
		.magic1 = GYRE_FRAME_MAGIC1,
		.type = type,
		.vm = vm,
		.length = length,
		.sequence = sequence,
	};
	header.check = gyre_frame_check(&header);
	return header;
}

enum gyre_frame_type {
	GYRE_FRAME_LOG = 1,	/* text, whole lines, from the core, root (vm = MACHINE) or a monitor */
	GYRE_FRAME_CONSOLE = 2, /* bytes of a VM's serial console, both ways (the first VM's console is COM1 itself) */
	GYRE_FRAME_EXIT = 3,	/* struct gyre_frame_exit: this VM has ended */
	GYRE_FRAME_MACHINE_END = 4, /* the machine powers off next: i32 exit code */
	GYRE_FRAME_PANIC = 5,	    /* text: the core stopped */
	GYRE_FRAME_TRACE = 6,	    /* struct gyre_trace_record[] */
	GYRE_FRAME_COUNTERS =
		7, /* struct gyre_vcpu_counters of one vcpu at its end, then u64[8] core figures (see services/root) */
	GYRE_FRAME_READY = 8,	 /* root listens: host may send */
	GYRE_FRAME_QUIT = 9,	 /* host to root: end the machine */
	GYRE_FRAME_DEBUG = 10,	 /* bytes of the debugger's protocol, both ways */
	GYRE_FRAME_STATE = 11,	 /* saved state */
	GYRE_FRAME_CONTROL = 12, /* start, stop, kill */
};

struct gyre_frame_exit {
	int32_t code;	 /* as the gyre command returns it */
	uint32_t reason; /* enum gyre_end_reason, config.h */
	char text[112];	 /* for people, zero-padded */
};

#endif
