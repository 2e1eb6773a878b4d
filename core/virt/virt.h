/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/virt.h: hardware virtualization of this machine: whether it is there, and what of it is used.
 */
#ifndef CORE_VIRT_VIRT_H
#define CORE_VIRT_VIRT_H

#include "gyre/boot.h"
#include <stdint.h>

struct cpu;

/* Once at boot, when the frame pool is there and before root starts. Without virtualization the machine runs on; vm_create says -GYRE_ENODEV. */
void virt_init(struct cpu *cpu);

extern enum gyre_virt_reason virt_reason; /* GYRE_VIRT_OK: it is there */
extern uint64_t virt_features;		  /* GYRE_FEATURE_, those in use */

/* Another process's thread is to run: what belongs to a guest leaves the processor (FPU, debug registers, and by a barrier what it trained). One test
 * when there is nothing. */
void virt_leave(struct cpu *cpu);

/* On the way to a vendor's own registers of a guest that stay in the processor between its exits, something has changed them: a page fault, CR2. */
void virt_disturbed(struct cpu *cpu);

#endif
