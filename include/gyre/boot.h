/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/boot.h: what root finds when the core starts it, and what machine_info tells every process.
 * Root's first thread starts at the ELF entry of the boot module "root" with RDI = address of struct gyre_boot_info, mapped read-only, and the
 * handles below in its table. Everything the core does not keep is root's.
 */
#ifndef GYRE_BOOT_H
#define GYRE_BOOT_H

#include <stdint.h>

/* Root's first handles. */
#define GYRE_ROOT_PROCESS 1u /* itself */
#define GYRE_ROOT_THREAD  2u
#define GYRE_ROOT_RAM                                                                                                  \
	3u /* all memory that root may hand out: offset = page frame number, holes elsewhere; not scrubbed */
#define GYRE_ROOT_FIRMWARE 4u /* ACPI tables and NVS, modules' holes excepted: offset = page frame number, read-only */
#define GYRE_ROOT_MACHINE  5u /* authority: interrupts, ports, checks */
#define GYRE_ROOT_LOG	   6u /* the core's log ring, read-only */

#define GYRE_BOOT_MAGIC	  0x54425947u /* "GYBT" */
#define GYRE_BOOT_RANGES  64u
#define GYRE_BOOT_MODULES 32u
#define GYRE_BOOT_LINE	  1024u

struct gyre_boot_range {
	uint64_t first_page, pages;
};
struct gyre_boot_module {
	uint64_t
		first_page; /* in GYRE_ROOT_RAM: modules lie there like other memory, page aligned by the boot loader */
	uint64_t bytes;
	char name[48]; /* first word of its command line, zero-terminated */
};

struct gyre_machine_info {
	uint32_t abi; /* 1 */
	uint32_t cpus;
	uint64_t tsc_khz;
	uint64_t frames_total, frames_used; /* the core's pool, frames of 4 KiB */
	uint64_t core_image_bytes;
	uint32_t virtualization; /* GYRE_VIRT_ */
	uint32_t virt_reason;	 /* why not: enum gyre_virt_reason */
	uint32_t physical_bits;
	uint32_t apic_timer_khz;
	uint64_t features;	     /* GYRE_FEATURE_ of the virtualization hardware in use */
	uint64_t calls[64];	     /* how often each call was made (test builds; else 0) */
	uint64_t max_interrupts_off; /* longest stretch, TSC ticks (test builds; else 0) */
	uint64_t objects_live;	     /* of all processes */
	uint64_t handles_live;
};
#define GYRE_VIRT_NONE 0u
#define GYRE_VIRT_YES  1u
enum gyre_virt_reason {
	GYRE_VIRT_OK,
	GYRE_VIRT_NOT_THERE,
	GYRE_VIRT_DISABLED_BY_FIRMWARE,
	GYRE_VIRT_NO_NESTED_PAGING,
	GYRE_VIRT_FORCED_OFF,
	GYRE_VIRT_CONTRADICTS, /* what the processor says of it can't be true, or it refuses to be turned on; the log has it in words */
};
#define GYRE_FEATURE_NEXT_RIP	   0x01u
#define GYRE_FEATURE_DECODE_ASSIST 0x02u
#define GYRE_FEATURE_FLUSH_BY_TAG  0x04u
#define GYRE_FEATURE_CLEAN_BITS	   0x08u
#define GYRE_FEATURE_VIRTUAL_GIF   0x10u
#define GYRE_FEATURE_PAUSE_FILTER  0x20u
#define GYRE_FEATURE_TSC_SCALING   0x40u
#define GYRE_FEATURE_UNRESTRICTED                                                                                      \
	0x80u /* guests may be in real mode, and without paging of any kind but policy.identity_table */
#define GYRE_FEATURE_ACCESSED_DIRTY   0x100u
#define GYRE_FEATURE_MODIFICATION_LOG 0x200u /* the processor lists pages that a guest writes to */
#define GYRE_FEATURE_CALL_BY_INTERRUPT                                                                                 \
	0x800u /* a process that runs a guest calls by GYRE_CALL_VECTOR rather than SYSCALL: that is quicker */
#define GYRE_FEATURE_GUEST_TIMER  0x400u  /* the processor ends a guest's turn by itself */
#define GYRE_FEATURE_VIRTUAL_APIC 0x1000u /* it runs the local APICs of guests, in x2APIC mode */
#define GYRE_FEATURE_VIRTUAL_TPR  0x2000u /* it keeps a guest's CR8 */

struct gyre_boot_info {
	uint32_t magic, bytes;
	uint32_t ranges, modules;
	struct gyre_boot_range range[GYRE_BOOT_RANGES];	   /* of GYRE_ROOT_RAM: modules included */
	struct gyre_boot_range firmware[GYRE_BOOT_RANGES]; /* of GYRE_ROOT_FIRMWARE; pages 0: end */
	struct gyre_boot_module module[GYRE_BOOT_MODULES];
	char command_line[GYRE_BOOT_LINE]; /* the core's */
	/* ACPI tables, physical, in GYRE_ROOT_FIRMWARE: length and checksum are right. 0 bytes: there is none */
	uint64_t fadt, dsdt;
	uint32_t fadt_bytes, dsdt_bytes;
};
_Static_assert(sizeof(struct gyre_boot_info) <= 8192, "two pages");

/* The log ring behind GYRE_ROOT_LOG. */
#define GYRE_LOG_MAGIC 0x474c5947u /* "GYLG" */
struct gyre_log_ring {
	uint32_t magic, bytes; /* of text[] */
	uint64_t written;      /* bytes ever written: the newest is text[(written - 1) % bytes] */
	uint64_t reserved[6];
	char text[];
};

#endif
