/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/cpuid_table.h: what CPUID answers, from the table that the monitor set. One frame a vCPU.
 *
 * A leaf is found by an index of the first 32 leaves of each quarter of the number space, else by halving. What depends on the state of the processor
 * (OSXSAVE, OSPKE, the APIC id) is put into the table when it changes, not looked at when it is read.
 */
#ifndef CORE_VIRT_CPUID_TABLE_H
#define CORE_VIRT_CPUID_TABLE_H

#include "gyre/vcpu.h"
#include <stdbool.h>
#include <stdint.h>

#define CPUID_ANY 0xffffffffu /* as a subleaf: the slot serves every ECX */

struct cpuid_slot {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

struct cpuid_table {
	uint8_t index[128];		/* of the first slot of a leaf; 0: there is none */
	uint32_t count;			/* slots from 1 on; slot 0 is the answer to what is not there: zeros */
	uint8_t leaf_1, leaf_7, leaf_d; /* slots whose bits follow control registers, or 0 */
	uint8_t leaf_apic;		/* the slot of leaf 1 that offers a local APIC, or 0 */
	struct cpuid_slot slot[1 + GYRE_CPUID_ENTRIES];
};
_Static_assert(sizeof(struct cpuid_table) <= 4096, "a frame");

/* -GYRE_EINVAL: unsorted, or too many. A leaf 0xd always has subleaves here, so that it is never found the short way (cpuid_leaf_d). */
int cpuid_table_set(
	struct cpuid_table *table, const struct gyre_cpuid_entry *entries, uint32_t count, uint32_t apic_id);
void cpuid_table_cr4(struct cpuid_table *table, uint64_t cr4);
void cpuid_table_apic(
	struct cpuid_table *table, bool enabled); /* by APIC_BASE: SDM vol. 3, "Enabling or Disabling the Local APIC" */
void cpuid_table_xcr0(struct cpuid_table *table, uint32_t bytes); /* what an XSAVE of all that is enabled takes */
const struct cpuid_slot *cpuid_table_search(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf);

/* Where the index has a leaf: its quarter and its number in that, which is below 32 for those that are there. One rotation has both. */
static inline uint32_t cpuid_table_place(uint32_t leaf)
{
	return leaf << 2 | leaf >> 30;
}

/* The short way; NULL: not by it. */
static inline const struct cpuid_slot *cpuid_table_index(const struct cpuid_table *table, uint32_t leaf)
{
	const struct cpuid_slot *slot;
	uint32_t place = cpuid_table_place(leaf);
	if (__builtin_expect(place >= sizeof(table->index), 0))
		return 0;
	slot = &table->slot[table->index[place]];
	return __builtin_expect(slot->subleaf == CPUID_ANY, 1) ? slot : 0;
}

#endif
