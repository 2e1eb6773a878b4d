/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/hostile/exact.c: guests of a few instructions whose end is known: where a trap returns to, what a step is, what ends a shadow; and a processor that
 * is the monitor's own again after each run, whatever its guest had in it.
 */
#include "lib/native.h"
#include "lib/string.h"
#include "tests/hostile/hostile.h"

/* In guest-physical memory, and so in RAM. */
#define CODE	 0x18000u
#define STACK	 0x20000u
#define IDT	 0x10000u
#define HANDLERS 0x11000u
#define GDT	 0x12000u

#define PAGE_AT (VCPU_ADDRESS + 0x140000)
static struct gyre_vcpu_page *const page = (struct gyre_vcpu_page *)PAGE_AT;
static struct gyre_vcpu_state *const state = (struct gyre_vcpu_state *)(PAGE_AT + GYRE_VCPU_PAGE_STATE * 4096);
static handle_t vm, vcpu;

static void put(uint32_t at, const void *bytes, size_t count)
{
	memcpy((uint8_t *)RAM_ADDRESS + at, bytes, count);
}

/* Each vector's handler writes to the port of that number; that of #DB reads DR6 then, and writes to port 0xf1. */
static void memory_make(void)
{
	static const uint64_t gdt[4] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00008b000000ffff};
	put(GDT, gdt, sizeof(gdt));
	for (uint32_t vector = 0; vector < 256; vector++) {
		const uint32_t handler = HANDLERS + 16 * vector;
		const uint64_t gate = (handler & 0xffff) | 8u << 16 | 0x8e0000000000ull |
				      (uint64_t)(handler >> 16) << 48;
		const uint8_t code[8] = {0xe6, (uint8_t)vector, 0x0f, 0x21, 0xf0, 0xe6, 0xf1, 0xf4};
		put(IDT + 8 * vector, &gate, sizeof(gate));
		put(handler, code, sizeof(code));
	}
}

static bool begin(void)
{
	memory_make();
	vm = (handle_t)vm_create(0);
	vcpu = (handle_t)vcpu_create(vm, 0, page);
	guest_policy(vcpu);
	if (vm_map(vm, hostile.start->ram, 0, 0, 64, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC) != 64)
		return false;
	vcpu_state_get(vcpu, GYRE_STATE_ALL);
	for (unsigned i = GYRE_ES; i <= GYRE_GS; i++)
		state->segment[i] = (struct gyre_segment){0x10, 0xc93, 0xffffffff, 0};
	state->segment[GYRE_CS] = (struct gyre_segment){8, 0xc9b, 0xffffffff, 0};
	state->segment[GYRE_TR] = (struct gyre_segment){0x18, 0x8b, 0xffff, 0};
	state->gdtr.base = GDT;
	state->gdtr.limit = 31;
	state->idtr.base = IDT;
	state->idtr.limit = 0x7ff;
	state->cr0 = 0x11;
	return vcpu_state_set(vcpu, GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL | GYRE_STATE_DEBUG) == 0;
}

static void finish(void)
{
	object_destroy(vcpu);
	object_destroy(vm);
	memory_unmap(0, PAGE_AT, GYRE_VCPU_PAGES);
}

static long run(uint64_t rip, uint64_t rflags, uint32_t flags)
{
	page->rip = rip;
	page->rflags = rflags;
	page->entry_flags = flags;
	return vcpu_run(vcpu);
}

static long run_code(const char *code, size_t bytes, uint64_t rflags, uint32_t flags)
{
	put(CODE, code, bytes);
	memset(page->gpr, 0, sizeof(page->gpr));
	page->gpr[GYRE_RSP] = STACK;
	page->event = 0;
	page->interruptibility = 0;
	return run(CODE, rflags, flags);
}
#define RUN(code, rflags, flags) run_code(code, sizeof(code) - 1, rflags, flags)

static bool at_port(long kind, uint32_t port)
{
	return kind == GYRE_EXIT_IO && GYRE_IO_PORT(page->d0) == port;
}

/* The frame that the handler of an exception without error code has. */
static bool pushed(uint32_t eip, uint32_t flags)
{
	const uint32_t *frame = (const uint32_t *)(RAM_ADDRESS + page->gpr[GYRE_RSP]);
	return page->gpr[GYRE_RSP] == STACK - 12 && frame[0] == eip && (frame[2] & 0x300) == flags;
}

#define EXPECT(condition, text)                                                                                        \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			native_log("exact: %s: exit %u, d0 0x%lx, rip 0x%lx, flags 0x%lx, stack 0x%x 0x%x", text,      \
				page->exit, page->d0, page->rip, page->rflags,                                         \
				*(uint32_t *)(RAM_ADDRESS + STACK - 12), *(uint32_t *)(RAM_ADDRESS + STACK - 4));      \
			return text;                                                                                   \
		}                                                                                                      \
	} while (0)

/* ---- traps ---- */
static const char *traps(void)
{
	long kind = RUN("\xf1\x90", 2, 0);
	/* QEMU has no INT1 in guests: it is undefined there. */
	EXPECT((at_port(kind, 1) && pushed(CODE + 1, 0)) || at_port(kind, 6), "INT1 returns to what follows");
	/* DR7.GD faults once; the handler of that has the debug registers for itself. QEMU does not look at it. */
	kind = RUN("\xb8\x00\x24\x00\x00\x0f\x23\xf8\x0f\x21\xf0\xe6\xf2", 2, 0);
	if (!at_port(kind, 0xf2)) {
		EXPECT(at_port(kind, 1) && pushed(CODE + 8, 0), "general detect");
		kind = run(page->d2, page->rflags, GYRE_ENTRY_COMPLETED);
		EXPECT(at_port(kind, 0xf1), "the handler of general detect");
	}
	/* A trap behind what the core answers, and behind what the monitor does. */
	kind = RUN("\x0f\xa2\x90", 0x102, 0);
	EXPECT(at_port(kind, 1) && pushed(CODE + 2, 0x100), "a trap behind CPUID");
	kind = RUN("\xe6\x77\x90", 0x102, 0);
	EXPECT(at_port(kind, 0x77), "a port");
	kind = run(page->d2, page->rflags, GYRE_ENTRY_COMPLETED);
	EXPECT(at_port(kind, 1) && pushed(CODE + 2, 0x100), "a trap behind OUT");
	kind = RUN("\xcd\x80\x90", 2, 0);
	EXPECT(at_port(kind, 0x80) && pushed(CODE + 2, 0), "INT 80h");
	kind = RUN("\x0f\x0b\x90", 2, 0);
	EXPECT(at_port(kind, 6) && pushed(CODE, 0), "UD2");
	return NULL;
}

/* ---- steps of the monitor's ---- */
static const char *steps(void)
{
	long kind = RUN("\x90\x90\x90", 2, GYRE_ENTRY_SINGLE);
	EXPECT(kind == GYRE_EXIT_KICK && page->rip == CODE + 1 && page->rflags == 2, "a step over NOP");
	kind = RUN("\x0f\xa2\x90\x90\x90", 2, GYRE_ENTRY_SINGLE);
	EXPECT(kind == GYRE_EXIT_KICK && page->rip >= CODE + 2 && page->rip <= CODE + 3 && page->rflags == 2,
		"a step over CPUID");
	/* An exit comes before, and the next run asks for none. */
	kind = RUN("\xe6\x77\x90\x90\xe6\x78", 2, GYRE_ENTRY_SINGLE);
	EXPECT(at_port(kind, 0x77) && page->rflags == 2, "a step over OUT");
	kind = run(page->d2, page->rflags, GYRE_ENTRY_COMPLETED);
	EXPECT(at_port(kind, 0x78), "a step that was not asked for");
	return NULL;
}

/* ---- shadows, and RIP's end ---- */
static const char *edges(void)
{
	put(CODE, "\x90\x90\x90", 3);
	page->gpr[GYRE_RSP] = STACK;
	page->event = 0;
	page->interruptibility = GYRE_INTERRUPTIBILITY_STI;
	vm_interrupt(vm, 0xfee00000, 0x400);
	long kind = run(CODE, 0x202, 0);
	EXPECT(at_port(kind, 2) && pushed(CODE + 1, 0x200), "an NMI in STI's shadow");
	page->interruptibility = 0;
	put(0x30000 + 0xffe, "\x0f\xa2", 2);
	put(0, "\xe6\x79", 2);
	vm_map(vm, hostile.start->ram, 0x30, 0xfffff, 1, GYRE_RIGHT_READ | GYRE_RIGHT_EXEC);
	page->gpr[GYRE_RSP] = STACK;
	kind = run(0xfffffffe, 2, 0);
	EXPECT(at_port(kind, 0x79) && page->rip == 0, "CPUID at the end of 4 GiB");
	return NULL;
}

/* ---- the processor is given back ---- */
static const char *registers_that_are_lent(void)
{
	const uint64_t lstar = 0xffff800012345000, star = 0xdead0bad00000000, gs = 0xffff80000badc000;
	uint32_t eax = 7, ebx, ecx = 0, edx;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	const bool umip = (ecx & 4) != 0; /* SGDT faults */
	vcpu_state_get(vcpu, GYRE_STATE_MSRS);
	state->lstar = lstar;
	state->star = star;
	state->sfmask = 0;
	state->kernel_gs_base = gs;
	EXPECT(vcpu_state_set(vcpu, GYRE_STATE_MSRS) == 0, "SYSCALL's registers");
	for (unsigned i = 0; i < 16; i++) {
		/* Into the core by one way, out of it by another. */
		call_by_interrupt = i & 1;
		long kind = RUN("\xe6\x77", 2, 0);
		EXPECT(at_port(kind, 0x77), "a port, by either way");
		call_by_interrupt = i >> 1 & 1;
		thread_yield();
		call_by_interrupt = i >> 2 & 1;
		if ((i & 8) != 0) {
			vcpu_state_get(vcpu, GYRE_STATE_MSRS);
			EXPECT(state->lstar == lstar && state->star == star && state->kernel_gs_base == gs,
				"SYSCALL's registers stay the guest's");
		}
		struct {
			uint16_t limit;
			uint64_t base;
		} __attribute__((packed)) gdtr = {0x3f, 0};
		uint16_t selectors[4];
		if (!umip)
			__asm__ volatile("sgdt %0" : "=m"(gdtr));
		__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%cs, %2; mov %%ss, %3"
				 : "=r"(selectors[0]), "=r"(selectors[1]), "=r"(selectors[2]), "=r"(selectors[3]));
		EXPECT(gdtr.limit == 0x3f, "GDTR's limit");
		EXPECT(selectors[2] == 0x2b && selectors[3] == 0x23, "CS and SS");
	}
	call_by_interrupt = 0;
	return NULL;
}

const char *exact_guests(void)
{
	static const char *(*const cases[])(void) = {traps, steps, edges, registers_that_are_lent};
	const char *failed = NULL;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]) && failed == NULL; i++) {
		failed = begin() ? cases[i]() : "a guest cannot be made";
		finish();
		/* Nothing is left of it in the processor, by whichever way the next call comes. */
		thread_yield();
	}
	return failed;
}
