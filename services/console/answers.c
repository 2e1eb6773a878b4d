/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/answers.c: see answers.h. The shapes are those of ECMA-48 and of xterm's "Control Sequences". */
#include "services/console/answers.h"
#include "lib/string.h"

#define ESC 0x1b
#define BEL 0x07
#define ST  0x9c

enum { GROUND, ESCAPE, CSI, STRING, STRING_ESCAPE };

void answers_expect(struct answers *answers, uint64_t now)
{
	answers->until = now + ANSWERS_MS;
}

static size_t release(struct answers *answers, uint8_t *out)
{
	size_t length = answers->length;
	memcpy(out, answers->held, length);
	answers->length = 0;
	return length;
}

/* A control of one byte, which is ESC and the byte less 0x40. Inside a character of UTF-8 it is none; behind U+0080's first byte it is. */
static int is_control(struct answers *answers, uint8_t byte)
{
	if (answers->more > 0 && byte >= 0x80 && byte < 0xc0) {
		answers->more--;
		return 0;
	}
	answers->more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc3 ? 1 : 0;
	return byte >= 0x80 && byte < 0xa0;
}

static uint8_t behind_escape(uint8_t byte)
{
	if (byte == 'P' || byte == ']' || byte == 'X' || byte == '^' || byte == '_')
		return STRING;
	return byte == '[' ? CSI : byte == ESC ? ESCAPE : GROUND;
}

static uint8_t next_state(const struct answers *answers, uint8_t byte, int control)
{
	switch (answers->state) {
	case GROUND: return byte == ESC ? ESCAPE : control ? behind_escape(byte - 0x40) : GROUND;
	case ESCAPE: return behind_escape(byte);
	case CSI: return byte == ESC ? ESCAPE : byte >= ' ' && byte <= '?' ? CSI : GROUND;
	default:
		if (byte == BEL || (control && byte == ST) || (byte == '\\' && answers->state == STRING_ESCAPE))
			return GROUND;
		return byte == ESC ? STRING_ESCAPE : STRING;
	}
}

/* Reports of position and state, of identity, of parameters, modes and windows. Keys end with others: A to D, F, H, ~. */
static int is_report(const struct answers *answers, uint8_t byte)
{
	size_t introducer = answers->held[0] == ESC ? 2 : 1;
	return answers->state == CSI && answers->length > introducer && byte > '?' && strchr("Rcnxty", byte) != NULL;
}

int answers_inside(const struct answers *answers)
{
	return answers->state == STRING || answers->state == STRING_ESCAPE;
}

size_t answers_next(struct answers *answers, uint8_t byte, uint64_t now, uint8_t out[ANSWERS_HELD + 1])
{
	uint8_t next = next_state(answers, byte, is_control(answers, byte));
	int report = is_report(answers, byte), inside = answers_inside(answers);
	size_t length = 0;
	if (answers->state == GROUND)
		answers->taken_out = next != GROUND && now < answers->until;
	answers->state = next;
	if (!answers->taken_out) {
		out[0] = byte;
		return 1;
	}
	/* Strings are answers whatever they say. */
	if (report || inside || answers_inside(answers)) {
		answers->length = 0;
		return 0;
	}
	int longer = next == CSI && answers->length < ANSWERS_HELD;
	if (!longer)
		length = release(answers, out);
	if (longer || next == ESCAPE) {
		answers->held[answers->length++] = byte;
		return length;
	}
	answers->state = GROUND;
	out[length] = byte;
	return length + 1;
}

size_t answers_idle(struct answers *answers, uint8_t out[ANSWERS_HELD + 1])
{
	answers->state = GROUND;
	answers->more = 0;
	return release(answers, out);
}
