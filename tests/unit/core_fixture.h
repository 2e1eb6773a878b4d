/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/core_fixture.h: the core's objects on Linux: a pool, root with some RAM (frame numbers only: nobody looks into it), a processor whose time
 * stands still until a test moves it, and stand-ins for what touches a real one.
 */
#ifndef TESTS_UNIT_CORE_FIXTURE_H
#define TESTS_UNIT_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/mem/memory.h"
#include "core/obj/call.h"
#include "core/obj/event.h"
#include "core/obj/process.h"
#include "core/sched/endpoint.h"
#include "core/virt/vm.h"
#include "core/x86/timer.h"
#include "tests/core/check.h"
#include "gyre/calls.h"

#define POOL_FRAMES 4096
/* Root's RAM: two ranges with a hole between, neither a whole number of large pages. */
#define RAM_FIRST   0x1003ul
#define RAM_PAGES   0x5000ul
#define RAM_FIRST_2 0x8001ul
#define RAM_PAGES_2 0x300ul

struct core_fixture {
	struct cpu *cpu;
	struct process *root;
	struct thread *root_thread; /* current */
	uint64_t flushes;	    /* of TLBs */
	uint64_t switches;	    /* thread_switch_to() */
	uint64_t timer_armed;	    /* as timer_arm() was told last */
	uint64_t kicks, messages;
	unsigned int log_lines;
};
extern struct core_fixture core;

/* setup and teardown of each test: cmocka_unit_test_setup_teardown(test, core_setup, core_teardown). The teardown checks the invariants. */
int core_setup(void **state);
int core_teardown(void **state);

/* What the end of a call does: frees, and chooses who runs. */
void core_settle(void);
void time_passes(uint64_t ticks); /* expires what is due */
/* Destroys until it is gone. How many times it had to be called. */
unsigned int core_destroy(struct object *object);
struct process *core_process(uint64_t frames);
struct thread *core_thread(struct process *process, unsigned int priority, struct endpoint *fault, uint32_t badge);
struct memory *core_memory(
	struct process *owner, uint64_t pages, uint64_t from_frame); /* with pages moved out of RAM; 0: holes */
int64_t core_map(struct aspace *aspace, struct memory *memory, uint64_t offset, uint64_t page, uint64_t pages,
	unsigned int rights);
/* The frame that a page is mapped to; 0: none. */
uint64_t core_mapped(struct aspace *aspace, uint64_t page);
/* Frames in use by a process. */
uint64_t core_used(struct process *process);
/* Makes the thread current, as after a switch. */
void core_run(struct thread *thread);

#define assert_ok(call) assert_int_equal(call, 0)
#endif
