/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/entry.S: into the core and out of it. core/x86/entry.h says what calls what.
 *
 * From ring 3, all registers go to the current thread's struct regs. For SYSCALL that is done here; for exceptions and interrupts the processor has
 * started it, since TSS.RSP0 is the end of that struct. RSP points into the thread then, which is why whatever can interrupt these
 * instructions (NMI, #MC, #DF and #DB) has a stack of its own. The call vcpu_run goes its own way, with fewer registers.
 */
#include "core/x86/cpu.h"
#include "core/x86/regs.h"
#include "core/x86/smap.h"

/* All but RSP and what SYSCALL and SYSRET themselves use. */
#define SYSCALL_GENERAL rax, rdx, rsi, rdi, r8, r9, r10, rbx, rbp, r12, r13, r14, r15

/* Above RSP where CPU_STACK_TOP points. */
#define STACK_CPU 8
/* Behind a thread's registers: core/sched/thread.h. */
#define THREAD_PROCESSOR REGS_SIZE

	.macro PUSH_GENERAL
	.irp name, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push %\name
	.endr
	.endm

	.macro POP_GENERAL
	.irp name, REGS_GENERAL
	pop %\name
	.endr
	.endm

	.section .text.entry, "ax"
	.balign 64
	.globl syscall_entry
/*
 * SFMASK has cleared IF, TF, DF, AC and NT. RCX is the caller's RIP, R11 its RFLAGS; RSP is still its own. GS is used here and nowhere else in the core:
 * from here on, the processor is found by the thread whose registers these are, or by the stack.
 */
syscall_entry:
	swapgs
	mov %rsp, %gs:CPU_USER_RSP
	mov %gs:CPU_REGS, %rsp
	swapgs
	cmp $CALL_VCPU_RUN, %rax
	je run_entry
	mov %rcx, REGS_rip(%rsp)
	mov %r11, REGS_rflags(%rsp)
	movq $REGS_TRAP_SYSCALL, REGS_trap(%rsp)
	.irp name, SYSCALL_GENERAL
	mov %\name, REGS_\name(%rsp)
	.endr
	mov THREAD_PROCESSOR(%rsp), %rdi
	mov CPU_USER_RSP(%rdi), %rcx
	mov %rcx, REGS_rsp(%rsp)
call_common:
	mov %rax, %rsi
	mov CPU_STACK_TOP(%rdi), %rsp
	call core_call

/* RSP is as CPU_STACK_TOP has it. Whoever is to run now is decided by core_leave. */
leave:
	mov STACK_CPU(%rsp), %rdi
	call core_leave
	mov STACK_CPU(%rsp), %rdi
resume:
	mov CPU_REGS(%rdi), %rsp
	cmpq $REGS_TRAP_SYSCALL, REGS_trap(%rsp)
	jne leave_all
	mov REGS_rflags(%rsp), %r11
	mov REGS_rip(%rsp), %rcx
	test $(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_IOPL), %r11d
	jnz leave_all
	/* On some processors SYSRET to a non-canonical address faults in ring 0, on the stack that the process chose (CVE-2012-0217). */
	mov %rcx, %rax
	shr $47, %rax
	jnz leave_all
	or $(RFLAGS_IF | RFLAGS_FIXED), %r11
	.irp name, SYSCALL_GENERAL
	mov REGS_\name(%rsp), %\name
	.endr
	mov REGS_rsp(%rsp), %rsp
	sysretq

/*
 * By IRETQ. It must not fault, since RSP is in the thread: so what it reads is made good here, whoever wrote it. A RIP that is not canonical becomes 0,
 * where no process can have anything mapped, and faults there.
 */
leave_all:
	mov REGS_rip(%rsp), %rcx
	shr $47, %rcx
	jz 1f
	movq $0, REGS_rip(%rsp)
1:	andq $RFLAGS_USER, REGS_rflags(%rsp)
	orq $(RFLAGS_IF | RFLAGS_FIXED), REGS_rflags(%rsp)
	movq $SELECTOR_USER_CODE, REGS_cs(%rsp)
	movq $SELECTOR_USER_DATA, REGS_ss(%rsp)
	POP_GENERAL
	add $16, %rsp
	iretq

/*
 * vcpu_run, which each exit to a monitor takes: all general registers but RSP and RBP are lost (gyre/calls.h), so there is little to keep. RIP and RFLAGS
 * come from SYSCALL, and go back as they are if nobody has set regs.trap: then RIP was an address of ring 3, but for the canonical edge.
 */
run_entry:
	mov %rdi, %rsi
	mov THREAD_PROCESSOR(%rsp), %rdi
	mov %rcx, REGS_rip(%rsp)
	mov %r11, REGS_rflags(%rsp)
	mov %rbp, REGS_rbp(%rsp)
	mov CPU_USER_RSP(%rdi), %rdx
	mov %rdx, REGS_rsp(%rsp)
	shr $47, %rcx
	add $REGS_TRAP_RUN, %ecx /* not canonical: a value that no other has, with which core_resume does not return */
	mov %rcx, REGS_trap(%rsp)
run_common:
	mov CPU_STACK_TOP(%rdi), %rsp
	call vcpu_run_call
	jmp leave

/*
 * Calls by an interrupt, while SYSCALL's registers are lent to a guest (core/x86/cpu.h). On the stack, so in the thread: vector, error, RIP, CS, RFLAGS, RSP,
 * SS. A call other than vcpu_run keeps RCX and R11, too.
 */
	.balign 16
interrupt_call:
	cld
	SMAP_SITE SMAP_CLAC
	cmp $CALL_VCPU_RUN, %rax
	jne 1f
	mov %rdi, %rsi
	mov THREAD_PROCESSOR - REGS_trap(%rsp), %rdi
	mov %rbp, REGS_rbp - REGS_trap(%rsp)
	movq $REGS_TRAP_RUN_INTERRUPT, (%rsp)
	jmp run_common
1:	PUSH_GENERAL
	mov THREAD_PROCESSOR(%rsp), %rdi
	jmp call_common

/* core_resume(cpu, result): the current thread's vcpu_run is over, and nothing is due before. */
	.globl core_resume
core_resume:
	mov CPU_REGS(%rdi), %rdx
	cmpq $REGS_TRAP_RUN, REGS_trap(%rdx)
	jne 2f
	/* SYSRET is lent with the rest: it would fault in ring 0, on the process's stack. */
	cmpq $0, CPU_LENT(%rdi)
	jne 1f
	mov REGS_rip(%rdx), %rcx
	mov REGS_rflags(%rdx), %r11
	mov REGS_rbp(%rdx), %rbp
	mov REGS_rsp(%rdx), %rsp
	mov %rsi, %rax
	.irp name, ebx, edx, esi, edi, r8d, r9d, r10d, r12d, r13d, r14d, r15d
	xor %\name, %\name
	.endr
	sysretq
2:	cmpq $REGS_TRAP_RUN_INTERRUPT, REGS_trap(%rdx)
	jne 1f
	/* As the processor has put it there: nobody has changed it. */
	lea REGS_rip(%rdx), %rsp
	mov REGS_rbp(%rdx), %rbp
	mov %rsi, %rax
	.irp name, ebx, ecx, edx, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor %\name, %\name
	.endr
	iretq
1:	mov %rsi, REGS_rax(%rdx)
	jmp resume

/* core_enter(cpu) */
	.globl core_enter
core_enter:
	mov CPU_STACK_TOP(%rdi), %rsp
	xor %ebp, %ebp
	jmp leave

/* Exceptions and interrupts that have no stack of their own. On the stack: vector, error, RIP, CS, RFLAGS, RSP, SS. */
	.balign 16
trap_common:
	testb $3, 24(%rsp)
	jz trap_in_core
	PUSH_GENERAL
	mov %rsp, %rsi
trap_from_ring3:
	cld
	SMAP_SITE SMAP_CLAC
	mov THREAD_PROCESSOR(%rsi), %rdi
	mov CPU_STACK_TOP(%rdi), %rsp
	cmpq $32, REGS_trap(%rsi)
	jae 1f
	call trap_from_user
	jmp leave
1:	mov REGS_trap(%rsi), %esi
	call interrupt_dispatch
	jmp leave

trap_in_core:
	PUSH_GENERAL
	cld
	SMAP_SITE SMAP_CLAC
	mov %rsp, %rdi
	call trap_from_core
return_in_core:
	POP_GENERAL
	add $16, %rsp
	iretq

/* NMI, #MC and #DF: from any instruction of anybody. */
	.balign 16
trap_separate:
	PUSH_GENERAL
	cld
	SMAP_SITE SMAP_CLAC
	mov %rsp, %rdi
	call trap_on_own_stack
	jmp return_in_core

/* #DB: a process's goes on as if it had come without a stack of its own. */
	.balign 16
trap_debug:
	PUSH_GENERAL
	cld
	SMAP_SITE SMAP_CLAC
	testb $3, REGS_cs(%rsp)
	jnz 1f
	mov %rsp, %rdi
	call trap_debug_in_core
	jmp return_in_core
1:	mov %rsp, %rdi
	or $(CPU_STACK_BYTES - 1), %rdi
	mov -7(%rdi), %rdi
	mov CPU_REGS(%rdi), %rdi
	mov %rsp, %rsi
	mov $(REGS_SIZE / 8), %ecx
	rep movsq
	lea -REGS_SIZE(%rdi), %rsi
	jmp trap_from_ring3

/* One short stub for each vector, 16 bytes apart: the descriptor table is filled by their distance. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	/* 8, 10 to 14, 17, 21, 29 and 30 push an error code. APM vol. 2, "Exceptions and Interrupts". */
	.if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
	push $0
	.endif
	pushq $vector
	.if vector == 1
	jmp trap_debug
	.elseif vector == VECTOR_CALL
	jmp interrupt_call
	.elseif (vector == 2) || (vector == 8) || (vector == 18)
	jmp trap_separate
	.else
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr
