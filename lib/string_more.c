/* SPDX-License-Identifier: Apache-2.0 */
/* lib/string_more.c: the functions of lib/string.h that processes and tools use, but not the core. */
#include "lib/string.h"

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

void *LIB_STRING(memchr)(const void *memory, int value, size_t bytes)
{
	const unsigned char *at = memory;
	for (size_t i = 0; i < bytes; i++)
		if (at[i] == (unsigned char)value)
			return (void *)(at + i);
	return NULL;
}

size_t LIB_STRING(strnlen)(const char *string, size_t most)
{
	size_t length = 0;
	while (length < most && string[length] != 0)
		length++;
	return length;
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
