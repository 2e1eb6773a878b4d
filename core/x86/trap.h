/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/trap.h: the processor's exceptions by number. APM vol. 2, "Exceptions and Interrupts".
 */
#ifndef CORE_X86_TRAP_H
#define CORE_X86_TRAP_H

#include <stdint.h>

enum trap {
	TRAP_DEBUG = 1,
	TRAP_NMI = 2,
	TRAP_BREAKPOINT = 3,
	TRAP_OVERFLOW = 4,
	TRAP_INVALID_OPCODE = 6,
	TRAP_DOUBLE_FAULT = 8,
	TRAP_GENERAL_PROTECTION = 13,
	TRAP_PAGE_FAULT = 14,
	TRAP_ALIGNMENT = 17,
	TRAP_MACHINE_CHECK = 18,
};

#define DR6_RESET 0xffff0ff0ul

const char *trap_name(uint64_t vector);

/* core/x86/mce.c */
struct regs;
void mce_init(void);
void machine_check(const struct regs *regs);

#endif
