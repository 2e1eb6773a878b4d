/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/elf.c: loads an ELF kernel (System V ABI, "Object Files"; the AMD64 supplement has the 64-bit form's sizes).
 */
#include "monitor/boot/elf.h"
#include "monitor/boot/boot.h"
#include "lib/string.h"

#define PT_LOAD	      1u
#define PT_NOTE	      4u
#define EM_386	      3u
#define EM_X86_64     62u
#define PHYS32_ENTRY  18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define SEGMENTS_MOST 64u

struct segment {
	uint32_t type;
	uint64_t offset, physical, file_bytes, memory_bytes, align;
};

int elf_is(const uint8_t *data, uint64_t bytes)
{
	return bytes >= 52 && boot_u32(data) == 0x464c457f;
}

static struct segment segment_at(const uint8_t *at, int bits)
{
	if (bits == 64)
		return (struct segment){boot_u32(at), boot_u64(at + 8), boot_u64(at + 24), boot_u64(at + 32),
			boot_u64(at + 40), boot_u64(at + 48)};
	return (struct segment){boot_u32(at), boot_u32(at + 4), boot_u32(at + 12), boot_u32(at + 16), boot_u32(at + 20),
		boot_u32(at + 28)};
}

/* A segment of notes, already known to lie in the file. */
static void find_note(struct elf_kernel *kernel, const uint8_t *notes, uint64_t bytes, uint64_t align)
{
	uint64_t at = 0, round = align == 8 ? 7 : 3;
	while (bytes - at >= 12) {
		uint64_t name = boot_u32(notes + at), length = boot_u32(notes + at + 4);
		uint32_t type = boot_u32(notes + at + 8);
		uint64_t value = at + 12 + ((name + round) & ~round), next = value + ((length + round) & ~round);
		if (value > bytes || length > bytes - value)
			return;
		if (type == PHYS32_ENTRY && name == 4 && !memcmp(notes + at + 12, "Xen", 4) &&
			(length == 4 || length == 8)) {
			kernel->pvh_entry = boot_u32(notes + value);
			kernel->has_pvh = 1;
			return;
		}
		if (next > bytes)
			return;
		at = next;
	}
}

static int load_segment(struct boot *boot, struct elf_kernel *kernel, const struct segment *segment)
{
	const struct engine_file *file = &boot->vm->kernel;
	if (segment->file_bytes > segment->memory_bytes)
		return boot_fail(
			boot, GYRE_STATUS_FAILED, "damaged ELF: a segment is larger in the file than in memory");
	if (!segment->memory_bytes)
		return 0;
	uint8_t *host = memory_at(boot->memory, segment->physical, segment->memory_bytes);
	/* What a BIOS would have there stays ours: tables lie between 768 KiB and 1 MiB. */
	if (host && segment->physical < MEMORY_HIGH && segment->physical + segment->memory_bytes > MEMORY_EBDA)
		host = NULL;
	if (!host || segment->physical < BOOT_KERNEL_LOWEST)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"0x%llx bytes at 0x%llx are outside the VM's RAM (64 KiB to %llu MiB): see --memory",
			(unsigned long long)segment->memory_bytes, (unsigned long long)segment->physical,
			(unsigned long long)(boot->memory->bytes >> 20));
	memcpy(host, file->data + segment->offset, segment->file_bytes);
	memset(host + segment->file_bytes, 0, segment->memory_bytes - segment->file_bytes);
	if (segment->physical < kernel->low)
		kernel->low = segment->physical;
	if (segment->physical + segment->memory_bytes > kernel->high)
		kernel->high = segment->physical + segment->memory_bytes;
	return 0;
}

int elf_load(struct boot *boot, struct elf_kernel *kernel)
{
	const struct engine_file *file = &boot->vm->kernel;
	const uint8_t *data = file->data;
	*kernel = (struct elf_kernel){.bits = data[4] == 2 ? 64 : 32, .low = UINT64_MAX};
	unsigned is64 = kernel->bits == 64;
	if (data[4] < 1 || data[4] > 2 || data[5] != 1 || file->bytes < (is64 ? 64 : 52))
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged ELF: no class and byte order that exist here");
	uint16_t type = boot_u16(data + 16), machine = boot_u16(data + 18);
	if (machine != (is64 ? EM_X86_64 : EM_386) || type != 2)
		return boot_fail(boot, GYRE_STATUS_FAILED, "an ELF file, but no x86 executable (type %u, machine %u)",
			type, machine);
	kernel->entry = is64 ? boot_u64(data + 24) : boot_u32(data + 24);
	uint64_t table = is64 ? boot_u64(data + 32) : boot_u32(data + 28);
	unsigned size = boot_u16(data + (is64 ? 54 : 42)), count = boot_u16(data + (is64 ? 56 : 44));
	if (size < (is64 ? 56u : 32u) || count == 0 || count > SEGMENTS_MOST || table > file->bytes ||
		(uint64_t)size * count > file->bytes - table)
		return boot_fail(boot, GYRE_STATUS_FAILED, "damaged ELF: its program headers are not in the file");
	for (unsigned i = 0; i < count; i++) {
		struct segment segment = segment_at(data + table + (uint64_t)i * size, kernel->bits);
		if (segment.type != PT_LOAD && segment.type != PT_NOTE)
			continue;
		if (segment.offset > file->bytes || segment.file_bytes > file->bytes - segment.offset)
			return boot_fail(boot, GYRE_STATUS_FAILED,
				"damaged ELF: segment %u ends behind the file's end (truncated?)", i);
		if (segment.type == PT_NOTE) {
			if (!kernel->has_pvh)
				find_note(kernel, data + segment.offset, segment.file_bytes, segment.align);
			continue;
		}
		int error = load_segment(boot, kernel, &segment);
		if (error < 0)
			return error;
	}
	if (!kernel->high)
		return boot_fail(boot, GYRE_STATUS_FAILED, "an ELF file without anything to load");
	return 0;
}
