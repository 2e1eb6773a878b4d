/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/hostile.c: a guest that tries every interface of its machine with values that make no sense: "seed=N". Any other command line makes it the
 * victim, which watches that nobody changes its memory and its vector registers.
 */
#include <stdint.h>

#define COM1	   0x3f8
#define DEBUG_EXIT 0xf4
#define APIC	   0xfee00000u
#define SCRATCH	   ((uint8_t *)0x800000)  /* 1 MiB, for nothing else */
#define PATTERN	   ((uint32_t *)0x400000) /* the victim's: 4 MiB */
#define TABLE	   ((uint32_t *)0x700000)

extern uint32_t attempt(void (*function)(void));
extern void call_user(uint32_t eip);
extern const char trap_stubs[];
extern uint32_t trap_vector;

struct multiboot_info {
	uint32_t flags, memory_lower, memory_upper, boot_device, command_line;
};

static uint64_t seed = 1;
static uint32_t upper_kib, faults, tries;

static uint32_t random(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dull) >> 32);
}

static uint32_t odd(void)
{
	static const uint32_t values[] = {
		0, 1, ~0u, 1u << 31, 0x7fffffff, 0xfee00000, 0xffff, 0x10000, 0x100, 0xff, 0x80, 0x1f, 0x20};
	return random() % 2 ? random() : values[random() % (sizeof(values) / sizeof(values[0]))];
}

/* ---- the console ---- */

static inline void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Steps may have left the UART in any state. */
static void console_reset(void)
{
	port_write(COM1 + 3, 0x80);
	port_write(COM1, 1);
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 3);
	port_write(COM1 + 4, 3);
}

static void say(const char *text)
{
	for (; *text; text++) {
		for (unsigned i = 0; i < 10000 && !(port_read(COM1 + 5) & 0x20); i++)
			;
		port_write(COM1, (uint8_t)*text);
	}
}

static void say_number(uint32_t number)
{
	char digits[11], *digit = digits + sizeof(digits);
	*--digit = 0;
	do
		*--digit = (char)('0' + number % 10);
	while (number /= 10);
	say(digit);
}

static void debug_exit(uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)DEBUG_EXIT));
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- tables ---- */

static uint64_t gdt[8];
static uint32_t idt[512], tss[26];

static void tables_load(void)
{
	static struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer;
	gdt[1] = 0x00cf9b000000ffffull;
	gdt[2] = 0x00cf93000000ffffull;
	gdt[3] = 0x00cffb000000ffffull; /* ring 3 */
	gdt[4] = 0x00cff3000000ffffull;
	uint32_t base = (uint32_t)tss;
	gdt[5] = 0x0000890000000067ull | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(base >> 24) << 56;
	tss[1] = 0x90000 + 0xff0;
	tss[2] = 0x10;
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t at = (uint32_t)trap_stubs + i * 16;
		idt[i * 2] = 0x80000 | (at & 0xffff);
		idt[i * 2 + 1] = (at & 0xffff0000) | 0x8e00 | (i % 2 ? 0x6000 : 0);
	}
	pointer.limit = sizeof(gdt) - 1;
	pointer.base = (uint32_t)gdt;
	__asm__ volatile("lgdt %0; ljmp $8, $1f; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss; mov %1, %%fs; mov %1, "
			 "%%gs; ltr %w2"
			 :
			 : "m"(pointer), "r"(0x10), "r"(0x28)
			 : "memory");
	pointer.limit = sizeof(idt) - 1;
	pointer.base = (uint32_t)idt;
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

/* Makes a step, and puts back what it may have changed. */
static void step(void (*function)(void))
{
	uint32_t vector = attempt(function);
	tries++;
	faults += vector != 0;
	if (vector > 32)
		*(volatile uint32_t *)(APIC + 0xb0) = 0;
	__asm__ volatile("mov %0, %%cr0; mov %1, %%cr4; mov %1, %%cr3; mov %1, %%dr7" : : "r"(0x11), "r"(0) : "memory");
	__asm__ volatile("lldt %w0; push $2; popf" : : "r"(0) : "memory", "cc");
}

/* ---- MSRs, CPUID ---- */

static uint32_t register_index, register_low, register_high;

static void msr_read(void)
{
	__asm__ volatile("rdmsr" : "=a"(register_low), "=d"(register_high) : "c"(register_index));
}

static void msr_write(void)
{
	__asm__ volatile("wrmsr" : : "a"(register_low), "d"(register_high), "c"(register_index));
}

static void cpuid(void)
{
	uint32_t a = register_index, b, c = register_low, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static uint32_t msr_odd(void)
{
	static const uint32_t bases[] = {0, 0x174, 0x1d0, 0x200, 0x260, 0x2f0, 0x400, 0x6e0, 0x800, 0xc80, 0xd90,
		0x4b564d00, 0x40000000, 0xc0000080, 0xc0000100, 0xc0010000, 0xc0010110, 0xc0011020};
	return random() % 8 ? bases[random() % (sizeof(bases) / sizeof(bases[0]))] + random() % 64 : random();
}

static void registers_sweep(void)
{
	static const struct {
		uint32_t first, end;
	} ranges[] = {{0, 0x1000}, {0x4b564cf0, 0x4b564d20}, {0x40000000, 0x40000100}, {0xc0000000, 0xc0000110},
		{0xc0010000, 0xc0010200}, {0xc0011000, 0xc0011040}};
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (register_index = ranges[i].first; register_index < ranges[i].end; register_index++)
			step(msr_read);
	for (unsigned i = 0; i < 3000; i++) {
		register_index = msr_odd();
		register_low = odd();
		register_high = random() % 2 ? 0 : odd();
		/* A clock page at a random place would be the guest's own end. */
		if (register_index == 0x4b564d01 || register_index == 0x4b564d00 || register_index == 0x11 ||
			register_index == 0x12)
			register_low = (uint32_t)SCRATCH | (random() & 0xfff);
		step(msr_write);
		step(msr_read);
	}
	for (unsigned i = 0; i < 500; i++) {
		register_index = random() % 2 ? random() % 64 | (random() % 3) * 0x40000000 : odd();
		register_low = odd();
		step(cpuid);
	}
	/* xAPIC mode again, by way of off: the local APIC is where it was. */
	register_index = 0x1b, register_high = 0;
	register_low = 0xfee00100;
	step(msr_write);
	register_low = 0xfee00900;
	step(msr_write);
}

/* ---- ports ---- */

static uint32_t port, value;

static void port_read_b(void)
{
	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "d"(port));
}
static void port_read_w(void)
{
	__asm__ volatile("inw %w1, %w0" : "=a"(value) : "d"(port));
}
static void port_read_l(void)
{
	__asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(port));
}
static void port_write_b(void)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port));
}
static void port_write_w(void)
{
	__asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port));
}
static void port_write_l(void)
{
	__asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port));
}

/* Those that end the VM, as they should. */
static int ends(uint32_t at)
{
	for (uint32_t i = at; i < at + 4; i++)
		if ((i & ~3u) == DEBUG_EXIT || (i >= 0xcf8 && i <= 0xcff) || i == 0x64 || i == 0x92 ||
			(i >= 0x600 && i < 0x700) || (i >= 0xb000 && i < 0xb100))
			return 1;
	return 0;
}

static void ports_sweep(void)
{
	static void (*const reads[])(void) = {port_read_b, port_read_w, port_read_l};
	static void (*const writes[])(void) = {port_write_b, port_write_w, port_write_l};
	for (port = 0; port < 0x10000; port += port < 0x800 || port > 0xfff0 ? 1 : 61)
		step(reads[random() % 3]);
	for (unsigned i = 0; i < 4000; i++) {
		port = random() % 4 ? random() % 0x500 : random() & 0xffff;
		value = odd();
		if (!ends(port))
			step(writes[random() % 3]);
	}
	console_reset();
}

/* ---- strings over edges ---- */

static uint32_t source, target, count;

static void movs(void)
{
	if (random() % 2)
		__asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
	else
		__asm__ volatile("std; rep movsl; cld" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
}
static void stos(void)
{
	__asm__ volatile("rep stosl" : "+D"(target), "+c"(count) : "a"(value) : "memory");
}
static void ins(void)
{
	__asm__ volatile("rep insw" : "+D"(target), "+c"(count) : "d"(port) : "memory");
}
static void outs(void)
{
	__asm__ volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(port) : "memory");
}

/* Device registers, the end of RAM, where nothing is, and the end of the address space. */
static uint32_t edge(void)
{
	uint32_t end = 0x100000 + upper_kib * 1024;
	const uint32_t places[] = {APIC + 0x400, APIC + 0x1000, 0xfec00000, 0xfec01000, end, end, 0xa0000, 0xd0000000,
		0xfed00000, 0xfffffff0, (uint32_t)SCRATCH};
	return places[random() % (sizeof(places) / sizeof(places[0]))] + random() % 64 - 32;
}

static void edges_sweep(void)
{
	static void (*const kinds[])(void) = {movs, stos, ins, outs};
	for (unsigned i = 0; i < 600; i++) {
		source = random() % 2 ? edge() : (uint32_t)SCRATCH + random() % 65536;
		target = random() % 2 ? edge() : (uint32_t)SCRATCH + 4096 + random() % 65536;
		count = random() % 40;
		do
			port = random() % 2 ? COM1 : random() % 0x400;
		while (ends(port));
		value = odd();
		step(kinds[random() % 4]);
	}
	console_reset();
}

/* ---- the local APIC and its timer ---- */

static void apic_write(void)
{
	*(volatile uint32_t *)(APIC + register_index) = value;
}
static void apic_read(void)
{
	value = *(volatile uint32_t *)(APIC + register_index);
}
static void wait_short(void)
{
	__asm__ volatile("sti; nop; nop; pause; cli");
}

static void apic_sweep(void)
{
	for (unsigned i = 0; i < 1500; i++) {
		register_index = random() % 8 ? random() % 64 * 16 : random() % 4096;
		value = odd();
		/* INIT and start-up to itself would be a restart. */
		if ((register_index & ~15u) == 0x300 || (register_index & ~15u) == 0x310)
			value &= ~0x700u;
		step(random() % 4 ? apic_write : apic_read);
		if (random() % 8 == 0)
			step(wait_short);
	}
	for (unsigned i = 0; i < 60;
		i++) { /* timers at 0, 1 and the last tick, and modes that change under them (A15) */
		static const uint32_t ticks[] = {0, 1, 2, 0x7fffffff, 0xfffffffe, 0xffffffff};
		register_index = 0x320;
		value = 0x20 | (random() % 4) << 17 | (random() % 4 == 0) << 16;
		step(apic_write);
		register_index = 0x3e0;
		value = random() % 16;
		step(apic_write);
		register_index = 0x380;
		value = ticks[random() % 6];
		step(apic_write);
		register_index = 0x6e0;
		register_low = ticks[random() % 6];
		register_high = ticks[random() % 6];
		step(msr_write);
		step(wait_short);
	}
}

/* ---- control registers ---- */

static void cr0_write(void)
{
	__asm__ volatile("mov %0, %%cr0" : : "r"(value & 0x7fffffff) : "memory");
}
static void cr4_write(void)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}
static void lmsw(void)
{
	__asm__ volatile("lmsw %w0" : : "r"(value | 1) : "memory");
}
static void dr7_write(void)
{
	/* Without a breakpoint that is on: those end the emulator of this machine. */
	__asm__ volatile("mov %0, %%dr7; mov %0, %%dr6; mov %0, %%dr3" : : "r"(value & ~0xffu) : "memory");
}
static void paging_on(void)
{
	__asm__ volatile("mov %0, %%cr4; mov %1, %%cr3; mov %2, %%cr0"
			 :
			 : "r"(0x10), "r"(TABLE), "r"(0x80000011)
			 : "memory");
	value = *(volatile uint32_t *)(0x40000000 + random() % 0x10000000);
	*(volatile uint32_t *)(0x40000000 + random() % 0x10000000) = value;
}
static void paging_bad(void)
{
	__asm__ volatile("mov %0, %%cr3; mov %1, %%cr4" : : "r"(random()), "r"(0x20) : "memory");
	__asm__ volatile("mov %0, %%cr0" : : "r"(0x11 | (random() & 0x60000000)) : "memory");
}

static void control_sweep(void)
{
	static void (*const kinds[])(void) = {cr0_write, cr4_write, lmsw, dr7_write, paging_on, paging_bad};
	/* Pages lie anywhere. Tables that lie outside of RAM are the VM's end, which comes last. */
	for (unsigned i = 0; i < 1024; i++) {
		if (i < 8 || i >= 0x3fb)
			TABLE[i] = i << 22 | 0x83;
		else
			TABLE[i] = random() % 2 ? (random() & 0xffc00000) | 0x87
						: (random() & 0x1fff000) | (random() & 0x7f);
	}
	for (unsigned i = 0; i < 1500; i++) {
		value = random() % 2 ? 1u << random() % 32 | (random() % 2) : odd();
		step(kinds[random() % 6]);
	}
}

/* ---- instructions, in ring 0 and 3 ---- */

static uint32_t code;

static void run_here(void)
{
	uint32_t a = odd(), c = odd(), d = odd();
	__asm__ volatile("call *%3" : "+a"(a), "+c"(c), "+d"(d) : "r"(code) : "memory", "cc", "esi", "edi");
}
static void run_user(void)
{
	call_user(code);
}

static void instructions_sweep(void)
{
	static const char texts[][12] = {"\x0f\x01\xd8", "\x0f\x01\xd9", "\x0f\x01\xda", "\x0f\x01\xdb", "\x0f\x01\xdc",
		"\x0f\x01\xdd", "\x0f\x01\xde", "\x0f\x01\xdf", "\x0f\x01\xc1", "\x0f\x01\xc2", "\x0f\x01\xc3",
		"\x0f\x01\xc4", "\x0f\x01\xc8", "\x0f\x01\xc9", "\x0f\x01\xd0", "\x0f\x01\xd1", "\x0f\x01\xf9",
		"\x0f\x01\xfd", "\x0f\x08", "\x0f\x09", "\x0f\x0b", "\x0f\x31", "\x0f\x32", "\x0f\x33", "\x0f\x34",
		"\x0f\x37", "\x0f\xaa", "\x0f\xa2", "\x0f\x05", "\x0f\x06", "\x0f\x20\xc2", "\x0f\x20\xe2",
		"\x0f\x22\xd2", "\x0f\x21\xf2", "\xcc", "\xcd\x80", "\xcd\xff", "\xce", "\xf1", "\xfa", "\xfb\x90\xfa",
		"\xe4\x60", "\xed", "\xef", "\x0f\x01\xe2", "\xf3\x90", "\x8e\xd8", "\x8e\xe0", "\x8e\xd2",
		"\x0f\xc7\xf0", "\x0f\xc7\xf8", "\x66\x0f\x38\x82\x01", "\xf0\x0f\xa2",
		"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66", "\xf3\x0f\xa7\xc0", "\x0f\xff"};
	/* SYSENTER leads to a handler. */
	const uint32_t entry[] = {8, 0x90ff0, (uint32_t)trap_stubs + 6 * 16};
	for (unsigned i = 0; i < 3; i++) {
		register_index = 0x174 + i;
		register_low = entry[i];
		register_high = 0;
		step(msr_write);
	}
	for (unsigned i = 0; i < 1500; i++) {
		const char *text = texts[random() % (sizeof(texts) / sizeof(texts[0]))];
		uint8_t *at = SCRATCH + 0x80000 + random() % 4096;
		code = (uint32_t)at;
		for (unsigned n = random() % 4; n > 0; n--)
			*at++ = "\x66\x67\xf2\xf3\x2e\x3e\x64\x90"[random() % 8];
		for (unsigned n = 0; n < 11 && (text[n] != 0 || n == 0); n++)
			*at++ = (uint8_t)text[n];
		*at++ = 0x90;			  /* for the prefixes that are left */
		*at++ = i % 3 == 0 ? 0x0f : 0xc3; /* UD2 is the way out of ring 3 */
		*at = 0x0b;
		step(i % 3 == 0 ? run_user : run_here);
	}
}

/* ---- vector registers ---- */

static uint8_t area[512] __attribute__((aligned(16)));

static void vectors_load(uint32_t pattern)
{
	for (unsigned i = 0; i < 512; i++)
		area[i] = i < 32 ? 0 : (uint8_t)(pattern + i);
	*(uint16_t *)area = 0x37f;
	*(uint32_t *)(area + 24) = 0x1f80;
	__asm__ volatile("fxrstor %0" : : "m"(area));
}

/* XMM0 to 7; ST0 to 7 have six bytes of nothing each. */
static int vectors_differ(uint32_t pattern, int zero)
{
	__asm__ volatile("fxsave %0" : "=m"(area));
	for (unsigned i = 32; i < 288; i++)
		if ((i >= 160 || (i & 15) < 10) && area[i] != (zero ? 0 : (uint8_t)(pattern + i)))
			return 1;
	return 0;
}

static void victim(void)
{
	for (uint32_t i = 0; i < 512 * 1024; i++)
		PATTERN[i] = i * 0x9e3779b9u;
	vectors_load(7);
	for (unsigned beat = 0; beat < 400; beat++) {
		for (uint32_t i = beat % 16; i < 512 * 1024; i += 16)
			if (PATTERN[i] != i * 0x9e3779b9u) {
				say("victim: memory changed\n");
				debug_exit(5);
			}
		if (vectors_differ(7, 0)) {
			say("victim: registers changed\n");
			debug_exit(6);
		}
		if (beat % 100 == 0)
			say("victim: beat\n");
	}
	say("victim: all is well\n");
	debug_exit(1);
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

static void sweep(const char *name, void (*function)(void))
{
	tries = faults = 0;
	vectors_load(random());
	function();
	tables_load();
	say("hostile: ");
	say(name);
	say(" ");
	say_number(tries);
	say(" tries, ");
	say_number(faults);
	say(" faults\n");
}

void kernel_main(uint32_t magic, const struct multiboot_info *info)
{
	const char *line = (const char *)info->command_line, *number = word_after(line, "seed=");
	(void)magic;
	upper_kib = info->memory_upper;
	console_reset();
	tables_load();
	__asm__ volatile("mov %0, %%cr4" : : "r"(0x600));
	if (vectors_differ(0, 1)) {
		say("registers are not those of a reset\n");
		debug_exit(7);
	}
	if (number == 0)
		victim();
	for (seed = 0; *number >= '0' && *number <= '9'; number++)
		seed = seed * 10 + (uint64_t)(*number - '0');
	seed = seed * 0x9e3779b97f4a7c15ull + 1;
	sweep("registers", registers_sweep);
	sweep("ports", ports_sweep);
	sweep("edges", edges_sweep);
	sweep("apic", apic_sweep);
	sweep("control", control_sweep);
	sweep("instructions", instructions_sweep);
	say("hostile: done\n");
	for (unsigned i = 8; i < 0x3fb; i++)
		TABLE[i] = 0xc0000007;
	attempt(paging_on);
	debug_exit(2);
}
