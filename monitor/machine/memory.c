/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/memory.c: the layout of guest RAM.
 */
#include "monitor/machine/memory.h"
#include "monitor/engine/engine.h"
#include "gyre/errors.h"
#include "lib/string.h"

static void add_range(struct memory *memory, uint64_t gpa, uint64_t bytes, uint8_t *host)
{
	memory->range[memory->ranges++] = (struct memory_range){gpa, bytes, host};
}

int memory_layout(struct memory *memory, uint8_t *ram, uint64_t bytes, uint32_t physical_bits)
{
	memset(memory, 0, sizeof *memory);
	if (bytes < 0x200000 || bytes > MEMORY_HOLE + (1ull << physical_bits) - MEMORY_4G || (bytes & 0x1fffff))
		return -GYRE_EINVAL;
	memory->ram = ram;
	memory->bytes = bytes;
	memory->below_4g = bytes < MEMORY_HOLE ? bytes : MEMORY_HOLE;
	memory->above_4g = bytes - memory->below_4g;
	/* Low RAM is at the same offset in the host's piece: large pages stay large. What lies under the VGA's window is not used. The largest
	 * range comes first: it is looked at first. */
	add_range(memory, MEMORY_ROM, memory->below_4g - MEMORY_ROM, ram + MEMORY_ROM);
	add_range(memory, 0, MEMORY_VGA, ram);
	if (memory->above_4g)
		add_range(memory, MEMORY_4G, memory->above_4g, ram + memory->below_4g);
	return 0;
}

int memory_map_all(const struct memory *memory)
{
	for (unsigned i = 0; i < memory->ranges; i++) {
		const struct memory_range *range = &memory->range[i];
		int error = engine_map(range->gpa, range->bytes, range->host, ENGINE_RAM);
		if (error < 0)
			return error;
	}
	return 0;
}

uint8_t *memory_at(const struct memory *memory, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < memory->ranges; i++) {
		const struct memory_range *range = &memory->range[i];
		uint64_t offset = gpa - range->gpa;
		if (offset < range->bytes && bytes <= range->bytes - offset)
			return range->host + offset;
	}
	return NULL;
}

unsigned memory_regions(const struct memory *memory, struct memory_region region[MEMORY_REGIONS])
{
	unsigned count = 0;
	region[count++] = (struct memory_region){0, MEMORY_EBDA, MEMORY_KIND_RAM};
	region[count++] = (struct memory_region){MEMORY_EBDA, MEMORY_VGA - MEMORY_EBDA, MEMORY_KIND_RESERVED};
	region[count++] = (struct memory_region){MEMORY_ACPI, MEMORY_HIGH - MEMORY_ACPI, MEMORY_KIND_RESERVED};
	region[count++] = (struct memory_region){MEMORY_HIGH, memory->below_4g - MEMORY_HIGH, MEMORY_KIND_RAM};
	if (memory->above_4g)
		region[count++] = (struct memory_region){MEMORY_4G, memory->above_4g, MEMORY_KIND_RAM};
	return count;
}

/* 4 MiB pages: SDM vol. 3, "32-Bit Paging": present, writable, for all, accessed, dirty, large. */
void memory_identity(const struct memory *memory)
{
	uint8_t *table = memory_at(memory, MEMORY_IDENTITY, 4096);
	for (uint32_t i = 0; table && i < 1024; i++) {
		uint32_t entry = i << 22 | 0xe7;
		memcpy(table + 4 * i, &entry, sizeof entry);
	}
}
