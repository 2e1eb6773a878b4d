/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/smap.h: STAC and CLAC, which are undefined without SMAP. Each place starts as a no-op that differs in its second byte (0F 1F with any
 * operand) and is noted in a list; boot writes the real instruction there (smap_patch) before the image becomes read-only.
 * core/virt/fetch.h writes the same in C.
 */
#ifndef CORE_X86_SMAP_H
#define CORE_X86_SMAP_H

#define SMAP_CLAC 0xca
#define SMAP_STAC 0xcb

#ifdef __ASSEMBLER__
/* clang-format off */
.macro SMAP_SITE last
.Lsmap\@:
	.byte 0x0f, 0x1f, \last
	.pushsection .smap_sites, "a"
	.quad .Lsmap\@
	.popsection
.endm
/* clang-format on */
#else
void smap_patch(void);
#endif
#endif
