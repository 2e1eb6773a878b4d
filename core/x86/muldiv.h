/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/muldiv.h: a * b / c with a 128-bit product, which C would call a library for.
 */
#ifndef CORE_X86_MULDIV_H
#define CORE_X86_MULDIV_H

#include <stdint.h>

/* The quotient must fit in 64 bits: it does not where a * b / 2^64 >= c, and the result is all ones then. */
static inline uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	uint64_t high = product >> 64, low = product, quotient;
	if (high >= c)
		return UINT64_MAX;
	__asm__("divq %3" : "=a"(quotient), "+d"(high) : "0"(low), "r"(c) : "cc");
	return quotient;
}

#endif
