/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/bench/start.S: from Multiboot's 32-bit entry to bench_main in long mode, with 4 GiB mapped one to one by 2 MiB pages, and
 * the stubs of the handlers. The same image starts under Gyre, under QEMU with -kernel, and under KVM: nothing in it knows which.
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00000003

	.section .multiboot, "a"
	.align	4
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.text
	.code32
	.globl	_start
_start:
	cli
	mov	$stack_top, %esp
	/* Page directories: 4 of 512 entries of 2 MiB, present, writable, large (APM vol. 2, "Long-Mode Page Translation"). */
	mov	$page_directories, %edi
	mov	$0x83, %eax
	xor	%ecx, %ecx
1:	mov	%eax, (%edi, %ecx, 8)
	movl	$0, 4(%edi, %ecx, 8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$2048, %ecx
	jne	1b
	movl	$page_directories + 0x0003, page_pointers
	movl	$page_directories + 0x1003, page_pointers + 8
	movl	$page_directories + 0x2003, page_pointers + 16
	movl	$page_directories + 0x3003, page_pointers + 24
	movl	$page_pointers + 3, page_map
	mov	$page_map, %eax
	mov	%eax, %cr3
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
	lgdt	gdt_pointer
	ljmp	$8, $long_mode

	.code64
long_mode:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$stack_top, %rsp
	mov	%ebx, %edi			/* Multiboot's information */
	call	bench_main
1:	hlt
	jmp	1b

	/* An interrupt's handler by the mode of the local APIC: nothing but its EOI. */
	.globl	interrupt_x2apic, interrupt_xapic, interrupt_ignored
interrupt_x2apic:
	push	%rax
	push	%rcx
	push	%rdx
	mov	$0x80b, %ecx			/* x2APIC EOI */
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	incq	interrupts_seen
	iretq
interrupt_xapic:
	push	%rax
	mov	$0xfee000b0, %eax		/* xAPIC EOI */
	movl	$0, (%rax)
	pop	%rax
	incq	interrupts_seen
	iretq
	/* A fault ends the run with a message of its vector: stubs of 32 bytes. */
	.globl	exception_stubs
	.align	32
exception_stubs:
	.set	vector, 0
	.rept	32
	.align	32
	mov	$vector, %edi
	mov	(%rsp), %rsi
	mov	8(%rsp), %rdx
	jmp	exception_common
	.set	vector, vector + 1
	.endr
exception_common:
	and	$-16, %rsp
	call	bench_exception
interrupt_ignored:
	iretq

	.section .rodata
	.align	8
gdt:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt

	.bss
	.align	4096
page_map: .skip 4096
page_pointers: .skip 4096
page_directories: .skip 4 * 4096
	.skip	16384
stack_top:
