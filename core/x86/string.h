/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/string.h: the few string functions that the core uses. On Linux, in unit tests, the C library's stand in.
 */
#ifndef CORE_X86_STRING_H
#define CORE_X86_STRING_H

#ifdef GYRE_UNIT_TEST
#include <string.h>
#else
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *string);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);
#endif
#endif
