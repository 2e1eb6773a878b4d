/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/trap.c: exceptions that the core itself runs into, and what comes in from anywhere.
 */
#include "core/x86/cpu.h"
#include "core/x86/entry.h"
#include "core/x86/irq.h"
#include "core/x86/log.h"
#include "core/x86/smap.h"
#include "core/virt/virt.h"
#include "core/x86/trap.h"

struct fixup {
	uint64_t at, recovery;
};
extern const struct fixup core_fixups_start[], core_fixups_end[];

extern uint8_t *const core_smap_sites_start[], *const core_smap_sites_end[];

extern const char syscall_entry[];

static const char *const trap_names[] = {"divide error", "debug", "NMI", "breakpoint", "overflow", "bound range",
	"invalid opcode", "device not available", "double fault", "coprocessor segment", "invalid TSS",
	"segment not present", "stack fault", "general protection", "page fault", "reserved", "x87 error",
	"alignment check", "machine check", "SIMD error", "virtualization", "control protection"};

const char *trap_name(uint64_t vector)
{
	return vector < sizeof(trap_names) / sizeof(trap_names[0]) ? trap_names[vector] : "reserved";
}

/* Boot calls this once, while the image can still be written. */
void smap_patch(void)
{
	for (uint8_t *const *site = core_smap_sites_start; site < core_smap_sites_end; site++)
		(*site)[1] = 0x01;
}

/* From ring 0: what the idle loop or a window let in, a guarded access that faulted, or the end. */
void trap_from_core(struct regs *regs)
{
	if (regs->trap >= 32) {
		interrupt_dispatch(cpu_current(), regs->trap);
		return;
	}
	if (regs->trap == TRAP_GENERAL_PROTECTION || regs->trap == TRAP_PAGE_FAULT) {
		for (const struct fixup *fixup = core_fixups_start; fixup < core_fixups_end; fixup++) {
			if (fixup->at == regs->rip) {
				regs->rip = fixup->recovery;
				if (regs->trap == TRAP_PAGE_FAULT) /* it has changed CR2 */
					virt_disturbed(cpu_current());
				return;
			}
		}
	}
	panic_regs(regs, "exception in the core: %s", trap_name(regs->trap));
}

/* NMI, #DF, #MC. No lock may be taken on the way through: the one that holds it may be what was interrupted. */
void trap_on_own_stack(struct regs *regs)
{
	if (regs->trap == TRAP_MACHINE_CHECK)
		machine_check(regs);
	else if (regs->trap != TRAP_NMI) /* a button was pressed, or nobody knows */
		panic_regs(regs, "%s (a stack overflow, or a fault while entering a fault)", trap_name(regs->trap));
}

/*
 * A data breakpoint that MOV SS or POP SS held back is taken on SYSCALL's target, in ring 0 with everything of the caller's. It means nothing
 * there. Debug registers hold addresses of guests and processes only, so any other is a fault of the core's.
 */
void trap_debug_in_core(struct regs *regs)
{
	if (regs->rip == (uint64_t)syscall_entry) {
		dr6_write(DR6_RESET);
		regs->rflags |= RFLAGS_RF;
		return;
	}
	panic_regs(regs, "debug exception in the core");
}
