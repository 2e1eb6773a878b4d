/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.h: root's executable. Plain code: also built on Linux for its tests. System V ABI, "ELF Header" and "Program Header"; for x86-64, the
 * AMD64 supplement.
 */
#ifndef CORE_OBJ_ELF_H
#define CORE_OBJ_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_LOAD	1
#define ELF_FLAG_EXEC	1u
#define ELF_FLAG_WRITE	2u
#define ELF_SEGMENT_MAX 0x800000 /* bytes in memory */

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, physical;
	uint64_t file_bytes, bytes; /* in the file, from offset on; in memory, where the rest is zeros */
	uint64_t alignment;
};

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, segment_offset, section_offset;
	uint32_t flags;
	uint16_t header_bytes, segment_bytes, segment_count, section_bytes, section_count, section_names;
	struct elf_segment segment[]; /* where every linker puts them */
};

/*
 * Whether the first head_bytes of a file of file_bytes are the headers of an executable for x86-64, and what its segments to be loaded have in the file is
 * there, for page boundaries in memory. Whether they may lie where they want to, with the rights that they want, is found when they are mapped.
 */
bool elf_good(const struct elf_header *elf, size_t head_bytes, uint64_t file_bytes);

#endif
