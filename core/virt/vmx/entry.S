/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/entry.S: into a guest and out of it. SDM vol. 3, "VM Entries", "VM Exits".
 *
 * Entry and exit switch RSP, RIP, RFLAGS, control registers, DR7, segments, and the MSRs that the VMCS has. The other general registers are switched here,
 * from and to the run page. Those that C preserves (RBP, R12 to R15) keep the guest's values while vmx_exit() works: it sees them as its caller's. CR2, DR0
 * to DR3, DR6, the MSRs of SYSCALL and the FPU stay the guest's until something else than this guest is to run. Nobody waits for a return from here, so
 * nothing of the core's own is saved.
 *
 * The stack is the one that is left here: the exit comes back to the same place (VMCS_HOST_RSP). A refused entry goes on behind the instruction.
 */
#include "core/virt/barriers.h"
#include "core/virt/vmx/vmcs.h"
#include "core/x86/cpu.h"

#define GPR(n) (8 * (n))

/* On the stack */
#define STACK_VCPU 0
#define STACK_PAGE 8

	.macro LOAD_REGISTERS
	mov GPR(0)(%rdi), %rax
	mov GPR(1)(%rdi), %rcx
	mov GPR(2)(%rdi), %rdx
	mov GPR(3)(%rdi), %rbx
	mov GPR(6)(%rdi), %rsi
	mov GPR(8)(%rdi), %r8
	mov GPR(9)(%rdi), %r9
	mov GPR(10)(%rdi), %r10
	mov GPR(11)(%rdi), %r11
	mov GPR(7)(%rdi), %rdi
	.endm

	.macro SET_UP
	mov CPU_STACK_TOP(%rdi), %rsp
	mov VMX_VCPU_PAGE(%rsi), %rdi
	push %rdi
	push %rsi
	mov GPR(5)(%rdi), %rbp
	mov GPR(12)(%rdi), %r12
	mov GPR(13)(%rdi), %r13
	mov GPR(14)(%rdi), %r14
	mov GPR(15)(%rdi), %r15
	.endm

	.text
/* The first entry, by whatever exit point the VMCS has. */
	.globl vmx_enter_first
vmx_enter_first:
	SET_UP
	BARRIERS_AT_ENTRY
	LOAD_REGISTERS
	vmlaunch
refused:
	mov $18, %eax /* VMX_FAILED: nothing has changed */
	jmp out

/* name(cpu, vcpu): does not return. It leaves by vmx_left(vcpu, next), on an empty stack. */
	.macro VMX_ENTER name, point, barriers, exit
	.globl \name, \point
	.balign 16
\name:
	SET_UP
1:	/* RDI: the page */
	.if \barriers
	BARRIERS_AT_ENTRY
	.endif
	LOAD_REGISTERS
	vmresume
	jmp refused
	.balign 16
\point:
	push %rax
	mov 8 + STACK_PAGE(%rsp), %rax
	mov %rcx, GPR(1)(%rax)
	mov %rdx, GPR(2)(%rax)
	mov %rbx, GPR(3)(%rax)
	mov %rsi, GPR(6)(%rax)
	mov %rdi, GPR(7)(%rax)
	mov %r8, GPR(8)(%rax)
	mov %r9, GPR(9)(%rax)
	mov %r10, GPR(10)(%rax)
	mov %r11, GPR(11)(%rax)
	popq GPR(0)(%rax)
	.if \barriers
	BARRIERS_AT_EXIT
	.endif
	mov STACK_VCPU(%rsp), %rdi
	call \exit
	mov STACK_PAGE(%rsp), %rdi
	test %eax, %eax
	jz 1b
	jmp left
	.endm

	VMX_ENTER vmx_enter, vmx_exit_point, 0, vmx_exit
	VMX_ENTER vmx_enter_traced, vmx_exit_point_traced, 1, vmx_exit_traced
	VMX_ENTER vmx_enter_barriers, vmx_exit_point_barriers, 1, vmx_exit
out:
	mov STACK_PAGE(%rsp), %rdi
left:
	mov %rbp, GPR(5)(%rdi)
	mov %r12, GPR(12)(%rdi)
	mov %r13, GPR(13)(%rdi)
	mov %r14, GPR(14)(%rdi)
	mov %r15, GPR(15)(%rdi)
	mov %eax, %esi
	mov STACK_VCPU(%rsp), %rdi
	xor %ebp, %ebp
	call vmx_left
	ud2
