/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/plain.h: what a guest wrote, made harmless for a terminal that is not that guest's at the moment: text, line ends, colours and the
 * few movements inside a line that editing one needs. All else goes: it could ask the terminal for answers, which would then be typed into
 * whatever is shown, or leave it in a state in which nothing else can be read.
 */
#ifndef CONSOLE_PLAIN_H
#define CONSOLE_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#define PLAIN_SEQUENCE 24u /* the longest sequence that is let through, and the most that comes out at once */

enum plain_state {
	PLAIN_GROUND,
	PLAIN_ESCAPE,
	PLAIN_ESCAPE_MORE,
	PLAIN_CSI,
	PLAIN_STRING,
	PLAIN_STRING_ESCAPE,
	PLAIN_UTF8
};

struct plain {
	enum plain_state state;
	uint8_t want;	/* bytes that a character still lacks */
	uint8_t length; /* of what is collected */
	uint8_t bytes[PLAIN_SEQUENCE];
};

/* What came out does to the cursor. */
enum plain_effect {
	PLAIN_NOTHING, /* nothing came out, or what moves nothing */
	PLAIN_CELL,    /* a character */
	PLAIN_TAB,
	PLAIN_LEFT,
	PLAIN_RIGHT,
	PLAIN_RETURN,
	PLAIN_LINE,
};

struct plain_out {
	enum plain_effect effect;
	uint8_t length;
	uint16_t count; /* of PLAIN_LEFT and PLAIN_RIGHT */
	uint8_t bytes[PLAIN_SEQUENCE];
};

/* Zeroed, it is at the beginning of a text. */
void plain_next(struct plain *plain, uint8_t byte, struct plain_out *out);

#endif
