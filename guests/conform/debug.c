/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/debug.c: single steps, breakpoints, DR6 and DR7. SDM vol. 3, "Debug, Branch Profile"; APM vol. 2, "Software-Debug Resources". */
#include "guests/conform/conform.h"

#define DR6_RESET 0xffff0ff0ull
#define BS	  (1u << 14)
#define BD	  (1u << 13)
#define TF	  0x100
#define RF	  0x10000

/* Where each #DB came, and with what. */
static struct {
	uint64_t rip, dr6, rflags;
} seen[16];
static unsigned count;
static bool keep_tf;

static bool on_debug(struct frame *frame)
{
	if (frame->vector != DB)
		return false;
	if (count < 16) {
		seen[count].rip = frame->rip;
		seen[count].dr6 = dr6();
		seen[count].rflags = frame->rflags;
	}
	count++;
	set_dr6(DR6_RESET);
	if (!keep_tf || count > 12)
		frame->rflags &= ~(uint64_t)TF;
	frame->rflags |= RF;
	return true;
}

#define LABELS(name)   extern uint8_t name##_0[], name##_1[], name##_2[], name##_3[], name##_4[]
#define LABEL(name, n) ".globl " #name "_" #n "; " #name "_" #n ": "
#define STEP_ON	       "pushfq; orl $0x100, (%%rsp); popfq; "

LABELS(plain);
KERNEL(step_plain, STEP_ON LABEL(plain, 0) "nop; " LABEL(plain, 1) "xor %%eax, %%eax; " LABEL(plain, 2) "nop")
LABELS(moved);
KERNEL(step_mov_ss,
	"mov %%ss, %%ecx; " STEP_ON LABEL(moved, 0) "mov %%ecx, %%ss; " LABEL(moved, 1) "nop; " LABEL(moved, 2) "nop")
LABELS(ends);
KERNEL(step_cpuid, STEP_ON LABEL(ends, 0) "cpuid; " LABEL(ends, 1) "nop")
LABELS(msrs);
KERNEL(step_rdmsr, "mov $0x1b, %%ecx; " STEP_ON LABEL(msrs, 0) "rdmsr; " LABEL(msrs, 1) "nop")
LABELS(ports);
KERNEL(step_in, STEP_ON LABEL(ports, 0) "in $0x70, %%al; " LABEL(ports, 1) "nop")
LABELS(mmio);
KERNEL(step_mmio, "mov $0xfec00000, %%ecx; " STEP_ON LABEL(mmio, 0) "mov (%%rcx), %%eax; " LABEL(mmio, 1) "nop")
LABELS(control);
KERNEL(step_cr, "mov %%cr0, %%rcx; " STEP_ON LABEL(control, 0) "mov %%rcx, %%cr0; " LABEL(control, 1) "nop")
LABELS(call);
KERNEL(step_hypercall, "mov $1, %%eax; " STEP_ON LABEL(call, 0) "vmmcall; " LABEL(call, 1) "nop")
LABELS(soft);
KERNEL(step_int, STEP_ON LABEL(soft, 0) "int $0x42; " LABEL(soft, 1) "nop; " LABEL(soft, 2) "nop")
LABELS(ice);
KERNEL(icebp, LABEL(ice, 0) ".byte 0xf1; " LABEL(ice, 1) "nop")
LABELS(broke);
KERNEL(breakpoint, LABEL(broke, 0) "nop; " LABEL(broke, 1) "nop")
LABELS(data);
KERNEL(watched, LABEL(data, 0) "movl $1, (%%rdi); " LABEL(data, 1) "nop; mov (%%rdi), %%eax; " LABEL(data, 2) "nop")
KERNEL(read_dr4, ".byte 0x0f, 0x21, 0xe0")
KERNEL(read_dr0, "mov %%db0, %%rax")
KERNEL(write_dr6, "mov %%rdi, %%db6")
KERNEL(write_dr7, "mov %%rdi, %%db7")
USER(user_icebp, ".byte 0xf1; nop")

static bool on_42(struct frame *frame)
{
	return frame->vector == 0x42 || on_debug(frame);
}

static void run(attempt_function *what, uint64_t argument)
{
	count = 0;
	set_dr6(DR6_RESET);
	attempt(what, argument);
}

static bool first(const uint8_t *rip, uint64_t bits)
{
	bool good = outcome.vector == NONE && count >= 1 && seen[0].rip == (uint64_t)rip &&
		    (seen[0].dr6 & 0xe00f) == bits;
	if (!good)
		print("  %u traps, first at %lx, wanted %lx, DR6 %lx; exception %u\n", count, seen[0].rip,
			(uint64_t)rip, seen[0].dr6, outcome.vector);
	return good;
}

static void steps(void)
{
	keep_tf = true;
	run(step_plain, 0);
	check(first(plain_1, BS), "TF traps behind the instruction that follows POPF, with BS");
	check(count >= 2 && seen[1].rip == (uint64_t)plain_2, "and behind the next");
	keep_tf = false;
	run(step_mov_ss, 0);
	check(first(moved_2, BS), "MOV SS holds the trap back for an instruction");
	run(step_cpuid, 0);
	check(first(ends_1, BS), "a step of CPUID");
	run(step_rdmsr, 0);
	check(first(msrs_1, BS), "a step of RDMSR");
	run(step_in, 0);
	check(first(ports_1, BS), "a step of IN");
	run(step_mmio, 0);
	check(first(mmio_1, BS), "a step of a load from a device");
	run(step_cr, 0);
	check(first(control_1, BS), "a step of MOV to CR0");
	if (has(1, 2, 31) && !on_tcg) {
		run(step_hypercall, 0);
		if (outcome.vector == NONE)
			check(first(call_1, BS), "a step of a hypercall");
	}
	on_trap = on_42;
	run(step_int, 0);
	check(first(soft_2, BS),
		"a step of INT n: the handler runs without, and the trap is behind the next instruction");
	on_trap = on_debug;
}

static void breakpoints(void)
{
	static uint32_t word, other;
	if (lenient && !on_tcg) {
		skip("breakpoints by address: QEMU ends itself when a guest's guest has one");
		return;
	}
	set_dr0((uint64_t)broke_1);
	set_dr7(0x402);
	run(breakpoint, 0);
	check(first(broke_1, 1), "a breakpoint of an instruction is a fault, with B0");
	check(count == 1, "RF lets it run on");
	set_dr0((uint64_t)&word);
	set_dr7(0xd0402); /* writes, four bytes */
	run(watched, (uint64_t)&word);
	check(first(data_1, 1), "a breakpoint of a write is a trap, with B0");
	check(count == 1, "a read does not meet it");
	set_dr7(0xf0402);
	run(watched, (uint64_t)&word);
	check(count == 2, "a breakpoint of reads and writes meets both");
	run(watched, (uint64_t)&other);
	check(count == 0, "another address does not");
	set_dr7(0x400);
	run(watched, (uint64_t)&word);
	check(count == 0, "DR7 without enables is silent");
}

static void registers(void)
{
	set_dr0(0x123456789abcdef0);
	check(dr0() == 0x123456789abcdef0, "DR0 keeps 64 bits");
	set_dr0(0);
	set_dr1(0xfffffffffffffff0);
	check(dr1() == 0xfffffffffffffff0, "DR1 keeps 64 bits");
	set_dr1(0);
	set_dr7(0x400);
	check(dr7() == 0x400, "DR7 reads 0x400 when all is off");
	set_dr7(0);
	check(dr7() == 0x400, "bit 10 of DR7 is always set");
	set_dr6(0);
	check((dr6() & ~0x8f0full & 0xffffffff) == (0xffff0ff0 & ~0x8f0full), "reserved bits of DR6 read as ones");
	set_dr6(DR6_RESET);
	on_trap = NULL;
	expect("DR6: a bit of the upper half is #GP(0)", write_dr6, 1ull << 32, GP, 0);
	expect("DR7: a bit of the upper half is #GP(0)", write_dr7, 1ull << 32, GP, 0);
	set_cr4(cr4() | 8);
	expect("DR4 with CR4.DE is #UD", read_dr4, 0, UD, -1);
	set_cr4(cr4() & ~8ull);
	expect("DR4 without CR4.DE is DR6", read_dr4, 0, NONE, -1);
	check(outcome.value == dr6(), "with its value");
	/* General detect. */
	set_dr6(DR6_RESET);
	set_dr7(0x2400);
	attempt(read_dr0, 0);
	uint64_t after = dr7();
	set_dr7(0x400);
	check(outcome.vector == DB && outcome.dr6 & BD, "general detect: a read of a debug register is #DB, with BD");
	check(!(after & 0x2000), "and is off in the handler");
	set_dr6(DR6_RESET);
}

void debugging(void)
{
	registers();
	on_trap = on_debug;
	steps();
	run(icebp, 0);
	check(count == 1 && seen[0].rip == (uint64_t)ice_1, "INT1 is a trap: RIP is behind it");
	check(!(seen[0].dr6 & 0xe00f), "and sets no bit of DR6");
	breakpoints();
	on_trap = NULL;
	attempt_user(user_icebp, 0, 0);
	check(outcome.vector == DB && outcome.cs == SEL_USER_CODE64, "INT1 in ring 3 needs no gate for users");
	set_dr7(0x400);
	set_dr6(DR6_RESET);
}
