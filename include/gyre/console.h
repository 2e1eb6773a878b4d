/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/console.h: what root and the console service share, on a machine that has COM1 alone and several VMs. The core knows nothing of it. Root maps
 * all of it into the service before that runs; its thread finds the start block's address in RDI.
 *
 * Trust   Each side takes what the other writes as hostile: the service has every VM's bytes to parse. It is trusted with these bytes, COM1, and no more.
 * Waking  Root signals the service's event with GYRE_CONSOLE_INPUT; the service root's with GYRE_ROOT_EVENT_CHANNEL (channel.h). Both are hints.
 * Flow    Root sends no more of a VM than GYRE_CONSOLE_WINDOW beyond what the service counts as taken for it. The service takes everything at once but what
 *	   the shown VM is ahead of the line. So a VM waits for the line when it is shown, and no other does.
 */
#ifndef GYRE_CONSOLE_H
#define GYRE_CONSOLE_H

#include <stdint.h>
#include "gyre/channel.h"
#include "gyre/config.h"

#define GYRE_CONSOLE_MAGIC	     0x4f435947u /* "GYCO" */
#define GYRE_CONSOLE_HISTORY_ADDRESS 0x10000000ull
#define GYRE_CONSOLE_HISTORY	     (256u * 1024u) /* bytes of each VM's history, one behind the other */
#define GYRE_CONSOLE_WINDOW	     8192u

/* Bits of the service's event. */
#define GYRE_CONSOLE_COM1  0u
#define GYRE_CONSOLE_INPUT 1u /* something in the ring to the service */
#define GYRE_CONSOLE_TIMER 2u /* its own */

/* At GYRE_START_ADDRESS, GYRE_START_PAGES, read-only for the service. */
struct gyre_console_start {
	uint32_t magic, vms;
	uint32_t event;	     /* handles: WAIT, MANAGE, SIGNAL */
	uint32_t event_root; /* SIGNAL */
	uint32_t interrupt;  /* of COM1: MANAGE, WAIT */
	uint32_t reserved;
	char name[GYRE_CONFIG_VMS][GYRE_NAME_BYTES];
};
_Static_assert(sizeof(struct gyre_console_start) <= GYRE_START_PAGES * 4096, "fits");

/* In both rings: header, then length bytes; whole packets only. */
struct gyre_console_packet {
	uint8_t type; /* GYRE_FRAME_CONSOLE: bytes; to the service also GYRE_FRAME_EXIT: the VM has ended, with text */
	uint8_t vm;
	uint16_t length; /* at most GYRE_FRAME_DATA, to root GYRE_CONSOLE_TYPED */
};
#define GYRE_CONSOLE_TYPED 256u

/* At GYRE_CHANNEL_ADDRESS, GYRE_CHANNEL_PAGES. */
struct gyre_console_channel {
	struct gyre_channel_counts to_service, to_root;
	uint32_t taken[GYRE_CONFIG_VMS]; /* bytes of each VM that the service has done with, modulo 2^32 */
	uint8_t reserved[2048 - 2 * sizeof(struct gyre_channel_counts) - 4 * GYRE_CONFIG_VMS];
	uint8_t to_root_data[2048];
	uint8_t to_service_data[16384];
};
_Static_assert(sizeof(struct gyre_console_channel) == GYRE_CHANNEL_PAGES * 4096, "whole pages");

#endif
