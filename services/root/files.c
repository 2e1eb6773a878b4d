/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/files.c: boot modules by name, and root's view of one at a time. */
#include "services/root/root.h"
#include "lib/format.h"
#include "lib/string.h"

static uint64_t pages_of(const struct gyre_boot_module *module)
{
	return (module->bytes + 4095) / 4096;
}

const struct gyre_boot_module *file_find(const char *name)
{
	for (uint32_t i = 0; i < root.boot->modules && i < GYRE_BOOT_MODULES; i++)
		if (strncmp(root.boot->module[i].name, name, sizeof(root.boot->module[i].name)) == 0)
			return &root.boot->module[i];
	return NULL;
}

const struct gyre_boot_module *file_numbered(uint32_t number)
{
	char name[16];
	gyre_snprintf(name, sizeof(name), "file%u", number);
	return file_find(name);
}

const void *file_map(const struct gyre_boot_module *module)
{
	if (module->bytes == 0 || memory_map_all(0, GYRE_ROOT_RAM, module->first_page, WINDOW_FILES, pages_of(module),
					  GYRE_RIGHT_READ) < 0)
		return NULL;
	return (const void *)WINDOW_FILES;
}

void file_unmap(const struct gyre_boot_module *module)
{
	memory_unmap_all(0, WINDOW_FILES, pages_of(module));
}

uint64_t file_pages_all(void)
{
	uint64_t pages = 0;
	for (uint32_t i = 0; i < root.boot->modules && i < GYRE_BOOT_MODULES; i++)
		pages += pages_of(&root.boot->module[i]);
	return pages;
}

void files_clear_tails(void)
{
	for (uint32_t i = 0; i < root.boot->modules && i < GYRE_BOOT_MODULES; i++) {
		const struct gyre_boot_module *module = &root.boot->module[i];
		uint64_t used = module->bytes % 4096;
		if (used == 0 || memory_map_all(0, GYRE_ROOT_RAM, module->first_page + module->bytes / 4096,
					 WINDOW_FILES, 1, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE) < 0)
			continue;
		memset((char *)WINDOW_FILES + used, 0, 4096 - used);
		memory_unmap_all(0, WINDOW_FILES, 1);
	}
}
