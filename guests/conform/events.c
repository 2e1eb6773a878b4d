/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/conform/events.c: exceptions, interrupts and NMIs whose delivery meets a page that the machine has to map again first: the interrupt table's, the
 * stack's, the handler's. Each must arrive once, in the right order, with the right return address. By the test device's port 0xe4.
 */
#include "guests/conform/conform.h"

#define REMAP	0xe4
#define APIC	0xfee00000ull
#define ICR	0x300
#define SELF	(1u << 18)
#define FIXED	0x4000u
#define NMI_IPI 0x4400u

static unsigned seen[16], count;
static uint64_t rips[16];
static unsigned nested;
static bool nest, drop_at_iret;

static void drop(const volatile void *page)
{
	out32(REMAP, (uint32_t)(uint64_t)page);
}

static void drop_stack(void)
{
	volatile uint8_t here;
	drop(&here);
}

static void apic_write(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(APIC + offset) = value;
}

static bool noted(struct frame *frame)
{
	unsigned vector = (unsigned)frame->vector;
	if (vector != DE && vector != BP && vector != NMI && vector != NP && vector != UD && vector < 0x40)
		return false;
	if (count < 16) {
		seen[count] = vector;
		rips[count] = frame->rip;
	}
	count++;
	if (vector == DE || vector == UD)
		frame->rip += 2; /* behind it */
	if (vector == NP)
		gate_set(0x42, 0x8e, 0);
	if (vector >= 0x80)
		apic_write(0xb0, 0);
	if (vector == NMI && nest) {
		nest = false;
		apic_write(ICR, NMI_IPI); /* to itself: physical destination 0 */
		for (volatile int i = 0; i < 1000; i++)
			;
		nested = count; /* it waits for the IRET of this one */
		if (drop_at_iret)
			drop(frame);
	}
	return true;
}

#define AT(name, n) ".globl at_" #name "_" #n "; at_" #name "_" #n ": "
extern uint8_t at_div_0[], at_bp_1[], at_int_1[], at_ud_0[];
KERNEL(divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; " AT(div, 0) "div %%ecx")
KERNEL(breakpoint, AT(bp, 0) "int3; " AT(bp, 1) "nop")
KERNEL(int_42, AT(int, 0) "int $0x42; " AT(int, 1) "nop")
KERNEL(undefined, AT(ud, 0) "ud2")
KERNEL(open, "sti; nop; nop; cli")
KERNEL(int_in_shadow, "sti; int $0x42; cli")
USER(user_divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx")

static bool once(attempt_function *what, unsigned vector, const uint8_t *rip)
{
	count = 0;
	drop(idt);
	drop_stack();
	attempt(what, 0);
	return outcome.vector == NONE && count == 1 && seen[0] == vector && (!rip || rips[0] == (uint64_t)rip);
}

static void exceptions_again(void)
{
	check(once(divide, DE, at_div_0), "#DE with table and stack missing");
	check(once(undefined, UD, at_ud_0), "#UD with table and stack missing");
	check(once(breakpoint, BP, at_bp_1), "INT3 with table and stack missing: RIP is behind it");
	check(once(int_42, 0x42, at_int_1), "INT n with table and stack missing: RIP is behind it");
	idt[0x42].type = 0x0e;
	count = 0;
	drop(idt);
	drop_stack();
	attempt(int_42, 0);
	check(count == 2 && seen[0] == NP && seen[1] == 0x42, "INT n through an absent gate: #NP, and then it arrives");
	gate_set(0x42, 0x8e, 0);
	/* The interrupt's stack of the task, too, and the task itself. */
	count = 0;
	drop(idt);
	drop(&tss);
	drop((uint8_t *)tss.rsp[0] - 64);
	on_trap = NULL;
	attempt_user(user_divide, 0, 0);
	on_trap = noted;
	check(outcome.vector == DE && outcome.cs == SEL_USER_CODE64,
		"#DE in ring 3 with table, task and stack missing");
}

static void interrupts(void)
{
	apic_write(ICR, SELF | FIXED | 0x81);
	check(once(open, 0x81, NULL), "an interrupt with table and stack missing");
	apic_write(ICR, SELF | FIXED | 0x81);
	apic_write(ICR, SELF | FIXED | 0x91);
	count = 0;
	drop(idt);
	attempt(open, 0);
	check(count == 2 && seen[0] == 0x91 && seen[1] == 0x81,
		"two interrupts with the table missing, the higher first");
	apic_write(ICR, SELF | FIXED | 0x81);
	count = 0;
	drop(idt);
	drop_stack();
	attempt(int_in_shadow, 0);
	attempt(open, 0);
	if (!check(count == 2 && seen[0] == 0x42 && seen[1] == 0x81,
		    "INT n in the shadow of STI comes before an interrupt that waits"))
		print("  %u: %x at %lx, %x at %lx\n", count, seen[0], rips[0], seen[1], rips[1]);
}

static void nmis(void)
{
	nest = false;
	count = 0;
	drop(idt);
	apic_write(ICR, NMI_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	check(count == 1 && seen[0] == NMI, "an NMI with the table missing");
	nest = true;
	nested = count = 0;
	drop(idt);
	apic_write(ICR, NMI_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	check(nested == 1 && count == 2 && seen[1] == NMI, "an NMI in an NMI's handler waits for its IRET");
	nest = drop_at_iret = true;
	nested = count = 0;
	apic_write(ICR, NMI_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	check(nested == 1 && count == 2, "also if IRET's stack is missing");
	drop_at_iret = false;
}

void events(void)
{
	if (!has_test_device()) {
		skip("there is no test device");
		return;
	}
	uint64_t base = rdmsr(0x1b);
	if (base & 0x400) {
		wrmsr(0x1b, base & ~0xc00ull);
		wrmsr(0x1b, (base & ~0x400ull) | 0x800);
	}
	apic_write(0xf0, 0x1ff);
	on_trap = noted;
	exceptions_again();
	interrupts();
	nmis();
	on_trap = NULL;
}
