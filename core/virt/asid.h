/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/asid.h: address space identifiers of one processor. APM vol. 2, "TLB Control" and "Enabling Nested Paging". Plain code: a test models the TLB.
 *
 * Each guest that runs on a processor gets an ASID of the present generation. When they run out, a new generation begins with a flush of everything, and
 * all guests get new ones as they come. Translations of one guest are dropped by a flush of its ASID where the processor can do that, else by a new ASID.
 *
 * A flush is done by the entry that follows, and there may be none: something else was due, or its VMRUN was refused. What is pending stays in the guest's
 * block; but the flush of everything is owed by whoever is entered first in the new generation, so a guest that leaves the processor hands it on.
 */
#ifndef CORE_VIRT_ASID_H
#define CORE_VIRT_ASID_H

#include <stdbool.h>
#include <stdint.h>

struct asid_pool {
	uint32_t count; /* ASIDs 1 to count - 1 are for guests */
	uint32_t next;
	uint64_t generation; /* from 1 */
	bool flush_by_asid;
	bool flush_always; /* ASIDs can't be trusted */
	bool all_owed;	   /* who left has not flushed everything: the next one is to */
};

struct asid_holder {
	uint32_t asid;
	uint32_t cpu;	     /* index, of which processor */
	uint64_t generation; /* of that processor's pool; 0: never had one */
};

struct asid_choice {
	uint8_t tlb_control;	      /* VMCB_TLB_ */
	bool changed;		      /* the ASID is another one */
	bool new_generation, flushed; /* for counters */
};

static inline void asid_pool_init(struct asid_pool *pool, uint32_t count, bool flush_by_asid, bool flush_always)
{
	*pool = (struct asid_pool){.count = count,
		.next = 1,
		.generation = 1,
		.flush_by_asid = flush_by_asid,
		.flush_always = flush_always};
}

/* A guest comes to the processor, or leaves it, with this in its block. Coming: what is to be in it now. */
static inline uint8_t asid_come(struct asid_pool *pool, uint8_t pending)
{
	bool owed = pool->all_owed;
	pool->all_owed = false;
	return owed ? 1 : pending; /* VMCB_TLB_ALL */
}

static inline void asid_leave(struct asid_pool *pool, uint8_t pending)
{
	if (pending == 1)
		pool->all_owed = true;
}

/* What was chosen, to what is pending from before: never less than that, but for an ASID that is not the guest's any more. */
static inline uint8_t asid_pending(uint8_t pending, struct asid_choice choice)
{
	if (pending == 1 || (choice.tlb_control == 0 && !choice.changed))
		return pending;
	return choice.tlb_control;
}

/* For an entry that comes next, or later. flush: what the TLB has of this guest is void. */
static inline struct asid_choice asid_choose(
	struct asid_pool *pool, struct asid_holder *holder, uint32_t cpu, bool flush)
{
	struct asid_choice choice = {0, false, false, flush};
	bool mine = holder->generation == pool->generation && holder->cpu == cpu;
	if (!mine || (flush && !pool->flush_by_asid)) {
		if (pool->next >= pool->count) {
			pool->generation++;
			pool->next = 1;
			choice.tlb_control = 1; /* VMCB_TLB_ALL */
			choice.new_generation = true;
		}
		holder->asid = pool->next++;
		holder->cpu = cpu;
		holder->generation = pool->generation;
		choice.changed = true;
	} else if (flush) {
		choice.tlb_control = 3; /* VMCB_TLB_THIS */
	}
	if (pool->flush_always)
		choice.tlb_control = 1;
	return choice;
}

#endif
