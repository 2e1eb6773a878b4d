/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/format.c: see format.h.
 */
#include "core/x86/format.h"
#include "core/x86/string.h"
#include <stdbool.h>
#include <stdint.h>

struct output {
	char *buffer;
	size_t bytes, length;
};

struct conversion {
	bool left, zero, alternate, plus, space;
	int width, precision; /* precision -1: not given */
	int size;	      /* of the argument in bytes */
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->bytes)
		out->buffer[out->length] = c;
	out->length++;
}

static void put_field(struct output *out, const struct conversion *how, const char *prefix, const char *text,
	size_t length, size_t zeros)
{
	size_t prefix_length = strlen(prefix), total = prefix_length + zeros + length;
	size_t fill = how->width > 0 && (size_t)how->width > total ? (size_t)how->width - total : 0;
	if (!how->left)
		for (; fill > 0; fill--)
			put(out, ' ');
	for (size_t i = 0; i < prefix_length; i++)
		put(out, prefix[i]);
	for (; zeros > 0; zeros--)
		put(out, '0');
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
	for (; fill > 0; fill--)
		put(out, ' ');
}

static void put_number(struct output *out, const struct conversion *how, uint64_t value, const char *sign,
	unsigned base, const char *digits)
{
	char text[24], prefix[4];
	size_t length = 0, at = sizeof(text), zeros = 0, prefix_length = 0;
	for (uint64_t rest = value; rest > 0; rest /= base)
		text[--at] = digits[rest % base];
	length = sizeof(text) - at;
	for (; *sign != 0; sign++)
		prefix[prefix_length++] = *sign;
	if (how->alternate && base == 16 && value != 0) {
		prefix[prefix_length++] = '0';
		prefix[prefix_length++] = digits[16];
	}
	prefix[prefix_length] = 0;
	if (how->precision >= 0) {
		if ((size_t)how->precision > length)
			zeros = (size_t)how->precision - length;
	} else {
		if (length == 0)
			zeros = 1;
		if (how->zero && !how->left && how->width > 0 && (size_t)how->width > prefix_length + length)
			zeros = (size_t)how->width - prefix_length - length;
	}
	put_field(out, how, prefix, text + at, length, zeros);
}

static const char *parse_flags(const char *format, struct conversion *how)
{
	for (;; format++) {
		switch (*format) {
		case '-': how->left = true; break;
		case '0': how->zero = true; break;
		case '#': how->alternate = true; break;
		case '+': how->plus = true; break;
		case ' ': how->space = true; break;
		default: return format;
		}
	}
}

static const char *parse_number(const char *format, int *value)
{
	for (*value = 0; *format >= '0' && *format <= '9'; format++)
		if (*value < 100000)
			*value = *value * 10 + (*format - '0');
	return format;
}

static const char *parse_length(const char *format, struct conversion *how)
{
	how->size = sizeof(int);
	for (;; format++) {
		switch (*format) {
		case 'h': how->size = how->size == 2 ? 1 : 2; break;
		case 'l':
		case 'z':
		case 'j':
		case 't': how->size = 8; break;
		default: return format;
		}
	}
}

static uint64_t narrow(uint64_t value, int size, bool is_signed)
{
	unsigned shift = 64 - 8 * (unsigned)size;
	return is_signed ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
}

/* A va_list cannot be passed by reference portably, a struct that holds one can. */
struct arguments {
	va_list list;
};

static void convert(struct output *out, struct conversion *how, char type, struct arguments *arguments)
{
	static const char lower[] = "0123456789abcdefx", upper[] = "0123456789ABCDEFX";
	switch (type) {
	case 'd':
	case 'i': {
		int64_t value = how->size == 8 ? va_arg(arguments->list, long) : va_arg(arguments->list, int);
		value = (int64_t)narrow((uint64_t)value, how->size, true);
		put_number(out, how, value < 0 ? -(uint64_t)value : (uint64_t)value,
			value < 0    ? "-"
			: how->plus  ? "+"
			: how->space ? " "
				     : "",
			10, lower);
		break;
	}
	case 'u':
	case 'x':
	case 'X': {
		uint64_t value = how->size == 8 ? va_arg(arguments->list, unsigned long)
						: va_arg(arguments->list, unsigned);
		put_number(out, how, narrow(value, how->size, false), "", type == 'u' ? 10 : 16,
			type == 'X' ? upper : lower);
		break;
	}
	case 'p':
		how->alternate = true;
		how->precision = 16;
		put_number(out, how, (uint64_t)va_arg(arguments->list, void *), "", 16, lower);
		break;
	case 'c': {
		char c = (char)va_arg(arguments->list, int);
		put_field(out, how, "", &c, 1, 0);
		break;
	}
	case 's': {
		const char *text = va_arg(arguments->list, const char *);
		size_t length = 0;
		if (text == NULL)
			text = "(null)";
		while ((how->precision < 0 || length < (size_t)how->precision) && text[length] != 0)
			length++;
		put_field(out, how, "", text, length, 0);
		break;
	}
	default: put(out, type);
	}
}

size_t format_va(char *buffer, size_t bytes, const char *format, va_list list)
{
	struct output out = {buffer, bytes, 0};
	struct arguments arguments;
	va_copy(arguments.list, list);
	while (*format != 0) {
		struct conversion how = {.precision = -1};
		if (*format != '%') {
			put(&out, *format++);
			continue;
		}
		format = parse_flags(format + 1, &how);
		if (*format == '*') {
			how.width = va_arg(arguments.list, int);
			if (how.width < 0) {
				how.left = true;
				how.width = -how.width;
			}
			format++;
		} else {
			format = parse_number(format, &how.width);
		}
		if (*format == '.') {
			if (format[1] == '*') {
				how.precision = va_arg(arguments.list, int);
				format += 2;
			} else {
				format = parse_number(format + 1, &how.precision);
			}
		}
		format = parse_length(format, &how);
		if (*format == 0)
			break;
		convert(&out, &how, *format++, &arguments);
	}
	va_end(arguments.list);
	if (bytes > 0)
		buffer[out.length < bytes ? out.length : bytes - 1] = 0;
	return out.length;
}

size_t format(char *buffer, size_t bytes, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	size_t length = format_va(buffer, bytes, format, list);
	va_end(list);
	return length;
}
