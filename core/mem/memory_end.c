/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_end.c: the walk over a derivation tree that clears mappings; revocation, and the end of memory objects.
 *
 * Every node, record and share that a walk has done is marked with the walk's number and moves to the end of its list, where the walk ends when it comes
 * again. So a walk goes on where it was, whatever happened to the lists meanwhile, and costs nothing for what it has done. What is new is put in front,
 * and therefore seen.
 */
#include "core/mem/memory.h"

static uint64_t walk_number; /* under the forest's lock */

/* Pages of a node that a walk is about. */
struct span {
	uint64_t first, end;
};

struct position {
	struct memory *node;
	unsigned int depth;
	struct span span[MEMORY_DEPTH]; /* by depth below the base */
};

static bool intersect(struct span of, uint64_t first, uint64_t pages, struct span *part)
{
	part->first = of.first > first ? of.first : first;
	part->end = of.end < first + pages ? of.end : first + pages;
	return part->first < part->end;
}

/* Down to a node that has no window left to visit. */
static bool descend(struct position *at, uint64_t id, unsigned int *budget)
{
	for (;;) {
		struct list *children = &at->node->children;
		struct memory *child = container_of(children->next, struct memory, sibling);
		if (list_empty(children) || child->seen == id)
			return true;
		if (!budget_take(budget, 2))
			return false;
		struct span part;
		if (!intersect(at->span[at->depth], child->offset, child->pages, &part)) {
			child->seen = id;
			list_move_back(children, &child->sibling);
			continue;
		}
		at->node = child;
		at->depth++;
		at->span[at->depth] = (struct span){part.first - child->offset, part.end - child->offset};
	}
}

static int records_clear(
	struct memory_locked locked, struct memory *node, struct span span, uint64_t id, unsigned int *budget)
{
	for (;;) {
		struct mapping *record = container_of(node->mappings.next, struct mapping, in_memory);
		if (list_empty(&node->mappings) || (record->walk == id && record->cursor == PAGETABLE_NO_FRAME))
			return 0;
		if (!budget_take(budget, 2))
			return -GYRE_EAGAIN;
		if (record->walk != id) {
			record->walk = id;
			record->cursor = 0;
		}
		/* One that is to be freed is gone after the last piece: so it is moved and marked before that. */
		struct span part;
		list_move_back(&node->mappings, &record->in_memory);
		if (intersect(span, record->offset, record->pages, &part)) {
			uint64_t first = record->first_page + (part.first - record->offset);
			bool all = part.end - part.first == record->pages;
			if (mapping_clear(locked, record, first, first + (part.end - part.first), budget) < 0) {
				list_move_front(&node->mappings, &record->in_memory);
				return -GYRE_EAGAIN;
			}
			if (all)
				continue;
		}
		record->cursor = PAGETABLE_NO_FRAME;
	}
}

/* A share of pages of this span that the walk has not seen yet, or NULL. */
static struct memory_share *share_find(struct memory *node, struct span span, uint64_t id, unsigned int *budget)
{
	struct memory_share *share = container_of(node->shares.next, struct memory_share, in_source);
	while (!list_empty(&node->shares) && share->walk != id && budget_take(budget, 2)) {
		if (share->source_offset >= span.first && share->source_offset < span.end)
			return share;
		share->walk = id;
		list_move_back(&node->shares, &share->in_source);
		share = container_of(node->shares.next, struct memory_share, in_source);
	}
	return NULL;
}

/* Visits node by node. *share: one that has to be broken first, when not NULL is given. 0: all done. */
static int nodes_clear(
	struct memory_locked locked, struct memory *base, unsigned int *budget, struct memory_share **share)
{
	uint64_t id = base->walk.id;
	struct position at = {.node = base};
	at.span[0] = (struct span){base->walk.first, base->walk.first + base->walk.pages};
	for (;;) {
		if (!descend(&at, id, budget))
			return -GYRE_EAGAIN;
		struct span span = at.span[at.depth];
		if (records_clear(locked, at.node, span, id, budget) < 0)
			return -GYRE_EAGAIN;
		if (share != NULL && (*share = share_find(at.node, span, id, budget)) != NULL)
			return 0;
		if (*budget == 0)
			return -GYRE_EAGAIN;
		if (at.node == base)
			return 0;
		at.node->seen = id;
		struct memory *up = at.node->origin;
		list_move_back(&up->children, &at.node->sibling);
		at.node = up;
		at.depth--;
	}
}

/* Each call goes all the way down again, to a node that shows a page, and on from there to what maps it: then something must be left to do it with. */
#define WALK_STEPS (2 * MEMORY_DEPTH + 4 + FRAMES_STEPS)
_Static_assert(OBJECT_BUDGET >= OBJECT_STEPS + 2 * WALK_STEPS, "a walk gets on with each call");
#define SHARE_STEPS 20 /* the walk to where it leads, and its end */

static void walk_begin(struct memory *base, uint64_t first, uint64_t pages)
{
	struct memory_walk *walk = &base->walk;
	if (walk->id == 0 || walk->first != first || walk->pages != pages)
		*walk = (struct memory_walk){++walk_number, first, pages};
}

void memory_walk_end(struct memory *base)
{
	base->walk.id = 0;
}

int memory_walk(struct memory_locked locked, struct memory *base, uint64_t first, uint64_t pages, unsigned int *budget)
{
	walk_begin(base, first, pages);
	for (;;) {
		struct memory_share *share = NULL;
		if (nodes_clear(locked, base, budget, &share) < 0)
			return -GYRE_EAGAIN;
		if (share == NULL)
			return 0;
		/* A shown page can't be shared on, so this second walk meets no shares. */
		struct memory *target = share->target;
		walk_begin(target, share->target_offset, 1);
		if (nodes_clear(locked, target, budget, NULL) < 0)
			return -GYRE_EAGAIN;
		memory_walk_end(target);
		memory_share_drop(locked, share);
		budget_take(budget, SHARE_STEPS);
	}
}

/* ---- revocation and end ---- */

/*
 * Both first clear every mapping, then destroy the windows, those without windows of their own first. The walk stays under way meanwhile, so nothing new
 * is mapped or derived.
 */
static struct memory *window_without_windows(struct memory *memory)
{
	while (!list_empty(&memory->children)) /* at most MEMORY_DEPTH */
		memory = container_of(memory->children.next, struct memory, sibling);
	return memory;
}

/* Gives back what one entry of a tree stands for. */
static int64_t entry_give_back(
	struct memory_locked locked, struct memory *memory, uint64_t offset, unsigned int level, unsigned int *budget)
{
	struct tree_run run;
	tree_find(&memory->tree, offset, &run);
	if (run.kind == TREE_SHOWN) {
		memory_share_drop(locked, run.share);
		budget_take(budget, SHARE_STEPS);
	} else if (memory->origin != NULL || memory->fixed) { /* holes, and what is not root's RAM */
		tree_empty(&memory->tree, offset, level);
		for (uint64_t i = 0; memory->core && i < run.pages; i++) { /* level 1 at most: MEMORY_CORE_MAX */
			frame_free(memory->tree.quota, hpa((run.frame + i) << PAGE_SHIFT));
			budget_take(budget, 4);
		}
	} else {
		return memory_entry_home(locked, memory, offset, run.pages, budget);
	}
	return (int64_t)run.pages;
}

static int pages_give_back(struct memory_locked locked, struct memory *memory, unsigned int *budget)
{
	unsigned int level;
	while (tree_next(&memory->tree, &memory->given_back, &level, budget)) {
		int64_t n = entry_give_back(locked, memory, memory->given_back, level, budget);
		if (n < 0)
			return (int)n;
		memory->given_back += (uint64_t)n;
	}
	return memory->tree.root != 0 ? -GYRE_EAGAIN : 0;
}

#define WINDOW_STEPS 20 /* what the end of a window costs */

static int windows_end(struct memory_locked *locked, struct memory *base, unsigned int *budget)
{
	while (!list_empty(&base->children)) {
		struct memory *window = window_without_windows(base);
		if (!budget_take(budget, WINDOW_STEPS))
			return -GYRE_EAGAIN;
		object_mark_dying(&window->object);
		if (pages_give_back(*locked, window, budget) < 0)
			return -GYRE_EAGAIN;
		memory_unlock(locked);
		int result = object_finish(&window->object, NULL, budget);
		*locked = memory_lock();
		if (result < 0)
			return result;
		list_remove(&window->sibling);
	}
	return 0;
}

int memory_revoke(struct memory *memory, unsigned int *budget)
{
	struct memory_locked locked = memory_lock();
	int result = object_alive(&memory->object) ? memory_walk(locked, memory, 0, memory->pages, budget)
						   : -GYRE_EHANDLE;
	if (result == 0)
		result = windows_end(&locked, memory, budget);
	if (result == 0)
		memory_walk_end(memory);
	memory_unlock(&locked);
	return result;
}

int memory_end(struct object *object, unsigned int *budget)
{
	struct memory *memory = container_of(object, struct memory, object);
	struct memory_locked locked = memory_lock();
	int result = memory_walk(locked, memory, 0, memory->pages, budget);
	if (result == 0)
		result = windows_end(&locked, memory, budget);
	if (result == 0)
		result = pages_give_back(locked, memory, budget);
	if (result == 0)
		list_remove(&memory->sibling);
	memory_unlock(&locked);
	return result;
}
