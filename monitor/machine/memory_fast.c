/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/memory_fast.c: the exit that drivers make again and again: MOV of 32 bits between a register and a device's register, in 64-bit mode.
 *
 * The processor has already translated the operand and checked the access: the exit names its guest-physical address. So the instruction is fetched (by
 * a walk whose entries are read again) and no address is computed. Another processor may have put another instruction there meanwhile: it is taken only
 * if it is an access of the same direction, and then the guest was allowed it at that address. Anything unusual is the emulator's.
 */
#include "monitor/emu/exec.h"
#include "monitor/machine/machine.h"

#define FETCH	  16u
#define LONG_MODE (GYRE_MODE_LMA | GYRE_MODE_CS_L)

struct fast_mov {
	unsigned length, reg;
	int write, immediate;
	uint32_t value;
};

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

int memory_fast(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	struct emu *emu = &machine->emu;
	uint64_t gpa = page->d0, rip = page->rip, at;
	uint32_t mode = page->mode;
	uint8_t code[FETCH];
	struct fast_mov mov;
	if ((mode & LONG_MODE) != LONG_MODE || (rip & 0xfff) > 0x1000 - FETCH || (gpa & 3))
		return 0;
	emu->cpu.cr3 = page->cr3;
	emu->cpu.cr4 = page->cr4;
	emu->cpu.efer = EMULATOR_EFER(mode);
	emu->missing = EMU_STATE_SEGMENTS | EMU_STATE_TABLES;
	if (walk(emu, rip, EMU_ACCESS_FETCH | ((mode >> GYRE_MODE_CPL_SHIFT & 3) == 3 ? EMU_ACCESS_USER : 0), &at) !=
		EMU_DONE)
		return 0;
	/* Code is in the largest range of RAM, or it is unusual. */
	at -= emu->window[0].gpa;
	if (at >= emu->window[0].size)
		return 0;
	__builtin_memcpy(code, emu->window[0].host + at, FETCH);
	__asm__ volatile("" ::: "memory"); /* what was copied is what is looked at */
	if (!decode(code, &mov) || mov.write != (int)(page->d1 & GYRE_ACCESS_WRITE))
		return 0;
	uint32_t value = mov.immediate ? mov.value : (uint32_t)page->gpr[mov.reg];
	if ((gpa & ~0xfffull) == MACHINE_APIC_PAGE) {
		if (gpa & 15)
			return 0;
		page->apic_register = (uint32_t)gpa & 0xff0;
		page->apic_value = value;
		page->apic_gpr = mov.reg;
		page->entry_flags = GYRE_ENTRY_COMPLETED | (mov.write ? GYRE_ENTRY_APIC_WRITE : GYRE_ENTRY_APIC_READ);
	} else {
		if (mov.write)
			device_write(machine, gpa, value);
		else
			page->gpr[mov.reg] = device_read(machine, gpa);
		page->entry_flags |= GYRE_ENTRY_COMPLETED;
	}
	page->rip = rip + mov.length;
	return 1;
}
