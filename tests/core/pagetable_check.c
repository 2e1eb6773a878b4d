/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/pagetable_check.c: for checks: whether the counts in a page table are right, and what it maps.
 */
#include "core/mem/pagetable_entry.h"
#include "tests/core/check.h"

static unsigned int entries_in(const struct pagetable_format *format, const uint64_t *entries)
{
	unsigned int count = 0;
	for (unsigned int i = 0; i < 512; i++)
		count += entry_present(format, entries[i]);
	return count;
}

/* The tables that begin at this page, on the way down to what maps it. */
static int64_t tables_beginning_at(
	const struct pagetable *table, uint64_t page, const struct path *path, unsigned int lowest)
{
	int64_t tables = 0;
	for (unsigned int level = lowest; level < TOP; level++) {
		uint64_t parent = *path->at[level + 1];
		if ((page & (pagetable_level_pages(level + 1) - 1)) != 0)
			break;
		if (entries_in(table->format, entry_table(table->format, parent)) != entry_count(parent) ||
			entry_count(parent) == 0)
			return -1;
		tables++;
	}
	return tables;
}

/* What maps the page, and as many pages behind it, in the same table of the lowest level, as map frames in a row. */
static uint64_t run_at(const struct pagetable_format *format, uint64_t page, const uint64_t *entry)
{
	uint64_t frame = leaf_frame(format, *entry, 0), pages = 1;
	while ((page + pages) % 512 != 0 && entry_present(format, entry[pages]) &&
		leaf_frame(format, entry[pages], 0) == frame + pages)
		pages++;
	return pages;
}

/* Empty entries in a row. */
static uint64_t gap_at(const struct pagetable_format *format, uint64_t page, const uint64_t *entry)
{
	uint64_t pages = 1;
	while ((page + pages) % 512 != 0 && !entry_present(format, entry[pages]))
		pages++;
	return pages;
}

int64_t pagetable_check(const struct pagetable *table, uint64_t limit, pagetable_leaf_check check, void *context)
{
	int64_t tables = 1;
	for (uint64_t page = 0; page < limit && page < PAGETABLE_PAGES;) {
		struct path path;
		unsigned int level = path_walk(table, page, 0, &path);
		const uint64_t *entry = path.at[level];
		bool present = entry_present(table->format, *entry);
		int64_t n = tables_beginning_at(table, page, &path, level);
		if (n < 0)
			return -1;
		tables += n;
		uint64_t pages = level > 0 ? pagetable_level_pages(level)
				 : present ? run_at(table->format, page, entry)
					   : gap_at(table->format, page, entry);
		if (present && !check(context, page, leaf_frame(table->format, *entry, level), pages))
			return -1;
		page = level > 0 ? (page | (pages - 1)) + 1 : page + pages;
	}
	return tables;
}
