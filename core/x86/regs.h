/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/regs.h: the general registers of a thread, as the entry code lays them out.
 *
 * The processor itself writes the last five words: TSS.RSP0 points at the end of the current thread's struct regs, so an exception or interrupt from
 * ring 3 pushes straight into the thread. It aligns RSP to 16 bytes first, hence the alignment of the struct.
 */
#ifndef CORE_X86_REGS_H
#define CORE_X86_REGS_H

#define REGS_R15    0
#define REGS_R14    8
#define REGS_R13    16
#define REGS_R12    24
#define REGS_RBP    32
#define REGS_RBX    40
#define REGS_R11    48
#define REGS_R10    56
#define REGS_R9	    64
#define REGS_R8	    72
#define REGS_RDI    80
#define REGS_RSI    88
#define REGS_RDX    96
#define REGS_RCX    104
#define REGS_RAX    112
#define REGS_TRAP   120
#define REGS_ERROR  128
#define REGS_RIP    136
#define REGS_CS	    144
#define REGS_RFLAGS 152
#define REGS_RSP    160
#define REGS_SS	    168
#define REGS_SIZE   176

/* regs.trap is the vector, or this: the thread came by SYSCALL, so that its RCX and R11 are RIP and RFLAGS and hold nothing of its own. */
#define REGS_TRAP_SYSCALL 0x100
/* Who wrote the registers of such a thread sets trap to this, so that RCX and R11 are restored too. */
#define REGS_TRAP_NONE	  0x101

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

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t trap;
	uint64_t error;
	uint64_t rip, cs, rflags, rsp, ss;
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct regs) == REGS_SIZE && REGS_SIZE % 16 == 0, "the processor pushes at a multiple of 16");
_Static_assert(offsetof(struct regs, r15) == REGS_R15 && offsetof(struct regs, r14) == REGS_R14 &&
		       offsetof(struct regs, r13) == REGS_R13 && offsetof(struct regs, r12) == REGS_R12 &&
		       offsetof(struct regs, rbp) == REGS_RBP && offsetof(struct regs, rbx) == REGS_RBX &&
		       offsetof(struct regs, r11) == REGS_R11 && offsetof(struct regs, r10) == REGS_R10 &&
		       offsetof(struct regs, r9) == REGS_R9 && offsetof(struct regs, r8) == REGS_R8 &&
		       offsetof(struct regs, rdi) == REGS_RDI && offsetof(struct regs, rsi) == REGS_RSI &&
		       offsetof(struct regs, rdx) == REGS_RDX && offsetof(struct regs, rcx) == REGS_RCX &&
		       offsetof(struct regs, rax) == REGS_RAX && offsetof(struct regs, trap) == REGS_TRAP &&
		       offsetof(struct regs, error) == REGS_ERROR && offsetof(struct regs, rip) == REGS_RIP &&
		       offsetof(struct regs, cs) == REGS_CS && offsetof(struct regs, rflags) == REGS_RFLAGS &&
		       offsetof(struct regs, rsp) == REGS_RSP && offsetof(struct regs, ss) == REGS_SS,
	"core/x86/entry.S");

/* Makes registers with which a process may run, whatever they held: call it after anybody but the processor wrote rip, cs, rflags or ss. */
static inline void regs_make_user(struct regs *regs)
{
	regs->cs = SELECTOR_USER_CODE;
	regs->ss = SELECTOR_USER_DATA;
	regs->rflags = (regs->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;
}
#endif
#endif
