/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/pagetable_entry.h: entries of page tables, for who walks or changes tables himself; numbers and counts also of
 * core/mem/memory_tree.c's.
 */
#ifndef CORE_MEM_PAGETABLE_ENTRY_H
#define CORE_MEM_PAGETABLE_ENTRY_H

#include "core/mem/pagetable.h"

#define TOP	    (PAGETABLE_LEVELS - 1)
#define COUNT_SHIFT 52
#define COUNT_ONE   (1ul << COUNT_SHIFT)
#define COUNT_MASK  0x3fful

/* The entries on the way to a page: at[l] is the one at level l. */
struct path {
	uint64_t *at[PAGETABLE_LEVELS];
};

static inline unsigned int entry_index(uint64_t page, unsigned int level)
{
	return (unsigned int)(page >> (9 * level)) & 511;
}

static inline bool entry_present(const struct pagetable_format *format, uint64_t entry)
{
	return (entry & format->present) != 0;
}

static inline bool entry_is_leaf(const struct pagetable_format *format, uint64_t entry, unsigned int level)
{
	return level == 0 || (entry & format->large) != 0;
}

static inline uint64_t *entry_table(const struct pagetable_format *format, uint64_t entry)
{
	return frame_virtual(hpa(entry & format->address));
}

static inline unsigned int entry_count(uint64_t entry)
{
	return (unsigned int)(entry >> COUNT_SHIFT & COUNT_MASK);
}

/* Frame number of the first page of a leaf. */
static inline uint64_t leaf_frame(const struct pagetable_format *format, uint64_t leaf, unsigned int level)
{
	return (leaf & format->address) >> PAGE_SHIFT & ~(pagetable_level_pages(level) - 1);
}

/* A leaf's bits without its address, as they stand at another level. */
static inline uint64_t leaf_resize(const struct pagetable_format *format, uint64_t leaf, unsigned int to)
{
	return (leaf & ~(format->address | format->large)) | (to > 0 ? format->large : 0);
}

/* What a dirty leaf of the log has, and a clean one hasn't. */
static inline uint64_t log_bit(const struct pagetable_format *format)
{
	return format->dirty != 0 ? format->dirty : format->write;
}

/* Down to the leaf or empty entry of this page, not below `lowest`; its level. */
static inline unsigned int path_walk(
	const struct pagetable *table, uint64_t page, unsigned int lowest, struct path *path)
{
	uint64_t *entries = frame_virtual(table->root);
	for (unsigned int level = TOP;; level--) {
		uint64_t *entry = &entries[entry_index(page, level)];
		path->at[level] = entry;
		if (level == lowest || !entry_present(table->format, *entry) ||
			entry_is_leaf(table->format, *entry, level))
			return level;
		entries = entry_table(table->format, *entry);
	}
}

/* Makes a table of the large leaf at this level, which maps the same. False: no frame. */
bool pagetable_split(struct pagetable *table, struct path *path, unsigned int level);

#endif
