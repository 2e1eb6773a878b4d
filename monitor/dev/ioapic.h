/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_IOAPIC_H
#define MONITOR_DEV_IOAPIC_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define IOAPIC_STATE_VERSION 1u
#define IOAPIC_PINS	     24u
#define IOAPIC_BASE	     0xfec00000ull

struct ioapic_state {
	uint64_t redirection[IOAPIC_PINS];
	uint32_t lines; /* levels of the inputs */
	uint8_t id, select, reserved[2];
};

struct ioapic {
	struct ioapic_state state;
};

void ioapic_init(struct ioapic *ioapic, struct bus *bus);
struct device ioapic_device(struct ioapic *ioapic);
void ioapic_set(void *ioapic, unsigned pin, int level);
/* A local APIC's EOI of a level-triggered vector. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

#endif
