/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/start.S: Multiboot's entry, the way to 64-bit mode, and the way back home from anything that can be taken.
 *
 * attempt(function, argument) calls a function at home; enter_long() goes to enter_frame with enter_regs in the sandbox. Both return 0, or 1 + the vector of
 * what ended it. No register but RBP survives a trap, and no stack is needed on the way.
 */
#include "guests/hostile/layout.h"
#include "guests/common/start.S"

	MULTIBOOT_HEADER

	.text
	.code32
	.globl	_start
_start:
	cli
	cld
	mov	$stack_top, %esp
	/* Present, writable, accessed; pages large and dirty. */
	MAP_4_GIB home_map, home_pointers, home_directories, 0xe3, 0x23
	mov	$CR4_HOME, %eax
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx
	mov	$EFER_HOME & 0xbff, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_HOME, %eax
	mov	%eax, %cr0
	lgdt	first_gdt_pointer
	ljmp	$SEL_CODE64, $1f
	.code64
1:	DATA_SEGMENTS SEL_DATA
	mov	$stack_top, %esp
	mov	%ebx, %edi
	call	kernel_main
2:	cli
	hlt
	jmp	2b

	.macro	SAVE_HOME
	PUSH_KEPT
	mov	%rsp, resume_stack
	movb	$1, attempting
	.endm

	.globl	attempt
attempt:
	SAVE_HOME
	mov	%rdi, %rax
	mov	%rsi, %rdi
	sub	$8, %rsp
	call	*%rax
	add	$8, %rsp
	movb	$0, attempting
	xor	%eax, %eax
	jmp	1f
	/* Here ends what did not come back by itself. */
home:	mov	trap_vector, %eax
	inc	%eax
1:	POP_KEPT
	ret

	.globl	enter_long
enter_long:
	SAVE_HOME
	mov	$sandbox_map, %eax
	mov	%rax, %cr3
	mov	$SEL_DATA_3, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	enter_regs, %rax
	mov	enter_regs + 8, %rcx
	mov	enter_regs + 16, %rdx
	mov	enter_regs + 24, %rbx
	mov	enter_regs + 40, %rbp
	mov	enter_regs + 48, %rsi
	mov	enter_regs + 56, %rdi
	mov	enter_regs + 64, %r8
	mov	enter_regs + 72, %r9
	mov	enter_regs + 80, %r10
	mov	enter_regs + 88, %r11
	mov	enter_regs + 96, %r12
	mov	enter_regs + 104, %r13
	mov	enter_regs + 112, %r14
	mov	enter_regs + 120, %r15
	mov	$enter_frame, %esp
	iretq

	/* One for each vector, 16 bytes apart. All have a stack of their own by the interrupt stack table. */
	.globl	trap_stubs
	.balign	16
trap_stubs:
	LOADING_STUBS 16, %ebp, trap
	.balign	16
	/* An NMI is the watchdog's: at home, between attempts, it means nothing. */
	.globl	trap_nmi
trap_nmi:
	cmpb	$0, attempting
	jne	1f
	iretq
1:	mov	$2, %ebp
	jmp	trap
	.globl	trap_syscall
trap_syscall:
	mov	$VECTOR_SYSCALL, %ebp
	jmp	trap
	/* SYSENTER comes here in 64-bit and in 32-bit mode. The byte 0x48 is a prefix in one and a DEC EAX in the other; the rest is the same in both. */
	.globl	trap_sysenter
trap_sysenter:
	mov	$VECTOR_SYSENTER, %ebp
	xor	%eax, %eax
	.byte	0x48
	nop
	test	%eax, %eax
	jnz	legacy_back
trap:	mov	$home_map, %eax
	mov	%rax, %cr3
	.globl	trap_back
trap_back:
	cld
	mov	$CR0_HOME, %ecx
	mov	%cr0, %rax
	cmp	%rcx, %rax
	je	1f
	mov	%rcx, %cr0
1:	mov	$CR4_HOME, %ecx
	mov	%cr4, %rax
	cmp	%rcx, %rax
	je	1f
	mov	%rcx, %cr4
1:	lgdt	home_gdt_pointer
	lidt	home_idt_pointer
	DATA_SEGMENTS SEL_DATA
	mov	%ebp, trap_vector
	movb	$0, attempting
	mov	resume_stack, %rsp
	/* IRET, so that NMIs can come again. */
	mov	%rsp, %rax
	pushq	$SEL_DATA
	push	%rax
	pushq	$2
	pushq	$SEL_CODE64
	pushq	$home
	iretq

	.section .rodata
	.balign	8
first_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
first_gdt_pointer:
	.word	. - first_gdt - 1
	.long	first_gdt

	.data
	.balign	8
	.globl	home_gdt_pointer, home_idt_pointer
	.word	0, 0, 0
home_gdt_pointer:
	.word	GDT_ENTRIES * 8 - 1
	.quad	gdt
	.word	0, 0, 0
home_idt_pointer:
	.word	4095
	.quad	idt

	.globl	resume_stack, trap_vector, attempting
	.balign	8
resume_stack:
	.quad	0
trap_vector:
	.long	0
attempting:
	.long	0

	.bss
	.globl	home_map, home_pointers, home_directories, sandbox_map, trap_stacks
	.balign	4096
home_map:
	.skip	4096
home_pointers:
	.skip	4096
home_directories:
	.skip	4 * 4096
sandbox_map:
	.skip	4096
	/* The only pages of the kernel that can be written in the sandbox: one stack each for exceptions, NMIs, double faults. */
trap_stacks:
	.skip	3 * 4096
	.skip	16384
stack_top:

	.section .note.GNU-stack, "", @progbits
