/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/panic.c: the last words of the core, and the end of the machine then.
 */
#include "core/boot/boot.h"
#include "core/x86/cpu.h"
#include "core/x86/io.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"
#include "lib/format.h"
#include "lib/string.h"

#define BACKTRACE_MAX	   32
#define PORT_RESET_CONTROL 0xcf9
#define TEXT_BYTES	   200

/*
 * The build links these in a second pass (tools/build/symbols.py): pairs of (offset from core_image_start, offset of the name), ascending, with an end
 * above all.
 */
struct symbol {
	uint32_t offset, name;
};
extern const struct symbol core_symbol_table[] __attribute__((weak));
extern const char core_symbol_names[] __attribute__((weak));

/* False, and nothing is printed: it is not in the core's code. */
static bool print_address(const char *what, uint64_t address)
{
	const struct symbol *symbol = core_symbol_table;
	uint64_t offset = address - (uint64_t)core_image_start;
	if (offset >= (uint64_t)(core_text_end - core_image_start))
		return false;
	while (symbol[1].offset <= offset)
		symbol++;
	log_info("  %s 0x%016lx %s+0x%lx", what, address, core_symbol_names + symbol->name, offset - symbol->offset);
	return true;
}

/* Frame pointers, as long as they climb within one stack of the core. */
static void backtrace(uint64_t rip, uint64_t rbp)
{
	/* A fault's may be on another stack than the handler. */
	uint64_t stack = rbp >= STACKS_BASE && rbp < STACKS_BASE + STACKS_BYTES ? rbp
										: (uint64_t)__builtin_frame_address(0);
	uint64_t top = stack | (CPU_STACK_BYTES - 1);
	print_address("at  ", rip);
	for (unsigned depth = 0; depth < BACKTRACE_MAX; depth++) {
		if (rbp % 8 != 0 || (rbp | (CPU_STACK_BYTES - 1)) != top || rbp > top - 31)
			return;
		uint64_t next = ((const uint64_t *)rbp)[0], from = ((const uint64_t *)rbp)[1];
		/* Within the call, not the instruction after it. */
		if (!print_address("from", from - 1) || next <= rbp)
			return;
		rbp = next;
	}
}

void log_registers(const struct regs *regs)
{
	log_info("  cs:rip %02lx:%016lx  ss:rsp %02lx:%016lx  rflags %lx", regs->cs, regs->rip, regs->ss, regs->rsp,
		regs->rflags);
	log_info("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", regs->rax, regs->rbx, regs->rcx, regs->rdx);
	log_info("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx", regs->rsi, regs->rdi, regs->rbp, regs->r8);
	log_info("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx", regs->r9, regs->r10, regs->r11, regs->r12);
	log_info("  r13 %016lx r14 %016lx r15 %016lx GS  %016lx", regs->r13, regs->r14, regs->r15,
		msr_read(MSR_GS_BASE));
}

/* ---- the end, as panic= on the command line has it: halt (the default) or reset ---- */

static _Noreturn void machine_end(void)
{
	static const struct table_pointer nothing;
	const char *how = core_option("panic");
	if (how && strcmp(how, "reset") == 0) {
		/* By the chip set, or by a fault that nothing can handle. */
		io_write8(PORT_RESET_CONTROL, 0x02);
		io_write8(PORT_RESET_CONTROL, 0x06);
		__asm__ volatile("lidt %0; int3" : : "m"(nothing));
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- panic ---- */

static _Noreturn void panic_va(
	const struct regs *regs, uint64_t rip, uint64_t rbp, const char *format, va_list arguments)
{
	char text[TEXT_BYTES];
	/* The second of two, or one in the middle of another: the first has the story. */
	if (!log_panic_begin()) {
		log_panic_end();
		machine_end();
	}
	gyre_vsnprintf(text, sizeof(text), format, arguments);
	log_info("Gyre's core stopped on CPU %u: %s", cpu_current()->index, text);
	if (regs) {
		log_info("  vector %lu (%s), error 0x%lx, CR2 0x%lx, CR3 0x%lx, CR4 0x%lx", regs->trap,
			trap_name(regs->trap), regs->error, cr2_read(), cr3_read(), cr4_read());
		log_registers(regs);
	}
	backtrace(rip, rbp);
	log_panic_end();
	machine_end();
}

void panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	panic_va(NULL, (uint64_t)__builtin_return_address(0) - 1, *(uint64_t *)__builtin_frame_address(0), format,
		arguments);
}

void panic_regs(const struct regs *regs, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	panic_va(regs, regs->rip, regs->rbp, format, arguments);
}
