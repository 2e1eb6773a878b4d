/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/layout.h: where things lie in the hostile guest's 32 MiB and in its descriptor table, for C and assembly.
 *
 * It lives in 64-bit mode with 4 GiB mapped one to one ("home"). What it runs of random code runs in the sandbox: tables of its own, in which the kernel can
 * only be read. Everything that ends an attempt, in whatever mode, leads back home through `trap`; what cannot come back ends in a reset of the
 * machine, after which the kept page says how far it had come.
 */
#ifndef HOSTILE_LAYOUT_H
#define HOSTILE_LAYOUT_H

#define LOW_STUBS     0x10000 /* real mode's way in and out */
#define LOW_CODE      0x20000 /* random code of real mode and virtual-8086 mode; */
#define LOW_DATA      0x50000 /* far from the code: emulators are slow where code is written */
#define LOW_STACK     0x70000
#define LOW_END	      0x9f000
#define KEPT	      0x600000 /* survives a reset: the loader does not touch it */
#define KEPT_COPY     0x700000
#define KEPT_PORTS    0x610000 /* a bit for each that was read, 8 KiB; then each that was written */
#define SANDBOX	      0x800000 /* 1 MiB of code, data and stacks for random code */
#define SANDBOX_BYTES 0x100000
#define SANDBOX_STACK 0xf0000  /* offset */
#define PLAY	      0xc00000 /* 64 pages: page tables that are rewritten */
#define PLAY_PAGES    64
#define RAM_END	      0x2000000
#define APIC	      0xfee00000
#define IOAPIC	      0xfec00000
#define TEST_RAM      0xff000000

/* Selectors. SYSCALL and SYSRET want 8, 0x10 and 0x60, 0x68, 0x70 in this order (APM vol. 2, "SYSCALL and SYSRET"). */
#define SEL_CODE64	 0x08
#define SEL_DATA	 0x10
#define SEL_CODE32	 0x18
#define SEL_LOW_CODE16	 0x20
#define SEL_LOW_DATA16	 0x28
#define SEL_BOX_CODE32	 0x30 /* of the sandbox, ring 0 */
#define SEL_BOX_DATA	 0x38
#define SEL_BOX_CODE32_3 0x40
#define SEL_BOX_DATA_3	 0x48
#define SEL_BOX_CODE16	 0x50
#define SEL_BOX_CODE16_3 0x58
#define SEL_CODE32_3	 0x60
#define SEL_DATA_3	 0x68
#define SEL_CODE64_3	 0x70
#define SEL_TSS64	 0x80 /* two entries */
#define SEL_TSS32	 0x90
#define SEL_TSS32_DF	 0x98
#define SEL_ODD		 0xa0 /* 12 entries for descriptors that make no sense */
#define GDT_ENTRIES	 32

#define CR0_HOME  0x80010033
#define CR4_HOME  0x620
#define EFER_HOME 0xd01 /* SCE, LME, LMA, NXE */

/* trap_vector beyond 255 */
#define VECTOR_SYSCALL	0x100
#define VECTOR_SYSENTER 0x101

#endif
