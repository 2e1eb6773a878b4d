/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/boot.c: which kind of kernel a file is, and what all loaders share.
 */
#include <stdarg.h>
#include "monitor/boot/boot.h"
#include "monitor/boot/elf.h"
#include "gyre/errors.h"
#include "lib/format.h"
#include "lib/string.h"

/* Messages are short (the engine cuts them): a file is named without its folder. */
static const char *base_name(const char *path)
{
	const char *name = path;
	for (; *path; path++)
		if (*path == '/' && path[1])
			name = path + 1;
	return name;
}

int boot_fail(struct boot *boot, uint32_t status, const char *format, ...)
{
	va_list arguments;
	boot->status = status;
	size_t used = gyre_snprintf(boot->text, sizeof boot->text, "%.32s: ", base_name(boot->vm->kernel.name));
	va_start(arguments, format);
	gyre_vsnprintf(boot->text + used, sizeof boot->text - used, format, arguments);
	va_end(arguments);
	return -GYRE_EPROTO;
}

uint8_t *boot_arena(struct boot *boot, uint64_t bytes, uint64_t align, uint64_t *gpa)
{
	uint64_t at = (boot->arena + align - 1) & ~(align - 1);
	if (bytes > BOOT_ARENA_END - at || at > BOOT_ARENA_END) {
		boot_fail(boot, GYRE_STATUS_FAILED,
			"the command line and the modules' arguments exceed 28 KiB: shorten them");
		return NULL;
	}
	boot->arena = at + bytes;
	*gpa = at;
	uint8_t *host = memory_at(boot->memory, at, bytes ? bytes : 1);
	memset(host, 0, bytes);
	return host;
}

int boot_string(struct boot *boot, const char *first, const char *second, uint64_t *gpa)
{
	size_t a = strlen(first), b = strlen(second), space = a && b;
	uint8_t *text = boot_arena(boot, a + space + b + 1, 1, gpa);
	if (!text)
		return -GYRE_EPROTO;
	memcpy(text, first, a);
	if (space)
		text[a] = ' ';
	memcpy(text + a + space, second, b);
	return 0;
}

uint64_t boot_initrd_bytes(const struct boot *boot)
{
	uint64_t bytes = 0; /* no overflow: these files are in memory, all at once */
	for (uint32_t i = 0; i < boot->vm->initrds; i++)
		bytes += (boot->vm->initrd[i].bytes + 3) & ~3ull;
	return bytes;
}

void boot_tables(struct boot *boot)
{
	uint8_t *gdt = memory_at(boot->memory, BOOT_GDT, BOOT_GDT_BYTES);
	memset(gdt, 0, BOOT_GDT_BYTES);
	boot_put64(gdt + BOOT_CODE, boot->mode == BOOT_LONG ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull);
	boot_put64(gdt + BOOT_DATA, 0x00cf93000000ffffull);
	if (boot->mode != BOOT_LONG)
		return;
	/* One to one, in pages of 2 MiB: a PML4, a PDPT, four page directories. */
	uint8_t *tables = memory_at(boot->memory, BOOT_PAGE_TABLES, 6 * 4096);
	memset(tables, 0, 6 * 4096);
	boot_put64(tables, (BOOT_PAGE_TABLES + 4096) | 3);
	for (unsigned i = 0; i < 4; i++)
		boot_put64(tables + 4096 + 8 * i, (BOOT_PAGE_TABLES + (2 + i) * 4096) | 3);
	for (unsigned i = 0; i < 4 * 512; i++)
		boot_put64(tables + 2 * 4096 + 8 * i, (uint64_t)i << 21 | 0x83);
}

int boot_load(struct boot *boot)
{
	const struct engine_file *file = &boot->vm->kernel;
	boot->arena = BOOT_ARENA;
	boot->rax = boot->rbx = boot->rsi = 0;
	boot->x2apic = 0;
	if (!file->data || !file->bytes)
		return boot_fail(boot, GYRE_STATUS_FAILED, "the file is empty: name a kernel");
	int error;
	int64_t header = boot_multiboot_header(file);
	if (boot_is_linux(file))
		error = boot_linux(boot);
	else if (header >= 0)
		error = boot_multiboot(boot, (uint64_t)header);
	else if (elf_is(file->data, file->bytes))
		error = boot_pvh(boot);
	else
		error = boot_fail(boot, GYRE_STATUS_FAILED,
			"not a kernel: it is no bzImage, no Multiboot file, no ELF with a PVH entry");
	if (error < 0)
		return error;
	boot_tables(boot);
	boot_firmware(boot);
	return 0;
}
