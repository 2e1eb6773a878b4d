/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/vcpu_run.h: the call vcpu_run, alone: it stands in the loop of a monitor, whose own names are not to meet those of lib/calls.h. The core keeps RSP
 * and RBP, so that the compiler keeps just what it needs, where it is needed.
 */
#ifndef LIB_VCPU_RUN_H
#define LIB_VCPU_RUN_H

#include <stdint.h>
#include "gyre/calls.h"

static inline long vcpu_run(uint32_t vcpu)
{
	long result = GYRE_CALL_vcpu_run;
	uint64_t rdi = vcpu;
	__asm__ volatile(
		"syscall"
		: "+a"(result), "+D"(rdi)
		:
		: "rcx", "r11", "rbx", "rdx", "rsi", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory", "cc");
	return result;
}

#endif
