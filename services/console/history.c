/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/history.c: see history.h. */
#include "services/console/history.h"
#include "lib/string.h"

void history_add(struct history *history, const uint8_t *bytes, size_t length)
{
	/* Of more than the ring holds only the end stays. */
	if (length > history->bytes) {
		history->total += length - history->bytes;
		bytes += length - history->bytes;
		length = history->bytes;
	}
	size_t at = history->total % history->bytes;
	size_t first = length < history->bytes - at ? length : history->bytes - at;
	memcpy(history->data + at, bytes, first);
	memcpy(history->data, bytes + first, length - first);
	history->total += length;
}

const uint8_t *history_piece(const struct history *history, uint64_t offset, size_t most, size_t *length)
{
	size_t at = offset % history->bytes;
	uint64_t left = history->total - offset;
	if (left > most)
		left = most;
	*length = left < history->bytes - at ? (size_t)left : history->bytes - at;
	return history->data + at;
}
