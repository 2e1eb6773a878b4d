/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/string.c: the functions of lib/string.h. Copies and fills are REP MOVSB and REP STOSB: one instruction to fetch, and fast on every
 * processor that Gyre runs on (ERMSB). The loops are written so that no compiler turns them into calls of themselves.
 */
#include "lib/string.h"

void *LIB_STRING(memcpy)(void *target, const void *source, size_t bytes)
{
	void *at = target;
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(source), "+c"(bytes) : : "memory");
	return target;
}

void *LIB_STRING(memmove)(void *target, const void *source, size_t bytes)
{
	if ((size_t)((char *)target - (const char *)source) >= bytes)
		return LIB_STRING(memcpy)(target, source, bytes);
	/* The target begins inside the source: from the end backwards. */
	char *at = (char *)target + bytes - 1;
	const char *from = (const char *)source + bytes - 1;
	__asm__ volatile("std; rep movsb; cld" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory", "cc");
	return target;
}

void *LIB_STRING(memset)(void *target, int value, size_t bytes)
{
	void *at = target;
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
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

void *LIB_STRING(memchr)(const void *memory, int value, size_t bytes)
{
	const unsigned char *at = memory;
	for (size_t i = 0; i < bytes; i++)
		if (at[i] == (unsigned char)value)
			return (void *)(at + i);
	return NULL;
}

/* The empty asm keeps gcc from finding strlen in strlen, and calling it. */
size_t LIB_STRING(strnlen)(const char *string, size_t most)
{
	size_t length = 0;
	while (length < most && string[length] != 0) {
		length++;
		__asm__ volatile("" : "+r"(length));
	}
	return length;
}

size_t LIB_STRING(strlen)(const char *string)
{
	return LIB_STRING(strnlen)(string, (size_t)-1);
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

char *LIB_STRING(strchr)(const char *string, int value)
{
	for (;; string++) {
		if (*string == (char)value)
			return (char *)string;
		if (*string == 0)
			return NULL;
	}
}

char *LIB_STRING(strstr)(const char *string, const char *part)
{
	size_t length = LIB_STRING(strlen)(part);
	for (;; string++) {
		if (LIB_STRING(strncmp)(string, part, length) == 0)
			return (char *)string;
		if (*string == 0)
			return NULL;
	}
}

size_t gyre_strlcpy(char *target, const char *source, size_t bytes)
{
	size_t length = LIB_STRING(strlen)(source);
	if (bytes > 0) {
		size_t copied = length < bytes ? length : bytes - 1;
		LIB_STRING(memcpy)(target, source, copied);
		target[copied] = 0;
	}
	return length;
}
