/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_timer.c: the timer of a guest's local APIC. SDM vol. 3, "APIC Timer" and "TSC-Deadline Mode".
 *
 * Nothing counts: the current count is computed from the TSC when it is asked for. The host's timer is set to the moment at which the interrupt is due,
 * and vlapic_timer_fired() looks again whether it is: a deadline that was moved or disarmed meanwhile does nothing.
 */
#include "core/virt/vlapic.h"
#include "core/x86/timer.h"

static uint32_t mode_of(const struct vlapic *lapic)
{
	return APIC_TIMER_MODE(VREG(lapic, APIC_LVT_TIMER));
}

uint32_t vlapic_timer_divisor(const struct vlapic *lapic)
{
	uint32_t divide = VREG(lapic, APIC_TIMER_DIVIDE), code = (divide & 3) | (divide >> 1 & 4);
	return code == 7 ? 1 : 2u << code;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* How long a count takes, in ticks of the TSC. At least 1. */
static uint64_t ticks_of(const struct vlapic *lapic)
{
	uint64_t count = (uint64_t)VREG(lapic, APIC_TIMER_INITIAL) * vlapic_timer_divisor(lapic);
	uint64_t ticks = muldiv(count, lapic->tsc_khz, lapic->timer_khz);
	uint64_t least = mode_of(lapic) == APIC_TIMER_PERIODIC ? (uint64_t)lapic->tsc_khz * VLAPIC_PERIOD_US / 1000 : 0;
	if (ticks < least)
		ticks = least;
	return ticks == 0 ? 1 : ticks;
}

/* The host's timer, for the end of the present count. */
static void set_end(struct vlapic *lapic)
{
	vlapic_timer_set(lapic, add_saturating(lapic->timer_start, ticks_of(lapic)));
}

static void fire(struct vlapic *lapic)
{
	uint32_t lvt = VREG(lapic, APIC_LVT_TIMER);
	if ((lvt & APIC_LVT_MASKED) != 0)
		return;
	if ((lvt & 0xff) < 16)
		vlapic_error(lapic, 0x40); /* received illegal vector */
	else
		vlapic_post(lapic, lvt & 0xff, false);
}

void vlapic_timer_stop(struct vlapic *lapic)
{
	if (lapic->timer_armed)
		vlapic_timer_set(lapic, VLAPIC_TSC_NEVER);
	lapic->timer_armed = false;
}

void vlapic_timer_start(struct vlapic *lapic)
{
	if (mode_of(lapic) >= APIC_TIMER_DEADLINE || VREG(lapic, APIC_TIMER_INITIAL) == 0) {
		vlapic_timer_stop(lapic);
		return;
	}
	lapic->timer_start = vlapic_host_tsc();
	lapic->timer_armed = true;
	set_end(lapic);
}

/* Of a saved timer: it began so long ago that `left` ticks of the undivided timer are left. */
void vlapic_timer_resume(struct vlapic *lapic, uint64_t left)
{
	uint64_t whole, rest = muldiv(left, lapic->tsc_khz, lapic->timer_khz);
	vlapic_timer_start(lapic);
	if (!lapic->timer_armed)
		return;
	whole = ticks_of(lapic);
	lapic->timer_start -= rest < whole ? whole - rest : 0;
	set_end(lapic);
}

uint32_t vlapic_timer_count(const struct vlapic *lapic)
{
	uint64_t elapsed, counted;
	if (!lapic->timer_armed || mode_of(lapic) >= APIC_TIMER_DEADLINE)
		return 0;
	elapsed = vlapic_host_tsc() - lapic->timer_start;
	if (mode_of(lapic) == APIC_TIMER_PERIODIC)
		elapsed %= ticks_of(lapic);
	counted = muldiv(elapsed, lapic->timer_khz, (uint64_t)lapic->tsc_khz * vlapic_timer_divisor(lapic));
	return counted >= VREG(lapic, APIC_TIMER_INITIAL) ? 0 : VREG(lapic, APIC_TIMER_INITIAL) - (uint32_t)counted;
}

/* Between one-shot and periodic the count goes on; to and from TSC-deadline mode disarms. */
void vlapic_timer_mode_changed(struct vlapic *lapic, uint32_t old_lvt)
{
	uint32_t old = APIC_TIMER_MODE(old_lvt), now = mode_of(lapic);
	if (old == now)
		return;
	if (old >= APIC_TIMER_DEADLINE || now >= APIC_TIMER_DEADLINE) {
		vlapic_timer_stop(lapic);
		lapic->timer_deadline = 0;
		VREG(lapic, APIC_TIMER_INITIAL) = 0;
	} else if (lapic->timer_armed) {
		/* The shortest period may apply now, or no longer. */
		set_end(lapic);
	}
}

/* Sets the host's timer for a deadline in the guest's TSC; one that has passed fires here and now. */
static void deadline_arm(struct vlapic *lapic)
{
	uint64_t now = vlapic_host_tsc(), guest_now = now + lapic->tsc_offset;
	if (lapic->timer_deadline <= guest_now) {
		vlapic_timer_stop(lapic);
		lapic->timer_deadline = 0;
		fire(lapic);
		return;
	}
	lapic->timer_armed = true;
	vlapic_timer_set(lapic, add_saturating(now, lapic->timer_deadline - guest_now));
}

void vlapic_deadline_write(struct vlapic *lapic, uint64_t guest_tsc)
{
	if (mode_of(lapic) != APIC_TIMER_DEADLINE)
		return;
	lapic->timer_deadline = guest_tsc;
	if (guest_tsc == 0)
		vlapic_timer_stop(lapic);
	else
		deadline_arm(lapic);
}

void vlapic_timer_fired(struct vlapic *lapic)
{
	uint64_t now = vlapic_host_tsc(), period;
	if (!lapic->timer_armed)
		return;
	if (mode_of(lapic) == APIC_TIMER_DEADLINE) {
		deadline_arm(lapic);
		return;
	}
	period = ticks_of(lapic);
	if (now < add_saturating(lapic->timer_start, period)) {
		set_end(lapic);
		return;
	}
	if (mode_of(lapic) == APIC_TIMER_PERIODIC) {
		/* Ticks that were missed altogether are one, as in a real IRR; the next is where it would have been. */
		lapic->timer_start += (now - lapic->timer_start) / period * period;
		set_end(lapic);
	} else {
		lapic->timer_armed = false;
	}
	fire(lapic);
}

/* The guest's TSC was set: a deadline is in that. The other modes don't know the TSC. */
void vlapic_tsc_changed(struct vlapic *lapic, uint64_t offset)
{
	lapic->tsc_offset = offset;
	if (lapic->timer_armed && mode_of(lapic) == APIC_TIMER_DEADLINE)
		deadline_arm(lapic);
}
