/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/memory_walk.h: clearing every mapping of some pages of an object, wherever they are seen, in pieces.
 */
#ifndef CORE_MEM_MEMORY_WALK_H
#define CORE_MEM_MEMORY_WALK_H

#include "core/mem/memory.h"

/*
 * Clears all mappings of these pages in the object's own records and in those of all windows below it, and breaks the shares made of them: 0, or
 * -GYRE_EAGAIN: the same again. Until memory_walk_end() nobody maps or derives these pages. A walk over other pages gives up one that was under way.
 */
int memory_walk(struct memory_locked locked, struct memory *base, uint64_t first, uint64_t pages, unsigned int *budget);
void memory_walk_end(struct memory *base);

#endif
