/* SPDX-License-Identifier: Apache-2.0 */
/* lib/elf.c: the parser of lib/elf.h. System V ABI, "Object Files": "ELF Header" and "Program Header". */
#include "lib/elf.h"
#include "lib/string.h"
#include "gyre/errors.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_headers, section_headers;
	uint32_t flags;
	uint16_t header_bytes, program_header_bytes, program_header_count;
	uint16_t section_header_bytes, section_header_count, section_names;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");

struct elf_program_header {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_bytes, memory_bytes, align;
};
_Static_assert(sizeof(struct elf_program_header) == 56, "ELF64 program header");

#define ELF_EXEC      2u
#define ELF_X86_64    62u
#define ELF_PT_LOAD   1u
#define ELF_ADDRESSES (1ull << 63) /* beyond any sum that follows could wrap */

static const uint8_t elf_ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little-endian */, 1 /* version */};

static const char *segment_fault(const struct elf_program_header *header, uint64_t file_bytes)
{
	if (header->offset > file_bytes || header->file_bytes > file_bytes - header->offset)
		return "a segment lies beyond the end of the file";
	if (header->file_bytes > header->memory_bytes)
		return "a segment is larger in the file than in memory";
	/* Kernels lie in the upper half: so only the end may not wrap. */
	if (header->memory_bytes >= ELF_ADDRESSES || header->address + header->memory_bytes < header->address ||
		header->physical + header->memory_bytes < header->physical)
		return "a segment wraps around the address space";
	return NULL;
}

static int overlap(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->address < b->address + b->bytes && b->address < a->address + a->bytes;
}

static const char *segment_add(struct elf_image *image, const struct elf_program_header *header)
{
	if (image->segments == ELF_SEGMENTS)
		return "too many segments";
	struct elf_segment *segment = &image->segment[image->segments];
	*segment = (struct elf_segment){.address = header->address,
		.physical = header->physical,
		.bytes = header->memory_bytes,
		.offset = header->offset,
		.file_bytes = header->file_bytes,
		.flags = header->flags & 7u};
	for (uint32_t i = 0; i < image->segments; i++)
		if (overlap(&image->segment[i], segment))
			return "two segments overlap";
	image->segments++;
	return NULL;
}

static int entry_is_code(const struct elf_image *image)
{
	for (uint32_t i = 0; i < image->segments; i++) {
		const struct elf_segment *segment = &image->segment[i];
		if ((segment->flags & ELF_SEGMENT_EXEC) != 0 && image->entry >= segment->address &&
			image->entry - segment->address < segment->bytes)
			return 1;
	}
	return 0;
}

static const char *parse(const uint8_t *file, uint64_t bytes, struct elf_image *image)
{
	struct elf_header header;
	if (bytes < sizeof(header))
		return "shorter than an ELF header";
	memcpy(&header, file, sizeof(header));
	if (memcmp(header.ident, elf_ident, sizeof(elf_ident)) != 0)
		return "no 64-bit ELF file";
	if (header.machine != ELF_X86_64 || header.type != ELF_EXEC)
		return "no executable for x86-64";
	if (header.program_header_bytes != sizeof(struct elf_program_header))
		return "program headers of an unknown size";
	if (header.program_headers > bytes ||
		(bytes - header.program_headers) / sizeof(struct elf_program_header) < header.program_header_count)
		return "the program headers lie beyond the end of the file";
	for (uint32_t i = 0; i < header.program_header_count; i++) {
		struct elf_program_header program;
		memcpy(&program, file + header.program_headers + i * sizeof(program), sizeof(program));
		if (program.type != ELF_PT_LOAD || program.memory_bytes == 0)
			continue;
		const char *fault = segment_fault(&program, bytes);
		if (fault == NULL)
			fault = segment_add(image, &program);
		if (fault != NULL)
			return fault;
	}
	image->entry = header.entry;
	return entry_is_code(image) ? NULL : "the entry point is in no executable segment";
}

int elf_parse(const void *file, uint64_t bytes, struct elf_image *image, const char **reason)
{
	memset(image, 0, sizeof(*image));
	*reason = parse(file, bytes, image);
	return *reason == NULL ? 0 : -GYRE_EPROTO;
}
