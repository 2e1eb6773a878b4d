/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: lib/elf.c */
/* tests/unit/test_lib_elf.c: the ELF parser with files that lie. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <cmocka.h>
#include "lib/elf.h"
#include "gyre/errors.h"

/* Two segments: code at 4 MiB, data behind it. Allocated to the byte, so that a read beyond its end is found. */
struct file {
	Elf64_Ehdr header;
	Elf64_Phdr program[2];
	uint8_t content[64];
};

static struct file *file_make(void)
{
	struct file *file = calloc(1, sizeof(*file));
	memcpy(file->header.e_ident, ELFMAG, SELFMAG);
	file->header.e_ident[EI_CLASS] = ELFCLASS64;
	file->header.e_ident[EI_DATA] = ELFDATA2LSB;
	file->header.e_ident[EI_VERSION] = EV_CURRENT;
	file->header.e_type = ET_EXEC;
	file->header.e_machine = EM_X86_64;
	file->header.e_entry = 0x400010;
	file->header.e_phoff = offsetof(struct file, program);
	file->header.e_phentsize = sizeof(Elf64_Phdr);
	file->header.e_phnum = 2;
	file->program[0] = (Elf64_Phdr){
		PT_LOAD, PF_R | PF_X, offsetof(struct file, content), 0x400000, 0x400000, 32, 32, 16};
	file->program[1] = (Elf64_Phdr){
		PT_LOAD, PF_R | PF_W, offsetof(struct file, content) + 32, 0x401000, 0x401000, 32, 8192, 16};
	return file;
}

static int parse(struct file *file, uint64_t bytes)
{
	struct elf_image image;
	const char *reason = NULL;
	uint8_t *copy = malloc(bytes ? bytes : 1);
	memcpy(copy, file, bytes);
	int error = elf_parse(copy, bytes, &image, &reason);
	if (error < 0) {
		assert_int_equal(error, -GYRE_EPROTO);
		assert_non_null(reason);
	}
	free(copy);
	return error;
}

static void a_right_file_gives_its_segments(void **state)
{
	(void)state;
	struct file *file = file_make();
	struct elf_image image;
	const char *reason;
	assert_int_equal(elf_parse(file, sizeof(*file), &image, &reason), 0);
	assert_int_equal(image.entry, 0x400010);
	assert_int_equal(image.segments, 2);
	assert_int_equal(image.segment[1].address, 0x401000);
	assert_int_equal(image.segment[1].bytes, 8192);
	assert_int_equal(image.segment[1].file_bytes, 32);
	assert_int_equal(image.segment[1].flags, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE);
	free(file);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct file *file = file_make();
	for (uint64_t bytes = 0; bytes < sizeof(*file); bytes++)
		assert_true(parse(file, bytes) < 0);
	free(file);
}

#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		struct file *file = file_make();                                                                       \
		file->field = (value);                                                                                 \
		assert_true(parse(file, sizeof(*file)) < 0);                                                           \
		free(file);                                                                                            \
	} while (0)

static void lies_are_refused(void **state)
{
	(void)state;
	REFUSED(header.e_ident[0], 0);
	REFUSED(header.e_ident[EI_CLASS], ELFCLASS32);
	REFUSED(header.e_machine, EM_386);
	REFUSED(header.e_type, ET_REL);
	REFUSED(header.e_phentsize, 8);
	REFUSED(header.e_phoff, UINT64_MAX);
	REFUSED(header.e_phnum, 0xffff);
	REFUSED(header.e_phnum, 0);
	REFUSED(header.e_entry, 0x401000);
	REFUSED(program[0].p_offset, UINT64_MAX);
	REFUSED(program[0].p_offset, sizeof(struct file) - 16);
	REFUSED(program[0].p_filesz, UINT64_MAX);
	REFUSED(program[0].p_memsz, 8);
	REFUSED(program[1].p_memsz, UINT64_MAX);
	REFUSED(program[1].p_vaddr, UINT64_MAX - 100);
	REFUSED(program[1].p_paddr, UINT64_MAX - 100);
	REFUSED(program[1].p_vaddr, 0x400008);
	REFUSED(program[1].p_vaddr, 0x3ff000);
}

/* One flipped byte anywhere: refused, or a result whose every number is inside the file. */
static void any_byte_may_be_anything(void **state)
{
	(void)state;
	struct file *file = file_make();
	for (size_t i = 0; i < offsetof(struct file, content); i++)
		for (int value = 0; value < 256; value++) {
			uint8_t old = ((uint8_t *)file)[i];
			struct elf_image image;
			const char *reason;
			((uint8_t *)file)[i] = (uint8_t)value;
			if (elf_parse(file, sizeof(*file), &image, &reason) == 0)
				for (uint32_t s = 0; s < image.segments; s++) {
					assert_true(image.segment[s].offset <= sizeof(*file));
					assert_true(
						image.segment[s].file_bytes <= sizeof(*file) - image.segment[s].offset);
					assert_true(image.segment[s].file_bytes <= image.segment[s].bytes);
				}
			((uint8_t *)file)[i] = old;
		}
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_file_gives_its_segments),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(any_byte_may_be_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
