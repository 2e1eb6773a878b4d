/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory.c: memory objects: making them, finding pages in them, windows.
 */
#include "core/mem/memory.h"
#include "core/obj/process.h"

SEALED struct memory *memory_ram;

static struct spinlock forest;

struct memory_locked memory_lock(void)
{
	spin_lock(&forest);
	return (struct memory_locked){&forest};
}

void memory_unlock(struct memory_locked *locked)
{
	spin_unlock(locked->lock);
	locked->lock = NULL;
}

#define MEMORY_RIGHTS (GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC)

struct memory *memory_create(struct process *owner, uint64_t pages)
{
	struct memory *memory = OBJECT_CREATE(owner, GYRE_OBJECT_MEMORY, memory);
	if (memory == NULL)
		return NULL;
	memory->pages = pages;
	memory->rights = MEMORY_RIGHTS;
	list_init(&memory->children);
	list_init(&memory->sibling);
	list_init(&memory->mappings);
	list_init(&memory->shares);
	tree_init(&memory->tree, pages, &owner->quota);
	return memory;
}

struct memory *memory_create_core(struct process *owner, uint64_t pages)
{
	struct memory *memory = pages <= MEMORY_CORE_MAX ? memory_create(owner, pages) : NULL;
	if (memory == NULL)
		return NULL;
	memory->core = true;
	memory->fixed = true;
	/* When a process ends, what the core uses it for ends before it does. */
	list_move_back(&owner->objects, &memory->object.owned);
	for (uint64_t page = 0; page < pages; page++) {
		hpa_t frame;
		if (frame_alloc(&owner->quota, &frame)) {
			if (memory_add(memory, page, frame.value >> PAGE_SHIFT, 1))
				continue;
			frame_free(&owner->quota, frame);
		}
		unsigned int budget = MEMORY_CORE_MAX * 4;
		object_destroy(&memory->object, NULL, &budget);
		return NULL;
	}
	return memory;
}

bool memory_add(struct memory *memory, uint64_t offset, uint64_t frame, uint64_t pages)
{
	while (pages > 0) {
		/* Runs need no alignment of frames, only of offsets. */
		unsigned int level = tree_level_fit(offset, 0, pages);
		if (level > memory->tree.level)
			level = memory->tree.level;
		if (tree_prepare(&memory->tree, offset, level) < 0)
			return false;
		tree_fill(&memory->tree, offset, level, frame);
		offset += pagetable_level_pages(level);
		frame += pagetable_level_pages(level);
		pages -= pagetable_level_pages(level);
	}
	return true;
}

/* ---- looking ---- */

/* Runs that follow each other in the tree and in the machine count as one: how far, at most. */
#define RUNS_JOINED 8

uint64_t memory_frames(struct memory_locked locked, struct memory *memory, uint64_t offset, uint64_t most,
	uint64_t *frame, uint32_t *rights)
{
	(void)locked;
	struct tree_run run;
	*frame = PAGETABLE_NO_FRAME;
	if (offset >= memory->pages)
		return most;
	if (most > memory->pages - offset)
		most = memory->pages - offset;
	/* MEMORY_DEPTH bounds this. */
	for (; memory->origin != NULL; offset += memory->offset, memory = memory->origin) {
		if (memory->tree.root == 0)
			continue;
		tree_find(&memory->tree, offset, &run);
		if (run.pages < most)
			most = run.pages;
		if (run.kind != TREE_EMPTY)
			return most;
	}
	tree_find(&memory->tree, offset, &run);
	if (run.kind == TREE_SHOWN) {
		*frame = run.share->frame;
		*rights &= ~GYRE_RIGHT_WRITE;
		return 1;
	}
	if (run.kind == TREE_EMPTY)
		return run.pages < most ? run.pages : most;
	*frame = run.frame;
	uint64_t pages = run.pages;
	for (unsigned int i = 0; i < RUNS_JOINED && pages < most; i++) {
		tree_find(&memory->tree, offset + pages, &run);
		if (run.kind != TREE_RUN || run.frame != *frame + pages)
			break;
		pages += run.pages;
	}
	return pages < most ? pages : most;
}

hpa_t memory_core_page(struct memory *memory, uint64_t offset)
{
	struct tree_run run;
	tree_find(&memory->tree, offset, &run);
	return hpa(run.frame << PAGE_SHIFT);
}

bool memory_is_busy(struct memory_locked locked, const struct memory *memory, uint64_t offset, uint64_t pages)
{
	(void)locked;
	for (;;) {
		const struct memory_walk *walk = &memory->walk;
		if (walk->id != 0 && ranges_meet(offset, pages, walk->first, walk->pages))
			return true;
		if (memory->origin == NULL)
			return false;
		offset += memory->offset;
		memory = memory->origin;
	}
}

/* ---- windows ---- */

int memory_derive(struct process *owner, struct memory *origin, uint64_t offset, uint64_t pages, uint32_t rights,
	struct memory **out)
{
	if (!range_inside(offset, pages, origin->pages) || (rights & ~MEMORY_RIGHTS) != 0)
		return -GYRE_EINVAL;
	if (origin->depth + 1 >= MEMORY_DEPTH)
		return -GYRE_ENOTSUP;
	struct memory *window = memory_create(owner, pages);
	if (window == NULL)
		return -GYRE_ENOMEM;
	struct memory_locked locked = memory_lock();
	int error = !object_alive(&origin->object)		    ? -GYRE_EHANDLE
		    : memory_is_busy(locked, origin, offset, pages) ? -GYRE_EBUSY
								    : 0;
	if (error == 0) {
		window->origin = origin;
		window->offset = offset;
		window->depth = (uint8_t)(origin->depth + 1);
		window->rights = origin->rights & rights;
		window->cache = origin->cache;
		list_push_front(&origin->children, &window->sibling);
		*out = window;
	}
	memory_unlock(&locked);
	if (error < 0)
		object_discard(&window->object);
	return error;
}
