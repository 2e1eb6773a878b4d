/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/window.c: see window.h.
 */
#include "core/x86/window.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "lib/string.h"

static uint64_t window_address(const struct cpu *cpu, uint32_t index)
{
	return WINDOWS_BASE + (uint64_t)(cpu->index * WINDOW_COUNT + index) * WINDOW_BYTES;
}

void *window_map(struct cpu *cpu, hpa_t address, enum window_cache cache)
{
	static const uint64_t cache_bits[] = {
		[WINDOW_WRITE_BACK] = 0, [WINDOW_WRITE_COMBINING] = PTE_PAT_2M, [WINDOW_UNCACHED] = PTE_PCD | PTE_PWT};
	uint64_t start = address.value & ~(uint64_t)(WINDOW_BYTES - 1);
	uint32_t index = 0;
	while (index < WINDOW_COUNT && (cpu->windows_used & 1u << index))
		index++;
	CORE_ASSERT(index < WINDOW_COUNT && address.value >> cpu_features.physical_bits == 0);
	cpu->windows_used |= 1u << index;
	/* The entry was empty, and its last translation flushed: nothing needs flushing now. */
	cpu->window_entries[index] = start | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX | cache_bits[cache];
	return (void *)(window_address(cpu, index) + (address.value - start));
}

void window_unmap(struct cpu *cpu, const void *pointer)
{
	uint64_t index = ((uint64_t)pointer - window_address(cpu, 0)) / WINDOW_BYTES;
	CORE_ASSERT(index < WINDOW_COUNT && (cpu->windows_used & 1u << index));
	cpu->window_entries[index] = 0;
	tlb_flush_page(window_address(cpu, index));
	cpu->windows_used &= ~(1u << index);
}

static size_t piece(uint64_t address, size_t bytes)
{
	size_t left = WINDOW_BYTES - address % WINDOW_BYTES;
	return bytes < left ? bytes : left;
}

void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = piece(from.value, bytes);
		void *window = window_map(cpu, from, WINDOW_WRITE_BACK);
		memcpy(to, window, length);
		window_unmap(cpu, window);
		to = (char *)to + length;
		from.value += length;
		bytes -= length;
	}
}

void physical_write(struct cpu *cpu, hpa_t to, const void *from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = piece(to.value, bytes);
		void *window = window_map(cpu, to, WINDOW_WRITE_BACK);
		memcpy(window, from, length);
		window_unmap(cpu, window);
		from = (const char *)from + length;
		to.value += length;
		bytes -= length;
	}
}

void physical_clear(struct cpu *cpu, hpa_t from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = piece(from.value, bytes);
		void *window = window_map(cpu, from, WINDOW_WRITE_BACK);
		memset(window, 0, length);
		window_unmap(cpu, window);
		from.value += length;
		bytes -= length;
	}
}

void physical_copy(struct cpu *cpu, hpa_t to, hpa_t from, size_t bytes)
{
	while (bytes > 0) {
		size_t length = piece(from.value, piece(to.value, bytes));
		void *source = window_map(cpu, from, WINDOW_WRITE_BACK);
		void *target = window_map(cpu, to, WINDOW_WRITE_BACK);
		memcpy(target, source, length);
		window_unmap(cpu, target);
		window_unmap(cpu, source);
		from.value += length;
		to.value += length;
		bytes -= length;
	}
}
