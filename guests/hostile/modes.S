/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/modes.S: from 64-bit mode to the legacy modes and back: enter_legacy().
 *
 * Protected mode (16 and 32 bits, ring 0 or 3, without paging, with 32-bit entries or PAE) and virtual-8086 mode are entered by an IRET whose frame enter_stack
 * points to; real mode by the copy of low_begin to low_end at LOW_STUBS. What traps there comes to legacy_stubs, or in real mode to low_stubs.
 */
#include "guests/common/start.S"
#include "guests/hostile/layout.h"

	/* Flat segments for what follows, of which the first access needs DS, and back to physical addresses. */
	.macro	PAGING_OFF
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	.endm

	.text
	.code64
	.globl	enter_legacy
enter_legacy:
	PUSH_KEPT
	mov	%rsp, resume_stack
	movb	$1, attempting
	ljmp	*legacy_far
	.code32
legacy:	PAGING_OFF
	mov	$0xc0000080, %ecx
	mov	enter_efer, %eax
	xor	%edx, %edx
	wrmsr
	mov	enter_cr4, %eax
	mov	%eax, %cr4
	/* The task register's descriptor becomes busy: in the sandbox's tables that could not be written. */
	mov	$SEL_TSS32, %eax
	ltr	%ax
	lidt	legacy_idt_pointer
	cmpl	$0, enter_real
	jne	1f
	mov	enter_cr3, %eax
	mov	%eax, %cr3
	mov	enter_cr0, %eax
	mov	%eax, %cr0
	jmp	2f
1:	ljmp	$SEL_LOW_CODE16, $0
2:	lss	enter_stack, %esp
	mov	enter_data, %eax
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ds
	mov	%cs:enter_regs, %eax
	mov	%cs:enter_regs + 8, %ecx
	mov	%cs:enter_regs + 16, %edx
	mov	%cs:enter_regs + 24, %ebx
	mov	%cs:enter_regs + 40, %ebp
	mov	%cs:enter_regs + 48, %esi
	mov	%cs:enter_regs + 56, %edi
	iretl

	.globl	legacy_stubs, legacy_df, legacy_back
	.balign	16
legacy_stubs:
	LOADING_STUBS 16, %ebp, legacy_back
	.balign	16
legacy_df:
	mov	$8, %ebp
	/* The vector in EBP, CS flat, nothing else known. */
legacy_back:
	cli
	lgdt	%cs:home_gdt_pointer
	PAGING_OFF
	mov	$CR4_HOME, %eax
	mov	%eax, %cr4
	mov	$home_map, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	mov	$EFER_HOME & 0xbff, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_HOME, %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE64, $trap_back

	/* ---- copied to LOW_STUBS: segment 0x1000, and SEL_LOW_CODE16 while protected mode is still on ---- */
	.globl	low_begin, low_end, low_stubs, low_regs, low_segments, low_target, low_stack
	.code16
low_begin:
	mov	$SEL_LOW_DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%cr0, %eax
	and	$0xfe, %al
	mov	%eax, %cr0
	ljmp	$0x1000, $1f - low_begin
1:	lidtl	%cs:(low_ivt - low_begin)
	mov	%cs:(low_segments - low_begin), %ds
	mov	%cs:(low_segments - low_begin + 2), %es
	mov	%cs:(low_segments - low_begin + 2), %fs
	lss	%cs:(low_stack - low_begin), %sp
	mov	%cs:(low_regs - low_begin), %eax
	mov	%cs:(low_regs - low_begin + 4), %ecx
	mov	%cs:(low_regs - low_begin + 8), %edx
	mov	%cs:(low_regs - low_begin + 12), %ebx
	mov	%cs:(low_regs - low_begin + 20), %ebp
	mov	%cs:(low_regs - low_begin + 24), %esi
	mov	%cs:(low_regs - low_begin + 28), %edi
	ljmp	*%cs:(low_target - low_begin)
	.balign	8
low_stubs:
	LOADING_STUBS 8, %bp, low_back
low_back:
	cli
	movzwl	%bp, %ebp
	lgdtl	%cs:(low_gdt - low_begin)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $legacy_back
	.balign	8
low_regs:
	.skip	32
low_segments:
	.word	LOW_DATA >> 4, LOW_DATA >> 4
low_target:
	.word	0, LOW_CODE >> 4
low_stack:
	.word	0xff00, LOW_STACK >> 4
low_ivt:
	.word	0x3ff
	.long	0
low_gdt:
	.word	GDT_ENTRIES * 8 - 1
	.long	gdt
low_end:

	.data
	.balign	8
	.globl	enter_efer, enter_cr0, enter_cr3, enter_cr4, enter_real, enter_data, enter_stack
legacy_far:
	.long	legacy
	.word	SEL_CODE32
	.word	0
legacy_idt_pointer:
	.word	2047
	.long	legacy_idt
	.word	0
enter_stack:
	.long	0
	.long	0
enter_efer:
	.long	0
enter_cr0:
	.long	0
enter_cr3:
	.long	0
enter_cr4:
	.long	0
enter_real:
	.long	0
enter_data:
	.long	0

	.section .note.GNU-stack, "", @progbits
