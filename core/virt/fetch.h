/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/fetch.h: how long an intercepted instruction is, where the processor does not say so.
 *
 * The core reads the guest's instruction through the monitor's own mapping of guest RAM (struct gyre_vcpu_policy.ram), with faults recovered. Which
 * instruction it is, the processor has said by the exit code; the bytes are compared with that instruction's, prefixes skipped. What can't be read, or
 * is something else by now, has no length here: the monitor's decoder gets it.
 *
 * A cache remembers for a page of the guest's linear space where each page-table entry of its walk and the page itself stand in the monitor's space, and
 * the entries' values. A hit reads all the entries again and compares: same values from CR3 down are the same walk. So it is never stale in another way
 * than the processor's own TLB may be, and needs no invalidation; only what the walk depends on besides (CR3, paging mode, the windows) is part of the
 * key or empties it. That the guest can lie about the length here by changing memory between its exit and this read is harmless: it lies to itself,
 * within one privilege level, since the bytes are reached by its own RIP and nothing of them is executed.
 */
#ifndef CORE_VIRT_FETCH_H
#define CORE_VIRT_FETCH_H

#define FETCH_LEVELS 5 /* of the guest's page tables */
#define FETCH_WAYS   4

/* For fetch_cached.S */
#define FETCH_ENTRY_AT	   0
#define FETCH_ENTRY_VALUE  40
#define FETCH_ENTRY_TARGET 80

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gyre_ram_window;

struct fetch_entry {
	const uint64_t *at
		[FETCH_LEVELS]; /* the page-table entries; those that the mode has not point at a zero of the core's */
	uint64_t value[FETCH_LEVELS];
	const uint8_t *target; /* the page with the instruction */
	uint64_t linear_page;
	uint64_t cr3; /* ~0: nothing here */
};
_Static_assert(offsetof(struct fetch_entry, value) == FETCH_ENTRY_VALUE &&
		       offsetof(struct fetch_entry, target) == FETCH_ENTRY_TARGET,
	"fetch_cached.S");

struct fetch_cache {
	struct fetch_entry entry[FETCH_WAYS];
	uint64_t hits, walks, failures;
};

/* What the guest's processor says. */
struct fetch_where {
	uint64_t rip, cs_base;
	uint64_t cr0, cr3, cr4, efer;
	bool cs_long, cs_default_32;
};

struct fetched {
	uint64_t bytes; /* eight, the first in the lowest byte */
	uint64_t failed;
};

/* An instruction: what its opcode (after all prefixes) is. */
struct fetch_opcode {
	uint32_t bytes, mask;
	uint8_t length;
};
extern const struct fetch_opcode FETCH_CPUID, FETCH_RDMSR, FETCH_WRMSR, FETCH_HLT, FETCH_VMMCALL, FETCH_VMCALL,
	FETCH_PAUSE, FETCH_INVD, FETCH_WBINVD, FETCH_MOV_TO_CR, FETCH_MOV_DR, FETCH_RDPMC, FETCH_XSETBV;

/* With the policy, and when the monitor's mapping may have moved. */
void fetch_forget(struct fetch_cache *cache);

/* The slow way: walks. The length with prefixes; 0: not to be had, or another instruction. *bytes: up to 15 of them, from the first prefix. */
uint32_t fetch_length_slow(struct fetch_cache *cache, const struct gyre_ram_window *windows,
	const struct fetch_where *where, const struct fetch_opcode *opcode, uint8_t bytes[16]);

/* fetch_cached.S: eight bytes at an offset (at most 4088) into the page, if the walk is still the same. */
struct fetched fetch_cached(const struct fetch_entry *entry, uint64_t offset);

/* The fast way, for 64-bit mode and an instruction without prefixes that the cache knows; 0: try the slow way. */
static inline uint32_t fetch_length_fast(
	struct fetch_cache *cache, uint64_t rip, uint64_t cr3, uint32_t bytes, uint32_t mask, uint32_t length)
{
	const struct fetch_entry *entry = &cache->entry[rip >> 12 & (FETCH_WAYS - 1)];
	uint64_t offset = rip & 4095;
	struct fetched fetched;
	if (entry->linear_page != rip >> 12 || entry->cr3 != cr3 || offset > 4088)
		return 0;
	fetched = fetch_cached(entry, offset);
	return fetched.failed == 0 && ((uint32_t)fetched.bytes & mask) == bytes ? length : 0;
}
#endif
#endif
