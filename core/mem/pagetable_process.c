/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/pagetable_process.c: the format of x86-64's own page tables. APM vol. 2, "Long-Mode Page Translation".
 */
#include "core/mem/pagetable.h"
#include "core/x86/paging.h"
#include "gyre/rights.h"

static uint64_t process_leaf(unsigned int level, unsigned int rights, enum memory_cache cache)
{
	uint64_t bits = PTE_PRESENT | PTE_USER | (level > 0 ? PTE_LARGE : 0);
	if ((rights & GYRE_RIGHT_WRITE) != 0)
		bits |= PTE_WRITE;
	if ((rights & GYRE_RIGHT_EXEC) == 0)
		bits |= PTE_NX;
	/* The entries of CORE_PAT (core/x86/msr.h): 0 WB, 1 WC, 3 UC. The same bits at every level. */
	if (cache == MEMORY_UNCACHED)
		bits |= PTE_PWT | PTE_PCD;
	else if (cache == MEMORY_WRITE_COMBINING)
		bits |= PTE_PWT;
	return bits;
}

SEALED struct pagetable_format pagetable_process = {
	.max_leaf = 1,
	.address = FRAME_BITS,
	.present = PTE_PRESENT,
	.large = PTE_LARGE,
	.write = PTE_WRITE,
	.table = PTE_PRESENT | PTE_WRITE | PTE_USER,
	.ignored = PTE_ACCESSED | PTE_DIRTY,
	.leaf = process_leaf,
};
