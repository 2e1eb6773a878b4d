/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels, good and hostile. */
/* unit-sources: monitor/boot/boot.c monitor/boot/firmware.c monitor/boot/linux.c monitor/boot/multiboot.c monitor/boot/pvh.c monitor/boot/elf.c */
/* unit-sources: monitor/machine/memory.c monitor/engine/fake.c monitor/save/stream.c lib/crc32.c lib/format.c lib/string.c lib/string_more.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "monitor/boot/boot.h"
#include "monitor/engine/fake.h"

#define RAM (32ull << 20)

static uint8_t *ram;
static struct engine_vm vm;
static struct memory memory;
static struct boot boot;
static uint8_t *file; /* a malloc of the exact size: a read beyond the end is found */

static void set_file(const void *data, uint64_t bytes)
{
	free(file);
	file = malloc(bytes ? bytes : 1);
	memcpy(file, data, bytes);
	vm.kernel.data = file;
	vm.kernel.bytes = bytes;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	if (!ram)
		ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(ram, 0, RAM);
	vm = (struct engine_vm){.name = "test", .memory = RAM, .ram = ram, .cpus = 1, .append = "console=ttyS0"};
	vm.kernel.name = "kernel";
	vm.kernel.arguments = "";
	assert_int_equal(memory_layout(&memory, ram, RAM, 39), 0);
	boot = (struct boot){.vm = &vm, .memory = &memory, .rsdp = 0xe0000};
	return 0;
}

static void refused(const char *words)
{
	assert_true(boot_load(&boot) < 0);
	assert_true(boot.status == 4 || boot.status == 12);
	if (!strstr(boot.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, boot.text);
	assert_memory_equal(boot.text, "kernel: ", 8);
	assert_null(strchr(boot.text, '\n'));
}

/* ---- Linux ---- */

#define SETUP 2048 /* of 3 sectors and the boot sector */
static uint8_t image[SETUP + 0x4000];

static void put(unsigned at, uint64_t value, unsigned bytes)
{
	memcpy(image + at, &value, bytes);
}

static void linux_image(void)
{
	memset(image, 0, sizeof(image));
	for (unsigned i = SETUP; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7);
	put(0x1f1, 3, 1);
	put(0x1f4, 0x4000 / 16, 4);
	put(0x1fe, 0xaa55, 2);
	put(0x200, 0x66eb, 2);
	put(0x202, 0x53726448, 4);
	put(0x206, 0x020f, 2);
	put(0x211, 1, 1);
	put(0x22c, 0x7fffffff, 4);
	put(0x230, 0x200000, 4);
	put(0x234, 1, 1);
	put(0x236, 0x7f, 2);
	put(0x238, 2047, 4);
	put(0x258, 0x1000000, 8);
	put(0x260, 0x100000, 4);
	set_file(image, sizeof(image));
}

static void a_bzimage_starts_by_the_64_bit_protocol(void **state)
{
	(void)state;
	linux_image();
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot.mode, BOOT_LONG);
	assert_int_equal(boot.rip, 0x1000200);
	assert_int_equal(boot.rsi, BOOT_ZERO_PAGE);
	assert_int_equal(boot.x2apic, 1);
	assert_memory_equal(ram + 0x1000000, image + SETUP, 0x4000);
	const uint8_t *zero = ram + BOOT_ZERO_PAGE;
	assert_int_equal(boot_u32(zero + 0x202), 0x53726448);
	assert_int_equal(zero[0x210], 0xff);
	assert_string_equal((const char *)ram + boot_u32(zero + 0x228), "console=ttyS0");
	assert_int_equal(boot_u64(zero + 0x070), 0xe0000);
	assert_int_equal(zero[0x1e8], 4);
	assert_int_equal(boot_u64(zero + 0x2d0 + 3 * 20), 0x100000);
	assert_int_equal(boot_u64(zero + 0x2d0 + 3 * 20 + 8), RAM - 0x100000);
	const uint8_t *seed = ram + boot_u64(zero + 0x250);
	assert_int_equal(boot_u32(seed + 8), 9);
	assert_int_equal(boot_u32(seed + 12), 32);
	assert_int_equal(seed[16], 0x5a);
	/* page tables: the address of the entry maps to itself */
	uint64_t pml4e = boot_u64(ram + BOOT_PAGE_TABLES), pdpte = boot_u64(ram + (pml4e & ~0xfffull));
	uint64_t pde = boot_u64(ram + (pdpte & ~0xfffull) + 8 * (0x1000000 >> 21));
	assert_int_equal(pde & ~0xfffull, 0x1000000);
	assert_int_equal(boot_u64(ram + BOOT_GDT + 0x10), 0x00af9b000000ffffull);
}

static void initrds_lie_one_after_the_other_at_the_end(void **state)
{
	(void)state;
	linux_image();
	vm.initrds = 2;
	vm.initrd[0] = (struct engine_file){"a", (const uint8_t *)"first", 5, ""};
	vm.initrd[1] = (struct engine_file){"b", (const uint8_t *)"second", 6, ""};
	assert_int_equal(boot_load(&boot), 0);
	const uint8_t *zero = ram + BOOT_ZERO_PAGE;
	uint32_t at = boot_u32(zero + 0x218);
	assert_int_equal(boot_u32(zero + 0x21c), 16);
	assert_int_equal(at & 0xfff, 0);
	assert_int_equal(at, RAM - 4096);
	assert_memory_equal(ram + at, "first\0\0\0second\0\0", 16);
	linux_image();
	image[0x22c] = 0;
	put(0x22c, 0x17fffff, 4);
	set_file(image, sizeof(image));
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot_u32(zero + 0x218), 0x17ff000);
}

static void a_small_vm_gets_the_kernel_lower(void **state)
{
	(void)state;
	vm.memory = 8 << 20;
	assert_int_equal(memory_layout(&memory, ram, vm.memory, 39), 0);
	linux_image();
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot.rip, 0x200200);
}

static void x2apic_is_left_out_where_the_kernel_could_not_know(void **state)
{
	(void)state;
	static const char *const words[] = {"acpi=off", "a nox2apic b", "nolapic"};
	for (unsigned i = 0; i < 3; i++) {
		linux_image();
		vm.append = words[i];
		assert_int_equal(boot_load(&boot), 0);
		assert_int_equal(boot.x2apic, 0);
	}
	vm.append = "xacpi=off";
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot.x2apic, 1);
}

static void headers_that_lie_are_refused(void **state)
{
	(void)state;
	linux_image();
	put(0x1f4, 0x4000 / 16 + 1, 4), set_file(image, sizeof(image));
	refused("truncated");
	linux_image();
	put(0x1f4, 0xffffffff, 4), set_file(image, sizeof(image));
	refused("truncated");
	linux_image();
	put(0x1f4, 1, 4), set_file(image, sizeof(image)); /* less than the entry's offset */
	refused("damaged");
	linux_image();
	put(0x1f1, 255, 1), set_file(image, sizeof(image));
	refused("setup sectors");
	linux_image();
	set_file(image, 0x300);
	refused("setup sectors");
	linux_image();
	put(0x206, 0x0208, 2), set_file(image, sizeof(image));
	refused("boot protocol 2.08");
	linux_image();
	put(0x236, 0, 2), set_file(image, sizeof(image));
	refused("32-bit");
	linux_image();
	put(0x211, 0, 1), set_file(image, sizeof(image));
	refused("zImage");
	linux_image();
	put(0x260, 0xffffffff, 4), set_file(image, sizeof(image));
	refused("--memory");
	linux_image();
	put(0x258, 0xffffffffffff0000ull, 8), put(0x234, 0, 1), set_file(image, sizeof(image));
	refused("--memory");
	linux_image();
	put(0x258, 0x1000, 8), put(0x234, 0, 1), set_file(image, sizeof(image)); /* over our tables */
	refused("--memory");
	linux_image();
	put(0x238, 4, 4), set_file(image, sizeof(image));
	refused("command line");
}

static void initrds_larger_than_memory_are_refused(void **state)
{
	(void)state;
	linux_image();
	vm.initrds = 1;
	vm.initrd[0] = (struct engine_file){"big", ram, RAM, ""};
	refused("more memory");
	linux_image();
	put(0x22c, 0x100000, 4), set_file(image, sizeof(image));
	vm.initrd[0].bytes = 4096;
	refused("more memory");
}

static void what_is_no_kernel_is_refused(void **state)
{
	(void)state;
	set_file("#!/bin/sh\n", 10);
	refused("not a kernel");
	set_file("", 0);
	refused("empty");
	static uint8_t zeros[65536];
	set_file(zeros, sizeof(zeros));
	refused("not a kernel");
}

static void a_long_command_line_is_refused(void **state)
{
	(void)state;
	static char line[30000];
	memset(line, 'x', sizeof(line) - 1);
	linux_image();
	put(0x238, 0xffffffff, 4), set_file(image, sizeof(image));
	vm.append = line;
	refused("shorten");
}

/* Any byte of the header, any of some values: never a crash. */
static void every_byte_of_the_header_may_lie(void **state)
{
	(void)state;
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	for (unsigned at = 0x1f1; at < 0x268; at++)
		for (unsigned i = 0; i < sizeof(values); i++) {
			linux_image();
			image[at] = values[i];
			set_file(image, sizeof(image));
			boot_load(&boot);
		}
}

/* ---- ELF: PVH and Multiboot ---- */

static uint8_t elf[0x3000];

static void elf_put(unsigned at, uint64_t value, unsigned bytes)
{
	memcpy(elf + at, &value, bytes);
}

static void elf_segment(int bits, unsigned index, uint32_t type, uint64_t offset, uint64_t physical, uint64_t in_file,
	uint64_t in_memory)
{
	unsigned at = bits == 64 ? 64 + 56 * index : 52 + 32 * index;
	elf_put(at, type, 4);
	if (bits == 64) {
		elf_put(at + 8, offset, 8), elf_put(at + 16, physical + 0xffffffff80000000ull, 8),
			elf_put(at + 24, physical, 8);
		elf_put(at + 32, in_file, 8), elf_put(at + 40, in_memory, 8), elf_put(at + 48, 4, 8);
	} else {
		elf_put(at + 4, offset, 4), elf_put(at + 8, physical, 4), elf_put(at + 12, physical, 4);
		elf_put(at + 16, in_file, 4), elf_put(at + 20, in_memory, 4), elf_put(at + 28, 4, 4);
	}
}

static void elf_file(int bits)
{
	memset(elf, 0, sizeof(elf));
	elf_put(0, 0x464c457f, 4);
	elf[4] = bits == 64 ? 2 : 1, elf[5] = 1, elf[6] = 1;
	elf_put(16, 2, 2), elf_put(18, bits == 64 ? 62 : 3, 2);
	elf_put(24, 0x200010, bits / 8);
	if (bits == 64)
		elf_put(32, 64, 8), elf_put(54, 56, 2), elf_put(56, 2, 2);
	else
		elf_put(28, 52, 4), elf_put(42, 32, 2), elf_put(44, 2, 2);
	elf_segment(bits, 0, 1, 0x1000, 0x200000, 0x1000, 0x8000);
	elf_segment(bits, 1, 4, 0x2000, 0, 20, 20);
	memset(elf + 0x1000, 0xcc, 0x1000);
	/* the note: name "Xen", type 18, an address */
	elf_put(0x2000, 4, 4), elf_put(0x2004, 4, 4), elf_put(0x2008, 18, 4), elf_put(0x200c, 0x6e6558, 4),
		elf_put(0x2010, 0x200020, 4);
	set_file(elf, sizeof(elf));
}

static void elf_multiboot(int bits, uint32_t flags)
{
	elf_file(bits);
	elf_put(0x1004, 0x1badb002, 4), elf_put(0x1008, flags, 4),
		elf_put(0x100c, (uint32_t) - (0x1badb002 + flags), 4);
	set_file(elf, sizeof(elf));
}

static void a_pvh_kernel_starts_at_its_note(void **state)
{
	(void)state;
	for (int bits = 32; bits <= 64; bits += 32) {
		elf_file(bits);
		ram[0x207fff] = 1;
		vm.initrds = 1;
		vm.initrd[0] = (struct engine_file){"initrd", (const uint8_t *)"hello", 5, ""};
		assert_int_equal(boot_load(&boot), 0);
		assert_int_equal(boot.mode, BOOT_PROTECTED);
		assert_int_equal(boot.rip, 0x200020);
		assert_int_equal(ram[0x200000], 0xcc);
		assert_int_equal(ram[0x207fff], 0); /* what the file does not have is zero */
		const uint8_t *start = ram + boot.rbx;
		assert_int_equal(boot_u32(start), 0x336ec578);
		assert_int_equal(boot_u32(start + 4), 1);
		assert_int_equal(boot_u32(start + 12), 1);
		const uint8_t *module = ram + boot_u64(start + 16);
		assert_memory_equal(ram + boot_u64(module), "hello", 5);
		assert_int_equal(boot_u64(module + 8), 8); /* rounded up */
		assert_string_equal((const char *)ram + boot_u64(start + 24), "console=ttyS0");
		assert_int_equal(boot_u64(start + 32), 0xe0000);
		assert_int_equal(boot_u32(start + 48), 4);
		assert_int_equal(boot_u64(ram + BOOT_GDT + 0x10), 0x00cf9b000000ffffull);
	}
}

static void multiboot_gets_what_it_is_promised(void **state)
{
	(void)state;
	for (int bits = 32; bits <= 64; bits += 32) {
		elf_multiboot(bits, 3);
		vm.initrds = 2;
		vm.initrd[0] = (struct engine_file){"one", (const uint8_t *)"hello", 5, "with arguments"};
		vm.initrd[1] = (struct engine_file){"two", (const uint8_t *)"world", 5, ""};
		assert_int_equal(boot_load(&boot), 0);
		assert_int_equal(boot.mode, BOOT_PROTECTED);
		assert_int_equal(boot.rip, 0x200010);
		assert_int_equal(boot.rax, 0x2badb002);
		const uint8_t *info = ram + boot.rbx;
		assert_int_equal(boot_u32(info) & 0x4d, 0x4d);
		assert_int_equal(boot_u32(info + 8), (RAM >> 10) - 1024);
		assert_string_equal((const char *)ram + boot_u32(info + 16), "kernel console=ttyS0");
		assert_int_equal(boot_u32(info + 20), 2);
		const uint8_t *list = ram + boot_u32(info + 24);
		assert_int_equal(boot_u32(list), 0x208000);
		assert_int_equal(boot_u32(list + 4), 0x208005);
		assert_string_equal((const char *)ram + boot_u32(list + 8), "one with arguments");
		assert_int_equal(boot_u32(list + 16), 0x209000);
		assert_string_equal((const char *)ram + boot_u32(list + 24), "two");
		assert_memory_equal(ram + 0x209000, "world", 5);
		const uint8_t *map = ram + boot_u32(info + 48);
		assert_int_equal(boot_u32(info + 44), 4 * 24);
		assert_int_equal(boot_u32(map), 20);
		assert_int_equal(boot_u64(map + 12), 0x9fc00);
	}
}

static void the_kludge_says_where_it_goes(void **state)
{
	(void)state;
	uint32_t header[8] = {0x1badb002, 0x10003, 0, 0x100040, 0x100000, 0x100200, 0x100400, 0x100020};
	uint8_t flat[0x300];
	header[2] = -(header[0] + header[1]);
	memset(flat, 0xab, sizeof(flat));
	memcpy(flat + 0x80, header, 32); /* the load address is at 0x40 in the file */
	set_file(flat, sizeof(flat));
	memset(ram + 0x100000, 0xff, 0x1000);
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot.rip, 0x100020);
	assert_memory_equal(ram + 0x100000, flat + 0x40, 0x200);
	assert_int_equal(ram[0x100200], 0);
	assert_int_equal(ram[0x1003ff], 0);
	assert_int_equal(ram[0x100400], 0xff);
	static const struct {
		unsigned field;
		uint32_t value;
		const char *words;
	} lies[] = {
		{3, 0x100400, "before the file"},
		{4, 0x200000, "before the file"},
		{5, 0x110000, "truncated"},
		{5, 0x1000, "truncated"},
		{6, 0xffffffff, "RAM"},
		{7, 0x0, "entry"},
		{7, 0x100400, "entry"},
	};
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint32_t bad[8];
		memcpy(bad, header, 32);
		bad[lies[i].field] = lies[i].value;
		memcpy(flat + 0x80, bad, 32);
		set_file(flat, sizeof(flat));
		refused(lies[i].words);
	}
	memcpy(flat + 0x80, header, 32);
	set_file(flat, 0x80 + 20); /* the file ends in the header */
	refused("file's end");
}

static void elf_files_that_lie_are_refused(void **state)
{
	(void)state;
	for (int bits = 32; bits <= 64; bits += 32) {
		unsigned first = bits == 64 ? 64 : 52, phnum = bits == 64 ? 56 : 44, phoff = bits == 64 ? 32 : 28;
		elf_file(bits), elf_put(phnum, 0xffff, 2), set_file(elf, sizeof(elf));
		refused("program headers");
		elf_file(bits), elf_put(phoff, bits == 64 ? 0xfffffffffffffff0ull : 0xfffffff0, bits / 8),
			set_file(elf, sizeof(elf));
		refused("program headers");
		elf_file(bits), elf_segment(bits, 0, 1, 0x2fff, 0x200000, 0x1000, 0x8000), set_file(elf, sizeof(elf));
		refused("truncated");
		elf_file(bits), elf_segment(bits, 0, 1, 0x1000, 0x200000, 0x1000, 0x10), set_file(elf, sizeof(elf));
		refused("larger in the file");
		elf_file(bits), elf_segment(bits, 0, 1, 0x1000, RAM - 0x1000, 0x1000, 0x8000),
			set_file(elf, sizeof(elf));
		refused("RAM");
		elf_file(bits), elf_segment(bits, 0, 1, 0x1000, 0x1000, 0x1000, 0x1000), set_file(elf, sizeof(elf));
		refused("RAM");
		elf_file(bits), elf_segment(bits, 0, 1, 0x1000, 0xe0000, 0x1000, 0x1000), set_file(elf, sizeof(elf));
		refused("RAM");
		elf_file(bits), elf_put(0x2010, 0x300000, 4), set_file(elf, sizeof(elf));
		refused("entry");
		elf_file(bits), elf_put(0x200c, 0x6e6559, 4), set_file(elf, sizeof(elf));
		refused("PVH");
		elf_file(bits), elf_put(0x2000, 0xffffffff, 4), set_file(elf, sizeof(elf));
		refused("PVH");
		elf_file(bits), elf_put(18, 40, 2), set_file(elf, sizeof(elf));
		refused("no x86");
		elf_file(bits), set_file(elf, first);
		refused(bits == 64 ? "program headers" : "program headers");
		elf_multiboot(bits, 3), elf_put(24, 0x10, bits / 8), set_file(elf, sizeof(elf));
		refused("entry");
		elf_multiboot(bits, 0x8003), elf_put(0x1008, 0x8003, 4), set_file(elf, sizeof(elf));
		refused("unknown");
	}
	elf_file(64), elf_segment(64, 0, 1, 0x1000, 0xfffffffffffff000ull, 0x1000, 0x8000), set_file(elf, sizeof(elf));
	refused("RAM");
}

static void modules_larger_than_memory_are_refused(void **state)
{
	(void)state;
	elf_multiboot(32, 3);
	vm.initrds = 1;
	vm.initrd[0] = (struct engine_file){"big", ram, RAM, ""};
	refused("module big");
	elf_file(64);
	refused("more memory");
}

static void every_byte_of_an_elf_header_may_lie(void **state)
{
	(void)state;
	for (int bits = 32; bits <= 64; bits += 32)
		for (unsigned at = 0; at < 64 + 2 * 56; at++)
			for (unsigned value = 0; value < 256; value += 51) {
				elf_file(bits);
				elf[at] = (uint8_t)value;
				set_file(elf, sizeof(elf));
				boot_load(&boot);
			}
}

static void truncated_files_never_crash(void **state)
{
	(void)state;
	for (unsigned bytes = 0; bytes < 0x1100; bytes += 3) {
		elf_multiboot(64, 3);
		set_file(elf, bytes);
		boot_load(&boot);
		linux_image();
		set_file(image, bytes);
		boot_load(&boot);
	}
}

static void ram_has_its_layout(void **state)
{
	(void)state;
	struct memory big;
	struct memory_region region[MEMORY_REGIONS];
	uint8_t *base = (uint8_t *)0x10000000;
	assert_int_equal(memory_layout(&big, base, 4ull << 30, 39), 0);
	assert_ptr_equal(memory_at(&big, 0x100000000, 4096), base + 0xc0000000);
	assert_null(memory_at(&big, 0xc0000000, 1));
	assert_null(memory_at(&big, 0xbffff000, 0x1001));
	assert_null(memory_at(&big, 0xa0000, 1));
	assert_null(memory_at(&big, 0x9ffff, 2));
	assert_null(memory_at(&big, 0x140000000, 1));
	assert_null(memory_at(&big, UINT64_MAX, 2));
	assert_null(memory_at(&big, 0x100000, UINT64_MAX));
	assert_int_equal(memory_regions(&big, region), 5);
	assert_int_equal(region[4].bytes, 1ull << 30);
	assert_true(memory_layout(&big, base, 1ull << 40, 39) < 0);
	assert_true(memory_layout(&big, base, 0, 39) < 0);
	assert_true(memory_layout(&big, base, (2 << 20) + 4096, 39) < 0);
}

/* A kernel that looks for a BIOS's memory, or calls it, finds the data area, and that there is none. */
static void firmware_leaves_its_data_area(void **state)
{
	(void)state;
	linux_image();
	assert_int_equal(boot_load(&boot), 0);
	assert_int_equal(boot_u16(ram + 0x413), 639);
	assert_int_equal(boot_u16(ram + 0x40e) << 4, MEMORY_EBDA);
	assert_int_equal(boot_u16(ram + 0x400), 0x3f8);
	for (unsigned vector = 0; vector < 256; vector++) {
		const uint8_t *handler = ram + (boot_u16(ram + 4 * vector + 2) << 4) + boot_u16(ram + 4 * vector);
		assert_int_equal(handler[0], vector >= 0x10 && vector <= 0x1a ? 0x55 : 0xcf);
	}
	assert_int_equal(ram[0xffff0], 0xba);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_bzimage_starts_by_the_64_bit_protocol, setup),
		cmocka_unit_test_setup(initrds_lie_one_after_the_other_at_the_end, setup),
		cmocka_unit_test_setup(a_small_vm_gets_the_kernel_lower, setup),
		cmocka_unit_test_setup(x2apic_is_left_out_where_the_kernel_could_not_know, setup),
		cmocka_unit_test_setup(headers_that_lie_are_refused, setup),
		cmocka_unit_test_setup(initrds_larger_than_memory_are_refused, setup),
		cmocka_unit_test_setup(what_is_no_kernel_is_refused, setup),
		cmocka_unit_test_setup(a_long_command_line_is_refused, setup),
		cmocka_unit_test_setup(every_byte_of_the_header_may_lie, setup),
		cmocka_unit_test_setup(a_pvh_kernel_starts_at_its_note, setup),
		cmocka_unit_test_setup(multiboot_gets_what_it_is_promised, setup),
		cmocka_unit_test_setup(the_kludge_says_where_it_goes, setup),
		cmocka_unit_test_setup(elf_files_that_lie_are_refused, setup),
		cmocka_unit_test_setup(modules_larger_than_memory_are_refused, setup),
		cmocka_unit_test_setup(every_byte_of_an_elf_header_may_lie, setup),
		cmocka_unit_test_setup(truncated_files_never_crash, setup),
		cmocka_unit_test_setup(ram_has_its_layout, setup),
		cmocka_unit_test_setup(firmware_leaves_its_data_area, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
