/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/window.h: looking for a moment at physical memory that is not the core's own.
 *
 * The core has no map of all memory. To scrub memory or to read firmware's tables and boot modules, a processor opens its window for as long as that
 * takes. It is private to the processor, so closing it needs no other processor's help.
 */
#ifndef CORE_X86_WINDOW_H
#define CORE_X86_WINDOW_H

#include "core/x86/cpu.h"

/* Of any length and alignment, within the processor's physical addresses. */
void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes);
void physical_clear(struct cpu *cpu, hpa_t from, size_t bytes);
/* False where a firmware table cannot lie: only what the memory map lists is read, since reading a device's registers could do anything. */
bool firmware_read(void *to, uint64_t physical, size_t bytes);

#endif
