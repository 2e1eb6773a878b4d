/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/entry.S: into a guest and out of it. APM vol. 2, "VMRUN Instruction" and "#VMEXIT".
 *
 * VMRUN and #VMEXIT switch RSP, RAX, RIP, RFLAGS, control registers, DR6 and DR7, and ES, CS, SS, DS. VMLOAD and VMSAVE switch FS, GS, TR, LDTR and the MSRs
 * of SYSCALL and SYSENTER: only where the host's are wanted, so not for an exit that is answered at once. The other general registers are switched here, from
 * and to the run page. Those that C preserves (RBP, R12 to R15) keep the guest's values while svm_exit() works: it sees them as its caller's. Nobody waits
 * for a return from here, so nothing of the core's own is saved: what was to be remembered is in the vcpu.
 *
 * From CLGI to STGI nothing interrupts: GIF is clear (VMRUN sets it for the guest, #VMEXIT clears it). IF is set at VMRUN, so that a physical interrupt
 * makes the guest leave.
 */
#include "core/virt/barriers.h"
#include "core/virt/svm/vmcb.h"
#include "core/x86/cpu.h"

#define GPR(n) (8 * (n))

/* On the stack */
#define STACK_VCPU 0
#define STACK_PAGE 8
#define STACK_VMCB 16

/* name(cpu, vcpu): does not return. It leaves by svm_left(vcpu, next), on an empty stack. */
	.macro SVM_ENTER name, barriers, exit
	.globl \name
	.balign 16
\name:
	mov CPU_STACK_TOP(%rdi), %rsp
	pushq SVM_VCPU_BLOCK(%rsi)
	pushq SVM_VCPU_PAGE(%rsi)
	push %rsi
	clgi
	sti
	mov SVM_VCPU_HOST(%rsi), %rax
	vmsave %rax
	mov STACK_VMCB(%rsp), %rax
	vmload %rax
	mov STACK_PAGE(%rsp), %rdi
	mov GPR(5)(%rdi), %rbp
	mov GPR(12)(%rdi), %r12
	mov GPR(13)(%rdi), %r13
	mov GPR(14)(%rdi), %r14
	mov GPR(15)(%rdi), %r15
1:	/* RDI: the page */
	.if \barriers
	BARRIERS_AT_ENTRY
	.endif
	mov GPR(1)(%rdi), %rcx
	mov GPR(2)(%rdi), %rdx
	mov GPR(3)(%rdi), %rbx
	mov GPR(6)(%rdi), %rsi
	mov GPR(8)(%rdi), %r8
	mov GPR(9)(%rdi), %r9
	mov GPR(10)(%rdi), %r10
	mov GPR(11)(%rdi), %r11
	mov GPR(7)(%rdi), %rdi
	mov STACK_VMCB(%rsp), %rax
	vmrun %rax
	mov STACK_PAGE(%rsp), %rax
	mov %rcx, GPR(1)(%rax)
	mov %rdx, GPR(2)(%rax)
	mov %rbx, GPR(3)(%rax)
	mov %rsi, GPR(6)(%rax)
	mov %rdi, GPR(7)(%rax)
	mov %r8, GPR(8)(%rax)
	mov %r9, GPR(9)(%rax)
	mov %r10, GPR(10)(%rax)
	mov %r11, GPR(11)(%rax)
	.if \barriers
	BARRIERS_AT_EXIT
	.endif
	mov STACK_VCPU(%rsp), %rdi
	call \exit
	mov STACK_PAGE(%rsp), %rdi
	test %eax, %eax
	jz 1b
	mov %rbp, GPR(5)(%rdi)
	mov %r12, GPR(12)(%rdi)
	mov %r13, GPR(13)(%rdi)
	mov %r14, GPR(14)(%rdi)
	mov %r15, GPR(15)(%rdi)
	mov %eax, %esi
	mov STACK_VMCB(%rsp), %rax
	vmsave %rax
	mov STACK_VCPU(%rsp), %rdi
	mov SVM_VCPU_HOST(%rdi), %rax
	vmload %rax
	cli
	stgi
	xor %ebp, %ebp
	call svm_left
	ud2
	.endm

	.text
	SVM_ENTER svm_enter, 0, svm_exit
	SVM_ENTER svm_enter_barriers, 1, svm_exit
	SVM_ENTER svm_enter_traced, 1, svm_exit_traced
