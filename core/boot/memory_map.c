/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/memory_map.c: sets of page ranges, for making sense of what firmware says about memory.
 */
#include "core/boot/boot.h"

#define ADDRESS_END (1ull << 52) /* what page tables can express */
#define PAGE_MASK   ((uint64_t)PAGE_SIZE - 1)

static uint64_t round_up(uint64_t value)
{
	return value > ADDRESS_END ? ADDRESS_END : (value + PAGE_MASK) & ~PAGE_MASK;
}

static uint64_t round_down(uint64_t value)
{
	return (value > ADDRESS_END ? ADDRESS_END : value) & ~PAGE_MASK;
}

static void erase(struct boot_memory_map *map, uint32_t at, uint32_t count)
{
	for (uint32_t i = at; i + count < map->count; i++)
		map->range[i] = map->range[i + count];
	map->count -= count;
}

static bool insert(struct boot_memory_map *map, uint32_t at, uint64_t start, uint64_t end)
{
	if (map->count == BOOT_RANGES_MAX)
		return false;
	for (uint32_t i = map->count; i > at; i--)
		map->range[i] = map->range[i - 1];
	map->range[at] = (struct boot_range){start, end};
	map->count++;
	return true;
}

static bool merge_in(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	uint32_t first = 0, last;
	if (start >= end)
		return true;
	while (first < map->count && map->range[first].end < start)
		first++;
	/* [first, last) overlap or touch the new range. */
	for (last = first; last < map->count && map->range[last].start <= end; last++) {
		if (map->range[last].start < start)
			start = map->range[last].start;
		if (map->range[last].end > end)
			end = map->range[last].end;
	}
	if (last == first)
		return insert(map, first, start, end);
	map->range[first] = (struct boot_range){start, end};
	erase(map, first + 1, last - first - 1);
	return true;
}

bool memory_map_add(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	return merge_in(map, round_up(start), round_down(end));
}

bool memory_map_cover(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	return merge_in(map, round_down(start), round_up(end));
}

bool memory_map_remove(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	start = round_down(start);
	end = round_up(end);
	if (start >= end)
		return true;
	for (uint32_t i = 0; i < map->count;) {
		struct boot_range old = map->range[i];
		if (old.end <= start || old.start >= end) {
			i++;
			continue;
		}
		erase(map, i, 1);
		if (old.start < start)
			insert(map, i++, old.start, start);
		/* What does not fit is the part above: memory is lost, none is given that must not be. */
		if (old.end > end)
			return insert(map, i, end, old.end);
	}
	return true;
}

bool memory_map_contains(const struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < map->count; i++)
		if (map->range[i].start <= start && end <= map->range[i].end)
			return start <= end;
	return false;
}

uint64_t memory_map_bytes(const struct boot_memory_map *map)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < map->count; i++)
		bytes += map->range[i].end - map->range[i].start;
	return bytes;
}

uint64_t memory_map_find(
	const struct boot_memory_map *map, uint64_t bytes, uint64_t alignment, uint64_t from, uint64_t limit)
{
	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t start = map->range[i].start > from ? map->range[i].start : from;
		uint64_t end = map->range[i].end < limit ? map->range[i].end : limit;
		start = (start + alignment - 1) & ~(alignment - 1);
		if (start < end && bytes <= end - start)
			return start;
	}
	return 0;
}
