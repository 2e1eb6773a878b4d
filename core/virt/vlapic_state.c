/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_state.c: a guest's local APIC in its saved form: the register page, APIC_BASE, and what is left of the timer.
 */
#include "core/virt/vlapic.h"
#include "gyre/errors.h"
#include "gyre/vcpu.h"
#include "lib/string.h"

void vlapic_registers(const struct vlapic *lapic, uint32_t page[64])
{
	bool x2apic = vlapic_x2apic(lapic);
	memset(page, 0, 64 * sizeof(page[0]));
	page[APIC_ID / 16] = x2apic ? lapic->id : lapic->id << 24;
	page[APIC_VERSION / 16] = APIC_VERSION_VALUE;
	page[APIC_TPR / 16] = lapic->tpr;
	page[APIC_PPR / 16] = vlapic_ppr(lapic);
	page[APIC_LDR / 16] = x2apic ? (lapic->id >> 4) << 16 | 1u << (lapic->id & 15) : lapic->ldr;
	page[APIC_DFR / 16] = lapic->dfr;
	page[APIC_SVR / 16] = lapic->svr;
	for (int i = 0; i < 8; i++) {
		page[APIC_ISR / 16 + i] = lapic->isr[i];
		page[APIC_TMR / 16 + i] = lapic->tmr[i];
		page[APIC_IRR / 16 + i] = lapic->irr[i];
	}
	page[APIC_ESR / 16] = lapic->esr;
	page[APIC_ICR / 16] = lapic->icr;
	page[APIC_ICR_HIGH / 16] = lapic->icr_high;
	for (int i = 0; i < VLAPIC_LVTS; i++)
		page[APIC_LVT_TIMER / 16 + i] = lapic->lvt[i];
	page[APIC_TIMER_INITIAL / 16] = lapic->timer_initial;
	page[APIC_TIMER_DIVIDE / 16] = lapic->timer_divide;
}

void vlapic_state_get(const struct vlapic *lapic, struct gyre_vcpu_state *state)
{
	state->apic_base = lapic->base;
	state->tsc_deadline = vlapic_deadline_read(lapic);
	state->apic_timer_left = 0;
	if (lapic->timer_armed && APIC_TIMER_MODE(lapic->lvt[0]) < APIC_TIMER_DEADLINE) {
		state->apic_timer_left = (uint64_t)vlapic_timer_count(lapic) * vlapic_timer_divisor(lapic);
		if (state->apic_timer_left == 0)
			state->apic_timer_left = 1; /* due, and not yet fired */
	}
	vlapic_registers(lapic, state->apic);
}

/* -GYRE_EINVAL: no local APIC can be in this state. */
int vlapic_state_check(const struct vlapic *lapic, const struct gyre_vcpu_state *state, uint32_t physical_bits)
{
	uint64_t legal = (((1ull << physical_bits) - 1) & ~0xfffull) | APIC_BASE_BSP | APIC_BASE_ENABLE |
			 APIC_BASE_X2APIC;
	uint64_t mode = state->apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	const uint32_t *page = state->apic;
	if ((state->apic_base & ~legal) != 0 || mode == APIC_BASE_X2APIC)
		return -GYRE_EINVAL;
	if (page[APIC_ID / 16] != (mode == (APIC_BASE_ENABLE | APIC_BASE_X2APIC) ? lapic->id : lapic->id << 24))
		return -GYRE_EINVAL;
	if ((page[APIC_IRR / 16] & 0xffff) != 0 || (page[APIC_ISR / 16] & 0xffff) != 0)
		return -GYRE_EINVAL; /* vectors 0 to 15 */
	return 0;
}

/* After vlapic_state_check(). Bits that no register holds are dropped. */
void vlapic_state_set(struct vlapic *lapic, const struct gyre_vcpu_state *state)
{
	const uint32_t *page = state->apic;
	vlapic_timer_stop(lapic);
	lapic->base = state->apic_base;
	lapic->tpr = page[APIC_TPR / 16] & 0xff;
	lapic->ldr = page[APIC_LDR / 16] & 0xff000000;
	lapic->dfr = page[APIC_DFR / 16] | 0x0fffffff;
	lapic->svr = page[APIC_SVR / 16] & 0x3ff;
	lapic->isr_words = 0;
	lapic->irr_words = 0;
	for (int i = 0; i < 8; i++) {
		lapic->isr[i] = page[APIC_ISR / 16 + i];
		lapic->tmr[i] = page[APIC_TMR / 16 + i];
		lapic->irr[i] = page[APIC_IRR / 16 + i];
		lapic->isr_words |= (lapic->isr[i] != 0) << i;
		lapic->irr_words |= (lapic->irr[i] != 0) << i;
	}
	lapic->esr = page[APIC_ESR / 16] & 0xff;
	lapic->esr_pending = 0;
	lapic->icr = page[APIC_ICR / 16] & 0xccfff & ~0x1000u;
	lapic->icr_high = page[APIC_ICR_HIGH / 16];
	for (int i = 0; i < VLAPIC_LVTS; i++) {
		uint32_t lvt = page[APIC_LVT_TIMER / 16 + i] & 0x7e7ff;
		lapic->lvt[i] = (lapic->svr & APIC_SVR_ENABLE) != 0 ? lvt : lvt | APIC_LVT_MASKED;
	}
	lapic->timer_initial = page[APIC_TIMER_INITIAL / 16];
	lapic->timer_divide = page[APIC_TIMER_DIVIDE / 16] & 0xb;
	lapic->timer_deadline = 0;
	lapic->eoi_vector = 0;
	if (APIC_TIMER_MODE(lapic->lvt[0]) == APIC_TIMER_DEADLINE) {
		vlapic_deadline_write(lapic, state->tsc_deadline);
	} else if (state->apic_timer_left != 0 && lapic->timer_initial != 0) {
		vlapic_timer_resume(lapic, state->apic_timer_left);
	}
	vlapic_notify(lapic);
}
