/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/stream.h: bytes on their way to a descriptor that may not take them now. Writes only when poll() says so and never more than a
 * pipe takes at once, so that a descriptor which is shared with others need not be made non-blocking.
 */
#ifndef TOOLS_GYRE_STREAM_H
#define TOOLS_GYRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct stream {
	int fd;
	bool broken; /* the other end is gone: bytes are dropped */
	char *bytes;
	size_t start, end, capacity;
};

/* Whoever adds looks at this first: beyond it the source must wait. */
#define STREAM_FULL (256u * 1024u)

void stream_add(struct stream *stream, const void *bytes, size_t length);
size_t stream_pending(const struct stream *stream);
/* What was not written yet never is. */
void stream_forget(struct stream *stream);
/* Writes once; call it when the descriptor is writable. */
void stream_write(struct stream *stream);
/* Waits until all is written or the other end is gone: 0; or until a signal ends the command (process.h): its number. */
int stream_finish(struct stream *stream);

#endif
