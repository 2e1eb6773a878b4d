/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/lines.h: interrupt lines between devices and the two kinds of interrupt controllers.
 *
 * Numbers 0 to 15 are the ISA bus's: each goes to its PIC and to the I/O APIC's pin of the same number, but for 0, which is wired to pin 2 (as the MADT
 * says). Numbers from 16 on are pins of the I/O APIC alone.
 */
#ifndef MONITOR_MACHINE_LINES_H
#define MONITOR_MACHINE_LINES_H

#include <stdint.h>
#include "monitor/dev/ioapic.h"
#include "monitor/dev/pic8259.h"

struct lines {
	struct pic8259 *pic;
	struct ioapic *ioapic;
	uint32_t level; /* of each line; rebuilt by the devices when state is restored */
};

static inline void lines_set(void *context, unsigned number, int level)
{
	struct lines *lines = context;
	if (number >= IOAPIC_PINS || (lines->level >> number & 1) == (unsigned)level)
		return;
	lines->level ^= 1u << number;
	if (number < 16)
		pic_set(lines->pic, number, level);
	ioapic_set(lines->ioapic, number == 0 ? 2 : number, level);
}

#endif
