/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_core_elf.c: the core's own reader of root's executable, on good and hostile files. Where segments may lie is the
 * address space's to say: tests/unit/test_memory_object.c.
 */
/* unit-sources: core/obj/elf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <cmocka.h>
#include "core/obj/elf.h"

#define BYTES 0x5000ul

static uint8_t file[4096];
#define HEADER	   ((Elf64_Ehdr *)file)
#define SEGMENT(n) ((Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)) + (n))

static void good(void)
{
	memset(file, 0, sizeof(file));
	memcpy(HEADER->e_ident, ELFMAG "\2\1\1", 7);
	HEADER->e_type = ET_EXEC;
	HEADER->e_machine = EM_X86_64;
	HEADER->e_phoff = sizeof(Elf64_Ehdr);
	HEADER->e_phentsize = sizeof(Elf64_Phdr);
	HEADER->e_phnum = 3;
	HEADER->e_entry = 0x400010;
	*SEGMENT(0) = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = 0x400000,
		.p_offset = 0x1000,
		.p_filesz = 0x1234,
		.p_memsz = 0x1234};
	*SEGMENT(1) = (Elf64_Phdr){.p_type = PT_NOTE};
	*SEGMENT(2) = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_vaddr = 0x402000,
		.p_offset = 0x3000,
		.p_filesz = 0x10,
		.p_memsz = 0x9000};
}

static bool load(struct elf_header *elf)
{
	/* A copy of exactly that size: a read beyond it is found. */
	uint8_t *copy = malloc(sizeof(file));
	memcpy(copy, file, sizeof(file));
	bool is_good = elf_good((const struct elf_header *)copy, sizeof(file), BYTES);
	memcpy(elf, copy, sizeof(file));
	free(copy);
	return is_good;
}

static union {
	struct elf_header elf;
	uint8_t bytes[4096];
} seen;

static void a_good_file_is_understood(void **state)
{
	(void)state;
	good();
	assert_true(load(&seen.elf));
	assert_int_equal(seen.elf.segment_count, 3);
	assert_int_equal(seen.elf.entry, 0x400010);
	assert_true(seen.elf.segment[0].type == ELF_LOAD && seen.elf.segment[1].type != ELF_LOAD);
	assert_int_equal(seen.elf.segment[0].flags & 3, ELF_FLAG_EXEC);
	assert_int_equal(seen.elf.segment[2].flags & 3, ELF_FLAG_WRITE);
	assert_int_equal(seen.elf.segment[2].bytes, 0x9000);
	assert_int_equal(seen.elf.segment[2].file_bytes, 0x10);
}

static void hostile_headers_are_refused(void **state)
{
	(void)state;
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		good();                                                                                                \
		change;                                                                                                \
		assert_false(load(&seen.elf));                                                                         \
	} while (0)
	REFUSED(file[0] = 0);
	REFUSED(file[4] = 1);
	REFUSED(HEADER->e_machine = EM_386);
	REFUSED(HEADER->e_type = ET_DYN);
	REFUSED(HEADER->e_phoff = ~0ul);
	REFUSED(HEADER->e_phoff = 4090);
	REFUSED(HEADER->e_phnum = 0xffff);
	REFUSED(HEADER->e_phnum = 73);
	REFUSED(HEADER->e_phentsize = 8);
	REFUSED(SEGMENT(0)->p_filesz = 0x2000);
	REFUSED(SEGMENT(0)->p_offset = BYTES);
	REFUSED(SEGMENT(0)->p_offset = ~0ul);
	REFUSED(SEGMENT(2)->p_memsz = ~0ul);
	REFUSED(SEGMENT(2)->p_memsz = ELF_SEGMENT_MAX + 1);
	REFUSED(SEGMENT(2)->p_vaddr = 0x402008);
	good();
	assert_false(elf_good(&seen.elf, 0, 0));
	assert_false(elf_good(&seen.elf, 63, 63));
}

static void random_damage_never_leads_outside(void **state)
{
	uint64_t seed = 12345;
	(void)state;
	for (unsigned int round = 0; round < 200000; round++) {
		good();
		for (unsigned int i = 0; i < 1 + round % 6; i++) {
			seed = seed * 6364136223846793005ul + 1442695040888963407ul;
			file[(seed >> 33) % 240] = (uint8_t)(seed >> 25);
		}
		if (!load(&seen.elf))
			continue;
		assert_in_range(seen.elf.segment_count, 0, 72);
		for (uint32_t i = 0; i < seen.elf.segment_count; i++) {
			const struct elf_segment *one = &seen.elf.segment[i];
			if (one->type != ELF_LOAD)
				continue;
			assert_true(one->offset + one->file_bytes <= BYTES && one->file_bytes <= one->bytes);
			assert_true(one->bytes <= ELF_SEGMENT_MAX && one->address % 4096 == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_understood),
		cmocka_unit_test(hostile_headers_are_refused),
		cmocka_unit_test(random_damage_never_leads_outside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
