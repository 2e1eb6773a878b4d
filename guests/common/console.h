/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/console.h: COM1, as its loader or its firmware left it. */
#ifndef GUESTS_COMMON_CONSOLE_H
#define GUESTS_COMMON_CONSOLE_H

#include "guests/common/words.h"

#define COM1		  0x3f8
#define COM1_LINE_STATUS  (COM1 + 5)
#define LINE_STATUS_READY 0x20 /* the transmitter takes a byte */

void say_byte(char byte);
/* 8 bits, FIFOs on and empty. */
void console_start(void);

#endif
