/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/lapic.c: see lapic.h. SDM vol. 3, "Advanced Programmable Interrupt Controller"; APM vol. 2, the same.
 */
#include "core/x86/lapic.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/io.h"
#include "core/x86/irq.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/paging.h"

#define LVT_NMI	    0x400
#define ICR_PENDING 0x1000
#define ICR_ASSERT  0x4000
#define PATIENCE    1000000
#define PIC_MASTER  0x21 /* their masks. Intel 8259A data sheet */
#define PIC_SLAVE   0xa1

SEALED static bool x2apic;
SEALED static volatile uint8_t *page;

uint32_t lapic_read(enum lapic_register reg)
{
	return x2apic ? (uint32_t)msr_read(MSR_X2APIC + reg / 16) : mmio_read32(page + reg);
}

void lapic_write(enum lapic_register reg, uint32_t value)
{
	if (x2apic)
		msr_write(MSR_X2APIC + reg / 16, value);
	else
		mmio_write32(page + reg, value);
}

void lapic_ipi(uint32_t apic_id, uint32_t vector)
{
	if (x2apic) {
		/* A WRMSR to the ICR is not ordered behind earlier stores that the other side is to see. SDM vol. 3, "MSR Access in x2APIC Mode". */
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(MSR_X2APIC + APIC_ICR / 16, (uint64_t)apic_id << 32 | ICR_ASSERT | vector);
		return;
	}
	for (uint32_t i = 0; (lapic_read(APIC_ICR) & ICR_PENDING) && i < PATIENCE; i++)
		cpu_pause();
	lapic_write(APIC_ICR_HIGH, apic_id << 24);
	lapic_write(APIC_ICR, ICR_ASSERT | vector);
}

void lapic_init(struct cpu *cpu)
{
	/* The PICs are masked for good, while LINT0 is as it was: what waits there would be announced for ever, and never taken. */
	io_write8(PIC_MASTER, 0xff);
	io_write8(PIC_SLAVE, 0xff);
	uint64_t base = msr_read(MSR_APIC_BASE);
	/* Never off and on again: some processors do not come back from that. */
	if (!(base & APIC_BASE_ENABLE))
		msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	x2apic = (base & APIC_BASE_X2APIC) || cpu_features.x2apic;
	if (x2apic)
		msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	else if (page == NULL && (page = mmio_map(hpa(base & FRAME_BITS), PAGE_SIZE, MEMORY_UNCACHED)) == NULL)
		panic("the local APIC at 0x%lx cannot be mapped", base & FRAME_BITS);
	cpu->apic_id = x2apic ? lapic_read(APIC_ID) : lapic_read(APIC_ID) >> 24;
	lapic_write(APIC_TPR, 0);
	lapic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	lapic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
	/* Thermal, performance and corrected-error entries stay: masked by reset, or in use by firmware, for SMIs of its own. */
	/* As PCs have them: the PICs, which are masked, and the NMI of a button or a chip set error. */
	lapic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
	lapic_write(APIC_LVT_LINT1, LVT_NMI);
	lapic_write(APIC_ESR, 0);
	lapic_write(APIC_LVT_ERROR, VECTOR_ERROR);
	/* What firmware or a loader left in service would keep everything below from coming: at most one per vector. */
	for (uint32_t vector = 0; vector < 256; vector++)
		lapic_write(APIC_EOI, 0);
}
