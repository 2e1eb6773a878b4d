/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/string.h: the memory and string functions of C that freestanding code has. Hosted programs get those of their C library; lib/string.c's
 * are there too then, with gyre_ before their names, for its tests.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <stddef.h>

#if __STDC_HOSTED__
#include <string.h>
#define LIB_STRING(name) gyre_##name
#else
#define LIB_STRING(name) name
#endif

void *LIB_STRING(memcpy)(void *target, const void *source, size_t bytes);
void *LIB_STRING(memmove)(void *target, const void *source, size_t bytes);
void *LIB_STRING(memset)(void *target, int value, size_t bytes);
int LIB_STRING(memcmp)(const void *left, const void *right, size_t bytes);
void *LIB_STRING(memchr)(const void *memory, int value, size_t bytes);
size_t LIB_STRING(strlen)(const char *string);
size_t LIB_STRING(strnlen)(const char *string, size_t most);
int LIB_STRING(strcmp)(const char *left, const char *right);
int LIB_STRING(strncmp)(const char *left, const char *right, size_t most);
char *LIB_STRING(strchr)(const char *string, int value);
char *LIB_STRING(strstr)(const char *string, const char *part);

/* Copies what fits and ends it with a zero, if there is room for one; returns the length of source. */
size_t gyre_strlcpy(char *target, const char *source, size_t bytes);

#endif
