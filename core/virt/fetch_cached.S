/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/fetch_cached.S: reads an instruction of the guest through the monitor's mapping, if the walk that leads to it is what it was (fetch.h).
 * Nothing else may be between STAC and CLAC; each access that can fault has its way out.
 */
#include "core/virt/fetch.h"
#include "core/x86/smap.h"

	.macro CHECK level
	mov FETCH_ENTRY_AT + 8 * \level(%rdi), %rax
.Lat\level:
	mov (%rax), %rax
	cmp %rax, FETCH_ENTRY_VALUE + 8 * \level(%rdi)
	jne 1f
	.pushsection .fixups, "a"
	.quad .Lat\level, 1f
	.popsection
	.endm

	.text
/* struct fetched fetch_cached(const struct fetch_entry *entry, uint64_t offset) */
	.globl fetch_cached
fetch_cached:
	SMAP_SITE SMAP_STAC
	CHECK 0
	CHECK 1
	CHECK 2
	CHECK 3
	CHECK 4
	mov FETCH_ENTRY_TARGET(%rdi), %rax
.Ltarget:
	mov (%rax,%rsi), %rax
	SMAP_SITE SMAP_CLAC
	xor %edx, %edx
	ret
	.pushsection .fixups, "a"
	.quad .Ltarget, 1f
	.popsection
1:	SMAP_SITE SMAP_CLAC
	mov $1, %edx
	ret
