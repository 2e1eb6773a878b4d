/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/start.S: Multiboot's header, the way to main(), and one handler for everything: it goes on where hostile.c has said. */
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00000003

	.section .multiboot, "a"
	.align	4
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.text
	.globl	_start
_start:
	mov	$stack_top, %esp
	push	%ebx
	push	%eax
	call	kernel_main
1:	cli
	hlt
	jmp	1b

	/* Whatever stack and segments it comes with: those of ring 0 are loaded anew. */
	.globl	trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	movl	$vector, %ss:trap_vector
	jmp	trap
	.set vector, vector + 1
	.endr
trap:
	cld
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	resume_stack, %esp
	jmp	*resume_at

	/* attempt(function): 0, or 1 + the vector of what ended it. */
	.globl	attempt
attempt:
	push	%ebp
	push	%ebx
	push	%esi
	push	%edi
	mov	%esp, resume_stack
	movl	$1f, resume_at
	call	*20(%esp)
	xor	%eax, %eax
	jmp	2f
1:	mov	trap_vector, %eax
	inc	%eax
2:	pop	%edi
	pop	%esi
	pop	%ebx
	pop	%ebp
	ret

	/* Runs code in ring 3, until something brings it back: call_user(eip). */
	.globl	call_user
call_user:
	mov	4(%esp), %eax
	mov	$0x23, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	push	%ecx
	push	$user_stack_top
	push	$0x2
	push	$0x1b
	push	%eax
	iret

	.bss
	.align	16
	.skip	16384
stack_top:
	.skip	4096
user_stack_top:
	.globl	trap_vector
trap_vector:
	.skip	4
resume_stack:
	.skip	4
resume_at:
	.skip	4

	.section .note.GNU-stack, "", @progbits
