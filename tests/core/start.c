/* SPDX-License-Identifier: Apache-2.0 */
/* tests/core/start.c: see start.h. */
#include "core/boot/boot.h"
#include "core/x86/cpu.h"
#include "core/x86/log.h"
#include "lib/string.h"
#include "tests/core/start.h"

#define WORDS	   512
#define REACH	   0x100000000ull /* of the tables of boot, which have all of this where it is */
#define FIRST_BYTE 0x100000ull

/* ---- memory that somebody has used ---- */

static bool in_module(uint64_t page)
{
	for (uint32_t i = 0; i < boot_info.told.modules; i++) {
		const struct gyre_boot_module *module = &boot_info.told.module[i];
		if (page >= module->first_page &&
			page < module->first_page + (module->bytes + PAGE_SIZE - 1) / PAGE_SIZE)
			return true;
	}
	return false;
}

/* Both ends and the middle: each word of each page would take as long as the rest of the start. */
static void dirty_page(uint64_t page)
{
	uint64_t *word = (uint64_t *)(page << PAGE_SHIFT);
	for (unsigned int i = 0; i < 4; i++)
		word[i] = word[WORDS - 1 - i] = word[WORDS / 2 + i] = DIRTY_WORD + page;
}

static void dirty_range(struct boot_range range)
{
	uint64_t start = range.start < FIRST_BYTE ? FIRST_BYTE : range.start,
		 end = range.end < REACH ? range.end : REACH;
	for (uint64_t page = start >> PAGE_SHIFT; page < end >> PAGE_SHIFT; page++)
		if (!in_module(page))
			dirty_page(page);
}

void start_dirty(void)
{
	const char *option = core_option("dirty");
	if (option == NULL || strcmp(option, "on") != 0)
		return;
	for (uint32_t i = 0; i < boot_info.memory.count; i++)
		dirty_range(boot_info.memory.range[i]);
	dirty_range(boot_info.pool);
}

/* ---- code and constants ---- */

static uint64_t at_start;

static uint64_t hash(void)
{
	uint64_t value = 0xcbf29ce484222325ull;
	for (const uint64_t *word = (const uint64_t *)core_image_start; word < (const uint64_t *)core_sealed_end;
		word++)
		value = (value ^ *word) * 0x100000001b3ull + (value >> 47);
	return value;
}

void start_hash(void)
{
	at_start = hash();
}

bool start_hash_holds(void)
{
	return hash() == at_start;
}
