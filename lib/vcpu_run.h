/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/vcpu_run.h: the call vcpu_run, alone: it stands in the loop of a monitor, whose own names are not to meet those of lib/calls.h. The core keeps RSP
 * and RBP, so that the compiler keeps just what it needs, where it is needed.
 */
#ifndef LIB_VCPU_RUN_H
#define LIB_VCPU_RUN_H

#include <stdint.h>
#include "gyre/calls.h"

/*
 * Where GYRE_FEATURE_CALL_BY_INTERRUPT is set, SYSCALL costs an exception each time that a guest has run before: a monitor sets this, and calls by the
 * interrupt GYRE_CALL_VECTOR instead. lib/native.c
 */
extern uint8_t call_by_interrupt;
#define CALL_INSTRUCTION                                                                                               \
	"cmpb $0, call_by_interrupt(%%rip)\n"                                                                          \
	"	jne 771f\n"                                                                                                  \
	"	syscall\n"                                                                                                   \
	"772:\n"                                                                                                       \
	"	.subsection 1\n"                                                                                             \
	"771:	int $0x20\n"                                                                                             \
	"	jmp 772b\n"                                                                                                  \
	"	.previous\n"
_Static_assert(GYRE_CALL_VECTOR == 0x20, "above");

static inline long vcpu_run(uint32_t vcpu)
{
	long result = GYRE_CALL_vcpu_run;
	uint64_t rdi = vcpu;
	__asm__ volatile(
		CALL_INSTRUCTION
		: "+a"(result), "+D"(rdi)
		:
		: "rcx", "r11", "rbx", "rdx", "rsi", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory", "cc");
	return result;
}

#endif
