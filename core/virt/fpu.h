/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/fpu.h: floating-point and vector registers, of guests and of threads that were created with an FPU. core/virt/fpu.c is the only file of the
 * core with FPU instructions.
 *
 * A state is one frame from the pool; what is in it is fpu.c's business. cpu->fpu_owner is the state whose registers the processor holds, or
 * NULL: then they are clean and CR0.TS is set. Guests' stay in the processor while their own monitor's threads run (with CR0.TS set); before another
 * process or another guest runs they are saved and cleared: fpu_leave().
 */
#ifndef CORE_VIRT_FPU_H
#define CORE_VIRT_FPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;

/* Once at boot on each processor, after cpu_init(): XCR0 gets all that a state can hold. */
void fpu_init(struct cpu *cpu);

/* Makes it what the processor has after a reset. For a new state, or one that no processor holds. */
void fpu_state_reset(void *state);

/* Puts a state into the processor, whatever is there now (which is saved first), for a thread or guest that runs next: CR0.TS is clear afterwards. */
void fpu_enter(struct cpu *cpu, void *state);
/* Saves what the processor holds and clears the registers: CR0.TS is set and cpu->fpu_owner is NULL afterwards. Costs one test when there is nothing. */
void fpu_leave_slow(struct cpu *cpu);
/* The state is going away, but is still there: if this processor holds it, it does no more. */
void fpu_forget(struct cpu *cpu, void *state);

/*
 * The saved form, as gyre/vcpu.h has the FPU page: the standard XSAVE area in 4096 bytes. The state must not be in a processor (fpu_leave). set checks
 * the image: -GYRE_EINVAL where XRSTOR would fault, nothing has changed.
 */
void fpu_state_get(const void *state, void *page, uint64_t xcr0_allowed);
int fpu_state_set(void *state, const void *page, uint64_t xcr0_allowed);
/* XCR0 as the guest has it. */
uint64_t fpu_state_xcr0(const void *state);
bool fpu_state_xcr0_set(void *state, uint64_t xcr0, uint64_t allowed); /* false: XSETBV would be #GP */

/* What a guest can be given, at most: bits of XCR0. */
uint64_t fpu_xcr0_supported(void);

#endif
