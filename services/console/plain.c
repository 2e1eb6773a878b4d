/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/plain.c: see plain.h. Sequences as in ECMA-48, "Control Functions for Coded Character Sets". */
#include "services/console/plain.h"
#include "lib/string.h"

#define ESC 0x1b

static void put(struct plain_out *out, enum plain_effect effect, const uint8_t *bytes, size_t length)
{
	out->effect = effect;
	out->length = (uint8_t)length;
	memcpy(out->bytes, bytes, length);
}

/* A first byte of UTF-8: how many follow; -1: none that may stand here. */
static int utf8_more(uint8_t byte)
{
	if (byte >= 0xc2 && byte <= 0xdf)
		return 1;
	if (byte >= 0xe0 && byte <= 0xef)
		return 2;
	return byte >= 0xf0 && byte <= 0xf4 ? 3 : -1;
}

static void question(struct plain_out *out)
{
	static const uint8_t mark = '?';
	put(out, PLAIN_CELL, &mark, 1);
}

static void ground(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	if (byte >= 0x80) {
		int more = utf8_more(byte);
		if (more < 0)
			return question(out);
		plain->state = PLAIN_UTF8;
		plain->want = (uint8_t)more;
		plain->bytes[0] = byte;
		plain->length = 1;
		return;
	}
	switch (byte) {
	case ESC: plain->state = PLAIN_ESCAPE; break;
	case '\n': put(out, PLAIN_LINE, &byte, 1); break;
	case '\r': put(out, PLAIN_RETURN, &byte, 1); break;
	case '\t': put(out, PLAIN_TAB, &byte, 1); break;
	case '\b':
		put(out, PLAIN_LEFT, &byte, 1);
		out->count = 1;
		break;
	default:
		if (byte >= ' ' && byte != 0x7f)
			put(out, PLAIN_CELL, &byte, 1);
		break;
	}
}

/* All of its bytes are there: none that is longer than it need be, half of a pair, or beyond U+10FFFF (The Unicode Standard, "Well-Formed UTF-8 Byte
 * Sequences"), and no control: U+009B begins a sequence as ESC [ does. */
static int is_character(const uint8_t *bytes)
{
	switch (bytes[0]) {
	case 0xc2:
	case 0xe0: return bytes[1] >= 0xa0;
	case 0xed: return bytes[1] < 0xa0;
	case 0xf0: return bytes[1] >= 0x90;
	case 0xf4: return bytes[1] < 0x90;
	default: return 1;
	}
}

static void utf8(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	if ((byte & 0xc0) != 0x80) {
		/* Cut off: the byte stands for itself. Of the two only one can come out, so it is the mark that is left out. */
		plain->state = PLAIN_GROUND;
		ground(plain, byte, out);
		return;
	}
	plain->bytes[plain->length++] = byte;
	if (--plain->want > 0)
		return;
	plain->state = PLAIN_GROUND;
	if (is_character(plain->bytes))
		put(out, PLAIN_CELL, plain->bytes, plain->length);
	else
		question(out);
}

/* The number at the beginning, "" being the one that is assumed. */
static uint16_t number(const uint8_t *text, size_t length, uint16_t none)
{
	uint32_t value = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return none;
		value = value < 1000 ? value * 10 + text[i] - '0' : value;
	}
	return length == 0 || value == 0 ? none : (uint16_t)value;
}

/* plain->bytes is ESC [ parameters final. */
static void sequence(const struct plain *plain, struct plain_out *out)
{
	const uint8_t *parameters = plain->bytes + 2;
	size_t length = plain->length - 3u;
	uint8_t final = plain->bytes[plain->length - 1];
	enum plain_effect effect = PLAIN_NOTHING;
	for (size_t i = 0; i < length; i++)
		if (!((parameters[i] >= '0' && parameters[i] <= '9') || parameters[i] == ';'))
			return;
	int plain_zero = length == 0 || (length == 1 && parameters[0] == '0');
	if (final == 'C' || final == 'D')
		effect = final == 'C' ? PLAIN_RIGHT : PLAIN_LEFT;
	else if (final != 'm' && !((final == 'K' || final == 'J') && plain_zero))
		return;
	put(out, effect, plain->bytes, plain->length);
	out->count = number(parameters, length, 1);
}

static void csi(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	if (byte < ' ' || byte >= 0x7f) {
		/* None of its bytes: it is broken off. A control stands for itself. */
		plain->state = PLAIN_GROUND;
		ground(plain, byte, out);
		return;
	}
	if (plain->length < PLAIN_SEQUENCE)
		plain->bytes[plain->length] = byte;
	/* One that is too long is counted on, and goes. */
	plain->length += plain->length <= PLAIN_SEQUENCE;
	if (byte < '@')
		return;
	plain->state = PLAIN_GROUND;
	if (plain->length <= PLAIN_SEQUENCE)
		sequence(plain, out);
}

static void escape(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	if (byte == '[' && plain->state == PLAIN_ESCAPE) {
		plain->state = PLAIN_CSI;
		plain->bytes[0] = ESC;
		plain->bytes[1] = '[';
		plain->length = 2;
	} else if (byte < ' ' || byte >= 0x7f) {
		plain->state = PLAIN_GROUND;
		ground(plain, byte, out);
	} else if (byte < '0') {
		plain->state = PLAIN_ESCAPE_MORE;
	} else {
		int string = plain->state == PLAIN_ESCAPE && strchr("P]X^_", byte) != NULL;
		plain->state = string ? PLAIN_STRING : PLAIN_GROUND;
	}
}

/* Up to BEL or ESC \. A line end ends it too, which the standard does not say: else one that is never ended would hide all that follows. */
static void string(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	if (byte == '\n' || byte == '\r') {
		plain->state = PLAIN_GROUND;
		ground(plain, byte, out);
	} else if (byte == 7 || byte == 0x18 || byte == 0x1a) {
		plain->state = PLAIN_GROUND;
	} else if (plain->state == PLAIN_STRING_ESCAPE && byte == '\\') {
		plain->state = PLAIN_GROUND;
	} else {
		plain->state = byte == ESC ? PLAIN_STRING_ESCAPE : PLAIN_STRING;
	}
}

void plain_next(struct plain *plain, uint8_t byte, struct plain_out *out)
{
	out->effect = PLAIN_NOTHING;
	out->length = 0;
	out->count = 0;
	switch (plain->state) {
	case PLAIN_GROUND: ground(plain, byte, out); break;
	case PLAIN_UTF8: utf8(plain, byte, out); break;
	case PLAIN_ESCAPE:
	case PLAIN_ESCAPE_MORE: escape(plain, byte, out); break;
	case PLAIN_CSI: csi(plain, byte, out); break;
	case PLAIN_STRING:
	case PLAIN_STRING_ESCAPE: string(plain, byte, out); break;
	}
}
