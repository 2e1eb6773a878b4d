/* SPDX-License-Identifier: Apache-2.0 */
/* guests/legacy/start.S: Multiboot's header and entry, stubs of the vectors, code of 16 bits for real and virtual-8086 mode, and attempts. */
#include "guests/common/start.S"
#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_CODE16 0x18
#define SEL_DATA16 0x20

	MULTIBOOT_HEADER

	.text
	.globl	_start
_start:
	cli
	mov	$stack_top, %esp
	push	%ebx
	push	%eax
	call	legacy_main
1:	hlt
	jmp	1b

	/* attempt_call(what): a fault in it leads to attempt_end. */
	.globl	attempt_call, attempt_end, v86_enter, user_enter, real_call
attempt_call:
	mov	4(%esp), %eax
	pushal
	pushfl
	mov	%esp, attempt_stack
	call	*%eax
	mov	%eax, attempt_value
attempt_end:
	mov	attempt_stack, %esp
	movl	$0, attempt_stack
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	popfl
	popal
	ret

	/* v86_enter(struct v86 *): segments, EFLAGS with VM and the rest from what the argument names. */
v86_enter:
	mov	4(%esp), %eax
	pushal
	pushfl
	mov	%esp, attempt_stack
	pushl	16(%eax)		/* GS */
	pushl	16(%eax)		/* FS */
	pushl	16(%eax)		/* DS */
	pushl	16(%eax)		/* ES */
	pushl	12(%eax)		/* SS */
	pushl	8(%eax)			/* ESP */
	pushl	4(%eax)			/* EFLAGS */
	pushl	0(%eax)			/* CS */
	pushl	$0			/* EIP */
	mov	20(%eax), %ebx
	mov	$0x1234, %ecx
	iret

	/* user_enter(what, eflags) */
user_enter:
	mov	4(%esp), %ecx
	mov	8(%esp), %edx
	pushal
	pushfl
	mov	%esp, attempt_stack
	mov	$0x33, %eax
	mov	%eax, %ds
	mov	%eax, %es
	push	$0x33
	push	$user_top - 4
	movl	$user_back, %ss:user_top - 4
	push	%edx
	push	$0x2b
	push	%ecx
	iret
user_back:
	int	$0x30

	.globl	stubs
	.align	16
stubs:
	PUSHING_STUBS 64, stub_common
stub_common:
	pushal
	push	%ds
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	cld
	lea	4(%esp), %eax
	push	%eax
	call	trapped
	add	$4, %esp
	pop	%ds
	popal
	add	$8, %esp
	iret

	/* Through a call gate of 32 bits, with two parameters, and of 16 bits. */
	.globl	gate_entry, gate_entry16
gate_entry:
	mov	%cs, %eax
	shl	$16, %eax
	mov	8(%esp), %ax		/* the second parameter */
	lret	$8
	/* real_call(code, length): copied to 0x9000, called in real mode with a stack there; what it leaves in EAX is the result. */
real_call:
	pushal
	pushfl
	cli
	mov	40(%esp), %esi
	mov	44(%esp), %ecx
	mov	$0x9000, %edi
	cld
	rep movsb
	mov	$real_start, %esi
	mov	$0x8000, %edi
	mov	$real_end - real_start, %ecx
	rep movsb
	mov	%esp, real_stack
	sidt	real_idt
	ljmp	$SEL_CODE16, $0x8000
back_32:
	mov	$SEL_DATA, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	mov	%ecx, %ss
	mov	%ecx, %fs
	mov	%ecx, %gs
	mov	real_stack, %esp
	lidt	real_idt
	mov	%eax, real_result
	popfl
	popal
	mov	real_result, %eax
	ret

	/* Runs at 0x8000. */
	.code16
real_start:
	mov	$SEL_DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%cr0, %eax
	and	$0xfe, %al
	mov	%eax, %cr0
	ljmp	$0, $(1f - real_start + 0x8000)
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7f00, %sp
	lidtl	(2f - real_start + 0x8000)
	lcall	$0, $0x9000
	mov	%eax, %edx
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	%edx, %eax
	ljmpl	$SEL_CODE, $back_32
2:	.word	0x3ff
	.long	0
real_end:

	/* The tests' own code of 16 bits, position-independent. */
	.globl	code16_add, code16_add_end, code16_int, code16_int_end, code16_big, code16_big_end, code16_stack, code16_stack_end
	.globl	code16_string, code16_string_end, code16_far, code16_far_end, code16_div, code16_div_end, code16_edge, code16_edge_end
code16_add:
	mov	$0x7fffffff, %eax
	add	$1, %eax
	seto	%al
	lretw
code16_add_end:
	/* A vector of its own: 0x60 leads to 0:0x7000, whose code adds to AX. */
code16_int:
	movw	$0x7000, 0x60 * 4
	movw	$0, 0x60 * 4 + 2
	movl	$0xcf1234b8, 0x7000	/* mov ax, 1234h; iret */
	xor	%eax, %eax
	mov	%sp, %bx
	sti
	int	$0x60
	pushf
	pop	%cx
	cli
	sub	%sp, %bx		/* the stack is as before */
	jnz	1f
	test	$0x200, %cx		/* and so is IF */
	jz	1f
	lretw
1:	mov	$0xdead, %ax
	lretw
code16_int_end:
	/* "Unreal" mode: a limit of 4 GiB stays in DS from protected mode. */
code16_big:
	push	%ds
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	jmp	1f
1:	mov	$SEL_DATA, %bx
	mov	%bx, %ds
	and	$0xfe, %al
	mov	%eax, %cr0
	jmp	2f
2:	xor	%bx, %bx
	mov	%bx, %ds
	mov	$0x200000, %ebx
	movl	$0xcafe1234, %ds:(%ebx)
	mov	%ds:(%ebx), %eax
	pop	%ds
	lretw
code16_big_end:
code16_stack:
	mov	$0x11112222, %eax
	pushl	%eax
	popw	%bx
	popw	%cx
	pushw	$0x3344
	pushw	%bx
	popl	%eax
	lretw
code16_stack_end:
code16_string:
	cld
	mov	$0x7100, %di
	mov	$0x41424344, %eax
	mov	$8, %cx
	rep stosl
	mov	$0x7100, %si
	mov	$0x7180, %di
	mov	$32, %cx
	rep movsb
	mov	0x719c, %eax
	lretw
code16_string_end:
code16_far:
	lcall	$0x0900, $(1f - code16_far)
	lretw
1:	mov	%cs, %ax
	lretw
code16_far_end:
	/* #DE's vector is 0: no error code, and the address of DIV. */
code16_div:
	movw	$0x7200, 0
	movw	$0, 2
	movb	$0x66, 0x7200		/* mov eax, 5a5a5a5ah */
	movb	$0xb8, 0x7201
	movl	$0x5a5a5a5a, 0x7202
	movb	$0x83, 0x7206		/* add sp, 6 */
	movb	$0xc4, 0x7207
	movb	$0x06, 0x7208
	movb	$0xcb, 0x7209		/* lret */
	xor	%dx, %dx
	xor	%cx, %cx
	div	%cx
	lretw
code16_div_end:
	/* An access beyond 64 KiB is #GP, vector 13, without error code. */
code16_edge:
	movw	$0x7300, 13 * 4
	movw	$0, 13 * 4 + 2
	movb	$0x66, 0x7300
	movb	$0xb8, 0x7301
	movl	$0x600d600d, 0x7302
	movb	$0x83, 0x7306
	movb	$0xc4, 0x7307
	movb	$0x06, 0x7308
	movb	$0xcb, 0x7309
	mov	$0xffff, %bx
	mov	(%bx), %ax
	mov	$0xbad, %eax
	lretw
code16_edge_end:
	.code32

	.bss
	.align	16
	.globl	attempt_stack, attempt_value, trap_top, user_top
	.skip	16384
stack_top:
	.skip	8192
trap_top:
	.skip	4096
user_top:
attempt_stack: .skip 4
attempt_value: .skip 4
real_stack: .skip 4
real_result: .skip 4
real_idt: .skip 8

	.section .note.GNU-stack, "", @progbits
