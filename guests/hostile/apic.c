/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/apic.c: operations on the local APIC, in both of its modes: registers, messages to itself, timers, and waiting. */
#include "guests/hostile/hostile.h"

#define X2APIC_MSR(offset) (0x800 + (offset) / 16)

static bool x2apic;
static uint32_t offset;
static uint64_t value;

static void mode_x2apic(uint64_t unused)
{
	(void)unused;
	wrmsr(0x1b, APIC | 0xd00);
}

static void apic_write(uint64_t unused)
{
	(void)unused;
	if (x2apic)
		wrmsr(X2APIC_MSR(offset), value);
	else
		mmio_write(APIC + offset, (uint32_t)value);
}

static void apic_read(uint64_t unused)
{
	(void)unused;
	if (x2apic)
		value = rdmsr(X2APIC_MSR(offset));
	else
		value = mmio_read(APIC + offset);
}

/* An INIT to itself would be a reset: op_reset does it. A start-up goes nowhere. */
static void harmless(void)
{
	if ((offset & ~15u) == 0x300 && (value & 0x700) == 0x500)
		value &= ~0x700ull;
}

static void random_registers(void)
{
	for (unsigned i = 0; i < 12; i++) {
		offset = below(8) ? below(64) * 16 : below(4096);
		value = odd();
		if (x2apic && below(4))
			value = (uint32_t)value;
		harmless();
		try(below(3) ? apic_write : apic_read, 0);
	}
}

void op_apic(void)
{
	x2apic = false;
	random_registers();
}

static void x2apic_on(void)
{
	x2apic = attempt(mode_x2apic, 0) == 0;
}

void op_x2apic(void)
{
	x2apic_on();
	random_registers();
	x2apic = false;
}

/* ---- sweeps ---- */
static void all_registers(void)
{
	uint64_t *seen = x2apic ? windows()->x2apic : windows()->apic;
	for (unsigned i = 0; i < 64; i++) {
		offset = i * 16;
		try(apic_read, 0);
		seen[0] |= 1ull << i;
		value = (uint32_t)odd();
		harmless();
		try(apic_write, 0);
		seen[1] |= 1ull << i;
		try(apic_read, 0);
	}
}

static void odd_sizes(uint64_t at)
{
	volatile uint8_t *byte = (volatile uint8_t *)at;
	*byte = (uint8_t)(*byte + 1);
	*(volatile uint16_t *)byte = (uint16_t)(*(volatile uint16_t *)byte + 1);
	*(volatile uint64_t *)byte = *(volatile uint64_t *)byte;
}

void sweep_apic(unsigned part)
{
	x2apic = false;
	if (part == 0)
		all_registers();
	else
		for (unsigned i = 0; i < 4096; i += 8)
			if (i < 0x300 || i >= 0x320)
				try(odd_sizes, APIC + i + below(4));
}

void sweep_x2apic(unsigned part)
{
	x2apic_on();
	if (part == 0)
		all_registers();
	else
		random_registers();
	x2apic = false;
}

/* ---- messages ---- */
static void open_window(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("sti; nop; nop; pause; cli"); return;
	case 1: __asm__ volatile("sti; hlt; cli"); return;
	case 2: __asm__ volatile("mov %%ss, %%eax; sti; mov %%eax, %%ss; nop; nop; cli" : : : "eax"); return;
	default: __asm__ volatile("sti; cli; sti; nop; cli"); return;
	}
}

static void priority(uint64_t level)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(level));
}

static void send(void)
{
	static const uint32_t kinds[] = {0, 0, 0, 0x100, 0x200, 0x400, 0x600, 0x700};
	static const uint32_t shorthands[] = {0, 1u << 18, 1u << 18, 2u << 18, 3u << 18};
	value = kinds[below(COUNT(kinds))] | shorthands[below(COUNT(shorthands))] | below(256) | (random32() & 0xc800);
	if (x2apic)
		value |= (uint64_t)(below(2) ? below(3) : (uint32_t)odd()) << 32;
	if (!x2apic && below(2)) {
		uint64_t low = value;
		offset = 0x310;
		value = odd();
		try(apic_write, 0);
		value = low;
	}
	offset = 0x300;
	if (x2apic && below(4) == 0) {
		offset = 0x3f0;
		value = below(4) ? below(256) : odd();
	}
	try(apic_write, 0);
}

void op_ipi(void)
{
	if (below(2))
		x2apic_on();
	if (below(4) == 0) {
		offset = below(2) ? 0xd0 : 0xe0; /* another logical address */
		value = odd();
		try(apic_write, 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		if (below(4) == 0 && !without.cr)
			try(priority, below(18));
		send();
		if (below(2))
			try(open_window, below(4) == 0 ? 1 : below(4));
		if (below(2)) {
			offset = 0xb0;
			value = below(8) ? 0 : odd();
			try(apic_write, 0);
		}
	}
	if (!without.cr)
		attempt(priority, 0);
	x2apic = false;
}

/* Timers at 0, 1, the last tick, in the past, changed while they are armed (A15). */
static void deadline(uint64_t time)
{
	wrmsr(0x6e0, time);
}

static void tsc_move(uint64_t by)
{
	wrmsr(below(2) ? 0x10 : 0x3b, by);
}

void op_timer(void)
{
	static const uint32_t ticks[] = {0, 1, 2, 100, 3000, 0x7fffffff, 0xfffffffe, 0xffffffff};
	if (below(2))
		x2apic_on();
	for (unsigned i = 0; i < 6; i++) {
		offset = 0x320;
		value = (0x20 + below(16)) | below(4) << 17 | (uint32_t)(below(6) == 0) << 16;
		try(apic_write, 0);
		offset = 0x3e0;
		value = below(16);
		try(apic_write, 0);
		offset = 0x380;
		value = below(8) ? ticks[below(COUNT(ticks))] : random32();
		try(apic_write, 0);
		uint64_t now = rdtsc();
		const uint64_t times[] = {
			0, 1, now, now - 1, now + 1, now + 500, now + 100000, ~0ull, 1ull << 63, (1ull << 63) - 1};
		if (below(2))
			try(deadline, times[below(COUNT(times))]);
		if (below(8) == 0)
			try(tsc_move, below(2) ? odd() : now);
		if (below(2)) {
			offset = 0x390;
			try(apic_read, 0);
		}
		try(open_window, below(8) ? 0 : 1);
		if (below(4) == 0)
			attempt(x2apic ? apic_write : mode_x2apic, 0);
	}
	x2apic = false;
	attempt(tsc_move, rdtsc() & 0xffffffffffff);
}

/* ---- waiting ---- */
static void wait(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("cli; hlt"); return; /* the watchdog's NMI ends it */
	case 1: __asm__ volatile("sti; hlt; cli"); return;
	case 2:
		for (unsigned i = 0; i < 30000; i++)
			__asm__ volatile("pause");
		return;
	case 3:
		for (;;)
			__asm__ volatile("pause");
	case 4: __asm__ volatile("monitor" : : "a"(SANDBOX), "c"(0), "d"(0)); return;
	default: __asm__ volatile("mwait" : : "a"(0), "c"(0)); return;
	}
}

void op_halt(void)
{
	try(wait, below(6));
}
