/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/elf.h: guests' kernels as ELF files, of 32 and of 64 bits. Checked against the file's length and the guest's RAM; nothing of
 * them is trusted. (lib/elf.h is for processes of Gyre: other rules hold there.)
 */
#ifndef MONITOR_BOOT_ELF_H
#define MONITOR_BOOT_ELF_H

#include <stdint.h>

struct boot;

struct elf_kernel {
	int bits;	    /* 32 or 64 */
	uint64_t entry;	    /* as the header has it */
	uint64_t low, high; /* guest-physical, of all segments */
	int has_pvh;
	uint32_t pvh_entry; /* of the note that says where a PVH kernel starts */
};

int elf_is(const uint8_t *data, uint64_t bytes);
/* Loads the segments to their physical addresses. A negative code with the boot's failure set. */
int elf_load(struct boot *boot, struct elf_kernel *kernel);

#endif
