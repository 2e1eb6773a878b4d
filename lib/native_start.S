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
	/* The guard below return addresses: of the processor's generator, if there is one (CPUID leaf 1, ECX bit 30), and of the time. */
	movq %rdi, %r12
	movl $1, %eax
	xorl %r8d, %r8d
	cpuid
	testl $1 << 30, %ecx
	jz 1f
	rdrand %r8
1:	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	xorq %r8, %rax
	movabsq $0x9e3779b97f4a7c15, %rdx
	imulq %rdx, %rax
	xorb %al, %al
	movq %rax, __stack_chk_guard(%rip)
	movq %r12, %rdi
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
