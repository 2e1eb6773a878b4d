/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/history.h: the last bytes of a VM's console, in a ring that its owner gives. What is older is overwritten: a VM that never stops
 * costs no more than one that says little. Offsets count all bytes that ever came.
 */
#ifndef CONSOLE_HISTORY_H
#define CONSOLE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct history {
	uint8_t *data;
	uint32_t bytes; /* of data; at least 1 */
	uint64_t total; /* that ever came */
};

void history_add(struct history *history, const uint8_t *bytes, size_t length);

static inline uint64_t history_oldest(const struct history *history)
{
	return history->total > history->bytes ? history->total - history->bytes : 0;
}

/* For an offset from the oldest on, below total. */
static inline uint8_t history_at(const struct history *history, uint64_t offset)
{
	return history->data[offset % history->bytes];
}

/* The longest piece from `offset` on that lies in one, at most `most`. */
const uint8_t *history_piece(const struct history *history, uint64_t offset, size_t most, size_t *length);

#endif
