/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/core_machine.h: the machine on which fuzz_core runs the core's own sources: a pool, root with some RAM (frame numbers only: nobody looks into
 * it), a processor whose time stands still until the program moves it, and stand-ins for what touches a real one.
 *
 *   core_machine.c   the processor, interrupt lines, processes' memory, translations that it may hold       core_pool.c    frames and slabs that poison
 *   core_guest.c     a vendor's loop without a guest                                                        core_vcpu.c    core/virt/vcpu.c
 *   core_arguments.c what calls are given     core_program.c   what is done     core_report.c   counts      core_main.c    programs by number
 */
#ifndef TESTS_FUZZ_CORE_MACHINE_H
#define TESTS_FUZZ_CORE_MACHINE_H

#include <setjmp.h>
#include "core/obj/call.h"
#include "core/obj/device.h"
#include "core/virt/vcpu_ops.h"
#include "gyre/boot.h"
#include "gyre/calls.h"
#include "tests/core/check.h"

#define POOL_FRAMES 4096u
/* Root's RAM: two ranges that begin and end anywhere, and one of large pages of both sizes. */
#define RAM_FIRST   0x1003ul
#define RAM_PAGES   0x5000ul
#define RAM_FIRST_2 0x8001ul
#define RAM_PAGES_2 0x300ul
#define RAM_LARGE   0x40000ul
#define RAM_LARGE_N 0xc0000ul

/* What a process may name as its memory, whichever it is. Addresses outside of it fault; the last page can only be read. */
#define WINDOW_AT      0x20000000ul
#define WINDOW_BYTES   0x4000ul
#define WINDOW_WRITE   0x3000ul
#define WINDOW_POLICY  0x0ul
#define WINDOW_CPUID   0x800ul
#define WINDOW_THREAD  0x2000ul
#define WINDOW_GENERAL 0x2400ul

struct machine_state {
	struct cpu *cpu;
	struct process *root;
	const uint8_t *at, *end;   /* of the program */
	jmp_buf leave;		   /* where the core is left from an empty stack */
	unsigned int steps, calls; /* of this program */
	uint8_t window[WINDOW_BYTES];
	/* what was there before the program began */
	uint64_t objects, handles, frames;
};
extern struct machine_state machine;

static inline uint8_t byte(void)
{
	return machine.at < machine.end ? *machine.at++ : 0;
}
static inline bool program_ended(void)
{
	return machine.at >= machine.end;
}

/* What a test must find true: else the program ends, and libFuzzer keeps it. */
#define EXPECT(condition, ...)                                                                                         \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			machine_fail(__LINE__, __VA_ARGS__);                                                           \
	} while (0)
_Noreturn void machine_fail(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- core_machine.c ---- */
void machine_begin(void);
void machine_end(void); /* all is destroyed; the counts are those of the beginning */
/* The end of a call, and of an interrupt: frees, and chooses who runs. A thread that is in a guest enters it. */
void machine_leave(void);
void machine_time(uint64_t ticks); /* expires what is due */
void machine_line(unsigned int number);
void window_reset(void);
void check_now(void);
/* A process with memory, an endpoint, an event and a thread that runs, paid by its creator; what fails for want of quota is left out. */
void process_populate(struct process *process, unsigned int pages);
struct thread *thread_spawn(struct process *process, unsigned int priority);

/* Translations that a processor may hold of a process. The guest's are core_guest.c's. */
struct held {
	struct aspace *aspace;
	uint64_t page, leaf;
};
void held_take(struct held *held, struct aspace *aspace, uint64_t page);
void held_check(const struct held *held);

/* ---- core_pool.c ---- */
void *pool_memory(void); /* of POOL_FRAMES */
void pool_reset(void);

/* ---- core_guest.c ---- */
void guest_reset(unsigned int kind);
void guest_pages_poke(struct vcpu *vcpu);

/* ---- core_arguments.c ---- */
extern const char *const call_signatures[GYRE_CALL_COUNT];
void arguments_make(struct regs *regs, uint64_t number);
struct object *object_pick(struct process *process, unsigned int type); /* that it has a handle of; NULL: none */

/* ---- core_program.c ---- */
void program_run(void);

/* ---- core_report.c ---- */
void report_call(uint64_t number);
void report_result(uint64_t number, int64_t result);
bool report_print(void); /* false: a call was never made, or never succeeded */

#endif
