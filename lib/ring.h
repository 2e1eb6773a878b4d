/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/ring.h: bytes from one producer to one consumer, in memory that both map.
 * Trust   The other side may write anything anywhere in that memory at any time. So each side keeps its own count and where the bytes lie in
 *         memory of its own, fetches the other's count once an operation, and takes an impossible one as a broken ring: -GYRE_EPROTO, nothing
 *         moved. Bytes are copied out before they are looked at.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stdint.h>
#include "gyre/errors.h"
#include "lib/string.h"

/* In shared memory. Counts of bytes ever written and taken, modulo 2^32; apart, so that each side writes to a cache line of its own. */
struct ring_shared {
	uint32_t written;
	uint32_t reserved1[15];
	uint32_t taken;
	uint32_t reserved2[15];
};

/* One side's view. */
struct ring {
	struct ring_shared *shared;
	uint8_t *data;
	uint32_t bytes; /* of data, a power of two below 2^31 */
	uint32_t count; /* own: written or taken */
};

/* Both sides start with an empty ring, before the other can run. */
static inline void ring_init(struct ring *ring, struct ring_shared *shared, void *data, uint32_t bytes)
{
	*ring = (struct ring){.shared = shared, .data = data, .bytes = bytes};
}

/* Bytes that can be written now. */
static inline int64_t ring_room(const struct ring *ring)
{
	uint32_t used = ring->count - __atomic_load_n(&ring->shared->taken, __ATOMIC_ACQUIRE);
	return used <= ring->bytes ? (int64_t)(ring->bytes - used) : -GYRE_EPROTO;
}

/* Bytes that can be read now. */
static inline int64_t ring_used(const struct ring *ring)
{
	uint32_t used = __atomic_load_n(&ring->shared->written, __ATOMIC_ACQUIRE) - ring->count;
	return used <= ring->bytes ? (int64_t)used : -GYRE_EPROTO;
}

/* Writes behind what ring_commit() has shown, at distance `offset`; the caller has asked ring_room(). */
static inline void ring_put(struct ring *ring, uint32_t offset, const void *data, uint32_t bytes)
{
	uint32_t at = (ring->count + offset) & (ring->bytes - 1);
	uint32_t first = bytes < ring->bytes - at ? bytes : ring->bytes - at;
	memcpy(ring->data + at, data, first);
	memcpy(ring->data, (const uint8_t *)data + first, bytes - first);
}

/* Shows the consumer that many more bytes. */
static inline void ring_commit(struct ring *ring, uint32_t bytes)
{
	ring->count += bytes;
	__atomic_store_n(&ring->shared->written, ring->count, __ATOMIC_RELEASE);
}

/* Reads without taking, at distance `offset`; the caller has asked ring_used(). */
static inline void ring_peek(const struct ring *ring, uint32_t offset, void *data, uint32_t bytes)
{
	uint32_t at = (ring->count + offset) & (ring->bytes - 1);
	uint32_t first = bytes < ring->bytes - at ? bytes : ring->bytes - at;
	memcpy(data, ring->data + at, first);
	memcpy((uint8_t *)data + first, ring->data, bytes - first);
}

static inline void ring_take(struct ring *ring, uint32_t bytes)
{
	ring->count += bytes;
	__atomic_store_n(&ring->shared->taken, ring->count, __ATOMIC_RELEASE);
}

/* As many of the bytes as fit; how many, or -GYRE_EPROTO. */
static inline int64_t ring_write(struct ring *ring, const void *data, uint32_t bytes)
{
	int64_t room = ring_room(ring);
	if (room <= 0)
		return room;
	if (bytes > room)
		bytes = (uint32_t)room;
	ring_put(ring, 0, data, bytes);
	ring_commit(ring, bytes);
	return bytes;
}

/* As many bytes as there are, at most `bytes`; how many, or -GYRE_EPROTO. */
static inline int64_t ring_read(struct ring *ring, void *data, uint32_t bytes)
{
	int64_t used = ring_used(ring);
	if (used <= 0)
		return used;
	if (bytes > used)
		bytes = (uint32_t)used;
	ring_peek(ring, 0, data, bytes);
	ring_take(ring, bytes);
	return bytes;
}

#endif
