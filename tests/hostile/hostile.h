/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/hostile/hostile.h: a monitor that attacks the core: started by root in the place of monitor.elf, it makes random calls from several threads and
 * processes, runs guests in random states, and starts threads with registers that make no sense. The same seed makes the same calls, as far as the
 * order in which its threads run is the same.
 *
 *   main.c    rounds, workers and child processes, the end; and the victim that lives beside an attacker
 *   report.c  which calls were made, and what came of them      ends.c    what ends in pieces
 *   calls.c   random calls      guest.c   random guests      odd.c   odd registers and instructions      exact.c   guests whose end is known
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include "gyre/channel.h"
#include "lib/calls.h"

/* Guest RAM, mapped whole; then what nobody may touch at random; then where everything random goes. */
#define RAM_ADDRESS    0x40000000ull
#define VCPU_ADDRESS   0x80000000ull /* a worker's own vcpu: 64 KiB each */
#define ARENA_ADDRESS  0x100000000ull
#define ARENA_PAGES    16384u
#define IMAGE_COPY     0x800000ull /* in RAM: the program for child processes */
#define START_COPY     0x700000ull /* and the start block */
#define PROTECTED_MOST 8u
#define RECENT	       16u
#define OF_A_TYPE      8u

/* What came of a call: what never succeeds is attacked in vain. */
struct seen {
	uint32_t made, good;
	uint32_t errors; /* bit n: -n was returned */
};

struct worker {
	uint64_t seed, calls, runs; /* runs: of guests, up to an exit */
	struct seen seen[GYRE_CALL_COUNT];
	uint32_t number;
	handle_t recent[RECENT]; /* that calls returned */
	uint32_t recent_next;
	handle_t typed[GYRE_OBJECT_TYPES][OF_A_TYPE]; /* the same, by their type */
	uint32_t typed_next[GYRE_OBJECT_TYPES];
	handle_t vm, vcpu; /* guest.c */
	uint8_t buffer[8192] __attribute__((aligned(4096)));
};

struct hostile {
	const struct gyre_start *start;
	handle_t protect[PROTECTED_MOST]; /* never closed or destroyed at random */
	uint32_t tsc_khz;
};
extern struct hostile hostile;
#define WORKERS 3u /* the last in the child process */
extern struct worker workers[WORKERS];

static inline uint64_t random_next(struct worker *w)
{
	w->seed ^= w->seed >> 12;
	w->seed ^= w->seed << 25;
	w->seed ^= w->seed >> 27;
	return w->seed * 0x2545f4914f6cdd1dull;
}

static inline uint64_t random_below(struct worker *w, uint64_t n)
{
	return (random_next(w) >> 16) % n;
}

static inline uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

uint64_t random_odd(struct worker *w); /* a number that some check might not expect */
void handles_make(struct worker *w);
handle_t random_handle(struct worker *w);
handle_t random_fault_handle(struct worker *w); /* not root's: a fault that root hears of ends the VM */
void handle_keep(struct worker *w, enum gyre_object_type type, long handle);
void random_call(struct worker *w);
void seen_add(struct worker *w, uint64_t number, long result);
unsigned seen_missing(void); /* how many calls that a monitor can make with success have had none */
void seen_report(void);
void random_guest(struct worker *w);
struct gyre_vcpu_policy guest_policy_plain(void);
void guest_policy(handle_t vcpu);
const char *exact_guests(void); /* NULL: all of them end as they should */
void random_odd_thread(struct worker *w, handle_t process);
unsigned vcpus_that_outlive_their_vm(void);

#endif
