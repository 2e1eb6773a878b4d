/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/cases/cases.c: the adversary's cases as exact tests, one line each: "case A02: ok", or the source line that did not hold. They run on the hostile
 * guest's small system: its traps and modes. "qemu" leaves out what ends QEMU (A06) or what it does
 * otherwise than a processor; "loop=KIND" is A14's attacker, or A04's or A05's.
 */
#include "guests/cases/cases.h"
#include "guests/common/debug_exit.h"

#define GP (1 + 13)
#define PF (1 + 14)
#define UD (1 + 6)

static unsigned failed_at, failures;
static bool on_qemu;

void must(bool condition, unsigned line)
{
	if (!condition && failed_at == 0)
		failed_at = line;
}

static void verdict(const char *name)
{
	say("case ");
	say(name);
	if (failed_at == 0) {
		say(": ok\n");
	} else {
		say(": wrong at line ");
		say_number(failed_at);
		say("\n");
		failures++;
	}
	failed_at = 0;
	repair_cpu();
	watchdog_init();
}

uint32_t run_at(uint64_t rip, unsigned ring)
{
	enter_frame[0] = rip;
	enter_frame[1] = ring ? SEL_CODE64_3 | 3 : SEL_CODE64;
	enter_frame[2] = 2;
	enter_frame[3] = SANDBOX + SANDBOX_STACK;
	enter_frame[4] = ring ? SEL_DATA_3 | 3 : SEL_DATA;
	/* No watchdog: beside other VMs nobody knows how long it takes. */
	return enter_long();
}

static uint32_t run(const char *bytes, size_t count, unsigned ring)
{
	memory_set((void *)(SANDBOX + 0x1000), 0xcc, 64);
	memory_copy((void *)(SANDBOX + 0x1000), bytes, count);
	return run_at(SANDBOX + 0x1000, ring);
}
#define RUN(text, ring) run(text, sizeof(text) - 1, ring)

/* ---- A02: over the end of the lower half of addresses; nothing but #GP comes of it, whoever does the instruction there ---- */
#define EDGE 0x800000000000ull

static void map_edge(void)
{
	uint64_t *tables = (uint64_t *)PLAY;
	memory_set(tables, 0, 3 * 4096);
	sandbox_map[255] = PLAY | 0x67;
	tables[511] = (PLAY + 4096) | 0x67;
	tables[1023] = (PLAY + 8192) | 0x67;
	tables[1535] = (SANDBOX + 0x20000) | 0x67;
}

static uint32_t at_edge(const char *bytes, unsigned count, unsigned ring)
{
	memory_copy((void *)(uint64_t)(SANDBOX + 0x21000 - count), bytes, count);
	return run_at(EDGE - count, ring);
}

static void a02(void)
{
	static const struct {
		const char *bytes;
		uint8_t count, ring;
	} last[] = {{"\x90", 1, 3}, {"\x90", 1, 0}, {"\x0f\xa2", 2, 3}, {"\x0f\xa2", 2, 0}, {"\x0f\x01\xc1", 3, 3},
		{"\x0f\x01\xd9", 3, 3}, {"\x0f\x32", 2, 0}, {"\xec", 1, 0}, {"\xee", 1, 0}, {"\x8b\x03", 2, 3},
		{"\x89\x03", 2, 0}, {"\xeb\x00", 2, 3}, {"\xff\xe6", 2, 3}, {"\xff\xd6", 2, 3}, {"\x0f\x20\xc0", 3, 0},
		{"\x0f\x09", 2, 0}, {"\xf3\x90", 2, 3}, {"\x0f\x31", 2, 3}};
	map_edge();
	for (unsigned i = 0; i < COUNT(last); i++) {
		enter_regs[0] = 0, enter_regs[1] = 0x10, enter_regs[2] = 0xe0, enter_regs[3] = HOLE,
		enter_regs[6] = EDGE;
		must(at_edge(last[i].bytes, last[i].count, last[i].ring) == GP, 1000 + i);
	}
	/* Returns and jumps to there: near, far, by IRET, by SYSRET, from the stack that run_at() gives. */
	uint64_t *stack = (uint64_t *)(SANDBOX + SANDBOX_STACK);
	for (unsigned ring = 0; ring < 4; ring += 3) {
		uint64_t code = ring ? SEL_CODE64_3 | 3 : SEL_CODE64, data = ring ? SEL_DATA_3 | 3 : SEL_DATA;
		for (unsigned way = 0; way < 4; way++) {
			stack[0] = EDGE, stack[1] = code, stack[2] = 2, stack[3] = (uint64_t)stack, stack[4] = data;
			MUST((way == 0		? RUN("\xc3", ring)
				     : way == 1 ? RUN("\x48\xcb", ring)
				     : way == 2 ? RUN("\x48\xcf", ring)
						: RUN("\xc2\x08\x00", ring)) == GP);
		}
	}
	enter_regs[1] = EDGE, enter_regs[11] = 2;
	MUST(RUN("\x48\x0f\x07", 0) == GP);
	sandbox_map[255] = 0;
}

/* ---- A04, A05: traps whose delivery traps again. The processor leaves the guest, or the watchdog would not come through, and others would not run ---- */
static void a05(void)
{
	/* For ever. Breakpoints on the stack that exceptions are delivered on. */
	extern char trap_stacks[3][4096];
	uint64_t top = (uint64_t)trap_stacks[0] + 4096 - 8;
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1" : : "r"(top), "r"(top - 24));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x00dd0405ull | 0x2));
	__asm__ volatile("int3");
}

extern uint64_t legacy_idt[256];

static void a04(void)
{
	/* For ever. 32-bit ring 3: #AC's handler is in ring 3 as well, and its stack is not aligned: each delivery is the next #AC. */
	uint64_t was = legacy_idt[17];
	uint32_t *frame = (uint32_t *)(uint64_t)(SANDBOX + SANDBOX_STACK);
	memory_set((void *)(SANDBOX + 0x1000), 0xcc, 64);
	memory_copy((void *)(SANDBOX + 0x1000), "\xa1\x01\x20\x00\x00", 5); /* mov eax, [0x2001] */
	legacy_idt[17] = 0x1000ull | (uint64_t)(SEL_BOX_CODE32_3 | 3) << 16 | 0xee00ull << 32;
	descriptors_reset();
	enter_real = 0, enter_efer = 0, enter_cr0 = (CR0_HOME & 0x7fffffff) | 1u << 18, enter_cr4 = 0x600,
	enter_cr3 = 0;
	frame[0] = 0x1000, frame[1] = SEL_BOX_CODE32_3 | 3, frame[2] = 2 | 1u << 18, frame[3] = 0x8001,
	frame[4] = SEL_BOX_DATA_3 | 3;
	enter_data = SEL_BOX_DATA_3 | 3, enter_stack[0] = SANDBOX_STACK, enter_stack[1] = SEL_BOX_DATA;
	enter_legacy();
	legacy_idt[17] = was;
}

/* ---- A06: breakpoints where the core and the monitor are, and exits while they are armed ---- */
static void dr7_upper(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(value));
}
static void dr6_upper(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

static void a06(void)
{
	MUST(attempt(dr7_upper, 1ull << 32 | 0x400) == GP);
	MUST(attempt(dr6_upper, 1ull << 63) == GP);
	for (uint64_t at = 0xffffffff80100000; at < 0xffffffff80120000; at += 0x4000) {
		__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
				 :
				 : "r"(at), "r"(at + 0x1000), "r"(0x400000ull), "r"(at + 8));
		__asm__ volatile("mov %0, %%dr7" : : "r"(0xfff004ffull));
		for (unsigned i = 0; i < 20; i++) {
			uint32_t a = 0, b, c = 0, d;
			__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
			in8(0xe0);
			mmio_read(HOLE);
		}
	}
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull));
}

/* ---- A08: branch trace stores, and what else DEBUGCTL and MISC_ENABLE could do to the host ---- */
static void write_msr(uint64_t what)
{
	wrmsr((uint32_t)(what >> 32), (uint32_t)what);
}

static void a08(void)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		attempt(write_msr, 0x1d9ull << 32 | 1u << bit);
		attempt(write_msr, 0x1d9ull << 32 | 1u << bit | 0xc0); /* TR, BTS */
		for (volatile unsigned i = 0; i < 50; i++)
			;
		attempt(write_msr, 0x1a0ull << 32 | 1u << bit);
		in8(0xe0);
	}
	MUST(attempt(write_msr, 0x1d9ull << 32) == 0);
}

/* ---- A10: images of FPU state that no processor may load; what is left of another's ---- */
static uint8_t image[1024] __attribute__((aligned(64)));

static void fxrstor(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("fxrstor %0" : : "m"(image));
}
static void ldmxcsr(uint64_t value)
{
	uint32_t low = (uint32_t)value;
	__asm__ volatile("ldmxcsr %0" : : "m"(low));
}
static void xsetbv(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(CR4_HOME | 1ull << 18));
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0));
}

static void a10_first(void)
{
	__asm__ volatile("fxsave %0" : "=m"(image));
	for (unsigned i = 32; i < 416; i++)
		MUST(image[i] == 0); /* nobody's registers, at the start */
}

static void a10(void)
{
	memory_set(image, 0, sizeof(image));
	image[27] = 0x80; /* reserved bits of MXCSR */
	/* QEMU takes them. */
	MUST(attempt(fxrstor, 0) == (on_qemu ? 0 : GP));
	MUST(attempt(ldmxcsr, 0x10000) == (on_qemu ? 0 : GP));
	attempt(ldmxcsr, 0x1f80);
	for (unsigned bit = 1; bit < 63; bit++) {
		uint32_t outcome = attempt(xsetbv, 1ull << bit);
		MUST(outcome == GP || outcome == UD); /* without bit 0, or none of it there */
	}
}

/* ---- A15: a timer that is disarmed, or was another's mode's, stays silent; one in the past comes at once ---- */
static void window(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("sti");
	for (volatile unsigned i = 0; i < 3000; i++)
		;
	__asm__ volatile("cli");
}

static void a15(void)
{
	mmio_write(APIC + 0x320, 0x40040); /* the deadline */
	wrmsr(0x6e0, 0);
	MUST(attempt(window, 0) == 0);
	wrmsr(0x6e0, ~0ull);
	MUST(attempt(window, 0) == 0);
	wrmsr(0x6e0, 1);
	MUST(attempt(window, 0) == 1 + 0x40);
	mmio_write(APIC + 0xb0, 0);
	/* One shot: the deadline is forgotten, unless it came before, in another VM's turn. */
	uint64_t deadline = 0;
	for (unsigned tries = 0; tries < 10 && rdtsc() >= deadline; tries++) {
		attempt(window, 0);
		mmio_write(APIC + 0xb0, 0);
		mmio_write(APIC + 0x320, 0x40040);
		deadline = rdtsc() + 5000;
		wrmsr(0x6e0, deadline);
		mmio_write(APIC + 0x320, 0x41);
	}
	MUST(attempt(window, 0) == 0);
	mmio_write(APIC + 0x380, 0);
	MUST(attempt(window, 0) == 0);
	mmio_write(APIC + 0x380, 1);
	MUST(attempt(window, 0) == 1 + 0x41);
	mmio_write(APIC + 0xb0, 0);
	mmio_write(APIC + 0x380, 0xffffffff);
	mmio_write(APIC + 0x380, 0);
	MUST(attempt(window, 0) == 0);
}

/* ---- A19: fifteen bytes and no more, and instructions over the end of what is mapped, also where the emulator does them ---- */
static void a19(void)
{
	static const uint64_t places[] = {SANDBOX + 0x8000, HOLE};
	/* What is behind the sandbox's large page is not mapped. */
	uint8_t *end = (uint8_t *)(uint64_t)(SANDBOX + 0x200000);
	for (unsigned i = 0; i < COUNT(places); i++) {
		enter_regs[3] = places[i];
		MUST(RUN("\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x8b\x03\xcc", 3) ==
			1 + 3); /* fifteen: it works, and INT3 is next */
		MUST(RUN("\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x8b\x03\xcc", 3) == GP);
		memory_copy(end - 3, "\x8b\x83\x00", 3);
		MUST(run_at((uint64_t)end - 3, 3) == PF);
		memory_copy(end - 2, "\x8b\x03", 2);
		MUST(run_at((uint64_t)end - 2, 3) == PF); /* done; the next one is not there */
	}
}

/* ---- A21: ring 3 gets at a device where its page says so, and nowhere else ---- */
static void a21(void)
{
	enter_regs[3] = IOAPIC;
	MUST(RUN("\x8b\x03", 3) == PF);
	enter_regs[3] = APIC + 0x80;
	MUST(RUN("\x8b\x03\xcc", 3) == 1 + 3);
	MUST(RUN("\x89\x03\xcc", 3) == 1 + 3);
	enter_regs[2] = 0xe0;
	MUST(RUN("\xec", 3) == GP && RUN("\xee", 3) == GP && RUN("\x6c", 3) == GP && RUN("\xf3\x6f", 3) == GP);
	MUST(RUN("\xf4", 3) == GP && RUN("\x0f\x30", 3) == GP && RUN("\x0f\x09", 3) == GP &&
		RUN("\x0f\x22\xc0", 3) == GP);
}

/* ---- A23: accesses over an edge between RAM and nothing, and between devices ---- */
static void a23(void)
{
	volatile uint64_t *edge = (volatile uint64_t *)(RAM_END - 4);
	*(volatile uint32_t *)(RAM_END - 4) = 0;
	*edge = 0x1122334455667788;
	MUST(*(volatile uint32_t *)(RAM_END - 4) == 0x55667788);
	MUST(*edge == 0xffffffff55667788);
	uint64_t source = RAM_END - 16, target = SANDBOX + 0x8000, count = 32;
	memory_set((void *)source, 0x5a, 16);
	__asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
	MUST(count == 0 && source == RAM_END + 16 && *(uint64_t *)(SANDBOX + 0x8008) == 0x5a5a5a5a5a5a5a5a &&
		*(uint64_t *)(SANDBOX + 0x8010) == ~0ull);
	source = HOLE, target = APIC + 0xffc,
	count = 3; /* from nothing to the end of the local APIC's page, and over it */
	__asm__ volatile("rep movsl" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
	MUST(count == 0 && target == APIC + 0x1008);
	MUST(*(volatile uint64_t *)(APIC + 0xffc) >> 32 == 0xffffffff);
	*(volatile uint32_t *)(TEST_RAM + 0xfffc) = 0x12345678;
	MUST(*(volatile uint64_t *)(TEST_RAM + 0xfffc) == 0xffffffff12345678);
}

/* ---- A26: vector and x87 instructions on a device page, with all their exceptions unmasked ---- */
static void a26(void)
{
	static const char *const bytes[] = {"\xdd\x03\xcc", "\xdc\x0b\xcc", "\x0f\x58\x03\xcc", "\x0f\x5e\x03\xcc",
		"\xdf\x2b\xcc", "\x0f\x10\x03\xcc", "\x0f\xae\x0b\xcc", "\xdd\x23\xcc", "\x0f\xae\x13\xcc"};
	for (unsigned i = 0; i < COUNT(bytes); i++) {
		uint16_t control = 0x340;
		uint32_t vectors = 0;
		__asm__ volatile("fninit; fldcw %0; ldmxcsr %1" : : "m"(control), "m"(vectors));
		enter_regs[3] = HOLE;
		memory_set((void *)(SANDBOX + 0x1000), 0xcc, 64);
		memory_copy((void *)(SANDBOX + 0x1000), bytes[i], 4);
		uint32_t outcome = run_at(SANDBOX + 0x1000, 3);
		must(outcome == 1 + 3 || outcome == UD || outcome == 1 + 16 || outcome == 1 + 19 || outcome == GP,
			2000 + i);
	}
}

/* ---- A34, A35: code whose page changes its size and its type; other types of the same memory ---- */
static void a34(void)
{
	uint64_t *tables = (uint64_t *)PLAY;
	memory_set(tables, 0, 3 * 4096);
	memory_copy((void *)(SANDBOX + 0x30000), "\xb8\x2a\x00\x00\x00\xc3", 6);
	home_map[1] = PLAY | 0x67;
	tables[0] = (PLAY + 4096) | 0x67;
	for (unsigned i = 0; i < 512; i++)
		tables[1024 + i] = (SANDBOX + i * 4096ull) | 0x67;
	for (unsigned i = 0; i < 16; i++) {
		uint32_t (*code)(void) = (uint32_t(*)(void))((1ull << 39) + 0x30000);
		/* 2 MiB, 4 KiB, and each memory type that the page attribute table has. */
		tables[512] = i % 2 ? (PLAY + 8192) | 0x67 | (i & 2 ? 0x10 : 0)
				    : SANDBOX | 0xe7 | (uint64_t)(i & 6) << 2;
		if (i & 8)
			__asm__ volatile("mov %0, %%cr3" : : "r"(home_map) : "memory");
		else
			__asm__ volatile("invlpg (%0)" : : "r"(code) : "memory");
		MUST(code() == 0x2a);
	}
	home_map[1] = 0;
}

static void a35(void)
{
	volatile uint64_t *here = (volatile uint64_t *)(SANDBOX + 0x40000),
			  *there = (volatile uint64_t *)((1ull << 39) + 0x40000);
	uint64_t *tables = (uint64_t *)PLAY;
	memory_set(tables, 0, 3 * 4096);
	home_map[1] = PLAY | 0x67;
	tables[0] = (PLAY + 4096) | 0x67;
	for (unsigned i = 0; i < 32; i++) {
		tables[512] = SANDBOX | 0xe7 | (uint64_t)(i & 3) << 3 | (i & 4 ? 0x1000 : 0);
		wrmsr(0x277, i & 8 ? 0x0105040600070406 : 0x0007040600070406);
		attempt(write_msr, 0x2ffull << 32 | (i & 16 ? 0xc00 : 0xc06));
		__asm__ volatile("mov %0, %%cr3; wbinvd" : : "r"(home_map) : "memory");
		*there = i * 0x0101010101010101ull;
		MUST(*here == i * 0x0101010101010101ull);
		*here = ~(uint64_t)i;
		MUST(*there == ~(uint64_t)i);
	}
	wrmsr(0x2ff, 0xc06);
	home_map[1] = 0;
}

/* What nobody of this guest has written is zero, by whatever type it is read. */
static void scrubbed(void)
{
	const uint64_t *memory = (const uint64_t *)0x1400000;
	for (unsigned i = 0; i < 0x400000 / 8; i++)
		MUST(memory[i] == 0);
}

/* ---- A14: what could keep a processor from others; each for as long as the victim lives ---- */
static uint64_t split[16] __attribute__((aligned(64)));

/* What one of its neighbours gets done meanwhile: some of its own work, and how long that took by the machine's clock. */
static void work_share(unsigned long rounds)
{
	const uint64_t begin = rdtsc();
	for (unsigned long i = 0; i < rounds; i++)
		__asm__ volatile("");
	say("case A14: work took ");
	say_number(rdtsc() - begin);
	say(" ticks\n");
	debug_exit(0);
}

static void loop_for_ever(const char *kind)
{
	say("case A14: begins\n");
	/* The clock's interrupt, twice a second, is an INIT: what nothing else ends is reset, which is the VM's end with --no-reboot. */
	watchdog_init();
	out8(0x70, 0x0a), out8(0x71, 0x2f);
	mmio_write(IOAPIC, 0x20);
	mmio_write(IOAPIC + 0x10, 0x500);
	out8(0x70, 0x0c), in8(0x71);
	for (;;)
		switch (*kind) {
		case 's': __asm__ volatile("lock; incq (%0)" : : "r"((char *)split + 61) : "memory", "cc"); break;
		case 'w': __asm__ volatile("wbinvd; invd" : : : "memory"); break;
		case 'a': a04(); break;
		case 'd': a05(); break;
		case 'p': __asm__ volatile("pause"); break;
		case 'i': __asm__ volatile("cli; jmp ."); break;
		default: __asm__ volatile("cli; hlt"); break;
		}
}

void kernel_main(const uint32_t *info);
void kernel_main(const uint32_t *info)
{
	const char *line = (const char *)(uint64_t)info[4], *loop = word_after(line, "loop=");
	console_reset();
	tables_load();
	pics_mask();
	if (loop != NULL)
		loop_for_ever(loop);
	if (word_after(line, "work=") != NULL)
		work_share(number_after(line, "work=", 0));
	on_qemu = word_after(line, "qemu") != NULL;
	a10_first();
	scrubbed();
	memory_set((void *)SANDBOX, 0xcc, SANDBOX_BYTES);
	verdict("A35 scrubbed");
	a02(), verdict("A02");
	if (!on_qemu) {
		a06(), verdict("A06");
	}
	a08(), verdict("A08");
	a10(), verdict("A10");
	protection_keys_and_bounds(on_qemu), verdict("A11");
	a15(), verdict("A15");
	a19(), verdict("A19");
	a21(), verdict("A21");
	same_as_the_processor(), verdict("A22");
	a23(), verdict("A23");
	a26(), verdict("A26");
	a34(), verdict("A34");
	a35(), verdict("A35");
	say("cases: done\n");
	debug_exit(failures ? 3 : 0);
}
