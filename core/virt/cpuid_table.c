/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/cpuid_table.c: making the table of CPUID answers, and finding what its index does not have. */
#include "core/virt/cpuid_table.h"
#include "core/x86/regs.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define CPUID_1_APIC	(1u << 9)
#define CPUID_1_OSXSAVE (1u << 27)
#define CPUID_7_OSPKE	(1u << 4)

static bool comes_after(const struct gyre_cpuid_entry *a, const struct gyre_cpuid_entry *b)
{
	if (a->leaf != b->leaf)
		return a->leaf > b->leaf;
	/* Of a leaf with subleaves all must have the flag, or one of them would never be found. */
	return (a->flags & b->flags & GYRE_CPUID_SUBLEAF) != 0 && a->subleaf > b->subleaf;
}

/* Leaf 1 has it in EBX[31:24], the topology leaves in EDX, AMD's in EAX. */
static void put_apic_id(struct cpuid_slot *slot, uint32_t apic_id)
{
	if (slot->leaf == 1)
		slot->ebx = (slot->ebx & 0x00ffffff) | apic_id << 24;
	else if (slot->leaf == 0x8000001e)
		slot->eax = apic_id;
	else
		slot->edx = apic_id;
}

int cpuid_table_set(struct cpuid_table *table, const struct gyre_cpuid_entry *entries, uint32_t count, uint32_t apic_id)
{
	if (count > GYRE_CPUID_ENTRIES)
		return -GYRE_EINVAL;
	for (uint32_t i = 1; i < count; i++)
		if (!comes_after(&entries[i], &entries[i - 1]))
			return -GYRE_EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if ((entries[i].flags & GYRE_CPUID_SUBLEAF) != 0 && entries[i].subleaf == CPUID_ANY)
			return -GYRE_EINVAL;
	memset(table, 0, sizeof(*table));
	table->count = count;
	table->slot[0].subleaf = CPUID_ANY;
	for (uint32_t i = count; i > 0; i--) {
		const struct gyre_cpuid_entry *entry = &entries[i - 1];
		struct cpuid_slot *slot = &table->slot[i];
		bool subleaves = (entry->flags & GYRE_CPUID_SUBLEAF) != 0 || entry->leaf == 0xd;
		*slot = (struct cpuid_slot){entry->leaf, subleaves ? entry->subleaf : CPUID_ANY, entry->eax, entry->ebx,
			entry->ecx, entry->edx};
		if ((entry->flags & GYRE_CPUID_APIC_ID) != 0)
			put_apic_id(slot, apic_id);
		if (entry->leaf == 1 && (entry->edx & CPUID_1_APIC) != 0)
			table->leaf_apic = (uint8_t)i;
		if ((entry->flags & GYRE_CPUID_OSXSAVE) != 0) {
			if (entry->leaf == 1)
				table->leaf_1 = (uint8_t)i;
			else if (entry->leaf == 7)
				table->leaf_7 = (uint8_t)i;
		}
		if ((entry->flags & GYRE_CPUID_XCR0) != 0 && entry->leaf == 0xd)
			table->leaf_d = (uint8_t)i;
		/* Backwards, so that the first slot of a leaf is what stays. */
		if ((entry->leaf & 0x3fffffe0) == 0)
			table->index[cpuid_table_place(entry->leaf)] = (uint8_t)i;
	}
	return 0;
}

void cpuid_table_cr4(struct cpuid_table *table, uint64_t cr4)
{
	if (table->leaf_1 != 0) {
		uint32_t *ecx = &table->slot[table->leaf_1].ecx;
		*ecx = (cr4 & CR4_OSXSAVE) != 0 ? *ecx | CPUID_1_OSXSAVE : *ecx & ~CPUID_1_OSXSAVE;
	}
	if (table->leaf_7 != 0) {
		uint32_t *ecx = &table->slot[table->leaf_7].ecx;
		*ecx = (cr4 & CR4_PKE) != 0 ? *ecx | CPUID_7_OSPKE : *ecx & ~CPUID_7_OSPKE;
	}
}

void cpuid_table_apic(struct cpuid_table *table, bool enabled)
{
	uint32_t *edx = &table->slot[table->leaf_apic].edx;
	if (table->leaf_apic != 0)
		*edx = enabled ? *edx | CPUID_1_APIC : *edx & ~CPUID_1_APIC;
}

void cpuid_table_xcr0(struct cpuid_table *table, uint32_t bytes)
{
	if (table->leaf_d != 0)
		table->slot[table->leaf_d].ebx = bytes;
}

const struct cpuid_slot *cpuid_table_search(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
	uint32_t low = 1, high = table->count + 1; /* the answer, if there is one, is in [low, high) */
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct cpuid_slot *slot = &table->slot[middle];
		if (slot->leaf == leaf && (slot->subleaf == subleaf || slot->subleaf == CPUID_ANY))
			return slot;
		if (slot->leaf < leaf || (slot->leaf == leaf && slot->subleaf < subleaf))
			low = middle + 1;
		else
			high = middle;
	}
	return &table->slot[0];
}
