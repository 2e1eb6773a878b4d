/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/conform/ioapic.c: the I/O APIC with the test device's lines at 0x2000 + n: edges, levels, masks, remote IRR, EOI. Data sheet of the 82093AA.
 * Without such lines (a bare machine) only its registers.
 */
#include "guests/conform/conform.h"

#define PAGE	0xfec00000ull
#define APIC	0xfee00000ull
#define LINES	0x2000
#define LINE	14
#define VECTOR	0x71
#define MASKED	0x10000u
#define LEVEL	0x8000u
#define LOW	0x2000u
#define REMOTE	0x4000u
#define PENDING 0x1000u

static unsigned count;
static bool lower, no_eoi;
static unsigned order[4];

static void write(uint32_t index, uint32_t value)
{
	*(volatile uint32_t *)PAGE = index;
	*(volatile uint32_t *)(PAGE + 0x10) = value;
}
static uint32_t read(uint32_t index)
{
	*(volatile uint32_t *)PAGE = index;
	return *(volatile uint32_t *)(PAGE + 0x10);
}
static void entry(unsigned line, uint32_t value)
{
	write(0x11 + 2 * line, 0);
	write(0x10 + 2 * line, value);
}
static void line(unsigned number, uint8_t level)
{
	out8((uint16_t)(LINES + number), level);
}
static void eoi(void)
{
	*(volatile uint32_t *)(APIC + 0xb0) = 0;
}

static bool on_interrupt(struct frame *frame)
{
	if (frame->vector < 0x70 || frame->vector > 0x8f)
		return false;
	if (count < 4)
		order[count] = (unsigned)frame->vector;
	count++;
	if (lower)
		line(LINE, 0);
	if (!no_eoi)
		eoi();
	else
		frame->rflags &= ~0x200ull;
	return true;
}

static void open(void)
{
	__asm__ volatile("sti; nop; nop; nop; cli" : : : "memory");
}

static void edges(void)
{
	line(LINE, 0);
	entry(LINE, VECTOR);
	count = 0;
	line(LINE, 1);
	open();
	check(count == 1, "a rising edge is an interrupt");
	open();
	check(count == 1, "once");
	line(LINE, 0);
	open();
	check(count == 1, "a falling edge is none");
	line(LINE, 1);
	line(LINE, 0);
	open();
	check(count == 2, "a pulse is one");
	line(LINE, 1), line(LINE, 0), line(LINE, 1), line(LINE, 0);
	open();
	check(count == 3, "two pulses before it is taken are one");
	entry(LINE, MASKED | VECTOR);
	count = 0;
	line(LINE, 1);
	open();
	check(count == 0, "masked, an edge is none");
	line(LINE, 0);
	entry(LINE, VECTOR);
	open();
	check(count == 0, "and is lost");
}

static void levels(void)
{
	line(LINE, 0);
	entry(LINE, LEVEL | VECTOR);
	count = 0;
	lower = true;
	line(LINE, 1);
	open();
	check(count == 1 && !(read(0x10 + 2 * LINE) & REMOTE),
		"a level is an interrupt, and after its EOI remote IRR is clear");
	lower = false, no_eoi = true;
	count = 0;
	line(LINE, 1);
	open();
	check(count == 1 && read(0x10 + 2 * LINE) & REMOTE, "before its EOI remote IRR is set");
	line(LINE, 0);
	check(read(0x10 + 2 * LINE) & REMOTE, "and stays so when the line falls");
	eoi();
	check(!(read(0x10 + 2 * LINE) & REMOTE), "EOI clears it");
	open();
	check(count == 1, "with the line low there is no other");
	line(LINE, 1);
	open();
	eoi();
	open();
	check(count == 3, "with the line high EOI makes another");
	line(LINE, 0);
	eoi();
	open();
	no_eoi = false;
	entry(LINE, MASKED | LEVEL | VECTOR);
	count = 0;
	line(LINE, 1);
	open();
	check(count == 0, "masked, a level is none");
	lower = true;
	entry(LINE, LEVEL | VECTOR);
	open();
	check(count == 1, "and comes when the mask is taken away");
	lower = false;
	line(LINE, 0);
}

static void priorities(void)
{
	entry(LINE, 0x71);
	entry(LINE + 1, 0x81);
	count = 0;
	line(LINE, 1), line(LINE + 1, 1);
	open();
	open();
	check(count == 2 && order[0] == 0x81 && order[1] == 0x71, "the higher vector comes first");
	line(LINE, 0), line(LINE + 1, 0);
	entry(LINE + 1, MASKED);
}

static void registers(void)
{
	check((read(1) & 0xff) >= 0x11 && (read(1) & 0xff) <= 0x20 && (read(1) >> 16 & 0xff) == 23,
		"version, and 24 entries");
	write(1, 0);
	check((read(1) >> 16 & 0xff) == 23, "the version cannot be written");
	uint32_t id = read(0);
	write(0, 0x0f000000);
	check(read(0) == 0x0f000000, "the id is kept");
	write(0, 0);
	check(read(0) == 0, "and again");
	write(0, id);
	entry(LINE, MASKED | VECTOR | LEVEL | LOW);
	check((read(0x10 + 2 * LINE) & 0x1ffff) == (MASKED | VECTOR | LEVEL | LOW), "an entry is kept");
	entry(LINE, 0xffffffff & ~(LEVEL | LOW));
	check(!(read(0x10 + 2 * LINE) & (REMOTE | PENDING)), "delivery status and remote IRR cannot be written");
	write(0x11 + 2 * LINE, 0xffffffff);
	check(read(0x11 + 2 * LINE) >> 24 == 0xff, "its destination is kept");
	entry(LINE, MASKED);
	*(volatile uint8_t *)PAGE = 1;
	check((*(volatile uint32_t *)PAGE & 0xff) == 1, "the index can be written as a byte");
}

void io_apic(void)
{
	registers();
	if (!has_test_device()) {
		skip("lines: there is no test device");
		return;
	}
	if (rdmsr(0x1b) & 0x400) {
		uint64_t base = rdmsr(0x1b);
		wrmsr(0x1b, base & ~0xc00ull);
		wrmsr(0x1b, (base & ~0x400ull) | 0x800);
	}
	*(volatile uint32_t *)(APIC + 0xf0) = 0x1ff;
	on_trap = on_interrupt;
	edges();
	levels();
	priorities();
	entry(LINE, MASKED);
}
