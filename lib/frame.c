/* SPDX-License-Identifier: Apache-2.0 */
/* lib/frame.c: see lib/frame.h. */
#include "lib/frame.h"
#include "lib/string.h"

int frame_header_valid(const struct gyre_frame_header *header)
{
	return header->magic0 == GYRE_FRAME_MAGIC0 && header->magic1 == GYRE_FRAME_MAGIC1 &&
	       header->length <= GYRE_FRAME_DATA && header->check == gyre_frame_check(header);
}

void frame_decoder_init(struct frame_decoder *decoder)
{
	decoder->have = 0;
	decoder->sequence = decoder->started = decoder->complete = 0;
	decoder->dropped = decoder->gaps = 0;
}

static void count_sequence(struct frame_decoder *decoder)
{
	if (decoder->started && decoder->header.sequence != decoder->sequence)
		decoder->gaps++;
	decoder->started = 1;
	decoder->sequence = (uint8_t)(decoder->header.sequence + 1);
}

/* Before the header is whole and good: one byte more; a bad header loses its first byte. */
static void take_header_byte(struct frame_decoder *decoder, uint8_t byte)
{
	decoder->bytes[decoder->have++] = byte;
	while (decoder->have > 0 &&
		(decoder->header.magic0 != GYRE_FRAME_MAGIC0 ||
			(decoder->have > 1 && decoder->header.magic1 != GYRE_FRAME_MAGIC1) ||
			(decoder->have == sizeof(decoder->header) && !frame_header_valid(&decoder->header)))) {
		decoder->have--;
		decoder->dropped++;
		memmove(decoder->bytes, decoder->bytes + 1, decoder->have);
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
	while (taken < bytes && decoder->have < sizeof(decoder->header))
		take_header_byte(decoder, at[taken++]);
	if (decoder->have >= sizeof(decoder->header)) {
		size_t want = sizeof(decoder->header) + decoder->header.length - decoder->have;
		size_t part = want < bytes - taken ? want : bytes - taken;
		memcpy(decoder->bytes + decoder->have, at + taken, part);
		decoder->have += (uint32_t)part;
		taken += part;
		if (part == want) {
			decoder->complete = 1;
			count_sequence(decoder);
		}
	}
	*complete = decoder->complete;
	return taken;
}
