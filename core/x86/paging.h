/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/paging.h: the core's own half of the page tables, and windows to other memory. Processes' and guests' tables are core/mem's.
 */
#ifndef CORE_X86_PAGING_H
#define CORE_X86_PAGING_H

#include "core/boot/boot.h"
#include "core/mem/pagetable.h"
#include "core/x86/cpu.h"

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

/* The top-level table that boot made: entries 256 to 511 are to be copied into each process's table. In the pool. */
extern uint64_t *core_pml4;
extern hpa_t core_pml4_physical;

/*
 * At boot only: what lacks memory is a panic. paging_init() sets up the pool of frames, which the boot tables map as the real ones do, and leaves them for
 * those.
 */
void paging_init(const struct boot_range *pool);
/* The upper end of a new stack for this processor, with its guard and its last word set. */
uint64_t stack_make(struct cpu *cpu);
/* What is SEALED can be written no more. On the last processor that starts, before anything but the core runs. */
void paging_seal(void);
/* Maps device registers for good. NULL: the range makes no sense. */
void *mmio_map(hpa_t address, size_t bytes, enum memory_cache cache);

/*
 * Looking for a moment at physical memory that is not the core's own. The core has no map of all memory: to read firmware's tables and boot
 * modules, a processor opens its window for as long as that takes. It is private to the processor, so closing it needs no other's help.
 */
/* Of any length and alignment, within the processor's physical addresses. */
void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes);
/* False where a firmware table cannot lie: only what the memory map lists is read, since reading a device's registers could do anything. */
bool firmware_read(void *to, uint64_t physical, size_t bytes);

#endif
