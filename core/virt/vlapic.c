/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic.c: a guest's local APIC from its creation on; what it is after a reset and after INIT.
 */
#include "core/virt/vlapic.h"
#include "lib/string.h"

void vlapic_identity(struct vlapic *lapic)
{
	bool x2apic = vlapic_x2apic(lapic);
	VREG(lapic, APIC_ID) = x2apic ? lapic->id : lapic->id << 24;
	VREG(lapic, APIC_VERSION) = APIC_VERSION_VALUE;
	if (x2apic)
		VREG(lapic, APIC_LDR) = (lapic->id >> 4) << 16 | 1u << (lapic->id & 15);
}

/* SDM vol. 3, "Local APIC State After Power-Up or Reset" and "After an INIT Reset". */
void vlapic_reset(struct vlapic *lapic)
{
	vlapic_timer_stop(lapic);
	memset(lapic->page, 0, 64 * 16); /* registers; nothing is ever written behind them */
	memset(lapic->posted, 0, sizeof(lapic->posted));
	lapic->posted_words = 0;
	lapic->rvi = 0;
	lapic->svi = 0;
	lapic->esr_pending = 0;
	lapic->eoi_vector = 0;
	lapic->timer_deadline = 0;
	VREG(lapic, APIC_DFR) = 0xffffffff;
	VREG(lapic, APIC_SVR) = 0xff;
	for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
		VREG(lapic, lvt) = APIC_LVT_MASKED;
	vlapic_identity(lapic);
}

void vlapic_init(struct vlapic *lapic, void *page, struct vlapic_bus *bus, uint32_t id, bool bsp)
{
	memset(lapic, 0, sizeof(*lapic));
	lapic->page = page;
	lapic->bus = bus;
	lapic->id = id;
	lapic->base = APIC_BASE_DEFAULT | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0);
	lapic->timer_khz = 1000;
	lapic->tsc_khz = 1000;
	vlapic_reset(lapic);
}
