/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/msr.h: the MSRs that the core leaves to the monitor: those without an effect on the processor that runs the guest.
 */
#ifndef MONITOR_MACHINE_MSR_H
#define MONITOR_MACHINE_MSR_H

#include <stdint.h>
#include "monitor/save/stream.h"

#define MSR_VARIABLE_MTRRS 8u

struct msr_state {
	uint64_t mtrr_default;
	uint64_t mtrr_fixed[11];
	uint64_t mtrr_variable[2 * MSR_VARIABLE_MTRRS]; /* base, mask, base, ... */
	uint64_t hwcr;
	uint64_t mcg_status;
	uint64_t misc_enable;
};

struct machine;
void msr_reset(struct machine *machine);
/* 0, or -1: #GP. */
int msr_read(struct machine *machine, uint32_t index, uint64_t *value);
int msr_write(struct machine *machine, uint32_t index, uint64_t value);

/* The saved form of a struct msr_state, and whether one that was read can be. */
void msr_fields(struct save *save, void *msr);
int msr_valid(struct machine *machine, const struct msr_state *msr);

#endif
