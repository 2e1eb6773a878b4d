/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/memory.h: where RAM lies in the guest's address space, and safe ways into it.
 *
 *   0          640 KiB   RAM
 *   640 KiB    768 KiB   nothing: a VGA's window
 *   768 KiB    1 MiB     RAM that the memory map calls reserved: ROMs would be there; ACPI's tables are
 *   1 MiB      3 GiB     RAM
 *   3 GiB      4 GiB     devices: PCI's windows, I/O APIC at 0xfec00000, local APICs at 0xfee00000
 *   4 GiB                the RAM that did not fit below
 */
#ifndef MONITOR_MACHINE_MEMORY_H
#define MONITOR_MACHINE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_EBDA 0x9fc00ull /* usable below: the last KiB is a BIOS's data area */
#define MEMORY_VGA  0xa0000ull
#define MEMORY_ROM  0xc0000ull
#define MEMORY_IDENTITY                                                                                                \
	0xdf000ull /* a page table for processors that run no guest without one: gyre/vcpu.h, identity_table */
#define MEMORY_ACPI   0xe0000ull /* our tables, up to 1 MiB */
#define MEMORY_HIGH   0x100000ull
#define MEMORY_HOLE   0xc0000000ull
#define MEMORY_4G     0x100000000ull
#define MEMORY_RANGES 4

struct memory_range {
	uint64_t gpa, bytes;
	uint8_t *host;
};

struct memory {
	struct memory_range range[MEMORY_RANGES];
	unsigned ranges;
	uint64_t below_4g, above_4g; /* below: without the hole at 640 KiB subtracted */
	uint8_t *ram;
	uint64_t bytes;
};

/* -GYRE_EINVAL: less than 2 MiB, or more than the physical width has room for. */
int memory_layout(struct memory *memory, uint8_t *ram, uint64_t bytes, uint32_t physical_bits);
/* Maps all of it into the guest. */
int memory_map_all(const struct memory *memory);
/* The table at MEMORY_IDENTITY, as the processor reads it. */
void memory_identity(const struct memory *memory);
/* The bytes of guest RAM at gpa, all of them in one range, or NULL. */
uint8_t *memory_at(const struct memory *memory, uint64_t gpa, uint64_t bytes);

/* What the memory map tells an operating system: E820, Multiboot and PVH have the same numbers for kinds. */
#define MEMORY_KIND_RAM	     1u
#define MEMORY_KIND_RESERVED 2u
struct memory_region {
	uint64_t gpa, bytes;
	uint32_t kind;
};
#define MEMORY_REGIONS 8
unsigned memory_regions(const struct memory *memory, struct memory_region region[MEMORY_REGIONS]);

#endif
