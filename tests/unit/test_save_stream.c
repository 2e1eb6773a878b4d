/* SPDX-License-Identifier: Apache-2.0 */
/* The saved form: what is written is read, and nothing that is not whole and known is taken. */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gyre/errors.h"
#include "lib/crc32.h"
#include "monitor/save/stream.h"

static uint8_t buffer[512];
static struct save_stream stream;

struct values {
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	int64_t e;
	uint8_t f[5];
};

static void fields(struct save *save, struct values *values)
{
	save_u8(save, &values->a);
	save_u16(save, &values->b);
	save_u32(save, &values->c);
	save_u64(save, &values->d);
	save_i64(save, &values->e);
	save_bytes(save, values->f, sizeof(values->f));
}

static const struct values some = {0x12, 0x3456, 0x789abcde, 0x0123456789abcdef, -5, "four"};

static size_t write_some(void)
{
	struct save save;
	struct values values = some;
	save_begin(&save, buffer, sizeof(buffer));
	save_section(&save, "one", 3);
	fields(&save, &values);
	save_section(&save, "empty", 1);
	save_section(&save, "two-2", 7);
	save_u8(&save, &values.a);
	return save_end(&save);
}

static void crc_make(size_t bytes)
{
	memset(buffer + 20, 0, 4);
	uint32_t crc = gyre_crc32(0, buffer, bytes);
	memcpy(buffer + 20, &crc, 4);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	size_t bytes = write_some();
	assert_int_equal(bytes, 24 + 3 * 24 + 28 + 1);
	struct save save;
	struct values values = {0};
	assert_int_equal(save_open(&stream, buffer, sizeof(buffer)), 0); /* what follows the stream is not looked at */
	assert_int_equal(save_take(&stream, "two-2", 7, &save), 0);
	save_u8(&save, &values.a);
	assert_int_equal(save_close(&stream, "two-2", &save), 0);
	assert_int_equal(save_take(&stream, "one", 3, &save), 0);
	assert_true(save_loading(&save));
	fields(&save, &values);
	assert_int_equal(save_close(&stream, "one", &save), 0);
	assert_int_equal(values.a, some.a);
	assert_int_equal(values.b, some.b);
	assert_int_equal(values.c, some.c);
	assert_int_equal(values.d, some.d);
	assert_int_equal(values.e, some.e);
	assert_memory_equal(values.f, some.f, 5);
	assert_int_equal(save_all_taken(&stream), -GYRE_ENOTSUP);
	assert_non_null(strstr(stream.why, "section empty"));
	assert_int_equal(save_take(&stream, "empty", 1, &save), 0);
	assert_int_equal(save_close(&stream, "empty", &save), 0);
	assert_int_equal(save_all_taken(&stream), 0);
}

/* The bytes that another build, another compiler, another machine has to write for the same values. */
static void the_form_is_fixed(void **state)
{
	(void)state;
	static const uint8_t head[] = {'G', 'Y', 'R', 'E', 'S', 'A', 'V', 'E', 1, 0, 0, 0, 125, 0, 0, 0, 3, 0, 0, 0};
	static const uint8_t one[] = {'o', 'n', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0,
		0x12, 0x56, 0x34, 0xde, 0xbc, 0x9a, 0x78, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0xfb, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'f', 'o', 'u', 'r', 0};
	assert_int_equal(write_some(), 125);
	assert_memory_equal(buffer, head, sizeof(head));
	assert_memory_equal(buffer + 24, one, sizeof(one));
}

static void a_buffer_that_is_too_small_is_told(void **state)
{
	(void)state;
	size_t whole = write_some();
	for (size_t bytes = 0; bytes < whole; bytes++) {
		struct save save;
		struct values values = some;
		uint8_t *small = malloc(bytes + 1); /* the sanitizer sees a byte behind it */
		save_begin(&save, small, bytes);
		save_section(&save, "one", 3);
		fields(&save, &values);
		save_section(&save, "empty", 1);
		save_section(&save, "two-2", 7);
		save_u8(&save, &values.a);
		assert_int_equal(save_end(&save), 0);
		free(small);
	}
}

static void every_cut_and_every_changed_bit_is_refused(void **state)
{
	(void)state;
	size_t whole = write_some();
	for (size_t bytes = 0; bytes < whole; bytes++) {
		uint8_t *cut = malloc(bytes + !bytes);
		memcpy(cut, buffer, bytes);
		assert_int_equal(save_open(&stream, cut, bytes), -GYRE_EPROTO);
		assert_true(stream.why[0] != 0);
		free(cut);
	}
	for (size_t bit = 0; bit < whole * 8; bit++) {
		buffer[bit / 8] ^= 1u << bit % 8;
		assert_int_equal(save_open(&stream, buffer, whole), -GYRE_EPROTO);
		buffer[bit / 8] ^= 1u << bit % 8;
	}
}

/* With a checksum that is right: what made it is hostile. */
static void sections_that_are_none_are_refused(void **state)
{
	(void)state;
	size_t whole = write_some();
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} wrong[] = {
		{8, 2, "version 2"},
		{16, 2, "more follows"},
		{16, 4, "section 3"},
		{19, 1, "too many"},
		{24, 'O', "section 0"},
		{24, 0, "section 0"},
		{24 + 20, 27, "damaged"},
		{24 + 20, 200, "ends behind"},
		{24 + 23, 255, "ends behind"},
		{24 + 5, 'x', "section 0"},
	};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_some();
		buffer[wrong[i].at] = wrong[i].value;
		crc_make(whole);
		assert_int_equal(save_open(&stream, buffer, whole), -GYRE_EPROTO);
		if (!strstr(stream.why, wrong[i].why))
			fail_msg("%u: %s", i, stream.why);
	}
	write_some();
	memcpy(buffer + 24 + 24 + 28, "one\0\0\0", 6); /* in place of "empty" */
	crc_make(whole);
	assert_int_equal(save_open(&stream, buffer, whole), -GYRE_EPROTO);
	assert_non_null(strstr(stream.why, "twice"));
}

static void other_versions_and_lengths_are_refused(void **state)
{
	(void)state;
	struct save save;
	struct values values;
	uint64_t more;
	assert_int_equal(save_open(&stream, buffer, write_some()), 0);
	assert_int_equal(save_take(&stream, "one", 2, &save), -GYRE_ENOTSUP);
	assert_non_null(strstr(stream.why, "version 3"));
	assert_int_equal(save_take(&stream, "on", 3, &save), -GYRE_ENOENT);
	/* What was not found has no fields. */
	more = 1;
	save_u64(&save, &more);
	assert_int_equal(more, 0);
	assert_int_equal(save_take(&stream, "one", 3, &save), 0);
	save_u8(&save, &values.a);
	assert_int_equal(save_close(&stream, "one", &save), -GYRE_EPROTO);
	assert_non_null(strstr(stream.why, "too many"));
	assert_int_equal(save_take(&stream, "one", 3, &save), 0);
	fields(&save, &values);
	save_u64(&save, &more);
	assert_int_equal(more, 0);
	assert_int_equal(save_close(&stream, "one", &save), -GYRE_EPROTO);
	assert_non_null(strstr(stream.why, "too few"));
}

static void too_many_sections_do_not_fit(void **state)
{
	(void)state;
	static uint8_t large[8192];
	struct save save;
	for (unsigned count = SAVE_SECTIONS; count <= SAVE_SECTIONS + 1; count++) {
		save_begin(&save, large, sizeof(large));
		for (unsigned i = 0; i < count; i++) {
			char name[] = {'a' + (char)(i / 26), 'a' + (char)(i % 26), 0};
			save_section(&save, name, 1);
		}
		size_t bytes = save_end(&save);
		assert_int_equal(bytes != 0, count == SAVE_SECTIONS);
		if (bytes != 0)
			assert_int_equal(save_open(&stream, large, bytes), 0);
	}
	save_begin(&save, large, sizeof(large));
	save_section(&save, "a-name-too-long!", 1);
	assert_int_equal(save_end(&save), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_form_is_fixed),
		cmocka_unit_test(a_buffer_that_is_too_small_is_told),
		cmocka_unit_test(every_cut_and_every_changed_bit_is_refused),
		cmocka_unit_test(sections_that_are_none_are_refused),
		cmocka_unit_test(other_versions_and_lengths_are_refused),
		cmocka_unit_test(too_many_sections_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
