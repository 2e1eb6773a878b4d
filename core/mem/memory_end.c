/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_end.c: revocation, and the end of memory objects. Both first clear every mapping, then destroy the windows, those without windows of
 * their own first. The walk stays under way meanwhile, so nothing new is mapped or derived.
 */
#include "core/mem/memory.h"
#include "core/mem/memory_walk.h"
#include "core/obj/process.h"
#include "gyre/errors.h"

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
	} else if (memory->origin != NULL || (memory->fixed && !memory->core)) {
		tree_empty(&memory->tree, offset, level);
	} else if (memory->core) {
		tree_empty(&memory->tree, offset, level);
		for (uint64_t i = 0; i < run.pages; i++) /* level 1 at most: MEMORY_CORE_MAX */
			frame_free(memory->tree.quota, hpa((run.frame + i) << PAGE_SHIFT));
		budget_take(budget, 4 * (unsigned int)run.pages);
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
