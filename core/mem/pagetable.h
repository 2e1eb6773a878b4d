/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/pagetable.h: page tables of 512-way radix form, whatever the processor's entry format: a process's, or a guest's nested ones.
 *
 * Pages are numbered by 4 KiB. Level 0 is the last: a leaf there maps 1 page, at level 1 512, at level 2 512 * 512. Each step is prepared (tables
 * allocated, conflicts found; may fail, then nothing has changed) and then committed (cannot fail). How many entries of a table are in use stands in
 * bits 61:52 of the entry that leads to it, which no format uses there, so a table that empties is freed at once. TLBs are the caller's business.
 */
#ifndef CORE_MEM_PAGETABLE_H
#define CORE_MEM_PAGETABLE_H

#include "core/mem/frame.h"

enum memory_cache { MEMORY_WRITE_BACK, MEMORY_WRITE_COMBINING, MEMORY_UNCACHED };

#define PAGETABLE_LEVELS 4
#define PAGETABLE_PAGES	 (1ul << (9 * PAGETABLE_LEVELS)) /* that they reach */

/* What differs between the formats. Bits 61:52 and 9 of an entry that leads to a table, and bit 11 of a leaf, must be the software's. */
struct pagetable_format {
	unsigned int max_leaf; /* highest level at which a leaf may stand: 0, 1 or 2, as this processor has it */
	uint64_t address;      /* the address bits of an entry */
	uint64_t present;      /* an entry is there if one of these is set */
	uint64_t large;	       /* a leaf at level 1 and above has this */
	uint64_t write;	       /* the right to write */
	uint64_t table;	       /* all bits but the address of an entry that leads to a table */
	uint64_t ignored;      /* bits that the processor sets by itself (accessed, dirty) */
	uint64_t dirty; /* of these, the one for written, if the processor also lists what it sets it in; else 0 */
	/* Bits of a leaf without its address; rights: GYRE_RIGHT_READ, WRITE, EXEC */
	uint64_t (*leaf)(unsigned int level, unsigned int rights, enum memory_cache cache);
};

/*
 * Bit 11 of a leaf: under the dirty log. It is dirty with the format's dirty bit, clean without. Where the format has none, the right to write is that
 * bit, and a write to a clean page faults.
 */
#define PAGETABLE_LOGGED      0x800ul
/* Bit 9 of an entry that leads to a last-level table: it may hold dirty pages. */
#define PAGETABLE_DIRTY_BELOW 0x200ul

struct pagetable {
	const struct pagetable_format *format;
	struct quota *quota;
	hpa_t root;
	uint64_t tables; /* frames in use, the root among them */
};

/* Processes of x86-64; nested tables in the processor's own format (NPT) are a copy. */
extern struct pagetable_format pagetable_process;

static inline uint64_t pagetable_level_pages(unsigned int level)
{
	return 1ul << (9 * level);
}

int pagetable_init(struct pagetable *table, const struct pagetable_format *format, struct quota *quota);
/* Everything must have been unmapped. */
void pagetable_end(struct pagetable *table);

/*
 * Maps frames in a row, with the largest pages that fit up to max_level, with at most *entries entries, which is counted down. How many pages were done
 * (> 0), or -GYRE_EEXIST: something is mapped at `page`; -GYRE_ENOMEM. `extra` is or-ed into each leaf.
 */
struct pagetable_map {
	uint64_t page, frame, pages;
	unsigned int rights, max_level;
	enum memory_cache cache;
	uint64_t extra;
	unsigned int entries;
};
int64_t pagetable_map(struct pagetable *table, struct pagetable_map *map);

#define PAGETABLE_NO_FRAME UINT64_MAX

struct pagetable_unmap {
	bool only;	/* only leaves of frames in a row: page p's is `frame` + p; leaves of others are left alone */
	bool must;	/* a large page that can't be split for want of a frame goes as a whole; else -GYRE_ENOMEM */
	uint64_t frame; /* may wrap around */
	unsigned int budget; /* entries and steps; counted down */
	/* out */
	bool changed;	/* something was unmapped: flush */
	bool whole;	/* a large page went of which not all was asked for: flush all */
	uint64_t freed; /* tables to give back after the flush */
};
/* How many pages from the first are done (they may have been holes), or -GYRE_ENOMEM when not even one is. */
int64_t pagetable_unmap(struct pagetable *table, uint64_t page, uint64_t pages, struct pagetable_unmap *unmap);
/* After the flush of what was unmapped, with its `freed`. */
void pagetable_free(struct pagetable *table, uint64_t freed);

/* The leaf that maps this page, or 0. *level: its level, or of the empty entry at which the walk ended. */
uint64_t pagetable_walk(const struct pagetable *table, uint64_t page, unsigned int *level);
/* Frame number of this page according to that leaf. */
uint64_t pagetable_frame(const struct pagetable *table, uint64_t leaf, unsigned int level, uint64_t page);

#endif
