/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/debug/debug.c: what a debugger is tried on. It says what it computes, how its own INT3 and INT n went, what RFLAGS look like from inside, and that
 * its clock ticks; then it ends with the value of `answer`, or goes on for ever if the command line ends with "+". A debugger knows its functions by
 * name: work, flags_read, specials, faults, count.
 */
#include <stdint.h>
#include "guests/bench/start.h"
#include "guests/common/console.h"
#include "guests/common/cpu.h"
#include "guests/common/debug_exit.h"

#define VECTOR_OWN 0x41
#define NOINLINE   __attribute__((noinline))

struct frame;

static struct gate idt[IDT_VECTORS];

volatile uint64_t answer = 21, breakpoints_own, interrupts_own, page_faults, rounds;

static void say_value(const char *name, uint64_t value)
{
	say(name);
	say(" ");
	say_number(value);
	say("\n");
}

static __attribute__((interrupt)) void on_breakpoint(struct frame *frame)
{
	(void)frame;
	breakpoints_own++;
}

static __attribute__((interrupt)) void on_own(struct frame *frame)
{
	(void)frame;
	interrupts_own++;
}

/* The page is there from now on. */
static uint64_t *missing;
static __attribute__((interrupt)) void on_page_fault(struct frame *frame, uint64_t error)
{
	(void)frame, (void)error;
	page_faults++;
	*missing |= 1;
}

static void traps_init(void)
{
	exceptions_to_stubs(idt);
	idt[3] = gate_to(on_breakpoint, GATE_INTERRUPT, 0);
	idt[14] = gate_to(on_page_fault, GATE_INTERRUPT, 0);
	idt[VECTOR_OWN] = gate_to(on_own, GATE_INTERRUPT, 0);
	idt_load(idt);
}

void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1)
{
	say_value("exception", vector);
	say_value("word", word0);
	say_value("word", word1);
	debug_exit(126);
}

NOINLINE uint64_t work(uint64_t value)
{
	__asm__ volatile("" : "+r"(value));
	return 3 * value + 1;
}

/* TF would be bit 8, IF is bit 9. */
NOINLINE uint64_t flags_read(void)
{
	uint64_t flags, again;
	__asm__ volatile("pushfq; popq %0; sti; pushfq; popq %1; cli" : "=r"(flags), "=r"(again));
	return (flags & 0x100) | (again & 0x300);
}

/* What an emulator in a monitor cannot do alone: each is one step. */
NOINLINE uint64_t specials(void)
{
	uint32_t a = 0, c = 0, high;
	__asm__ volatile("nop; cpuid; mov $0xc0000080, %%ecx; rdmsr; wrmsr; int3; int $0x41; mov %%rax, %%r10"
			 : "+a"(a), "+c"(c), "=d"(high)
			 :
			 : "rbx", "r10", "memory");
	rdtsc();
	return a;
}

/* A load that faults once. Its address is behind the first page table entry that is clear. */
NOINLINE uint64_t faults(volatile uint64_t *address)
{
	uint64_t value;
	__asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(address));
	return value;
}

/* start.S maps 4 GiB by entries of 2 MiB: the second of these goes away until it is missed. */
static void fault_once(void)
{
	uint64_t *table = (uint64_t *)(cr3() & ~0xfffull);

	table = (uint64_t *)(uintptr_t)(table[0] & ~0xfffull);
	table = (uint64_t *)(uintptr_t)(table[0] & ~0xfffull);
	missing = &table[2];
	*missing &= ~1ull;
	invlpg(0x400000);
	faults((uint64_t *)0x400000);
	say_value("page faults", page_faults);
}

NOINLINE void count(void)
{
	rounds++;
}

static int ends_with_plus(uint32_t multiboot)
{
	const char *line = start_line(multiboot);

	while (*line && line[1])
		line++;
	return *line == '+';
}

void bench_main(uint32_t multiboot)
{
	traps_init();
	say("debug guest\n");
	for (uint64_t i = 1; i <= 3; i++)
		say_value("work", work(i));
	say_value("flags", flags_read());
	specials();
	say_value("own breakpoints", breakpoints_own);
	say_value("own interrupts", interrupts_own);
	fault_once();
	while (ends_with_plus(multiboot) && answer != 0)
		count();
	say_value("answer", answer);
	debug_exit((uint8_t)answer);
}
