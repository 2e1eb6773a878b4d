/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/window.c: see window.h.
 */
#include "core/x86/window.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "lib/string.h"

#define WINDOW_BYTES LARGE_SIZE
#define FIRST_MIB    0x100000

/* Opens the window at an address: a pointer to it, and how many of so many bytes can be reached by it. */
static void *window_open(struct cpu *cpu, hpa_t address, size_t *bytes)
{
	uint64_t offset = address.value % WINDOW_BYTES;
	CORE_ASSERT(core_windows[cpu->index] == 0 && address.value >> cpu_features.physical_bits == 0);
	if (*bytes > WINDOW_BYTES - offset)
		*bytes = WINDOW_BYTES - offset;
	/* The entry was empty, and its last translation flushed: nothing needs flushing now. */
	core_windows[cpu->index] = (address.value - offset) | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
	return (void *)(WINDOWS_BASE + (uint64_t)cpu->index * WINDOW_BYTES + offset);
}

static void window_close(struct cpu *cpu, const void *pointer)
{
	core_windows[cpu->index] = 0;
	tlb_flush_page((uint64_t)pointer);
}

void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = bytes;
		void *window = window_open(cpu, from, &length);
		memcpy(to, window, length);
		window_close(cpu, window);
		to = (char *)to + length;
		from.value += length;
		bytes -= length;
	}
}

void physical_clear(struct cpu *cpu, hpa_t from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = bytes;
		void *window = window_open(cpu, from, &length);
		/* Whole words where it is whole words: an eighth of the iterations. */
		uint64_t words = length % 8 == 0 ? length / 8 : 0;
		void *to = window;
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0ul) : "memory");
		memset(to, 0, length % 8 == 0 ? 0 : length);
		window_close(cpu, window);
		from.value += length;
		bytes -= length;
	}
}

bool firmware_read(void *to, uint64_t physical, size_t bytes)
{
	uint64_t limit = 1ull << cpu_features.physical_bits, end = physical + bytes;
	if (physical >= limit || bytes > limit - physical)
		return false;
	if (end > FIRST_MIB && !memory_map_contains(&boot_info.firmware, physical, end) &&
		!memory_map_contains(&boot_info.reserved, physical, end) &&
		!memory_map_contains(&boot_info.memory, physical, end))
		return false;
	physical_read(cpu_current(), to, hpa(physical), bytes);
	return true;
}
