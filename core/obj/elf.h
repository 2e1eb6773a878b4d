/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.h: what the core needs of root's executable, checked. Plain code: also built on Linux for its tests. System V ABI, "ELF Header" and
 * "Program Header"; for x86-64, the AMD64 supplement.
 */
#ifndef CORE_OBJ_ELF_H
#define CORE_OBJ_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8
#define ELF_FLAG_EXEC	 1u
#define ELF_FLAG_WRITE	 2u

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, physical;
	uint64_t file_bytes, bytes; /* in the file, from offset on; in memory, where the rest is zeros */
	uint64_t alignment;
};

struct elf_program {
	uint64_t entry;
	uint32_t count;
	struct elf_segment load[ELF_SEGMENTS_MAX];
};

/*
 * `head` holds the first head_bytes of a file of file_bytes; headers must lie there. Segments begin at page boundaries of their own, in [first, end), in
 * order and without overlap, none to be written and executed; the entry is in one that may be executed. NULL, or what is wrong.
 */
const char *elf_read(struct elf_program *program, const void *head, size_t head_bytes, uint64_t file_bytes,
	uint64_t first, uint64_t end);

#endif
