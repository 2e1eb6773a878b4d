/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/config.h: the description of a machine's VMs as the flat binary table that the gyre command makes from YAML or from its command
 * line: the boot module named "config". Root checks it (it came through a boot loader) and hands each monitor its own VM's entry.
 */
#ifndef GYRE_CONFIG_H
#define GYRE_CONFIG_H

#include <stdint.h>

#define GYRE_CONFIG_MAGIC   0x46435947u /* "GYCF" */
#define GYRE_CONFIG_VERSION 1u
#define GYRE_CONFIG_VMS	    64u
#define GYRE_CONFIG_INITRDS 8u
#define GYRE_NAME_BYTES	    32u

/* Boot modules, by their command line's first word: "root", "monitor", "config", and files "file0", "file1" ... to which entries point. */
#define GYRE_NO_FILE 0xffffffffu

enum gyre_level { GYRE_LEVEL_PORTABLE_1 = 1, GYRE_LEVEL_HOST = 2 };

#define GYRE_VM_TEST_DEVICE  0x1u
#define GYRE_VM_NO_REBOOT    0x2u
#define GYRE_VM_TRACE	     0x4u
#define GYRE_VM_ACCEPT_LEAKS 0x8u
#define GYRE_VM_COUNTERS     0x10u /* send a COUNTERS frame at the end */

struct gyre_config_initrd {
	uint32_t file;	    /* the n of "file<n>" */
	uint32_t arguments; /* offset of a string in the table's text, 0: none */
};

struct gyre_config_vm {
	char name[GYRE_NAME_BYTES]; /* zero-terminated, [a-z0-9-] */
	uint64_t memory;	    /* bytes, a multiple of 2 MiB */
	uint32_t cpus;
	uint32_t level;	      /* enum gyre_level */
	uint32_t flags;	      /* GYRE_VM_ */
	uint32_t kernel;      /* file, or GYRE_NO_FILE */
	uint32_t append;      /* text offset, 0: none */
	uint32_t kernel_name; /* text offset: the file's name as given, begins a Multiboot command line */
	uint32_t initrds;
	struct gyre_config_initrd initrd[GYRE_CONFIG_INITRDS];
	uint32_t firmware, cdrom; /* files, GYRE_NO_FILE (not in this version) */
	uint32_t reserved[8];
};

struct gyre_config_header {
	uint32_t magic, version;
	uint32_t total_bytes; /* of the module */
	uint32_t crc32;	      /* of the module with this field 0 (IEEE 802.3 polynomial) */
	uint32_t vms;
	uint32_t text, text_bytes; /* offset and size of the strings; offset 0 in it is an empty string */
	uint32_t flags;		   /* GYRE_CONFIG_ */
	uint64_t wall_clock;	   /* seconds since 1970 at the start, if the machine's RTC is not to be used; else 0 */
	uint32_t entropy_bytes;	   /* random bytes for the guests' entropy, at the end of the text */
	uint32_t reserved[5];
};
#define GYRE_CONFIG_EMULATED  0x1u /* the gyre command is at the other end of COM2 */
#define GYRE_CONFIG_NO_REBOOT 0x2u

/* Why a VM ended; with the exit code of the gyre command. */
enum gyre_end_reason {
	GYRE_END_POWER_OFF = 0,	   /* 0 */
	GYRE_END_DEBUG_EXIT = 1,   /* (2 * value + 1) & 255 */
	GYRE_END_RESET = 2,	   /* 0, with no-reboot; else the VM starts again */
	GYRE_END_TRIPLE_FAULT = 3, /* 16, with no-reboot */
	GYRE_END_CRASHED = 4,	   /* 16: jumped to unmapped memory, an entry failure, ... */
	GYRE_END_MONITOR = 5,	   /* 4: the monitor itself failed or crashed */
	GYRE_END_REFUSED = 6,	   /* 4, 6 or 12: could not be started */
	GYRE_END_KILLED = 7,	   /* 8 */
};

/* Exit codes of the gyre command. */
#define GYRE_STATUS_OFF	      0
#define GYRE_STATUS_USAGE     2
#define GYRE_STATUS_FAILED    4
#define GYRE_STATUS_NOT_FOUND 6
#define GYRE_STATUS_STATE     8
#define GYRE_STATUS_REFUSED   10
#define GYRE_STATUS_LACKS     12
#define GYRE_STATUS_TIMEOUT   14
#define GYRE_STATUS_CRASHED   16
#define GYRE_STATUS_CORE      18

#endif
