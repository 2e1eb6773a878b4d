/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/channel.h: what root and a monitor share: the start block that root fills in, the channel's rings, and the one message that a monitor
 * sends. The core knows nothing of it. Root maps both into the monitor before it runs; the monitor's first thread finds the start block's
 * address in RDI.
 *
 * Trust   Root takes everything in the channel as hostile: a monitor may be its guest's by now. The start block the monitor cannot change.
 * Waking  The monitor signals GYRE_START event_root with GYRE_ROOT_EVENT_CHANNEL after it has written; root signals the monitor's event with the
 *	   GYRE_CHANNEL_ bits below. All are hints.
 */
#ifndef GYRE_CHANNEL_H
#define GYRE_CHANNEL_H

#include <stdint.h>
#include "gyre/config.h"

/* Where root maps them in the monitor: below its image, so that they cost no page tables of their own. */
#define GYRE_START_ADDRESS	0x10000ull
#define GYRE_START_PAGES	2u /* read-only */
#define GYRE_CHANNEL_ADDRESS	0x20000ull
#define GYRE_CHANNEL_PAGES	5u /* struct gyre_channel, then the ring to root */
/* Of a VM with GYRE_VM_RECREATE alone: struct gyre_recreation, which root gives to one monitor of the VM after the other and never reads. */
#define GYRE_RECREATION_ADDRESS 0x30000ull
#define GYRE_RECREATION_PAGES	8u

/* ---- the start block ---- */
#define GYRE_START_MAGIC  0x54535947u /* "GYST" */
#define GYRE_START_SEED	  64u
#define GYRE_START_COM1	  0x1u /* flags: COM1 and its interrupt are this VM's console */
#define GYRE_START_SEEDED 0x2u /* flags: seed[] is random */
#define GYRE_START_SAVED  0x4u /* flags: the VM goes on from the state in struct gyre_recreation */

struct gyre_start_file {
	uint32_t memory;	  /* handle, read-only: 0: there is no such file */
	uint32_t name, arguments; /* offsets in text */
	uint32_t reserved;
	uint64_t bytes;
};

struct gyre_start {
	uint32_t magic, bytes; /* of all of it, text included */
	uint32_t vm;	       /* number in the description */
	uint32_t flags;	       /* GYRE_START_ */
	char name[GYRE_NAME_BYTES];
	uint64_t memory;      /* bytes of guest RAM: the first pages of the object ram */
	uint64_t extra;	      /* bytes behind it in the same object: memory of devices */
	uint32_t cpus, level; /* as in struct gyre_config_vm */
	uint32_t vm_flags;    /* GYRE_VM_ */
	uint32_t append;      /* offset in text */
	uint32_t ram;	      /* handles: memory, cleared */
	uint32_t event;	      /* the monitor's own: WAIT, MANAGE, SIGNAL; root signals it */
	uint32_t event_root;  /* SIGNAL */
	uint32_t endpoint;    /* CALL: root's */
	uint32_t interrupt;   /* of COM1: MANAGE, WAIT; or 0 */
	uint32_t initrds;
	uint32_t recreate_first, recreate_every, recreate_seed; /* as in struct gyre_config_vm */
	uint32_t reserved;
	uint64_t wall_nanoseconds; /* since 1970, when the TSC was wall_tsc */
	uint64_t wall_tsc;
	struct gyre_start_file kernel;
	struct gyre_start_file initrd[GYRE_CONFIG_INITRDS];
	uint8_t seed[GYRE_START_SEED];
	char text[]; /* zero-terminated strings; the one at offset 0 is empty */
};
_Static_assert(sizeof(struct gyre_start) <= 1024, "leaves room for text");

/* ---- the channel ---- */
/* Bits of the monitor's event that root sets. */
#define GYRE_CHANNEL_INPUT     16u /* bytes in the ring to the monitor */
#define GYRE_CHANNEL_ROOM      17u /* root has taken from the ring to root */
#define GYRE_CHANNEL_POWER_KEY 18u /* the guest is asked to power off */
#define GYRE_CHANNEL_DEBUG     19u /* bytes in the debugger's ring */

/* Bits of root's event. */
#define GYRE_ROOT_EVENT_CHANNEL 3u

/* What a monitor puts into the ring to root: header, then length bytes; whole packets only. */
struct gyre_packet {
	uint8_t type; /* GYRE_FRAME_LOG, _CONSOLE, _TRACE, _DEBUG or _COUNTERS (frame.h): root sends it on as such a frame */
	uint8_t reserved;
	uint16_t length; /* at most GYRE_FRAME_DATA */
};

#define GYRE_CHANNEL_TO_ROOT	 16384u
#define GYRE_CHANNEL_TO_MONITOR	 2048u
#define GYRE_CHANNEL_TEXT	 112u
#define GYRE_CHANNEL_DEBUG_BYTES 1024u

struct gyre_channel_counts { /* struct ring_shared of lib/ring.h */
	uint32_t written, reserved1[15], taken, reserved2[15];
};

struct gyre_channel {
	struct gyre_channel_counts to_root, to_monitor;
	char end_text[GYRE_CHANNEL_TEXT]; /* why the VM ended, for people */
	struct gyre_channel_counts debug;
	uint8_t debug_data[GYRE_CHANNEL_DEBUG_BYTES]; /* the debugger's bytes to the monitor, if it has GYRE_VM_DEBUG */
	uint8_t reserved[2048 - 3 * sizeof(struct gyre_channel_counts) - GYRE_CHANNEL_TEXT - GYRE_CHANNEL_DEBUG_BYTES];
	uint8_t to_monitor_data[GYRE_CHANNEL_TO_MONITOR]; /* console input, plain bytes */
	uint8_t to_root_data[GYRE_CHANNEL_TO_ROOT];
};
_Static_assert(sizeof(struct gyre_channel) == GYRE_CHANNEL_PAGES * 4096, "whole pages");

/* ---- what outlives a monitor, in tests of the saved state ---- */
struct gyre_recreation {
	uint64_t exits, recreations, random; /* so far; the state of the random numbers */
	uint64_t clock_offset;		     /* of the machine's clock from this host's TSC */
	uint64_t began;			     /* TSC when the last one began */
	uint64_t ticks, most;		     /* TSC ticks that all took, and the longest one */
	uint64_t stream_most;		     /* bytes of the longest stream */
	uint64_t moved;			     /* how often time had changed a device's line before it went on */
	uint32_t bytes;			     /* of the stream; 0: there is none */
	uint32_t reserved[13];
	uint8_t stream[GYRE_RECREATION_PAGES * 4096 - 128];
};
_Static_assert(sizeof(struct gyre_recreation) == GYRE_RECREATION_PAGES * 4096, "whole pages");

/* ---- messages to root's endpoint ---- */
#define GYRE_ROOT_RECREATE                                                                                             \
	2u /* GYRE_VM_RECREATE: the state is saved. Reply 0; the thread then waits for its end, and another monitor goes on */
#define GYRE_ROOT_END                                                                                                  \
	1u /* w1 = enum gyre_end_reason, w2 = the guest's value or a GYRE_STATUS_; text in end_text. Reply 0; the thread then ends */

/*
 * What root adds to the counters of a vcpu in a COUNTERS frame: u64 each, in this order; bytes unless it says else.
 *   vm_bytes       of a VM beside its RAM: what its process uses of the core's pool, and its monitor's image, channel and memory of devices
 *   gyre_bytes     what Gyre keeps of the machine with this VM: the core's image, its whole pool (root's image lies in it), and the monitor
 *   image_bytes    boot modules, which are kept
 *   ipc            TSC ticks of a call and reply between two processes, if root was asked to measure them (measure=ipc); else 0
 *   frames_        of 4 KiB in the core's pool: used by the VM's process, used by all, in all
 */
#define GYRE_ROOT_FIGURES(F)                                                                                           \
	F(vm_bytes) F(gyre_bytes) F(image_bytes) F(ipc) F(frames_vm) F(frames_used) F(frames_total) F(core_image_bytes)

#define GYRE_ROOT_FIGURE(name) uint64_t name;
struct gyre_root_figures {
	GYRE_ROOT_FIGURES(GYRE_ROOT_FIGURE)
};
_Static_assert(sizeof(struct gyre_root_figures) == 64, "frame.h");

#endif
