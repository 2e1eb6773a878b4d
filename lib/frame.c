/* SPDX-License-Identifier: Apache-2.0 */
/* lib/frame.c: see lib/frame.h. */
#include "lib/frame.h"

int frame_header_valid(const struct gyre_frame_header *header)
{
	return header->magic0 == GYRE_FRAME_MAGIC0 && header->magic1 == GYRE_FRAME_MAGIC1 &&
	       header->length <= GYRE_FRAME_DATA && header->check == gyre_frame_check(header);
}

void frame_decoder_init(struct frame_decoder *decoder)
{
	decoder->have = 0;
	decoder->sequence = decoder->started = decoder->complete = decoder->escaped = 0;
	decoder->dropped = decoder->gaps = 0;
}

static void count_sequence(struct frame_decoder *decoder)
{
	if (decoder->started && decoder->header.sequence != decoder->sequence)
		decoder->gaps++;
	decoder->started = 1;
	decoder->sequence = (uint8_t)(decoder->header.sequence + 1);
}

/* What was begun is no frame. */
static void drop(struct frame_decoder *decoder)
{
	decoder->dropped += decoder->have;
	decoder->have = 0;
	decoder->escaped = 0;
}

/* A byte behind the first one, as it was before it went on the line. */
static void take_byte(struct frame_decoder *decoder, uint8_t byte)
{
	const struct gyre_frame_header *header = &decoder->header;
	decoder->bytes[decoder->have++] = byte;
	if ((decoder->have == 2 && header->magic1 != GYRE_FRAME_MAGIC1) ||
		(decoder->have == sizeof(*header) && !frame_header_valid(header)))
		return drop(decoder);
	if (decoder->have < sizeof(*header) || decoder->have < sizeof(*header) + header->length)
		return;
	decoder->complete = 1;
	count_sequence(decoder);
}

static void take_line_byte(struct frame_decoder *decoder, uint8_t byte)
{
	if (byte == GYRE_FRAME_MAGIC0) {
		drop(decoder);
		decoder->bytes[decoder->have++] = byte;
	} else if (decoder->have == 0) {
		decoder->dropped++;
	} else if (decoder->escaped) {
		decoder->escaped = 0;
		take_byte(decoder, byte ^ 0x80);
	} else if (byte == GYRE_FRAME_ESCAPE) {
		decoder->escaped = 1;
	} else {
		take_byte(decoder, byte);
	}
}

size_t frame_decode(struct frame_decoder *decoder, const void *data, size_t bytes, int *complete)
{
	const uint8_t *at = data;
	size_t taken = 0;
	if (decoder->complete) {
		decoder->complete = 0;
		decoder->have = 0;
	}
	while (taken < bytes && !decoder->complete)
		take_line_byte(decoder, at[taken++]);
	*complete = decoder->complete;
	return taken;
}
