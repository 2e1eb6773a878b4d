/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/pagetable.c: mapping and unmapping.
 */
#include "core/mem/pagetable_entry.h"
#include "gyre/errors.h"

int pagetable_init(struct pagetable *table, const struct pagetable_format *format, struct quota *quota)
{
	hpa_t root;
	if (!frame_alloc(quota, &root))
		return -GYRE_ENOMEM;
	*table = (struct pagetable){.format = format, .quota = quota, .root = root, .tables = 1};
	return 0;
}

void pagetable_end(struct pagetable *table)
{
	frame_free(table->quota, table->root);
	table->tables = 0;
}

/* ---- mapping ---- */

/* Takes n from the count of the table that holds the entries of this level; tables that are empty by that go, to `freed`. */
static void path_release(
	struct pagetable *table, struct path *path, unsigned int level, unsigned int n, uint64_t *freed)
{
	for (; level < TOP; level++, n = 1) {
		uint64_t *parent = path->at[level + 1];
		*parent -= n * COUNT_ONE;
		if (entry_count(*parent) != 0)
			return;
		uint64_t address = *parent & table->format->address;
		*parent = 0;
		/* Its first word becomes a link: a multiple of a page, so a processor that still looks there finds it not present. */
		*(uint64_t *)frame_virtual(hpa(address)) = *freed;
		*freed = address;
	}
}

void pagetable_free(struct pagetable *table, uint64_t freed)
{
	while (freed != 0) {
		uint64_t next = *(uint64_t *)frame_virtual(hpa(freed));
		frame_free(table->quota, hpa(freed));
		table->tables--;
		freed = next;
	}
}

static bool table_add(struct pagetable *table, struct path *path, unsigned int level)
{
	hpa_t frame;
	if (!frame_alloc(table->quota, &frame))
		return false;
	table->tables++;
	*path->at[level] = frame.value | table->format->table;
	if (level < TOP)
		*path->at[level + 1] += COUNT_ONE;
	return true;
}

/* Prepares: the way down to an empty entry for a leaf, at *level or below. Tables that it adds stay empty if it fails, and go again. */
static int path_make(struct pagetable *table, uint64_t page, unsigned int *wanted, struct path *path)
{
	const struct pagetable_format *format = table->format;
	uint64_t *entries = frame_virtual(table->root);
	unsigned int added = 0; /* level of the first entry that got a new table */
	for (unsigned int level = TOP;; level--) {
		uint64_t *entry = &entries[entry_index(page, level)];
		path->at[level] = entry;
		if (entry_present(format, *entry)) {
			if (entry_is_leaf(format, *entry, level))
				return -GYRE_EEXIST;
			if (level == *wanted) /* smaller pages stand here */
				*wanted = level - 1;
		} else if (level == *wanted) {
			return 0;
		} else if (table_add(table, path, level)) {
			if (added == 0)
				added = level;
		} else {
			if (added != 0) {
				uint64_t freed = 0;
				/* The lowest new table is empty: count it as one entry too many, and let go. */
				*path->at[level + 1] += COUNT_ONE;
				path_release(table, path, level, 1, &freed);
				pagetable_free(table, freed);
			}
			return -GYRE_ENOMEM;
		}
		entries = entry_table(format, *entry);
	}
}

/* One table's worth: as many leaves in a row as fit in the table that holds the first. */
static int64_t map_some(struct pagetable *table, struct pagetable_map *map)
{
	const struct pagetable_format *format = table->format;
	unsigned int level = map->max_level < format->max_leaf ? map->max_level : format->max_leaf;
	while (level > 0 && (((map->page | map->frame) & (pagetable_level_pages(level) - 1)) != 0 ||
				    map->pages < pagetable_level_pages(level)))
		level--;
	struct path path;
	int error = path_make(table, map->page, &level, &path);
	if (error < 0)
		return error;

	uint64_t size = pagetable_level_pages(level), done = 0;
	uint64_t leaf = format->leaf(level, map->rights, map->cache) | map->extra | map->frame << PAGE_SHIFT;
	if ((map->extra & PAGETABLE_LOGGED) != 0)
		leaf |= log_bit(format);
	uint64_t *entry = path.at[level];
	unsigned int room = 512 - entry_index(map->page, level), n = 0;
	for (; n < room && map->entries > 0 && map->pages - done >= size && !entry_present(format, entry[n]);
		n++, map->entries--, done += size, leaf += size << PAGE_SHIFT)
		entry[n] = leaf;
	if (level < TOP)
		*path.at[level + 1] += n * COUNT_ONE;
	if (level == 0 && (map->extra & PAGETABLE_LOGGED) != 0)
		*path.at[1] |= PAGETABLE_DIRTY_BELOW;
	map->page += done;
	map->frame += done;
	map->pages -= done;
	return (int64_t)done;
}

int64_t pagetable_map(struct pagetable *table, struct pagetable_map *map)
{
	int64_t done = 0;
	while (map->pages > 0 && map->entries > 0) {
		int64_t n = map_some(table, map);
		if (n < 0)
			return done > 0 ? done : n;
		done += n;
	}
	return done;
}

/* ---- unmapping ---- */

bool pagetable_split(struct pagetable *table, struct path *path, unsigned int level)
{
	const struct pagetable_format *format = table->format;
	uint64_t leaf = *path->at[level];
	hpa_t frame;
	if (!frame_alloc(table->quota, &frame))
		return false;
	table->tables++;
	uint64_t *entries = frame_virtual(frame), size = pagetable_level_pages(level - 1);
	uint64_t small = leaf_resize(format, leaf, level - 1) | leaf_frame(format, leaf, level) << PAGE_SHIFT;
	for (unsigned int i = 0; i < 512; i++, small += size << PAGE_SHIFT)
		entries[i] = small;
	*path->at[level] = frame.value | format->table | 512 * COUNT_ONE;
	return true;
}

static bool is_wanted(const struct pagetable *table, const struct pagetable_unmap *unmap, uint64_t page, uint64_t leaf,
	unsigned int level)
{
	return !unmap->only || pagetable_frame(table, leaf, level, page) == unmap->frame + page;
}

/* Leaves of the last level in one table. Pages done. */
static uint64_t unmap_small(
	struct pagetable *table, struct path *path, uint64_t page, uint64_t pages, struct pagetable_unmap *unmap)
{
	uint64_t *entry = path->at[0];
	unsigned int room = 512 - entry_index(page, 0), cleared = 0, n = 0;
	if (pages > room)
		pages = room;
	for (; n < pages && unmap->budget > 0; n++, budget_take(&unmap->budget, 1)) {
		if (entry_present(table->format, entry[n]) && is_wanted(table, unmap, page + n, entry[n], 0)) {
			entry[n] = 0;
			cleared++;
		}
	}
	if (cleared > 0) {
		unmap->changed = true;
		path_release(table, path, 0, cleared, &unmap->freed);
	}
	return n;
}

/* A large leaf, or part of it. Pages done; 0: it was split, look again. */
static int64_t unmap_large(struct pagetable *table, struct path *path, unsigned int level, uint64_t page,
	uint64_t pages, struct pagetable_unmap *unmap)
{
	uint64_t size = pagetable_level_pages(level), part = size - (page & (size - 1));
	if (part > pages)
		part = pages;
	if (!is_wanted(table, unmap, page, *path->at[level], level))
		return (int64_t)part;
	if (part < size) {
		if (pagetable_split(table, path, level)) {
			unmap->changed = true;
			budget_take(&unmap->budget, 100);
			return 0;
		}
		if (!unmap->must)
			return -GYRE_ENOMEM;
		unmap->whole = true;
	}
	*path->at[level] = 0;
	unmap->changed = true;
	path_release(table, path, level, 1, &unmap->freed);
	return (int64_t)part;
}

static int64_t unmap_some(struct pagetable *table, uint64_t page, uint64_t pages, struct pagetable_unmap *unmap)
{
	struct path path;
	unsigned int level = path_walk(table, page, 0, &path);
	budget_take(&unmap->budget, 1);
	if (!entry_present(table->format, *path.at[level]) && level > 0) {
		uint64_t rest = pagetable_level_pages(level) - (page & (pagetable_level_pages(level) - 1));
		return (int64_t)(rest < pages ? rest : pages);
	}
	if (level > 0)
		return unmap_large(table, &path, level, page, pages, unmap);
	if (!unmap->only && entry_index(page, 0) == 0 && pages >= 512) { /* the whole table, whatever is in it */
		budget_take(&unmap->budget, 8);
		unmap->changed = true;
		path_release(table, &path, 0, entry_count(*path.at[1]), &unmap->freed);
		return 512;
	}
	return (int64_t)unmap_small(table, &path, page, pages, unmap);
}

int64_t pagetable_unmap(struct pagetable *table, uint64_t page, uint64_t pages, struct pagetable_unmap *unmap)
{
	uint64_t done = 0;
	while (done < pages && unmap->budget > 0) {
		int64_t n = unmap_some(table, page + done, pages - done, unmap);
		if (n < 0)
			return done > 0 ? (int64_t)done : n;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

/* ---- looking ---- */

uint64_t pagetable_walk(const struct pagetable *table, uint64_t page, unsigned int *level)
{
	struct path path;
	*level = path_walk(table, page, 0, &path);
	uint64_t entry = *path.at[*level];
	return entry_present(table->format, entry) ? entry : 0;
}

uint64_t pagetable_frame(const struct pagetable *table, uint64_t leaf, unsigned int level, uint64_t page)
{
	return leaf_frame(table->format, leaf, level) + (page & (pagetable_level_pages(level) - 1));
}
