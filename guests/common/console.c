/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/console.c: a guest's words on COM1. */
#include "guests/common/console.h"
#include "guests/common/ports.h"

void console_start(void)
{
	out8(COM1 + 3, 3);
	out8(COM1 + 2, 7);
}

void say_byte(char byte)
{
	while (!(in8(COM1_LINE_STATUS) & LINE_STATUS_READY))
		;
	out8(COM1, (uint8_t)byte);
}

void say(const char *text)
{
	for (; *text; text++)
		say_byte(*text);
}
