/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_PIC8259_H
#define MONITOR_DEV_PIC8259_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define PIC_STATE_VERSION 1u

struct pic_chip_state {
	uint8_t irr, isr, imr;
	uint8_t lines; /* levels of the inputs */
	uint8_t elcr;
	uint8_t base;	/* ICW2: vector of input 0 */
	uint8_t lowest; /* input that has the lowest priority now */
	uint8_t icw;	/* which initialization word comes next: 0 none, 2, 3, 4 */
	uint8_t icw1, icw4;
	uint8_t read_isr, poll, special_mask, rotate_aeoi;
};

struct pic_state {
	struct pic_chip_state chip[2]; /* master, slave */
};

struct pic8259 {
	struct pic_state state;
	struct line out; /* to the processor */
	int out_level;
};

void pic_init(struct pic8259 *pic, struct bus *bus, const struct line *out);
struct device pic_device(struct pic8259 *pic);
/* number: 0 to 15 */
void pic_set(void *pic, unsigned number, int level);
/* The processor's acknowledge cycles: the vector. */
uint8_t pic_acknowledge(struct pic8259 *pic);

#endif
