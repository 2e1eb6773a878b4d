/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/bench/start.S: from Multiboot's 32-bit entry to bench_main in long mode, with 4 GiB mapped one to one by 2 MiB pages, and
 * the stubs of the handlers. The same image starts under Gyre, under QEMU with -kernel, and under KVM: nothing in it knows which.
 */
#include "guests/common/start.S"

	MULTIBOOT_HEADER

	.text
	.code32
	.globl	_start
_start:
	cli
	mov	$stack_top, %esp
	MAP_4_GIB page_map, page_pointers, page_directories, 0x83, 3	/* present, writable; pages large */
	LONG_MODE_ON
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
	.globl	interrupts_seen
	.align	8
interrupts_seen: .skip 8

