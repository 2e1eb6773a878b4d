/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_core_elf.c: the core's own reader of root's executable, on good and hostile files.
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

#define FIRST 0x10000ul
#define END   0x7fff00000000ul
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

static const char *load(struct elf_program *program)
{
	/* A copy of exactly that size: a read beyond it is found. */
	uint8_t *copy = malloc(sizeof(file));
	memcpy(copy, file, sizeof(file));
	const char *error = elf_read(program, copy, sizeof(file), BYTES, FIRST, END);
	free(copy);
	return error;
}

static void a_good_file_is_understood(void **state)
{
	struct elf_program program;
	(void)state;
	good();
	assert_null(load(&program));
	assert_int_equal(program.count, 2);
	assert_int_equal(program.entry, 0x400010);
	assert_int_equal(program.load[0].flags & 3, ELF_FLAG_EXEC);
	assert_int_equal(program.load[1].flags & 3, ELF_FLAG_WRITE);
	assert_int_equal(program.load[1].bytes, 0x9000);
	assert_int_equal(program.load[1].file_bytes, 0x10);
}

static void hostile_headers_are_refused(void **state)
{
	struct elf_program program;
	(void)state;
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		good();                                                                                                \
		change;                                                                                                \
		assert_non_null(load(&program));                                                                       \
	} while (0)
	REFUSED(file[0] = 0);
	REFUSED(file[4] = 1);
	REFUSED(HEADER->e_machine = EM_386);
	REFUSED(HEADER->e_type = ET_DYN);
	REFUSED(HEADER->e_phoff = ~0ul);
	REFUSED(HEADER->e_phoff = 4090);
	REFUSED(HEADER->e_phnum = 0xffff);
	REFUSED(HEADER->e_phentsize = 8);
	REFUSED(HEADER->e_phnum = 0);
	REFUSED(HEADER->e_entry = 0x402000);
	REFUSED(HEADER->e_entry = ~0ul);
	REFUSED(SEGMENT(0)->p_flags |= PF_W);
	REFUSED(SEGMENT(0)->p_filesz = 0x2000);
	REFUSED(SEGMENT(0)->p_offset = BYTES);
	REFUSED(SEGMENT(0)->p_offset = ~0ul);
	REFUSED(SEGMENT(2)->p_memsz = ~0ul);
	REFUSED(SEGMENT(2)->p_vaddr = 0x401000);
	REFUSED(SEGMENT(2)->p_vaddr = 0x402008);
	REFUSED(SEGMENT(2)->p_vaddr = 0xffffffff80000000);
	REFUSED(SEGMENT(0)->p_vaddr = 0x1000);
	REFUSED(SEGMENT(1)->p_type = PT_INTERP);
	good();
	HEADER->e_phnum = 12;
	for (unsigned int i = 0; i < 12; i++)
		*SEGMENT(i) = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000 + 0x1000 * i, .p_memsz = 1};
	assert_non_null(load(&program));
	assert_non_null(elf_read(&program, file, 0, 0, FIRST, END));
	assert_non_null(elf_read(&program, file, 63, 63, FIRST, END));
}

static void random_damage_never_leads_outside(void **state)
{
	struct elf_program program;
	uint64_t seed = 12345;
	(void)state;
	for (unsigned int round = 0; round < 200000; round++) {
		good();
		for (unsigned int i = 0; i < 1 + round % 6; i++) {
			seed = seed * 6364136223846793005ul + 1442695040888963407ul;
			file[(seed >> 33) % 240] = (uint8_t)(seed >> 25);
		}
		if (load(&program) != NULL)
			continue;
		uint64_t last = FIRST;
		for (uint32_t i = 0; i < program.count; i++) {
			const struct elf_segment *one = &program.load[i];
			assert_true(one->address >= last && one->address + one->bytes > one->address &&
				    one->address + one->bytes <= END);
			assert_true(one->offset + one->file_bytes <= BYTES && one->file_bytes <= one->bytes);
			assert_true((one->flags & 3) != 3);
			last = one->address + one->bytes;
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
