/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic.c: a guest's local APIC from its creation on; what it is after a reset and after INIT.
 */
#include "core/virt/vlapic.h"
#include "lib/string.h"

/* SDM vol. 3, "Local APIC State After Power-Up or Reset" and "After an INIT Reset". */
void vlapic_reset(struct vlapic *lapic)
{
	vlapic_timer_stop(lapic);
	memset(lapic->irr, 0, sizeof(lapic->irr));
	memset(lapic->isr, 0, sizeof(lapic->isr));
	memset(lapic->tmr, 0, sizeof(lapic->tmr));
	lapic->irr_words = 0;
	lapic->isr_words = 0;
	lapic->tpr = 0;
	lapic->ldr = 0;
	lapic->dfr = 0xffffffff;
	lapic->svr = 0xff;
	lapic->esr = 0;
	lapic->esr_pending = 0;
	lapic->icr = 0;
	lapic->icr_high = 0;
	for (int i = 0; i < VLAPIC_LVTS; i++)
		lapic->lvt[i] = APIC_LVT_MASKED;
	lapic->eoi_vector = 0;
	lapic->timer_initial = 0;
	lapic->timer_divide = 0;
	lapic->timer_start = 0;
	lapic->timer_deadline = 0;
}

void vlapic_init(struct vlapic *lapic, struct vlapic_bus *bus, uint32_t id, bool bsp)
{
	memset(lapic, 0, sizeof(*lapic));
	lapic->bus = bus;
	lapic->id = id;
	lapic->base = APIC_BASE_DEFAULT | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0);
	lapic->timer_khz = 1000;
	lapic->tsc_khz = 1000;
	vlapic_reset(lapic);
}
