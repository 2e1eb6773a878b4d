/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/format.h: the small formatter behind the log. Knows %c %s %d %i %u %x %X %p %%, flags '-', '0', '#', '+', ' ', width and precision (also *), and
 * the lengths hh h l ll z j t. Plain code: also built on Linux for its tests.
 */
#ifndef CORE_X86_FORMAT_H
#define CORE_X86_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* As vsnprintf: at most `bytes` including the terminating zero are written; the result is the length that would have been needed. */
size_t format_va(char *buffer, size_t bytes, const char *format, va_list arguments);
size_t format(char *buffer, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
