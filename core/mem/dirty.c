/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/dirty.c: the dirty log of nested page tables. The leaves themselves are the log: PAGETABLE_LOGGED with log_bit() is a dirty page, without it
 * a clean one. So a write fault changes one entry and allocates nothing.
 *
 * Where log_bit() is a bit that the processor sets, it may do so at any moment, by a locked access, until the flush after its clearing: so it is cleared
 * by one too. What it sets it lists (Intel SDM vol. 3, "Page-Modification Logging"); a table of which nothing is listed yet is not searched, and keeps
 * its bits for the next take.
 */
#include "core/mem/pagetable_entry.h"
#include "gyre/errors.h"

#define END_PAGE (1ul << (9 * PAGETABLE_LEVELS))

static uint64_t level_next(uint64_t page, unsigned int level)
{
	return (page | (pagetable_level_pages(level) - 1)) + 1;
}

/*
 * Goes through last-level tables in order: each is changed as a whole. Where the log begins, large pages are split on the way.
 */
typedef void (*table_change)(struct pagetable *table, struct path *path, uint64_t *entries);

static int tables_change(struct pagetable *table, uint64_t *page, unsigned int *budget, table_change change, bool split)
{
	while (*page < END_PAGE) {
		struct path path;
		unsigned int level = path_walk(table, *page, 0, &path);
		bool large = level > 0 && entry_present(table->format, *path.at[level]);
		if (!budget_take(budget, level == 0 || (large && split) ? 130 : 2))
			return -GYRE_EAGAIN;
		if (large && split) {
			if (!pagetable_split(table, &path, level))
				return -GYRE_ENOMEM;
			continue;
		}
		if (level == 0)
			change(table, &path, entry_table(table->format, *path.at[1]));
		*page = level_next(*page, level > 0 ? level : 1);
	}
	return 0;
}

static void bits_set(uint64_t *entry, uint64_t bits)
{
	__atomic_fetch_or(entry, bits, __ATOMIC_RELAXED);
}

static void bits_clear(uint64_t *entry, uint64_t bits)
{
	__atomic_fetch_and(entry, ~bits, __ATOMIC_RELAXED);
}

static void table_protect(struct pagetable *table, struct path *path, uint64_t *entries)
{
	const struct pagetable_format *format = table->format;
	for (unsigned int i = 0; i < 512; i++) {
		if (entry_present(format, entries[i]) && (entries[i] & format->write) != 0) {
			bits_set(&entries[i], PAGETABLE_LOGGED);
			bits_clear(&entries[i], log_bit(format));
		}
	}
	*path->at[1] &= ~PAGETABLE_DIRTY_BELOW;
}

int pagetable_protect_all(struct pagetable *table, uint64_t *page, unsigned int *budget)
{
	return tables_change(table, page, budget, table_protect, true);
}

/* A table whose leaves are one large page becomes that. */
static void table_merge(struct pagetable *table, struct path *path, const uint64_t *entries)
{
	const struct pagetable_format *format = table->format;
	if (entry_count(*path->at[1]) != 512 || format->max_leaf < 1 || (leaf_frame(format, entries[0], 0) & 511) != 0)
		return;
	uint64_t expected = entries[0] & ~format->ignored, found = 0;
	for (unsigned int i = 0; i < 512; i++, expected += PAGE_SIZE) {
		if ((entries[i] & ~format->ignored) != expected)
			return;
		found |= entries[i] & format->ignored;
	}
	hpa_t frame = hpa(*path->at[1] & format->address);
	*path->at[1] = (leaf_resize(format, entries[0], 1) | found) | (entries[0] & format->address);
	frame_free(table->quota, frame);
	table->tables--;
}

static void table_unprotect(struct pagetable *table, struct path *path, uint64_t *entries)
{
	for (unsigned int i = 0; i < 512; i++) {
		if ((entries[i] & PAGETABLE_LOGGED) != 0)
			entries[i] = (entries[i] & ~PAGETABLE_LOGGED) | log_bit(table->format);
	}
	*path->at[1] &= ~PAGETABLE_DIRTY_BELOW;
	table_merge(table, path, entries);
}

int pagetable_unprotect_all(struct pagetable *table, uint64_t *page, unsigned int *budget)
{
	return tables_change(table, page, budget, table_unprotect, false);
}

static bool path_to_logged(const struct pagetable *table, uint64_t page, struct path *path)
{
	return path_walk(table, page, 0, path) == 0 && (*path->at[0] & PAGETABLE_LOGGED) != 0 &&
	       entry_present(table->format, *path->at[0]);
}

bool pagetable_dirty(struct pagetable *table, uint64_t page)
{
	struct path path;
	if (!path_to_logged(table, page, &path))
		return false;
	bits_set(path.at[0], log_bit(table->format));
	*path.at[1] |= PAGETABLE_DIRTY_BELOW;
	return true;
}

void pagetable_dirty_logged(struct pagetable *table, uint64_t page)
{
	struct path path;
	if (path_to_logged(table, page, &path))
		*path.at[1] |= PAGETABLE_DIRTY_BELOW;
}

/* 64 leaves: a word of the bitmap. How many are dirty. */
static unsigned int word_take(uint64_t *entry, uint64_t bit, uint64_t *word)
{
	uint64_t dirty = PAGETABLE_LOGGED | bit;
	unsigned int count = 0;
	for (unsigned int i = 0; i < 64; i++) {
		if ((entry[i] & dirty) == dirty) {
			bits_clear(&entry[i], bit);
			*word |= 1ul << i;
			count++;
		}
	}
	return count;
}

unsigned int pagetable_dirty_take(struct pagetable *table, uint64_t page, unsigned int pages, uint64_t *bitmap)
{
	unsigned int count = 0;
	while (pages > 0) {
		struct path path;
		unsigned int first = entry_index(page, 0), part = 512 - first;
		if (part > pages)
			part = pages;
		bool some = path_walk(table, page, 0, &path) == 0 && (*path.at[1] & PAGETABLE_DIRTY_BELOW) != 0;
		for (unsigned int i = 0; i < part; i += 64) {
			*bitmap = 0;
			if (some)
				count += word_take(path.at[0] + i, log_bit(table->format), bitmap);
			bitmap++;
		}
		if (some && part == 512)
			*path.at[1] &= ~PAGETABLE_DIRTY_BELOW;
		page += part;
		pages -= part;
	}
	return count;
}
