/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_tree.c: see memory.h. Entries: bit 0 leads to a table (bits 61:52: how many of its entries are in use), bit 1 a run, bit 2 shown.
 */
#include "core/mem/memory.h"
#include "core/mem/pagetable_entry.h"

#define TABLE	   1ul
#define RUN	   2ul
#define SHOWN	   4ul
#define LEVELS_MAX 5

static uint64_t *table_of(uint64_t entry)
{
	return frame_virtual(hpa(entry & FRAME_BITS));
}

void tree_init(struct memory_tree *tree, uint64_t pages, struct quota *quota)
{
	*tree = (struct memory_tree){.quota = quota};
	while (tree->level < 4 && pagetable_level_pages(tree->level) < pages)
		tree->level++;
}

/* The entries on the way to an offset, from the tree's root down to the one returned. */
static unsigned int walk(
	struct memory_tree *tree, uint64_t offset, unsigned int lowest, uint64_t *at[static LEVELS_MAX])
{
	unsigned int level = tree->level;
	at[level] = &tree->root;
	while (level > lowest && (*at[level] & TABLE) != 0) {
		uint64_t *entries = table_of(*at[level--]);
		at[level] = &entries[entry_index(offset, level)];
	}
	return level;
}

void tree_find(const struct memory_tree *tree, uint64_t offset, struct tree_run *run)
{
	unsigned int level = tree->level;
	uint64_t entry = tree->root;
	while ((entry & TABLE) != 0) {
		level--;
		entry = table_of(entry)[entry_index(offset, level)];
	}
	uint64_t into = offset & (pagetable_level_pages(level) - 1);
	run->pages = pagetable_level_pages(level) - into;
	run->kind = TREE_EMPTY;
	if ((entry & RUN) != 0) {
		run->kind = TREE_RUN;
		run->frame = ((entry & FRAME_BITS) >> PAGE_SHIFT) + into;
	} else if ((entry & SHOWN) != 0) {
		run->kind = TREE_SHOWN;
		run->share = frame_virtual(hpa(entry & ~(SHOWN | 0xful)));
	}
}

/* The table that holds the entry at this level has lost one; empty tables go. */
static void release(struct memory_tree *tree, uint64_t *at[static LEVELS_MAX], unsigned int level)
{
	for (; level < tree->level; level++) {
		uint64_t *parent = at[level + 1];
		*parent -= COUNT_ONE;
		if (entry_count(*parent) != 0)
			return;
		frame_free(tree->quota, hpa(*parent & FRAME_BITS));
		*parent = 0;
	}
}

/* A table of empty entries, or of the parts of a run. */
static bool table_make(struct memory_tree *tree, uint64_t *at[static LEVELS_MAX], unsigned int level)
{
	hpa_t frame;
	uint64_t old = *at[level];
	if (!frame_alloc(tree->quota, &frame))
		return false;
	if ((old & RUN) != 0) {
		uint64_t *entries = frame_virtual(frame), part = pagetable_level_pages(level - 1) << PAGE_SHIFT;
		for (unsigned int i = 0; i < 512; i++)
			entries[i] = old + i * part;
		*at[level] = frame.value | TABLE | 512 * COUNT_ONE;
	} else {
		*at[level] = frame.value | TABLE;
		if (level < tree->level)
			*at[level + 1] += COUNT_ONE;
	}
	return true;
}

/* A table that is full may be a single run now. */
static void merge(struct memory_tree *tree, uint64_t *at[static LEVELS_MAX], unsigned int level)
{
	for (; level < tree->level; level++) {
		uint64_t *parent = at[level + 1], part = pagetable_level_pages(level) << PAGE_SHIFT;
		if (entry_count(*parent) != 512)
			return;
		uint64_t *entries = table_of(*parent), first = entries[0];
		if ((first & RUN) == 0 || entries[511] != first + 511 * part)
			return;
		for (unsigned int i = 1; i < 511; i++) {
			if (entries[i] != first + i * part)
				return;
		}
		frame_free(tree->quota, hpa(*parent & FRAME_BITS));
		*parent = first;
	}
}

void tree_unprepare(struct memory_tree *tree, uint64_t offset)
{
	uint64_t *at[LEVELS_MAX];
	unsigned int level = walk(tree, offset, 0, at);
	if (level < tree->level && entry_count(*at[level + 1]) == 0) {
		*at[level + 1] += COUNT_ONE;
		release(tree, at, level);
	} else {
		merge(tree, at, level);
	}
}

int tree_prepare(struct memory_tree *tree, uint64_t offset, unsigned int level)
{
	uint64_t *at[LEVELS_MAX];
	unsigned int found = walk(tree, offset, level, at);
	while (found > level) {
		if (!table_make(tree, at, found)) {
			tree_unprepare(tree, offset);
			return -GYRE_ENOMEM;
		}
		uint64_t *entries = table_of(*at[found--]);
		at[found] = &entries[entry_index(offset, found)];
	}
	return 0;
}

static void entry_set(struct memory_tree *tree, uint64_t offset, unsigned int level, uint64_t entry)
{
	uint64_t *at[LEVELS_MAX];
	walk(tree, offset, level, at);
	*at[level] = entry;
	if (level < tree->level)
		*at[level + 1] += COUNT_ONE;
	merge(tree, at, level);
}

void tree_fill(struct memory_tree *tree, uint64_t offset, unsigned int level, uint64_t frame)
{
	entry_set(tree, offset, level, frame << PAGE_SHIFT | RUN);
}

void tree_show(struct memory_tree *tree, uint64_t offset, struct memory_share *share)
{
	entry_set(tree, offset, 0, frame_physical(share).value | SHOWN);
}

void tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level)
{
	uint64_t *at[LEVELS_MAX];
	walk(tree, offset, level, at);
	*at[level] = 0;
	release(tree, at, level);
}

bool tree_next(struct memory_tree *tree, uint64_t *offset, unsigned int *level, unsigned int *budget)
{
	uint64_t *at[LEVELS_MAX];
	uint64_t end = pagetable_level_pages(tree->level);
	while (*offset < end && budget_take(budget, 1)) {
		*level = walk(tree, *offset, 0, at);
		if (*at[*level] != 0)
			return true;
		*offset = (*offset | (pagetable_level_pages(*level) - 1)) + 1;
	}
	return false;
}

unsigned int tree_level_fit(uint64_t a, uint64_t b, uint64_t pages)
{
	unsigned int level = 0;
	while (level < 4 && ((a | b) & (pagetable_level_pages(level + 1) - 1)) == 0 &&
		pages >= pagetable_level_pages(level + 1))
		level++;
	return level;
}
