/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/util.h: what every part of the gyre command uses: its words to people, and text that is allocated or the command ends.
 * Errors travel as exit codes (GYRE_STATUS_ of config.h); whoever finds one says it, once, and returns the code.
 */
#ifndef TOOLS_GYRE_UTIL_H
#define TOOLS_GYRE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GYRE_TOOL_VERSION "0.1"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Says "gyre: ..." on standard error and returns status. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same without a failure. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Never NULL: without memory the command ends with code 4. */
void *allocate(size_t bytes);
char *text_copy(const char *text);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The nearest of `count` names, `stride` bytes apart, to a mistyped one; NULL if none is near. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

/* "256M", as people write it. */
char *size_text(uint64_t bytes);
/* NULL, or what is wrong with it: a whole number and K, M, G or T. */
const char *size_parse(const char *text, uint64_t *bytes);

/* A whole number in decimal, within bounds. */
bool number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *number);

/* Seconds, more than none, as in 2.5. */
bool seconds_parse(const char *text, double most, double *seconds);

/* Seconds since some start, never going back. */
double seconds_now(void);

/* Where a program is in PATH, or NULL. The caller frees it. */
char *program_path(const char *name);
bool file_exists(const char *path);

#endif
