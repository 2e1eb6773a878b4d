/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/boot.h: what the boot loader said, checked and copied out of its own memory.
 */
#ifndef CORE_BOOT_BOOT_H
#define CORE_BOOT_BOOT_H

#include "core/x86/address.h"
#include "gyre/boot.h"

#define BOOT_RANGES_MAX 128

struct boot_range {
	uint64_t start, end; /* multiples of a page, end is exclusive */
};

/* Sorted, disjoint, merged. */
struct boot_memory_map {
	uint32_t count;
	struct boot_range range[BOOT_RANGES_MAX];
};

/* core/boot/memory_map.c */
/* Both take any numbers and keep the map sorted, disjoint and merged. False: the map is full, and the range (or a part of one) was lost. */
bool memory_map_add(struct boot_memory_map *map, uint64_t start, uint64_t end);	   /* rounded inwards to pages */
bool memory_map_remove(struct boot_memory_map *map, uint64_t start, uint64_t end); /* rounded outwards */
/* As add, rounded outwards: for what must not be overlooked. */
bool memory_map_cover(struct boot_memory_map *map, uint64_t start, uint64_t end);

bool memory_map_contains(const struct boot_memory_map *map, uint64_t start, uint64_t end);
uint64_t memory_map_bytes(const struct boot_memory_map *map);
/* The lowest place for so many bytes (a power of two divides it), aligned, in [from, limit); 0: none. */
uint64_t memory_map_find(
	const struct boot_memory_map *map, uint64_t bytes, uint64_t alignment, uint64_t from, uint64_t limit);

struct boot_framebuffer {
	hpa_t address; /* 0: none, or not one of direct colours */
	uint32_t pitch, width, height, pixel_bytes;
};

struct boot_info {
	struct gyre_boot_info told; /* root: command line, modules and ACPI tables are here alone */
	char loader[64];
	bool uefi;
	uint8_t rsdp_copy[36];
	uint32_t rsdp_bytes;
	struct boot_framebuffer framebuffer;
	uint64_t usable_bytes;	/* RAM that the firmware gave, before anything was taken */
	struct boot_range pool; /* the core's own memory */
	struct boot_memory_map
		memory; /* usable RAM for root, modules included; without the first MiB, the core's image and its pool */
	struct boot_memory_map firmware; /* ACPI tables and their non-volatile memory, wherever the map has them */
	struct boot_memory_map reserved; /* all else that the firmware lists as anything but RAM */
};

extern struct boot_info boot_info;

/*
 * core/boot/multiboot.c, plain code: fills info from the loader's information, `bytes` of which can be read. NULL, or why it can't go on.
 * Multiboot2 Specification, "Boot information format".
 */
const char *multiboot_parse(struct boot_info *info, const void *information, uint32_t bytes);
#define MULTIBOOT_MAGIC	    0x36d76289
#define MULTIBOOT_BYTES_MAX 0x100000 /* of the information: more is taken for a broken length */

/*
 * core/boot/layout.c, plain code: takes the image (physical) out of the memory and chooses the pool, of this size or, for 0, of a size that suits the
 * machine. NULL, or why it can't go on.
 */
const char *boot_layout(struct boot_info *info, struct boot_range image, uint64_t pool_bytes, uint64_t address_limit);

/* core/boot/options.c: a copy of the command line, taken apart. */
void options_set(const char *line);
/* The value of KEY=VALUE on the core's command line, or NULL. Ends at a zero. The last one wins. */
const char *core_option(const char *key);
bool core_option_off(const char *key); /* KEY=off */
/* A size with an optional K, M or G: `otherwise` where the option is missing, and with a warning where it is no number. */
uint64_t core_option_size(const char *key, uint64_t otherwise);

#endif
