/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/layout.c: who gets which memory. The core keeps its image and one contiguous pool; all else is root's.
 */
#include "core/boot/boot.h"

#define FIRST_MIB	   0x100000ull
#define POOL_MIN	   0x400000ull
#define POOL_SHARE	   256		  /* of usable memory */
#define POOL_LIMIT	   0x100000000ull /* the tables of boot reach this far */
#define POOL_FROM	   0x1000000ull	  /* leaves what old devices can reach to others, where there is a choice */
#define POOL_SHARE_AT_MOST 2		  /* an option may ask for half of the machine, no more */

static const char TOO_MANY_RANGES[] = "the firmware's memory map has too many ranges";

static uint64_t pool_size(const struct boot_info *info, uint64_t wanted)
{
	uint64_t bytes = wanted;
	if (bytes == 0)
		bytes = info->usable_bytes / POOL_SHARE > POOL_MIN ? info->usable_bytes / POOL_SHARE : POOL_MIN;
	if (bytes > info->usable_bytes / POOL_SHARE_AT_MOST)
		bytes = info->usable_bytes / POOL_SHARE_AT_MOST;
	if (bytes > POOL_LIMIT / 2)
		bytes = POOL_LIMIT / 2;
	return (bytes + LARGE_SIZE - 1) & ~(uint64_t)(LARGE_SIZE - 1);
}

/* Where the modules are not. They lie in RAM, apart from each other and from the image: what a loader says is believed only so far. */
static const char *remove_modules(struct boot_memory_map *map, const struct boot_info *info)
{
	for (uint32_t i = 0; i < info->told.modules; i++) {
		uint64_t start = info->told.module[i].first_page << PAGE_SHIFT,
			 end = start + info->told.module[i].bytes;
		if (end > start && !memory_map_contains(map, start, end))
			return "a boot module lies outside usable memory, in the core's image or in another module";
		if (!memory_map_remove(map, start, end))
			return TOO_MANY_RANGES;
	}
	return NULL;
}

const char *boot_layout(struct boot_info *info, struct boot_range image, uint64_t pool_bytes, uint64_t address_limit)
{
	static struct boot_memory_map without_modules;
	if (!memory_map_contains(&info->memory, image.start, image.end))
		return "the core's image does not lie in what the memory map calls RAM";
	memory_map_remove(&info->memory, address_limit, UINT64_MAX);
	if (!memory_map_remove(&info->memory, image.start, image.end))
		return TOO_MANY_RANGES;
	without_modules = info->memory;
	const char *error = remove_modules(&without_modules, info);
	if (error != NULL)
		return error;
	/*
	 * The first MiB has the firmware's data, and start-up code of other processors needs a page there: nobody's, but for modules (GRUB puts small
	 * ones there under UEFI).
	 */
	memory_map_remove(&info->memory, 0, FIRST_MIB);
	for (uint32_t i = 0; i < info->told.modules; i++) {
		uint64_t start = info->told.module[i].first_page << PAGE_SHIFT;
		if (!memory_map_cover(&info->memory, start, start + info->told.module[i].bytes))
			return TOO_MANY_RANGES;
	}

	uint64_t bytes = pool_size(info, pool_bytes);
	uint64_t start = memory_map_find(&without_modules, bytes, LARGE_SIZE, POOL_FROM, POOL_LIMIT);
	if (start == 0)
		start = memory_map_find(&without_modules, bytes, LARGE_SIZE, FIRST_MIB, POOL_LIMIT);
	if (start == 0)
		return "this machine has too little memory: there is no room for the core's pool beside the boot "
		       "modules";
	info->pool = (struct boot_range){start, start + bytes};
	memory_map_remove(&info->memory, info->pool.start, info->pool.end);
	return NULL;
}
