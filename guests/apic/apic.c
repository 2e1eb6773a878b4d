/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/apic/apic.c: what a guest can see of its local APIC, tried in both modes, whoever runs it: this processor itself, or Gyre. Each case says "apic
 * MODE CASE: ok" on COM1, or what came instead; the end is the debug exit port, with the number of cases that were wrong. With "-" at its command line's end it
 * leaves out what QEMU 7.2 can't bear: a write to CR8 while a virtual interrupt waits. With "~", what Bochs 2.7 can't as a local APIC in the processor: an
 * interrupt of the machine while one of the guest's waits for IF.
 */
#include <stdbool.h>
#include <stdint.h>
#include "guests/bench/start.h"
#include "guests/common/console.h"
#include "guests/common/cpu.h"
#include "guests/common/debug_exit.h"

#define COM1_GSI    4
#define TIMER_TICKS 3000000
#define STAY_TICKS  100000
#define STAY_ROUNDS 1000000 /* of a handler that stays for longer than that */

#define APIC_PAGE   0xfee00000ull
#define IOAPIC_PAGE 0xfec00000ull
#define MSR_BASE    0x1b
#define BASE_ENABLE 0x800u
#define BASE_X2APIC 0x400u

enum apic_register {
	ID = 0x20,
	TPR = 0x80,
	PPR = 0xa0,
	EOI = 0xb0,
	SVR = 0xf0,
	ISR = 0x100,
	TMR = 0x180,
	IRR = 0x200,
	ESR = 0x280,
	ICR = 0x300,
	ICR_HIGH = 0x310,
	LVT_TIMER = 0x320,
	LVT_LINT0 = 0x350,
	TIMER_INITIAL = 0x380,
	TIMER_CURRENT = 0x390,
	TIMER_DIVIDE = 0x3e0,
	SELF_IPI = 0x3f0,
};

struct frame;

static struct gate idt[IDT_VECTORS];
static bool x2apic;
static unsigned wrong;
static bool no_held, no_masked;

/* ---- the machine ---- */
/* What it lets in is taken here. */
static inline void priority_set(uint64_t value)
{
	set_cr8(value);
	__asm__ volatile("nop" : : : "memory");
}
static inline void on(void)
{
	__asm__ volatile("sti; nop; nop" : : : "memory");
}
static inline void off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static uint32_t get(enum apic_register offset)
{
	return x2apic ? (uint32_t)rdmsr(0x800 + offset / 16) : *(volatile uint32_t *)(APIC_PAGE + offset);
}
static void put(enum apic_register offset, uint32_t value)
{
	if (x2apic)
		wrmsr(0x800 + offset / 16, value);
	else
		*(volatile uint32_t *)(APIC_PAGE + offset) = value;
}
static bool bit(enum apic_register set, uint32_t vector)
{
	return (get((enum apic_register)(set + vector / 32 * 16)) >> vector % 32 & 1) != 0;
}
static void self(uint32_t vector)
{
	if (x2apic && vector % 2 == 0)
		put(SELF_IPI, vector);
	else
		put(ICR, 1u << 18 | vector);
}

static void ioapic(uint32_t index, uint32_t value)
{
	*(volatile uint32_t *)IOAPIC_PAGE = index;
	*(volatile uint32_t *)(IOAPIC_PAGE + 0x10) = value;
}

/* ---- what came: each handler notes its vector ---- */
static uint8_t came[64];
static unsigned came_count;
static void (*inside)(uint32_t vector); /* before the EOI */

static void took(uint32_t vector)
{
	if (came_count < sizeof(came))
		came[came_count++] = (uint8_t)vector;
	if (inside)
		inside(vector);
	if (vector >= 16)
		put(EOI, 0);
}

#define HANDLER(v)                                                                                                     \
	static __attribute__((interrupt)) void handler_##v(struct frame *frame)                                        \
	{                                                                                                              \
		(void)frame;                                                                                           \
		took(0x##v);                                                                                           \
	}
#define VECTORS(X) X(02) X(40) X(41) X(50) X(51) X(55) X(60) X(61) X(70) X(80) X(90) X(91)
VECTORS(HANDLER)

static void traps_init(void)
{
	exceptions_to_stubs(idt);
#define GATE(v) idt[0x##v] = gate_to(handler_##v, GATE_INTERRUPT, 0);
	VECTORS(GATE)
	idt_load(idt);
}

void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1)
{
	say("apic exception ");
	say_hex(vector, 2);
	say(" at ");
	say_hex(word0, 2);
	say(" ");
	say_hex(word1, 2);
	say("\n");
	wrong++;
	debug_exit(wrong);
}

/* A line of this file whose condition did not hold. */
static unsigned failed_at;
#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition) && failed_at == 0)                                                                    \
			failed_at = __LINE__;                                                                          \
	} while (0)

/* The vectors that came since the last case, ended by 0. */
static void check(const char *name, const char *vectors)
{
	const uint8_t *expected = (const uint8_t *)vectors;
	unsigned n = 0;
	bool fine;
	off();
	while (n < came_count && expected[n] == came[n])
		n++;
	fine = failed_at == 0 && n == came_count && expected[n] == 0;
	say(x2apic ? "apic x2apic " : "apic xapic ");
	say(name);
	if (fine) {
		say(": ok\n");
	} else {
		say(": wrong at line 0x");
		say_hex(failed_at, 2);
		say(", came");
		for (unsigned i = 0; i < came_count; i++) {
			say(" ");
			say_hex(came[i], 2);
		}
		say("\n");
	}
	wrong += !fine;
	came_count = failed_at = 0;
	inside = 0;
}

/* ---- the cases ---- */
static void order(void)
{
	self(0x40);
	self(0x91);
	self(0x60);
	self(0x41);
	MUST(bit(IRR, 0x40) && bit(IRR, 0x91) && bit(IRR, 0x60) && !bit(IRR, 0x61));
	MUST(came_count == 0);
	on();
	MUST(!bit(IRR, 0x40));
	check("order", "\x91\x60\x41\x40");
}

static void nest(uint32_t vector)
{
	if (vector != 0x50)
		return;
	MUST(bit(ISR, 0x50) && !bit(IRR, 0x50));
	MUST(get(PPR) == 0x50);
	self(0x55);
	on(); /* its own class waits */
	MUST(came_count == 1);
	self(0x80);
	MUST(came_count == 2);
	MUST(get(PPR) == 0x50);
	off();
}
static void nested(void)
{
	inside = nest;
	on();
	self(0x50);
	MUST(get(PPR) == 0 && !bit(ISR, 0x50));
	check("nested", "\x50\x80\x55");
}

static void priority(void)
{
	on();
	priority_set(6);
	MUST(get(TPR) == 0x60);
	MUST(get(PPR) == 0x60);
	self(0x61);
	self(0x50);
	MUST(came_count == 0);
	self(0x70);
	MUST(came_count == 1);
	priority_set(7);
	priority_set(5);
	MUST(came_count == 2);
	put(TPR, 0x4f);
	MUST(came_count == 3);
	MUST(cr8() == 4 && get(TPR) == 0x4f);
	self(0x41);
	MUST(came_count == 3);
	put(TPR, 0);
	MUST(cr8() == 0);
	put(TPR, 0x35);
	MUST(cr8() == 3);
	priority_set(2);
	MUST(get(TPR) == 0x20);
	priority_set(0);
	check("priority", "\x70\x61\x50\x41");
}

/* Held back by a TPR that CR8 sets, with the interrupt already on its way: the processor must not forget either. */
static void held(void)
{
	if (no_held)
		return;
	off();
	self(0x80);
	priority_set(8);
	on();
	MUST(came_count == 0 && bit(IRR, 0x80));
	priority_set(0);
	MUST(came_count == 1);
	check("held", "\x80");
}

static void halted(void)
{
	for (unsigned i = 0; i < 3; i++) {
		self(0x51);
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	check("halt", "\x51\x51\x51");
}

static void illegal(void)
{
	on();
	put(ESR, 0);
	self(4);
	put(ESR, 0);
	MUST(get(ESR) == 0x20);
	check("illegal", "");
}

static void non_maskable(void)
{
	self(0x90);
	if (x2apic) {
		wrmsr(0x830, rdmsr(0x802) << 32 | 0x400);
	} else {
		put(ICR_HIGH, get(ID));
		put(ICR, 0x400);
	}
	for (volatile unsigned i = 0; i < 100 && came_count == 0; i++)
		;
	MUST(came_count == 1);
	on();
	check("nmi", "\x02\x90");
}

static void timer(void)
{
	put(TIMER_DIVIDE, 0xb);
	put(LVT_TIMER, 0x70);
	put(TIMER_INITIAL, TIMER_TICKS);
	MUST(get(TIMER_CURRENT) <= TIMER_TICKS);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	MUST(get(TIMER_CURRENT) == 0);
	put(LVT_TIMER, 0x10070);
	check("timer", "\x70");
}

/* What waits for IF waits, whatever the machine has to do meanwhile. */
static void masked(void)
{
	if (no_masked)
		return;
	self(0x50);
	put(TIMER_DIVIDE, 0xb);
	put(LVT_TIMER, 0x70);
	put(TIMER_INITIAL, TIMER_TICKS);
	while (came_count == 0 && !bit(IRR, 0x70))
		off();
	MUST(came_count == 0);
	on();
	put(LVT_TIMER, 0x10070);
	check("masked", "\x70\x50");
}

/* What has been delivered is not delivered again, whatever the machine has to do while its handler runs. */
static void stay(uint32_t vector)
{
	if (vector != 0x50)
		return;
	/* Without an exit at first, which is what matters; a machine whose clock is the wall's may be later. */
	for (unsigned spins = 0; spins == 0 || (!bit(IRR, 0x70) && spins < 1000); spins++)
		for (volatile unsigned i = 0; i < STAY_ROUNDS; i++)
			;
	MUST(bit(IRR, 0x70));
}
static void once(void)
{
	inside = stay;
	put(TIMER_DIVIDE, 0xb);
	put(LVT_TIMER, 0x70);
	on();
	put(TIMER_INITIAL, STAY_TICKS);
	self(0x50);
	put(LVT_TIMER, 0x10070);
	check("once", "\x50\x70");
}

/* The port's transmitter is empty as long as nobody asks: its line stays up, so that each EOI brings the next. */
static void thrice(uint32_t vector)
{
	MUST(bit(TMR, vector) && bit(ISR, vector));
	if (came_count == 3)
		out8(COM1 + 1, 0);
}
static void level(void)
{
	inside = thrice;
	ioapic(0x11 + 2 * COM1_GSI, x2apic ? (uint32_t)rdmsr(0x802) << 24 : get(ID));
	ioapic(0x10 + 2 * COM1_GSI, 0x8060);
	out8(COM1 + 4, 0xb);
	out8(COM1 + 1, 2);
	on();
	for (volatile unsigned i = 0; i < 1000; i++)
		;
	off();
	ioapic(0x10 + 2 * COM1_GSI, 0x10000);
	out8(COM1 + 1, 0);
	MUST(!bit(ISR, 0x60));
	check("level", "\x60\x60\x60");
	/* The same vector by an edge. */
	on();
	self(0x60);
	check("edge", "\x60");
}

/* The line of the PICs, past the local APIC, which has a request of its own. */
static void end_at_pic(uint32_t vector)
{
	if (vector == 0x50)
		out8(0x20, 0x20);
}
static void extint(void)
{
	inside = end_at_pic;
	out8(0x20, 0x11); /* edges, two of them, four words */
	out8(0x21, 0x50);
	out8(0x21, 4);
	out8(0x21, 1);
	out8(0x21, 0xfe);
	put(LVT_LINT0, 0x700);
	out8(0x43, 0x30); /* the PIT, once, soon */
	out8(0x40, 0);
	out8(0x40, 1);
	out8(0x20, 0x0a);
	while ((in8(0x20) & 1) == 0)
		;
	self(0x90);
	self(0x91);
	MUST(came_count == 0);
	on();
	MUST(came_count == 3);
	out8(0x21, 0xff);
	put(LVT_LINT0, 0x10700);
	check("extint", "\x50\x91\x90");
}

static void disabled(void)
{
	on();
	put(SVR, 0xff);
	self(0x40);
	self(0x41);
	MUST(came_count == 0);
	put(SVR, 0x1ff);
	self(0x41);
	MUST((get(LVT_TIMER) & 0x10000) != 0);
	check("disabled", "\x41");
}

/* Twice: the first time, pages are missing. */
static void both_ways(void)
{
	for (unsigned round = 0; round < 2; round++) {
		order();
		nested();
		priority();
		held();
		halted();
		illegal();
		non_maskable();
		timer();
		masked();
		once();
		level();
		extint();
		disabled();
	}
}

void bench_main(uint32_t multiboot)
{
	uint64_t base = rdmsr(MSR_BASE);
	uint32_t word[4];
	for (const char *text = start_line(multiboot); *text != 0; text++)
		no_held = *text == '-', no_masked = *text == '~'; /* the last */
	traps_init();
	pics_mask();
	cpuid(1, 0, word);
	/* In xAPIC mode, by way of off if need be; then x2APIC, and back. */
	for (unsigned round = 0; round < 2; round++) {
		wrmsr(MSR_BASE, base & ~(uint64_t)(BASE_ENABLE | BASE_X2APIC));
		wrmsr(MSR_BASE, (base | BASE_ENABLE) & ~(uint64_t)BASE_X2APIC);
		x2apic = false;
		put(SVR, 0x1ff);
		both_ways();
		if ((word[2] & 1u << 21) == 0)
			continue;
		/* What is requested goes along. */
		self(0x40);
		wrmsr(MSR_BASE, base | BASE_ENABLE | BASE_X2APIC);
		x2apic = true;
		on();
		check("switched", "\x40");
		both_ways();
	}
	say("apic done\n");
	debug_exit(wrong);
}
