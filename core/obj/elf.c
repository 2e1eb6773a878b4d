/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.c: see elf.h. System V ABI, "ELF Header" and "Program Header"; for x86-64, the AMD64 supplement.
 */
#include "core/obj/elf.h"
#include "core/x86/address.h"
#include "gyre/rights.h"
#include "lib/string.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count, section_bytes, section_count, section_names;
};
struct elf_segment_header {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_bytes, memory_bytes, alignment;
};
_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment_header) == 56, "System V ABI");

#define ELF_IDENT	"\177ELF\2\1\1" /* 64 bits, little-endian, version 1 */
#define ELF_EXECUTABLE	2
#define ELF_X86_64	62
#define ELF_LOAD	1
#define ELF_INTERPRETER 3
#define ELF_FLAG_EXEC	1u
#define ELF_FLAG_WRITE	2u

static const char *load_add(struct elf_program *program, const struct elf_segment_header *segment, uint64_t file_bytes,
	uint64_t first, uint64_t end)
{
	if (segment->memory_bytes == 0)
		return NULL;
	if (program->count == ELF_SEGMENTS_MAX)
		return "it has too many segments";
	if (segment->file_bytes > segment->memory_bytes || segment->offset > file_bytes ||
		segment->file_bytes > file_bytes - segment->offset)
		return "a segment leads outside the file";
	if (program->count > 0) {
		const struct elf_load *before = &program->load[program->count - 1];
		first = (before->address + before->bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	}
	if (!is_page_aligned(segment->address) || segment->address < first || segment->address >= end ||
		segment->memory_bytes > end - segment->address)
		return "a segment lies where it can't";
	if ((segment->flags & ELF_FLAG_WRITE) != 0 && (segment->flags & ELF_FLAG_EXEC) != 0)
		return "a segment may be written and executed";
	struct elf_load *load = &program->load[program->count++];
	*load = (struct elf_load){segment->address, segment->memory_bytes, segment->offset, segment->file_bytes,
		GYRE_RIGHT_READ | ((segment->flags & ELF_FLAG_WRITE) != 0 ? GYRE_RIGHT_WRITE : 0) |
			((segment->flags & ELF_FLAG_EXEC) != 0 ? GYRE_RIGHT_EXEC : 0)};
	return NULL;
}

static bool entry_ok(const struct elf_program *program)
{
	for (uint32_t i = 0; i < program->count; i++) {
		const struct elf_load *load = &program->load[i];
		if ((load->rights & GYRE_RIGHT_EXEC) != 0 && program->entry >= load->address &&
			program->entry - load->address < load->bytes)
			return true;
	}
	return false;
}

const char *elf_read(struct elf_program *program, const void *head, size_t head_bytes, uint64_t file_bytes,
	uint64_t first, uint64_t end)
{
	struct elf_header header;
	if (head_bytes > file_bytes)
		head_bytes = file_bytes;
	if (head_bytes < sizeof(header))
		return "it is too short";
	memcpy(&header, head, sizeof(header));
	if (memcmp(header.ident, ELF_IDENT, sizeof(ELF_IDENT) - 1) != 0 || header.type != ELF_EXECUTABLE ||
		header.machine != ELF_X86_64)
		return "it is no ELF executable for x86-64";
	if (header.program_bytes != sizeof(struct elf_segment_header) || header.program_offset > head_bytes ||
		header.program_count > (head_bytes - header.program_offset) / sizeof(struct elf_segment_header))
		return "its program headers lie outside its first page";
	*program = (struct elf_program){.entry = header.entry};
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment_header segment;
		memcpy(&segment, (const char *)head + header.program_offset + i * sizeof(segment), sizeof(segment));
		if (segment.type == ELF_INTERPRETER)
			return "it wants an interpreter";
		const char *error = segment.type == ELF_LOAD ? load_add(program, &segment, file_bytes, first, end)
							     : NULL;
		if (error != NULL)
			return error;
	}
	return entry_ok(program) ? NULL : "its entry is not in a segment that may be executed";
}
