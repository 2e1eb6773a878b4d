/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_change.c: pages that move, go home or are shown elsewhere. First every mapping of them is gone, then the trees change, entry by entry:
 * what a step needs is prepared before it changes anything.
 */
#include "core/mem/memory.h"

/* Steps of one call. Moving an entry costs some, splitting one a table's worth. */
#define CHANGE_STEPS 360
#define MOVE_STEPS   24
#define SPLIT_STEPS  150
#define CHANGE_PAGES 65536 /* that one call looks at */

static bool is_plain_owner(const struct memory *memory)
{
	return memory->origin == NULL && !memory->fixed;
}

/* One entry, as large as both sides allow. Pages moved, or an error and nothing has changed. */
static int64_t entry_move(struct memory_tree *to, uint64_t to_offset, struct memory_tree *from, uint64_t from_offset,
	uint64_t pages, unsigned int *budget)
{
	struct tree_run run, hole;
	tree_find(from, from_offset, &run);
	tree_find(to, to_offset, &hole);
	if (run.kind != TREE_RUN)
		return run.kind == TREE_EMPTY ? -GYRE_ENOENT : -GYRE_EINVAL;
	if (hole.kind != TREE_EMPTY)
		return -GYRE_EEXIST;
	if (pages > run.pages)
		pages = run.pages;
	if (pages > hole.pages)
		pages = hole.pages;
	unsigned int level = tree_level_fit(from_offset, to_offset, pages);
	if (tree_prepare(from, from_offset, level) < 0 || tree_prepare(to, to_offset, level) < 0) {
		tree_unprepare(from, from_offset);
		return -GYRE_ENOMEM;
	}
	/* In this order: where both are one tree, the table that has been prepared for the page could be the one that empties. */
	tree_fill(to, to_offset, level, run.frame);
	tree_empty(from, from_offset, level);
	budget_take(budget, run.pages > pagetable_level_pages(level) || hole.pages > pagetable_level_pages(level)
				    ? SPLIT_STEPS
				    : MOVE_STEPS);
	return (int64_t)pagetable_level_pages(level);
}

int64_t memory_entry_home(
	struct memory_locked locked, struct memory *memory, uint64_t offset, uint64_t pages, unsigned int *budget)
{
	(void)locked;
	struct tree_run run;
	tree_find(&memory->tree, offset, &run);
	return entry_move(&memory_ram->tree, run.frame, &memory->tree, offset, pages, budget);
}

void memory_share_drop(struct memory_locked locked, struct memory_share *share)
{
	(void)locked;
	struct memory *target = share->target;
	tree_empty(&target->tree, share->target_offset, 0);
	list_remove(&share->in_source);
	slab_free(target->tree.quota, share, sizeof(*share));
}

/* An owner's: what is there goes home. Pages done (holes too). */
static int64_t punch_owner(
	struct memory_locked locked, struct memory *memory, uint64_t offset, uint64_t pages, unsigned int *budget)
{
	struct tree_run run;
	tree_find(&memory->tree, offset, &run);
	budget_take(budget, 8);
	if (run.kind == TREE_RUN)
		return memory_entry_home(locked, memory, offset, pages, budget);
	if (run.kind == TREE_SHOWN)
		memory_share_drop(locked, run.share);
	return (int64_t)(run.pages < pages ? run.pages : pages);
}

static int64_t punch_window(struct memory *window, uint64_t offset, uint64_t pages, unsigned int *budget)
{
	struct tree_run run;
	tree_find(&window->tree, offset, &run);
	budget_take(budget, MOVE_STEPS);
	if (pages > run.pages)
		pages = run.pages;
	if (run.kind != TREE_EMPTY)
		return (int64_t)pages;
	/* Holes count up like frames, so that they join. */
	unsigned int level = tree_level_fit(offset, 0, pages);
	if (tree_prepare(&window->tree, offset, level) < 0)
		return -GYRE_ENOMEM;
	tree_fill(&window->tree, offset, level, offset);
	return (int64_t)pagetable_level_pages(level);
}

/* ---- move and punch ---- */

/* Pages leave the source, for a target or (NULL) to become holes there. Pages done, or an error. */
static int64_t leave(struct memory_locked locked, struct memory *source, uint64_t offset, struct memory *target,
	uint64_t target_offset, uint64_t pages)
{
	unsigned int budget = CHANGE_STEPS;
	uint64_t done = 0;
	if (pages > CHANGE_PAGES)
		pages = CHANGE_PAGES;
	if (memory_walk(locked, source, offset, pages, &budget) < 0)
		return -GYRE_EAGAIN;
	memory_walk_end(source);
	do {
		uint64_t at = offset + done, rest = pages - done;
		int64_t n = target != NULL
				    ? entry_move(&target->tree, target_offset + done, &source->tree, at, rest, &budget)
			    : source->origin == NULL ? punch_owner(locked, source, at, rest, &budget)
						     : punch_window(source, at, rest, &budget);
		if (n < 0)
			return done > 0 ? (int64_t)done : n;
		done += (uint64_t)n;
	} while (done < pages && budget > 0);
	return (int64_t)done;
}

static int64_t move_check(struct memory_locked locked, const struct memory *target, uint64_t target_offset,
	const struct memory *source, uint64_t source_offset, uint64_t pages)
{
	struct tree_run run;
	if (!object_alive(&target->object) || !object_alive(&source->object))
		return -GYRE_EHANDLE;
	if (!is_plain_owner(target) || !is_plain_owner(source) || target->cache != source->cache || target->home ||
		!range_inside(target_offset, pages, target->pages) ||
		!range_inside(source_offset, pages, source->pages))
		return -GYRE_EINVAL;
	if (target == source && ranges_meet(source_offset, pages, target_offset, pages))
		return -GYRE_EINVAL;
	tree_find(&source->tree, source_offset, &run);
	if (run.kind != TREE_RUN)
		return run.kind == TREE_EMPTY ? -GYRE_ENOENT : -GYRE_EINVAL;
	return memory_is_busy(locked, target, target_offset, pages) ? -GYRE_EBUSY : 0;
}

int64_t memory_move(
	struct memory *target, uint64_t target_offset, struct memory *source, uint64_t source_offset, uint64_t pages)
{
	struct memory_locked locked = memory_lock();
	int64_t result = move_check(locked, target, target_offset, source, source_offset, pages);
	if (result == 0)
		result = leave(locked, source, source_offset, target, target_offset, pages);
	memory_unlock(&locked);
	return result;
}

int64_t memory_punch(struct memory *memory, uint64_t offset, uint64_t pages)
{
	int64_t result = -GYRE_EINVAL;
	struct memory_locked locked = memory_lock();
	if (!object_alive(&memory->object))
		result = -GYRE_EHANDLE;
	else if (!memory->fixed && !memory->home && range_inside(offset, pages, memory->pages))
		result = leave(locked, memory, offset, NULL, 0, pages);
	memory_unlock(&locked);
	return result;
}

/* ---- replace ---- */

/* The owner's page that a source shows at an offset: its frame, or an error. */
static int source_page(struct memory_locked locked, struct memory *source, uint64_t offset, uint64_t *frame)
{
	uint32_t rights = GYRE_RIGHT_READ | GYRE_RIGHT_WRITE;
	if (memory_is_busy(locked, source, offset, 1))
		return -GYRE_EBUSY;
	memory_frames(locked, source, offset, 1, frame, &rights);
	if (*frame == PAGETABLE_NO_FRAME)
		return -GYRE_ENOENT;
	return (rights & GYRE_RIGHT_WRITE) != 0 ? 0 : -GYRE_EINVAL; /* only shown there itself */
}

static int replace_locked(struct memory_locked locked, struct memory *target, uint64_t offset, struct memory *source,
	uint64_t source_offset)
{
	unsigned int budget = CHANGE_STEPS;
	uint64_t frame;
	if (!object_alive(&target->object) || !object_alive(&source->object))
		return -GYRE_EHANDLE;
	if (!is_plain_owner(target) || target->home || target->cache != source->cache ||
		!range_inside(offset, 1, target->pages) || !range_inside(source_offset, 1, source->pages))
		return -GYRE_EINVAL;
	int error = source_page(locked, source, source_offset, &frame);
	if (error < 0)
		return error;
	const struct memory *owner = source;
	while (owner->origin != NULL) /* MEMORY_DEPTH */
		owner = owner->origin;
	/* A walk goes on from where a share leads with the target's: one over the owner would end as the other. */
	if (owner == target)
		return -GYRE_EINVAL;
	if (memory_walk(locked, target, offset, 1, &budget) < 0)
		return -GYRE_EAGAIN;
	memory_walk_end(target);

	struct memory_share *share = slab_alloc(target->tree.quota, sizeof(*share));
	if (share == NULL)
		return -GYRE_ENOMEM;
	/* Where a page was, its table stands, or has just gone back to the quota: the second fails for a hole alone, and nothing is lost. */
	int64_t result = punch_owner(locked, target, offset, 1, &budget);
	if (result < 0 || tree_prepare(&target->tree, offset, 0) < 0) {
		slab_free(target->tree.quota, share, sizeof(*share));
		return -GYRE_ENOMEM;
	}
	*share = (struct memory_share){.source = source,
		.target = target,
		.source_offset = source_offset,
		.target_offset = offset,
		.frame = frame};
	list_push_front(&source->shares, &share->in_source);
	tree_show(&target->tree, offset, share);
	return 0;
}

int memory_replace(struct memory *target, uint64_t offset, struct memory *source, uint64_t source_offset)
{
	struct memory_locked locked = memory_lock();
	int result = replace_locked(locked, target, offset, source, source_offset);
	memory_unlock(&locked);
	return result;
}
