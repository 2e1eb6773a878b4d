/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: lib/string.c lib/string_more.c lib/format.c lib/crc32.c */
/* tests/unit/test_lib_string.c: strings, formatter and checksum of native processes, against the C library's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include "lib/string.h"
#include "lib/format.h"
#include "lib/crc32.h"

static void copies_and_fills_touch_what_they_should(void **state)
{
	(void)state;
	char from[64], to[64], expected[64];
	for (size_t length = 0; length <= 32; length++)
		for (size_t offset = 0; offset < 8; offset++) {
			for (int i = 0; i < 64; i++)
				from[i] = (char)i;
			memset(to, 'x', sizeof(to));
			memset(expected, 'x', sizeof(expected));
			assert_ptr_equal(gyre_memcpy(to + offset, from + 3, length), to + offset);
			memcpy(expected + offset, from + 3, length);
			assert_memory_equal(to, expected, sizeof(to));
			assert_ptr_equal(gyre_memset(to + offset, 0x181, length), to + offset);
			memset(expected + offset, 0x81, length);
			assert_memory_equal(to, expected, sizeof(to));
		}
}

static void move_allows_overlap_both_ways(void **state)
{
	(void)state;
	for (size_t target = 0; target < 24; target++)
		for (size_t length = 0; length <= 32; length++) {
			char own[64], libc[64];
			for (int i = 0; i < 64; i++)
				own[i] = libc[i] = (char)i;
			gyre_memmove(own + target, own + 12, length);
			memmove(libc + target, libc + 12, length);
			assert_memory_equal(own, libc, sizeof(own));
		}
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void comparisons_have_the_libraries_sign(void **state)
{
	(void)state;
	static const char *const words[] = {"", "a", "ab", "abc", "b", "\x80", "abd", "a\xff"};
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < 8; j++) {
			assert_int_equal(sign(gyre_strcmp(words[i], words[j])), sign(strcmp(words[i], words[j])));
			assert_int_equal(
				sign(gyre_strncmp(words[i], words[j], 2)), sign(strncmp(words[i], words[j], 2)));
			assert_ptr_equal(gyre_strstr(words[i], words[j]), strstr(words[i], words[j]));
		}
	assert_int_equal(sign(gyre_memcmp("a\0b", "a\0c", 3)), -1);
	assert_int_equal(gyre_memcmp("a", "b", 0), 0);
}

static void searches_find_the_first_and_the_end(void **state)
{
	(void)state;
	const char *text = "hello";
	assert_ptr_equal(gyre_strchr(text, 'l'), text + 2);
	assert_ptr_equal(gyre_strchr(text, 0), text + 5);
	assert_null(gyre_strchr(text, 'x'));
	assert_ptr_equal(gyre_memchr(text, 'o', 5), text + 4);
	assert_null(gyre_memchr(text, 'o', 4));
	assert_int_equal(gyre_strlen(text), 5);
	assert_int_equal(gyre_strnlen(text, 3), 3);
	assert_int_equal(gyre_strnlen(text, 9), 5);
}

static void a_copy_of_a_string_is_cut_and_ended(void **state)
{
	(void)state;
	char target[4] = "xyz";
	assert_int_equal(gyre_strlcpy(target, "long", 0), 4);
	assert_string_equal(target, "xyz");
	assert_int_equal(gyre_strlcpy(target, "long", sizeof(target)), 4);
	assert_string_equal(target, "lon");
}

/* The same call of both: text and length. */
#define SAME(...)                                                                                                      \
	do {                                                                                                           \
		char own[128], libc[128];                                                                              \
		size_t length = gyre_snprintf(own, sizeof(own), __VA_ARGS__);                                          \
		assert_int_equal(length, snprintf(libc, sizeof(libc), __VA_ARGS__));                                   \
		assert_string_equal(own, libc);                                                                        \
	} while (0)

static void formats_as_printf_does(void **state)
{
	(void)state;
	SAME("plain %% text");
	SAME("%d %d %d", 0, -1, 2147483647);
	SAME("%d", (int)-2147483647 - 1);
	SAME("%ld %lu", (long)INT64_MIN, (unsigned long)UINT64_MAX);
	SAME("%u %x %x", 4294967295u, 0xdeadbeefu, 0xdeadbeefu);
	SAME("%8d|%-8d|%08d", -42, -42, -42);
	SAME("%016lx", 0x123456789abcul);
	SAME("%zu %zx %llu", sizeof(long), sizeof(long), 1ull);
	SAME("%p", (void *)0x1234);
	SAME("%c%5c%-5c|", 'a', 'b', 'c');
	SAME("%s %8s|%-8s|%.2s|%.*s|%*s", "a", "b", "c", "defg", 1, "hi", 4, "j");
}

static void output_is_cut_and_still_counted(void **state)
{
	(void)state;
	char buffer[4] = {9, 9, 9, 9};
	assert_int_equal(gyre_snprintf(buffer, 0, "abc"), 3);
	assert_int_equal(buffer[0], 9);
	assert_int_equal(gyre_snprintf(buffer, 3, "abc%d", 10), 5);
	assert_string_equal(buffer, "ab");
	assert_int_equal(buffer[3], 9);
}

/* The check value that every description of this checksum gives. */
static void checksum_is_the_known_one(void **state)
{
	(void)state;
	assert_int_equal(gyre_crc32(0, "123456789", 9), 0xcbf43926u);
	assert_int_equal(gyre_crc32(gyre_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
	assert_int_equal(gyre_crc32(0, "", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_fills_touch_what_they_should),
		cmocka_unit_test(move_allows_overlap_both_ways),
		cmocka_unit_test(comparisons_have_the_libraries_sign),
		cmocka_unit_test(searches_find_the_first_and_the_end),
		cmocka_unit_test(a_copy_of_a_string_is_cut_and_ended),
		cmocka_unit_test(formats_as_printf_does),
		cmocka_unit_test(output_is_cut_and_still_counted),
		cmocka_unit_test(checksum_is_the_known_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
