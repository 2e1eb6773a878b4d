/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/screen.c: log text on the screen, in a framebuffer as the boot loader set it up. Nothing is ever read back and nothing scrolls, since reading a
 * framebuffer is slow: after the last line writing goes on at the top, with the line below the newest kept empty.
 */
#include "core/boot/boot.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"

#define GLYPH_WIDTH  8
#define GLYPH_HEIGHT 16
#define WHITE	     0xff /* each byte of a pixel, however it is made up */

static struct boot_framebuffer screen;
static volatile uint8_t *pixels; /* NULL: there is no screen */
static uint32_t columns, lines, column, line;

static void draw(uint32_t at_column, uint32_t at_line, unsigned char c)
{
	volatile uint8_t *to = pixels + (size_t)at_line * GLYPH_HEIGHT * screen.pitch +
			       at_column * GLYPH_WIDTH * screen.pixel_bytes;
	for (uint32_t y = 0; y < GLYPH_HEIGHT; y++, to += screen.pitch)
		for (uint32_t i = 0; i < GLYPH_WIDTH * screen.pixel_bytes; i++)
			to[i] = console_font[c][y] & (0x80u >> i / screen.pixel_bytes) ? WHITE : 0;
}

static void clear_line(uint32_t which)
{
	for (uint32_t i = 0; i < columns; i++)
		draw(i, which, ' ');
}

void screen_write(char c)
{
	if (pixels == NULL)
		return;
	if (c == '\n' || column == columns) {
		column = 0;
		line = (line + 1) % lines;
		clear_line(line);
		clear_line((line + 1) % lines);
	}
	if (c != '\n')
		draw(column++, line, c < ' ' ? ' ' : (unsigned char)c);
}

void screen_init(const struct boot_framebuffer *framebuffer)
{
	screen = *framebuffer;
	columns = screen.width / GLYPH_WIDTH;
	lines = screen.height / GLYPH_HEIGHT;
	if (screen.address.value == 0 || columns == 0 || lines < 2)
		return;
	pixels = mmio_map(screen.address, (size_t)screen.pitch * screen.height, MEMORY_WRITE_COMBINING);
	for (uint32_t i = 0; pixels != NULL && i < lines; i++)
		clear_line(i);
}
