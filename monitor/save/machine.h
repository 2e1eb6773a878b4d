/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/save/machine.h: a whole VM but for its RAM, to a stream and back. docs/saved-state.md has the sections.
 *
 * Saving     After any exit (engine_run has returned), answered or not: the instruction of one that was not is made again. Exits that are trap-like
 *            (gyre/vcpu.h) are answered first.
 * Restoring  Into a machine that is built and has not run, by a clock that the stream has set. All of the stream is read and checked before anything else
 *            changes; what the core alone can check comes first then. An error leaves a machine that must not run, and says why.
 * Times      The clock of the machine goes on: with host_offset, of the same TSC of the same host, as if nothing had happened; without it from where it stood.
 */
#ifndef MONITOR_SAVE_MACHINE_H
#define MONITOR_SAVE_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include "monitor/save/stream.h"

struct machine;
#define MACHINE_VERSION 1u /* of the section "machine", which has the interrupt lines */

/* How long the stream is; 0: the buffer is too small, or the core does not give the state. */
size_t machine_save(struct machine *machine, void *buffer, size_t bytes);
/* Without a checksum: for machine_same(). */
size_t machine_save_quick(struct machine *machine, void *buffer, size_t bytes);

/* First: opens the stream and sets the machine's clock; *tsc_ahead is how far the guest's TSC is before machine time. host_offset 0: another host. */
int machine_restore_begin(struct machine *machine, const void *data, size_t bytes, uint64_t host_offset,
	int64_t *tsc_ahead, const char **why);
/* Then, when everything is built: its state is the saved one. */
int machine_restore(struct machine *machine, const char **why);
/* And last: lines and timers follow the devices' states, and what has happened to them by time alone since they were saved. */
void machine_resume(struct machine *machine);

/*
 * Whether two streams of one VM, the second made after the first and with no step of the guest between, say the same but for the time: NULL, or the name of
 * the first section that differs, and where. A timer that has run out meanwhile is one that has.
 */
const char *machine_same(const void *first, size_t first_bytes, const void *second, size_t second_bytes);
/* The same where machine_resume() came between, but for devices to which something has happened by time. "": to the lines, so that nothing can be said. */
const char *machine_same_resumed(const void *first, size_t first_bytes, const void *second, size_t second_bytes);

#endif
