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

#define COM1		0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define BEAT_US		5000
#define CLEAN_FROM	0x400000ull /* above the image and what its loader left */
#define WATCHED		0x800000ull /* the hashed part: PAGES from here on */
#define PAGES		2048u
#define VECTOR		0x50

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define X2APIC_SVR	 0x80f
#define X2APIC_EOI	 0x80b
#define X2APIC_LVT_TIMER 0x832

enum wrong { WRONG_NOTHING = 1, WRONG_MEMORY, WRONG_REGISTER, WRONG_NOT_CLEAN, WRONG_EXCEPTION, WRONG_MACHINE };

struct gate {
	uint16_t offset_low, selector, attributes, offset_middle;
	uint32_t offset_high, reserved;
};
/* The part of Multiboot's information that is read. */
struct information {
	uint32_t flags, lower, upper, device, line;
};

extern uint8_t exception_stubs[], victim_interrupt[], interrupt_ignored[];
void bench_main(uint32_t multiboot);
void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1);
void victim_tick(void);
uint64_t interrupts_seen; /* start.S has handlers that count here */
static struct gate idt[256];
static uint64_t hashes[PAGES];
static volatile uint64_t beats, deadline, latest, period;

/* ---- the machine ---- */
static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
static inline uint64_t rdtsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}
static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* ---- words ---- */
static void say(const char *text)
{
	for (; *text; text++) {
		while (!(in8(COM1 + 5) & 0x20))
			;
		out8(COM1, (uint8_t)*text);
	}
}

static void say_number(uint64_t value)
{
	char digits[24], *end = digits + sizeof(digits);

	*--end = 0;
	do
		*--end = (char)('0' + value % 10);
	while (value /= 10);
	say(end);
}

static void say_hex(uint64_t value)
{
	for (int digit = 15; digit >= 0; digit--) {
		char text[2] = {"0123456789abcdef"[value >> 4 * digit & 15], 0};
		say(text);
	}
}

static _Noreturn void end(enum wrong wrong)
{
	__asm__ volatile("cli");
	__asm__ volatile("outl %0, %1" : : "a"((uint32_t)wrong), "Nd"((uint16_t)PORT_DEBUG_EXIT));
	for (;;)
		__asm__ volatile("hlt");
}

static _Noreturn void complain(enum wrong wrong, const char *what, uint64_t where, uint64_t got, uint64_t wanted)
{
	__asm__ volatile("cli");
	say("victim: ");
	say(what);
	say(" ");
	say_hex(where);
	say(" is ");
	say_hex(got);
	say(", not ");
	say_hex(wanted);
	say(", after ");
	say_number(beats);
	say(" beats\n");
	end(wrong);
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

static void gate_set(unsigned vector, const uint8_t *handler)
{
	uint64_t address = (uint64_t)handler;
	idt[vector] = (struct gate){
		.offset_low = (uint16_t)address,
		.selector = 8,
		.attributes = 0x8e00,
		.offset_middle = (uint16_t)(address >> 16),
		.offset_high = (uint32_t)(address >> 32),
	};
}

/* TSC ticks in a millisecond, as Gyre's leaf says. */
static uint64_t tsc_khz(void)
{
	uint32_t eax = 0x40000010, ebx, ecx = 0, edx;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax;
}

static void heart_start(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

	for (unsigned vector = 0; vector < 256; vector++)
		gate_set(vector, vector < 32 ? exception_stubs + 32 * vector : interrupt_ignored);
	gate_set(VECTOR, victim_interrupt);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
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
	case 0: __asm__ volatile("mov %0, %%dr0" : : "r"(value)); break;
	case 1: __asm__ volatile("mov %0, %%dr1" : : "r"(value)); break;
	case 2: __asm__ volatile("mov %0, %%dr2" : : "r"(value)); break;
	default: __asm__ volatile("mov %0, %%dr3" : : "r"(value)); break;
	}
}

static uint64_t dr_read(unsigned number)
{
	uint64_t value;
	switch (number) {
	case 0: __asm__ volatile("mov %%dr0, %0" : "=r"(value)); break;
	case 1: __asm__ volatile("mov %%dr1, %0" : "=r"(value)); break;
	case 2: __asm__ volatile("mov %%dr2, %0" : "=r"(value)); break;
	default: __asm__ volatile("mov %%dr3, %0" : "=r"(value)); break;
	}
	return value;
}

static void registers_load(void)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(0x620ull)); /* PAE, FXSR, SSE exceptions */
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
	__asm__ volatile("mov %0, %%dr7" : : "r"(DR7_VALUE));
	__asm__ volatile("mov %0, %%cr2" : : "r"(CR2_VALUE));
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
	__asm__ volatile("mov %%dr7, %0" : "=r"(value));
	if (value != DR7_VALUE)
		complain(WRONG_REGISTER, "debug register", 7, value, DR7_VALUE);
	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
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
static const char *word_after(const char *line, const char *word)
{
	for (; *line; line++) {
		const char *a = line, *b = word;
		while (*b && *a == *b)
			a++, b++;
		if (*b == 0)
			return a;
	}
	return 0;
}

void bench_main(uint32_t multiboot)
{
	const struct information *information = (const struct information *)(uintptr_t)multiboot;
	const char *line = information->flags & 4 ? (const char *)(uintptr_t)information->line : "";
	const char *number = word_after(line, "beats=");
	bool quiet = word_after(line, "quiet") != 0;
	uint64_t wanted = number ? 0 : 100, seen = 0;

	for (; number && *number >= '0' && *number <= '9'; number++)
		wanted = wanted * 10 + (uint64_t)(*number - '0');
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
	end(WRONG_NOTHING);
}
