/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/screen.c: log text on the screen, in VGA text mode or in a framebuffer as the boot loader set it up. Nothing is ever read back and nothing
 * scrolls, since reading a framebuffer is slow: after the last line writing goes on at the top, with the line below the newest kept empty.
 */
#include "core/boot/boot.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"

#define GLYPH_WIDTH   8
#define GLYPH_HEIGHT  16
#define WHITE	      0xff /* each byte of a pixel, however it is made up */
#define VGA_TEXT      0xb8000
#define VGA_COLUMNS   80
#define VGA_LINES     25
#define VGA_ATTRIBUTE 0x0700
#define COLUMNS_MAX   512

static struct {
	uint32_t columns, lines, column, line;
	volatile uint16_t *text; /* one of the two, or neither */
	volatile uint8_t *pixels;
	uint32_t pitch, pixel_bytes;
} screen;

static void draw(uint32_t column, uint32_t line, unsigned char c)
{
	if (screen.text) {
		screen.text[line * screen.columns + column] = VGA_ATTRIBUTE | c;
		return;
	}
	size_t start = (size_t)line * GLYPH_HEIGHT * screen.pitch + column * GLYPH_WIDTH * screen.pixel_bytes;
	for (uint32_t y = 0; y < GLYPH_HEIGHT; y++, start += screen.pitch)
		for (uint32_t i = 0; i < GLYPH_WIDTH * screen.pixel_bytes; i++)
			screen.pixels[start + i] = console_font[c][y] & (0x80u >> i / screen.pixel_bytes) ? WHITE : 0;
}

static void clear_line(uint32_t line)
{
	for (uint32_t column = 0; column < screen.columns; column++)
		draw(column, line, ' ');
}

static void next_line(void)
{
	screen.column = 0;
	screen.line = (screen.line + 1) % screen.lines;
	clear_line(screen.line);
	clear_line((screen.line + 1) % screen.lines);
}

void screen_write(char c)
{
	if (screen.text == NULL && screen.pixels == NULL)
		return;
	if (c == '\n' || screen.column == screen.columns)
		next_line();
	if (c != '\n')
		draw(screen.column++, screen.line, c < ' ' ? ' ' : (unsigned char)c);
}

void screen_init(const struct boot_framebuffer *from)
{
	if (from->text) {
		screen.columns = VGA_COLUMNS;
		screen.lines = VGA_LINES;
		screen.text = mmio_map(hpa(VGA_TEXT), VGA_COLUMNS * VGA_LINES * 2, MEMORY_UNCACHED);
	} else if (from->address.value != 0) {
		screen.columns = from->width / GLYPH_WIDTH < COLUMNS_MAX ? from->width / GLYPH_WIDTH : COLUMNS_MAX;
		screen.lines = from->height / GLYPH_HEIGHT;
		screen.pitch = from->pitch;
		screen.pixel_bytes = from->pixel_bytes;
		if (screen.columns > 0 && screen.lines > 1)
			screen.pixels = mmio_map(
				from->address, (size_t)from->pitch * from->height, MEMORY_WRITE_COMBINING);
	}
	if (screen.text || screen.pixels)
		for (uint32_t line = 0; line < screen.lines; line++)
			clear_line(line);
}
