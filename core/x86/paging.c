/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/paging.c: the core's half of the page tables, made at boot of frames that the core's own quota pays, and the windows in it.
 */
#include "core/x86/paging.h"
#include "core/mem/pagetable_entry.h"
#include "core/obj/process.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "gyre/rights.h"
#include "lib/string.h"

#define WINDOW_BYTES LARGE_SIZE
#define FIRST_MIB    0x100000

SEALED uint64_t *core_pml4;
SEALED hpa_t core_pml4_physical;

SEALED static struct pagetable core_table;
SEALED static uint64_t *windows; /* a page directory, an entry for each processor */
static uint64_t mmio_next = MMIO_BASE, stack_next = STACKS_BASE;

static uint64_t core_leaf(unsigned int level, unsigned int rights, enum memory_cache cache)
{
	return (pagetable_process.leaf(level, rights, cache) & ~PTE_USER) | (cpu_features.pge ? PTE_GLOBAL : 0);
}

/* Whole pages, with large ones where they fit. */
static void map(uint64_t address, uint64_t physical, uint64_t bytes, unsigned int rights, enum memory_cache cache)
{
	struct pagetable_map map = {.page = address >> PAGE_SHIFT,
		.frame = physical >> PAGE_SHIFT,
		.pages = bytes >> PAGE_SHIFT,
		.rights = rights,
		.max_level = 1,
		.cache = cache,
		.entries = UINT32_MAX};
	if (pagetable_map(&core_table, &map) < 0 || map.pages != 0)
		panic("the pool is too small for the core's page tables; give more by pool=");
}

static void map_image(const char *from, const char *to, unsigned int rights)
{
	map((uint64_t)from, image_physical(from).value, (uint64_t)(to - from), rights, MEMORY_WRITE_BACK);
}

void paging_init(const struct boot_range *pool)
{
	SEALED static struct pagetable_format format;
	struct path path;
	format = pagetable_process;
	format.leaf = core_leaf;
	frame_pool_init(hpa(pool->start), pool->end - pool->start);
	quota_init(&home_quota, frame_pool_total()); /* until root_start() */
	if (pagetable_init(&core_table, &format, &home_quota) < 0)
		panic("the pool is empty");
	map_image(core_image_start, core_text_end, GYRE_RIGHT_READ | GYRE_RIGHT_EXEC);
	map_image(core_text_end, core_rodata_end, GYRE_RIGHT_READ);
	map_image(core_rodata_end, core_sealed_end, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	map_image(core_sealed_end, core_image_end, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	map(DIRECT_MAP_BASE + pool->start, pool->start, pool->end - pool->start, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE,
		MEMORY_WRITE_BACK);
	/* All windows share a directory, which comes to be by a page that goes again. */
	_Static_assert(CPU_MAX <= 512, "one directory");
	map(WINDOWS_BASE, 0, WINDOW_BYTES, GYRE_RIGHT_READ, MEMORY_WRITE_BACK);
	path_walk(&core_table, WINDOWS_BASE >> PAGE_SHIFT, 1, &path);
	windows = path.at[1];
	windows[0] = 0;

	core_pml4_physical = core_table.root;
	core_pml4 = frame_virtual(core_table.root);
	cr3_write(core_table.root.value);
}

void *mmio_map(hpa_t address, size_t bytes, enum memory_cache cache)
{
	uint64_t start = address.value & ~(uint64_t)(PAGE_SIZE - 1), offset = address.value - start;
	uint64_t limit = 1ul << cpu_features.physical_bits;
	if (bytes == 0 || bytes > MMIO_BYTES / 2 || address.value >= limit || bytes > limit - address.value)
		return NULL;
	uint64_t length = (offset + bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	/* It lies as the physical address does, so that large pages fit. A page between two ranges stays empty. */
	uint64_t at = ((mmio_next + LARGE_SIZE - 1) & ~(uint64_t)(LARGE_SIZE - 1)) + start % LARGE_SIZE;
	if (at + length + PAGE_SIZE > MMIO_BASE + MMIO_BYTES)
		return NULL;
	map(at, start, length, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE, cache);
	mmio_next = at + length + PAGE_SIZE;
	return (void *)(at + offset);
}

uint64_t stack_make(struct cpu *cpu)
{
	uint64_t start = stack_next + CPU_STACK_BYTES; /* the guard: as large as a stack, for the alignment */
	hpa_t frames;
	stack_next += 2 * CPU_STACK_BYTES;
	if (stack_next > STACKS_BASE + STACKS_BYTES ||
		!frame_alloc_run(&home_quota, CPU_STACK_BYTES / PAGE_SIZE, &frames))
		panic("no memory for a stack of CPU %u", cpu->index);
	map(start, frames.value, CPU_STACK_BYTES, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE, MEMORY_WRITE_BACK);
	uint64_t top = start + CPU_STACK_BYTES - 16;
	((uint64_t *)top)[1] = (uint64_t)cpu;
	return top;
}

void paging_seal(void)
{
	struct path path;
	for (const char *page = core_rodata_end; page < core_sealed_end; page += PAGE_SIZE) {
		CORE_ASSERT(path_walk(&core_table, (uint64_t)page >> PAGE_SHIFT, 0, &path) == 0);
		*path.at[0] &= ~PTE_WRITE;
		tlb_flush_page((uint64_t)page);
	}
}

/* ---- windows ---- */

/* Opens the window at an address: a pointer to it, and how many of so many bytes can be reached by it. */
static void *window_open(struct cpu *cpu, hpa_t address, size_t *bytes)
{
	uint64_t offset = address.value % WINDOW_BYTES;
	CORE_ASSERT(windows[cpu->index] == 0 && address.value >> cpu_features.physical_bits == 0);
	if (*bytes > WINDOW_BYTES - offset)
		*bytes = WINDOW_BYTES - offset;
	/* The entry was empty, and its last translation flushed: nothing needs flushing now. */
	windows[cpu->index] = (address.value - offset) | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
	return (void *)(WINDOWS_BASE + (uint64_t)cpu->index * WINDOW_BYTES + offset);
}

static void window_close(struct cpu *cpu, const void *pointer)
{
	windows[cpu->index] = 0;
	tlb_flush_page((uint64_t)pointer);
}

void physical_read(struct cpu *cpu, void *to, hpa_t from, size_t bytes)
{
	for (size_t length; bytes > 0; bytes -= length, from.value += length, to = (char *)to + length) {
		length = bytes;
		void *window = window_open(cpu, from, &length);
		memcpy(to, window, length);
		window_close(cpu, window);
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
