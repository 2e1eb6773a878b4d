/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/lapic.h: the host's local APIC, by memory or by MSR. (That of a guest is core/virt's.)
 */
#ifndef CORE_X86_LAPIC_H
#define CORE_X86_LAPIC_H

#include <stdint.h>

enum lapic_register {
	LAPIC_ID = 0x20,
	LAPIC_TPR = 0x80,
	LAPIC_EOI = 0xb0,
	LAPIC_SPURIOUS = 0xf0,
	LAPIC_ERROR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

struct cpu;

void lapic_init(struct cpu *cpu);
uint32_t lapic_read(enum lapic_register reg);
void lapic_write(enum lapic_register reg, uint32_t value);
void lapic_ipi(uint32_t apic_id, uint32_t vector);

#endif
