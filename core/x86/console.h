/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/console.h: where log text can go besides the ring. Nothing here waits longer than a stuck port is worth.
 */
#ifndef CORE_X86_CONSOLE_H
#define CORE_X86_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_COM1 0x3f8
#define SERIAL_COM2 0x2f8

/* core/x86/serial.c. False: no UART is there. */
bool serial_init(uint16_t port);
void serial_write(uint16_t port, uint8_t byte);

/* core/x86/screen.c */
struct boot_framebuffer;
void screen_init(const struct boot_framebuffer *framebuffer);
void screen_write(char c);

/* tools/build/font.py makes it: 256 glyphs of 16 rows, the leftmost pixel is the highest bit. */
extern const uint8_t console_font[256][16];

#endif
