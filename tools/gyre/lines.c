/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/lines.c: see lines.h. */
#include "tools/gyre/lines.h"
#include "tools/gyre/terminal.h"
#include "tools/gyre/util.h"

#include <string.h>

static bool is_named(const struct lines *lines)
{
	for (const char *const *own = lines->own; own && *own; own++)
		if (lines->length >= strlen(*own) && !memcmp(lines->text, *own, strlen(*own)))
			return true;
	return false;
}

static void put_line(struct lines *lines)
{
	if (!is_named(lines)) {
		stream_add(lines->out, lines->name, strlen(lines->name));
		stream_add(lines->out, ": ", 2);
	}
	stream_add(lines->out, lines->text, lines->length);
	if (terminal_is_raw())
		stream_add(lines->out, "\r", 1);
	stream_add(lines->out, "\n", 1);
	lines->last = lines->length;
	lines->length = 0;
	lines->since = 0;
}

static void add_byte(struct lines *lines, unsigned char c)
{
	struct plain_out out;

	plain_next(&lines->plain, c, &out);
	if (out.effect == PLAIN_LINE)
		return put_line(lines);
	if (out.effect != PLAIN_CELL && out.effect != PLAIN_TAB)
		return;
	if (lines->length + out.length > sizeof(lines->text))
		put_line(lines);
	if (!lines->length)
		lines->since = seconds_now();
	memcpy(lines->text + lines->length, out.bytes, out.length);
	lines->length += out.length;
}

void lines_add(struct lines *lines, const void *bytes, size_t length)
{
	for (const unsigned char *byte = bytes; length--; byte++)
		add_byte(lines, *byte);
}

void lines_flush(struct lines *lines, double seconds)
{
	if (lines->length && seconds_now() - lines->since >= seconds)
		put_line(lines);
}

bool lines_begin_last(const struct lines *lines, const char *text)
{
	size_t length = strlen(text);

	return length && !lines->length && length <= lines->last && !memcmp(lines->text, text, length);
}
