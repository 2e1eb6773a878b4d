/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/pvclock.h: the paravirtual clock that stock kernels know from KVM: a page in guest RAM says how to make nanoseconds of the TSC.
 */
#ifndef MONITOR_MACHINE_PVCLOCK_H
#define MONITOR_MACHINE_PVCLOCK_H

#include <stdint.h>

#define MSR_PV_WALL_CLOCK 0x4b564d00u
#define MSR_PV_CLOCK	  0x4b564d01u

struct machine;

/* Writes of the two MSRs; -1: #GP. */
int pvclock_wall(struct machine *machine, uint64_t value);
int pvclock_system(struct machine *machine, uint64_t value);
/* The page is written anew: the guest's TSC was changed, or the VM was stopped for a while. */
void pvclock_update(struct machine *machine);

#endif
