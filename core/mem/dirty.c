/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/dirty.c: the dirty log of nested page tables. The leaves themselves are the log: PAGETABLE_LOGGED with log_bit() is a dirty page, without it
 * a clean one. So a write fault changes one entry and allocates nothing.
 *
 * Where log_bit() is a bit that the processor sets, it may do so at any moment, by a locked access, until the flush after its clearing: so it is cleared
 * by one too. What it sets it lists (Intel SDM vol. 3, "Page-Modification Logging"); a table of which nothing is listed yet is not searched, and keeps
 * its bits for the next take.
 */
#include "core/mem/aspace.h"
#include "core/mem/pagetable_entry.h"
#include "core/obj/object.h"
#include "gyre/calls.h"

static void bits_set(uint64_t *entry, uint64_t bits)
{
	__atomic_fetch_or(entry, bits, __ATOMIC_RELAXED);
}

static void bits_clear(uint64_t *entry, uint64_t bits)
{
	__atomic_fetch_and(entry, ~bits, __ATOMIC_RELAXED);
}

/* ---- on and off: last-level tables in order, each changed as a whole ---- */

typedef void (*table_change)(struct pagetable *table, struct path *path, uint64_t *entries);

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

#define LEAVES_STEPS 130 /* a table that is changed, or a large page that is split into one */
_Static_assert(OBJECT_BUDGET >= LEAVES_STEPS, "one in each call");

/* On from the cursor, in pieces: 0 when done, -GYRE_EAGAIN; where large pages are to be split on the way, -GYRE_ENOMEM. */
static int tables_change(struct aspace *aspace, table_change change, bool split)
{
	struct pagetable *table = &aspace->table;
	unsigned int budget = OBJECT_BUDGET;
	int error = 0;
	while (error == 0 && aspace->cursor < PAGETABLE_PAGES) {
		struct path path;
		unsigned int level = path_walk(table, aspace->cursor, 0, &path);
		bool large = split && level > 0 && entry_present(table->format, *path.at[level]);
		if (!budget_take(&budget, level == 0 || large ? LEAVES_STEPS : 2)) {
			error = -GYRE_EAGAIN;
		} else if (large) {
			error = pagetable_split(table, &path, level) ? 0 : -GYRE_ENOMEM;
		} else {
			if (level == 0)
				change(table, &path, entry_table(table->format, *path.at[1]));
			aspace->cursor |= pagetable_level_pages(level > 0 ? level : 1) - 1;
			aspace->cursor++;
		}
	}
	aspace->ops->flush(aspace, 0, PAGETABLE_PAGES);
	return error;
}

static void dirty_begin(struct aspace *aspace, enum dirty_state state)
{
	if (aspace->dirty != state)
		aspace->cursor = 0;
	aspace->dirty = state;
}

static int dirty_on(struct aspace *aspace)
{
	if (aspace->dirty == DIRTY_ON)
		return 0;
	if (aspace->dirty == DIRTY_ENDING)
		return -GYRE_EBUSY;
	dirty_begin(aspace, DIRTY_STARTING);
	int error = tables_change(aspace, table_protect, true);
	if (error == -GYRE_ENOMEM)
		dirty_begin(aspace, DIRTY_ENDING);
	else if (error == 0)
		aspace->dirty = DIRTY_ON;
	return error;
}

static int dirty_off(struct aspace *aspace)
{
	if (aspace->dirty == DIRTY_OFF)
		return 0;
	dirty_begin(aspace, DIRTY_ENDING);
	int error = tables_change(aspace, table_unprotect, false);
	if (error == 0)
		aspace->dirty = DIRTY_OFF;
	return error;
}

int aspace_dirty_log(struct aspace *aspace, bool on)
{
	struct aspace_locked locked = aspace_lock(aspace);
	int error = aspace->ending ? -GYRE_EHANDLE : on ? dirty_on(aspace) : dirty_off(aspace);
	aspace_unlock(&locked);
	return error;
}

/* ---- writing and taking ---- */

/* If the page is under the log: the bits in its leaf, and the next take looks there. */
static bool mark(struct aspace *aspace, uint64_t page, uint64_t bits)
{
	const struct pagetable_format *format = aspace->table.format;
	struct path path;
	struct aspace_locked locked = aspace_lock(aspace);
	bool ours = path_walk(&aspace->table, page, 0, &path) == 0 && (*path.at[0] & PAGETABLE_LOGGED) != 0 &&
		    entry_present(format, *path.at[0]);
	if (ours) {
		bits_set(path.at[0], bits);
		*path.at[1] |= PAGETABLE_DIRTY_BELOW;
	}
	aspace_unlock(&locked);
	return ours;
}

bool aspace_dirty_fault(struct aspace *aspace, uint64_t page)
{
	return mark(aspace, page, log_bit(aspace->table.format));
}

void aspace_dirty_logged(struct aspace *aspace, uint64_t page)
{
	mark(aspace, page, 0); /* the processor has set it */
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

/* Pages from a multiple of 64: a multiple of 64. How many were dirty. */
static int64_t take(struct pagetable *table, uint64_t page, unsigned int pages, uint64_t *bitmap)
{
	int64_t count = 0;
	while (pages > 0) {
		struct path path;
		unsigned int part = 512 - entry_index(page, 0);
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

int64_t aspace_dirty_take(struct aspace *aspace, uint64_t page, unsigned int pages, uint64_t *bitmap)
{
	if (pages > GYRE_DIRTY_PAGES || pages % 64 != 0 || page % 64 != 0 ||
		!range_inside(page, pages, aspace->ops->end_page))
		return -GYRE_EINVAL;
	int64_t count = -GYRE_ENOENT;
	struct aspace_locked locked = aspace_lock(aspace);
	if (aspace->dirty == DIRTY_ON && !aspace->ending) {
		count = take(&aspace->table, page, pages, bitmap);
		if (count > 0)
			aspace->ops->flush(aspace, page, pages);
	}
	aspace_unlock(&locked);
	return count;
}
