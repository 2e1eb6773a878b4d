/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/rows.h: a history as the rows of a screen: where each begins, and what a terminal is to be shown of it (plain.h). A row ends at a line
 * end, where the screen does, or after ROW_BYTES: what never ends a line costs no more.
 */
#ifndef CONSOLE_ROWS_H
#define CONSOLE_ROWS_H

#include "services/console/history.h"

#define ROW_BYTES     2048u
#define ROWS_MOST     100u /* of a screen: a larger one is used that far */
#define COLUMNS_MOST  500u
#define COLUMNS_LEAST 20u

/* Receives the row's bytes in pieces; its line end is not among them. */
typedef void rows_put(void *context, const void *bytes, size_t length);

/*
 * The row that begins at `from` (from the oldest byte on, below total): where the next begins, or total. *open: nothing has ended it yet, the cursor stands behind
 * its last character. put may be NULL.
 */
uint64_t rows_next(
	const struct history *history, uint64_t from, unsigned columns, int *open, rows_put *put, void *context);

/* The beginning of the row that stands `rows` (ROWS_MOST at most) above the one that begins at `offset`; the oldest there is. */
uint64_t rows_back(const struct history *history, uint64_t offset, unsigned rows, unsigned columns);

#endif
