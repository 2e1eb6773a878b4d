/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/lapic.h: the host's local APIC, by memory or by MSR. (That of a guest is core/virt's.)
 */
#ifndef CORE_X86_LAPIC_H
#define CORE_X86_LAPIC_H

#include <stdint.h>

/* Offsets in the xAPIC page; as an MSR, 0x800 + offset / 16. A guest's has the same. */
/* clang-format off */
enum lapic_register {
	APIC_ID = 0x020, APIC_VERSION = 0x030, APIC_TPR = 0x080, APIC_APR = 0x090, APIC_PPR = 0x0a0, APIC_EOI = 0x0b0,
	APIC_LDR = 0x0d0, APIC_DFR = 0x0e0, APIC_SVR = 0x0f0, APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200,
	APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_LVT_TIMER = 0x320, APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PERFORMANCE = 0x340, APIC_LVT_LINT0 = 0x350, APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380, APIC_TIMER_CURRENT = 0x390, APIC_TIMER_DIVIDE = 0x3e0, APIC_SELF_IPI = 0x3f0,
};
/* clang-format on */

#define APIC_SVR_ENABLE 0x100u
#define APIC_LVT_MASKED 0x10000u

/* MSR 0x1b */
#define APIC_BASE_X2APIC 0x400ull
#define APIC_BASE_ENABLE 0x800ull

struct cpu;

void lapic_init(struct cpu *cpu);
uint32_t lapic_read(enum lapic_register reg);
void lapic_write(enum lapic_register reg, uint32_t value);
void lapic_ipi(uint32_t apic_id, uint32_t vector);

#endif
