/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/format.h: printf into a buffer. Knows %c %s %d %u %x %p %%, the flags '-' and '0', width and precision (of strings), both also as *,
 * and the lengths l ll z. Anything else is copied as it stands.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* At most bytes are written, a terminating zero included (if bytes is not 0); the result is the length that all of it would have. */
size_t gyre_vsnprintf(char *buffer, size_t bytes, const char *format, va_list arguments);
size_t gyre_snprintf(char *buffer, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
