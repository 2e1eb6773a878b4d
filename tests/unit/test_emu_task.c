/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_emu_task.c: task switches against a model of memory: what is saved and loaded, each check violated once, in the old task or the new one,
 * and that nothing has changed where the old task's switch failed.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c monitor/emu/task.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/emu/exec.h"

#define GDT	 0x1000u
#define LDT	 0x2000u
#define IDT	 0x3000u
#define OLD	 0x4000u
#define NEW	 0x5000u
#define STACK	 0x8000u /* the new task's, downwards */
#define CODE	 0x9000u
#define TABLES	 0x10000u /* of 32-bit entries */
#define PAE_TOP	 0x12000u
#define RAM_SIZE 0x20000u

#define SEL_CODE  0x08u
#define SEL_DATA  0x10u
#define SEL_UCODE 0x1bu
#define SEL_UDATA 0x23u
#define SEL_OLD	  0x28u
#define SEL_NEW	  0x30u
#define SEL_LDT	  0x38u
#define SEL_ODD	  0x40u
#define GDT_LIMIT 0x47u

#define EFLAGS_OLD 0x10a46u /* RF, IF, OF and DF, ZF, PF */
#define RIP_OLD	   (CODE + 0x10)

static uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
static uint8_t before[RAM_SIZE];
static struct emu emu;
static struct emu_cpu cpu_before;
static uint64_t gpr[16];
static struct emu_task task;
static unsigned disturb; /* so many compare-exchanges fail: the memory changes just before */

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context;
	if (write && disturb && gpa == GDT) {
		disturb--;
		ram[GDT + SEL_NEW + 6] ^= 0x10; /* AVL */
	}
	return gpa < RAM_SIZE ? ram + gpa : NULL;
}

static enum emu_result device(void *context, uint64_t gpa, unsigned size, void *data)
{
	(void)context, (void)gpa;
	memset(data, 0xff, size);
	return EMU_DONE;
}

static const struct emu_ops ops = {.page = page, .mmio_read = device};

static void put16(uint32_t at, uint32_t value)
{
	memcpy(ram + at, &value, 2);
}

static void put32(uint32_t at, uint32_t value)
{
	memcpy(ram + at, &value, 4);
}

static uint32_t get16(uint32_t at)
{
	uint16_t value;
	memcpy(&value, ram + at, 2);
	return value;
}

static uint32_t get32(uint32_t at)
{
	uint32_t value;
	memcpy(&value, ram + at, 4);
	return value;
}

static void put_descriptor(uint32_t at, uint32_t base, uint32_t limit, uint32_t attributes)
{
	uint64_t d = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
		     (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attributes >> 8 & 15) << 52 |
		     (uint64_t)(base >> 24) << 56;
	memcpy(ram + at, &d, 8);
}

static void put_gate(unsigned vector, unsigned selector, unsigned dpl)
{
	uint64_t gate = (uint64_t)selector << 16 | (uint64_t)(0x85 | dpl << 5) << 40;
	memcpy(ram + IDT + 8 * vector, &gate, 8);
}

static bool busy(unsigned selector)
{
	return ram[GDT + selector + 5] & 2;
}

static void put_new(uint32_t at)
{
	memset(ram + at, 0, 0x68);
	put32(at + 0x1c, TABLES);
	put32(at + 0x20, CODE + 0x100);
	put32(at + 0x24, 0x3200); /* IOPL 3, IF; bit 1 is always set */
	for (unsigned i = 0; i < 8; i++)
		put32(at + 0x28 + 4 * i, 0xa0000000 + i);
	put32(at + 0x38, STACK);
	for (unsigned i = 0; i < 6; i++)
		put16(at + 0x48 + 4 * i, i == 1 ? SEL_CODE : SEL_DATA);
}

static void put_new_16(void)
{
	memset(ram + NEW, 0, 0x68);
	put16(NEW + 0x0e, 0x9100);
	put16(NEW + 0x10, 0x0202);
	for (unsigned i = 0; i < 8; i++)
		put16(NEW + 0x12 + 2 * i, 0x1110 + i);
	put16(NEW + 0x1a, STACK - 2);
	for (unsigned i = 0; i < 4; i++)
		put16(NEW + 0x22 + 2 * i, i == 1 ? SEL_CODE : SEL_DATA);
	put_descriptor(GDT + SEL_NEW, NEW, 0x2b, 0x081);
}

static struct emu_segment flat(unsigned selector, unsigned attributes)
{
	return (struct emu_segment){(uint16_t)selector, (uint16_t)attributes, 0xffffffff, 0};
}

static int setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	put_descriptor(GDT + SEL_CODE, 0, 0xfffff, 0xc9a);
	put_descriptor(GDT + SEL_DATA, 0, 0xfffff, 0xc92);
	put_descriptor(GDT + (SEL_UCODE & ~3u), 0, 0xfffff, 0xcfa);
	put_descriptor(GDT + (SEL_UDATA & ~3u), 0, 0xfffff, 0xcf2);
	put_descriptor(GDT + SEL_OLD, OLD, 0x67, 0x08b);
	put_descriptor(GDT + SEL_NEW, NEW, 0x67, 0x089);
	put_descriptor(GDT + SEL_LDT, LDT, 0xf, 0x082);
	put_descriptor(LDT + 8, 0x1000, 0xffff, 0x092);
	put_new(NEW);
	memset(ram + OLD, 0xee, 0x68);
	for (unsigned i = 0; i < 16; i++) /* 64 KiB as they are, writable */
		put32(TABLES + 0x1000 + 4 * i, i << 12 | 3);
	put32(TABLES, (TABLES + 0x1000) | 3);
	memcpy(ram + RIP_OLD, "\x9a\0\0\0\0\x30\0", 7); /* call 0x30:0 */
	emu_init(&emu);
	emu.ops = &ops;
	emu.cpu = (struct emu_cpu){.gpr = gpr,
		.rip = RIP_OLD,
		.rflags = EFLAGS_OLD,
		.mode = EMU_MODE_PROT32,
		.cr0 = CR0_PE,
		.tr = {SEL_OLD, 0x08b, 0x67, OLD},
		.gdtr = {GDT, GDT_LIMIT},
		.idtr = {IDT, 0x7ff}};
	for (unsigned i = 0; i < EMU_SEGS; i++)
		emu.cpu.seg[i] = flat(i == EMU_CS ? SEL_CODE : SEL_DATA, i == EMU_CS ? 0xc9b : 0xc93);
	for (unsigned i = 0; i < 16; i++)
		gpr[i] = 0x1000000000ull + i;
	task = (struct emu_task){.source = EMU_TASK_CALL, .selector = SEL_NEW, .length = 7};
	disturb = 0;
	return 0;
}

static void page_on(void)
{
	emu.cpu.cr0 |= CR0_PG | CR0_WP;
	emu.cpu.cr3 = TABLES;
}

static enum emu_result go(void)
{
	memcpy(before, ram, sizeof(ram));
	cpu_before = emu.cpu;
	return emu_task_switch(&emu, &task);
}

static void check_exception(unsigned vector, unsigned error)
{
	assert_int_equal(emu.exception.vector, vector);
	assert_true(emu.exception.has_error);
	assert_int_equal(emu.exception.error, error);
}

/* The old task's fault: the state and the memory are as they were. */
static void fails_in_old(unsigned vector, unsigned error)
{
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(vector, error);
	assert_int_equal(emu.events & EMU_EVENT_TASK, 0);
	assert_memory_equal(ram, before, sizeof(ram));
	assert_memory_equal(&emu.cpu, &cpu_before, sizeof(cpu_before));
	assert_int_equal(gpr[1], 0x1000000001);
	setup(NULL);
}

static void fails_in_new(unsigned vector, unsigned error)
{
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(vector, error);
	assert_true(emu.events & EMU_EVENT_TASK);
	assert_int_equal(emu.cpu.tr.selector, SEL_NEW);
	assert_int_equal(emu.cpu.rip, CODE + 0x100);
	assert_int_equal(get32(OLD + 0x20), RIP_OLD + 7);
	/* A processor can be entered with it. */
	assert_int_equal(emu.cpu.seg[EMU_CS].attributes & 0x98, 0x98);
	assert_int_equal(emu.cpu.seg[EMU_CS].attributes >> 5 & 3, emu.cpu.cpl);
	assert_int_equal(emu.cpu.seg[EMU_SS].attributes >> 5 & 3, emu.cpu.cpl);
	assert_int_equal(emu.cpu.seg[EMU_SS].selector & 3, emu.cpu.cpl);
	setup(NULL);
}

static void check_saved(uint32_t eip, uint32_t eflags)
{
	assert_int_equal(get32(OLD + 0x20), eip);
	assert_int_equal(get32(OLD + 0x24), eflags);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(get32(OLD + 0x28 + 4 * i), i);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(get16(OLD + 0x48 + 4 * i), i == 1 ? SEL_CODE : SEL_DATA);
		assert_int_equal(get16(OLD + 0x4a + 4 * i), 0xeeee); /* not a processor's to write */
	}
	assert_int_equal(get32(OLD + 0x1c), 0xeeeeeeee);
	assert_int_equal(get16(OLD), 0xeeee);
	assert_int_equal(get32(OLD + 0x60), 0xeeeeeeee);
}

static void check_entered(uint32_t eflags)
{
	assert_int_equal(emu.cpu.rip, CODE + 0x100);
	assert_int_equal(emu.cpu.rflags, eflags);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(gpr[i], i == 4 ? STACK : 0xa0000000 + i);
	for (unsigned i = 0; i < EMU_SEGS; i++) {
		assert_int_equal(emu.cpu.seg[i].selector, i == EMU_CS ? SEL_CODE : SEL_DATA);
		assert_int_equal(emu.cpu.seg[i].attributes, i == EMU_CS ? 0xc9b : 0xc93);
	}
	assert_int_equal(ram[GDT + SEL_CODE + 5] & 1, 1); /* accessed */
	assert_int_equal(ram[GDT + SEL_DATA + 5] & 1, 1);
	assert_int_equal(emu.cpu.tr.selector, SEL_NEW);
	assert_int_equal(emu.cpu.tr.attributes, 0x08b);
	assert_int_equal(emu.cpu.tr.base, NEW);
	assert_int_equal(emu.cpu.ldtr.attributes & EMU_SEG_P, 0);
	assert_true(emu.cpu.cr0 & CR0_TS);
	assert_int_equal(emu.cpu.cpl, 0);
	assert_int_equal(emu.cpu.mode, EMU_MODE_PROT32);
	assert_int_equal(emu.changed, EMU_STATE_CONTROL | EMU_STATE_SEGMENTS | EMU_STATE_TABLES);
	assert_true(busy(SEL_NEW));
}

static void call_nests(void **state)
{
	(void)state;
	assert_int_equal(go(), EMU_DONE);
	check_saved(RIP_OLD + 7, EFLAGS_OLD & ~FLAG_RF);
	check_entered(0x3202 | FLAG_NT);
	assert_int_equal(get16(NEW), SEL_OLD);
	assert_true(busy(SEL_OLD));
	assert_int_equal(emu.cpu.cr3, 0); /* without paging it is not loaded */
}

static void jump_leaves(void **state)
{
	(void)state;
	task.source = EMU_TASK_JUMP;
	put16(NEW, 0x5555);
	assert_int_equal(go(), EMU_DONE);
	check_saved(RIP_OLD + 7, EFLAGS_OLD & ~FLAG_RF);
	check_entered(0x3202);
	assert_int_equal(get16(NEW), 0x5555);
	assert_false(busy(SEL_OLD));
}

static void iret_goes_back(void **state)
{
	(void)state;
	task = (struct emu_task){.source = EMU_TASK_IRET, .selector = SEL_NEW, .length = 1};
	ram[GDT + SEL_NEW + 5] |= 2;
	emu.cpu.rflags |= FLAG_NT;
	put32(NEW + 0x24, 0x3200 | FLAG_NT); /* nested itself */
	assert_int_equal(go(), EMU_DONE);
	check_saved(RIP_OLD + 1, EFLAGS_OLD & ~FLAG_RF); /* without NT */
	check_entered(0x3202 | FLAG_NT);
	assert_false(busy(SEL_OLD));
}

static void a_task_can_return_to_itself(void **state)
{
	(void)state;
	task = (struct emu_task){.source = EMU_TASK_IRET, .selector = SEL_OLD, .length = 1};
	put_new(OLD);
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.rip, RIP_OLD + 1);
	assert_int_equal(gpr[3], 3);
}

static void an_event_leaves_the_instruction_where_it_is(void **state)
{
	(void)state;
	task = (struct emu_task){.source = EMU_TASK_GATE,
		.selector = SEL_NEW,
		.external = true,
		.vector = 14,
		.has_error = true,
		.error = 0x7};
	put_gate(14, SEL_NEW, 0);
	assert_int_equal(go(), EMU_DONE);
	check_saved(RIP_OLD, EFLAGS_OLD);
	assert_int_equal(gpr[4], STACK - 4);
	assert_int_equal(get32(STACK - 4), 7);
	assert_true(emu.cpu.rflags & FLAG_NT);
	assert_true(busy(SEL_OLD));
	assert_int_equal(get16(NEW), SEL_OLD);
}

static void an_error_code_has_the_new_tasks_width(void **state)
{
	(void)state;
	task = (struct emu_task){.source = EMU_TASK_GATE,
		.selector = SEL_NEW,
		.external = true,
		.vector = 13,
		.has_error = true,
		.error = 0x1234};
	put_gate(13, SEL_NEW, 0);
	put_new_16();
	put_descriptor(GDT + SEL_ODD, 0, 0xffff, 0x092);
	put16(NEW + 0x26, SEL_ODD);
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(gpr[4] & 0xffff, STACK - 4);
	assert_int_equal(get16(STACK - 4), 0x1234);
	assert_int_equal(get16(STACK - 6), 0);
}

static void lengths_are_decoded_where_they_are_not_known(void **state)
{
	static const struct {
		uint8_t source, software, length;
		char bytes[8];
	} cases[] = {{EMU_TASK_CALL, 0, 7, "\x9a\0\0\0\0\x30\0"}, {EMU_TASK_CALL, 0, 3, "\x2e\xff\x18"},
		{EMU_TASK_JUMP, 0, 7, "\xea\0\0\0\0\x30\0"}, {EMU_TASK_JUMP, 0, 2, "\xff\x28"},
		{EMU_TASK_IRET, 0, 2, "\x66\xcf"}, {EMU_TASK_GATE, 1, 2, "\xcd\x42"}, {EMU_TASK_GATE, 1, 1, "\xcc"},
		{EMU_TASK_GATE, 1, 1, "\xf1"}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(NULL);
		memcpy(ram + RIP_OLD, cases[i].bytes, 8);
		task = (struct emu_task){.source = cases[i].source, .selector = SEL_NEW, .software = cases[i].software};
		if (task.source == EMU_TASK_IRET)
			ram[GDT + SEL_NEW + 5] |= 2;
		assert_int_equal(go(), EMU_DONE);
		assert_int_equal(get32(OLD + 0x20), RIP_OLD + cases[i].length);
		/* Another instruction stands there by now: the guest begins again. */
		setup(NULL);
		memcpy(ram + RIP_OLD, "\x90\x90\x90", 3);
		task = (struct emu_task){.source = cases[i].source, .selector = SEL_NEW, .software = cases[i].software};
		assert_int_equal(go(), EMU_RETRY);
		assert_memory_equal(ram, before, sizeof(ram));
	}
}

static void a_gate_keeps_programs_out(void **state)
{
	(void)state;
	memcpy(ram + RIP_OLD, "\xcd\x42", 2);
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .software = true};
	emu.cpu.cpl = 3;
	put_gate(0x42, SEL_NEW, 2);
	fails_in_old(VECTOR_GP, 0x42 * 8 + 2);
	memcpy(ram + RIP_OLD, "\xcd\x42", 2);
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .software = true};
	emu.cpu.cpl = 3;
	put_gate(0x42, SEL_NEW, 3);
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.cpl, 0);
}

/* Bochs names the event before it. */
static void an_event_whose_gate_leads_elsewhere_was_an_instruction(void **state)
{
	(void)state;
	memcpy(ram + RIP_OLD, "\xcd\x42", 2);
	put_gate(0x42, SEL_NEW, 3);
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .external = true, .vector = 1};
	assert_int_equal(go(), EMU_DONE);
	assert_true(task.software);
	assert_int_equal(get32(OLD + 0x20), RIP_OLD + 2);
	/* Without such an instruction it is what it says. */
	setup(NULL);
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .external = true, .vector = 1};
	assert_int_equal(go(), EMU_DONE);
	assert_false(task.software);
	assert_int_equal(get32(OLD + 0x20), RIP_OLD);
}

static void the_small_form(void **state)
{
	(void)state;
	put_new_16();
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.rip, 0x9100);
	assert_int_equal(emu.cpu.rflags, 0x202 | FLAG_NT);
	assert_int_equal(gpr[0], 0xffff1110);
	assert_int_equal(gpr[7], 0xffff1117);
	assert_int_equal(emu.cpu.seg[EMU_FS].attributes & EMU_SEG_P, 0);
	assert_int_equal(emu.cpu.seg[EMU_DS].selector, SEL_DATA);
	assert_int_equal(emu.cpu.tr.attributes, 0x083);
	/* And back: it is saved in its own form. */
	gpr[0] = 0xabcd;
	task = (struct emu_task){.source = EMU_TASK_IRET, .selector = SEL_OLD, .length = 1};
	put32(OLD + 0x60, 0);
	ram[OLD + 0x64] = 0;
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(get16(NEW + 0x0e), 0x9101);
	assert_int_equal(get16(NEW + 0x12), 0xabcd);
	assert_int_equal(get16(NEW + 0x24), SEL_CODE);
	assert_int_equal(get16(NEW), SEL_OLD);
	assert_false(busy(SEL_NEW));
	assert_int_equal(emu.cpu.rip, RIP_OLD + 7);
}

static void its_own_ldt_and_tables(void **state)
{
	(void)state;
	page_on();
	memcpy(ram + 0x14000, ram + TABLES, 0x1000);
	put32(NEW + 0x1c, 0x14000);
	put16(NEW + 0x60, SEL_LDT);
	put16(NEW + 0x58, 0x0c); /* FS */
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.cr3, 0x14000);
	assert_int_equal(emu.cpu.ldtr.selector, SEL_LDT);
	assert_int_equal(emu.cpu.ldtr.base, LDT);
	assert_int_equal(emu.cpu.seg[EMU_FS].base, 0x1000);
	assert_int_equal(ram[LDT + 8 + 5], 0x93);
}

static void less_privilege(void **state)
{
	(void)state;
	put16(NEW + 0x4c, SEL_UCODE);
	put16(NEW + 0x50, SEL_UDATA);
	for (unsigned at = 0x48; at <= 0x5c; at += 4)
		if (at != 0x4c && at != 0x50)
			put16(NEW + at, SEL_UDATA);
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.cpl, 3);
	assert_int_equal(emu.cpu.seg[EMU_SS].attributes >> 5 & 3, 3);
}

static void virtual_8086_tasks(void **state)
{
	(void)state;
	put32(NEW + 0x24, FLAG_VM | 0x3202);
	put32(NEW + 0x20, 0x100);
	for (unsigned i = 0; i < 6; i++)
		put16(NEW + 0x48 + 4 * i, 0x900 + i);
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.mode, EMU_MODE_V86);
	assert_int_equal(emu.cpu.cpl, 3);
	assert_int_equal(emu.cpu.rip, 0x100);
	for (unsigned i = 0; i < EMU_SEGS; i++) {
		assert_int_equal(emu.cpu.seg[i].selector, 0x900 + i);
		assert_int_equal(emu.cpu.seg[i].base, (0x900 + i) << 4);
		assert_int_equal(emu.cpu.seg[i].limit, 0xffff);
		assert_int_equal(emu.cpu.seg[i].attributes, 0xf3);
	}
	/* An interrupt takes it back to a task in protected mode. */
	memcpy(ram + 0x9010 + 0x100, "\xcd\x40", 2);
	put_descriptor(GDT + SEL_OLD, OLD, 0x67, 0x089);
	put_new(OLD);
	put_gate(0x40, SEL_OLD, 3);
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_OLD, .software = true};
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.mode, EMU_MODE_PROT32);
	assert_int_equal(get32(NEW + 0x20), 0x102);
	assert_int_equal(get32(NEW + 0x24), FLAG_VM | FLAG_NT | 0x3202);
	assert_int_equal(get16(NEW + 0x4c), 0x901);
}

static void trap_flag(void **state)
{
	(void)state;
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.events & EMU_EVENT_TASK_TRAP, 0);
	setup(NULL);
	ram[NEW + 0x64] = 1;
	assert_int_equal(go(), EMU_DONE);
	assert_true(emu.events & EMU_EVENT_TASK_TRAP);
}

static void what_is_wrong_with_the_state_segment(void **state)
{
	(void)state;
	task.selector = 0;
	fails_in_old(VECTOR_GP, 0);
	task.selector = SEL_NEW | 4;
	fails_in_old(VECTOR_GP, SEL_NEW | 4);
	task.selector = GDT_LIMIT + 1;
	fails_in_old(VECTOR_GP, GDT_LIMIT + 1);
	ram[GDT + SEL_NEW + 5] |= 2;
	fails_in_old(VECTOR_GP, SEL_NEW);
	task.selector = SEL_DATA;
	fails_in_old(VECTOR_GP, SEL_DATA);
	ram[GDT + SEL_NEW + 5] &= 0x7f;
	fails_in_old(VECTOR_NP, SEL_NEW);
	ram[GDT + SEL_NEW] = 0x66;
	fails_in_old(VECTOR_TS, SEL_NEW);
	put_new_16();
	ram[GDT + SEL_NEW] = 0x2a;
	fails_in_old(VECTOR_TS, SEL_NEW);
	emu.cpu.tr.limit = 0x5e;
	fails_in_old(VECTOR_TS, SEL_NEW);
	emu.cpu.tr.attributes = 0x083;
	emu.cpu.tr.limit = 0x28;
	fails_in_old(VECTOR_TS, SEL_NEW);
	/* Back: #TS. */
	task.source = EMU_TASK_IRET;
	fails_in_old(VECTOR_TS, SEL_NEW); /* idle */
	task.source = EMU_TASK_IRET;
	task.selector = 0;
	fails_in_old(VECTOR_TS, 0);
	task.source = EMU_TASK_IRET;
	task.selector = SEL_NEW | 4;
	fails_in_old(VECTOR_TS, SEL_NEW | 4);
	task.source = EMU_TASK_IRET;
	task.selector = GDT_LIMIT + 1;
	fails_in_old(VECTOR_TS, GDT_LIMIT + 1);
	task.source = EMU_TASK_IRET;
	task.selector = SEL_LDT;
	fails_in_old(VECTOR_TS, SEL_LDT);
	/* What is not the program's own says so. */
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .external = true, .vector = 6};
	put_gate(6, SEL_NEW, 0);
	ram[GDT + SEL_NEW + 5] &= 0x7f;
	fails_in_old(VECTOR_NP, SEL_NEW | 1);
	assert_int_equal(emu.external, 0);
}

static void page_faults(uint32_t at, uint32_t entry, unsigned error, uint32_t address)
{
	page_on();
	put32(TABLES + 0x1000 + (at >> 10), entry);
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(VECTOR_PF, error);
	assert_int_equal(emu.exception.address, address);
	assert_int_equal(emu.events & EMU_EVENT_TASK, 0);
	assert_int_equal(get32(OLD + 0x20), 0xeeeeeeee);
	assert_false(busy(SEL_NEW));
	assert_true(busy(SEL_OLD));
	setup(NULL);
}

static void pages_that_are_missing(void **state)
{
	(void)state;
	page_faults(NEW, 0, 0, NEW);
	page_faults(OLD, 0, 2, OLD + 0x20);
	page_faults(OLD, OLD | 1, 3, OLD + 0x20);
	page_faults(NEW, NEW | 1, 3, NEW); /* the link */
	page_faults(GDT, GDT | 1, 3, GDT + SEL_NEW);
	task.source = EMU_TASK_JUMP;
	page_faults(GDT, GDT | 1, 3, GDT + SEL_OLD + 5);
	put_descriptor(GDT + SEL_NEW, NEW + 0xff0, 0x67, 0x089);
	page_faults(NEW + 0x1000, 0, 0, NEW + 0x1000);
	/* A jump does not write to the new state. */
	task.source = EMU_TASK_JUMP;
	page_on();
	put32(TABLES + 0x1000 + (NEW >> 10), NEW | 1);
	assert_int_equal(go(), EMU_DONE);
	/* A page that only the new task's tables lack is the new task's affair. */
	setup(NULL);
	page_on();
	memcpy(ram + 0x14000, ram + TABLES, 0x2000);
	put32(0x14000, 0x15000 | 3);
	put32(0x15000 + (GDT >> 10), 0);
	put32(NEW + 0x1c, 0x14000);
	assert_int_equal(go(), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, VECTOR_PF);
	assert_true(emu.events & EMU_EVENT_TASK);
}

static void on_two_pages(void **state)
{
	(void)state;
	for (unsigned at = NEW + 0xf80; at < NEW + 0x1000; at += 4) {
		setup(NULL);
		put_new(at);
		put_descriptor(GDT + SEL_NEW, at, 0x67, 0x089);
		page_on();
		assert_int_equal(go(), EMU_DONE);
		assert_int_equal(emu.cpu.rip, CODE + 0x100);
		assert_int_equal(get16(at), SEL_OLD);
		assert_int_equal(gpr[7], 0xa0000007);
	}
}

static void a_state_in_a_device(void **state)
{
	(void)state;
	put_descriptor(GDT + SEL_NEW, RAM_SIZE - 0x20, 0x67, 0x089);
	assert_int_equal(go(), EMU_UNSUPPORTED);
	assert_memory_equal(ram, before, sizeof(ram));
	setup(NULL);
	emu.cpu.tr.base = RAM_SIZE;
	assert_int_equal(go(), EMU_UNSUPPORTED);
	assert_memory_equal(ram, before, sizeof(ram));
}

static void bad(unsigned at, unsigned selector, unsigned vector)
{
	put16(NEW + at, selector);
	fails_in_new(vector, selector & 0xfffc);
}

static void bad_odd(unsigned at, unsigned attributes, unsigned vector)
{
	put_descriptor(GDT + SEL_ODD, 0, 0xfffff, attributes);
	bad(at, SEL_ODD, vector);
}

static void what_is_wrong_with_the_new_task(void **state)
{
	(void)state;
	bad(0x60, SEL_LDT | 4, VECTOR_TS);
	bad(0x60, 0x1000, VECTOR_TS);
	bad(0x60, SEL_DATA, VECTOR_TS);
	bad_odd(0x60, 0x002, VECTOR_TS); /* absent */
	bad(0x4c, 0, VECTOR_TS);
	bad(0x4c, 0x1000, VECTOR_TS);
	bad(0x4c, 0x0c, VECTOR_TS); /* there is no LDT */
	bad(0x4c, SEL_DATA, VECTOR_TS);
	bad(0x4c, SEL_UCODE & ~3u, VECTOR_TS);
	bad_odd(0x4c, 0xcfe, VECTOR_TS); /* conforming, of less privilege */
	bad_odd(0x4c, 0xc1a, VECTOR_NP);
	bad(0x50, 0, VECTOR_TS);
	bad(0x50, 0x1000, VECTOR_TS);
	bad(0x50, SEL_CODE, VECTOR_TS);
	bad(0x50, SEL_UDATA, VECTOR_TS);
	bad(0x50, SEL_DATA | 3, VECTOR_TS);
	bad_odd(0x50, 0xc90, VECTOR_TS);
	bad_odd(0x50, 0xc12, VECTOR_SS);
	for (unsigned at = 0x48; at <= 0x5c; at += at == 0x48 ? 12 : 4) { /* ES, DS, FS, GS */
		bad(at, 0x1000, VECTOR_TS);
		bad(at, SEL_LDT, VECTOR_TS);
		bad(at, SEL_DATA | 3, VECTOR_TS);
		bad_odd(at, 0xc98, VECTOR_TS);
		bad_odd(at, 0xc12, VECTOR_NP);
	}
	/* Beyond the limit of its code. */
	put_descriptor(GDT + SEL_ODD, 0, 0x8fff, 0x49a);
	put16(NEW + 0x4c, SEL_ODD);
	fails_in_new(VECTOR_GP, 0);
}

static void faults_of_the_new_task_say_who_was_the_cause(void **state)
{
	(void)state;
	task = (struct emu_task){.source = EMU_TASK_GATE, .selector = SEL_NEW, .external = true, .vector = 0x20};
	put_gate(0x20, SEL_NEW, 0);
	put16(NEW + 0x54, 0x1000);
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(VECTOR_TS, 0x1001);
	/* The stack has no room for the error code. */
	setup(NULL);
	task = (struct emu_task){
		.source = EMU_TASK_GATE, .selector = SEL_NEW, .external = true, .vector = 13, .has_error = true};
	put_gate(13, SEL_NEW, 0);
	put_descriptor(GDT + SEL_ODD, 0, 0xff, 0x492);
	put16(NEW + 0x50, SEL_ODD);
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(VECTOR_SS, 1);
	assert_true(emu.events & EMU_EVENT_TASK);
	assert_int_equal(gpr[4], STACK);
}

static void what_was_not_reached_is_unusable(void **state)
{
	(void)state;
	put16(NEW + 0x4c, SEL_UCODE);
	put16(NEW + 0x50, 0x1001);
	assert_int_equal(go(), EMU_EXCEPTION);
	assert_int_equal(emu.cpu.cpl, 3);
	assert_int_equal(emu.cpu.seg[EMU_SS].selector, 0x1003);
	assert_int_equal(emu.cpu.seg[EMU_SS].attributes, 0x60);
	assert_int_equal(emu.cpu.seg[EMU_DS].selector, SEL_DATA);
	assert_int_equal(emu.cpu.seg[EMU_DS].attributes, 0);
}

static void pae_tables_are_checked(void **state)
{
	(void)state;
	uint64_t top[4] = {0x13001, 0, 0, 0}, large = 0x83;
	memcpy(ram + PAE_TOP, top, sizeof(top));
	memcpy(ram + 0x13000, &large, 8);
	emu.cpu.cr0 |= CR0_PG;
	emu.cpu.cr4 |= CR4_PAE;
	emu.cpu.cr3 = PAE_TOP;
	put32(NEW + 0x1c, PAE_TOP + 0x20);
	memcpy(ram + PAE_TOP + 0x20, top, sizeof(top));
	assert_int_equal(go(), EMU_DONE);
	assert_int_equal(emu.cpu.cr3, PAE_TOP + 0x20);

	setup(NULL);
	memcpy(ram + PAE_TOP, top, sizeof(top));
	memcpy(ram + 0x13000, &large, 8);
	emu.cpu.cr0 |= CR0_PG;
	emu.cpu.cr4 |= CR4_PAE;
	emu.cpu.cr3 = PAE_TOP;
	put32(NEW + 0x1c, PAE_TOP + 0x20);
	memcpy(ram + PAE_TOP + 0x20, top, sizeof(top));
	ram[PAE_TOP + 0x20 + 24] = 3; /* the last one: present, with a reserved bit */
	assert_int_equal(go(), EMU_EXCEPTION);
	check_exception(VECTOR_GP, 0);
	assert_true(emu.events & EMU_EVENT_TASK);
	assert_int_equal(emu.cpu.cr3, PAE_TOP);
}

static void a_descriptor_that_changes_meanwhile(void **state)
{
	(void)state;
	/* Before the commit point: from the beginning, with nothing done. */
	disturb = 1;
	assert_int_equal(go(), EMU_RETRY);
	assert_int_equal(get32(OLD + 0x20), 0xeeeeeeee);
	assert_false(busy(SEL_NEW));
	disturb = 0;
	assert_int_equal(go(), EMU_DONE);
}

static void not_in_long_or_real_mode(void **state)
{
	(void)state;
	emu.cpu.efer = EFER_LMA;
	assert_int_equal(go(), EMU_UNSUPPORTED);
	setup(NULL);
	emu.cpu.cr0 = 0;
	assert_int_equal(go(), EMU_UNSUPPORTED);
	assert_memory_equal(ram, before, sizeof(ram));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(call_nests, setup),
		cmocka_unit_test_setup(jump_leaves, setup),
		cmocka_unit_test_setup(iret_goes_back, setup),
		cmocka_unit_test_setup(a_task_can_return_to_itself, setup),
		cmocka_unit_test_setup(an_event_leaves_the_instruction_where_it_is, setup),
		cmocka_unit_test_setup(an_error_code_has_the_new_tasks_width, setup),
		cmocka_unit_test_setup(lengths_are_decoded_where_they_are_not_known, setup),
		cmocka_unit_test_setup(a_gate_keeps_programs_out, setup),
		cmocka_unit_test_setup(an_event_whose_gate_leads_elsewhere_was_an_instruction, setup),
		cmocka_unit_test_setup(the_small_form, setup),
		cmocka_unit_test_setup(its_own_ldt_and_tables, setup),
		cmocka_unit_test_setup(less_privilege, setup),
		cmocka_unit_test_setup(virtual_8086_tasks, setup),
		cmocka_unit_test_setup(trap_flag, setup),
		cmocka_unit_test_setup(what_is_wrong_with_the_state_segment, setup),
		cmocka_unit_test_setup(pages_that_are_missing, setup),
		cmocka_unit_test_setup(on_two_pages, setup),
		cmocka_unit_test_setup(a_state_in_a_device, setup),
		cmocka_unit_test_setup(what_is_wrong_with_the_new_task, setup),
		cmocka_unit_test_setup(faults_of_the_new_task_say_who_was_the_cause, setup),
		cmocka_unit_test_setup(what_was_not_reached_is_unusable, setup),
		cmocka_unit_test_setup(pae_tables_are_checked, setup),
		cmocka_unit_test_setup(a_descriptor_that_changes_meanwhile, setup),
		cmocka_unit_test_setup(not_in_long_or_real_mode, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
