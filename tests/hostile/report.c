/* SPDX-License-Identifier: Apache-2.0 */
/* tests/hostile/report.c: how often each call was made, and with how many different results: one line each, which the test reads. */
#include "lib/native.h"
#include "tests/hostile/hostile.h"

void seen_add(struct worker *w, uint64_t number, long result)
{
	if (number >= GYRE_CALL_COUNT)
		return;
	if (result >= 0)
		w->seen[number].good++;
	else if (result > -32)
		w->seen[number].errors |= 1u << -result;
}

static struct seen sum_of(unsigned number)
{
	struct seen sum = {0, 0, 0};
	for (unsigned i = 0; i < WORKERS; i++) {
		sum.made += workers[i].seen[number].made;
		sum.good += workers[i].seen[number].good;
		sum.errors |= workers[i].seen[number].errors;
	}
	return sum;
}

/* A monitor has no pages of its own to move, and not the machine's authority; who exits is told nothing. */
static bool can_succeed(unsigned number)
{
	switch (number) {
	case GYRE_CALL_memory_move:
	case GYRE_CALL_interrupt_create:
	case GYRE_CALL_ioports_create:
	case GYRE_CALL_ioports_grant:
	case GYRE_CALL_machine_check:
	case GYRE_CALL_thread_exit: return false;
	default: return true;
	}
}

unsigned seen_missing(void)
{
	unsigned missing = 0;
	for (unsigned number = 0; number < GYRE_CALL_COUNT; number++)
		missing += (can_succeed(number) ? sum_of(number).good : sum_of(number).made) == 0;
	return missing;
}

void seen_report(void)
{
#define NAME(name, number) [number] = #name,
	static const char *const names[GYRE_CALL_COUNT] = {GYRE_CALLS(NAME)};
	for (unsigned number = 0; number < GYRE_CALL_COUNT; number++) {
		const struct seen sum = sum_of(number);
		native_log("hostile: call %s made %u times, %u good, %u different results", names[number], sum.made,
			sum.good, (sum.good != 0) + (unsigned)__builtin_popcount(sum.errors));
	}
	static struct gyre_machine_info machine;
	machine_info(&machine);
	native_log("hostile: interrupts were off for at most %lu ticks", machine.max_interrupts_off);
}
