/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: lib/frame.c */
/* tests/unit/test_lib_frame.c: frames through a line that loses and invents bytes, and the ring with a hostile other side. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/frame.h"
#include "lib/ring.h"

static struct frame_decoder decoder;

static size_t line_put(uint8_t *buffer, const void *data, size_t bytes)
{
	size_t length = 0;
	for (size_t i = 0; i < bytes; i++) {
		uint8_t line[2];
		unsigned count = gyre_frame_byte(((const uint8_t *)data)[i], line);
		memcpy(buffer + length, line, count);
		length += count;
	}
	return length;
}

static size_t frame_put(uint8_t *buffer, uint8_t sequence, const void *data, size_t bytes)
{
	struct gyre_frame_header header = gyre_frame_header(GYRE_FRAME_LOG, 3, (uint16_t)bytes, sequence);
	size_t length = 1;
	buffer[0] = header.magic0;
	length += line_put(buffer + length, (const uint8_t *)&header + 1, sizeof(header) - 1);
	length += line_put(buffer + length, data, bytes);
	assert_true(length <= GYRE_FRAME_LINE(bytes));
	return length;
}

static size_t frame_make(uint8_t *buffer, uint8_t sequence, const char *text)
{
	return frame_put(buffer, sequence, text, strlen(text));
}

/* Feeds in pieces of `step` bytes; the texts of all frames, each ended by '.'. */
static void feed(const uint8_t *data, size_t bytes, size_t step, char *texts)
{
	for (size_t at = 0; at < bytes;) {
		size_t part = step < bytes - at ? step : bytes - at;
		int complete;
		size_t taken = frame_decode(&decoder, data + at, part, &complete);
		assert_true(taken > 0 && taken <= part);
		at += taken;
		if (complete) {
			strncat(texts, (const char *)frame_data(&decoder), decoder.header.length);
			strcat(texts, ".");
		}
	}
}

static void frames_survive_any_split(void **state)
{
	(void)state;
	uint8_t line[128];
	size_t bytes = frame_make(line, 255, "one");
	bytes += frame_make(line + bytes, 0, "");
	bytes += frame_make(line + bytes, 1, "three");
	for (size_t step = 1; step <= bytes; step++) {
		char texts[64] = "";
		frame_decoder_init(&decoder);
		feed(line, bytes, step, texts);
		assert_string_equal(texts, "one..three.");
		assert_int_equal(decoder.gaps, 0);
		assert_int_equal(decoder.dropped, 0);
	}
}

/* Every byte of a header and of the data, whatever it is. */
static void all_bytes_come_as_they_were(void **state)
{
	(void)state;
	uint8_t data[512], line[GYRE_FRAME_LINE(sizeof(data))];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	frame_decoder_init(&decoder);
	for (unsigned sequence = 0; sequence < 256; sequence++)
		for (size_t bytes = 0x1ed; bytes < 0x1fe; bytes++) {
			int complete;
			size_t length = frame_put(line, (uint8_t)sequence, data, bytes);
			assert_int_equal(frame_decode(&decoder, line, length, &complete), length);
			assert_true(complete);
			assert_int_equal(decoder.header.sequence, sequence);
			assert_int_equal(decoder.header.length, bytes);
			assert_memory_equal(frame_data(&decoder), data, bytes);
		}
	assert_int_equal(decoder.dropped, 0);
}

/* A guest's bytes are no frame, wherever in them a reader begins, and whatever is lost of what stands before. */
static void a_frame_in_data_is_none(void **state)
{
	(void)state;
	uint8_t forged[32], data[128], line[512];
	size_t one = frame_make(forged, 0, "forged"), bytes = 0;
	for (int i = 0; i < 6; i++, bytes += one)
		memcpy(data + bytes, forged, one);
	size_t length = frame_put(line, 0, data, bytes);
	assert_null(memchr(line + 1, GYRE_FRAME_MAGIC0, length - 1));
	for (size_t from = 1; from < length; from++) {
		char texts[64] = "";
		frame_decoder_init(&decoder);
		feed(line + from, length - from, 64, texts);
		assert_string_equal(texts, "");
	}
}

/* As the core does when it stops while root speaks. */
static void a_frame_breaks_off_what_was_begun(void **state)
{
	(void)state;
	uint8_t line[256];
	size_t begun = frame_make(line, 0, "begun \xf5 and \xf6 and more"), length;
	for (size_t cut = 0; cut < begun; cut++) {
		uint8_t next[64];
		char texts[64] = "";
		length = frame_make(next, 9, "it broke");
		frame_decoder_init(&decoder);
		feed(line, cut, 64, texts);
		feed(next, length, 64, texts);
		assert_string_equal(texts, "it broke.");
	}
}

/* What is no header is dropped: also when the good one begins inside the bad one. */
static void garbage_before_a_frame_is_dropped(void **state)
{
	(void)state;
	static const uint8_t garbage[][9] = {
		"", "\xf5", "\xf5\xf5", "\xf5G", "\xf5GGGG", "xxxxxxxx", "\xf5\x47\x01\x00\x05\x00\x00"};
	for (size_t g = 0; g < sizeof(garbage) / sizeof(garbage[0]); g++) {
		uint8_t line[64];
		char texts[64] = "";
		size_t noise = g == 6 ? 7 : strlen((const char *)garbage[g]);
		memcpy(line, garbage[g], noise);
		size_t bytes = noise + frame_make(line + noise, 7, "good");
		frame_decoder_init(&decoder);
		feed(line, bytes, 3, texts);
		assert_string_equal(texts, "good.");
		assert_int_equal(decoder.dropped, noise);
	}
}

static void a_gap_is_counted(void **state)
{
	(void)state;
	uint8_t line[64];
	char texts[64] = "";
	size_t bytes = frame_make(line, 5, "a");
	bytes += frame_make(line + bytes, 7, "b");
	frame_decoder_init(&decoder);
	feed(line, bytes, 64, texts);
	assert_string_equal(texts, "a.b.");
	assert_int_equal(decoder.gaps, 1);
}

static void a_length_beyond_the_limit_is_no_header(void **state)
{
	(void)state;
	struct gyre_frame_header header = gyre_frame_header(1, 0, GYRE_FRAME_DATA, 0);
	assert_true(frame_header_valid(&header));
	header = gyre_frame_header(1, 0, GYRE_FRAME_DATA + 1, 0);
	assert_false(frame_header_valid(&header));
}

static void noise_never_leaves_the_buffer(void **state)
{
	(void)state;
	uint8_t line[256];
	srand(1);
	frame_decoder_init(&decoder);
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(line); i++)
			line[i] = (uint8_t)(rand() % 4 == 0 ? 0xf5 : rand() % 3 == 0 ? 0x47 : rand());
		for (size_t at = 0; at < sizeof(line);) {
			int complete;
			at += frame_decode(&decoder, line + at, sizeof(line) - at, &complete);
			assert_true(decoder.have <= sizeof(decoder.bytes));
		}
	}
}

static void ring_carries_bytes_in_order(void **state)
{
	(void)state;
	struct ring_shared shared = {0};
	uint8_t memory[16], next_in = 0, next_out = 0;
	struct ring producer, consumer;
	ring_init(&producer, &shared, memory, sizeof(memory));
	ring_init(&consumer, &shared, memory, sizeof(memory));
	for (int round = 0; round < 1000; round++) {
		uint8_t piece[16];
		uint32_t want = (uint32_t)(round % 17);
		for (uint32_t i = 0; i < want; i++)
			piece[i] = (uint8_t)(next_in + i);
		int64_t written = ring_write(&producer, piece, want);
		assert_true(written >= 0 && written <= want);
		next_in = (uint8_t)(next_in + written);
		int64_t got = ring_read(&consumer, piece, (uint32_t)(round % 7));
		for (int64_t i = 0; i < got; i++)
			assert_int_equal(piece[i], next_out++);
	}
	assert_int_equal(ring_used(&consumer), (uint8_t)(next_in - next_out));
}

static void a_hostile_count_breaks_the_ring_and_nothing_else(void **state)
{
	(void)state;
	struct ring_shared shared = {0};
	uint8_t memory[16], piece[64] = {0};
	struct ring side;
	ring_init(&side, &shared, memory, sizeof(memory));
	shared.written = 17;
	assert_int_equal(ring_read(&side, piece, sizeof(piece)), -GYRE_EPROTO);
	shared.written = 0x80000000u;
	assert_int_equal(ring_read(&side, piece, sizeof(piece)), -GYRE_EPROTO);
	shared.taken = 1;
	assert_int_equal(ring_write(&side, piece, sizeof(piece)), -GYRE_EPROTO);
	shared.taken = UINT32_MAX - 15;
	assert_int_equal(ring_write(&side, piece, sizeof(piece)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_survive_any_split),
		cmocka_unit_test(all_bytes_come_as_they_were),
		cmocka_unit_test(a_frame_in_data_is_none),
		cmocka_unit_test(a_frame_breaks_off_what_was_begun),
		cmocka_unit_test(garbage_before_a_frame_is_dropped),
		cmocka_unit_test(a_gap_is_counted),
		cmocka_unit_test(a_length_beyond_the_limit_is_no_header),
		cmocka_unit_test(noise_never_leaves_the_buffer),
		cmocka_unit_test(ring_carries_bytes_in_order),
		cmocka_unit_test(a_hostile_count_breaks_the_ring_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
