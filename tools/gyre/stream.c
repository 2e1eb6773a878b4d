/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/stream.c: see stream.h. */
#include "tools/gyre/stream.h"
#include "tools/gyre/process.h"
#include "tools/gyre/util.h"
#include "include/gyre/config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* POLLOUT on a pipe promises room for this much. */
#define WRITE_MOST 4096u

void stream_add(struct stream *stream, const void *bytes, size_t length)
{
	if (stream->broken || !length)
		return;
	if (stream->start == stream->end)
		stream->start = stream->end = 0;
	if (stream->end + length > stream->capacity && stream->start) {
		memmove(stream->bytes, stream->bytes + stream->start, stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	if (stream->end + length > stream->capacity) {
		stream->capacity = 2 * (stream->end + length);
		stream->bytes = realloc(stream->bytes, stream->capacity);
		if (!stream->bytes)
			exit(fail(GYRE_STATUS_FAILED, "out of memory"));
	}
	memcpy(stream->bytes + stream->end, bytes, length);
	stream->end += length;
}

size_t stream_pending(const struct stream *stream)
{
	return stream->end - stream->start;
}

void stream_forget(struct stream *stream)
{
	stream->start = stream->end = 0;
}

void stream_write(struct stream *stream)
{
	size_t length = stream_pending(stream);

	if (!length)
		return;
	ssize_t done = write(stream->fd, stream->bytes + stream->start, length < WRITE_MOST ? length : WRITE_MOST);
	if (done > 0)
		stream->start += (size_t)done;
	else if (errno != EAGAIN && errno != EINTR) {
		stream->broken = true;
		stream->start = stream->end = 0;
	}
}

int stream_finish(struct stream *stream)
{
	while (stream_pending(stream)) {
		struct pollfd wait[] = {{.fd = stream->fd, .events = POLLOUT}, {.fd = signals_fd(), .events = POLLIN}};
		if (poll(wait, 2, -1) <= 0)
			continue;
		/* They come by this descriptor alone: a reader that stands still must not keep us from them. */
		for (int number; wait[1].revents && (number = signals_next());)
			if (signal_ends_us(number))
				return number;
		if (wait[0].revents)
			stream_write(stream);
	}
	return 0;
}
