/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/trap.h: the processor's exceptions by number. APM vol. 2, "Exceptions and Interrupts".
 */
#ifndef CORE_X86_TRAP_H
#define CORE_X86_TRAP_H

#include <stdint.h>

enum trap {
	TRAP_DIVIDE = 0,
	TRAP_DEBUG = 1,
	TRAP_NMI = 2,
	TRAP_BREAKPOINT = 3,
	TRAP_OVERFLOW = 4,
	TRAP_INVALID_OPCODE = 6,
	TRAP_NO_DEVICE = 7,
	TRAP_DOUBLE_FAULT = 8,
	TRAP_INVALID_TSS = 10,
	TRAP_NOT_PRESENT = 11,
	TRAP_STACK = 12,
	TRAP_GENERAL_PROTECTION = 13,
	TRAP_PAGE_FAULT = 14,
	TRAP_X87 = 16,
	TRAP_ALIGNMENT = 17,
	TRAP_MACHINE_CHECK = 18,
	TRAP_SIMD = 19,
};

#define DR6_RESET 0xffff0ff0ul

const char *trap_name(uint64_t vector);

#endif
