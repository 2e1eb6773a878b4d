/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/string.c: the functions of lib/string.h that compilers call and that the core uses, too; lib/string_more.c has the others. Copies and fills are
 * REP MOVSQ and REP STOSQ, and bytes for the rest: fast on every processor that Gyre runs on, and few instructions on an emulator that counts each
 * repetition. The loops are written so that no compiler turns them into calls of themselves.
 */
#include "lib/string.h"
#include <stdint.h>

void *LIB_STRING(memcpy)(void *target, const void *source, size_t bytes)
{
	void *at = target;
	size_t words = bytes / 8, rest = bytes % 8;
	__asm__ volatile("rep movsq" : "+D"(at), "+S"(source), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(source), "+c"(rest) : : "memory");
	return target;
}

void *LIB_STRING(memset)(void *target, int value, size_t bytes)
{
	void *at = target;
	size_t words = bytes / 8, rest = bytes % 8;
	uint64_t word = (unsigned char)value * 0x0101010101010101ul;
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(word) : "memory");
	return target;
}

int LIB_STRING(memcmp)(const void *left, const void *right, size_t bytes)
{
	const unsigned char *a = left, *b = right;
	for (size_t i = 0; i < bytes; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* The empty asm keeps gcc from finding strlen in strlen, and calling it. */
size_t LIB_STRING(strlen)(const char *string)
{
	size_t length = 0;
	while (string[length] != 0) {
		length++;
		__asm__ volatile("" : "+r"(length));
	}
	return length;
}

int LIB_STRING(strncmp)(const char *left, const char *right, size_t most)
{
	for (size_t i = 0; i < most; i++) {
		unsigned char a = (unsigned char)left[i], b = (unsigned char)right[i];
		if (a != b)
			return a < b ? -1 : 1;
		if (a == 0)
			break;
	}
	return 0;
}

int LIB_STRING(strcmp)(const char *left, const char *right)
{
	return LIB_STRING(strncmp)(left, right, (size_t)-1);
}
