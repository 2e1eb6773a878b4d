/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.c: see elf.h.
 */
#include "core/obj/elf.h"
#include "core/x86/address.h"
#include "lib/string.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count, section_bytes, section_count, section_names;
};
_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56, "System V ABI");

#define ELF_IDENT	"\177ELF\2\1\1" /* 64 bits, little-endian, version 1 */
#define ELF_EXECUTABLE	2
#define ELF_X86_64	62
#define ELF_LOAD	1
#define ELF_INTERPRETER 3

static const char *load_check(const struct elf_segment *load, uint64_t file_bytes, uint64_t first, uint64_t end)
{
	if (load->file_bytes > load->bytes || load->offset > file_bytes || load->file_bytes > file_bytes - load->offset)
		return "a segment leads outside the file";
	if (!is_page_aligned(load->address) || load->address < first || load->address >= end ||
		load->bytes > end - load->address)
		return "a segment lies where it can't";
	if ((load->flags & ELF_FLAG_WRITE) != 0 && (load->flags & ELF_FLAG_EXEC) != 0)
		return "a segment may be written and executed";
	return NULL;
}

const char *elf_read(struct elf_program *program, const void *head, size_t head_bytes, uint64_t file_bytes,
	uint64_t first, uint64_t end)
{
	struct elf_header header;
	bool entry_is_code = false;
	if (head_bytes > file_bytes)
		head_bytes = file_bytes;
	if (head_bytes < sizeof(header))
		return "it is too short";
	memcpy(&header, head, sizeof(header));
	if (memcmp(header.ident, ELF_IDENT, sizeof(ELF_IDENT) - 1) != 0 || header.type != ELF_EXECUTABLE ||
		header.machine != ELF_X86_64)
		return "it is no ELF executable for x86-64";
	if (header.program_bytes != sizeof(struct elf_segment) || header.program_offset > head_bytes ||
		header.program_count > (head_bytes - header.program_offset) / sizeof(struct elf_segment))
		return "its program headers lie outside its first page";
	*program = (struct elf_program){.entry = header.entry};
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment segment;
		memcpy(&segment, (const char *)head + header.program_offset + i * sizeof(segment), sizeof(segment));
		if (segment.type == ELF_INTERPRETER)
			return "it wants an interpreter";
		if (segment.type != ELF_LOAD || segment.bytes == 0)
			continue;
		if (program->count == ELF_SEGMENTS_MAX)
			return "it has too many segments";
		const char *error = load_check(&segment, file_bytes, first, end);
		if (error != NULL)
			return error;
		if ((segment.flags & ELF_FLAG_EXEC) != 0 && header.entry - segment.address < segment.bytes)
			entry_is_code = true;
		first = (segment.address + segment.bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
		program->load[program->count++] = segment;
	}
	return entry_is_code ? NULL : "its entry is not in a segment that may be executed";
}
