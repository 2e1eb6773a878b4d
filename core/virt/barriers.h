/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/barriers.h: what a guest could have trained or left behind in the processor, and where that is wiped away.
 *
 * Which barriers apply is the vendor's table by processor model. Each stands on its path without a test that could itself be guessed: the entry code
 * exists in two forms, of which one is chosen long before the guest runs. `barriers=heaviest`, `none` or FAMILY.MODEL (hexadecimal) on the command line
 * forces a set; where the processor has not the register, a write of another one is counted in its place, so that figures stay comparable.
 */
#ifndef CORE_VIRT_BARRIERS_H
#define CORE_VIRT_BARRIERS_H

#define BARRIER_EXIT_RSB 0x01 /* after each exit: the return stack is filled with harmless addresses */
#define BARRIER_EXIT_IBPB                                                                                              \
	0x02 /* after each exit: returns and indirect branches of the core could be guided by the guest (retbleed, SRSO) */
#define BARRIER_ENTRY_VERW  0x04 /* before each entry: buffers that leak by sampling (MDS, TSA) */
#define BARRIER_USER_IBPB   0x08 /* before the monitor runs after its guest (VMSCAPE) */
#define BARRIER_SWITCH_IBPB 0x10 /* before another process or guest runs */
#define BARRIER_CALL_IBPB                                                                                              \
	0x40 /* before the slow way of an exit: the core's indirect calls could be guided by the guest (Spectre variant 2) */
#define BARRIER_ENTRY_L1D 0x20 /* before an entry after anything but the core's own quick answers (L1 terminal fault) */

/* For the assembly. */
#define BARRIERS_SET	  0
#define BARRIERS_MSR	  4
#define BARRIERS_VALUE	  8
#define BARRIERS_SELECTOR 12

#ifdef __ASSEMBLER__
/* clang-format off */
/* Changes no register. VERW costs little where it does nothing, so it is not asked for. */
.macro BARRIERS_AT_ENTRY
	verw barriers + BARRIERS_SELECTOR(%rip)
.endm

/* Changes RAX, RCX, RDX. A wrong guess of the test ends at the LFENCE; before it no return and no indirect branch is executed. */
.macro BARRIERS_AT_EXIT
	testb $BARRIER_EXIT_IBPB, barriers + BARRIERS_SET(%rip)
	jz .Lno_ibpb\@
	mov barriers + BARRIERS_MSR(%rip), %ecx
	mov barriers + BARRIERS_VALUE(%rip), %eax
	xor %edx, %edx
	wrmsr
.Lno_ibpb\@:
	/* 32 calls fill the return stack of every processor; what follows each is never executed. */
	.rept 32
	call 771f
	int3
771:
	.endr
	add $(32 * 8), %rsp
	lfence
.endm
/* clang-format on */
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct barriers {
	uint32_t set; /* BARRIER_ */
	uint32_t msr; /* that IBPB is written to: PRED_CMD, or the stand-in */
	uint32_t value;
	uint16_t selector; /* for VERW */
	bool l1d;	   /* BARRIER_ENTRY_L1D, by a register that is there */
	uint32_t l1d_msr;
	bool before_user; /* IBPB, where it was not done at the exit already */
	bool at_entry;	  /* the entry code with barriers is to be used */
	bool forced;
};
extern struct barriers barriers;
_Static_assert(offsetof(struct barriers, msr) == BARRIERS_MSR && offsetof(struct barriers, value) == BARRIERS_VALUE &&
		       offsetof(struct barriers, selector) == BARRIERS_SELECTOR,
	"the assembly above");

void barriers_init(uint32_t (*of_model)(uint32_t family, uint32_t model), uint32_t heaviest);

static inline __attribute__((always_inline)) void barrier_ibpb(void)
{
	__asm__ volatile("wrmsr" : : "c"(barriers.msr), "a"(barriers.value), "d"(0) : "memory");
}
static inline __attribute__((always_inline)) void barrier_before_user(void)
{
	if (barriers.before_user)
		barrier_ibpb();
}
static inline __attribute__((always_inline)) void barrier_l1d(void)
{
	if (barriers.l1d)
		__asm__ volatile("wrmsr" : : "c"(barriers.l1d_msr), "a"(barriers.value), "d"(0) : "memory");
}
static inline void barrier_before_switch(void)
{
	if ((barriers.set & BARRIER_SWITCH_IBPB) != 0)
		barrier_ibpb();
}

#endif
#endif
