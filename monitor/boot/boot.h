/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/boot.h: puts a kernel and what belongs to it into guest RAM, and says in which state a processor starts it.
 *
 * Files are hostile: every length and address of a header is checked against the file and the RAM before it is used, and a file that is wrong
 * ends in one line that names it, says what is wrong and what to do.
 *
 * Low memory, all of it free for the kernel once it has read what it wants:
 *   0       a BIOS's vectors and data area (firmware.c)
 *   0x1000  descriptor table    0x2000 to 0x7fff  page tables (64-bit entry)    0x8000  zero page (Linux)    0x9000 to 0xffff  strings and lists
 */
#ifndef MONITOR_BOOT_BOOT_H
#define MONITOR_BOOT_BOOT_H

#include <stdint.h>
#include "monitor/engine/engine.h"
#include "monitor/machine/memory.h"

#define BOOT_GDT	   0x1000ull
#define BOOT_GDT_BYTES	   0x20u
#define BOOT_PAGE_TABLES   0x2000ull
#define BOOT_ZERO_PAGE	   0x8000ull
#define BOOT_ARENA	   0x9000ull
#define BOOT_ARENA_END	   0x10000ull
#define BOOT_KERNEL_LOWEST 0x10000ull /* no kernel may lie below */
#define BOOT_CODE	   0x10u      /* selectors of the table */
#define BOOT_DATA	   0x18u

enum boot_mode {
	BOOT_LONG,	/* 64-bit mode, the first 4 GiB mapped one to one */
	BOOT_PROTECTED, /* 32-bit protected mode, no paging */
};

struct boot {
	/* what there is */
	const struct engine_vm *vm;
	const struct memory *memory;
	uint64_t rsdp; /* of the ACPI tables */
	/* how the processor starts */
	enum boot_mode mode;
	uint64_t rip, rax, rbx, rsi;
	int x2apic; /* the kernel is told of its processors by ACPI, and takes the local APIC in x2APIC mode */
	/* what went wrong: for people, and the command's exit code */
	uint32_t status;
	char text[240];
	/* inside */
	uint64_t arena;
};

/* 0, or a negative code with status and text set. */
int boot_load(struct boot *boot);

/* ---- for the loaders ---- */
int boot_fail(struct boot *boot, uint32_t status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Zeroed bytes in low memory; NULL with the failure set when there is no more. */
uint8_t *boot_arena(struct boot *boot, uint64_t bytes, uint64_t align, uint64_t *gpa);
/* "NAME APPEND" or so: the parts that are not empty, with a space between, as a string in the arena. */
int boot_string(struct boot *boot, const char *first, const char *second, uint64_t *gpa);
/* The descriptor table, and the page tables if the mode needs them. */
void boot_tables(struct boot *boot);
/* What a BIOS leaves behind. */
void boot_firmware(struct boot *boot);
uint64_t boot_initrd_bytes(const struct boot *boot);

int boot_is_linux(const struct engine_file *file);
int boot_linux(struct boot *boot);
/* Offset of the header, or -1. */
int64_t boot_multiboot_header(const struct engine_file *file);
int boot_multiboot(struct boot *boot, uint64_t header);
int boot_pvh(struct boot *boot);

/* Little-endian fields at any alignment. The caller has checked the offset. */
static inline uint16_t boot_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}
static inline uint32_t boot_u32(const uint8_t *at)
{
	return boot_u16(at) | (uint32_t)boot_u16(at + 2) << 16;
}
static inline uint64_t boot_u64(const uint8_t *at)
{
	return boot_u32(at) | (uint64_t)boot_u32(at + 4) << 32;
}
static inline void boot_put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}
static inline void boot_put64(uint8_t *at, uint64_t value)
{
	boot_put32(at, (uint32_t)value);
	boot_put32(at + 4, (uint32_t)(value >> 32));
}

#endif
