/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/victim/victim.c: a guest that does nothing to anybody, and notices what others do to it (docs/testing.md, "The oracle").
 *   Memory      that it gets holds nothing of another's: zeros from CLEAN_FROM on. Then it is filled, and a hash of each page taken again and again
 *   Registers   x87, XMM, MSRs of system calls, CR2, DR0 to DR3 keep what was put there. Of DR7 no breakpoint is on: some emulators can't bear one
 *   Heartbeat   by the timer of its local APIC, every BEAT_US of the TSC's time; the latest one is told
 * Words of its command line: "beats=N" (left out: 100), and "quiet": it halts between the beats, and looks at its memory only once a beat. The end is
 * the debug exit port: 1, or what was wrong (WRONG_). Its last line says it in words.
 */
#include <stdbool.h>
#include <stdint.h>
#include "guests/bench/start.h"
#include "guests/common/console.h"
#include "guests/common/cpu.h"
#include "guests/common/debug_exit.h"

#define BEAT_US	   5000
#define CLEAN_FROM 0x400000ull /* above the image and what its loader left */
#define WATCHED	   0x800000ull /* the hashed part: PAGES from here on */
#define PAGES	   2048u
#define VECTOR	   0x50

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define X2APIC_SVR	 0x80f
#define X2APIC_EOI	 0x80b
#define X2APIC_LVT_TIMER 0x832

enum wrong { WRONG_NOTHING = 1, WRONG_MEMORY, WRONG_REGISTER, WRONG_NOT_CLEAN, WRONG_EXCEPTION, WRONG_MACHINE };

/* The part of Multiboot's information that is read. */
struct information {
	uint32_t flags, lower, upper;
};

extern uint8_t victim_interrupt[];
void victim_tick(void);
static struct gate idt[IDT_VECTORS];
static uint64_t hashes[PAGES];
static volatile uint64_t beats, deadline, latest, period;

/* ---- words ---- */
static _Noreturn void complain(enum wrong wrong, const char *what, uint64_t where, uint64_t got, uint64_t wanted)
{
	__asm__ volatile("cli");
	say("victim: ");
	say(what);
	say(" ");
	say_hex(where, 16);
	say(" is ");
	say_hex(got, 16);
	say(", not ");
	say_hex(wanted, 16);
	say(", after ");
	say_number(beats);
	say(" beats\n");
	debug_exit(wrong);
}

void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1)
{
	complain(WRONG_EXCEPTION, "exception", vector, word0, word1);
}

/* ---- the heartbeat ---- */
void victim_tick(void)
{
	uint64_t now = rdtsc();
	if (now - deadline > latest)
		latest = now - deadline;
	beats++;
	while (deadline <= now)
		deadline += period;
	wrmsr(X2APIC_EOI, 0);
	wrmsr(MSR_TSC_DEADLINE, deadline);
}

/* TSC ticks in a millisecond, as Gyre's leaf says. */
static uint64_t tsc_khz(void)
{
	uint32_t word[4];

	cpuid(0x40000010, 0, word);
	return word[0];
}

static void heart_start(void)
{
	for (unsigned vector = 0; vector < IDT_VECTORS; vector++)
		idt[vector] = gate_to(interrupt_ignored, GATE_INTERRUPT, 0);
	exceptions_to_stubs(idt);
	idt[VECTOR] = gate_to(victim_interrupt, GATE_INTERRUPT, 0);
	idt_load(idt);
	pics_mask();
	period = tsc_khz() * BEAT_US / 1000;
	if (period == 0)
		complain(WRONG_MACHINE, "ticks of the TSC in a beat", 0, 0, 1);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
	wrmsr(X2APIC_SVR, 0x1ff);
	wrmsr(X2APIC_LVT_TIMER, 2u << 17 | VECTOR); /* by the TSC */
	deadline = rdtsc() + period;
	wrmsr(MSR_TSC_DEADLINE, deadline);
}

/* ---- memory ---- */
static void check_clean(uint64_t memory_end)
{
	uint64_t found = 0, first = 0, value = 0;
	for (const uint64_t *at = (const uint64_t *)CLEAN_FROM; at < (const uint64_t *)memory_end; at++) {
		if (*at == 0)
			continue;
		if (found++ == 0)
			first = (uint64_t)at, value = *at;
	}
	if (found == 0)
		return;
	say("victim: its memory was not clean: ");
	say_number(found);
	say(" words\n");
	complain(WRONG_NOT_CLEAN, "new memory at", first, value, 0);
}

static uint64_t *page_at(unsigned page)
{
	return (uint64_t *)(WATCHED + page * 4096ull);
}

static uint64_t hash_of(unsigned page)
{
	const uint64_t *word = page_at(page);
	uint64_t hash = page + 1;
	for (unsigned i = 0; i < 512; i++)
		hash = (hash ^ word[i]) * 0x100000001b3ull + (hash >> 47);
	return hash;
}

static void memory_fill(void)
{
	for (unsigned page = 0; page < PAGES; page++) {
		for (unsigned i = 0; i < 512; i++)
			page_at(page)[i] = (page * 512ull + i + 1) * 0x9e3779b97f4a7c15ull;
		hashes[page] = hash_of(page);
	}
}

static void memory_check(unsigned page)
{
	uint64_t hash = hash_of(page);
	if (hash != hashes[page])
		complain(WRONG_MEMORY, "the hash of the page at", (uint64_t)page_at(page), hash, hashes[page]);
}

/* ---- registers ---- */
static uint8_t area[512] __attribute__((aligned(16))), read_back[512] __attribute__((aligned(16)));
static const uint32_t msrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0x174, 0x175, 0x176};
#define CR2_VALUE 0x123456789abcull
#define DR7_VALUE 0x0dd00400ull /* kinds and lengths of breakpoints, none of which is on */

static uint64_t msr_value(unsigned index)
{
	/* Canonical, and of 16 bits where a processor keeps no more. */
	return msrs[index] == 0xc0000084 || msrs[index] == 0x174 ? 0x5a00 + index : 0x123450000000ull + index * 0x111;
}

static uint64_t dr_value(unsigned number)
{
	return 0x100000001000ull * (number + 1);
}

static void dr_write(unsigned number, uint64_t value)
{
	switch (number) {
	case 0: set_dr0(value); break;
	case 1: set_dr1(value); break;
	case 2: set_dr2(value); break;
	default: set_dr3(value); break;
	}
}

static uint64_t dr_read(unsigned number)
{
	switch (number) {
	case 0: return dr0();
	case 1: return dr1();
	case 2: return dr2();
	default: return dr3();
	}
}

static void registers_load(void)
{
	set_cr4(0x620); /* PAE, FXSR, SSE exceptions */
	for (unsigned i = 0; i < 512; i++)
		area[i] = i < 32 || (i < 160 && (i & 15) > 9) || i >= 416 ? 0 : (uint8_t)(3 * i + 1);
	*(uint16_t *)area = 0x37f;
	area[4] = 0xff; /* all of x87's registers are in use */
	*(uint32_t *)(area + 24) = 0x1f80;
	__asm__ volatile("fxrstor64 %0" : : "m"(area));
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		wrmsr(msrs[i], msr_value(i));
	for (unsigned i = 0; i < 4; i++)
		dr_write(i, dr_value(i));
	set_dr7(DR7_VALUE);
	set_cr2(CR2_VALUE);
}

static void registers_check(void)
{
	uint64_t value;
	__asm__ volatile("fxsave64 %0" : "=m"(read_back));
	for (unsigned i = 0; i < 416; i++)
		if ((i < 8 || i >= 32 || (i >= 24 && i < 28)) && read_back[i] != area[i])
			complain(WRONG_REGISTER, "vector state, byte", i, read_back[i], area[i]);
	for (unsigned i = 0; i < 4; i++)
		if ((value = dr_read(i)) != dr_value(i))
			complain(WRONG_REGISTER, "debug register", i, value, dr_value(i));
	value = dr7();
	if (value != DR7_VALUE)
		complain(WRONG_REGISTER, "debug register", 7, value, DR7_VALUE);
	value = cr2();
	if (value != CR2_VALUE)
		complain(WRONG_REGISTER, "control register", 2, value, CR2_VALUE);
}

static void msrs_check(void)
{
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if (rdmsr(msrs[i]) != msr_value(i))
			complain(WRONG_REGISTER, "MSR", msrs[i], rdmsr(msrs[i]), msr_value(i));
}

/* ---- */
void bench_main(uint32_t multiboot)
{
	const struct information *information = (const struct information *)(uintptr_t)multiboot;
	const char *line = start_line(multiboot);
	bool quiet = word_after(line, "quiet") != 0;
	uint64_t wanted = number_after(line, "beats=", 100), seen = 0;

	check_clean(0x100000 + information->upper * 1024ull);
	memory_fill();
	registers_load();
	heart_start();
	for (unsigned page = 0; beats < wanted; page = (page + 1) % PAGES) {
		__asm__ volatile("sti");
		if (quiet)
			__asm__ volatile("hlt");
		memory_check(page);
		registers_check();
		if (beats != seen) {
			seen = beats;
			msrs_check();
		}
	}
	__asm__ volatile("cli");
	for (unsigned page = 0; page < PAGES; page++)
		memory_check(page);
	say("victim: all is well, ");
	say_number(beats);
	say(" beats, at most ");
	say_number(latest * 1000 / tsc_khz());
	say(" us late\n");
	debug_exit(WRONG_NOTHING);
}
