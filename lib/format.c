/* SPDX-License-Identifier: Apache-2.0 */
/* lib/format.c: the formatter of lib/format.h. */
#include "lib/format.h"
#include <stdbool.h>
#include <stdint.h>

#define NUMBER_MAX 10000 /* of a width or precision */

struct output {
	char *buffer;
	size_t bytes, length;
};

struct field {
	bool left, zero;
	int width, precision; /* precision < 0: none */
	bool is_long;	      /* the argument has 64 bits, not 32 */
};

struct arguments {
	va_list list;
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

static void put_field(
	struct output *output, const struct field *field, const char *prefix, const char *text, int length)
{
	int fill = field->width - length;
	for (int i = 0; prefix[i] != 0; i++)
		fill--;
	if (!field->left && !field->zero)
		pad(output, ' ', fill);
	while (*prefix != 0)
		put(output, *prefix++);
	if (!field->left && field->zero)
		pad(output, '0', fill);
	for (int i = 0; i < length; i++)
		put(output, text[i]);
	if (field->left)
		pad(output, ' ', fill);
}

static void put_string(struct output *output, const struct field *field, const char *text)
{
	int length = 0;
	if (text == NULL)
		text = "(null)";
	while ((field->precision < 0 || length < field->precision) && text[length] != 0)
		length++;
	put_field(output, field, "", text, length);
}

static void put_number(
	struct output *output, const struct field *field, uint64_t value, unsigned base, const char *prefix)
{
	char text[20];
	int at = sizeof(text);
	do {
		text[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	put_field(output, field, prefix, text + at, (int)sizeof(text) - at);
}

static int number_of(const char **format, struct arguments *arguments)
{
	int number = 0;
	if (**format == '*') {
		(*format)++;
		return va_arg(arguments->list, int);
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		if (number < NUMBER_MAX)
			number = number * 10 + (**format - '0');
	return number;
}

/* Flags, width, precision and length, up to the letter. */
static struct field field_of(const char **format, struct arguments *arguments)
{
	struct field field = {.precision = -1};
	for (; **format == '-' || **format == '0'; (*format)++)
		*(**format == '-' ? &field.left : &field.zero) = true;
	field.width = number_of(format, arguments);
	if (field.width < 0) {
		field.left = true;
		field.width = field.width < -NUMBER_MAX ? NUMBER_MAX : -field.width;
	}
	if (**format == '.') {
		(*format)++;
		field.precision = number_of(format, arguments);
	}
	for (; **format == 'l' || **format == 'z'; (*format)++)
		field.is_long = true;
	return field;
}

static void convert(struct output *output, const struct field *field, char letter, struct arguments *arguments)
{
	uint64_t value;
	switch (letter) {
	case 'c': {
		char c = (char)va_arg(arguments->list, int);
		put_field(output, field, "", &c, 1);
		break;
	}
	case 's': put_string(output, field, va_arg(arguments->list, const char *)); break;
	case 'p': put_number(output, field, (uintptr_t)va_arg(arguments->list, void *), 16, "0x"); break;
	case 'd':
		value = field->is_long ? va_arg(arguments->list, uint64_t) : (uint64_t)va_arg(arguments->list, int);
		put_number(output, field, (int64_t)value < 0 ? -value : value, 10, (int64_t)value < 0 ? "-" : "");
		break;
	case 'u':
	case 'x':
		value = field->is_long ? va_arg(arguments->list, uint64_t) : va_arg(arguments->list, unsigned);
		put_number(output, field, value, letter == 'x' ? 16 : 10, "");
		break;
	default: put(output, letter);
	}
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
		if (*format != 0)
			convert(&output, &field, *format++, &arguments);
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
