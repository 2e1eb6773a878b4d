/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/guarded.S: accesses that may fault, and what happens then. Each has an entry in .fixups: its address and where to go on after a #PF or #GP.
 */
#include "core/x86/smap.h"
#include "gyre/errors.h"

	.macro FIXUP at, recovery
	.pushsection .fixups, "a"
	.quad \at, \recovery
	.popsection
	.endm

	.text
/* int guarded_copy(void *to, const void *from, size_t bytes): user_copy.h has checked the range. */
	.globl guarded_copy
guarded_copy:
	mov %rdx, %rcx
	shr $3, %rcx
	and $7, %edx
	SMAP_SITE SMAP_STAC
1:	rep movsq
	mov %edx, %ecx
2:	rep movsb
	SMAP_SITE SMAP_CLAC
	xor %eax, %eax
	ret
	FIXUP 1b, guarded_fault
	FIXUP 2b, guarded_fault

/* int guarded_load64(uint64_t *value, const uint64_t *from): one load, whole where it is aligned. */
	.globl guarded_load64
guarded_load64:
	SMAP_SITE SMAP_STAC
1:	mov (%rsi), %rax
	SMAP_SITE SMAP_CLAC
	mov %rax, (%rdi)
	xor %eax, %eax
	ret
	FIXUP 1b, guarded_fault

guarded_fault:
	SMAP_SITE SMAP_CLAC
	mov $-GYRE_EFAULT, %eax
	ret

/* int msr_read_safe(uint32_t msr, uint64_t *value) */
	.globl msr_read_safe
msr_read_safe:
	mov %edi, %ecx
1:	rdmsr
	mov %eax, (%rsi)
	mov %edx, 4(%rsi)
	xor %eax, %eax
	ret
	FIXUP 1b, msr_fault

/* int msr_write_safe(uint32_t msr, uint64_t value) */
	.globl msr_write_safe
msr_write_safe:
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
1:	wrmsr
	xor %eax, %eax
	ret
	FIXUP 1b, msr_fault

msr_fault:
	mov $-1, %eax
	ret
