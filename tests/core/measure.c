/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/measure.c: how often each call was made, and how long interrupts were off.
 */
#include "core/sched/sched.h"
#include "core/x86/timer.h"
#include "gyre/boot.h"
#include "gyre/errors.h"
#include "tests/core/check.h"
#include "tests/core/measure.h"
#include "tests/core/protection.h"

#define CALLS (sizeof(((struct gyre_machine_info *)0)->calls) / sizeof(uint64_t))

static uint64_t counts[CALLS];
static uint64_t off_since;   /* TSC; 0: they are on, or this is not measured. One processor runs as yet */
static uint64_t off_longest; /* ticks */

void call_counted(uint64_t number)
{
	counts[number < CALLS ? number : CALLS - 1]++;
}

void off_begin(struct cpu *cpu)
{
	(void)cpu;
	off_since = tsc_read();
}

void off_end(struct cpu *cpu)
{
	(void)cpu;
	uint64_t since = off_since, length = tsc_read() - since;
	if (since != 0 && length > off_longest)
		off_longest = length;
	off_since = 0;
}

void test_tell(struct gyre_machine_info *info)
{
	for (unsigned int i = 0; i < CALLS; i++)
		info->calls[i] = counts[i];
	info->max_interrupts_off = off_longest;
}

int test_check(struct cpu *cpu)
{
	int error = check_invariants(cpu);
	if (!protection_good())
		error = -GYRE_EIO;
	off_begin(cpu);
	return error;
}
