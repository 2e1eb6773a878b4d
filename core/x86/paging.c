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

#define RESERVE_FRAMES	      8 /* for tables of device registers that are mapped after boot */
#define INDEX(address, level) ((address) >> (PAGE_SHIFT + 9 * (level)) & 511)
#define DATA_FLAGS	      (PTE_NX | PTE_WRITE)

uint64_t *core_pml4;
hpa_t core_pml4_physical;
uint64_t *core_windows;

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

/* With large pages where they fit. False: no frame left for a table. */
static bool map(uint64_t address, uint64_t physical, uint64_t bytes, uint64_t flags)
{
	flags |= PTE_PRESENT | (cpu_features.pge ? PTE_GLOBAL : 0);
	while (bytes > 0) {
		bool large = bytes >= LARGE_SIZE && address % LARGE_SIZE == 0 && physical % LARGE_SIZE == 0;
		uint64_t *entry = entry_at(address, large ? 1 : 0), step = large ? LARGE_SIZE : PAGE_SIZE;
		if (entry == NULL)
			return false;
		*entry = physical | flags | (large ? PTE_LARGE : 0);
		address += step;
		physical += step;
		bytes -= step;
	}
	return true;
}

static bool map_image(const char *from, const char *to, uint64_t flags)
{
	return map((uint64_t)from, image_physical(from).value, (uint64_t)(to - from), flags);
}

void paging_init(const struct boot_range *pool)
{
	frame_next = pool->start;
	frame_end = pool->end;
	core_pml4_physical = hpa(frame_take());
	bool mapped = map_image(core_image_start, core_text_end, 0) &&
		      map_image(core_text_end, core_rodata_end, PTE_NX) &&
		      map_image(core_rodata_end, core_image_end, DATA_FLAGS) &&
		      map(DIRECT_MAP_BASE + pool->start, pool->start, pool->end - pool->start, DATA_FLAGS);
	/* The windows of all processors share one directory. */
	_Static_assert(CPU_MAX <= 512, "one directory");
	uint64_t windows = (uint64_t)entry_at(WINDOWS_BASE, 1);
	if (!mapped || windows == 0)
		panic("no memory for the core's page tables");

	cr3_write(core_pml4_physical.value);
	direct_mapped = true;
	core_pml4 = pool_virtual(core_pml4_physical);
	core_windows = pool_virtual(hpa(windows));
}

uint64_t paging_finish(void)
{
	if (frame_next + RESERVE_FRAMES * PAGE_SIZE > frame_end)
		panic("the pool is too small for the core's page tables");
	frame_end = frame_next + RESERVE_FRAMES * PAGE_SIZE;
	return frame_end;
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
	if (at + length + PAGE_SIZE <= MMIO_BASE + MMIO_BYTES && map(at, start, length, DATA_FLAGS | cache)) {
		mmio_next = at + length + PAGE_SIZE;
		result = (void *)(at + offset);
	}
	spin_unlock(&lock);
	return result;
}

uint64_t stack_make(struct cpu *cpu)
{
	uint64_t start = stack_next + CPU_STACK_BYTES; /* the guard: as large as a stack, for the alignment */
	stack_next += 2 * CPU_STACK_BYTES;
	for (uint64_t at = start; at < start + CPU_STACK_BYTES; at += PAGE_SIZE) {
		uint64_t frame = frame_take();
		if (frame == 0 || at >= STACKS_BASE + STACKS_BYTES || !map(at, frame, PAGE_SIZE, DATA_FLAGS))
			panic("no memory for a stack of CPU %u", cpu->index);
	}
	uint64_t top = start + CPU_STACK_BYTES - 16;
	((uint64_t *)top)[1] = (uint64_t)cpu;
	return top;
}
