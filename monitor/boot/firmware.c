/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/firmware.c: what a PC's firmware leaves in low memory, for kernels that look there, or call it in real mode: a hypervisor under test reads how much
 * base memory there is and asks a BIOS for its memory map. There is no BIOS: each of its calls says "unsupported", and the kernel takes what its loader gave it.
 *
 *   0        interrupt vectors: IRET for exceptions and interrupts, "unsupported" (carry set, AH 86h) for calls
 *   0x400    the BIOS data area: COM1's port, what equipment there is, the size of base memory and where the extended data area is
 *   0x9fc00  the extended data area: its own size
 *   0xffe00  the code of the handlers; 0xffff0 the reset vector, which resets
 */
#include "monitor/boot/boot.h"
#include "lib/string.h"

#define DATA_AREA      0x400ull
#define DATA_COM1      0x00u
#define DATA_EBDA      0x0eu
#define DATA_EQUIPMENT 0x10u
#define DATA_BASE_KIB  0x13u
#define EQUIPMENT      0x0202u /* an FPU, one serial port */
#define ROM	       0xf0000ull
#define ROM_IRET       0xfe00u
#define ROM_CALL       0xfe01u
#define ROM_RESET      0xfff0u
#define VECTORS	       256u

/* push bp; mov bp, sp; or byte [bp + 6], 1; pop bp; mov ah, 86h; iret */
static const uint8_t unsupported[] = {0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xb4, 0x86, 0xcf};
/* mov dx, cf9h; mov al, 6; out dx, al; hlt; jmp to the hlt */
static const uint8_t reset[] = {0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd};

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

/* 10h to 1Ah are calls; the others are exceptions, interrupts of the two PICs, or nothing. */
static int is_call(unsigned vector)
{
	return vector >= 0x10 && vector <= 0x1a;
}

void boot_firmware(struct boot *boot)
{
	uint8_t *low = memory_at(boot->memory, 0, 0x1000), *ebda = memory_at(boot->memory, MEMORY_EBDA, 1024),
		*rom = memory_at(boot->memory, ROM, 0x10000);
	uint8_t *data = low + DATA_AREA;
	memset(low, 0, 0x1000);
	memset(ebda, 0, 1024);
	ebda[0] = 1; /* KiB */
	rom[ROM_IRET] = 0xcf;
	memcpy(rom + ROM_CALL, unsupported, sizeof unsupported);
	memcpy(rom + ROM_RESET, reset, sizeof reset);
	for (unsigned vector = 0; vector < VECTORS; vector++) {
		put16(low + 4 * vector, is_call(vector) ? ROM_CALL : ROM_IRET);
		put16(low + 4 * vector + 2, ROM >> 4);
	}
	put16(data + DATA_COM1, 0x3f8);
	put16(data + DATA_EBDA, MEMORY_EBDA >> 4);
	put16(data + DATA_EQUIPMENT, EQUIPMENT);
	put16(data + DATA_BASE_KIB, MEMORY_EBDA >> 10);
}
