/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/regs.h: the general registers of a thread, as the entry code lays them out.
 *
 * The processor itself writes the last five words: TSS.RSP0 points at the end of the current thread's struct regs, so an exception or interrupt from
 * ring 3 pushes straight into the thread. It aligns RSP to 16 bytes first, hence the alignment of the struct.
 */
#ifndef CORE_X86_REGS_H
#define CORE_X86_REGS_H

/* In the order in which they lie. Assembly says REGS_rax for what C calls offsetof(struct regs, rax). */
#define REGS_GENERAL r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
#define REGS_ALL     REGS_GENERAL, trap, error, rip, cs, rflags, rsp, ss

/* regs.trap is the vector, or this: the thread came by SYSCALL, so that its RCX and R11 are RIP and RFLAGS and hold nothing of its own. */
#define REGS_TRAP_SYSCALL 0x100
/* Who wrote the registers of such a thread sets trap to this, so that RCX and R11 are restored too. */
#define REGS_TRAP_NONE	  0x101

/* The same by the way of vcpu_run: general registers that the call does not keep are not here either, and nobody has changed the others. */
#define REGS_TRAP_RUN 0x102
#define REGS_TRAP_RUN_INTERRUPT                                                                                        \
	0x104 /* 0x103 is REGS_TRAP_RUN with a RIP that is not canonical; by VECTOR_CALL instead of SYSCALL */
#define CALL_VCPU_RUN 43 /* its number: gyre/calls.h */

/* Its gate is open to ring 3: calls, where SYSCALL is not to be used. gyre/calls.h */
#define VECTOR_CALL 0x20

/* Selectors. SYSCALL and SYSRET fix their order: APM vol. 2, "SYSCALL and SYSRET". There is no 32-bit user code. */
#define SELECTOR_CORE_CODE 0x08
#define SELECTOR_CORE_DATA 0x10
#define SELECTOR_SYSRET	   0x18 /* its base: data at +8, 64-bit code at +16 */
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TSS	   0x30

#define RFLAGS_FIXED 0x2
#define RFLAGS_TF    0x100
#define RFLAGS_IF    0x200
#define RFLAGS_DF    0x400
#define RFLAGS_IOPL  0x3000
#define RFLAGS_NT    0x4000
#define RFLAGS_RF    0x10000
#define RFLAGS_VM    0x20000
#define RFLAGS_AC    0x40000
/* What a process may set: CF PF AF ZF SF TF DF OF NT RF AC ID. */
#define RFLAGS_USER  0x254dd5

#ifdef __ASSEMBLER__
/* clang-format off */
	.set REGS_SIZE, 0
	.irp name, REGS_ALL
	.set REGS_\name, REGS_SIZE
	.set REGS_SIZE, REGS_SIZE + 8
	.endr
/* clang-format on */
#else
#include <stdint.h>

/* Control registers: APM vol. 2, "System-Control Registers". While CR0.TS is set, an FPU or vector instruction is a #NM. */
#define CR0_PE 0x1ull
#define CR0_MP 0x2ull
#define CR0_TS 0x8ull
#define CR0_ET 0x10ull
#define CR0_NE 0x20ull
#define CR0_WP 0x10000ull
#define CR0_NW 0x20000000ull
#define CR0_CD 0x40000000ull
#define CR0_PG 0x80000000ull

#define CR4_PSE	       0x10ull
#define CR4_PAE	       0x20ull
#define CR4_MCE	       0x40ull
#define CR4_PGE	       0x80ull
#define CR4_OSFXSR     0x200ull
#define CR4_OSXMMEXCPT 0x400ull
#define CR4_UMIP       0x800ull
#define CR4_LA57       0x1000ull
#define CR4_PCIDE      0x20000ull
#define CR4_OSXSAVE    0x40000ull
#define CR4_SMEP       0x100000ull
#define CR4_SMAP       0x200000ull
#define CR4_PKE	       0x400000ull

struct regs {
	uint64_t REGS_ALL;
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct regs) % 16 == 0, "the processor pushes at a multiple of 16");

/* Makes registers with which a process may run, whatever they held: call it after anybody but the processor wrote rip, cs, rflags or ss. */
static inline void regs_make_user(struct regs *regs)
{
	regs->cs = SELECTOR_USER_CODE;
	regs->ss = SELECTOR_USER_DATA;
	regs->rflags = (regs->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;
}
#endif
#endif
