/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/pool.c: see pool.h. */
#include "services/root/pool.h"
#include "lib/string.h"
#include "gyre/errors.h"

static void range_remove(struct pool *pool, uint32_t index)
{
	pool->ranges--;
	memmove(&pool->range[index], &pool->range[index + 1], (pool->ranges - index) * sizeof(pool->range[0]));
}

static int range_insert(struct pool *pool, uint32_t index, struct pool_range range)
{
	if (pool->ranges == POOL_RANGES)
		return -GYRE_ENOMEM;
	memmove(&pool->range[index + 1], &pool->range[index], (pool->ranges - index) * sizeof(pool->range[0]));
	pool->range[index] = range;
	pool->ranges++;
	return 0;
}

static uint64_t range_end(const struct pool_range *range)
{
	return range->first + range->pages;
}

int pool_give(struct pool *pool, uint64_t first, uint64_t pages)
{
	uint32_t at = 0;
	if (first == 0) {
		first++;
		pages -= pages > 0;
	}
	if (pages == 0)
		return 0;
	if (first + pages < first)
		return -GYRE_EINVAL;
	while (at < pool->ranges && range_end(&pool->range[at]) < first)
		at++;
	/* at: the first that ends at `first` or behind it. */
	struct pool_range *near = at < pool->ranges ? &pool->range[at] : NULL;
	if (near != NULL && near->first < first + pages && range_end(near) > first)
		return -GYRE_EEXIST;
	if (near != NULL && range_end(near) == first) {
		struct pool_range *next = at + 1 < pool->ranges ? near + 1 : NULL;
		if (next != NULL && next->first < first + pages)
			return -GYRE_EEXIST;
		near->pages += pages;
		if (next != NULL && next->first == range_end(near)) {
			near->pages += next->pages;
			range_remove(pool, at + 1);
		}
		return 0;
	}
	if (near != NULL && near->first == first + pages) {
		near->first = first;
		near->pages += pages;
		return 0;
	}
	return range_insert(pool, at, (struct pool_range){first, pages});
}

int pool_reserve(struct pool *pool, uint64_t first, uint64_t pages)
{
	uint64_t end = first + pages;
	for (uint32_t i = 0; i < pool->ranges;) {
		struct pool_range *range = &pool->range[i];
		uint64_t old_end = range_end(range);
		if (old_end <= first || range->first >= end) {
			i++;
			continue;
		}
		if (range->first < first) {
			if (old_end > end) {
				int error = range_insert(pool, i + 1, (struct pool_range){end, old_end - end});
				if (error < 0)
					return error;
			}
			range->pages = first - range->first;
			i++;
		} else if (old_end > end) {
			range->first = end;
			range->pages = old_end - end;
			i++;
		} else {
			range_remove(pool, i);
		}
	}
	return 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

uint64_t pool_take(struct pool *pool, uint64_t pages, uint64_t align)
{
	const struct pool_range *best = NULL;
	for (uint32_t i = 0; i < pool->ranges; i++) {
		const struct pool_range *range = &pool->range[i];
		uint64_t lost = align_up(range->first, align) - range->first;
		if (range->pages >= lost && range->pages - lost >= pages &&
			(best == NULL || range->pages < best->pages))
			best = range;
	}
	if (best == NULL || pages == 0)
		return 0;
	uint64_t first = align_up(best->first, align);
	return pool_reserve(pool, first, pages) < 0 ? 0 : first;
}

uint64_t pool_take_largest(struct pool *pool, uint64_t *pages, uint64_t align)
{
	uint64_t most = 0, first = 0;
	for (uint32_t i = 0; i < pool->ranges; i++) {
		const struct pool_range *range = &pool->range[i];
		uint64_t begin = align_up(range->first, align), end = range_end(range) & ~(align - 1);
		if (end > begin && end - begin > most) {
			most = end - begin;
			first = begin;
		}
	}
	if (most > *pages)
		most = *pages & ~(align - 1);
	if (most == 0)
		return 0;
	*pages = most;
	return pool_reserve(pool, first, most) < 0 ? 0 : first;
}

uint64_t pool_free(const struct pool *pool)
{
	uint64_t pages = 0;
	for (uint32_t i = 0; i < pool->ranges; i++)
		pages += pool->range[i].pages;
	return pages;
}
