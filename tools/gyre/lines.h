/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/lines.h: text that arrives in pieces, put out in lines with a name before each. What a guest or the machine says is foreign:
 * only characters of it and tabs are put out, no control or sequence with which it could work the reader's terminal (plain.h).
 */
#ifndef TOOLS_GYRE_LINES_H
#define TOOLS_GYRE_LINES_H

#include "services/console/plain.h"
#include "tools/gyre/stream.h"

struct lines {
	const char *name;
	struct stream *out;
	/* Lines that begin with one of these, zero-ended list, carry their name already. */
	const char *const *own;
	char text[1024]; /* its bytes stay after it was put out */
	size_t length, last;
	struct plain plain;
	double since; /* when its first byte came; 0: empty */
};

void lines_add(struct lines *lines, const void *bytes, size_t length);
/* Puts out what has no line end yet, if it has waited `seconds`. */
void lines_flush(struct lines *lines, double seconds);
/* Whether the line that was put out last begins with this text, which is not empty. */
bool lines_begin_last(const struct lines *lines, const char *text);

#endif
