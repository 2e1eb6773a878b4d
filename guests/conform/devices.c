/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/devices.c: the test device that kernels written for QEMU expect: scratch ports, remapped pages, RAM at 0xff000000, fw_cfg. */
#include "guests/conform/conform.h"

#define SCRATCH 0xe0
#define REMAP	0xe4
#define RAM	0xff000000ull
#define SELECT	0x510
#define DATA	0x511

/* Port 0xe0 reads back what was written; on a PC there is nothing. */
bool has_test_device(void)
{
	out8(SCRATCH, 0x5a);
	bool first = in8(SCRATCH) == 0x5a;
	out8(SCRATCH, 0xa5);
	return first && in8(SCRATCH) == 0xa5;
}

static uint64_t item(uint16_t key, unsigned bytes)
{
	uint64_t value = 0;
	out16(SELECT, key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)in8(DATA) << 8 * i;
	return value;
}

void devices(void)
{
	static volatile uint64_t page[512] __attribute__((aligned(4096)));
	volatile uint32_t *ram = (volatile uint32_t *)RAM;
	if (!has_test_device()) {
		skip("there is no test device");
		return;
	}
	out32(SCRATCH, 0x11223344);
	check(in32(SCRATCH) == 0x11223344 && in8(SCRATCH + 1) == 0x33, "ports 0xe0 to 0xe3 read back, in every size");
	for (unsigned i = 0; i < 512; i++)
		page[i] = i * 0x0101010101010101ull;
	out32(REMAP, (uint32_t)(uint64_t)page);
	bool same = true;
	for (unsigned i = 0; i < 512; i++)
		same &= page[i] == i * 0x0101010101010101ull;
	check(same, "a page whose mapping is dropped has what it had");
	ram[0] = 0x12345678;
	ram[0x3fff] = 0x87654321;
	check(ram[0] == 0x12345678 && ram[0x3fff] == 0x87654321, "64 KiB of RAM at 0xff000000");
	check(item(0, 4) == 0x554d4551, "fw_cfg: the signature");
	check(item(1, 4) & 1, "fw_cfg: the id");
	check(item(3, 8) >= 0x1000000 && !(item(3, 8) & 0xfff), "fw_cfg: the size of RAM");
	check(item(5, 2) == 1 && item(0x0f, 2) >= 1, "fw_cfg: processors");
	out16(SELECT, 0x19);
	uint32_t files = 0;
	for (unsigned i = 0; i < 4; i++)
		files = files << 8 | in8(DATA);
	check(files < 100, "fw_cfg: the directory");
	check(item(0x4242, 8) == 0, "fw_cfg: what is not there reads as zeros");
}
