/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/apic.c: the local APIC's modes, registers, timer and errors; guests/apic has priorities, IPIs and CR8. SDM vol. 3, "Advanced Programmable...". */
#include "guests/conform/conform.h"

#define APIC_BASE 0x1b
#define DEADLINE  0x6e0
#define PAGE	  0xfee00000ull
#define VECTOR	  0x51

static unsigned interrupts[256];
static bool x2apic;

static bool on_interrupt(struct frame *frame)
{
	if (frame->vector < 32 || frame->vector == VECTOR_RETURN)
		return false;
	interrupts[frame->vector]++;
	if (frame->vector == 0xff)
		return true; /* spurious: no EOI */
	if (x2apic)
		wrmsr(0x80b, 0);
	else
		*(volatile uint32_t *)(PAGE + 0xb0) = 0;
	return true;
}

static uint32_t get(uint32_t offset)
{
	return x2apic ? (uint32_t)rdmsr(0x800 + offset / 16) : *(volatile uint32_t *)(PAGE + offset);
}
static void put(uint32_t offset, uint32_t value)
{
	if (x2apic)
		wrmsr(0x800 + offset / 16, value);
	else
		*(volatile uint32_t *)(PAGE + offset) = value;
}

KERNEL(read_msr, "mov %%edi, %%ecx; rdmsr; shl $32, %%rdx; or %%rdx, %%rax")
KERNEL(eoi_1, "mov $0x80b, %%ecx; mov $1, %%eax; xor %%edx, %%edx; wrmsr")
KERNEL(write_id, "mov $0x802, %%ecx; mov $1, %%eax; xor %%edx, %%edx; wrmsr")
KERNEL(write_tpr, "mov $0x808, %%ecx; mov %%edi, %%eax; xor %%edx, %%edx; wrmsr")
KERNEL(write_self, "mov $0x83f, %%ecx; mov %%edi, %%eax; xor %%edx, %%edx; wrmsr")
KERNEL(write_esr, "mov $0x828, %%ecx; mov %%edi, %%eax; xor %%edx, %%edx; wrmsr")
KERNEL(write_base, "mov $0x1b, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx; wrmsr")

/* Some thousand instructions, in ticks: on one emulator a tick is an instruction, on another it is wall-clock time. */
static uint64_t unit;

static void measure(void)
{
	uint64_t start = tsc();
	for (volatile int i = 0; i < 50000; i++)
		;
	unit = tsc() - start;
}

/* With interrupts on, until the vector has come so often, but not for ever. */
static bool comes(unsigned vector, unsigned times)
{
	uint64_t end = tsc() + 400 * unit;
	__asm__ volatile("sti" : : : "memory");
	while (__atomic_load_n(&interrupts[vector], __ATOMIC_RELAXED) < times && tsc() < end)
		;
	__asm__ volatile("cli" : : : "memory");
	return interrupts[vector] >= times;
}

static void wait(void)
{
	uint64_t end = tsc() + 8 * unit;
	__asm__ volatile("sti" : : : "memory");
	while (tsc() < end)
		;
	__asm__ volatile("cli" : : : "memory");
}

static void registers(const char *mode)
{
	check((get(0x30) & 0xff) >= 0x10 && (get(0x30) & 0xff) <= 0x1f && (get(0x30) >> 16 & 0xff) >= 3,
		"%s: version and entries", mode);
	put(0xf0, 0x1ff);
	check((get(0xf0) & 0x1ff) == 0x1ff, "%s: SVR is kept", mode);
	put(0x80, 0x35);
	check(get(0x80) == 0x35 && get(0xa0) == 0x35, "%s: TPR is kept, and PPR follows", mode);
	check(cr8() == 3, "%s: CR8 shows it", mode);
	set_cr8(7);
	check(get(0x80) == 0x70, "%s: TPR shows CR8", mode);
	set_cr8(0);
	put(0x320, 0x10000 | VECTOR);
	check(get(0x320) == (0x10000 | VECTOR), "%s: the timer's entry is kept", mode);
	put(0x370, 0x10000 | 0x52);
	check(get(0x370) == (0x10000 | 0x52), "%s: the error entry is kept", mode);
	put(0x3e0, 0xb);
	check(get(0x3e0) == 0xb, "%s: the divisor is kept", mode);
	put(0xf0, 0xff);
	put(0x320, VECTOR);
	check(get(0x320) & 0x10000, "%s: off by SVR, its entries are masked", mode);
	put(0xf0, 0x1ff);
}

static void errors(const char *mode)
{
	put(0x370, 0x52);
	put(0x280, 0);
	put(0x280, 0);
	check(get(0x280) == 0, "%s: ESR is clear", mode);
	if (on_tcg)
		return; /* it takes vectors below 16 */
	interrupts[0x52] = 0;
	put(0x3e0, 0xb);
	put(0x320, 5);
	put(0x380, 1);
	wait();
	put(0x280, 0);
	check(get(0x280) & 0x40, "%s: the timer with a bad vector: ESR bit 6", mode);
	check(interrupts[0x52] == 1, "%s: and the error interrupt", mode);
	put(0x320, 0x10000 | VECTOR);
	put(0x380, 0);
	put(0x280, 0);
	if (!x2apic) {
		put(0x300, 0x4000 | 1u << 18 | 3); /* an IPI to itself with vector 3 */
		put(0x280, 0);
		check(get(0x280) & 0x60, "%s: an IPI with a bad vector: ESR bit 5 or 6", mode);
		put(0x280, 0);
	}
	put(0x370, 0x10000 | 0x52);
}

static void timers(const char *mode)
{
	uint64_t start;
	put(0x3e0, 0xb);
	put(0x320, VECTOR);
	interrupts[VECTOR] = 0;
	put(0x380, 100000);
	check(comes(VECTOR, 1), "%s: one-shot comes", mode);
	wait();
	check(interrupts[VECTOR] == 1, "%s: once", mode);
	check(get(0x390) == 0, "%s: and its count is 0", mode);
	put(0x320, 0x10000 | VECTOR);
	put(0x380, 0xffffffff);
	start = get(0x390);
	wait();
	check(get(0x390) < start && get(0x390), "%s: masked, it counts", mode);
	put(0x380, 0);
	check(get(0x390) == 0, "%s: an initial count of 0 stops it", mode);
	put(0x320, 0x20000 | VECTOR);
	interrupts[VECTOR] = 0;
	put(0x380, 200000);
	check(comes(VECTOR, 3), "%s: periodic comes again and again", mode);
	put(0x380, 0);
	put(0x320, 0x10000 | VECTOR);
	wait();
}

static void deadlines(const char *mode)
{
	if (!has(1, 2, 24)) {
		skip("%s: TSC deadline: CPUID has it not", mode);
		return;
	}
	interrupts[VECTOR] = 0;
	wrmsr(DEADLINE, tsc() + unit);
	check(rdmsr(DEADLINE) == 0, "%s: a deadline in another mode of the timer is ignored", mode);
	put(0x320, 0x40000 | VECTOR);
	uint64_t at = tsc() + 100 * unit;
	wrmsr(DEADLINE, at);
	check(rdmsr(DEADLINE) == at, "%s: a deadline reads as it was written", mode);
	check(comes(VECTOR, 1), "%s: it comes", mode);
	check(tsc() >= at, "%s: and not too early", mode);
	check(rdmsr(DEADLINE) == 0, "%s: and is 0 then", mode);
	wait();
	check(interrupts[VECTOR] == 1, "%s: once", mode);
	wrmsr(DEADLINE, 1);
	check(comes(VECTOR, 2), "%s: one that has passed comes at once", mode);
	wrmsr(DEADLINE, tsc() + 50 * unit);
	wrmsr(DEADLINE, 0);
	for (int i = 0; i < 8; i++)
		wait();
	check(interrupts[VECTOR] == 2, "%s: 0 takes it away", mode);
	put(0x380, 1000);
	check(get(0x390) == 0, "%s: the count is 0 in this mode", mode);
	put(0x320, 0x10000 | VECTOR);
}

static void interrupts_to_itself(const char *mode)
{
	interrupts[0x61] = 0;
	put(0x300, 1u << 18 | 0x61);
	check(interrupts[0x61] == 0, "%s: an IPI to itself waits for IF", mode);
	check(get(0x200 + 0x30) >> 1 & 1, "%s: and stands in IRR", mode);
	check(comes(0x61, 1), "%s: it comes with it", mode);
	put(0x80, 0x70);
	put(0x300, 1u << 18 | 0x61);
	wait();
	check(interrupts[0x61] == 1, "%s: TPR holds it back", mode);
	put(0x80, 0);
	check(comes(0x61, 2), "%s: until it is lowered", mode);
}

static void x2apic_rules(void)
{
	expect("x2APIC: the page's DFR has no register", read_msr, 0x80e, GP, 0);
	expect("x2APIC: EOI cannot be read", read_msr, 0x80b, GP, 0);
	expect("x2APIC: EOI takes 0 alone", eoi_1, 0, GP, 0);
	expect("x2APIC: the id cannot be written", write_id, 0, GP, 0);
	expect("x2APIC: reserved bits of TPR are #GP(0)", write_tpr, 0x100, GP, 0);
	expect("x2APIC: reserved bits of the self IPI are #GP(0)", write_self, 0x100, GP, 0);
	expect("x2APIC: ESR takes 0 alone", write_esr, 1, GP, 0);
	expect("x2APIC: ICR's upper half has no register of its own", read_msr, 0x831, GP, 0);
	expect("x2APIC: the self IPI cannot be read", read_msr, 0x83f, GP, 0);
	expect("x2APIC: beyond its registers there is nothing", read_msr, 0x8ff, GP, 0);
	interrupts[0x62] = 0;
	wrmsr(0x83f, 0x62);
	check(comes(0x62, 1), "x2APIC: the self IPI arrives");
	uint32_t id = get(0x20);
	check(get(0xd0) == ((id >> 4) << 16 | 1u << (id & 15)), "x2APIC: the logical id comes from the id");
	expect("x2APIC: to xAPIC without going off is #GP(0)", write_base, rdmsr(APIC_BASE) & ~0x400ull, GP, 0);
}

static void all(const char *mode)
{
	registers(mode);
	errors(mode);
	timers(mode);
	deadlines(mode);
	interrupts_to_itself(mode);
}

void local_apic(void)
{
	uint64_t base = rdmsr(APIC_BASE);
	measure();
	on_trap = on_interrupt;
	x2apic = base & 0x400;
	if (x2apic) {
		wrmsr(APIC_BASE, base & ~0xc00ull);
		wrmsr(APIC_BASE, (base & ~0x400ull) | 0x800);
		x2apic = false;
	}
	all("xAPIC");
	if (!has(1, 2, 21)) {
		skip("x2APIC: CPUID has it not");
		return;
	}
	wrmsr(APIC_BASE, rdmsr(APIC_BASE) | 0x400);
	x2apic = true;
	all("x2APIC");
	x2apic_rules();
	if (!has(1, 2, 31)) {
		skip("the local APIC off and on: Bochs's does not come on again");
		return;
	}
	wrmsr(APIC_BASE, rdmsr(APIC_BASE) & ~0xc00ull);
	check(!has(1, 3, 9), "off, CPUID has no local APIC");
	wrmsr(APIC_BASE, (rdmsr(APIC_BASE) & ~0x400ull) | 0x800);
	x2apic = false;
	check(has(1, 3, 9), "on, it has one again");
	check(get(0xf0) == 0xff && get(0x320) & 0x10000, "and its registers are as after reset");
	put(0xf0, 0x1ff);
}
