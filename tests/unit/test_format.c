/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_format.c: the core's formatter says what the C library's says, and never writes beyond its buffer.
 */
/* unit-sources: lib/format.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/format.h"

/* The same call for both, at every size of the buffer. */
#define SAME(...)                                                                                                      \
	do {                                                                                                           \
		char expected[300];                                                                                    \
		int length = snprintf(expected, sizeof(expected), __VA_ARGS__);                                        \
		for (size_t room = 0; room <= (size_t)length + 2; room++) {                                            \
			char *buffer = malloc(room ? room : 1);                                                        \
			assert_int_equal(gyre_snprintf(buffer, room, __VA_ARGS__), length);                            \
			if (room > 0) {                                                                                \
				size_t kept = room - 1 < (size_t)length ? room - 1 : (size_t)length;                   \
				assert_memory_equal(buffer, expected, kept);                                           \
				assert_int_equal(buffer[kept], 0);                                                     \
			}                                                                                              \
			free(buffer);                                                                                  \
		}                                                                                                      \
	} while (0)

static void numbers(void **state)
{
	(void)state;
	SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	SAME("%ld %ld %lld", LONG_MAX, LONG_MIN, LLONG_MIN);
	SAME("%u %lu %x %lx", UINT_MAX, ULONG_MAX, 0xdeadbeef, 0xABCDEFul);
	SAME("[%5d] [%-5d] [%05d]", 42, 42, -42);
	SAME("[%016lx] [%02x]", 0x123ul, 0xabc);
	SAME("%u %d %zu", (unsigned char)200, (short)-3, (size_t)1 << 40);
	SAME("[%*d] [%-*d] [%.*s]", 6, 1, 6, 1, 2, "abc");
}

static void text(void **state)
{
	(void)state;
	SAME("plain, 100%%");
	SAME("%s|%10s|%-10s|%.2s|%c", "gyre", "right", "left", "cut", 'x');
	SAME("%s", "");
}

static void odd_formats_are_survived(void **state)
{
	char buffer[32];
	(void)state;
	static const char *const odd[] = {"%", "%-", "%5", "%l", "%.", "%q", "%999999999d"};
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		/* Through a pointer: compilers would refuse these. */
		size_t (*volatile call)(char *, size_t, const char *, ...) = gyre_snprintf;
		call(buffer, sizeof(buffer), odd[i], 1);
		assert_true(strlen(buffer) < sizeof(buffer));
	}
	assert_int_equal(gyre_snprintf(buffer, sizeof(buffer), "%p", (void *)0x1234), 6);
	assert_string_equal(buffer, "0x1234");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(text),
		cmocka_unit_test(odd_formats_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
