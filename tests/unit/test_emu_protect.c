/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions about descriptors, LAR, LSL, VERR, VERW, ARPL, LLDT, LTR, and call gates; SDM vol. 2 and APM vol. 3 have the rules. */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/emu/exec.h"

#define CODE 0x10000u
#define GDT  0x6000u
#define DATA 0x7000u

/* Selectors. */
enum {
	CODE_0 = 0x08,
	DATA_0 = 0x10,
	CODE_3 = 0x18,
	DATA_3 = 0x20,
	CONFORMING = 0x28,
	EXECUTE_ONLY = 0x30,
	READ_ONLY = 0x38,
	TSS_16 = 0x40,
	CALL_GATE = 0x48,
	TASK_GATE = 0x50,
	RESERVED = 0x58,
	LDT = 0x60,    /* 16 bytes in long mode */
	TSS_32 = 0x70, /* so, too */
	TSS_BUSY_ = 0x80,
	ABSENT_LDT = 0x90,
	UPPER = 0xa0, /* a TSS whose upper half has a type */
	LAST = 0xb0
};

static const uint64_t gdt[LAST / 8] = {
	[CODE_0 / 8] = 0x00cf9b000000ffff,
	[DATA_0 / 8] = 0x00cf93000000ffff,
	[CODE_3 / 8] = 0x00cffb000000ffff,
	[DATA_3 / 8] = 0x0040f3000000abcd,
	[CONFORMING / 8] = 0x00cf9f000000ffff,
	[EXECUTE_ONLY / 8] = 0x00cff9000000ffff,
	[READ_ONLY / 8] = 0x00cff1000000ffff,
	[TSS_16 / 8] = 0x0000e1000000002b,
	[CALL_GATE / 8] = 0x0000ec0000000000,
	[TASK_GATE / 8] = 0x0000e50000000000,
	[RESERVED / 8] = 0x0000e80000000000,
	[LDT / 8] = 0x0000e20070000017,
	[TSS_32 / 8] = 0x0000e90080000067,
	[TSS_BUSY_ / 8] = 0x0000eb0080000067,
	[ABSENT_LDT / 8] = 0x0000620070000017,
	[UPPER / 8] = 0x0000e90080000067,
	[UPPER / 8 + 1] = 0x0000010000000000,
};

static uint8_t ram[0x20000] __attribute__((aligned(4096)));
static uint64_t gpr[16];
static struct emu emu;

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context, (void)write;
	return gpa < sizeof ram ? ram + gpa : NULL;
}

static const struct emu_ops ops = {.page = page};

static int begin(void **unused)
{
	const uint64_t tables[] = {0x2067, 0xe7};
	(void)unused;
	memset(ram, 0, sizeof ram);
	memset(gpr, 0, sizeof gpr);
	memcpy(ram + GDT, gdt, sizeof gdt);
	memcpy(ram + 0x1000, &tables[0], 8);
	memcpy(ram + 0x2000, (const uint64_t[]){0x3067}, 8);
	memcpy(ram + 0x3000, &tables[1], 8);
	emu_init(&emu);
	emu.ops = &ops;
	emu.cpu.gpr = gpr;
	emu.cpu.mode = EMU_MODE_PROT32;
	emu.cpu.rip = CODE;
	emu.cpu.rflags = 2;
	emu.cpu.cr0 = 0x11;
	for (unsigned i = 0; i < EMU_SEGS; i++)
		emu.cpu.seg[i] = (struct emu_segment){.selector = DATA_3, .attributes = 0xcf3, .limit = 0xffffffff};
	emu.cpu.seg[EMU_CS] = (struct emu_segment){.selector = CODE_0, .attributes = 0xc9b, .limit = 0xffffffff};
	emu.cpu.gdtr = (struct emu_table){GDT, sizeof gdt - 1};
	gpr[EMU_RBX] = DATA;
	return 0;
}

static void long_mode(void)
{
	emu.cpu.mode = EMU_MODE_LONG;
	emu.cpu.cr0 = 0x80050033;
	emu.cpu.cr3 = 0x1000;
	emu.cpu.cr4 = CR4_PAE;
	emu.cpu.efer = 0xd01;
	emu.cpu.seg[EMU_CS].attributes = 0xa9b;
}

static enum emu_result run(const char *hex)
{
	unsigned byte, count = 0;
	int used;

	for (; sscanf(hex, "%x%n", &byte, &used) == 1; hex += used)
		ram[CODE + count++] = (uint8_t)byte;
	emu.cpu.rip = CODE;
	emu.cpu.rflags &= ~(uint64_t)FLAG_ZF;
	enum emu_result result = emu_step(&emu);
	if (result == EMU_DONE)
		assert_int_equal(emu.cpu.rip, CODE + count);
	return result;
}

/* ZF after an instruction that asks about the selector in AX. */
static bool says(const char *hex, unsigned selector)
{
	gpr[EMU_RAX] = selector;
	assert_int_equal(run(hex), EMU_DONE);
	return emu.cpu.rflags & FLAG_ZF;
}

static void refused(const char *hex, unsigned selector, unsigned vector, unsigned error)
{
	struct emu_cpu before = emu.cpu;
	gpr[EMU_RAX] = selector;
	assert_int_equal(run(hex), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, vector);
	assert_int_equal(emu.exception.error, error);
	assert_memory_equal(&before.ldtr, &emu.cpu.ldtr, sizeof before.ldtr);
	assert_memory_equal(&before.tr, &emu.cpu.tr, sizeof before.tr);
}

#define LAR_ECX	   "0f 02 c8"
#define LAR_CX	   "66 0f 02 c8"
#define LSL_ECX	   "0f 03 c8"
#define VERR_AX	   "0f 00 e0"
#define VERW_AX	   "0f 00 e8"
#define LLDT_AX	   "0f 00 d0"
#define LTR_AX	   "0f 00 d8"
#define ARPL_DX_AX "63 c2"

static void lar_gives_the_rights_of_what_may_be_seen(void **unused)
{
	(void)unused;
	gpr[EMU_RCX] = 0x1122334455667788;
	assert_true(says(LAR_ECX, CODE_0));
	assert_int_equal(gpr[EMU_RCX], 0x00cf9b00);
	gpr[EMU_RCX] = 0x55667788;
	assert_true(says(LAR_CX, DATA_3));
	assert_int_equal(gpr[EMU_RCX], 0x5566f300);
	for (unsigned selector = TSS_16; selector <= UPPER; selector += 8) {
		bool good = selector == TSS_16 || selector == CALL_GATE || selector == TASK_GATE || selector == LDT ||
			    selector == TSS_32 || selector == TSS_BUSY_ || selector == UPPER;
		/* Present or not does not matter. */
		assert_int_equal(says(LAR_ECX, selector), good || selector == ABSENT_LDT);
	}
	/* Not what is null, outside, or of more privilege: and then the register stays. */
	gpr[EMU_RCX] = 7;
	assert_false(says(LAR_ECX, 0) || says(LAR_ECX, 3) || says(LAR_ECX, LAST) || says(LAR_ECX, LAST | 4));
	assert_false(says(LAR_ECX, CODE_0 | 1) || says(LAR_ECX, DATA_0 | 3));
	assert_true(says("0f 02 d0", CONFORMING | 3));
	emu.cpu.cpl = 3;
	assert_false(says(LAR_ECX, CODE_0) || says(LAR_ECX, DATA_0));
	assert_int_equal(gpr[EMU_RCX], 7);
	assert_true(says(LAR_ECX, CODE_3 | 3));
}

static void in_long_mode_fewer_types_are_known(void **unused)
{
	(void)unused;
	long_mode();
	assert_true(
		says(LAR_ECX, LDT) && says(LAR_ECX, TSS_32) && says(LAR_ECX, TSS_BUSY_) && says(LAR_ECX, CALL_GATE));
	assert_false(says(LAR_ECX, TSS_16) || says(LAR_ECX, TASK_GATE) || says(LAR_ECX, RESERVED));
	assert_true(says(LSL_ECX, LDT) && says(LSL_ECX, TSS_32));
	assert_false(says(LSL_ECX, TSS_16) || says(LSL_ECX, CALL_GATE));
	gpr[EMU_RCX] = ~0ull;
	assert_true(says("48 0f 02 c8", DATA_0));
	assert_int_equal(gpr[EMU_RCX], 0x00cf9300);
}

static void lsl_gives_the_limit_in_bytes(void **unused)
{
	(void)unused;
	assert_true(says(LSL_ECX, CODE_0));
	assert_int_equal(gpr[EMU_RCX], 0xffffffff);
	assert_true(says(LSL_ECX, DATA_3));
	assert_int_equal(gpr[EMU_RCX], 0xabcd);
	assert_true(says(LSL_ECX, TSS_16));
	assert_int_equal(gpr[EMU_RCX], 0x2b);
	assert_false(says(LSL_ECX, CALL_GATE) || says(LSL_ECX, TASK_GATE));
	/* From memory, two bytes. */
	memcpy(ram + DATA, (const uint8_t[]){LDT, 0, 0xff, 0xff}, 4);
	assert_true(says("0f 03 0b", 0));
	assert_int_equal(gpr[EMU_RCX], 0x17);
}

static void verr_and_verw_know_what_can_be_read_and_written(void **unused)
{
	static const struct {
		unsigned selector;
		bool read, write;
	} cases[] = {{CODE_0, true, false}, {DATA_0, true, true}, {DATA_3 | 3, true, true},
		{CONFORMING | 3, true, false}, {EXECUTE_ONLY, false, false}, {READ_ONLY, true, false},
		{TSS_32, false, false}, {CALL_GATE, false, false}, {0, false, false}, {LAST, false, false},
		{DATA_0 | 1, false, false}};
	(void)unused;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(says(VERR_AX, cases[i].selector), cases[i].read);
		assert_int_equal(says(VERW_AX, cases[i].selector), cases[i].write);
	}
	emu.cpu.cpl = 3;
	assert_false(says(VERR_AX, DATA_0) || says(VERW_AX, DATA_0));
	assert_true(says(VERR_AX, READ_ONLY | 3));
}

static void arpl_raises_and_never_lowers(void **unused)
{
	(void)unused;
	gpr[EMU_RDX] = 0xffff0010;
	assert_true(says(ARPL_DX_AX, 3));
	assert_int_equal(gpr[EMU_RDX], 0xffff0013);
	assert_false(says(ARPL_DX_AX, 3) || says(ARPL_DX_AX, 1));
	assert_int_equal(gpr[EMU_RDX], 0xffff0013);
	memcpy(ram + DATA, (const uint8_t[]){0x21, 0x43}, 2);
	assert_true(says("63 03", 2));
	assert_memory_equal(ram + DATA, ((const uint8_t[]){0x22, 0x43}), 2);
}

static void lldt_takes_an_ldt(void **unused)
{
	(void)unused;
	says(LLDT_AX, LDT);
	assert_int_equal(emu.cpu.ldtr.base, 0x7000);
	assert_int_equal(emu.cpu.ldtr.limit, 0x17);
	assert_int_equal(emu.cpu.ldtr.selector, LDT);
	assert_int_equal(emu.changed, EMU_STATE_TABLES);
	refused(LLDT_AX, TSS_32, VECTOR_GP, TSS_32);
	refused(LLDT_AX, DATA_0 | 1, VECTOR_GP, DATA_0);
	refused(LLDT_AX, LDT | 4, VECTOR_GP, LDT | 4);
	refused(LLDT_AX, LAST, VECTOR_GP, LAST);
	refused(LLDT_AX, ABSENT_LDT, VECTOR_NP, ABSENT_LDT);
	says(LLDT_AX, 3);
	assert_false(emu.cpu.ldtr.attributes & EMU_SEG_P);
	emu.cpu.cpl = 3;
	refused(LLDT_AX, LDT, VECTOR_GP, 0);
}

static void ltr_takes_a_free_task_and_marks_it_busy(void **unused)
{
	(void)unused;
	says(LTR_AX, TSS_32);
	assert_int_equal(emu.cpu.tr.base, 0x8000);
	assert_int_equal(emu.cpu.tr.attributes & EMU_SEG_TYPE, 0xb);
	assert_int_equal(ram[GDT + TSS_32 + 5], 0xeb);
	refused(LTR_AX, TSS_32, VECTOR_GP, TSS_32);
	refused(LTR_AX, 0, VECTOR_GP, 0);
	refused(LTR_AX, LDT, VECTOR_GP, LDT);
	refused(LTR_AX, TSS_16 | 4, VECTOR_GP, TSS_16 | 4);
	says(LTR_AX, TSS_16);
	assert_int_equal(emu.cpu.tr.attributes & EMU_SEG_TYPE, 3);
	ram[GDT + UPPER + 5] = 0x69;
	refused(LTR_AX, UPPER, VECTOR_NP, UPPER);
}

static void system_descriptors_have_16_bytes_in_long_mode(void **unused)
{
	(void)unused;
	long_mode();
	memcpy(ram + GDT + TSS_32 + 8, (const uint64_t[]){0xffff8000}, 8);
	says(LTR_AX, TSS_32);
	assert_int_equal(emu.cpu.tr.base, 0xffff800000008000);
	refused(LTR_AX, UPPER, VECTOR_GP, UPPER);
	refused(LTR_AX, TSS_16, VECTOR_GP, TSS_16);
	memcpy(ram + GDT + LDT + 8, (const uint64_t[]){0x00800000}, 8);
	refused(LLDT_AX, LDT, VECTOR_GP, LDT);
	emu.cpu.gdtr.limit = LDT + 8;
	refused(LLDT_AX, LDT, VECTOR_GP, LDT);
	emu.cpu.gdtr.limit = LDT + 15;
	memcpy(ram + GDT + LDT + 8, (const uint64_t[]){1}, 8);
	says(LLDT_AX, LDT);
	assert_int_equal(emu.cpu.ldtr.base, 0x100007000);
}

/* ---- call gates ---- */

#define TSS	    0x8000u
#define STACK_0	    0x9800u
#define STACK_3	    0xa800u
#define HANDLER	    0x12345u
#define CALL_FAR    "9a 00 00 00 00 48 00" /* to CALL_GATE, whatever the offset */
#define JUMP_FAR    "ea 00 00 00 00 48 00"
#define CALL_MEMORY "ff 1b"

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(ram + at, &value, bytes);
}

static uint64_t get(uint64_t at, unsigned bytes)
{
	uint64_t value = 0;
	memcpy(&value, ram + at, bytes);
	return value;
}

static void gate(unsigned type, unsigned dpl, unsigned selector, uint64_t offset, unsigned parameters)
{
	put(GDT + CALL_GATE,
		(offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
			(uint64_t)(0x80 | dpl << 5 | type) << 40 | (offset >> 16 & 0xffff) << 48,
		8);
}

/* A program of privilege 3 with a stack of its own, and a task that has one for privilege 0. */
static void program(void)
{
	emu.cpu.cpl = 3;
	emu.cpu.seg[EMU_CS] = (struct emu_segment){.selector = CODE_3 | 3, .attributes = 0xcfb, .limit = 0xffffffff};
	emu.cpu.seg[EMU_SS] = (struct emu_segment){.selector = DATA_3 | 3, .attributes = 0xcf3, .limit = 0xffffffff};
	emu.cpu.tr = (struct emu_segment){.selector = TSS_BUSY_, .attributes = 0x8b, .limit = 0x67, .base = TSS};
	put(TSS + 4, STACK_0, 4);
	put(TSS + 8, DATA_0, 2);
	gpr[EMU_RSP] = STACK_3;
	put(STACK_3, 0x1111111122222222, 8);
}

static void fault(const char *hex, unsigned vector, unsigned error)
{
	struct emu_cpu before = emu.cpu;
	uint64_t rsp = gpr[EMU_RSP], stack = get(STACK_0 - 8, 8);
	assert_int_equal(run(hex), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, vector);
	assert_int_equal(emu.exception.error, error);
	assert_int_equal(emu.cpu.cpl, before.cpl);
	assert_int_equal(emu.cpu.mode, before.mode);
	assert_memory_equal(emu.cpu.seg, before.seg, sizeof before.seg);
	assert_int_equal(gpr[EMU_RSP], rsp);
	assert_int_equal(get(STACK_0 - 8, 8), stack);
}

/* As run(), for what goes elsewhere. */
static void goes_to(const char *hex, uint64_t rip)
{
	unsigned byte, count = 0;
	int used;
	for (; sscanf(hex, "%x%n", &byte, &used) == 1; hex += used)
		ram[CODE + count++] = (uint8_t)byte;
	emu.cpu.rip = CODE;
	assert_int_equal(emu_step(&emu), EMU_DONE);
	assert_int_equal(emu.cpu.rip, rip);
}

static void a_gate_leads_to_more_privilege_and_another_stack(void **unused)
{
	(void)unused;
	program();
	gate(12, 3, CODE_0, HANDLER, 2);
	goes_to(CALL_FAR, HANDLER);
	assert_int_equal(emu.cpu.cpl, 0);
	assert_int_equal(emu.cpu.seg[EMU_CS].selector, CODE_0);
	assert_int_equal(emu.cpu.seg[EMU_SS].selector, DATA_0);
	assert_int_equal(gpr[EMU_RSP], STACK_0 - 24);
	/* From the top: EIP, CS, the parameters as they lay, ESP, SS. */
	assert_int_equal(get(STACK_0 - 24, 8), (uint64_t)(CODE_3 | 3) << 32 | (CODE + 7));
	assert_int_equal(get(STACK_0 - 16, 8), 0x1111111122222222);
	assert_int_equal(get(STACK_0 - 8, 8), (uint64_t)(DATA_3 | 3) << 32 | STACK_3);
	/* And back: RETF 8 releases them on both stacks. */
	emu.cpu.rip = HANDLER;
	memcpy(ram + HANDLER, (const uint8_t[]){0xca, 8, 0}, 3);
	assert_int_equal(emu_step(&emu), EMU_DONE);
	assert_int_equal(emu.cpu.rip, CODE + 7);
	assert_int_equal(emu.cpu.cpl, 3);
	assert_int_equal(gpr[EMU_RSP], STACK_3 + 8);
}

static void a_gate_of_16_bits_pushes_16_bits(void **unused)
{
	(void)unused;
	program();
	gate(4, 3, CODE_0, 0xffff2345, 1);
	goes_to(CALL_FAR, 0x2345);
	assert_int_equal(gpr[EMU_RSP], STACK_0 - 10);
	assert_int_equal(get(STACK_0 - 10, 4), (CODE_3 | 3) << 16 | ((CODE + 7) & 0xffff));
	assert_int_equal(get(STACK_0 - 6, 2), 0x2222);
	assert_int_equal(get(STACK_0 - 4, 4), (uint32_t)(DATA_3 | 3) << 16 | (STACK_3 & 0xffff));
}

static void to_the_same_privilege_the_stack_stays(void **unused)
{
	(void)unused;
	program();
	gate(12, 3, CODE_3, HANDLER, 2);
	goes_to(CALL_FAR, HANDLER);
	assert_int_equal(gpr[EMU_RSP], STACK_3 - 8);
	assert_int_equal(emu.cpu.seg[EMU_CS].selector, CODE_3 | 3);
	gate(12, 3, CONFORMING, HANDLER, 0);
	goes_to(JUMP_FAR, HANDLER);
	assert_int_equal(emu.cpu.seg[EMU_CS].selector, CONFORMING | 3);
	assert_int_equal(emu.cpu.cpl, 3);
	/* The offset in the instruction does not count, its selector's RPL does. */
	put(DATA, (uint64_t)(CALL_GATE | 3) << 32 | 0xdeadbeef, 8);
	gpr[EMU_RBX] = DATA;
	goes_to(CALL_MEMORY, HANDLER);
}

static void gates_keep_out_who_may_not_pass(void **unused)
{
	(void)unused;
	program();
	gate(12, 2, CODE_0, HANDLER, 0);
	fault(CALL_FAR, VECTOR_GP, CALL_GATE);
	gate(12, 3, CODE_0, HANDLER, 0);
	ram[GDT + CALL_GATE + 5] &= 0x7f;
	fault(CALL_FAR, VECTOR_NP, CALL_GATE);
	gate(12, 3, 3, HANDLER, 0);
	fault(CALL_FAR, VECTOR_GP, 0);
	gate(12, 3, DATA_0, HANDLER, 0);
	fault(CALL_FAR, VECTOR_GP, DATA_0);
	gate(12, 3, LAST, HANDLER, 0);
	fault(CALL_FAR, VECTOR_GP, LAST);
	/* A jump changes no privilege. */
	gate(12, 3, CODE_0, HANDLER, 0);
	fault(JUMP_FAR, VECTOR_GP, CODE_0);
	ram[GDT + CODE_0 + 5] &= 0x7f;
	fault(CALL_FAR, VECTOR_NP, CODE_0);
	emu.cpu.cpl = 0;
	gate(12, 3, CODE_3, HANDLER, 0);
	fault(CALL_FAR, VECTOR_GP, CODE_3);
}

static void an_inner_stack_that_is_none_is_the_tasks_fault(void **unused)
{
	(void)unused;
	program();
	gate(12, 3, CODE_0, HANDLER, 31);
	put(TSS + 8, 0, 2);
	fault(CALL_FAR, VECTOR_TS, 0);
	put(TSS + 8, DATA_3, 2);
	fault(CALL_FAR, VECTOR_TS, DATA_3);
	put(TSS + 8, DATA_0, 2);
	emu.cpu.tr.limit = 8;
	fault(CALL_FAR, VECTOR_TS, TSS_BUSY_);
	emu.cpu.tr.limit = 0x67;
	ram[GDT + DATA_0 + 5] &= 0x7f;
	fault(CALL_FAR, VECTOR_SS, DATA_0);
	ram[GDT + DATA_0 + 5] |= 0x80;
	/* Its limit ends where the last words would lie. */
	put(GDT + DATA_0, 0x004093000000ffff, 8);
	put(TSS + 4, 0x10008, 4);
	fault(CALL_FAR, VECTOR_SS, DATA_0);
	put(GDT + CODE_0, 0x00409b0000001000, 8);
	put(TSS + 4, STACK_0, 4);
	fault(CALL_FAR, VECTOR_GP, 0);
}

static void gates_of_long_mode_lead_to_64_bits(void **unused)
{
	(void)unused;
	long_mode();
	program();
	emu.cpu.seg[EMU_CS].attributes = 0xafb;
	put(GDT + CODE_0, 0x00af9b000000ffff, 8);
	put(TSS + 4, STACK_0, 8);
	gate(12, 3, CODE_0, HANDLER, 31);
	/* The upper half's type is that of the task gate behind it. */
	put(DATA, (uint64_t)CALL_GATE << 32, 8);
	fault(CALL_MEMORY, VECTOR_GP, CALL_GATE);
	put(GDT + CALL_GATE + 8, 0, 8);
	/* Pages of privilege 3 with SMAP off: the stack is on one. */
	goes_to(CALL_MEMORY, HANDLER);
	assert_int_equal(emu.cpu.cpl, 0);
	assert_int_equal(emu.cpu.seg[EMU_SS].selector, 0);
	assert_int_equal(gpr[EMU_RSP], STACK_0 - 32);
	assert_int_equal(get(STACK_0 - 32, 8), CODE + 2);
	assert_int_equal(get(STACK_0 - 24, 8), CODE_3 | 3);
	assert_int_equal(get(STACK_0 - 16, 8), STACK_3);
	assert_int_equal(get(STACK_0 - 8, 8), DATA_3 | 3);
	/* Not to code of 32 bits, not to an address that is none. */
	program();
	put(TSS + 4, STACK_0, 8);
	gate(12, 3, CODE_3, HANDLER, 0);
	fault(CALL_MEMORY, VECTOR_GP, CODE_3);
	gate(12, 3, CODE_0, HANDLER, 0);
	put(GDT + CALL_GATE + 8, 0x8000, 8);
	fault(CALL_MEMORY, VECTOR_GP, 0);
	gate(4, 3, CODE_0, HANDLER, 0);
	fault(CALL_MEMORY, VECTOR_GP, CALL_GATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lar_gives_the_rights_of_what_may_be_seen, begin),
		cmocka_unit_test_setup(in_long_mode_fewer_types_are_known, begin),
		cmocka_unit_test_setup(lsl_gives_the_limit_in_bytes, begin),
		cmocka_unit_test_setup(verr_and_verw_know_what_can_be_read_and_written, begin),
		cmocka_unit_test_setup(arpl_raises_and_never_lowers, begin),
		cmocka_unit_test_setup(lldt_takes_an_ldt, begin),
		cmocka_unit_test_setup(ltr_takes_a_free_task_and_marks_it_busy, begin),
		cmocka_unit_test_setup(system_descriptors_have_16_bytes_in_long_mode, begin),
		cmocka_unit_test_setup(a_gate_leads_to_more_privilege_and_another_stack, begin),
		cmocka_unit_test_setup(a_gate_of_16_bits_pushes_16_bits, begin),
		cmocka_unit_test_setup(to_the_same_privilege_the_stack_stays, begin),
		cmocka_unit_test_setup(gates_keep_out_who_may_not_pass, begin),
		cmocka_unit_test_setup(an_inner_stack_that_is_none_is_the_tasks_fault, begin),
		cmocka_unit_test_setup(gates_of_long_mode_lead_to_64_bits, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
