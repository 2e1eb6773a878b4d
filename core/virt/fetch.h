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

#define FETCH_LEVELS 4 /* of the guest's page tables that the cache can remember: five-level guests walk each time */
#define FETCH_WAYS   4

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
	uint64_t cr3;	      /* ~0: nothing here */
	uint64_t reserved[5]; /* the size is a power of two: finding one is a shift */
};
_Static_assert(
	offsetof(struct fetch_entry, value) == 32 && offsetof(struct fetch_entry, target) == 64, "the assembly below");

struct fetch_cache {
	struct fetch_entry entry[FETCH_WAYS];
};

/* What the guest's processor says. */
struct fetch_where {
	uint64_t rip, cs_base;
	uint64_t cr0, cr3, cr4, efer;
	bool cs_long;
};

/* An instruction: what its opcode (after all prefixes) is. */
struct fetch_opcode {
	uint32_t bytes, mask;
	uint8_t length;
};
extern const struct fetch_opcode FETCH_CPUID, FETCH_RDMSR, FETCH_WRMSR, FETCH_HLT, FETCH_VMMCALL, FETCH_VMCALL;

/* With the policy, and when the monitor's mapping may have moved. */
void fetch_forget(struct fetch_cache *cache);

/* The slow way: walks. The length with prefixes; 0: not to be had, or another instruction. */
uint32_t fetch_length_slow(struct fetch_cache *cache, const struct gyre_ram_window *windows,
	const struct fetch_where *where, const struct fetch_opcode *opcode);

/*
 * Eight bytes at an offset (at most 4088) into the page, if the walk is still the same; else 0. Nothing else may be between STAC and CLAC; each access that
 * can fault has its way out.
 */
#ifdef GYRE_UNIT_TEST
static inline uint64_t fetch_cached(const struct fetch_entry *entry, uint64_t offset)
{
	uint64_t bytes;
	for (int level = 0; level < FETCH_LEVELS; level++)
		if (*entry->at[level] != entry->value[level])
			return 0;
	__builtin_memcpy(&bytes, entry->target + offset, sizeof(bytes));
	return bytes;
}
#else
#define FETCH_SITE(last)                                                                                               \
	"771:	.byte 0x0f, 0x1f, " last "\n"                                                                          \
	"	.pushsection .smap_sites, \"a\"\n"                                                                           \
	"	.quad 771b\n"                                                                                                \
	"	.popsection\n"
#define FETCH_FIXUP                                                                                                    \
	"	.pushsection .fixups, \"a\"\n"                                                                               \
	"	.quad 772b, 773f\n"                                                                                          \
	"	.popsection\n"
#define FETCH_CHECK(at, value)                                                                                         \
	"	mov " at "(%1), %0\n"                                                                                  \
	"772:	mov (%0), %0\n"                                                                                          \
	"	cmp %0, " value "(%1)\n"                                                                               \
	"	jne 773f\n" FETCH_FIXUP
static inline __attribute__((always_inline)) uint64_t fetch_cached(const struct fetch_entry *entry, uint64_t offset)
{
	uint64_t bytes;
	__asm__ volatile(FETCH_SITE("0xcb") FETCH_CHECK("0", "32") FETCH_CHECK("8", "40") FETCH_CHECK("16", "48")
				 FETCH_CHECK("24", "56") "	mov 64(%1), %0\n"
							 "772:	mov (%0,%2), %0\n" FETCH_FIXUP FETCH_SITE(
								 "0xca") "774:\n"
									 "	.subsection 1\n"
									 "773:\n" FETCH_SITE("0xca") "	xor %k0, %k0\n"
												     "	jmp 774b\n"
												     "	.previous\n"
			 : "=&r"(bytes)
			 : "r"(entry), "r"(offset)
			 : "cc", "memory");
	return bytes;
}
#endif

/* The fast way, for 64-bit mode and an instruction without prefixes in a page that the cache knows; 0: try the slow way. */
static inline __attribute__((always_inline)) uint32_t fetch_length_fast(
	struct fetch_cache *cache, uint64_t rip, uint64_t cr3, uint32_t bytes, uint32_t mask, uint32_t length)
{
	const struct fetch_entry *entry = &cache->entry[rip >> 12 & (FETCH_WAYS - 1)];
	uint64_t offset = rip & 4095;
	if (entry->linear_page != rip >> 12 || entry->cr3 != cr3 || offset > 4088)
		return 0;
	return ((uint32_t)fetch_cached(entry, offset) & mask) == bytes ? length : 0;
}
#endif
