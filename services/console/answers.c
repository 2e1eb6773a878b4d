/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/answers.c: see answers.h. The shapes are those of ECMA-48 and of xterm's "Control Sequences". */
#include "services/console/answers.h"
#include "lib/string.h"

#define ESC 0x1b

enum { GROUND, ESCAPE, CSI, STRING, STRING_ESCAPE };

void answers_expect(struct answers *answers, uint64_t now)
{
	answers->until = now + ANSWERS_MS;
}

/* All that is held, and the byte behind it. */
static size_t release(struct answers *answers, uint8_t out[ANSWERS_HELD + 1])
{
	size_t length = answers->length;
	memcpy(out, answers->held, length);
	answers->state = GROUND;
	answers->length = 0;
	return length;
}

static size_t drop(struct answers *answers)
{
	answers->state = GROUND;
	answers->length = 0;
	return 0;
}

/* Reports of position and state, of identity, of parameters, modes and windows. Keys end with others: A to D, F, H, ~. */
static int is_report(const struct answers *answers, uint8_t final)
{
	return strchr("Rcnxty", final) != NULL && answers->length > 2;
}

size_t answers_next(struct answers *answers, uint8_t byte, uint64_t now, uint8_t out[ANSWERS_HELD + 1])
{
	if (answers->state == GROUND) {
		if (byte != ESC || now >= answers->until) {
			out[0] = byte;
			return 1;
		}
		answers->state = ESCAPE;
		answers->held[0] = byte;
		answers->length = 1;
		return 0;
	}
	/* Strings are answers whatever they say. */
	if (answers->state == STRING || answers->state == STRING_ESCAPE) {
		if (byte == 7 || (byte == '\\' && answers->state == STRING_ESCAPE))
			return drop(answers);
		answers->state = byte == ESC ? STRING_ESCAPE : STRING;
		return 0;
	}
	if (answers->state == ESCAPE) {
		if (byte == 'P' || byte == ']' || byte == '_' || byte == '^') {
			answers->state = STRING;
			answers->length = 0;
			return 0;
		}
		answers->state = byte == '[' ? CSI : GROUND;
	} else if (byte < ' ' || byte > '?') {
		if (byte > '?' && is_report(answers, byte))
			return drop(answers);
		answers->state = GROUND;
	}
	if (answers->state != GROUND && answers->length < ANSWERS_HELD) {
		answers->held[answers->length++] = byte;
		return 0;
	}
	size_t length = release(answers, out);
	out[length] = byte;
	return length + 1;
}

size_t answers_idle(struct answers *answers, uint8_t out[ANSWERS_HELD + 1])
{
	return release(answers, out);
}
