/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/clock.h: the clocks of known rate against which the TSC is measured.
 */
#ifndef CORE_X86_CLOCK_H
#define CORE_X86_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
	const char *name;
	bool (*start)(struct clock *clock); /* false: not here */
	uint64_t (*read)(void);
	uint64_t hz, mask; /* counts up, modulo mask + 1 */
};

/* Best first. */
#define CLOCK_COUNT 3
extern struct clock clocks[CLOCK_COUNT];

#endif
