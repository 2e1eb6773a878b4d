/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.h: what the core needs of root's executable, checked. Plain code: also built on Linux for its tests.
 */
#ifndef CORE_OBJ_ELF_H
#define CORE_OBJ_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8

struct elf_load {
	uint64_t address, bytes;     /* in memory */
	uint64_t offset, file_bytes; /* in the file; the rest is zeros */
	uint32_t rights;	     /* GYRE_RIGHT_READ, WRITE, EXEC: never WRITE with EXEC */
};

struct elf_program {
	uint64_t entry;
	uint32_t count;
	struct elf_load load[ELF_SEGMENTS_MAX];
};

/*
 * `head` holds the first head_bytes of a file of file_bytes; headers must lie there. Segments begin at page boundaries of their own, in [first, end), in
 * order and without overlap; the entry is in one that may be executed. NULL, or what is wrong.
 */
const char *elf_read(struct elf_program *program, const void *head, size_t head_bytes, uint64_t file_bytes,
	uint64_t first, uint64_t end);

#endif
