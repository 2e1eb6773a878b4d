/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/machine_fixture.c: see machine_fixture.h. */
#include "tests/unit/machine_fixture.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct machine machine;
struct engine_vm vm;
uint8_t *ram;
struct gyre_vcpu_page *page;
jmp_buf ended;
static uint8_t kernel[0x2000];

static void make_kernel(void)
{
	memset(kernel, 0, sizeof(kernel));
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
	memcpy(kernel, ident, 7);
	kernel[16] = 2, kernel[18] = 3;
	boot_put32(kernel + 24, CODE), boot_put32(kernel + 28, 52);
	kernel[42] = 32, kernel[44] = 2;
	boot_put32(kernel + 52, 1), boot_put32(kernel + 56, 0x1000), boot_put32(kernel + 64, CODE),
		boot_put32(kernel + 68, 0x1000), boot_put32(kernel + 72, 0x1000);
	boot_put32(kernel + 84, 4), boot_put32(kernel + 88, 0x100), boot_put32(kernel + 100, 20),
		boot_put32(kernel + 104, 20);
	boot_put32(kernel + 0x100, 4), boot_put32(kernel + 0x104, 4), boot_put32(kernel + 0x108, 18);
	memcpy(kernel + 0x10c, "Xen", 4), boot_put32(kernel + 0x110, CODE);
}

void machine_describe(void)
{
	fake_reset();
	if (!ram)
		ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm = (struct engine_vm){.name = "test",
		.memory = RAM,
		.ram = ram,
		.cpus = 1,
		.level = GYRE_LEVEL_PORTABLE_1,
		.append = "",
		.tsc_khz = fake.khz,
		.physical_bits = 40,
		.flags = GYRE_VM_TEST_DEVICE,
		.kernel = {"kernel", NULL, 0, ""}};
	fake.at_end = &ended;
}

int machine_setup(void **state)
{
	(void)state;
	machine_describe();
	memset(ram, 0, RAM);
	make_kernel();
	vm.kernel.data = kernel;
	vm.kernel.bytes = sizeof(kernel);
	if (setjmp(ended)) {
		fprintf(stderr, "the VM ended at its start: %s\n", fake.text);
		return -1;
	}
	machine_start(&machine, &vm);
	page = machine.vcpu.page;
	return 0;
}
