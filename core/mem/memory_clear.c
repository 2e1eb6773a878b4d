/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_clear.c: filling pages with zeros, in stretches between which interrupts are let in.
 */
#include "core/mem/memory.h"
#include "core/sched/sched.h"
#include "core/x86/entry.h"
#include "core/x86/paging.h"
#include "gyre/calls.h"

#define STRETCH 8 /* pages: 4,096 stores of a REP STOS */

/* Pages cleared, at most a stretch. */
static int64_t clear_some(struct cpu *cpu, struct memory *memory, uint64_t offset, uint64_t pages)
{
	uint32_t rights = GYRE_RIGHT_WRITE;
	uint64_t frame;
	int64_t result;
	struct memory_locked locked = memory_lock();
	uint64_t run = memory_frames(locked, memory, offset, pages < STRETCH ? pages : STRETCH, &frame, &rights);
	if (!object_alive(&memory->object)) {
		result = -GYRE_EHANDLE;
	} else if (frame == PAGETABLE_NO_FRAME) {
		result = -GYRE_ENOENT;
	} else if (rights == 0) {
		result = -GYRE_EACCES; /* another object's page */
	} else {
		physical_clear(cpu, hpa(frame << PAGE_SHIFT), run << PAGE_SHIFT);
		result = (int64_t)run;
	}
	memory_unlock(&locked);
	return result;
}

int64_t memory_clear(struct cpu *cpu, struct memory *memory, uint64_t offset, uint64_t pages)
{
	if (!range_inside(offset, pages, memory->pages))
		return -GYRE_EINVAL;
	if (pages > GYRE_CLEAR_PAGES)
		pages = GYRE_CLEAR_PAGES;
	uint64_t done = 0;
	do {
		int64_t n = clear_some(cpu, memory, offset + done, pages - done);
		if (n < 0)
			return done > 0 ? (int64_t)done : n;
		done += (uint64_t)n;
		off_end(cpu);
		cpu_interrupt_window();
		off_begin(cpu);
	} while (done < pages && cpu->hazard == 0);
	return (int64_t)done;
}
