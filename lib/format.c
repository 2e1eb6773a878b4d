/* SPDX-License-Identifier: Apache-2.0 */
/* lib/format.c: the formatter of lib/format.h. */
#include "lib/format.h"
#include <stdint.h>

struct output {
	char *buffer;
	size_t bytes, length;
};

struct field {
	int left, zero, width, precision; /* precision < 0: none */
	int longs;			  /* 0: int, 1: long, size_t and long long, -1: short, -2: char */
};

static void put(struct output *output, char c)
{
	if (output->length + 1 < output->bytes)
		output->buffer[output->length] = c;
	output->length++;
}

static void pad(struct output *output, char c, int count)
{
	for (; count > 0; count--)
		put(output, c);
}

static void put_string(struct output *output, const struct field *field, const char *text)
{
	int length = 0;
	if (text == NULL)
		text = "(null)";
	while ((field->precision < 0 || length < field->precision) && text[length] != 0)
		length++;
	if (!field->left)
		pad(output, ' ', field->width - length);
	for (int i = 0; i < length; i++)
		put(output, text[i]);
	if (field->left)
		pad(output, ' ', field->width - length);
}

static void put_number(struct output *output, const struct field *field, uint64_t value, unsigned base, int capital,
	const char *prefix)
{
	char digits[24];
	int count = 0, length = 0;
	do {
		unsigned digit = (unsigned)(value % base);
		digits[count++] = (char)(digit < 10 ? '0' + digit : (capital ? 'A' : 'a') + digit - 10);
		value /= base;
	} while (value != 0);
	while (prefix[length] != 0)
		length++;
	length += count;
	if (!field->left && !field->zero)
		pad(output, ' ', field->width - length);
	while (*prefix != 0)
		put(output, *prefix++);
	if (!field->left && field->zero)
		pad(output, '0', field->width - length);
	while (count > 0)
		put(output, digits[--count]);
	if (field->left)
		pad(output, ' ', field->width - length);
}

static int64_t signed_of(const struct field *field, int64_t value)
{
	switch (field->longs) {
	case 0: return (int)value;
	case -1: return (short)value;
	case -2: return (signed char)value;
	default: return value;
	}
}

static uint64_t unsigned_of(const struct field *field, uint64_t value)
{
	switch (field->longs) {
	case 0: return (unsigned)value;
	case -1: return (unsigned short)value;
	case -2: return (unsigned char)value;
	default: return value;
	}
}

struct arguments {
	va_list list;
};

static int number_of(const char **format, struct arguments *arguments)
{
	int number = 0;
	if (**format == '*') {
		(*format)++;
		return va_arg(arguments->list, int);
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		if (number < 10000)
			number = number * 10 + (**format - '0');
	return number;
}

/* Flags, width, precision and length, up to the letter. */
static struct field field_of(const char **format, struct arguments *arguments)
{
	struct field field = {.precision = -1};
	for (;; (*format)++) {
		if (**format == '-')
			field.left = 1;
		else if (**format == '0')
			field.zero = 1;
		else
			break;
	}
	field.width = number_of(format, arguments);
	if (field.width < 0) {
		field.left = 1;
		field.width = field.width < -10000 ? 10000 : -field.width;
	}
	if (**format == '.') {
		(*format)++;
		field.precision = number_of(format, arguments);
	}
	for (;; (*format)++) {
		if (**format == 'l' || **format == 'z')
			field.longs = 1;
		else if (**format == 'h')
			field.longs--;
		else
			return field;
	}
}

static void put_integer(struct output *output, const struct field *field, char letter, struct arguments *arguments)
{
	uint64_t value = field->longs > 0 ? va_arg(arguments->list, uint64_t) : va_arg(arguments->list, unsigned);
	if (letter == 'd' || letter == 'i') {
		int64_t number = signed_of(field, (int64_t)(field->longs > 0 ? value : (uint64_t)(int)value));
		put_number(
			output, field, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, 0, number < 0 ? "-" : "");
		return;
	}
	put_number(output, field, unsigned_of(field, value), letter == 'u' ? 10 : 16, letter == 'X', "");
}

size_t gyre_vsnprintf(char *buffer, size_t bytes, const char *format, va_list list)
{
	struct output output = {buffer, bytes, 0};
	struct arguments arguments;
	va_copy(arguments.list, list);
	while (*format != 0) {
		if (*format != '%') {
			put(&output, *format++);
			continue;
		}
		format++;
		struct field field = field_of(&format, &arguments);
		char letter = *format;
		if (letter == 0)
			break;
		format++;
		switch (letter) {
		case 'c': {
			char text[2] = {(char)va_arg(arguments.list, int), 0};
			put_string(&output, &field, text);
			break;
		}
		case 's': put_string(&output, &field, va_arg(arguments.list, const char *)); break;
		case 'd':
		case 'i':
		case 'u':
		case 'x':
		case 'X': put_integer(&output, &field, letter, &arguments); break;
		case 'p':
			put_number(&output, &field, (uint64_t)(uintptr_t)va_arg(arguments.list, void *), 16, 0, "0x");
			break;
		default: put(&output, letter); break;
		}
	}
	va_end(arguments.list);
	if (bytes > 0)
		buffer[output.length < bytes ? output.length : bytes - 1] = 0;
	return output.length;
}

size_t gyre_snprintf(char *buffer, size_t bytes, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	size_t length = gyre_vsnprintf(buffer, bytes, format, arguments);
	va_end(arguments);
	return length;
}
