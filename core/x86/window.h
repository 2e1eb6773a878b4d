/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/window.h: looking for a moment at physical memory that is not the core's own.
 *
 * The core has no map of all memory. To scrub, copy or read firmware tables a processor opens one of its few windows, and closes it before it leaves
 * for ring 3 or a guest. A window is private to its processor, so closing needs no other processor's help.
 */
#ifndef CORE_X86_WINDOW_H
#define CORE_X86_WINDOW_H

#include "core/x86/cpu.h"

#define WINDOW_COUNT 4
#define WINDOW_BYTES LARGE_SIZE

enum window_cache { WINDOW_WRITE_BACK, WINDOW_WRITE_COMBINING, WINDOW_UNCACHED };

/* The page directory of all processors' windows, WINDOW_COUNT entries each. */
struct core_windows {
	uint64_t *directory;
};
extern struct core_windows core_windows;

/*
 * A pointer to this address, good up to the next multiple of WINDOW_BYTES. Never fails: more than WINDOW_COUNT at a time, or an address beyond the
 * processor's width, is a fault of the core's.
 */
void *window_map(struct cpu *cpu, hpa_t address, enum window_cache cache);
void window_unmap(struct cpu *cpu, const void *pointer);

/* Of any length and alignment, across window boundaries; source and target of a copy must not overlap. */
void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes);
void physical_write(struct cpu *cpu, hpa_t to, const void *from, size_t bytes);
void physical_clear(struct cpu *cpu, hpa_t from, size_t bytes);
void physical_copy(struct cpu *cpu, hpa_t to, hpa_t from, size_t bytes);

#endif
