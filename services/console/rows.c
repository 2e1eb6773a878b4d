/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/rows.c: see rows.h. */
#include "services/console/rows.h"
#include "services/console/plain.h"

/* The column behind what came out, in a terminal whose cursor never leaves the row by itself. */
static unsigned column_after(unsigned column, const struct plain_out *out, unsigned columns)
{
	switch (out->effect) {
	case PLAIN_CELL: return column + 1;
	case PLAIN_TAB: column = (column / 8 + 1) * 8; break;
	case PLAIN_RIGHT: column += out->count; break;
	case PLAIN_LEFT: return column > out->count ? column - out->count : 0;
	case PLAIN_RETURN: return 0;
	default: return column;
	}
	return column < columns ? column : columns - 1;
}

uint64_t rows_next(
	const struct history *history, uint64_t from, unsigned columns, int *open, rows_put *put, void *context)
{
	struct plain plain = {0};
	struct plain_out out;
	unsigned column = 0;
	uint64_t at, cell = from; /* cell: where what is collected began */
	uint64_t end = history->total - from > ROW_BYTES ? from + ROW_BYTES : history->total;
	for (at = from; at < end; at++) {
		if (plain.state == PLAIN_GROUND)
			cell = at;
		plain_next(&plain, history_at(history, at), &out);
		if (out.effect == PLAIN_LINE) {
			*open = 0;
			return at + 1;
		}
		/* The screen's edge: the character goes to the next row. */
		if (out.effect == PLAIN_CELL && column >= columns && cell > from) {
			*open = 0;
			return cell;
		}
		column = column_after(column, &out, columns);
		if (put != NULL && out.length > 0)
			put(context, out.bytes, out.length);
	}
	*open = at == history->total;
	return at;
}

/* Where the line begins that ends before `offset`; at most ROW_BYTES before it. */
static uint64_t line_start(const struct history *history, uint64_t offset)
{
	uint64_t oldest = history_oldest(history);
	uint64_t least = offset - oldest > ROW_BYTES ? offset - ROW_BYTES : oldest;
	uint64_t at = offset - 1;
	while (at > least && history_at(history, at - 1) != '\n')
		at--;
	return at;
}

uint64_t rows_back(const struct history *history, uint64_t offset, unsigned rows, unsigned columns)
{
	uint64_t starts[ROWS_MOST + 1];
	while (rows > 0 && offset > history_oldest(history)) {
		uint64_t start = line_start(history, offset);
		uint32_t count = 0;
		int open;
		for (uint64_t at = start; at < offset; count++) {
			starts[count % (ROWS_MOST + 1)] = at;
			at = rows_next(history, at, columns, &open, NULL, NULL);
		}
		if (count > rows)
			return starts[(count - rows) % (ROWS_MOST + 1)];
		rows -= count;
		offset = start;
	}
	return offset;
}
