/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/words.c: numbers as text, and words of a command line. */
#include <stddef.h>
#include "guests/common/words.h"

static void say_digits(unsigned long number, unsigned base, unsigned least)
{
	char digits[8 * sizeof(number) + 1], *digit = digits + sizeof(digits);

	*--digit = 0;
	for (unsigned count = 0; count < least || number != 0; count++, number /= base)
		*--digit = "0123456789abcdef"[number % base];
	say(digit);
}

void say_in_base(unsigned long number, unsigned base)
{
	say_digits(number, base, 1);
}

void say_number(unsigned long number)
{
	say_digits(number, 10, 1);
}

void say_hex(unsigned long number, unsigned digits)
{
	say_digits(number, 16, digits);
}

const char *word_after(const char *line, const char *word)
{
	for (; *line; line++) {
		const char *a = line, *b = word;
		while (*b && *a == *b)
			a++, b++;
		if (*b == 0)
			return a;
	}
	return NULL;
}

unsigned long number_after(const char *line, const char *word, unsigned long otherwise)
{
	const char *at = word_after(line, word);
	unsigned long number = 0;

	if (at == NULL)
		return otherwise;
	for (; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (unsigned long)(*at - '0');
	return number;
}

const char *next_word(const char *text)
{
	while (*text && *text != ' ')
		text++;
	while (*text == ' ')
		text++;
	return text;
}
