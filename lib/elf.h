/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/elf.h: what a loader must know of an ELF64 executable for x86-64, checked: after elf_parse() no number in the result can lead outside the
 * file or wrap around. Segments that share memory are refused. Where the image may lie in memory, and whether a segment may be writable and
 * executable, the caller decides.
 */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS	  16u
#define ELF_SEGMENT_EXEC  1u
#define ELF_SEGMENT_WRITE 2u
#define ELF_SEGMENT_READ  4u

struct elf_segment {
	uint64_t address;  /* virtual */
	uint64_t physical; /* as the header has it */
	uint64_t bytes;	   /* in memory, > 0; beyond file_bytes zeros */
	uint64_t offset, file_bytes;
	uint32_t flags; /* ELF_SEGMENT_ */
};

struct elf_image {
	uint64_t entry; /* virtual; in an executable segment */
	uint32_t segments;
	struct elf_segment segment[ELF_SEGMENTS]; /* PT_LOAD ones that are not empty, in the file's order */
};

/* -GYRE_EPROTO, with *reason set to words for people (never NULL then). */
int elf_parse(const void *file, uint64_t bytes, struct elf_image *image, const char **reason);

#endif
