/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/address.h: the kinds of address, and where things lie in the core's half of the address space.
 *
 * A physical address is a struct of one number, so that a page number or a pointer does not compile where one belongs. The upper half is the
 * same in every process: its top-level entries are copied from core_pml4 when a process is created, and never change after boot.
 */
#ifndef CORE_X86_ADDRESS_H
#define CORE_X86_ADDRESS_H

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096
#define LARGE_SIZE 0x200000
#define FRAME_BITS 0x000ffffffffff000 /* the address in an entry of any table of pages */

/* The image: virtual = IMAGE_BASE + physical. The pool: virtual = DIRECT_MAP_BASE + physical, and only the pool is mapped there. */
#define IMAGE_BASE	0xffffffff80000000
#define DIRECT_MAP_BASE 0xffff800000000000
/* One top-level entry for what is mapped page by page: device registers, stacks with their guard pages, the windows of the processors. */
#define MMIO_BASE	0xffffff0000000000
#define MMIO_BYTES	0x40000000
#define STACKS_BASE	0xffffff0040000000
#define STACKS_BYTES	0x40000000
#define WINDOWS_BASE	0xffffff0080000000
/* A process owns what lies below; the last page stays empty, so that no SYSCALL can return to a non-canonical address. */
#define USER_END	0x00007ffffffff000

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t value;
} hpa_t; /* physical, of the machine */

static inline hpa_t hpa(uint64_t value)
{
	return (hpa_t){value};
}

/* For the core's image (code, static data) only. */
static inline hpa_t image_physical(const void *pointer)
{
	return hpa((uint64_t)pointer - IMAGE_BASE);
}

static inline bool is_page_aligned(uint64_t value)
{
	return (value & (PAGE_SIZE - 1)) == 0;
}

extern char core_image_start[], core_text_end[], core_rodata_end[], core_sealed_end[],
	core_image_end[]; /* core/boot/core.ld */
/* Written at start only: paging_seal() makes it read-only. */
#define SEALED __attribute__((section(".data.sealed")))
#endif
#endif
