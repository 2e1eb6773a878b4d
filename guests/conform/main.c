/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/conform/main.c: a test kernel of our own: what test kernels for hypervisors look at, each rule with the manual's sentence. The words of its command
 * line name groups; none: all of them. It ends at the debug-exit port with 0 or 1, alone on Bochs by its ACPI.
 */
#include <stdarg.h>
#include "guests/common/console.h"
#include "guests/common/debug_exit.h"
#include "guests/conform/conform.h"

#define MULTIBOOT_LOADED 0x2badb002
#define PVH_MAGIC	 0x336ec578

struct multiboot_info {
	uint32_t flags, memory_lower, memory_upper, boot_device, command_line;
};
struct pvh_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, command_line;
};

extern uint8_t stubs[], attempt_end[], trap_stack_top[], double_stack_top[];
extern uint64_t attempt_stack, page_map[512];
uint64_t attempt_call(attempt_function *what, uint64_t argument);
uint64_t attempt_user_call(attempt_function *what, uint64_t argument, uint64_t flags);
void trapped(struct frame *frame);
void conform_main(uint32_t magic, uint32_t info);

struct outcome outcome;
struct gate idt[IDT_VECTORS] __attribute__((aligned(16)));
struct tss64 tss __attribute__((aligned(16)));
const char *command_line = "";
bool is_amd, on_tcg, lenient;
bool (*on_trap)(struct frame *frame);
static const char *group_name = "";
static unsigned checks, failures, skips;

/* ---- words ---- */
/* %s, %u, %x, %lx, %lu. */
static void say_list(const char *format, va_list list)
{
	for (; *format; format++) {
		bool wide = false;
		if (*format != '%') {
			say_byte(*format);
			continue;
		}
		if (*++format == 'l')
			wide = true, format++;
		if (*format == 's')
			say(va_arg(list, const char *));
		else
			say_in_base(wide ? va_arg(list, uint64_t) : va_arg(list, uint32_t), *format == 'u' ? 10 : 16);
	}
}

void print(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	say_list(format, list);
	va_end(list);
}

static void verdict(const char *word, const char *format, va_list list)
{
	print("%s: %s: ", word, group_name);
	say_list(format, list);
	print("\n");
}

bool check(bool good, const char *format, ...)
{
	va_list list;
	checks++;
	failures += !good;
	va_start(list, format);
	verdict(good ? "PASS" : "FAIL", format, list);
	va_end(list);
	return good;
}

void skip(const char *format, ...)
{
	va_list list;
	skips++;
	va_start(list, format);
	verdict("SKIP", format, list);
	va_end(list);
}

void group(const char *name)
{
	group_name = name;
}

/* ---- traps ---- */
static void record(const struct frame *frame)
{
	outcome = (struct outcome){.vector = (uint32_t)frame->vector,
		.error = (uint32_t)frame->error,
		.rip = frame->rip,
		.cs = frame->cs,
		.rflags = frame->rflags,
		.rsp = frame->rsp,
		.ss = frame->ss,
		.cr2 = cr2(),
		.value = frame->rax};
	outcome.dr6 = dr6();
	if (frame->vector == VECTOR_RETURN)
		outcome.vector = NONE;
}

void trapped(struct frame *frame)
{
	uint32_t ds = SEL_DATA;
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(ds));
	if (on_trap && on_trap(frame))
		return;
	if (!attempt_stack) {
		print("FAIL: %s: unexpected exception %lu, error %lx, at %lx, cr2 %lx\n", group_name, frame->vector,
			frame->error, frame->rip, cr2());
		print("SUMMARY: %u tests, %u unexpected failures\n", checks + 1, failures + 1);
		debug_exit(1);
	}
	record(frame);
	frame->rip = (uint64_t)attempt_end;
	frame->cs = SEL_CODE64;
	frame->ss = SEL_DATA;
	frame->rsp = attempt_stack;
	frame->rflags = 2;
}

void attempt(attempt_function *what, uint64_t argument)
{
	outcome = (struct outcome){.vector = NONE};
	uint64_t value = attempt_call(what, argument);
	if (outcome.vector == NONE)
		outcome.value = value;
}

void attempt_user(attempt_function *what, uint64_t argument, uint64_t flags)
{
	outcome = (struct outcome){.vector = NONE};
	uint64_t value = attempt_user_call(what, argument, flags | 2);
	if (outcome.vector == NONE && !outcome.rip)
		outcome.value = value; /* it came by a call gate or SYSCALL */
}

static void expected(const char *rule, uint32_t vector, int64_t error)
{
	bool same = outcome.vector == vector && (error < 0 || vector == NONE || outcome.error == (uint64_t)error);
	if (same)
		check(true, "%s", rule);
	else if (!check(false, "%s", rule) && outcome.vector == NONE)
		print("  no exception, wanted %u\n", vector);
	else
		print("  exception %u, error %x, at %lx, wanted %u, %x\n", outcome.vector, outcome.error, outcome.rip,
			vector, (uint32_t)error);
}

void expect(const char *rule, attempt_function *what, uint64_t argument, uint32_t vector, int64_t error)
{
	attempt(what, argument);
	expected(rule, vector, error);
}

void expect_user(const char *rule, attempt_function *what, uint64_t argument, uint32_t vector, int64_t error)
{
	attempt_user(what, argument, 0);
	expected(rule, vector, error);
}

void gate_set(unsigned vector, uint8_t type, uint8_t ist)
{
	idt[vector] = gate_to(stubs + 16 * vector, type, ist);
}

void window_map(unsigned index, uint64_t entry)
{
	window_table[index] = entry;
	invlpg(WINDOW + 4096ull * index);
}

KERNEL(odd_cr0, "mov %%cr0, %%rax; bts $32, %%rax; mov %%rax, %%cr0")

static void set_up(void)
{
	uint64_t base = (uint64_t)&tss, limit = sizeof tss - 1;
	uint32_t out[4];
	for (unsigned vector = 0; vector < 256; vector++)
		gate_set(vector, GATE_INTERRUPT, 0);
	gate_set(DF, GATE_INTERRUPT, 1);
	gate_set(BP, GATE_INTERRUPT | 0x60, 0);
	gate_set(OF, GATE_INTERRUPT | 0x60, 0);
	gate_set(VECTOR_RETURN, GATE_INTERRUPT | 0x60, 0);
	pics_mask();
	idt_load(idt);
	tss.rsp[0] = (uint64_t)trap_stack_top;
	tss.ist[0] = (uint64_t)double_stack_top;
	tss.map = sizeof tss; /* no port for users */
	gdt[SEL_TSS / 8] = limit | base << 16 | 0x89ull << 40;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(0));
	page_map[1] = (uint64_t)window_pointers | 7;
	window_pointers[0] = (uint64_t)window_directory | 7;
	window_directory[0] = (uint64_t)window_table | 7;
	cpuid(0, 0, out);
	is_amd = out[1] == 0x68747541;
	cpuid(0x40000000, 0, out);
	on_tcg = out[1] == 0x54474354; /* "TCGT" */
	attempt(odd_cr0, 0);
	lenient = outcome.vector == NONE;
}

/* ---- the command line ---- */
bool option(const char *word)
{
	for (const char *at = command_line; *at; at = next_word(at)) {
		size_t i = 0;
		while (word[i] && at[i] == word[i])
			i++;
		if (!word[i] && (!at[i] || at[i] == ' '))
			return true;
	}
	return false;
}

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {{"exceptions", exceptions}, {"msr", model_specific}, {"control", control_registers},
	{"segments", segments}, {"protection", protection}, {"debug", debugging}, {"syscall", system_calls},
	{"tsc", time_stamps}, {"xsave", extended_state}, {"apic", local_apic}, {"ioapic", io_apic},
	{"devices", devices}, {"events", events}};
#define GROUPS (sizeof groups / sizeof groups[0])

void conform_main(uint32_t magic, uint32_t info)
{
	const struct multiboot_info *multiboot = (const void *)(uint64_t)info;
	const struct pvh_info *pvh = (const void *)(uint64_t)info;
	bool all = true;
	console_start();
	if (magic == MULTIBOOT_LOADED && multiboot->flags & 4)
		command_line = next_word((const char *)(uint64_t)multiboot->command_line);
	else if (magic != MULTIBOOT_LOADED && pvh->magic == PVH_MAGIC && pvh->command_line)
		command_line = (const char *)pvh->command_line;
	print("conform: by %s, \"%s\"\n", magic == MULTIBOOT_LOADED ? "Multiboot" : "PVH", command_line);
	set_up();
	for (unsigned i = 0; i < GROUPS; i++)
		all &= !option(groups[i].name);
	for (unsigned i = 0; i < GROUPS; i++) {
		if (!all && !option(groups[i].name))
			continue;
		group(groups[i].name);
		groups[i].run();
		on_trap = NULL;
	}
	print("SUMMARY: %u tests", checks + skips);
	if (failures)
		print(", %u unexpected failures", failures);
	if (skips)
		print(", %u skipped", skips);
	print("\n");
	debug_exit(failures != 0);
}
