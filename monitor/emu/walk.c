/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/walk.c: the guest's page tables. SDM vol. 3, chapter "Paging"; APM vol. 2, "Page Translation and Protection".
 *
 * One walk reads each entry once, judges the rights of the whole path, and then sets the accessed flags and the dirty flag by
 * compare-exchange. If an entry has changed meanwhile, the walk is void: EMU_RETRY. Flags are set only when the access is allowed,
 * which is within what the manuals leave open. Page tables in a device or in nothing read as all ones; flags there are not set.
 *
 * Differs from a processor in one way: the four entries of a PAE page-directory-pointer table are read from memory at each walk, as
 * AMD processors do under nested paging, and not kept from the last load of CR3.
 */
#include "monitor/emu/exec.h"

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_U  (1ull << 2)
#define PTE_A  (1ull << 5)
#define PTE_D  (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_NX (1ull << 63)

#define PF_P	 1u
#define PF_W	 2u
#define PF_U	 4u
#define PF_RSVD	 8u
#define PF_FETCH 16u
#define PF_PK	 32u

/* An entry that lacks a flag, remembered until the whole path is known to be good. */
struct pending {
	uint64_t gpa;
	uint64_t old;
	uint64_t set;
};

struct walk {
	struct pending pending[5];
	unsigned pendings;
	uint64_t reserved; /* bits that must be zero in every entry */
	uint64_t allow;	   /* PTE_W and PTE_U if every entry has them */
	uint64_t deny;	   /* PTE_NX if any entry has it */
	uint64_t leaf;
};

static enum emu_result page_fault(struct emu *emu, uint64_t linear, unsigned access, unsigned error)
{
	const struct emu_cpu *cpu = &emu->cpu;

	if (access & EMU_ACCESS_WRITE)
		error |= PF_W;
	if (access & EMU_ACCESS_USER)
		error |= PF_U;
	if (access & EMU_ACCESS_FETCH && (cpu->cr4 & CR4_SMEP || (cpu->cr4 & CR4_PAE && cpu->efer & EFER_NXE)))
		error |= PF_FETCH;
	emu->exception = (struct emu_exception){.vector = 14, .has_error = true, .error = error, .address = linear};
	return EMU_EXCEPTION;
}

static inline uint64_t entry_read(struct emu *emu, uint64_t gpa, unsigned size)
{
	const uint8_t *page = emu_page_read(emu, gpa & ~0xfffull);

	if (!page)
		return size == 8 ? ~0ull : 0xffffffffull;
	page += gpa & 0xfff;
	if (size == 8)
		return __atomic_load_n((const uint64_t *)(const void *)page, __ATOMIC_RELAXED);
	return __atomic_load_n((const uint32_t *)(const void *)page, __ATOMIC_RELAXED);
}

static void remember(struct walk *walk, uint64_t gpa, uint64_t entry, uint64_t set)
{
	if ((entry & set) == set)
		return;
	walk->pending[walk->pendings++] = (struct pending){.gpa = gpa, .old = entry, .set = set};
}

static enum emu_result set_flags(struct emu *emu, struct walk *walk, unsigned size)
{
	for (unsigned i = 0; i < walk->pendings; i++) {
		const struct pending *p = &walk->pending[i];
		uint8_t *page = emu->ops->page(emu->context, p->gpa & ~0xfffull, true);

		if (!page)
			continue;
		page += p->gpa & 0xfff;
		if (!emu_compare_exchange(page, size, p->old, p->old | p->set))
			return EMU_RETRY;
	}
	return EMU_DONE;
}

/* The rights of the whole path, once the leaf is known. Returns PF_P (and PF_PK) for a refusal. */
static unsigned judge(struct emu *emu, const struct walk *walk, unsigned access)
{
	const struct emu_cpu *cpu = &emu->cpu;
	bool user_page = walk->allow & PTE_U;

	if (access & EMU_ACCESS_FETCH) {
		if (walk->deny & PTE_NX && cpu->efer & EFER_NXE)
			return PF_P;
		if (access & EMU_ACCESS_USER)
			return user_page ? 0 : PF_P;
		return user_page && cpu->cr4 & CR4_SMEP ? PF_P : 0;
	}
	if (access & EMU_ACCESS_USER) {
		if (!user_page || (access & EMU_ACCESS_WRITE && !(walk->allow & PTE_W)))
			return PF_P;
	} else {
		if (access & EMU_ACCESS_WRITE && !(walk->allow & PTE_W) && cpu->cr0 & CR0_WP)
			return PF_P;
		if (user_page && cpu->cr4 & CR4_SMAP && (access & EMU_ACCESS_IMPLICIT || !(cpu->rflags & FLAG_AC)))
			return PF_P;
	}
	if (cpu->cr4 & CR4_PKE && user_page && cpu->efer & EFER_LMA) {
		unsigned rights = cpu->pkru >> (walk->leaf >> 59 & 15) * 2 & 3;
		if (rights & 1 ||
			(rights & 2 && access & EMU_ACCESS_WRITE && (access & EMU_ACCESS_USER || cpu->cr0 & CR0_WP)))
			return PF_P | PF_PK;
	}
	return 0;
}

/* 4 KiB and 4 MiB pages in tables of 32-bit entries. */
static enum emu_result walk_32(struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa)
{
	const struct emu_cpu *cpu = &emu->cpu;
	struct walk walk = {.allow = PTE_W | PTE_U};
	uint64_t at = (cpu->cr3 & 0xfffff000u) | (linear >> 20 & 0xffc);
	uint64_t entry = entry_read(emu, at, 4);
	uint64_t dirty = PTE_A | (access & EMU_ACCESS_WRITE ? PTE_D : 0);
	unsigned error;

	if (!(entry & PTE_P))
		return page_fault(emu, linear, access, 0);
	walk.allow &= entry;
	if (entry & PTE_PS && cpu->cr4 & CR4_PSE) {
		/* PSE-36: bits 20:13 are address bits 39:32, those above the physical width and bit 21 reserved. */
		unsigned width = emu->physical_bits < 40 ? emu->physical_bits : 40;
		uint64_t high = entry >> 13 & 0xff;

		if (entry & 1 << 21 || high >> (width - 32))
			return page_fault(emu, linear, access, PF_P | PF_RSVD);
		remember(&walk, at, entry, dirty);
		*gpa = high << 32 | (entry & 0xffc00000u) | (linear & 0x3fffff);
	} else {
		remember(&walk, at, entry, PTE_A);
		at = (entry & 0xfffff000u) | (linear >> 10 & 0xffc);
		entry = entry_read(emu, at, 4);
		if (!(entry & PTE_P))
			return page_fault(emu, linear, access, 0);
		walk.allow &= entry;
		remember(&walk, at, entry, dirty);
		*gpa = (entry & 0xfffff000u) | (linear & 0xfff);
	}
	error = judge(emu, &walk, access);
	if (error)
		return page_fault(emu, linear, access, error);
	return walk.pendings ? set_flags(emu, &walk, 4) : EMU_DONE;
}

/* PAE's top level: four entries without rights or flags, with reserved bits of their own. */
static bool pae_top(struct emu *emu, struct walk *walk, uint64_t linear, uint64_t *table, unsigned *error)
{
	uint64_t entry = entry_read(emu, (emu->cpu.cr3 & 0xffffffe0u) | (linear >> 27 & 0x18), 8);

	*error = entry & PTE_P ? PF_P | PF_RSVD : 0;
	if (!(entry & PTE_P) || entry & (walk->reserved | PTE_NX | 0x1e6))
		return false;
	*table = entry;
	return true;
}

/* Tables of 64-bit entries: PAE, 4 and 5 levels. */
static enum emu_result walk_64(struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa)
{
	const struct emu_cpu *cpu = &emu->cpu;
	bool is_long = cpu->efer & EFER_LMA;
	uint64_t address = ((1ull << emu->physical_bits) - 1) & ~0xfffull;
	uint64_t dirty = PTE_A | (access & EMU_ACCESS_WRITE ? PTE_D : 0);
	uint64_t table = cpu->cr3;
	struct walk walk;
	unsigned shift, error;

	walk.pendings = 0;
	walk.reserved = 0x000ffffffffff000ull & ~address;
	walk.allow = PTE_W | PTE_U;
	walk.deny = 0;
	if (!(cpu->efer & EFER_NXE))
		walk.reserved |= PTE_NX;
	if (!is_long) {
		walk.reserved |= 0x7ff0000000000000ull;
		if (!pae_top(emu, &walk, linear, &table, &error))
			return page_fault(emu, linear, access, error);
		shift = 21;
	} else {
		shift = cpu->cr4 & CR4_LA57 ? 48 : 39;
	}
	for (;; shift -= 9) {
		uint64_t at = (table & address) | (linear >> shift & 0x1ff) << 3;
		uint64_t entry = entry_read(emu, at, 8);
		bool leaf = shift == 12;

		if (!(entry & PTE_P))
			return page_fault(emu, linear, access, 0);
		if (entry & walk.reserved)
			return page_fault(emu, linear, access, PF_P | PF_RSVD);
		if (shift != 12 && entry & PTE_PS) {
			/* A large page: address bits below its size, but PAT (12), are reserved. */
			if (shift > 30 || (shift == 30 && !(is_long && emu->config & EMU_CONFIG_1G)) ||
				entry & ((1ull << shift) - 1) & ~0x1fffull)
				return page_fault(emu, linear, access, PF_P | PF_RSVD);
			leaf = true;
		}
		walk.allow &= entry;
		walk.deny |= entry;
		if (!leaf) {
			if (!(entry & PTE_A))
				remember(&walk, at, entry, PTE_A);
			table = entry;
			continue;
		}
		if ((entry & dirty) != dirty)
			remember(&walk, at, entry, dirty);
		walk.leaf = entry;
		*gpa = (entry & address & ~((1ull << shift) - 1)) | (linear & ((1ull << shift) - 1));
		break;
	}
	error = judge(emu, &walk, access);
	if (error)
		return page_fault(emu, linear, access, error);
	return walk.pendings ? set_flags(emu, &walk, 8) : EMU_DONE;
}

static __attribute__((noinline)) enum emu_result walk_slow(
	struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa)
{
	enum emu_result result = emu_need(emu, EMU_STATE_CONTROL);

	if (result != EMU_DONE)
		return result;
	if (!(emu->cpu.efer & EFER_LMA))
		linear = (uint32_t)linear;
	if (!(emu->cpu.cr0 & CR0_PG)) {
		*gpa = linear;
		return EMU_DONE;
	}
	if (!(emu->cpu.cr4 & CR4_PAE))
		return walk_32(emu, linear, access, gpa);
	return walk_64(emu, linear, access, gpa);
}

/*
 * The usual case, cheaper, and remembered: four levels, page tables in the first window, flags set already, nothing reserved, access
 * allowed. Whatever is not so is left to the full walk, which starts again.
 */
enum emu_result emu_walk(struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa)
{
	const struct emu_cpu *cpu = &emu->cpu;
	const uint8_t *host = emu->window[0].host;
	uint64_t base = emu->window[0].gpa, size = emu->window[0].size;
	uint64_t address = ((1ull << emu->physical_bits) - 1) & ~0xfffull;
	/* What an entry must look like: present and accessed, no reserved address bit, and no execute-disable unless there is such a thing. */
	uint64_t check = (0x000ffffffffff000ull & ~address) | PTE_P | PTE_A | PTE_PS;
	uint64_t table = cpu->cr3, allow = PTE_W | PTE_U, deny = 0, entry, at, offset_mask = 0xfff, need;

	struct emu_walk_slot *slot = walk_slot(emu, linear, access);

	slot->key = 0;
	if (emu->missing & EMU_STATE_CONTROL || !(cpu->efer & EFER_LMA) || cpu->cr4 & (CR4_LA57 | CR4_PKE))
		return walk_slow(emu, linear, access, gpa);
	if (!(cpu->efer & EFER_NXE))
		check |= PTE_NX;
#define LEVEL(shift)                                                                                                   \
	at = ((table & address) | (linear >> (shift)&0x1ff) << 3) - base;                                              \
	if (at >= size)                                                                                                \
		return walk_slow(emu, linear, access, gpa);                                                            \
	slot->entry[(39 - (shift)) / 9] = (const uint64_t *)(const void *)(host + at);                                 \
	entry = __atomic_load_n(slot->entry[(39 - (shift)) / 9], __ATOMIC_RELAXED);                                    \
	slot->value[(39 - (shift)) / 9] = entry;                                                                       \
	allow &= entry;                                                                                                \
	deny |= entry;                                                                                                 \
	table = entry
	LEVEL(39);
	if ((entry & check) != (PTE_P | PTE_A))
		return walk_slow(emu, linear, access, gpa);
	LEVEL(30);
	if ((entry & check) != (PTE_P | PTE_A))
		return walk_slow(emu, linear, access, gpa);
	LEVEL(21);
	if ((entry & (check & ~PTE_PS)) != (PTE_P | PTE_A))
		return walk_slow(emu, linear, access, gpa);
	if (entry & PTE_PS) {
		if (entry & 0x1fe000)
			return walk_slow(emu, linear, access, gpa);
		offset_mask = 0x1fffff;
		slot->entry[3] = slot->entry[2];
		slot->value[3] = entry;
	} else {
		LEVEL(12);
		if ((entry & (check & ~PTE_PS)) != (PTE_P | PTE_A))
			return walk_slow(emu, linear, access, gpa);
	}
#undef LEVEL
	need = (access & EMU_ACCESS_USER ? PTE_U : 0) | (access & EMU_ACCESS_WRITE ? PTE_W | PTE_D : 0);
	if ((((allow & ~PTE_D) | (entry & PTE_D)) & need) != need || (access & EMU_ACCESS_FETCH && deny & PTE_NX) ||
		(!(access & EMU_ACCESS_USER) && allow & PTE_U && cpu->cr4 & (CR4_SMEP | CR4_SMAP)))
		return walk_slow(emu, linear, access, gpa);
	*gpa = (entry & address & ~offset_mask) | (linear & offset_mask);
	slot->cr3 = cpu->cr3;
	slot->cr4 = cpu->cr4;
	slot->efer = cpu->efer;
	slot->gpa = *gpa & ~0xfffull;
	slot->key = WALK_KEY(linear, access);
	return EMU_DONE;
}
