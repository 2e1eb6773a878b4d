/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/frame.h: frames of include/gyre/frame.h made and read. Shared by root and the gyre command. Plain code: no allocation, no calls.
 */
#ifndef LIB_FRAME_H
#define LIB_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include "gyre/frame.h"

/* Magic, length and check are right. */
int frame_header_valid(const struct gyre_frame_header *header);

struct frame_decoder {
	union {
		struct gyre_frame_header header;
		uint8_t bytes[sizeof(struct gyre_frame_header) + GYRE_FRAME_DATA];
	};
	uint32_t have;
	uint8_t sequence; /* expected next */
	uint8_t started;  /* a frame has come: sequence means something */
	uint8_t complete;
	uint8_t escaped;  /* the next byte is changed */
	uint64_t dropped; /* bytes that belonged to no frame */
	uint64_t gaps;	  /* frames whose sequence was not the expected one */
};

void frame_decoder_init(struct frame_decoder *decoder);

/* Takes from data up to the end of a frame: how many bytes it took. *complete: header and data now lie in the decoder, until its next call. */
size_t frame_decode(struct frame_decoder *decoder, const void *data, size_t bytes, int *complete);

static inline const uint8_t *frame_data(const struct frame_decoder *decoder)
{
	return decoder->bytes + sizeof(struct gyre_frame_header);
}

#endif
