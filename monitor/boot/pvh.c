/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/pvh.c: an ELF kernel by the PVH entry (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h): 32-bit protected mode, EBX at
 * the start info.
 */
#include "monitor/boot/boot.h"
#include "monitor/boot/elf.h"
#include "lib/string.h"

#define START_MAGIC	 0x336ec578u
#define START_BYTES	 56u
#define MODULE_BYTES	 32u
#define MEMORY_MAP_ENTRY 24u

static unsigned long long mib(uint64_t bytes)
{
	return bytes >> 20;
}

/* All initrds as one module, at the end of low RAM, as Linux takes them. 0 bytes: none. */
static int load_initrds(struct boot *boot, uint64_t low, uint64_t *gpa, uint64_t *bytes)
{
	uint64_t top = boot->memory->below_4g;
	*bytes = boot_initrd_bytes(boot);
	*gpa = 0;
	if (!*bytes)
		return 0;
	if (low < MEMORY_HIGH)
		low = MEMORY_HIGH;
	low = (low + 0xfff) & ~0xfffull;
	if (low >= top || *bytes > top - low)
		return boot_fail(boot, GYRE_STATUS_LACKS,
			"the initrds have %llu MiB, there is room for %llu: give the VM more memory",
			mib(*bytes + 0xfffff), low < top ? mib(top - low) : 0);
	*gpa = (top - *bytes) & ~0xfffull;
	uint8_t *host = memory_at(boot->memory, *gpa, *bytes);
	memset(host, 0, *bytes);
	for (uint32_t i = 0; i < boot->vm->initrds; i++) {
		memcpy(host, boot->vm->initrd[i].data, boot->vm->initrd[i].bytes);
		host += (boot->vm->initrd[i].bytes + 3) & ~3ull;
	}
	return 0;
}

int boot_pvh(struct boot *boot)
{
	struct elf_kernel kernel;
	struct memory_region region[MEMORY_REGIONS];
	uint64_t start_gpa, module_gpa, map_gpa, cmdline, initrd, initrd_bytes;
	int error = elf_load(boot, &kernel);
	if (error < 0)
		return error;
	if (!kernel.has_pvh)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"an ELF without PVH note or Multiboot header (Linux needs CONFIG_PVH)");
	if (!memory_at(boot->memory, kernel.pvh_entry, 1) || kernel.pvh_entry < kernel.low ||
		kernel.pvh_entry >= kernel.high)
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged ELF: its PVH entry 0x%x is outside what it loads",
			kernel.pvh_entry);
	if ((error = load_initrds(boot, kernel.high, &initrd, &initrd_bytes)) < 0 ||
		(error = boot_string(boot, boot->vm->append, "", &cmdline)) < 0)
		return error;
	unsigned count = memory_regions(boot->memory, region);
	uint8_t *start = boot_arena(boot, START_BYTES, 8, &start_gpa);
	uint8_t *module = start ? boot_arena(boot, MODULE_BYTES, 8, &module_gpa) : NULL;
	uint8_t *map = module ? boot_arena(boot, MEMORY_MAP_ENTRY * count, 8, &map_gpa) : NULL;
	if (!map)
		return -1;
	boot_put32(start, START_MAGIC);
	boot_put32(start + 4, 1); /* version: there is a memory map */
	boot_put32(start + 12, initrd_bytes != 0);
	boot_put64(start + 16, initrd_bytes ? module_gpa : 0);
	boot_put64(start + 24, cmdline);
	boot_put64(start + 32, boot->rsdp);
	boot_put64(start + 40, map_gpa);
	boot_put32(start + 48, count);
	boot_put64(module, initrd);
	boot_put64(module + 8, initrd_bytes);
	for (unsigned i = 0; i < count; i++) {
		boot_put64(map + MEMORY_MAP_ENTRY * i, region[i].gpa);
		boot_put64(map + MEMORY_MAP_ENTRY * i + 8, region[i].bytes);
		boot_put32(map + MEMORY_MAP_ENTRY * i + 16, region[i].kind);
	}
	boot->mode = BOOT_PROTECTED;
	boot->rip = kernel.pvh_entry;
	boot->rbx = start_gpa;
	return 0;
}
