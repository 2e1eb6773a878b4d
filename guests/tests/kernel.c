/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/tests/kernel.c: one small Multiboot kernel for the system tests. It says what it found, then does what the second word of its command
 * line tells; the first is its file's name.
 *   exit N          writes N to the debug-exit port              cpuid       says the hypervisor's and the vendor's signature
 *   triple          a fault with no interrupt table              unmapped    jumps to an address where there is nothing
 *   power-key       runs until the power button is pressed, then powers off
 *   spin, halt      runs or halts for ever, interrupts off       echo        says each line that it hears, until "exit N"
 *   reset-kbd, reset-cf9    the two ways of a PC                  modules     says its modules and their first bytes
 *   flood N         says N KiB of text                            leaves      says all of CPUID
 *   tasks, tasks-paging, tasks-pae      switches tasks by hardware and says what comes of it
 */
#include <stdint.h>
#include "guests/common/debug_exit.h"
#include "guests/tests/kernel.h"

#define MULTIBOOT_LOADED 0x2badb002

struct multiboot_info {
	uint32_t flags, memory_lower, memory_upper, boot_device, command_line, modules, module_list;
};
struct multiboot_module {
	uint32_t start, end, text, reserved;
};

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == 0 && (*b == 0 || *b == ' ');
}

static uint32_t number_of(const char *text)
{
	uint32_t number = 0;

	while (*text >= '0' && *text <= '9')
		number = number * 10 + (uint32_t)(*text++ - '0');
	return number;
}

/* Says so, if it goes on. */
static void leave(uint32_t value)
{
	out32(PORT_DEBUG_EXIT, value);
	say("there is no debug-exit port\n");
	power_off();
	stop();
}

static void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) nothing = {0, 0};

	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

static void echo(void)
{
	char line[64];
	unsigned length = 0;

	for (;;) {
		while (!(in8(COM1 + 5) & 1))
			;
		char c = (char)in8(COM1);
		if (c != '\r' && c != '\n') {
			if (length < sizeof(line) - 1)
				line[length++] = c;
			continue;
		}
		line[length] = 0;
		length = 0;
		if (same("exit", line))
			leave(number_of(next_word(line)));
		say("heard \"");
		say(line);
		say("\"\n");
	}
}

static void say_modules(const struct multiboot_info *info)
{
	const struct multiboot_module *module = (const void *)info->module_list;

	for (uint32_t i = 0; i < info->modules; i++) {
		say("module \"");
		say((const char *)module[i].text);
		say("\" ");
		say_number(module[i].end - module[i].start);
		say(" bytes: ");
		for (uint32_t at = module[i].start; at < module[i].end && at < module[i].start + 16; at++) {
			char c = *(const char *)at;
			say_byte(c >= ' ' && c <= '~' ? c : '.');
		}
		say(module[i].start & 4095 ? " not on a page\n" : "\n");
	}
}

static void say_cpuid(uint32_t leaf)
{
	uint32_t word[5] = {0};

	__asm__ volatile("cpuid" : "=a"(word[3]), "=b"(word[0]), "=c"(word[1]), "=d"(word[2]) : "a"(leaf), "c"(0));
	word[3] = 0;
	/* Leaf 0 has its text in another order than the hypervisor's leaf. */
	if (leaf == 0) {
		uint32_t middle = word[1];
		word[1] = word[2];
		word[2] = middle;
	}
	say((const char *)word);
	say("\n");
}

/* As tests/unit/test_level.c wants them recorded: leaf, subleaf, EAX, EBX, ECX, EDX. Leaves of one register have a line, others one for each subleaf. */
static void say_leaves(uint32_t first)
{
	uint32_t a = first, b, c = 0, d, last;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	last = a;
	for (uint32_t leaf = first; leaf <= last && leaf < first + 0x40; leaf++) {
		uint32_t subleaves = leaf == 4 || leaf == 0xb || leaf == 0xd ? 10 : 1;
		for (uint32_t subleaf = 0; subleaf < subleaves; subleaf++) {
			a = leaf, c = subleaf;
			__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
			uint32_t word[6] = {leaf, subleaf, a, b, c, d};
			say("leaf");
			for (int i = 0; i < 6; i++) {
				say(" ");
				say_hex(word[i], 1);
			}
			say("\n");
		}
	}
}

static void flood(uint32_t kib)
{
	for (uint32_t i = 0; i < kib * 16; i++)
		say("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
}

/* Until the power button is pressed; then off, as ACPI has it (monitor/dev/acpi_pm.c). */
static void power_key(void)
{
	uint16_t status;
	do
		__asm__ volatile("inw %1, %0" : "=a"(status) : "Nd"((uint16_t)0x600));
	while ((status & 0x100) == 0);
	say("power key\n");
	out16(0x604, 0x2000);
}

void kernel_main(uint32_t magic, const struct multiboot_info *info)
{
	const char *line = info->flags & 4 ? (const char *)info->command_line : "";
	const char *what = next_word(line);

	console_start();
	if (magic != MULTIBOOT_LOADED) {
		say("not loaded by Multiboot\n");
		stop();
	}
	say("test kernel: \"");
	say(line);
	say("\", upper memory ");
	say_number(info->memory_upper);
	say(" KiB\n");
	if (same("exit", what)) {
		leave(number_of(next_word(what)));
	} else if (same("triple", what)) {
		triple_fault();
	} else if (same("real", what)) {
		/* To real mode and back, with the segments as they were loaded in protected mode. */
		uint32_t cr0;
		__asm__ volatile("mov %%cr0, %0\n\tand $~1, %0\n\tmov %0, %%cr0\n\tor $1, %0\n\tmov %0, %%cr0"
				 : "=r"(cr0));
		say("back from real mode\n");
		leave(0);
	} else if (same("unmapped", what)) {
		((void (*)(void))0xd0000000u)();
	} else if (same("spin", what)) {
		for (;;)
			__asm__ volatile("" : : : "memory");
	} else if (same("power-key", what)) {
		power_key();
	} else if (same("reset-kbd", what)) {
		out8(0x64, 0xfe);
	} else if (same("reset-cf9", what)) {
		out8(0xcf9, 6);
	} else if (same("echo", what)) {
		echo();
	} else if (same("modules", what)) {
		say_modules(info);
		leave(0);
	} else if (same("cpuid", what)) {
		say_cpuid(0x40000000);
		say_cpuid(0);
		leave(0);
	} else if (same("leaves", what)) {
		say_leaves(0);
		say_leaves(0x80000000);
		leave(0);
	} else if (same("tasks", what) || same("tasks-paging", what) || same("tasks-pae", what)) {
		task_tests(same("tasks", what) ? 0 : same("tasks-paging", what) ? 1 : 2);
		leave(0);
	} else if (same("flood", what)) {
		flood(number_of(next_word(what)));
		leave(0);
	}
	stop();
}
