/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/memory_fast.c: the exit that drivers make again and again: MOV of 32 bits between a register and a device's register, in 64-bit mode.
 *
 * The processor has already translated the operand and checked the access: the exit names its guest-physical address. So the instruction is fetched and no
 * address is computed. An instruction that was seen before is known again by its address, by the page-table entries that led to it and by its bytes, all of
 * which are read again: what has changed is found, whoever changed it. Another processor may have put another instruction there meanwhile: it is taken only
 * if it is an access of the same direction, and then the guest was allowed it at that address. Anything unusual is the emulator's.
 */
#include "monitor/emu/exec.h"
#include "monitor/machine/machine.h"

#define FETCH	  FAST_BYTES
#define LONG_MODE (GYRE_MODE_LMA | GYRE_MODE_CS_L)

/* MOV r32, m32; MOV m32, r32; MOV m32, imm32, with no prefix but REX without W. */
static inline int decode(const uint8_t code[FETCH], struct fast_mov *mov)
{
	unsigned rex = 0, length = 2;
	if ((*code & 0xf0) == 0x40) {
		rex = *code++;
		length++;
	}
	if (rex & 8)
		return 0;
	uint8_t opcode = code[0], modrm = code[1];
	unsigned mod = modrm >> 6, rm = modrm & 7, reg = modrm >> 3 & 7;
	if (mod == 3)
		return 0;
	unsigned base = rm;
	if (rm == 4) {
		base = code[2] & 7;
		length++;
	}
	if (mod == 1)
		length++;
	else if (mod == 2 || base == 5)
		length += 4;
	mov->reg = reg | (rex & 4) << 1;
	mov->immediate = 0;
	mov->write = 1;
	if (opcode == 0x8b)
		mov->write = 0;
	else if (opcode == 0xc7 && reg == 0) {
		/* At most 12 bytes in all: the immediate lies in what was fetched. */
		__builtin_memcpy(&mov->value, code + length - (rex ? 1 : 0), 4);
		mov->immediate = 1;
		length += 4;
	} else if (opcode != 0x89)
		return 0;
	mov->length = length;
	return 1;
}

static inline uint64_t device_read(struct machine *machine, uint64_t gpa)
{
	struct mmio_region *region = bus_mmio_find(&machine->bus, gpa);
	return region ? (uint32_t)region->read(region->device, gpa - region->base, 4) : 0xffffffffu;
}

static inline void device_write(struct machine *machine, uint64_t gpa, uint32_t value)
{
	struct mmio_region *region = bus_mmio_find(&machine->bus, gpa);
	if (region)
		region->write(region->device, gpa - region->base, 4, value);
}

/* An instruction at rip for the first time, or changed. NULL: not one of ours. */
static __attribute__((noinline)) struct fast_slot *learn(struct machine *machine, struct fast_slot *slot)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	struct emu *emu = &machine->emu;
	uint64_t rip = page->rip, at;
	unsigned access = EMU_ACCESS_FETCH | ((page->mode >> GYRE_MODE_CPL_SHIFT & 3) == 3 ? EMU_ACCESS_USER : 0);
	uint8_t code[FETCH];
	struct fast_mov mov;
	slot->mode = FAST_EMPTY;
	if ((page->mode & LONG_MODE) != LONG_MODE || (rip & 0xfff) > 0x1000 - FETCH)
		return NULL;
	emu->cpu.cr3 = page->cr3;
	emu->cpu.cr4 = page->cr4;
	emu->cpu.efer = EMULATOR_EFER(page->mode);
	emu->missing = EMU_STATE_SEGMENTS | EMU_STATE_TABLES;
	if (emu_walk(emu, rip, access, &at) != EMU_DONE)
		return NULL;
	/* A walk that the emulator could not keep is unusual, and so is code outside the largest range of RAM. */
	const struct emu_walk_slot *walked = walk_slot(emu, rip, access);
	at -= emu->window[0].gpa;
	if (walked->key != WALK_KEY(rip, access) || at >= emu->window[0].size)
		return NULL;
	__builtin_memcpy(code, emu->window[0].host + at, FETCH);
	__asm__ volatile("" ::: "memory"); /* what was copied is what is looked at */
	if (!decode(code, &mov))
		return NULL;
	__builtin_memcpy(slot->bytes, code, FETCH);
	for (unsigned i = 0; i < 4; i++) {
		slot->entry[i] = walked->entry[i];
		slot->value[i] = walked->value[i];
	}
	slot->code = (const uint64_t *)(const void *)(emu->window[0].host + at);
	slot->mov = mov;
	slot->cr3 = page->cr3;
	slot->cr4 = page->cr4;
	slot->mode = page->mode;
	slot->rip = rip;
	return slot;
}

struct word {
	uint64_t value;
} __attribute__((packed, may_alias));

static inline uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* The instruction at RIP, if it is one of ours. */
static inline const struct fast_slot *known(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	struct fast_slot *slot = &machine->fast[(page->rip ^ page->rip >> 4) & (FAST_SLOTS - 1)];
	if (slot->rip != page->rip || slot->cr3 != page->cr3 || slot->mode != page->mode || slot->cr4 != page->cr4)
		return learn(machine, slot);
	const struct word *code = (const void *)slot->code;
	uint64_t differ = (load(slot->entry[0]) ^ slot->value[0]) | (load(slot->entry[1]) ^ slot->value[1]) |
			  (load(slot->entry[2]) ^ slot->value[2]) | (load(slot->entry[3]) ^ slot->value[3]) |
			  (code[0].value ^ slot->bytes[0]) | (code[1].value ^ slot->bytes[1]);
	return differ ? learn(machine, slot) : slot;
}

int memory_fast(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	uint64_t gpa = page->d0;
	const struct fast_slot *slot = known(machine);
	if (!slot || slot->mov.write != (page->d1 & (GYRE_ACCESS_WRITE | GYRE_ACCESS_EXECUTE)) || (gpa & 3) ||
		gpa >= TESTDEV_RAM)
		return 0;
	const struct fast_mov *mov = &slot->mov;
	uint32_t value = mov->immediate ? mov->value : (uint32_t)page->gpr[mov->reg];
	if (gpa - MACHINE_APIC_PAGE < 0x1000) {
		if (gpa & 15)
			return 0;
		page->apic_register = (uint32_t)gpa & 0xff0;
		page->apic_value = value;
		page->apic_gpr = mov->reg;
		page->entry_flags = GYRE_ENTRY_COMPLETED | (mov->write ? GYRE_ENTRY_APIC_WRITE : GYRE_ENTRY_APIC_READ);
	} else {
		if (mov->write)
			device_write(machine, gpa, value);
		else
			page->gpr[mov->reg] = device_read(machine, gpa);
		page->entry_flags |= GYRE_ENTRY_COMPLETED;
	}
	page->rip += mov->length;
	return 1;
}
