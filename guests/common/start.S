/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/start.S: macros for the starts of guests: it is included, and makes no code of its own. */
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00000003	/* modules on pages, memory sizes */

	.macro	MULTIBOOT_HEADER
	.section .multiboot, "a"
	.align	4
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
	.endm

	/*
	 * 4 GiB one to one: 4 directories of 512 entries of 2 MiB, whose low bits are `page`, with `table` as those above them; leaves CR3 loaded (APM vol. 2,
	 * "Long-Mode Page Translation"). Uses EAX, ECX, EDI.
	 */
	.macro	MAP_4_GIB map, pointers, directories, page, table
	mov	$\directories, %edi
	mov	$\page, %eax
	xor	%ecx, %ecx
1:	mov	%eax, (%edi, %ecx, 8)
	movl	$0, 4(%edi, %ecx, 8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$2048, %ecx
	jne	1b
	movl	$\directories + 0x0000 + \table, \pointers
	movl	$\directories + 0x1000 + \table, \pointers + 8
	movl	$\directories + 0x2000 + \table, \pointers + 16
	movl	$\directories + 0x3000 + \table, \pointers + 24
	movl	$\pointers + \table, \map
	mov	$\map, %eax
	mov	%eax, %cr3
	.endm

	/* PAE, EFER.LME, paging; then a far jump is what is left to do. */
	.macro	LONG_MODE_ON
	mov	%cr4, %eax
	or	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax		/* PG, PE */
	mov	%eax, %cr0
	.endm

	.macro	DATA_SEGMENTS selector
	mov	$\selector, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	.endm

	/* What a function of 64-bit code has to keep. */
	.macro	PUSH_KEPT
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm
	.macro	POP_KEPT
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	.endm

	/* Stubs of 16 bytes, in either mode: an error code, real or 0, then the vector. */
	.macro	PUSHING_STUBS count, common
	.align	16
	.set	vector, 0
	.rept	\count
	.align	16
	.if	vector != 8 && (vector < 10 || vector > 14) && vector != 17
	push	$0
	.endif
	push	$vector
	jmp	\common
	.set	vector, vector + 1
	.endr
	.endm
	/* Stubs of so many bytes: the vector in a register. */
	.macro	LOADING_STUBS bytes, register, common
	.balign	\bytes
	.set	vector, 0
	.rept	256
	.balign	\bytes
	mov	$vector, \register
	jmp	\common
	.set	vector, vector + 1
	.endr
	.endm
