/* SPDX-License-Identifier: Apache-2.0 */
/* tests/native/words.h: words of a command line, for the native programs of the tests. Linked with lib/string.c. */
#ifndef TESTS_NATIVE_WORDS_H
#define TESTS_NATIVE_WORDS_H

#include <stdint.h>
#include "lib/string.h"

/* The decimal number behind a word. */
static inline uint64_t number_in(const char *text, const char *word, uint64_t otherwise)
{
	const char *at = strstr(text, word);
	uint64_t value = 0;
	if (at == NULL)
		return otherwise;
	for (at += strlen(word); *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

#endif
