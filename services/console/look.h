/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/look.h: looking back in a console: a page of its history, and keys to move in it.
 *   Up, k  Down, j, Return  PageUp, b  PageDown, Space  Home, g  End, G      / text Return  finds it further up, n again, N further down
 *   q, Esc, and Down at the end leave it
 */
#ifndef CONSOLE_LOOK_H
#define CONSOLE_LOOK_H

#include "services/console/history.h"
#include "services/console/rows.h"

#define LOOK_TEXT 48u

struct look {
	int on;
	uint64_t top;		  /* the first row's beginning */
	uint8_t sequence, number; /* of a function key that is coming */
	int typing;
	char text[LOOK_TEXT]; /* that is looked for, zero-ended */
	uint32_t length;
	const char *note; /* for the last line, once */
};

/* A terminal's size, within the bounds of rows.h. */
struct look_screen {
	unsigned rows, columns;
};

/* On, a page above the end. */
void look_begin(struct look *look, const struct history *history, struct look_screen screen);

/* A key; afterwards look->on says whether it goes on, and the page is to be shown again. */
void look_key(struct look *look, const struct history *history, struct look_screen screen, uint8_t byte);
void look_page_up(struct look *look, const struct history *history, struct look_screen screen);

/* Nothing came for a while: an Esc was that key. */
void look_idle(struct look *look);
int look_waiting(const struct look *look);

/* The page, on a screen that is clear. */
void look_show(struct look *look, const struct history *history, struct look_screen screen, const char *name,
	rows_put *put, void *context);

#endif
