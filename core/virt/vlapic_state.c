/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_state.c: a guest's local APIC in its saved form: the register page, APIC_BASE, and what is left of the timer.
 */
#include "core/virt/vlapic.h"
#include "gyre/errors.h"
#include "gyre/vcpu.h"

void vlapic_state_get(struct vlapic *lapic, struct gyre_vcpu_state *state)
{
	if (lapic->timer_armed)
		vlapic_timer_fired(lapic); /* what is due is no part of what is left */
	state->apic_base = lapic->base;
	state->apic_errors = lapic->esr_pending;
	state->apic_eoi = lapic->eoi_vector;
	state->apic_lint0 = lapic->lint0_line;
	state->apic_reserved = 0;
	state->tsc_deadline = lapic->timer_deadline;
	state->apic_timer_left = 0;
	if (lapic->timer_armed && APIC_TIMER_MODE(VREG(lapic, APIC_LVT_TIMER)) < APIC_TIMER_DEADLINE) {
		state->apic_timer_left = (uint64_t)vlapic_timer_count(lapic) * vlapic_timer_divisor(lapic);
		if (state->apic_timer_left == 0)
			state->apic_timer_left = 1; /* due, and not yet fired */
	}
	vlapic_merge(lapic);
	for (uint32_t i = 0; i < 64; i++)
		state->apic[i] = VREG(lapic, i * 16);
}

/* -GYRE_EINVAL: no local APIC can be in this state. */
int vlapic_state_check(const struct vlapic *lapic, const struct gyre_vcpu_state *state, uint32_t physical_bits)
{
	const uint32_t *page = state->apic;
	if (!vlapic_base_legal(state->apic_base, physical_bits, true) ||
		page[APIC_ID / 16] != ((state->apic_base & APIC_BASE_X2APIC) != 0 ? lapic->id : lapic->id << 24))
		return -GYRE_EINVAL;
	if (((page[APIC_IRR / 16] | page[APIC_ISR / 16]) & 0xffff) != 0) /* vectors 0 to 15 */
		return -GYRE_EINVAL;
	return (state->apic_errors | state->apic_eoi) > 0xff || state->apic_lint0 > 1 ? -GYRE_EINVAL : 0;
}

/* After vlapic_state_check(). Bits that no register holds are dropped. */
void vlapic_state_set(struct vlapic *lapic, const struct gyre_vcpu_state *state)
{
	const uint32_t *page = state->apic;
	vlapic_reset(lapic);
	lapic->base = state->apic_base;
	lapic->esr_pending = state->apic_errors;
	lapic->eoi_vector = state->apic_eoi;
	lapic->lint0_line = state->apic_lint0;
	for (uint32_t i = 0; i < 64; i++)
		VREG(lapic, i * 16) = page[i] & vlapic_holds[i];
	VREG(lapic, APIC_DFR) |= 0x0fffffff;
	VREG(lapic, APIC_ESR) = page[APIC_ESR / 16] & 0xff;
	if (vlapic_x2apic(lapic))
		VREG(lapic, APIC_ICR_HIGH) = VREG(lapic, APIC_ICR + 4) = page[APIC_ICR_HIGH / 16];
	for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16) {
		VREG(lapic, lvt) &= ~0x1000u; /* delivery status: always idle */
		if ((VREG(lapic, APIC_SVR) & APIC_SVR_ENABLE) == 0)
			VREG(lapic, lvt) |= APIC_LVT_MASKED;
	}
	vlapic_identity(lapic);
	vlapic_merge(lapic);
	if (APIC_TIMER_MODE(VREG(lapic, APIC_LVT_TIMER)) == APIC_TIMER_DEADLINE)
		vlapic_deadline_write(lapic, state->tsc_deadline);
	else if (state->apic_timer_left != 0)
		vlapic_timer_resume(lapic, state->apic_timer_left);
	vlapic_notify(lapic);
}
