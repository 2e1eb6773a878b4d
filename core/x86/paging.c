/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/paging.c: the core's half of the page tables, made once at boot from the first frames of the pool.
 */
#include "core/x86/paging.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/spinlock.h"
#include "lib/string.h"
#include "core/x86/window.h"

#define RESERVE_FRAMES	      8 /* for tables of device registers that are mapped after boot */
#define INDEX(address, level) ((address) >> (PAGE_SHIFT + 9 * (level)) & 511)

uint64_t *core_pml4;
hpa_t core_pml4_physical;
struct core_windows core_windows;

static struct spinlock lock = SPINLOCK_INIT;
static uint64_t frame_next, frame_end; /* physical; the boot tables and, from then on, the direct map reach them */
static bool direct_mapped;
static uint64_t mmio_next = MMIO_BASE;
static uint64_t stack_next = STACKS_BASE;

static uint64_t *table_pointer(uint64_t physical)
{
	return direct_mapped ? pool_virtual(hpa(physical)) : (uint64_t *)physical;
}

/* A zeroed frame, or 0. */
static uint64_t frame_take(void)
{
	if (frame_next == frame_end)
		return 0;
	uint64_t frame = frame_next;
	frame_next += PAGE_SIZE;
	memset(table_pointer(frame), 0, PAGE_SIZE);
	return frame;
}

/* The entry that maps this address at a level (0: 4 KiB, 1: 2 MiB), with the tables above it; NULL: no frame left. */
static uint64_t *entry_at(uint64_t address, unsigned level)
{
	uint64_t table = core_pml4_physical.value;
	for (unsigned at = 3;; at--) {
		uint64_t *entry = table_pointer(table) + INDEX(address, at);
		if (at == level)
			return entry;
		if (!(*entry & PTE_PRESENT)) {
			uint64_t frame = frame_take();
			if (frame == 0)
				return NULL;
			*entry = frame | PTE_PRESENT | PTE_WRITE;
		}
		table = *entry & PTE_ADDRESS;
	}
}

static bool map_page(uint64_t address, uint64_t physical, uint64_t flags)
{
	uint64_t *entry = entry_at(address, 0);
	if (entry == NULL)
		return false;
	*entry = physical | flags | PTE_PRESENT;
	return true;
}

static uint64_t global(void)
{
	return cpu_features.pge ? PTE_GLOBAL : 0;
}

static void map_image(const char *from, const char *to, uint64_t flags)
{
	for (uint64_t at = (uint64_t)from; at < (uint64_t)to; at += PAGE_SIZE)
		if (!map_page(at, image_physical((const void *)at).value, flags | global()))
			panic("no memory for the core's page tables");
}

static void map_pool(const struct boot_range *pool)
{
	for (uint64_t at = pool->start; at < pool->end; at += LARGE_SIZE) {
		uint64_t *entry = entry_at(DIRECT_MAP_BASE + at, 1);
		if (entry == NULL)
			panic("no memory for the core's page tables");
		*entry = at | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX | global();
	}
}

void paging_init(const struct boot_range *pool)
{
	frame_next = pool->start;
	frame_end = pool->end;
	core_pml4_physical = hpa(frame_take());
	map_image(core_image_start, core_text_end, 0);
	map_image(core_text_end, core_rodata_end, PTE_NX);
	map_image(core_rodata_end, core_image_end, PTE_NX | PTE_WRITE);
	map_pool(pool);
	/* The windows of all processors share one directory, since 64 of them with 4 windows each need half of one. */
	_Static_assert(CPU_MAX * WINDOW_COUNT <= 512, "one directory");
	if (entry_at(WINDOWS_BASE, 1) == NULL)
		panic("no memory for the core's page tables");
	uint64_t windows = (uint64_t)entry_at(WINDOWS_BASE, 1);

	cr3_write(core_pml4_physical.value);
	direct_mapped = true;
	core_pml4 = pool_virtual(core_pml4_physical);
	core_windows.directory = pool_virtual(hpa(windows));
}

uint64_t paging_finish(void)
{
	if (frame_next + RESERVE_FRAMES * PAGE_SIZE > frame_end)
		panic("the pool is too small for the core's page tables");
	frame_end = frame_next + RESERVE_FRAMES * PAGE_SIZE;
	return frame_end;
}

hpa_t paging_boot_frames(uint32_t count)
{
	if (frame_next + (uint64_t)count * PAGE_SIZE > frame_end)
		panic("the pool is too small for the core's own data");
	uint64_t frames = frame_next;
	frame_next += (uint64_t)count * PAGE_SIZE;
	memset(pool_virtual(hpa(frames)), 0, (size_t)count * PAGE_SIZE);
	return hpa(frames);
}

static bool map_range(uint64_t address, uint64_t physical, uint64_t bytes, enum core_cache cache)
{
	uint64_t small = PTE_WRITE | PTE_NX | global(), large;
	if (cache == CORE_UNCACHED)
		small |= PTE_PCD | PTE_PWT;
	large = small | PTE_LARGE | (cache == CORE_WRITE_COMBINING ? PTE_PAT_2M : 0);
	small |= cache == CORE_WRITE_COMBINING ? PTE_PAT_4K : 0;
	while (bytes > 0) {
		bool fits = bytes >= LARGE_SIZE && address % LARGE_SIZE == 0 && physical % LARGE_SIZE == 0;
		uint64_t *entry = entry_at(address, fits ? 1 : 0), step = fits ? LARGE_SIZE : PAGE_SIZE;
		if (entry == NULL)
			return false;
		*entry = physical | (fits ? large : small) | PTE_PRESENT;
		address += step;
		physical += step;
		bytes -= step;
	}
	return true;
}

void *mmio_map(hpa_t address, size_t bytes, enum core_cache cache)
{
	uint64_t start = address.value & ~(uint64_t)(PAGE_SIZE - 1), offset = address.value - start;
	uint64_t limit = 1ul << cpu_features.physical_bits;
	void *result = NULL;
	if (bytes == 0 || bytes > MMIO_BYTES / 2 || address.value >= limit || bytes > limit - address.value)
		return NULL;
	uint64_t length = (offset + bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);

	spin_lock(&lock);
	uint64_t at = mmio_next;
	/* What is large gets an address that lies as the physical one does, so that large pages fit. A page between two ranges stays empty. */
	if (length >= LARGE_SIZE)
		at = ((at + LARGE_SIZE - 1) & ~(uint64_t)(LARGE_SIZE - 1)) + start % LARGE_SIZE;
	if (at + length + PAGE_SIZE <= MMIO_BASE + MMIO_BYTES && map_range(at, start, length, cache)) {
		mmio_next = at + length + PAGE_SIZE;
		result = (void *)(at + offset);
	}
	spin_unlock(&lock);
	return result;
}

uint64_t stack_map(struct cpu *cpu, hpa_t frames)
{
	spin_lock(&lock);
	uint64_t start = stack_next + CPU_STACK_BYTES; /* the guard: as large as a stack, for the alignment */
	stack_next += 2 * CPU_STACK_BYTES;
	for (uint64_t offset = 0; offset < CPU_STACK_BYTES; offset += PAGE_SIZE)
		if (start + CPU_STACK_BYTES > STACKS_BASE + STACKS_BYTES ||
			!map_page(start + offset, frames.value + offset, PTE_WRITE | PTE_NX | global()))
			panic("no memory for a stack of CPU %u", cpu->index);
	spin_unlock(&lock);
	uint64_t top = start + CPU_STACK_BYTES - 16;
	((uint64_t *)top)[1] = (uint64_t)cpu;
	return top;
}
