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

/* At the end, or joined with what is there. False: the map is full. */
static bool append(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	struct boot_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;
	if (start >= end)
		return true;
	if (last != NULL && last->end >= start)
		last->end = last->end > end ? last->end : end;
	else if (map->count < BOOT_RANGES_MAX)
		map->range[map->count++] = (struct boot_range){start, end};
	else
		return false;
	return true;
}

/* What lies below the range, the range itself or nothing, and what lies above. If that is too much, the highest is lost. */
static bool change(struct boot_memory_map *map, uint64_t start, uint64_t end, bool in)
{
	const struct boot_memory_map old = *map;
	bool complete = true;
	if (start >= end)
		return true;
	map->count = 0;
	for (uint32_t i = 0; i < old.count; i++)
		append(map, old.range[i].start, old.range[i].end < start ? old.range[i].end : start);
	if (in)
		complete &= append(map, start, end);
	for (uint32_t i = 0; i < old.count; i++)
		complete &= append(map, old.range[i].start > end ? old.range[i].start : end, old.range[i].end);
	return complete;
}

bool memory_map_add(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	return change(map, round_up(start), round_down(end), true);
}

bool memory_map_cover(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	return change(map, round_down(start), round_up(end), true);
}

bool memory_map_remove(struct boot_memory_map *map, uint64_t start, uint64_t end)
{
	return change(map, round_down(start), round_up(end), false);
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
