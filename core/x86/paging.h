/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/paging.h: the core's own half of the page tables. Processes' and guests' tables are core/mem's.
 */
#ifndef CORE_X86_PAGING_H
#define CORE_X86_PAGING_H

#include "core/boot/boot.h"
#include "core/x86/address.h"

/* APM vol. 2, "Long-Mode Page Translation" */
#define PTE_PRESENT  0x1ul
#define PTE_WRITE    0x2ul
#define PTE_USER     0x4ul
#define PTE_PWT	     0x8ul
#define PTE_PCD	     0x10ul
#define PTE_ACCESSED 0x20ul
#define PTE_DIRTY    0x40ul
#define PTE_LARGE    0x80ul /* of a directory entry */
#define PTE_GLOBAL   0x100ul
#define PTE_NX	     0x8000000000000000ul
#define PTE_ADDRESS  0x000ffffffffff000ul

/* How device memory is cached: by CORE_PAT, these bits of an entry of any level choose the type. */
enum core_cache { CORE_WRITE_COMBINING = PTE_PWT, CORE_UNCACHED = PTE_PCD | PTE_PWT };

/* The top-level table that boot made: entries 256 to 511 are to be copied into each process's table. In the pool. */
extern uint64_t *core_pml4;
extern hpa_t core_pml4_physical;
/* The page directory of all processors' windows (window.h), an entry each. */
extern uint64_t *core_windows;

/*
 * Boot, in this order: init leaves the boot tables for the real ones, which take their frames from the start of the pool; finish says where the rest of
 * the pool begins. In between, stacks are made.
 */
void paging_init(const struct boot_range *pool);
uint64_t paging_finish(void);

/* The upper end of a new stack for this processor, with its guard and its last word set. */
struct cpu;
uint64_t stack_make(struct cpu *cpu);

/* Maps device registers for good. At boot, and later while the few frames set aside last; NULL when they are gone or the range makes no sense. */
void *mmio_map(hpa_t address, size_t bytes, enum core_cache cache);

#endif
