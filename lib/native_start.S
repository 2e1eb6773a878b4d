/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/native_start.S: the first instructions of a process. The creator's argument is in RDI (include/gyre/calls.h, thread_create); the
 * stack is the program's own, whatever RSP holds. native_main(argument) may return: the thread then ends.
 */
#include "lib/native.h"
#define CALL_THREAD_EXIT 20 /* lib/native.c checks it */

	.section .text.start, "ax", @progbits
	.globl _start
_start:
	leaq native_stack_top(%rip), %rsp
	xorl %ebp, %ebp
	cld
	call native_main
1:	movl $CALL_THREAD_EXIT, %eax
	syscall
	jmp 1b

	/* No program has an empty data segment: loaders need no case for it. */
	.data
	.quad 0

	.section .stack, "aw", @nobits
	.skip NATIVE_STACK_BYTES
	.section .note.GNU-stack, "", @progbits
