/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_task.c: task switches over hostile tables and states.
 *
 * The input begins with the processor's state and what asked for the switch; the rest is changes to tables and two tasks that would work: an address and
 * what is put there. RAM is an exact allocation; a share of the accesses changes a byte first, as another processor would. Checked: nothing is touched
 * outside; before the commit point the processor and the memory stay as they were, but for page-table flags; after it, a processor can be entered with
 * what is left.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c monitor/emu/task.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "monitor/emu/emu.h"

#define RAM_SIZE 0xa000u
#define GDT	 0x1000u
#define LDT	 0x1800u
#define IDT	 0x2000u
#define OLD	 0x2fc0u /* over an edge of pages */
#define NEW	 0x3fa0u
#define TABLES	 0x5000u
#define PAE_TOP	 0x7000u
#define CODE	 0x9000u
#define SEL_OLD	 0x28u
#define SEL_NEW	 0x30u

static uint8_t *ram, *before;
static struct emu emu;
static uint64_t gpr[16], gpr_before[16];
static uint32_t random_state;
static unsigned disturbed; /* another processor has written */

static void check(bool condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context, (void)write;
	check((gpa & 0xfff) == 0, "page: not aligned");
	if (gpa >= RAM_SIZE)
		return NULL;
	random_state = random_state * 1664525u + 1013904223u;
	if (random_state >> 24 == 1) {
		ram[gpa + (random_state >> 8 & 0xfff)] ^= (uint8_t)(1u << (random_state & 7));
		disturbed++;
	}
	return ram + gpa;
}

static enum emu_result mmio_read(void *context, uint64_t gpa, unsigned size, void *data)
{
	(void)context;
	check(size >= 1 && size <= 16 && (gpa & 0xfff) + size <= 0x1000, "mmio_read: size");
	memset(data, 0xff, size);
	return EMU_DONE;
}

static enum emu_result mmio_write(void *context, uint64_t gpa, unsigned size, const void *data)
{
	(void)context, (void)data;
	check(size >= 1 && size <= 16 && (gpa & 0xfff) + size <= 0x1000, "mmio_write: size");
	return EMU_DONE;
}

static const struct emu_ops ops = {.page = page, .mmio_read = mmio_read, .mmio_write = mmio_write};

static void put32(uint32_t at, uint32_t value)
{
	memcpy(ram + at, &value, 4);
}

static void put_descriptor(uint32_t at, uint32_t base, uint32_t limit, uint32_t attributes)
{
	put32(at, (limit & 0xffff) | base << 16);
	put32(at + 4, (base >> 16 & 0xff) | (attributes & 0xff) << 8 | (limit & 0xf0000) | (attributes & 0xf00) << 12);
}

static void put_task(uint32_t at)
{
	put32(at + 0x1c, TABLES);
	put32(at + 0x20, CODE);
	put32(at + 0x38, 0x8800);
	for (unsigned i = 0; i < 6; i++)
		put32(at + 0x48 + 4 * i, i == 1 ? 0x08 : 0x10);
}

/* Tables and tasks with which a switch works. */
static void make(void)
{
	memset(ram, 0, RAM_SIZE);
	put_descriptor(GDT + 0x08, 0, 0xfffff, 0xc9a);
	put_descriptor(GDT + 0x10, 0, 0xfffff, 0xc92);
	put_descriptor(GDT + 0x18, 0, 0xfffff, 0xcfa);
	put_descriptor(GDT + 0x20, 0, 0xfffff, 0xcf2);
	put_descriptor(GDT + SEL_OLD, OLD, 0x67, 0x08b);
	put_descriptor(GDT + SEL_NEW, NEW, 0x67, 0x089);
	put_descriptor(GDT + 0x38, LDT, 0x3f, 0x082);
	put_descriptor(LDT + 8, 0, 0xffff, 0x092);
	put_task(OLD);
	put_task(NEW);
	put32(TABLES, (TABLES + 0x1000) | 7);
	for (uint32_t i = 0; i < RAM_SIZE >> 12; i++)
		put32(TABLES + 0x1000 + 4 * i, i << 12 | 7);
	put32(PAE_TOP, (PAE_TOP + 0x1000) | 1);
	put32(PAE_TOP + 0x1000, 0xe7);
	memcpy(ram + CODE, "\xcd\x42", 2);
	put32(IDT + 0x42 * 8, SEL_NEW << 16);
	put32(IDT + 0x42 * 8 + 4, 0xe500);
}

struct input {
	uint8_t source, flags, vector, length, mode;
	uint8_t cpl, old_type, first;
	uint16_t selector, limit;
	uint32_t rflags, rip, error, seed;
};

static void prepare(const struct input *in, struct emu_task *task)
{
	make();
	emu_init(&emu);
	emu.ops = &ops;
	emu.cpu.gpr = gpr;
	for (unsigned i = 0; i < 16; i++)
		gpr[i] = 0x1234567800ull + i;
	emu.cpu.rip = in->flags & 1 ? CODE : in->rip;
	emu.cpu.rflags = (in->rflags & 0x3d7fd5) | 2;
	emu.cpu.cr0 = 1 | (in->mode & 1 ? 1ull << 31 : 0) | (in->mode & 2 ? 1ull << 16 : 0);
	emu.cpu.cr4 = in->mode & 4 ? 0x20 : 0x10;
	emu.cpu.cr3 = in->mode & 4 ? PAE_TOP : TABLES;
	emu.cpu.cpl = in->cpl & 3;
	for (unsigned i = 0; i < EMU_SEGS; i++)
		emu.cpu.seg[i] = (struct emu_segment){
			i == EMU_CS ? 0x08 : 0x10, i == EMU_CS ? 0xc9b : 0xc93, 0xffffffff, 0};
	emu.cpu.tr = (struct emu_segment){
		SEL_OLD, in->old_type & 8 ? 0x083 : 0x08b, in->flags & 2 ? in->limit : 0x67, OLD};
	emu.cpu.gdtr = (struct emu_table){GDT, in->flags & 4 ? in->limit : 0x47};
	emu.cpu.idtr = (struct emu_table){IDT, 0x7ff};
	emu.cpu.mode = (uint8_t)emu_mode_of(&emu.cpu);
	*task = (struct emu_task){.source = in->source & 3,
		.software = in->flags & 8,
		.external = in->flags & 16,
		.has_error = in->flags & 32,
		.selector = in->flags & 64 ? in->selector : SEL_NEW,
		.vector = in->vector,
		.length = in->length & 15,
		.error = in->error};
}

static void check_entered(void)
{
	const struct emu_cpu *cpu = &emu.cpu;
	const struct emu_segment *cs = &cpu->seg[EMU_CS], *ss = &cpu->seg[EMU_SS];

	check((cpu->tr.attributes & 0x97) == 0x83, "TR is no busy task");
	check(cpu->rflags & 2 && (cpu->rflags & ~0x3f7fd7ull) == 0, "reserved flags");
	check(cpu->cr0 & 8, "CR0.TS");
	if (cpu->rflags & 1u << 17) {
		for (unsigned i = 0; i < EMU_SEGS; i++)
			check(cpu->seg[i].attributes == 0xf3 && cpu->seg[i].limit == 0xffff &&
					cpu->seg[i].base == (uint64_t)cpu->seg[i].selector << 4,
				"segments of virtual-8086 mode");
		check(cpu->cpl == 3, "privilege of virtual-8086 mode");
		return;
	}
	check((cs->attributes & 0x99) == 0x99, "CS is no accessed code that is present");
	check(cs->attributes & 4 ? (cs->attributes >> 5 & 3) <= cpu->cpl : (cs->attributes >> 5 & 3) == cpu->cpl,
		"DPL of CS");
	check((cs->selector & 3) == cpu->cpl, "RPL of CS");
	check((ss->attributes >> 5 & 3) == cpu->cpl, "DPL of SS");
	check(!(ss->attributes & 0x80) || (ss->attributes & 0x1b) == 0x13, "SS is not writable data");
	for (unsigned i = 0; i < EMU_SEGS; i++)
		check(!(cpu->seg[i].attributes & 0x80) || (cpu->seg[i].attributes & 0x11) == 0x11,
			"a segment is not accessed, or a system's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct emu_task task;
	struct emu_cpu cpu;
	enum emu_result result;

	if (size < sizeof(in))
		return 0;
	if (!ram && (!(ram = aligned_alloc(4096, RAM_SIZE)) || !(before = malloc(RAM_SIZE))))
		abort();
	memcpy(&in, data, sizeof(in));
	prepare(&in, &task);
	for (size_t at = sizeof(in); at + 4 <= size; at += 4) {
		uint32_t where = data[at] | data[at + 1] << 8;
		ram[where % RAM_SIZE] = data[at + 2];
		if (data[at + 3] & 1) /* near what is looked at */
			ram[(where & 1 ? NEW : GDT) + (where >> 1) % 0x68] = data[at + 2];
	}
	random_state = in.seed;
	disturbed = 0;
	memcpy(before, ram, RAM_SIZE);
	cpu = emu.cpu;
	memcpy(gpr_before, gpr, sizeof(gpr));
	result = emu_task_switch(&emu, &task);
	check(emu.external == 0, "EXT stays");
	check(result == EMU_DONE || result == EMU_EXCEPTION || result == EMU_RETRY || result == EMU_UNSUPPORTED,
		"result");
	if (emu.events & EMU_EVENT_TASK) {
		check(result != EMU_RETRY, "no way back");
		check_entered();
		return 0;
	}
	check(result != EMU_DONE, "done, and nothing has happened");
	check(memcmp(&cpu, &emu.cpu, sizeof(cpu)) == 0 && memcmp(gpr_before, gpr, sizeof(gpr)) == 0,
		"the processor has changed");
	check(disturbed || in.mode & 1 || memcmp(before, ram, RAM_SIZE) == 0, "the memory has changed");
	return 0;
}
