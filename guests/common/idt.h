/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/idt.h: gates of long mode. APM vol. 2, "Legacy and Long-Mode Descriptors"; SDM vol. 3, "64-Bit Mode IDT". */
#ifndef GUESTS_COMMON_IDT_H
#define GUESTS_COMMON_IDT_H

#include <stdint.h>

#define GATE_INTERRUPT 0x8e /* present, for ring 0 */
#define IDT_VECTORS    256

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "APM vol. 2, Interrupt-Gate and Trap-Gate Descriptors");

struct descriptor_table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* The selector is that of 64-bit code in each guest's GDT. */
static inline struct gate gate_to(const void *handler, uint8_t type, uint8_t ist)
{
	uint64_t address = (uint64_t)handler;

	return (struct gate){
		.offset_low = (uint16_t)address,
		.selector = 8,
		.ist = ist,
		.type = type,
		.offset_middle = (uint16_t)(address >> 16),
		.offset_high = (uint32_t)(address >> 32),
	};
}

static inline void idt_load(const struct gate *idt)
{
	const struct descriptor_table pointer = {IDT_VECTORS * sizeof(struct gate) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

#endif
