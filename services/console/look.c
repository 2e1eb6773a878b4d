/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/look.c: see look.h. */
#include "services/console/look.h"
#include "lib/format.h"
#include "lib/string.h"

#define ESC	  0x1b
#define BACKSPACE 0x7f

enum { NONE, ESCAPE, SEQUENCE };

/* Rows of the page: the last line of the screen says where one is. */
static unsigned page(struct look_screen screen)
{
	return screen.rows - 1;
}

/* Where the page begins whose last row is the history's. */
static uint64_t last_top(const struct history *history, struct look_screen screen)
{
	return rows_back(history, history->total, page(screen), screen.columns);
}

/* What was shown may be overwritten by now. */
static void keep_inside(struct look *look, const struct history *history)
{
	if (look->top < history_oldest(history))
		look->top = history_oldest(history);
}

static void up(struct look *look, const struct history *history, struct look_screen screen, unsigned rows)
{
	look->top = rows_back(history, look->top, rows, screen.columns);
}

static void down(struct look *look, const struct history *history, struct look_screen screen, unsigned rows)
{
	uint64_t last = last_top(history, screen);
	int open;
	if (look->top >= last)
		look->on = 0;
	while (rows-- > 0 && look->top < last)
		look->top = rows_next(history, look->top, screen.columns, &open, NULL, NULL);
	if (look->top > last)
		look->top = last;
}

void look_page_up(struct look *look, const struct history *history, struct look_screen screen)
{
	keep_inside(look, history);
	up(look, history, screen, page(screen));
}

void look_begin(struct look *look, const struct history *history, struct look_screen screen)
{
	*look = (struct look){.on = 1, .top = last_top(history, screen)};
	up(look, history, screen, page(screen));
}

/* ---- finding ---- */

static int is_at(const struct look *look, const struct history *history, uint64_t at)
{
	uint32_t i;
	if (history->total - at < look->length)
		return 0;
	for (i = 0; i < look->length && history_at(history, at + i) == (uint8_t)look->text[i]; i++)
		;
	return i == look->length;
}

static void found(struct look *look, const struct history *history, struct look_screen screen, uint64_t at)
{
	look->top = rows_back(history, at + 1, 1, screen.columns);
}

static void find_up(struct look *look, const struct history *history, struct look_screen screen)
{
	for (uint64_t at = look->top; look->length > 0 && at > history_oldest(history); at--)
		if (is_at(look, history, at - 1))
			return found(look, history, screen, at - 1);
	look->note = "not found further up";
}

static void find_down(struct look *look, const struct history *history, struct look_screen screen)
{
	int open;
	if (look->top >= history->total)
		return;
	uint64_t from = rows_next(history, look->top, screen.columns, &open, NULL, NULL);
	for (uint64_t at = from; look->length > 0 && at < history->total; at++)
		if (is_at(look, history, at))
			return found(look, history, screen, at);
	look->note = "not found further down";
}

static void type(struct look *look, const struct history *history, struct look_screen screen, uint8_t byte)
{
	if (byte == '\r' || byte == '\n') {
		look->typing = 0;
		find_up(look, history, screen);
	} else if (byte == BACKSPACE || byte == '\b') {
		look->length -= look->length > 0;
	} else if (byte >= ' ' && byte < 0x7f && look->length + 1 < sizeof(look->text)) {
		look->text[look->length++] = (char)byte;
	}
	look->text[look->length] = 0;
}

/* ---- keys ---- */

/* The letter that does the same. */
static uint8_t function_key(uint8_t final, uint8_t number)
{
	switch (final) {
	case 'A': return 'k';
	case 'B': return 'j';
	case 'H': return 'g';
	case 'F': return 'G';
	case '~': return number < 9 ? (uint8_t) "\0g\0\0Gb gG"[number] : 0;
	default: return 0;
	}
}

/* A byte that is part of a function key: 0, or the letter that stands for the key. */
static uint8_t sequence(struct look *look, uint8_t byte)
{
	if (look->sequence == ESCAPE) {
		if (byte != '[' && byte != 'O') {
			look_idle(look);
			return 0;
		}
		look->sequence = SEQUENCE;
		look->number = 0;
		return 0;
	}
	if (byte >= '0' && byte <= '9') {
		look->number = (uint8_t)(look->number * 10 + byte - '0');
		return 0;
	}
	look->sequence = NONE;
	return function_key(byte, look->number);
}

void look_key(struct look *look, const struct history *history, struct look_screen screen, uint8_t byte)
{
	keep_inside(look, history);
	if (look->sequence != NONE) {
		byte = sequence(look, byte);
	} else if (byte == ESC) {
		look->sequence = ESCAPE;
		return;
	} else if (look->typing) {
		type(look, history, screen, byte);
		return;
	}
	switch (byte) {
	case 'k': up(look, history, screen, 1); break;
	case 'j':
	case '\r': down(look, history, screen, 1); break;
	case 'b': up(look, history, screen, page(screen)); break;
	case ' ': down(look, history, screen, page(screen)); break;
	case 'g': look->top = history_oldest(history); break;
	case 'G': look->top = last_top(history, screen); break;
	case '/':
		look->typing = 1;
		look->length = 0;
		look->text[0] = 0;
		break;
	case 'n': find_up(look, history, screen); break;
	case 'N': find_down(look, history, screen); break;
	case 'q': look->on = 0; break;
	default: break;
	}
}

int look_waiting(const struct look *look)
{
	return look->sequence != NONE;
}

void look_idle(struct look *look)
{
	if (look->sequence == NONE)
		return;
	/* A search that is being typed is left first. */
	if (look->sequence == ESCAPE && !look->typing)
		look->on = 0;
	look->typing = 0;
	look->sequence = NONE;
}

/* ---- the page ---- */

void look_show(struct look *look, const struct history *history, struct look_screen screen, const char *name,
	rows_put *put, void *context)
{
	char line[160];
	size_t length;
	int open = 0;
	keep_inside(look, history);
	uint64_t oldest = history_oldest(history), at = look->top;
	for (unsigned row = 0; row < page(screen) && at < history->total; row++) {
		if (row > 0)
			put(context, "\x1b[0m\r\n", 6);
		at = rows_next(history, at, screen.columns, &open, put, context);
	}
	if (look->typing)
		length = gyre_snprintf(line, sizeof(line), "find further up: %s", look->text);
	else if (look->note != NULL)
		length = gyre_snprintf(line, sizeof(line), "%s: %s", look->text, look->note);
	else
		length = gyre_snprintf(line, sizeof(line),
			"%s, looking back, %u%%: arrows, PageUp, PageDown, g, G, /, n, N; q ends it", name,
			(unsigned)((at - oldest) * 100 / (history->total > oldest ? history->total - oldest : 1)));
	look->note = NULL;
	if (length >= sizeof(line))
		length = sizeof(line) - 1;
	if (length >= screen.columns)
		length = screen.columns - 1;
	char place[32];
	size_t bytes = gyre_snprintf(place, sizeof(place), "\x1b[0m\x1b[%u;1H\x1b[7m", screen.rows);
	put(context, place, bytes);
	put(context, line, length);
	put(context, "\x1b[0m\x1b[K", 7);
}
