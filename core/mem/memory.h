/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory.h: memory objects: sparse arrays of pages, and windows onto parts of them.
 *
 * An owner holds its pages in a tree of 512-way tables, of whose entries each is empty (a hole), leads to a table, or is a run: frames in a row from
 * the one it names, as many as the level has. So memory in a row costs one entry whatever its size and alignment. A window has an offset into its
 * owner and a tree of the holes punched into it. Windows of windows make the derivation tree, MEMORY_DEPTH deep at most; revoking walks it in pieces.
 *
 * A page that leaves an owner by punch, replace or destruction goes home: to root's RAM, at its frame number, unless it came from the core's pool.
 * One lock covers the derivation forest with its mapping lists: struct memory_locked is the proof. Order: forest, then an address space.
 */
#ifndef CORE_MEM_MEMORY_H
#define CORE_MEM_MEMORY_H

#include "core/mem/aspace.h"
#include "core/obj/handle.h"

#define MEMORY_DEPTH	 16
#define MEMORY_PAGES_MAX (1ul << 36) /* four levels: 256 TiB */
#define MEMORY_CORE_MAX	 2048	     /* pages of memory_create_core() */

/*
 * The tree behind an object: which frame, or which shown page, is at an offset (core/mem/memory_tree.c). An entry is empty, leads to a table, is a run of
 * frames as long as its level, or (at level 0) a page of another object. A table that empties is freed, one that has become a single run is replaced by
 * it. For a window the same tree says where it has holes: a run is a hole then.
 */
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

void tree_init(struct memory_tree *tree, uint64_t pages, struct quota *quota);
void tree_find(const struct memory_tree *tree, uint64_t offset, struct tree_run *run);

/* Makes the run or hole at this offset, whose multiple of 512^level it is, an entry of its own at this level: 0 or -GYRE_ENOMEM. Changes no content. */
int tree_prepare(struct memory_tree *tree, uint64_t offset, unsigned int level);
/* What was prepared and is not to be filled: tables without entries go, parts of a run join again. */
void tree_unprepare(struct memory_tree *tree, uint64_t offset);
/* After tree_prepare: fills an empty entry; empties one. Cannot fail. */
void tree_fill(struct memory_tree *tree, uint64_t offset, unsigned int level, uint64_t frame);
void tree_show(struct memory_tree *tree, uint64_t offset, struct memory_share *share);
void tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level);

/* The first entry from `offset` on that is not empty: its offset and level; false: none. Looks at *budget entries at most; then *offset is where to go on. */
bool tree_next(struct memory_tree *tree, uint64_t *offset, unsigned int *level, unsigned int *budget);
/* The largest level of which both are multiples and that pages hold. */
unsigned int tree_level_fit(uint64_t a, uint64_t b, uint64_t pages);

/* A walk over the mappings below an object, that goes on over several calls. */
struct memory_walk {
	uint64_t id;	       /* 0: none under way */
	uint64_t first, pages; /* of this object */
};

struct memory {
	struct object object;
	struct memory *origin; /* what it is a window of, or NULL */
	struct list children, sibling;
	struct list mappings; /* struct mapping.in_memory */
	struct list shares;   /* pages seen through it that others show. struct memory_share.in_source */
	uint64_t offset;      /* of a window: in its origin */
	uint64_t pages;
	uint64_t seen; /* the last walk that has done all of it */
	struct memory_walk walk;
	uint64_t given_back;	 /* offset up to which its end has come */
	struct memory_tree tree; /* an owner's pages, or a window's holes (entries that are not empty) */
	uint8_t cache;		 /* enum memory_cache */
	uint8_t depth;		 /* 0: owner */
	bool core;		 /* its pages are the pool's, and paid by its owner */
	bool home;		 /* root's RAM: pages go back here; offset == frame number */
	bool fixed;		 /* not pages that anybody may move or punch (firmware, the log) */
	uint32_t rights;	 /* the most that a mapping of it can have */
};
HANDLE_FIND(handle_memory, memory, GYRE_OBJECT_MEMORY)

/* A page that an owner shows in place of one of its own. It goes when its source loses the page, dies or is revoked. */
struct memory_share {
	struct list in_source;
	struct memory *source, *target;
	uint64_t source_offset, target_offset, frame;
	uint64_t walk;
};

struct memory_locked {
	struct spinlock *lock;
};
struct memory_locked memory_lock(void);
void memory_unlock(struct memory_locked *locked);

struct memory *memory_create(struct process *owner, uint64_t pages); /* 1 to MEMORY_PAGES_MAX */
/* With `pages` zeroed frames of the pool, paid by the owner: what the core shares with a process (a vcpu's pages, root's image). At most MEMORY_CORE_MAX. */
struct memory *memory_create_core(struct process *owner, uint64_t pages);
/*
 * What is at an offset, for how many pages in a row (1 to most): frames from *frame, or PAGETABLE_NO_FRAME: a hole. *rights loses WRITE for a page that
 * is only shown.
 */
uint64_t memory_frames(struct memory_locked locked, struct memory *memory, uint64_t offset, uint64_t most,
	uint64_t *frame, uint32_t *rights);
/* Whether a walk is under way that empties some of these pages: they may not be mapped or derived meanwhile. */
bool memory_is_busy(struct memory_locked locked, const struct memory *memory, uint64_t offset, uint64_t pages);
/* One page of a core object, for the core's own use. */
hpa_t memory_core_page(struct memory *memory, uint64_t offset);

/* At boot: adds frames in a row at an offset. False: quota exhausted. */
bool memory_add(struct memory *memory, uint64_t offset, uint64_t frame, uint64_t pages);

int memory_derive(struct process *owner, struct memory *origin, uint64_t offset, uint64_t pages, uint32_t rights,
	struct memory **out);
int64_t memory_move(
	struct memory *target, uint64_t target_offset, struct memory *source, uint64_t source_offset, uint64_t pages);
int memory_replace(struct memory *target, uint64_t offset, struct memory *source, uint64_t source_offset);
int64_t memory_punch(struct memory *memory, uint64_t offset, uint64_t pages);
int memory_revoke(struct memory *memory, unsigned int *budget);
int memory_end(struct object *object, unsigned int *budget);

/*
 * Clears all mappings of these pages in the object's own records and in those of all windows below it, and breaks the shares made of them: 0, or
 * -GYRE_EAGAIN: the same again. Until memory_walk_end() nobody maps or derives these pages. A walk over other pages gives up one that was under way.
 */
int memory_walk(struct memory_locked locked, struct memory *base, uint64_t first, uint64_t pages, unsigned int *budget);
void memory_walk_end(struct memory *base);

/* The page that it shows is a hole from now on. */
void memory_share_drop(struct memory_locked locked, struct memory_share *share);

/* A page or run, or as much of it as one entry can be, goes to where its frames are at home. Pages, or -GYRE_ENOMEM. */
int64_t memory_entry_home(
	struct memory_locked locked, struct memory *memory, uint64_t offset, uint64_t pages, unsigned int *budget);

extern struct memory *memory_ram; /* root's */

#endif
