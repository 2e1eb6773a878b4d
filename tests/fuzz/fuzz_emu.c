/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_emu.c: the emulator over hostile bytes, registers, descriptors and page tables, in all modes.
 *
 * The input is the processor's state, then what guest RAM is filled with (page tables and code included), repeated. RAM is an exact
 * allocation, so that an access outside is found; a share of the reads of a page changes a byte in it first, as another processor
 * would. Checked: nothing is touched outside; device accesses stay in a page; a result that is not "done" leaves the processor as it
 * was; every step ends.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "monitor/emu/emu.h"

#define RAM_SIZE 0x10000u
#define STEPS	 12u

static uint8_t *ram;
static uint32_t random_state;
static struct emu emu;
static uint64_t gpr[16];

static void check(bool condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static uint32_t rnd(void)
{
	random_state = random_state * 1664525u + 1013904223u;
	return random_state >> 8;
}

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context;
	check((gpa & 0xfff) == 0, "page: not aligned");
	if (gpa >= RAM_SIZE)
		return NULL;
	if (gpa == 0xf000 && write) /* ROM */
		return NULL;
	if (rnd() % 32 == 0)
		ram[gpa + (rnd() & 0xfff)] = (uint8_t)rnd();
	return ram + gpa;
}

static enum emu_result answer(void)
{
	switch (rnd() % 16) {
	case 0: return EMU_IO;
	case 1: return EMU_UNSUPPORTED;
	default: return EMU_DONE;
	}
}

static enum emu_result mmio_read(void *context, uint64_t gpa, unsigned size, void *data)
{
	(void)context;
	check(size >= 1 && size <= 64 && (gpa & 0xfff) + size <= 0x1000, "mmio_read: size");
	memset(data, (int)rnd(), size);
	return answer();
}

static enum emu_result mmio_write(void *context, uint64_t gpa, unsigned size, const void *data)
{
	uint8_t copy[64];

	(void)context;
	check(size >= 1 && size <= 64 && (gpa & 0xfff) + size <= 0x1000, "mmio_write: size");
	memcpy(copy, data, size);
	return answer();
}

static enum emu_result port_in(void *context, uint16_t port, unsigned size, uint32_t *value)
{
	(void)context, (void)port;
	check(size == 1 || size == 2 || size == 4, "port_in: size");
	*value = rnd();
	return answer();
}

static enum emu_result port_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
	(void)context, (void)port, (void)value;
	check(size == 1 || size == 2 || size == 4, "port_out: size");
	return answer();
}

static uint8_t xmm[16][16];

static enum emu_result xmm_get(void *context, unsigned index, uint8_t data[16])
{
	(void)context;
	check(index < 16, "xmm_get");
	memcpy(data, xmm[index], 16);
	return EMU_DONE;
}

static enum emu_result xmm_set(void *context, unsigned index, const uint8_t data[16])
{
	(void)context;
	check(index < 16, "xmm_set");
	memcpy(xmm[index], data, 16);
	return EMU_DONE;
}

static bool rdmsr(void *context, uint32_t index, uint64_t *value)
{
	(void)context;
	*value = rnd();
	return index & 1;
}

static bool wrmsr(void *context, uint32_t index, uint64_t value)
{
	(void)context, (void)value;
	return index & 1;
}

static void cpuid(void *context, uint32_t eax, uint32_t ecx, uint32_t out[4])
{
	(void)context;
	for (unsigned i = 0; i < 4; i++)
		out[i] = eax + ecx + i;
}

static uint64_t rdtsc(void *context)
{
	(void)context;
	return 0x123456789abcull;
}

static enum emu_result state(void *context, struct emu *e, unsigned groups)
{
	(void)context;
	check(groups != 0 && (groups & ~e->missing) == 0, "state: groups");
	return EMU_DONE;
}

static const struct emu_ops ops = {.page = page,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.port_in = port_in,
	.port_out = port_out,
	.xmm_get = xmm_get,
	.xmm_set = xmm_set,
	.state = state,
	.rdmsr = rdmsr,
	.wrmsr = wrmsr,
	.cpuid = cpuid,
	.rdtsc = rdtsc};

struct input {
	uint64_t gpr[16];
	uint64_t rip, rflags, cr0, cr3, cr4, efer, fs_base, gs_base;
	uint32_t limits[6], bases[6], seed, config;
	uint16_t attributes[6];
	uint8_t mode, cpl, physical_bits, missing, batch, windows, paging;
};

/* A state that is not absurd: what a processor could never hold is none of the emulator's business. */
static void set_up(const struct input *in)
{
	struct emu_cpu *cpu = &emu.cpu;

	emu_init(&emu);
	emu.ops = &ops;
	emu.config = in->config & 0x7f;
	emu.physical_bits = 32 + in->physical_bits % 21;
	emu.batch = 1 + in->batch % 8;
	emu.missing = in->missing & 7;
	memcpy(gpr, in->gpr, sizeof gpr);
	cpu->gpr = gpr;
	cpu->rip = in->rip;
	cpu->rflags = (in->rflags & 0x257fd5) | 2;
	cpu->cr0 = in->cr0 & 0xe005003f;
	cpu->cr3 = in->cr3;
	cpu->cr4 = in->cr4 & 0x7f3fff;
	cpu->efer = in->efer & 0xd01;
	cpu->cpl = in->cpl & 3;
	for (unsigned i = 0; i < EMU_SEGS; i++)
		cpu->seg[i] = (struct emu_segment){.selector = (uint16_t)in->bases[i],
			.attributes = in->attributes[i] & 0xfff,
			.limit = in->limits[i],
			.base = in->bases[i]};
	cpu->seg[EMU_FS].base = in->fs_base;
	cpu->seg[EMU_GS].base = in->gs_base;
	cpu->tr = (struct emu_segment){.attributes = 0x8b, .limit = in->limits[0], .base = in->bases[1]};
	cpu->ldtr = (struct emu_segment){
		.selector = 8, .attributes = 0x82, .limit = in->limits[2], .base = in->bases[3]};
	cpu->gdtr = (struct emu_table){.base = in->bases[2], .limit = (uint16_t)in->limits[1]};
	cpu->idtr = (struct emu_table){.base = in->bases[4], .limit = (uint16_t)in->limits[3]};
	cpu->mode = in->mode % 5;
	if (cpu->mode == EMU_MODE_REAL) {
		cpu->cr0 &= ~0x80000001ull;
		cpu->cpl = 0;
	} else {
		cpu->cr0 |= 1;
	}
	cpu->rflags &= ~(1ull << 17);
	if (cpu->mode == EMU_MODE_V86) {
		cpu->rflags |= 1ull << 17;
		cpu->cpl = 3;
	}
	cpu->efer &= ~0x400ull;
	if (cpu->mode == EMU_MODE_LONG) {
		cpu->efer |= 0x400;
		cpu->cr4 |= 0x20;
		cpu->cr0 |= 1ull << 31;
	} else if (cpu->mode >= EMU_MODE_PROT16 && in->paging & 1) {
		cpu->cr0 &= ~(1ull << 31); /* so that the code is found in most runs */
	}
	/* Page tables that lead somewhere in half of the runs: one table of each level, entry 0 to the next, the last a map of RAM. */
	if (in->paging & 2) {
		uint64_t value;
		cpu->cr3 = 0x1000;
		cpu->rip &= 0x1ffff;
		for (unsigned i = 0; i < 4; i++) {
			value = (0x2000 + 0x1000ull * i) | 7;
			memcpy(ram + 0x1000 + 0x1000 * i, &value, 8);
		}
		for (unsigned i = 0; i < 24; i++) {
			value = (0x1000ull * i) | (in->limits[5] & 0x66) | 5;
			memcpy(ram + 0x4000 + 8 * i, &value, 8);
		}
	}
	if (in->windows & 1)
		emu.window[0] = (struct emu_window){ram, 0, 0x8000};
	if (in->windows & 2)
		emu.window[1] = (struct emu_window){ram + 0xc000, 0xc000, 0x4000};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	size_t left;

	if (size < sizeof in + 1)
		return 0;
	if (!ram)
		ram = aligned_alloc(4096, RAM_SIZE);
	memcpy(&in, data, sizeof in);
	data += sizeof in;
	left = size - sizeof in;
	for (size_t i = 0; i < RAM_SIZE; i += left)
		memcpy(ram + i, data, left < RAM_SIZE - i ? left : RAM_SIZE - i);
	random_state = in.seed;
	set_up(&in);
	for (unsigned i = 0; i < STEPS; i++) {
		struct emu_cpu before = emu.cpu;
		uint64_t registers[16];
		uint8_t vectors[16][16];
		enum emu_result result;

		memcpy(registers, gpr, sizeof gpr);
		memcpy(vectors, xmm, sizeof xmm);
		if (in.windows & 4)
			result = emu_step_bytes(&emu, data, (unsigned)(left < 20 ? left : 20));
		else
			result = emu_step(&emu);
		if (result == EMU_DONE || result == EMU_HALT)
			continue;
		check(memcmp(&before, &emu.cpu, sizeof before) == 0, "the processor's state changed");
		check(memcmp(registers, gpr, sizeof gpr) == 0, "registers changed");
		check(memcmp(vectors, xmm, sizeof xmm) == 0, "vector registers changed");
		if (result == EMU_EXCEPTION)
			check(emu.exception.vector < 32, "an exception that is none");
		check(result == EMU_EXCEPTION || result == EMU_INTERRUPT || result == EMU_RETRY ||
				result == EMU_UNSUPPORTED || result == EMU_IO || result == EMU_SHUTDOWN,
			"a result that is none");
		emu.cpu.rip++;
		if (emu.cpu.mode != EMU_MODE_LONG)
			emu.cpu.rip = (uint32_t)emu.cpu.rip;
	}
	return 0;
}
