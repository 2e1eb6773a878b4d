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
	lines->in_escape = false;
}

static void add_byte(struct lines *lines, unsigned char c)
{
	if (c == '\n') {
		put_line(lines);
	} else if (lines->in_escape) {
		/* ESC [ parameters, and a letter that ends it; ESC and one letter. */
		if (c != '[' && (c >= '@' || c < ' '))
			lines->in_escape = false;
	} else if (c == 27) {
		lines->in_escape = true;
	} else if (c == '\t' || (c >= ' ' && c != 127)) {
		if (lines->length == sizeof(lines->text))
			put_line(lines);
		if (!lines->length)
			lines->since = seconds_now();
		lines->text[lines->length++] = (char)c;
	}
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
