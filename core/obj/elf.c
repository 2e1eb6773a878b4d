/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/elf.c: see elf.h.
 */
#include "core/obj/elf.h"
#include "core/x86/address.h"
#include "lib/string.h"

_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56, "System V ABI");

#define ELF_IDENT      "\177ELF\2\1\1" /* 64 bits, little-endian, version 1 */
#define ELF_EXECUTABLE 2
#define ELF_X86_64     62

bool elf_good(const struct elf_header *elf, size_t head_bytes, uint64_t file_bytes)
{
	if (head_bytes < sizeof(*elf) || memcmp(elf->ident, ELF_IDENT, sizeof(ELF_IDENT) - 1) != 0 ||
		elf->type != ELF_EXECUTABLE || elf->machine != ELF_X86_64 || elf->segment_offset != sizeof(*elf) ||
		elf->segment_bytes != sizeof(elf->segment[0]) ||
		elf->segment_count > (head_bytes - sizeof(*elf)) / sizeof(elf->segment[0]))
		return false;
	for (uint32_t i = 0; i < elf->segment_count; i++) {
		const struct elf_segment *load = &elf->segment[i];
		if (load->type == ELF_LOAD &&
			(load->file_bytes > load->bytes || load->bytes > ELF_SEGMENT_MAX || load->offset > file_bytes ||
				load->file_bytes > file_bytes - load->offset || !is_page_aligned(load->address)))
			return false;
	}
	return true;
}
