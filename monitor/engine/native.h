/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/engine/native.h: inside the engine on Gyre's core. native.c has memory, processors and events, native_console.c the serial line,
 * native_channel.c what goes to root, main_native.c the start.
 */
#ifndef MONITOR_ENGINE_NATIVE_H
#define MONITOR_ENGINE_NATIVE_H

#include "lib/calls.h"
#include "lib/random.h"
#include "lib/ring.h"
#include "gyre/channel.h"
#include "monitor/engine/engine.h"

/* The monitor's address space: vcpu pages below the image, files behind it, guest RAM from 1 GiB on, so that all share one table of the
 * upper levels. Files that do not fit below RAM lie above all of it. */
#define NATIVE_VCPU_ADDRESS 0x40000ull
#define NATIVE_VCPUS	    64u
#define NATIVE_FILES	    0x1000000ull
#define NATIVE_RAM	    0x40000000ull
#define NATIVE_FILES_HIGH   0x100000000000ull
_Static_assert(NATIVE_VCPU_ADDRESS + NATIVE_VCPUS * GYRE_VCPU_PAGES * 4096ull <= 0x400000, "below the image");
_Static_assert(GYRE_CHANNEL_ADDRESS + GYRE_CHANNEL_PAGES * 4096ull <= GYRE_RECREATION_ADDRESS, "behind the channel");
_Static_assert(GYRE_RECREATION_ADDRESS + GYRE_RECREATION_PAGES * 4096ull <= NATIVE_VCPU_ADDRESS, "behind the channel");

/* Bits of the monitor's event: the engine's timer and doorbells have engine.h's numbers, the channel's are in gyre/channel.h. */
#define NATIVE_BIT_TIMER    0u
#define NATIVE_BIT_COM1	    8u
#define NATIVE_BIT_FLUSH    9u
#define NATIVE_BIT_DOORBELL 32u

struct native {
	const struct gyre_start *start;
	struct gyre_channel *channel;
	struct gyre_machine_info machine;
	handle_t vm;
	struct engine_vm *vm_given;
	int files_mapped;
	uint64_t extra_used;
	struct ring to_root, to_monitor, debug;
	struct random random;
	struct gyre_ram_window window[GYRE_RAM_WINDOWS]; /* RAM as it is mapped into the guest */
	uint32_t vcpus;
	const struct gyre_vcpu_counters *counters[NATIVE_VCPUS];
	struct engine_vcpu *traced;
};
extern struct native native;

/* native.c: maps RAM and files, makes the vm. 0, or a negative code with *what set to words. */
int native_init(const struct gyre_start *start, struct engine_vm *vm, const char **what);

/* native_channel.c */
void channel_init(void);
/* Waits for room: whole, or lost if root has broken the ring. */
void channel_send(uint8_t type, const void *data, size_t bytes, const void *more, size_t more_bytes);
/* Whether a packet with that many bytes would go out without waiting. */
int channel_room(size_t bytes);

/* native_console.c */
void console_init(void);
uint64_t console_events(uint64_t bits); /* what these bits of the event mean: ENGINE_EVENT_INPUT, _OUTPUT */
void console_flush(void);		/* everything is sent, or five seconds have passed */

#endif
