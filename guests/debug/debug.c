/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/debug/debug.c: what a debugger is tried on. It says what it computes, how its own INT3 and INT n went, what RFLAGS look like from inside, and that
 * its clock ticks; then it ends with the value of `answer`, or goes on for ever if the command line ends with "+". A debugger knows its functions by
 * name: work, flags_read, specials, faults, count.
 */
#include <stdint.h>

#define COM1		0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define VECTOR_OWN	0x41
#define NOINLINE	__attribute__((noinline))

struct gate {
	uint16_t offset_low, selector, attributes, offset_middle;
	uint32_t offset_high, reserved;
};
struct frame;

void bench_main(uint32_t multiboot);
void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1);
uint64_t interrupts_seen; /* start.S counts here */
static struct gate idt[256];

volatile uint64_t answer = 21, breakpoints_own, interrupts_own, page_faults, rounds;

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

static void say(const char *text)
{
	for (; *text; text++) {
		while (!(in8(COM1 + 5) & 0x20))
			;
		out8(COM1, (uint8_t)*text);
	}
}

static void say_value(const char *name, uint64_t value)
{
	char digits[21], *digit = digits + sizeof(digits);

	*--digit = 0;
	do
		*--digit = (char)('0' + value % 10);
	while (value /= 10);
	say(name);
	say(" ");
	say(digit);
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

static void gate_set(unsigned vector, uint64_t handler)
{
	idt[vector] = (struct gate){
		(uint16_t)handler, 8, 0x8e00, (uint16_t)(handler >> 16), (uint32_t)(handler >> 32), 0};
}

extern uint8_t exception_stubs[];
static void idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uintptr_t)idt};

	for (unsigned i = 0; i < 32; i++)
		gate_set(i, (uintptr_t)exception_stubs + 32 * i);
	gate_set(3, (uintptr_t)on_breakpoint);
	gate_set(14, (uintptr_t)on_page_fault);
	gate_set(VECTOR_OWN, (uintptr_t)on_own);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1)
{
	say_value("exception", vector);
	say_value("word", word0);
	say_value("word", word1);
	for (;;)
		out8(PORT_DEBUG_EXIT, 126);
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
	uint32_t a = 0, c = 0, low, high;
	__asm__ volatile("nop; cpuid; mov $0xc0000080, %%ecx; rdmsr; wrmsr; int3; int $0x41; mov %%rax, %%r10"
			 : "+a"(a), "+c"(c), "=d"(high)
			 :
			 : "rbx", "r10", "memory");
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
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
	uint64_t cr3, *table;
	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)(uintptr_t)(cr3 & ~0xfffull);
	table = (uint64_t *)(uintptr_t)(table[0] & ~0xfffull);
	table = (uint64_t *)(uintptr_t)(table[0] & ~0xfffull);
	missing = &table[2];
	*missing &= ~1ull;
	__asm__ volatile("invlpg (%0)" : : "r"(0x400000ul) : "memory");
	faults((uint64_t *)0x400000);
	say_value("page faults", page_faults);
}

NOINLINE void count(void)
{
	rounds++;
}

static int ends_with_plus(uint32_t multiboot)
{
	const uint32_t *info = (const uint32_t *)(uintptr_t)multiboot;
	const char *line = (const char *)(uintptr_t)info[4];

	while (*line && line[1])
		line++;
	return *line == '+';
}

void bench_main(uint32_t multiboot)
{
	idt_load();
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
	out8(PORT_DEBUG_EXIT, (uint8_t)answer);
}
