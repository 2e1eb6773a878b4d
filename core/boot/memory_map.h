/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/memory_map.h: sets of page ranges, for making sense of what firmware says about memory. Plain code, also built on Linux for its tests.
 */
#ifndef CORE_BOOT_MEMORY_MAP_H
#define CORE_BOOT_MEMORY_MAP_H

#include "core/boot/boot.h"

/* Both take any numbers and keep the map sorted, disjoint and merged. False: the map is full, and the range (or a part of one) was lost. */
bool memory_map_add(struct boot_memory_map *map, uint64_t start, uint64_t end);	   /* rounded inwards to pages */
bool memory_map_remove(struct boot_memory_map *map, uint64_t start, uint64_t end); /* rounded outwards */
/* As add, rounded outwards: for what must not be overlooked. */
bool memory_map_cover(struct boot_memory_map *map, uint64_t start, uint64_t end);

bool memory_map_contains(const struct boot_memory_map *map, uint64_t start, uint64_t end);
uint64_t memory_map_bytes(const struct boot_memory_map *map);
/* The lowest place for so many bytes (a power of two divides it), aligned, in [from, limit); 0: none. */
uint64_t memory_map_find(
	const struct boot_memory_map *map, uint64_t bytes, uint64_t alignment, uint64_t from, uint64_t limit);

#endif
