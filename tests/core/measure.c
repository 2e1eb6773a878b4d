/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/measure.c: how often each call was made, and how long interrupts were off; and all that a test of the core's state consists of.
 */
#include "core/boot/boot.h"
#include "core/sched/sched.h"
#include "core/x86/log.h"
#include "core/x86/timer.h"
#include "gyre/boot.h"
#include "gyre/errors.h"
#include "tests/core/check.h"
#include "tests/core/measure.h"
#include "tests/core/plant.h"
#include "tests/core/protection.h"
#include "tests/core/start.h"

#define CALLS (sizeof(((struct gyre_machine_info *)0)->calls) / sizeof(uint64_t))

static uint64_t counts[CALLS];
static uint64_t call_latest;
static uint64_t off_since;	      /* TSC; 0: they are on, or this is not measured. One processor runs as yet */
static uint64_t off_longest;	      /* ticks */
static const void *off_from, *off_to; /* where the longest stretch began and ended; where the present one began */
static const void *off_began;
static uint64_t off_call;      /* the call that was made last before */
static uint64_t check_longest; /* what all of this takes itself: no core but this one does it */

void call_counted(uint64_t number)
{
	call_latest = number < CALLS ? number : CALLS - 1;
	counts[call_latest]++;
	if (__builtin_expect(plant_any, 0))
		plant_call(cpu_current(), number);
}

void off_begin(struct cpu *cpu)
{
	(void)cpu;
	off_since = tsc_read();
	off_began = __builtin_return_address(0);
}

/* Apart, since it is rare: what is measured pays for the rest. */
static __attribute__((noinline)) void off_note(uint64_t length, const void *to)
{
	off_longest = length;
	off_from = off_began;
	off_call = call_latest;
	off_to = to;
}

void off_end(struct cpu *cpu)
{
	(void)cpu;
	uint64_t since = off_since, length = tsc_read() - since;
	if (__builtin_expect(since != 0 && length > off_longest, 0))
		off_note(length, __builtin_return_address(0));
	off_since = 0;
}

void test_tell(struct gyre_machine_info *info)
{
	for (unsigned int i = 0; i < CALLS; i++)
		info->calls[i] = counts[i];
	info->max_interrupts_off = off_longest;
}

/* off-limit=N: for machines where a tick is an instruction. Each new longest one is told once. */
static bool off_holds(void)
{
	static uint64_t told;
	uint64_t limit = core_option_size("off-limit", 0);
	if (limit == 0 || off_longest <= told)
		return true;
	told = off_longest;
	log_info("test core: interrupts were off for %lu ticks, from 0x%lx to 0x%lx, after call %lu",
		(unsigned long)off_longest, (unsigned long)off_from, (unsigned long)off_to, (unsigned long)off_call);
	if (off_longest <= limit)
		return true;
	log_error("check: interrupts were off for %lu ticks, %lu are allowed", (unsigned long)off_longest,
		(unsigned long)limit);
	return false;
}

/* So that who reads the log knows that it was looked at, and how often. */
static void tell_checks(uint64_t ticks)
{
	static uint64_t checks, next = 1;
	bool longer = ticks > check_longest + check_longest / 8;
	if (ticks > check_longest)
		check_longest = ticks;
	if (++checks < next && !longer)
		return;
	while (next <= checks)
		next *= 2;
	log_info("test core: looked at its books %lu times, which took at most %lu ticks", (unsigned long)checks,
		(unsigned long)check_longest);
}

int test_check(struct cpu *cpu)
{
	uint64_t start = tsc_read();
	int error = check_invariants(cpu);
	if (!protection_good() || check_tags() < 0)
		error = -GYRE_EIO;
	if (!start_hash_holds()) {
		log_error("check: the core's code or constants are not what they were");
		error = -GYRE_EIO;
	}
	if (!off_holds())
		error = -GYRE_EIO;
	tell_checks(tsc_read() - start);
	off_begin(cpu);
	return error;
}
