/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/config.h: the description of a machine's VMs as the flat binary table that the gyre command makes from YAML or from its command
 * line: the boot module named "config". Root checks it (it came through a boot loader) and hands each monitor its own VM's entry.
 */
#ifndef GYRE_CONFIG_H
#define GYRE_CONFIG_H

#include <stdint.h>

#define GYRE_CONFIG_MAGIC   0x46435947u /* "GYCF" */
#define GYRE_CONFIG_VERSION 2u
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
#define GYRE_VM_DEBUG                                                                                                  \
	0x20u /* DEBUG frames are its monitor's; the guest waits for a debugger before its first instruction */
#define GYRE_VM_DEBUG_RUN 0x40u	 /* ... and it does not wait */
#define GYRE_VM_NO_START  0x100u /* root starts it only when it is asked to */

#define GYRE_VM_RECREATE                                                                                               \
	0x200u /* tests: its monitor is made anew at many exits (recreate_) and goes on from the saved state */

/* Whether root starts a VM again that has ended. Never one that it was asked to stop or to kill, and none that could not be started. */
enum gyre_restart {
	GYRE_RESTART_NEVER = 0,
	GYRE_RESTART_ON_FAILURE = 1, /* when its end was one of GYRE_STATUS_, and not 0 */
	GYRE_RESTART_ALWAYS = 2,
};

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
	uint32_t restart;	  /* enum gyre_restart */
	uint32_t restart_limit;	  /* so many times in all since it was last asked to start; 0: without a limit */
	/* GYRE_VM_RECREATE: at each of the first exits, then at one in so many by chance (0: none), by random numbers from this seed */
	uint32_t recreate_first, recreate_every, recreate_seed;
	uint32_t reserved[3];
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
#define GYRE_CONFIG_CONTROL   0x4u /* VMs are started, stopped and killed over CONTROL frames: docs/control.md */

/*
 * What the core's tables and objects of a VM may take of its pool, in frames of 4 KiB: its monitor's process has this quota. Beside the base (40 are in use
 * when a small guest runs): a table for each 2 MiB of RAM, since either nested tables have entries of 4 KiB (a processor that must not execute from large
 * pages, the dirty log) or there are none of these; two for each GiB; tables over the files, which lie at any page.
 */
#define GYRE_VM_FRAMES_BASE 64u
static inline uint64_t gyre_vm_frames(uint64_t memory, uint64_t file_bytes)
{
	return GYRE_VM_FRAMES_BASE + (memory >> 21) + 2 * ((memory >> 30) + 1) + (file_bytes >> 21) + 1;
}

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
