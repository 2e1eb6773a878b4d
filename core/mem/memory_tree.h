/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_tree.h: the tree behind a memory object: which frame, or which shown page, is at an offset.
 *
 * An entry is empty, leads to a table, is a run of frames as long as its level, or (at level 0) a page of another object. A table that empties is freed,
 * one that has become a single run is replaced by it. For a window the same tree says where it has holes: a run is a hole then.
 */
#ifndef CORE_MEM_MEMORY_TREE_H
#define CORE_MEM_MEMORY_TREE_H

#include "core/mem/frame.h"

struct memory_share;

struct memory_tree {
	uint64_t root;	    /* an entry */
	unsigned int level; /* it covers 512^level pages */
	struct quota *quota;
};

enum tree_kind { TREE_EMPTY, TREE_RUN, TREE_SHOWN };

struct tree_run {
	enum tree_kind kind;
	uint64_t pages; /* that it goes on for, from the offset asked for */
	uint64_t frame; /* TREE_RUN */
	struct memory_share *share;
};

static inline uint64_t tree_level_pages(unsigned int level)
{
	return 1ul << (9 * level);
}

void tree_init(struct memory_tree *tree, uint64_t pages, struct quota *quota);
void tree_find(const struct memory_tree *tree, uint64_t offset, struct tree_run *run);

/* Makes the run or hole at this offset, whose multiple of 512^level it is, an entry of its own at this level: 0 or -GYRE_ENOMEM. Changes no content. */
int tree_prepare(struct memory_tree *tree, uint64_t offset, unsigned int level);
/* After tree_prepare: fills an empty entry; empties one. Cannot fail. */
void tree_fill(struct memory_tree *tree, uint64_t offset, unsigned int level, uint64_t frame);
void tree_show(struct memory_tree *tree, uint64_t offset, struct memory_share *share);
void tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level);

/* The first entry from `offset` on that is not empty: its offset and level; false: none. Looks at *budget entries at most; then *offset is where to go on. */
bool tree_next(struct memory_tree *tree, uint64_t *offset, unsigned int *level, unsigned int *budget);
/* The largest level of which both are multiples and that pages hold. */
unsigned int tree_level_fit(uint64_t a, uint64_t b, uint64_t pages);

#endif
