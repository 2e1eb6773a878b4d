/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/memory.S: the four functions that compilers call by themselves.
 */
	.text
	.globl memcpy
memcpy:
	mov %rdi, %rax
	mov %rdx, %rcx
	shr $3, %rcx
	and $7, %edx
	rep movsq
	mov %edx, %ecx
	rep movsb
	ret

	.globl memmove
memmove:
	mov %rdi, %rcx
	sub %rsi, %rcx
	cmp %rdx, %rcx
	jae memcpy /* the target does not begin inside the source */
	mov %rdi, %rax
	mov %rdx, %rcx
	lea -1(%rdi, %rdx), %rdi
	lea -1(%rsi, %rdx), %rsi
	std
	rep movsb
	cld
	ret

	.globl memset
memset:
	mov %rdi, %r8
	movzbl %sil, %eax
	mov $0x0101010101010101, %rcx
	imul %rcx, %rax
	mov %rdx, %rcx
	shr $3, %rcx
	and $7, %edx
	rep stosq
	mov %edx, %ecx
	rep stosb
	mov %r8, %rax
	ret

	.globl memcmp
memcmp:
	mov %rdx, %rcx
	xor %eax, %eax
	cmp %eax, %eax /* equal, for a length of 0 */
	repe cmpsb
	je 1f
	movzbl -1(%rdi), %eax
	movzbl -1(%rsi), %ecx
	sub %ecx, %eax
1:	ret
