/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_emu_system.c: what the comparison with the processor cannot reach: device memory, privileged instructions, real mode,
 * changes of privilege, callbacks that refuse, code and operands at edges. Adversary's cases A19, A21, A23.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c monitor/emu/mem.c monitor/emu/walk.c */
/* unit-sources: monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_string.c */
/* unit-sources: monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c monitor/emu/exec_segment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/emu/exec.h"

/* Linear addresses: code at CODE, RAM at DATA (two pages), devices at DEVICE (two pages), then nothing; the stack below STACK. */
#define CODE	   0x10000u
#define DATA	   0x20000u
#define DEVICE	   0x30000u
#define STACK	   0x42000u
#define DEVICE_GPA 0xfec00000u
#define RAM_SIZE   0x40000u

static uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
static struct emu emu;
static uint64_t gpr[16];
static uint8_t xmm[16][16];
static char trace[1024]; /* what the callbacks were asked, in order */
static enum emu_result device_answer;
static uint64_t device_value;

static void note(const char *format, ...)
{
	va_list arguments;
	size_t length = strlen(trace);

	va_start(arguments, format);
	vsnprintf(trace + length, sizeof trace - length, format, arguments);
	va_end(arguments);
}

static uint8_t *page(void *context, uint64_t gpa, bool write)
{
	(void)context, (void)write;
	return gpa < RAM_SIZE ? ram + gpa : NULL;
}

static enum emu_result mmio_read(void *context, uint64_t gpa, unsigned size, void *data)
{
	(void)context;
	note("r%lx/%u ", gpa - DEVICE_GPA, size);
	memset(data, 0, size);
	memcpy(data, &device_value, size < 8 ? size : 8);
	return device_answer;
}

static enum emu_result mmio_write(void *context, uint64_t gpa, unsigned size, const void *data)
{
	uint64_t value = 0;

	(void)context;
	memcpy(&value, data, size < 8 ? size : 8);
	note("w%lx/%u=%lx ", gpa - DEVICE_GPA, size, value);
	return device_answer;
}

static enum emu_result port_in(void *context, uint16_t port, unsigned size, uint32_t *value)
{
	(void)context;
	note("i%x/%u ", port, size);
	*value = (uint32_t)device_value;
	return device_answer;
}

static enum emu_result port_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
	(void)context;
	note("o%x/%u=%x ", port, size, value);
	return device_answer;
}

static enum emu_result xmm_get(void *context, unsigned index, uint8_t data[16])
{
	(void)context;
	memcpy(data, xmm[index], 16);
	return EMU_DONE;
}

static enum emu_result xmm_set(void *context, unsigned index, const uint8_t data[16])
{
	(void)context;
	memcpy(xmm[index], data, 16);
	return EMU_DONE;
}

static bool rdmsr(void *context, uint32_t index, uint64_t *value)
{
	(void)context;
	*value = 0x1122334455667788;
	return index == 0x10;
}

static bool wrmsr(void *context, uint32_t index, uint64_t value)
{
	(void)context;
	note("msr%x=%lx ", index, value);
	return index == 0x10;
}

static void cpuid(void *context, uint32_t eax, uint32_t ecx, uint32_t out[4])
{
	(void)context;
	out[0] = eax + 1, out[1] = 2, out[2] = ecx + 3, out[3] = 4;
}

static uint64_t rdtsc(void *context)
{
	(void)context;
	return 0xaabbccdd11223344;
}

static enum emu_result state(void *context, struct emu *e, unsigned groups)
{
	(void)context;
	note("state%u ", groups);
	for (unsigned i = 0; i < EMU_SEGS; i++)
		e->cpu.seg[i] = (struct emu_segment){
			.attributes = 0xc93, .limit = 0xffffffff, .base = i == EMU_GS ? DATA + 0x100 : 0};
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

static void entry(uint64_t gpa, uint64_t value)
{
	memcpy(ram + gpa, &value, 8);
}

/* 64-bit mode, CPL 0. RAM frame n at 0x8000 + n * 0x1000. */
static int begin(void **unused)
{
	(void)unused;
	memset(ram, 0, sizeof ram);
	memset(gpr, 0, sizeof gpr);
	memset(trace, 0, sizeof trace);
	device_answer = EMU_DONE;
	device_value = 0x0123456789abcdef;
	emu_init(&emu);
	emu.ops = &ops;
	emu.batch = 8;
	emu.cpu.gpr = gpr;
	emu.cpu.mode = EMU_MODE_LONG;
	emu.cpu.rip = CODE;
	emu.cpu.rflags = 2;
	emu.cpu.cr0 = 0x80050033;
	emu.cpu.cr3 = 0x1000;
	emu.cpu.cr4 = CR4_PAE | CR4_OSFXSR;
	emu.cpu.efer = 0xd01;
	emu.window[0] = (struct emu_window){ram, 0, sizeof ram};
	for (unsigned i = 0; i < EMU_SEGS; i++)
		emu.cpu.seg[i] = (struct emu_segment){.selector = 0x18, .attributes = 0xc93, .limit = 0xffffffff};
	emu.cpu.seg[EMU_CS] = (struct emu_segment){.selector = 0x10, .attributes = 0xa9b, .limit = 0xffffffff};
	entry(0x1000, 0x2027);
	entry(0x1ff8, 0x2027); /* the top half of the addresses shows the same */
	entry(0x2000, 0x3027);
	entry(0x2ff8, 0x3027);
	entry(0x3000, 0x4027);
	entry(0x3ff8, 0x5027);
	entry(0x4000 + (CODE >> 12) * 8, 0x8067);
	entry(0x4000 + (CODE >> 12) * 8 + 8, 0x9067);
	entry(0x4000 + (DATA >> 12) * 8, 0xa067);
	entry(0x4000 + (DATA >> 12) * 8 + 8, 0xb067);
	entry(0x4000 + (DEVICE >> 12) * 8, (DEVICE_GPA) | 0x67);
	entry(0x4000 + (DEVICE >> 12) * 8 + 8, (DEVICE_GPA + 0x1000) | 0x67);
	entry(0x4000 + (STACK >> 12) * 8 - 8, 0xc067);
	entry(0x4000 + (DATA >> 12) * 8 - 8, (DEVICE_GPA + 0x5000) | 0x67); /* a device just below the RAM */
	entry(0x5ff8, 0xd067);						    /* linear -4096 */
	entry(0x4000, 0xe067);						    /* linear 0 */
	gpr[EMU_RSP] = STACK - 0x800;
	return 0;
}

#define DATA_RAM (ram + 0xa000)

static void put_code(const char *hex)
{
	uint64_t at = emu.cpu.rip;

	for (; *hex; hex += *hex ? 1 : 0) {
		unsigned byte, used;
		int consumed;
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x%n", &byte, &consumed), 1);
		used = (unsigned)consumed;
		hex += used - 1;
		if (at >= CODE && at < CODE + 0x2000)
			ram[0x8000 + at - CODE] = (uint8_t)byte;
		else if (at >= 0xfffffffffffff000)
			ram[0xd000 + (at & 0xfff)] = (uint8_t)byte;
		else
			ram[0xe000 + (at & 0xfff)] = (uint8_t)byte;
		at++;
	}
}

static enum emu_result run(const char *hex)
{
	put_code(hex);
	return emu_step(&emu);
}

/* Runs it and sees that it is refused and nothing changed. */
static void refused(const char *hex, unsigned vector, unsigned error)
{
	struct emu_cpu before = emu.cpu;
	uint64_t registers[16];

	memcpy(registers, gpr, sizeof gpr);
	assert_int_equal(run(hex), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, vector);
	assert_int_equal(emu.exception.error, error);
	assert_memory_equal(&before, &emu.cpu, sizeof before);
	assert_memory_equal(registers, gpr, sizeof gpr);
}

static void device_is_accessed_with_the_operand_size(void **unused)
{
	(void)unused;
	gpr[EMU_RBX] = DEVICE + 0x10;
	gpr[EMU_RAX] = 0x1111111111111111;
	assert_int_equal(run("8b 03"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x89abcdef);
	assert_int_equal(run("8a 23"), EMU_DONE); /* AH */
	assert_int_equal(gpr[EMU_RAX], 0x89abefef);
	assert_int_equal(run("66 8b 03"), EMU_DONE);
	assert_int_equal(run("48 89 03"), EMU_DONE);
	assert_int_equal(run("89 43 20"), EMU_DONE);
	assert_int_equal(run("0f b6 03"), EMU_DONE);
	assert_int_equal(run("c7 03 78 56 34 12"), EMU_DONE);
	assert_int_equal(run("83 0b 01"), EMU_DONE);
	assert_string_equal(
		trace, "r10/4 r10/1 r10/2 w10/8=89abcdef w30/4=89abcdef r10/1 w10/4=12345678 r10/4 w10/4=89abcdef ");
	assert_int_equal(emu.cpu.rip, CODE + 2 + 2 + 3 + 3 + 3 + 3 + 6 + 3);
}

static void vector_moves_reach_a_device(void **unused)
{
	(void)unused;
	gpr[EMU_RBX] = DEVICE;
	assert_int_equal(run("0f 10 0b"), EMU_DONE);
	assert_memory_equal(xmm[1], &device_value, 8);
	assert_int_equal(run("66 0f e7 4b 10"), EMU_DONE);
	assert_string_equal(trace, "r0/16 w10/16=123456789abcdef ");
	refused("66 0f e7 4b 11", VECTOR_GP, 0); /* MOVNTDQ is aligned */
	emu.cpu.cr0 |= CR0_TS;
	refused("0f 10 0b", VECTOR_NM, 0);
	emu.cpu.cr4 &= ~CR4_OSFXSR;
	refused("0f 10 0b", VECTOR_UD, 0);
}

/* A23: an access across two device pages is one access to each, in order; across an edge between RAM and device, too. */
static void accesses_across_pages_are_split(void **unused)
{
	(void)unused;
	gpr[EMU_RBX] = DEVICE + 0xffd;
	gpr[EMU_RAX] = 0x8877665544332211;
	assert_int_equal(run("48 89 03"), EMU_DONE);
	assert_string_equal(trace, "wffd/3=332211 w1000/5=8877665544 ");
	trace[0] = 0;
	gpr[EMU_RBX] = DATA - 2; /* the device's last two bytes, then RAM */
	memcpy(DATA_RAM, "\xaa\xbb", 2);
	assert_int_equal(run("8b 0b"), EMU_DONE);
	assert_string_equal(trace, "r5ffe/2 ");
	assert_int_equal(gpr[EMU_RCX], 0xbbaacdef);
	trace[0] = 0;
	gpr[EMU_RBX] = DEVICE + 0x1ff8; /* the second page is not there: nothing is written */
	refused("0f 11 0b", VECTOR_PF, 2);
	assert_int_equal(emu.exception.address, DEVICE + 0x2000);
	gpr[EMU_RBX] = DATA + 0x1ffc;
	refused("48 89 03", VECTOR_PF, 2);
	assert_string_equal(trace, "");
	assert_int_equal(ram[0xbffc], 0);
}

/* Reading a device can change it: the destination is checked first. */
static void a_device_is_not_read_for_a_move_that_faults(void **unused)
{
	(void)unused;
	gpr[EMU_RSI] = DEVICE;
	gpr[EMU_RDI] = 0x50000;
	refused("a4", VECTOR_PF, 2);
	gpr[EMU_RSP] = 0x50008;
	refused("ff 36", VECTOR_PF, 2); /* PUSH [RSI] */
	refused("8f 06", VECTOR_PF, 0); /* POP [RSI] */
	refused("ff 16", VECTOR_PF, 2); /* CALL [RSI] */
	assert_string_equal(trace, "");
}

/* A string move between devices: each element read, then written. */
static void rep_movs_between_devices(void **unused)
{
	(void)unused;
	gpr[EMU_RSI] = DEVICE + 0xff8;
	gpr[EMU_RDI] = DEVICE + 0x100;
	gpr[EMU_RCX] = 3;
	assert_int_equal(run("f3 a5"), EMU_DONE);
	assert_string_equal(trace, "rff8/4 w100/4=89abcdef rffc/4 w104/4=89abcdef r1000/4 w108/4=89abcdef ");
	assert_int_equal(gpr[EMU_RCX], 0);
	assert_int_equal(gpr[EMU_RSI], DEVICE + 0x1004);
	assert_int_equal(emu.cpu.rip, CODE + 2);
}

static void rep_is_done_in_batches(void **unused)
{
	(void)unused;
	gpr[EMU_RDI] = DATA;
	gpr[EMU_RCX] = 20;
	gpr[EMU_RAX] = 0x5a;
	emu.cpu.rflags |= FLAG_RF;
	for (unsigned left = 20; left > 8; left -= 8) {
		assert_int_equal(run("f3 aa"), EMU_DONE);
		assert_int_equal(gpr[EMU_RCX], left - 8);
		assert_int_equal(emu.cpu.rip, CODE);
	}
	assert_int_equal(run("f3 aa"), EMU_DONE);
	assert_int_equal(emu.cpu.rip, CODE + 2);
	assert_int_equal(DATA_RAM[19], 0x5a);
	assert_int_equal(DATA_RAM[20], 0);
}

/* What has been done stays done; the fault is met by the next step, with nothing else. */
static void rep_that_faults_midway(void **unused)
{
	(void)unused;
	gpr[EMU_RDI] = DATA + 0x1ffc;
	gpr[EMU_RCX] = 10;
	assert_int_equal(run("f3 aa"), EMU_DONE);
	assert_int_equal(gpr[EMU_RCX], 6);
	assert_int_equal(gpr[EMU_RDI], DATA + 0x2000);
	assert_int_equal(emu.cpu.rip, CODE);
	refused("f3 aa", VECTOR_PF, 2);
	assert_int_equal(emu.exception.address, DATA + 0x2000);
}

static void a_refusing_device_leaves_everything(void **unused)
{
	static const char *const codes[] = {"8b 03", "89 03", "83 0b 01", "f0 83 0b 01", "87 03", "0f c1 03", "a5",
		"f3 a5", "ff 33", "8f 03", "0f 10 0b", "0f 11 0b", "ec", "ee", "6d", "6f", "48 0f c7 0b", "0f ba 2b 03",
		"d1 23"};

	(void)unused;
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct emu_cpu before;
		uint64_t registers[16];

		begin(NULL);
		device_answer = EMU_IO;
		gpr[EMU_RBX] = gpr[EMU_RSI] = gpr[EMU_RDI] = DEVICE;
		gpr[EMU_RCX] = 3;
		before = emu.cpu;
		memcpy(registers, gpr, sizeof gpr);
		assert_int_equal(run(codes[i]), EMU_IO);
		assert_memory_equal(&before, &emu.cpu, sizeof before);
		assert_memory_equal(registers, gpr, sizeof gpr);
	}
}

/* A19: code across a page, code whose second page is not there, and code from the last address to the first. */
static void code_at_edges(void **unused)
{
	(void)unused;
	emu.cpu.rip = CODE + 0xffe;
	assert_int_equal(run("b8 78 56 34 12"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x12345678);
	emu.cpu.rip = CODE + 0x1ffe;
	refused("b8 78", VECTOR_PF, 16);
	assert_int_equal(emu.exception.address, CODE + 0x2000);
	assert_int_equal(run("eb 00"), EMU_DONE); /* complete on its page: the next one is not looked at */
	emu.cpu.rip = CODE + 0x1fff;
	refused("06", VECTOR_UD, 0);
	emu.cpu.rip = 0xfffffffffffffffe;
	assert_int_equal(run("b8 44 33 22 11"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x11223344);
	assert_int_equal(emu.cpu.rip, 3);
	emu.cpu.rip = 0x0000800000000000;
	assert_int_equal(emu_step(&emu), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, VECTOR_GP);
	emu.cpu.rip = CODE;
	refused("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", VECTOR_GP, 0);
}

/* A21: it is the bytes executed that are judged, by the privilege there is; what memory holds by now does not matter. */
static void given_bytes_are_what_is_executed(void **unused)
{
	(void)unused;
	put_code("90");
	emu.cpu.cpl = 3;
	assert_int_equal(emu_step_bytes(&emu, (const uint8_t[]){0xf4}, 1), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, VECTOR_GP);
	entry(0x4000 + (DATA >> 12) * 8, 0xa063); /* supervisor */
	gpr[EMU_RBX] = DATA;
	assert_int_equal(emu_step_bytes(&emu, (const uint8_t[]){0x8b, 0x03}, 2), EMU_EXCEPTION);
	assert_int_equal(emu.exception.vector, VECTOR_PF);
	assert_int_equal(emu.exception.error, 5);
	/* What the given bytes lack is fetched. */
	emu.cpu.cpl = 0;
	put_code("00 00 44 33 22 11");
	assert_int_equal(emu_step_bytes(&emu, (const uint8_t[]){0x67, 0xb8}, 2), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x11223344);
	assert_int_equal(emu.cpu.rip, CODE + 6);
}

/* A decoded instruction is found again by its bytes: other bytes at the same place are another instruction. */
static void changed_code_is_seen(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		emu.cpu.rip = CODE;
		assert_int_equal(run("b8 01 00 00 00 90"), EMU_DONE);
		assert_int_equal(gpr[EMU_RAX], 1);
		emu.cpu.rip = CODE;
		assert_int_equal(run("b9 02 00 00 00 90"), EMU_DONE);
		assert_int_equal(gpr[EMU_RCX], 2);
		emu.cpu.rip = CODE;
		emu.cpu.mode = EMU_MODE_PROT16;
		emu.cpu.seg[EMU_CS].attributes = 0x09b;
		assert_int_equal(run("b9 02 00 00 00 90"), EMU_DONE);
		assert_int_equal(emu.cpu.rip, CODE + 3);
		emu.cpu.mode = EMU_MODE_LONG;
	}
}

static void compare_exchange_fails_when_memory_changed(void **unused)
{
	uint8_t memory[32] __attribute__((aligned(16))) = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)unused;
	assert_true(emu_compare_exchange(memory + 1, 2, 0x0302, 0xbbaa));
	assert_int_equal(memory[1], 0xaa);
	assert_int_equal(memory[2], 0xbb);
	assert_false(emu_compare_exchange(memory + 1, 4, 0x0302, 0));
	assert_int_equal(memory[4], 5);
	assert_false(emu_compare_exchange16(memory, (const uint64_t[]){0, 0}, (const uint64_t[]){1, 1}));
	assert_int_equal(memory[0], 1);
}

static void state_is_asked_for_when_it_is_needed(void **unused)
{
	(void)unused;
	emu.missing = EMU_STATE_SEGMENTS | EMU_STATE_TABLES;
	gpr[EMU_RBX] = DATA;
	assert_int_equal(run("8b 03"), EMU_DONE);
	assert_string_equal(trace, "");
	gpr[EMU_RBX] = 0x20;
	memcpy(DATA_RAM + 0x120, "\x11\x22\x33\x44", 4);
	assert_int_equal(run("65 8b 03"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x44332211);
	assert_string_equal(trace, "state2 ");
	assert_int_equal(emu.missing, EMU_STATE_TABLES);
}

static void privileged_instructions(void **unused)
{
	static const char *const codes[] = {"f4", "0f 30", "0f 32", "0f 20 c0", "0f 22 c0", "0f 06", "0f 01 3b",
		"0f 01 13", "0f 01 1b", "0f 01 f0", "fa", "fb", "e4 10", "ee", "6d", "0f 09"};

	(void)unused;
	emu.cpu.cpl = 3;
	gpr[EMU_RBX] = gpr[EMU_RDI] = DATA;
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
		refused(codes[i], VECTOR_GP, 0);
	assert_string_equal(trace, "");
}

static void system_registers(void **unused)
{
	(void)unused;
	gpr[EMU_RCX] = 0x10;
	assert_int_equal(run("0f 32"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x55667788);
	assert_int_equal(gpr[EMU_RDX], 0x11223344);
	assert_int_equal(run("0f 30"), EMU_DONE);
	assert_string_equal(trace, "msr10=1122334455667788 ");
	gpr[EMU_RCX] = 0x11;
	refused("0f 32", VECTOR_GP, 0);
	refused("0f 30", VECTOR_GP, 0);
	gpr[EMU_RAX] = 7;
	assert_int_equal(run("0f a2"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 8);
	assert_int_equal(gpr[EMU_RCX], 0x14);
	assert_int_equal(run("0f 31"), EMU_DONE);
	assert_int_equal(gpr[EMU_RDX], 0xaabbccdd);
	emu.cpu.cr4 |= CR4_TSD;
	emu.cpu.cpl = 3;
	refused("0f 31", VECTOR_GP, 0);
}

static void control_registers(void **unused)
{
	(void)unused;
	assert_int_equal(run("0f 20 c1"), EMU_DONE);
	assert_int_equal(gpr[EMU_RCX], 0x80050033);
	gpr[EMU_RCX] = 0x33; /* no way out of paging in 64-bit mode */
	refused("0f 22 c1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 0x80000032; /* paging without protection */
	refused("0f 22 c1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 0xa0050033; /* NW without CD */
	refused("0f 22 c1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 0x180050033;
	refused("0f 22 c1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 1ull << 23; /* a bit of CR4 that the guest does not have */
	refused("0f 22 e1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 0; /* PAE is needed */
	refused("0f 22 e1", VECTOR_GP, 0);
	gpr[EMU_RCX] = 1ull << 45;
	refused("0f 22 d9", VECTOR_GP, 0);
	gpr[EMU_RCX] = 16;
	refused("44 0f 22 c1", VECTOR_GP, 0); /* CR8 */
	emu.cpu.cr8 = 5;
	assert_int_equal(run("f0 0f 20 c1"), EMU_DONE); /* CR8 as AMD's processors name it */
	assert_int_equal(gpr[EMU_RCX], 5);
	gpr[EMU_RCX] = CR4_PAE | CR4_SMEP;
	assert_int_equal(run("0f 22 e1"), EMU_DONE);
	assert_int_equal(emu.changed, EMU_STATE_CONTROL);
	assert_int_equal(emu.cpu.cr4, CR4_PAE | CR4_SMEP);
	emu.cpu.cr4 = CR4_PAE;
	emu.cpu.cr0 |= CR0_TS;
	assert_int_equal(run("0f 06"), EMU_DONE);
	assert_int_equal(emu.cpu.cr0, 0x80050033);
	gpr[EMU_RAX] = 0;
	assert_int_equal(run("0f 01 f0"), EMU_DONE); /* LMSW cannot clear PE */
	assert_int_equal(emu.cpu.cr0, 0x80050031);
	assert_int_equal(run("0f 01 e3"), EMU_DONE); /* SMSW */
	assert_int_equal(gpr[EMU_RBX], 0x80050031);
	emu.cpu.cr4 |= CR4_UMIP;
	emu.cpu.cpl = 3;
	refused("0f 01 e3", VECTOR_GP, 0);
	gpr[EMU_RBX] = DATA;
	refused("0f 01 03", VECTOR_GP, 0);
	refused("0f 00 03", VECTOR_GP, 0);
}

static void descriptor_table_registers(void **unused)
{
	(void)unused;
	gpr[EMU_RBX] = DATA;
	memcpy(DATA_RAM, "\x34\x12\x88\x77\x66\x55\x44\x33\x00\x00", 10);
	assert_int_equal(run("0f 01 13"), EMU_DONE);
	assert_int_equal(emu.cpu.gdtr.limit, 0x1234);
	assert_int_equal(emu.cpu.gdtr.base, 0x334455667788);
	assert_int_equal(run("0f 01 43 20"), EMU_DONE);
	assert_memory_equal(DATA_RAM, DATA_RAM + 0x20, 10);
	DATA_RAM[9] = 0x80; /* not canonical */
	refused("0f 01 1b", VECTOR_GP, 0);
	emu.cpu.mode = EMU_MODE_REAL;
	emu.cpu.cr0 = 0x10;
	emu.cpu.efer = 0;
	emu.cpu.rip = 0;
	gpr[EMU_RBX] = 0x10;
	emu.cpu.seg[EMU_CS] = (struct emu_segment){.attributes = 0x9b, .limit = 0xffff, .base = 0xe000};
	emu.cpu.seg[EMU_DS] = (struct emu_segment){.attributes = 0x93, .limit = 0xffff, .base = 0xe000};
	memcpy(ram + 0xe010, "\xff\x00\x44\x33\x22\x11", 6);
	assert_int_equal(run("0f 01 1f"), EMU_DONE); /* 16 bits: 24 of the base */
	assert_int_equal(emu.cpu.idtr.base, 0x223344);
	assert_int_equal(run("66 0f 01 1f"), EMU_DONE);
	assert_int_equal(emu.cpu.idtr.base, 0x11223344);
}

static void ports_by_privilege_and_bitmap(void **unused)
{
	(void)unused;
	gpr[EMU_RDX] = 0x3fd;
	gpr[EMU_RAX] = 0x55;
	assert_int_equal(run("ee"), EMU_DONE);
	assert_int_equal(run("e5 70"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX], 0x89abcdef);
	assert_string_equal(trace, "o3fd/1=55 i70/4 ");
	emu.cpu.cpl = 3;
	emu.cpu.rflags |= 3 << 12;
	assert_int_equal(run("ec"), EMU_DONE);
	emu.cpu.rflags &= ~(3ull << 12);
	refused("ec", VECTOR_GP, 0); /* no task state */
	emu.cpu.tr = (struct emu_segment){.attributes = 0x8b, .limit = 0x68 + 0x80, .base = DATA};
	memcpy(DATA_RAM + 0x66, "\x68\x00", 2);
	memset(DATA_RAM + 0x68, 0xff, 0x82);
	refused("ec", VECTOR_GP, 0);
	DATA_RAM[0x68 + 0x3fd / 8] = 0xdf; /* only 0x3fd */
	assert_int_equal(run("ec"), EMU_DONE);
	refused("66 ed", VECTOR_GP, 0); /* 0x3fe is closed */
	DATA_RAM[0x68 + 0x3fd / 8] = 0x1f;
	DATA_RAM[0x68 + 0x3fd / 8 + 1] = 0xfe;
	assert_int_equal(run("ed"), EMU_DONE); /* 0x3fd to 0x400 */
	emu.cpu.tr.limit = 0x68 + 0x3fd / 8;   /* the second byte is beyond the limit */
	refused("ec", VECTOR_GP, 0);
}

static void string_ports(void **unused)
{
	(void)unused;
	gpr[EMU_RDX] = 0x1f0;
	gpr[EMU_RDI] = DATA;
	gpr[EMU_RCX] = 2;
	assert_int_equal(run("f3 66 6d"), EMU_DONE);
	assert_int_equal(DATA_RAM[3], 0xcd);
	gpr[EMU_RSI] = DATA;
	assert_int_equal(run("48 6f"), EMU_DONE); /* ports know no 64 bits */
	assert_string_equal(trace, "i1f0/2 i1f0/2 o1f0/4=cdefcdef ");
	assert_int_equal(gpr[EMU_RSI], DATA + 4);
}

static void halt_interrupts_and_shadows(void **unused)
{
	(void)unused;
	assert_int_equal(run("fb"), EMU_DONE);
	assert_int_equal(emu.events, EMU_EVENT_SHADOW_STI);
	assert_int_equal(run("fb"), EMU_DONE);
	assert_int_equal(emu.events, 0);
	emu.cpu.rflags |= FLAG_TF | FLAG_RF;
	assert_int_equal(run("90"), EMU_DONE);
	assert_int_equal(emu.events, EMU_EVENT_TRAP);
	assert_false(emu.cpu.rflags & FLAG_RF);
	emu.cpu.rflags = 2;
	assert_int_equal(run("f4"), EMU_HALT);
	assert_int_equal(emu.cpu.rip, CODE + 4);
	assert_int_equal(run("cd 21"), EMU_INTERRUPT);
	assert_int_equal(emu.exception.vector, 0x21);
	assert_int_equal(emu.insn->length, 2);
	assert_int_equal(emu.cpu.rip, CODE + 4);
	assert_int_equal(run("0f 05"), EMU_UNSUPPORTED);
	assert_int_equal(run("0f 58 c1"), EMU_UNSUPPORTED);
}

/* Code and data in frame 0xe000 by segments of base 0xe000, the stack in the same. */
static void real_mode(void)
{
	emu.cpu.mode = EMU_MODE_REAL;
	emu.cpu.cr0 = 0x10;
	emu.cpu.efer = 0;
	emu.cpu.cr4 = 0;
	emu.cpu.rip = 0;
	gpr[EMU_RSP] = 0x12340800;
	for (unsigned i = 0; i < EMU_SEGS; i++)
		emu.cpu.seg[i] = (struct emu_segment){
			.selector = 0xe00, .attributes = 0x93, .limit = 0xffff, .base = 0xe000};
}

static void real_mode_segments_and_far_transfers(void **unused)
{
	(void)unused;
	real_mode();
	gpr[EMU_RAX] = 0xa00;
	assert_int_equal(run("8e d8"), EMU_DONE); /* DS: base 0xa000 is where DATA's frame is */
	assert_int_equal(emu.cpu.seg[EMU_DS].base, 0xa000);
	assert_int_equal(emu.changed, EMU_STATE_SEGMENTS);
	assert_int_equal(run("c7 06 04 00 34 12"), EMU_DONE);
	assert_int_equal(DATA_RAM[4], 0x34);
	assert_int_equal(run("9a 40 00 00 0e"), EMU_DONE);
	assert_int_equal(emu.cpu.rip, 0x40);
	assert_int_equal(gpr[EMU_RSP], 0x123407fc);
	assert_memory_equal(ram + 0xe7fc, "\x0d\x00\x00\x0e", 4);
	assert_int_equal(run("cb"), EMU_DONE);
	assert_int_equal(emu.cpu.rip, 0xd);
	assert_int_equal(run("ea 00 01 10 0e"), EMU_DONE);
	assert_int_equal(emu.cpu.seg[EMU_CS].base, 0xe100);
	emu.cpu.seg[EMU_CS].base = 0xe000;
	emu.cpu.rip = 0;
	memcpy(ram + 0xe800, "\x20\x00\x00\x0e\xd7\x0a", 6);
	assert_int_equal(run("cf"), EMU_DONE);
	assert_int_equal(emu.cpu.rip, 0x20);
	assert_int_equal(emu.cpu.rflags, 0xad7);
	assert_int_equal(run("8c d8"), EMU_DONE);
	assert_int_equal(gpr[EMU_RAX] & 0xffff, 0xa00);
	assert_int_equal(run("8e d0"), EMU_DONE);
	assert_int_equal(emu.events & EMU_EVENT_SHADOW_SS, EMU_EVENT_SHADOW_SS);
}

/* Exceptions of real mode have no error code; the limit holds, offsets wrap at 64 KiB only between instructions. */
static void real_mode_limits(void **unused)
{
	(void)unused;
	real_mode();
	gpr[EMU_RBX] = 0xffff;
	refused("8b 07", VECTOR_GP, 0);
	assert_false(emu.exception.has_error);
	refused("36 8b 07", VECTOR_SS, 0);
	assert_false(emu.exception.has_error);
	gpr[EMU_RBX] = 0x10000;
	refused("67 8a 03", VECTOR_GP, 0);
	emu.cpu.seg[EMU_DS].limit = 0xffffffff; /* "unreal" */
	assert_int_equal(run("67 8a 03"), EMU_DONE);
	refused("0f 00 c0", VECTOR_UD, 0); /* SLDT */
	refused("63 c0", VECTOR_UD, 0);	   /* ARPL */
}

static void real_mode_enters_protected_mode(void **unused)
{
	static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

	(void)unused;
	real_mode();
	memcpy(ram + 0x7000, gdt, sizeof gdt);
	emu.cpu.gdtr = (struct emu_table){.base = 0x7000, .limit = sizeof gdt - 1};
	gpr[EMU_RAX] = 0x11;
	assert_int_equal(run("0f 22 c0"), EMU_DONE);
	assert_int_equal(emu.cpu.mode, EMU_MODE_PROT16);
	assert_int_equal(emu.events & EMU_EVENT_MODE, EMU_EVENT_MODE);
	assert_int_equal(run("66 ea 00 e0 00 00 08 00"), EMU_DONE);
	assert_int_equal(emu.cpu.mode, EMU_MODE_PROT32);
	assert_int_equal(emu.cpu.rip, 0xe000);
	gpr[EMU_RAX] = 0x10;
	emu.cpu.rip = 0; /* put_code() works by frame; the segment is flat now */
	put_code("8e d8 8e d0");
	emu.cpu.rip = 0xe000;
	assert_int_equal(emu_step(&emu), EMU_DONE);
	assert_int_equal(emu_step(&emu), EMU_DONE);
	assert_int_equal(emu.cpu.seg[EMU_SS].limit, 0xffffffff);
	assert_int_equal(emu.cpu.seg[EMU_DS].base, 0);
}

/* From the kernel to a program, as kernels do it, and what the program must not keep. */
static void iret_to_less_privilege(void **unused)
{
	static const uint64_t gdt[] = {
		0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0x00cff2000000ffff, 0x00affa000000ffff};
	const uint64_t frame[5] = {0x401000, 0x33, 0x3202, 0x7ffffff0, 0x2b};

	(void)unused;
	memcpy(ram + 0xe100, gdt, sizeof gdt);
	emu.cpu.gdtr = (struct emu_table){.base = 0x100, .limit = sizeof gdt - 1};
	memcpy(ram + 0xc800, frame, sizeof frame);
	assert_int_equal(run("48 cf"), EMU_DONE);
	assert_int_equal(emu.cpu.cpl, 3);
	assert_int_equal(emu.cpu.rip, 0x401000);
	assert_int_equal(gpr[EMU_RSP], 0x7ffffff0);
	assert_int_equal(emu.cpu.rflags, 0x3202);
	assert_int_equal(emu.cpu.seg[EMU_CS].selector, 0x33);
	assert_int_equal(emu.cpu.seg[EMU_SS].selector, 0x2b);
	assert_int_equal(emu.cpu.seg[EMU_DS].selector, 0); /* was the kernel's */
	assert_false(emu.cpu.seg[EMU_DS].attributes & EMU_SEG_P);
	assert_int_equal(emu.cpu.mode, EMU_MODE_LONG);
	assert_int_equal(ram[0xe100 + 0x30 + 5], 0xfb); /* accessed flags are set in the table */
	assert_int_equal(ram[0xe100 + 0x28 + 5], 0xf3);
	/* And never to more. */
	emu.cpu.rip = CODE;
	gpr[EMU_RSP] = STACK - 0x800;
	ram[0xc808] = 0x10;
	refused("48 cf", VECTOR_GP, 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(device_is_accessed_with_the_operand_size, begin),
		cmocka_unit_test_setup(vector_moves_reach_a_device, begin),
		cmocka_unit_test_setup(accesses_across_pages_are_split, begin),
		cmocka_unit_test_setup(a_device_is_not_read_for_a_move_that_faults, begin),
		cmocka_unit_test_setup(rep_movs_between_devices, begin),
		cmocka_unit_test_setup(rep_is_done_in_batches, begin),
		cmocka_unit_test_setup(rep_that_faults_midway, begin),
		cmocka_unit_test_setup(a_refusing_device_leaves_everything, begin),
		cmocka_unit_test_setup(code_at_edges, begin),
		cmocka_unit_test_setup(given_bytes_are_what_is_executed, begin),
		cmocka_unit_test_setup(changed_code_is_seen, begin),
		cmocka_unit_test_setup(compare_exchange_fails_when_memory_changed, begin),
		cmocka_unit_test_setup(state_is_asked_for_when_it_is_needed, begin),
		cmocka_unit_test_setup(privileged_instructions, begin),
		cmocka_unit_test_setup(system_registers, begin),
		cmocka_unit_test_setup(control_registers, begin),
		cmocka_unit_test_setup(descriptor_table_registers, begin),
		cmocka_unit_test_setup(ports_by_privilege_and_bitmap, begin),
		cmocka_unit_test_setup(string_ports, begin),
		cmocka_unit_test_setup(halt_interrupts_and_shadows, begin),
		cmocka_unit_test_setup(real_mode_segments_and_far_transfers, begin),
		cmocka_unit_test_setup(real_mode_limits, begin),
		cmocka_unit_test_setup(real_mode_enters_protected_mode, begin),
		cmocka_unit_test_setup(iret_to_less_privilege, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
