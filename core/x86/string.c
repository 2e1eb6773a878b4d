/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/string.c: see string.h. core/x86/memory.S has those that compilers call.
 */
#include "core/x86/string.h"

size_t strlen(const char *string)
{
	size_t length = 0;
	while (string[length] != 0)
		length++;
	return length;
}

int strcmp(const char *a, const char *b)
{
	while (*a != 0 && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t bytes)
{
	for (; bytes > 0; bytes--, a++, b++) {
		if (*a != *b)
			return (unsigned char)*a - (unsigned char)*b;
		if (*a == 0)
			break;
	}
	return 0;
}
