/* SPDX-License-Identifier: Apache-2.0 */
/* guests/victim/handler.S: the timer's handler: victim_tick(), with all registers kept that C may change. */
	.text
	.globl	victim_interrupt
victim_interrupt:
	.irp name, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	push	%\name
	.endr
	cld
	call	victim_tick
	.irp name, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
	pop	%\name
	.endr
	iretq

	.section .note.GNU-stack, "", @progbits
