/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/aspace.h: an address space that memory objects are mapped into: a process's, or a VM's guest-physical one.
 *
 * A mapping record says "pages of this range may map this object at this offset". It is a superset: single pages may have been unmapped, or other
 * objects mapped over them, so a revocation that walks it clears only entries whose frame is the object's own. So records are few (at most
 * ASPACE_RECORDS, else -GYRE_ENOMEM), and a missing page that is mapped again costs none.
 */
#ifndef CORE_MEM_ASPACE_H
#define CORE_MEM_ASPACE_H

#include "core/mem/pagetable.h"
#include "core/obj/list.h"

#define ASPACE_RECORDS 256

struct memory;
struct memory_locked;
struct aspace;

struct aspace_ops {
	/* No processor may use what a TLB held of this range once it returns. Called under the aspace's lock. */
	void (*flush)(struct aspace *aspace, uint64_t first_page, uint64_t pages);
	bool write_execute;	       /* both rights in one mapping are allowed */
	uint64_t first_page, end_page; /* what may be mapped */
};

enum dirty_state { DIRTY_OFF, DIRTY_STARTING, DIRTY_ON, DIRTY_ENDING };

struct aspace {
	struct spinlock lock; /* docs/locking.md */
	struct pagetable table;
	const struct aspace_ops *ops;
	struct list records; /* the one used last is first */
	unsigned int record_count;
	bool ending; /* being taken apart: nothing is mapped any more */
	enum dirty_state dirty;
	uint64_t cursor; /* page up to which a change of the log, or the end, has come */
};

struct mapping {
	struct list in_aspace, in_memory;
	struct aspace *aspace;
	struct memory *memory;
	uint64_t first_page, pages, offset;
	uint64_t walk;	 /* the last walk over the memory's mappings that saw it, */
	uint64_t cursor; /* and the page up to which it has come */
};

/* Proof that the lock is held; comes from aspace_lock() only. */
struct aspace_locked {
	struct aspace *aspace;
};
static inline struct aspace_locked aspace_lock(struct aspace *aspace)
{
	spin_lock(&aspace->lock);
	return (struct aspace_locked){aspace};
}
static inline void aspace_unlock(struct aspace_locked *locked)
{
	spin_unlock(&locked->aspace->lock);
	locked->aspace = NULL;
}

int aspace_init(struct aspace *aspace, const struct pagetable_format *format, const struct aspace_ops *ops,
	struct quota *quota);
/* Unmaps all, frees records and tables in pieces: true when done. */
bool aspace_end(struct aspace *aspace, unsigned int *budget);

struct map_request {
	struct memory *memory;
	uint64_t offset, page, pages;
	uint64_t rights; /* GYRE_RIGHT_READ, WRITE, EXEC */
};
/* The calls memory_map and vm_map, arguments as the caller gave them. Takes the locks it needs. Pages done, or an error. */
int64_t aspace_map(struct aspace *aspace, const struct map_request *request);
int64_t aspace_unmap(struct aspace *aspace, uint64_t page, uint64_t pages);

/*
 * From an exit: the guest wrote to a page that is mapped without the right. True: the dirty log had taken it away; now the page is writable and dirty:
 * run on. Allocates nothing.
 */
bool aspace_dirty_fault(struct aspace *aspace, uint64_t page);
/*
 * From an exit: the processor's list of what it has written says this page; any number is safe. A take finds it from now on. To be told before the guest
 * is seen as stopped, or a last take misses what it wrote.
 */
void aspace_dirty_logged(struct aspace *aspace, uint64_t page);
int aspace_dirty_log(struct aspace *aspace, bool on); /* 0, -GYRE_EAGAIN, -GYRE_ENOMEM, -GYRE_EBUSY */
int64_t aspace_dirty_take(struct aspace *aspace, uint64_t page, unsigned int pages, uint64_t *bitmap);

/*
 * Clears what pages `page` to `end`, of the record's range, map of its object, from the record's cursor on; a record that is cleared whole is freed.
 * For revocation; the caller holds the forest. 0 or -GYRE_EAGAIN.
 */
#define FRAMES_STEPS 24 /* several looks into a tree */
int mapping_clear(
	struct memory_locked locked, struct mapping *mapping, uint64_t page, uint64_t end, unsigned int *budget);

/* Whether the page is mapped, and where: for checks, and for reading guest instructions. */
bool aspace_lookup(struct aspace *aspace, uint64_t page, uint64_t *frame, bool *writable);

#endif
