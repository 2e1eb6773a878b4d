/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/multiboot.c: a kernel by the Multiboot specification, version 0.6.96: ELF of 32 or 64 bits, or the a.out kludge, where the header
 * itself says what is loaded. 64-bit ELF files are entered like the others, in 32-bit protected mode.
 *
 * Modules follow the kernel, each on a page of its own, in the order of the command line; a module's string is its file's name and arguments.
 */
#include "monitor/boot/boot.h"
#include "monitor/boot/elf.h"
#include "lib/string.h"

#define HEADER_MAGIC 0x1badb002u
#define LOADER_MAGIC 0x2badb002u
#define SEARCH_BYTES 8192u
#define FLAG_VIDEO   (1u << 2)
#define FLAG_KLUDGE  (1u << 16)
#define FLAGS_KNOWN  (FLAG_KLUDGE | 0xffff0000u | 0x3u | FLAG_VIDEO)
#define INFO_MEMORY  (1u << 0)
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MAP     (1u << 6)
#define INFO_LOADER  (1u << 9)
#define INFO_BYTES   116u
#define MAP_ENTRY    24u

int64_t boot_multiboot_header(const struct engine_file *file)
{
	uint64_t most = file->bytes < SEARCH_BYTES ? file->bytes : SEARCH_BYTES;
	for (uint64_t at = 0; at + 12 <= most; at += 4) {
		const uint8_t *header = file->data + at;
		if (boot_u32(header) == HEADER_MAGIC &&
			boot_u32(header) + boot_u32(header + 4) + boot_u32(header + 8) == 0)
			return (int64_t)at;
	}
	return -1;
}

/* The a.out kludge: five addresses behind the header. */
static int load_kludge(struct boot *boot, uint64_t at, uint64_t *entry, uint64_t *high)
{
	const struct engine_file *file = &boot->vm->kernel;
	if (file->bytes - at < 32)
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged kernel: its header goes beyond the file's end");
	const uint8_t *header = file->data + at;
	uint64_t header_address = boot_u32(header + 12), load = boot_u32(header + 16), load_end = boot_u32(header + 20),
		 bss_end = boot_u32(header + 24);
	*entry = boot_u32(header + 28);
	/* Where in the file the load address is: as far before the header as its address is below the header's. */
	if (load > header_address || header_address - load > at)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"damaged kernel: it is loaded from before the file's start, says its header");
	uint64_t offset = at - (header_address - load), bytes = file->bytes - offset;
	if (load_end) {
		if (load_end < load || load_end - load > bytes)
			return boot_fail(boot, GYRE_STATUS_FAILED,
				"damaged kernel: 0x%llx bytes by its header, 0x%llx in the file (truncated?)",
				(unsigned long long)(load_end - load), (unsigned long long)bytes);
		bytes = load_end - load;
	}
	*high = load + bytes;
	if (bss_end > *high)
		*high = bss_end;
	uint8_t *host = memory_at(boot->memory, load, *high - load);
	if (!host || load < BOOT_KERNEL_LOWEST || (load<MEMORY_HIGH && * high> MEMORY_EBDA))
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"0x%llx to 0x%llx is outside the VM's RAM (64 KiB to %llu MiB): see --memory",
			(unsigned long long)load, (unsigned long long)*high,
			(unsigned long long)(boot->memory->bytes >> 20));
	memcpy(host, file->data + offset, bytes);
	memset(host + bytes, 0, *high - load - bytes);
	if (*entry < load || *entry >= *high)
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged kernel: its entry 0x%llx is outside what it loads",
			(unsigned long long)*entry);
	return 0;
}

static int load_elf(struct boot *boot, uint64_t *entry, uint64_t *high)
{
	struct elf_kernel kernel;
	if (!elf_is(boot->vm->kernel.data, boot->vm->kernel.bytes))
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"no ELF file, and its Multiboot header does not say where it is loaded");
	int error = elf_load(boot, &kernel);
	if (error < 0)
		return error;
	*entry = kernel.entry;
	*high = kernel.high;
	if (kernel.entry < kernel.low || kernel.entry >= kernel.high || kernel.entry >= MEMORY_4G)
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged ELF: its entry 0x%llx is outside what it loads",
			(unsigned long long)kernel.entry);
	return 0;
}

static int load_modules(struct boot *boot, uint64_t high, uint64_t *list)
{
	uint32_t count = boot->vm->initrds;
	uint64_t at = high < MEMORY_HIGH ? MEMORY_HIGH : high, top = boot->memory->below_4g;
	uint8_t *entry = boot_arena(boot, 16ull * count, 4, list);
	if (!entry)
		return -1;
	for (uint32_t i = 0; i < count; i++, entry += 16) {
		const struct engine_file *file = &boot->vm->initrd[i];
		uint64_t text;
		at = (at + 0xfff) & ~0xfffull;
		if (at >= top || file->bytes > top - at)
			return boot_fail(boot, GYRE_STATUS_LACKS,
				"module %.24s of %llu KiB does not fit in: give the VM more memory", file->name,
				(unsigned long long)((file->bytes + 1023) >> 10));
		memcpy(memory_at(boot->memory, at, file->bytes ? file->bytes : 1), file->data, file->bytes);
		if (boot_string(boot, file->name, file->arguments, &text) < 0)
			return -1;
		boot_put32(entry, (uint32_t)at);
		boot_put32(entry + 4, (uint32_t)(at + file->bytes));
		boot_put32(entry + 8, (uint32_t)text);
		at += file->bytes;
	}
	return 0;
}

/* Entries begin with their size, which does not count itself. */
static int memory_map(struct boot *boot, uint8_t *info)
{
	struct memory_region region[MEMORY_REGIONS];
	unsigned count = memory_regions(boot->memory, region);
	uint64_t gpa;
	uint8_t *entry = boot_arena(boot, MAP_ENTRY * count, 4, &gpa);
	if (!entry)
		return -1;
	for (unsigned i = 0; i < count; i++, entry += MAP_ENTRY) {
		boot_put32(entry, 20);
		boot_put64(entry + 4, region[i].gpa);
		boot_put64(entry + 12, region[i].bytes);
		boot_put32(entry + 20, region[i].kind);
	}
	boot_put32(info + 44, MAP_ENTRY * count);
	boot_put32(info + 48, (uint32_t)gpa);
	return 0;
}

int boot_multiboot(struct boot *boot, uint64_t header)
{
	uint64_t entry = 0, high = 0, info_gpa, list, cmdline, loader;
	uint32_t flags = boot_u32(boot->vm->kernel.data + header + 4);
	if (flags & 0xffffu & ~FLAGS_KNOWN)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"its Multiboot header asks for something unknown (flags 0x%x)", flags);
	int error = flags & FLAG_KLUDGE ? load_kludge(boot, header, &entry, &high) : load_elf(boot, &entry, &high);
	if (error < 0)
		return error;
	uint8_t *info = boot_arena(boot, INFO_BYTES, 8, &info_gpa);
	if (!info)
		return -1;
	if ((error = load_modules(boot, high, &list)) < 0 || (error = memory_map(boot, info)) < 0 ||
		(error = boot_string(boot, boot->vm->kernel.name, boot->vm->append, &cmdline)) < 0 ||
		(error = boot_string(boot, "Gyre", "", &loader)) < 0)
		return error;
	boot_put32(info, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_LOADER);
	boot_put32(info + 4, (uint32_t)(MEMORY_EBDA >> 10));
	boot_put32(info + 8, (uint32_t)((boot->memory->below_4g - MEMORY_HIGH) >> 10));
	boot_put32(info + 16, (uint32_t)cmdline);
	boot_put32(info + 20, boot->vm->initrds);
	boot_put32(info + 24, (uint32_t)list);
	boot_put32(info + 64, (uint32_t)loader);
	boot->mode = BOOT_PROTECTED;
	boot->rip = entry;
	boot->rax = LOADER_MAGIC;
	boot->rbx = info_gpa;
	return 0;
}
