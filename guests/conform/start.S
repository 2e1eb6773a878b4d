/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/conform/start.S: from a loader's 32-bit entry, Multiboot's or PVH's, to conform_main in long mode; the stubs of all vectors; and what runs a piece
 * of code so that a fault in it comes back as a result, in ring 0 and in ring 3.
 *
 * 4 GiB are mapped one to one by 2 MiB pages: supervisor's, but for those from 4 to 6 MiB, where .utext and .udata lie; devices' uncached.
 */
#include "guests/common/start.S"
#include "guests/conform/layout.h"

#ifdef CONFORM_MULTIBOOT
	MULTIBOOT_HEADER
#else
	/* XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h). */
	.section .note.Xen, "a", @note
	.align	4
	.long	4, 4, 18
	.asciz	"Xen"
	.long	_start
#endif

	.text
	.code32
	.globl	_start
_start:
	cli
	cld
	mov	$stack_top, %esp
	mov	%eax, %ebp			/* Multiboot's magic, or not */
	MAP_4_GIB page_map, page_pointers, page_directories, 0x83, 7
	mov	$512, %ecx
2:	orb	$0x18, page_directories + 1535 * 8(, %ecx, 8)	/* the last GiB: PCD, PWT */
	loop	2b
	orb	$4, page_directories + 2 * 8	/* the user's */
	LONG_MODE_ON
	lgdt	gdt_pointer
	ljmp	$SEL_CODE64, $long_mode

	.code64
long_mode:
	DATA_SEGMENTS SEL_DATA
	mov	$stack_top, %rsp
	mov	%ebp, %edi
	mov	%ebx, %esi
	call	conform_main
1:	hlt
	jmp	1b

	/* attempt_call(what, argument): calls it; attempt_end is where a fault in it leads. */
	.globl	attempt_call, attempt_end, attempt_user_call
attempt_call:
	PUSH_KEPT
	pushfq
	sub	$8, %rsp
	mov	%rsp, attempt_stack
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
attempt_end:
	mov	attempt_stack, %rsp
	movq	$0, attempt_stack
	add	$8, %rsp
	popfq
	POP_KEPT
	ret

	/* attempt_user_call(what, argument, flags): the same in ring 3, where a return is INT 0x30. The segment is user_code. */
attempt_user_call:
	PUSH_KEPT
	pushfq
	sub	$8, %rsp
	mov	%rsp, attempt_stack
	mov	$user_stack_top - 8, %eax	/* there is user_return */
	push	$SEL_USER_DATA
	push	%rax
	push	%rdx
	push	user_code
	push	%rdi
	mov	%rsi, %rdi
	iretq

	.section .utext, "ax"
	.globl	user_return
user_return:
	int	$VECTOR_RETURN
	ud2
	/* The same for code of 32 bits. */
	.code32
	.globl	user_return32
user_return32:
	int	$VECTOR_RETURN
	ud2
	.code64

	.text
	.globl	stubs
	.align	16
stubs:
	PUSHING_STUBS 256, stub_common
stub_common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	trapped
	mov	%rbx, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	/* From ring 3, by SYSCALL: says so with what RCX and R11 are, and leaves by the end of the attempt. */
	.globl	syscall_entry
syscall_entry:
	mov	%rcx, syscall_seen
	mov	%r11, syscall_seen + 8
	mov	$trap_stack_top, %rsp
	pushfq
	pop	syscall_seen + 16
	mov	%cs, syscall_seen + 24
	mov	%ss, syscall_seen + 32
	incq	syscall_seen + 40
	jmp	attempt_end

	/* Through a call gate: the attempt has returned from here, with CS as its value. */
	.globl	gate_entry
gate_entry:
	mov	%cs, %eax
	jmp	attempt_end

	.data
	.align	16
	.globl	gdt, gdt_pointer, user_code
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* SEL_CODE64 */
	.quad	0x00cf93000000ffff		/* SEL_DATA */
	.quad	0x00cffb000000ffff		/* SEL_USER_CODE32: SYSRET's order */
	.quad	0x00cff3000000ffff		/* SEL_USER_DATA */
	.quad	0x00affb000000ffff		/* SEL_USER_CODE64 */
	.quad	0x00cf9b000000ffff		/* SEL_CODE32 */
	.skip	(GDT_ENTRIES - 7) * 8
gdt_pointer:
	.word	GDT_ENTRIES * 8 - 1
	.quad	gdt
user_code:
	.quad	SEL_USER_CODE64

	.bss
	.align	4096
	.globl	page_map, page_pointers, page_directories, window_pointers, window_directory, window_table, trap_stack_top, attempt_stack
	.globl	syscall_seen, user_stack_top, double_stack_top, stack_top
page_map: .skip 4096
page_pointers: .skip 4096
page_directories: .skip 4 * 4096
window_pointers: .skip 4096
window_directory: .skip 4096
window_table: .skip 4096
	.skip	16384
stack_top:
	.skip	16384
trap_stack_top:
	.skip	16384
double_stack_top:
attempt_stack: .skip 8
	.align	16
syscall_seen: .skip 64

	.section .udata, "aw"
	.align	4096
	.skip	16384 - 8
	.quad	user_return
user_stack_top:

	.section .note.GNU-stack, "", @progbits
