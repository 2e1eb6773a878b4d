/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/screen.c: log text on the screen, in VGA text mode or in a framebuffer as the boot loader set it up. Nothing is ever read back and nothing
 * scrolls, since reading a framebuffer is slow: after the last line writing goes on at the top, with the line below the newest kept empty.
 */
#include "core/x86/console.h"
#include "core/boot/boot.h"
#include "core/x86/io.h"
#include "core/x86/paging.h"

#define GLYPH_WIDTH   8
#define GLYPH_HEIGHT  16
#define VGA_TEXT      0xb8000
#define VGA_COLUMNS   80
#define VGA_LINES     25
#define VGA_ATTRIBUTE 0x0700
#define COLUMNS_MAX   512
#define TAB	      8

static struct {
	enum { SCREEN_NONE, SCREEN_TEXT, SCREEN_PIXELS } kind;
	uint32_t columns, lines, column, line;
	volatile uint16_t *text;
	uint8_t *pixels;
	uint32_t pitch, bytes_per_pixel, foreground;
} screen;

static void draw(uint32_t column, uint32_t line, unsigned char c)
{
	if (screen.kind == SCREEN_TEXT) {
		screen.text[line * screen.columns + column] = VGA_ATTRIBUTE | c;
		return;
	}
	uint8_t *row = screen.pixels + (uint64_t)line * GLYPH_HEIGHT * screen.pitch +
		       (uint64_t)column * GLYPH_WIDTH * screen.bytes_per_pixel;
	for (unsigned y = 0; y < GLYPH_HEIGHT; y++, row += screen.pitch) {
		uint8_t *pixel = row;
		for (unsigned x = 0; x < GLYPH_WIDTH; x++, pixel += screen.bytes_per_pixel) {
			uint32_t colour = console_font[c][y] & (0x80u >> x) ? screen.foreground : 0;
			if (screen.bytes_per_pixel == 4) {
				mmio_write32(pixel, colour);
			} else {
				for (unsigned i = 0; i < screen.bytes_per_pixel; i++)
					mmio_write8(pixel + i, colour >> (8 * i));
			}
		}
	}
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

void screen_write(const char *text, size_t bytes)
{
	if (screen.kind == SCREEN_NONE)
		return;
	for (; bytes > 0; bytes--, text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '\n') {
			next_line();
			continue;
		}
		if (screen.column == screen.columns)
			next_line();
		if (c == '\t')
			screen.column = screen.column / TAB * TAB + TAB < screen.columns
						? screen.column / TAB * TAB + TAB
						: screen.columns;
		else if (c >= ' ')
			draw(screen.column++, screen.line, c);
	}
}

static bool use_pixels(const struct boot_framebuffer *from)
{
	screen.bytes_per_pixel = from->bits / 8;
	screen.columns = from->width / GLYPH_WIDTH < COLUMNS_MAX ? from->width / GLYPH_WIDTH : COLUMNS_MAX;
	screen.lines = from->height / GLYPH_HEIGHT;
	screen.pitch = from->pitch;
	if (screen.columns < 2 || screen.lines < 2)
		return false;
	screen.pixels = mmio_map(from->address, (uint64_t)from->pitch * from->height, CORE_WRITE_COMBINING);
	if (screen.pixels == NULL)
		return false;
	screen.foreground = (((1u << from->red_bits) - 1) << from->red_shift) |
			    (((1u << from->green_bits) - 1) << from->green_shift) |
			    (((1u << from->blue_bits) - 1) << from->blue_shift);
	screen.kind = SCREEN_PIXELS;
	return true;
}

void screen_init(const struct boot_framebuffer *from)
{
	if (from->text) {
		screen.text = mmio_map(hpa(VGA_TEXT), VGA_COLUMNS * VGA_LINES * 2, CORE_UNCACHED);
		screen.columns = VGA_COLUMNS;
		screen.lines = VGA_LINES;
		if (screen.text == NULL)
			return;
		screen.kind = SCREEN_TEXT;
	} else if (from->address.value == 0 || !use_pixels(from)) {
		return;
	}
	for (uint32_t line = 0; line < screen.lines; line++)
		clear_line(line);
}
