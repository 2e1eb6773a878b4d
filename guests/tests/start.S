/* SPDX-License-Identifier: Apache-2.0 */
/* guests/tests/start.S: Multiboot's header, and the way from its entry (32-bit protected mode, no paging) to main(). */
#include "guests/common/start.S"

	MULTIBOOT_HEADER

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

	.bss
	.align	16
	.skip	16384
stack_top:

	.section .note.GNU-stack, "", @progbits
