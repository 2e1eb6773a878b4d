/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/protection.c: walks the page tables of all processes, the core's half included, as the processor would: no page can be written and
 * executed, the core's is nobody else's, and what is constant or SEALED can't be written. APM vol. 2, "Page-Protection Checks".
 */
#include "tests/core/protection.h"
#include "core/mem/frame.h"
#include "core/obj/process.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "tests/core/check.h"

#define ENTRIES	  512u
#define LEVELS	  4u
#define CORE_HALF (ENTRIES / 2)

/* What all entries on the way to a page allow together. */
struct allowed {
	bool write, user, execute;
};

static struct allowed below(struct allowed above, uint64_t entry)
{
	return (struct allowed){above.write && (entry & PTE_WRITE) != 0, above.user && (entry & PTE_USER) != 0,
		above.execute && (entry & PTE_NX) == 0};
}

static bool leaf_good(uint64_t address, uint64_t bytes, struct allowed allowed)
{
	uint64_t constant = (uint64_t)core_image_start, end = (uint64_t)core_sealed_end;
	const char *what = NULL;
	if (allowed.write && allowed.execute)
		what = "can be written and executed";
	else if (address >= DIRECT_MAP_BASE && allowed.user)
		what = "is the core's, and processes reach it";
	else if (allowed.write && address < end && address + bytes > constant)
		what = "is constant, and can be written";
	else if (allowed.execute && !allowed.user && (address < constant || address >= (uint64_t)core_text_end))
		what = "is no code of the core's, and the core could execute it";
	if (what != NULL)
		log_error("check: the page at %lx %s", (unsigned long)address, what);
	return what == NULL;
}

/* No recursion: the place at each level is in an array. */
static bool tables_good(const uint64_t *root)
{
	const uint64_t *table[LEVELS] = {[LEVELS - 1] = root};
	struct allowed allowed[LEVELS + 1] = {[LEVELS] = {true, true, true}};
	unsigned int at[LEVELS] = {0}, level = LEVELS - 1;
	bool good = true;
	for (;;) {
		if (at[level] == ENTRIES) {
			if (++level == LEVELS)
				return good;
			at[level]++;
			continue;
		}
		uint64_t entry = table[level][at[level]];
		if ((entry & PTE_PRESENT) == 0) {
			at[level]++;
			continue;
		}
		allowed[level] = below(allowed[level + 1], entry);
		if (level > 0 && (entry & PTE_LARGE) == 0) {
			table[level - 1] = frame_virtual(hpa(entry & FRAME_BITS));
			at[--level] = 0;
			continue;
		}
		uint64_t address = 0, bytes = (uint64_t)PAGE_SIZE << (9 * level);
		for (unsigned int i = level; i < LEVELS; i++)
			address |= (uint64_t)at[i] << (PAGE_SHIFT + 9 * i);
		if (at[LEVELS - 1] >= CORE_HALF)
			address |= 0xffff000000000000;
		good &= leaf_good(address, bytes, allowed[level]);
		at[level]++;
	}
}

bool protection_good(void)
{
	bool good = tables_good(core_pml4);
	for (struct process *process = root_process; process != NULL; process = process_next(process))
		if (!process->aspace.ending && process->aspace.table.tables > 0)
			good &= tables_good(frame_virtual(process->aspace.table.root));
	return good;
}
