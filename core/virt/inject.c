/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/inject.c: what a guest's processor is to take next: what an exit interrupted, what its monitor injects, NMIs, interrupts. In the order of APM
 * vol. 2, "Priorities" and SDM vol. 3, "Priority Among Simultaneous Exceptions and Interrupts". Plain code.
 */
#include "core/virt/vcpu.h"
#include "gyre/errors.h"

#define EXCEPTIONS_WITH_ERROR 0x60227d00u /* 8, 10 to 14, 17, 21, 29, 30 */

int inject_check(uint32_t event, uint32_t error, uint32_t length)
{
	uint32_t vector = GYRE_EVENT_VECTOR(event), type = event & 0x700;
	if ((event & GYRE_EVENT_VALID) == 0)
		return 0;
	if ((event & ~(GYRE_EVENT_VALID | GYRE_EVENT_ERROR | 0x7ffu)) != 0 || length > 15)
		return -GYRE_EINVAL;
	if ((event & GYRE_EVENT_ERROR) != 0 && (type != GYRE_EVENT_EXCEPTION || error > 0xffff))
		return -GYRE_EINVAL;
	switch (type) {
	case GYRE_EVENT_INTERRUPT:
	case GYRE_EVENT_SOFTWARE: return 0;
	case GYRE_EVENT_NMI: return vector == 2 ? 0 : -GYRE_EINVAL;
	case GYRE_EVENT_EXCEPTION:
		/* 2 is no exception, and 31 none yet; INT3 and INTO have kinds of their own, and are taken as hardware's, too. */
		if (vector == 2 || vector > 30)
			return -GYRE_EINVAL;
		if (((EXCEPTIONS_WITH_ERROR >> vector & 1) != 0) != ((event & GYRE_EVENT_ERROR) != 0))
			return -GYRE_EINVAL;
		return 0;
	case GYRE_EVENT_PRIVILEGED: return vector == 1 ? 0 : -GYRE_EINVAL;
	case GYRE_EVENT_SOFT_EXCEPTION: return vector == 3 || vector == 4 ? 0 : -GYRE_EINVAL;
	}
	return -GYRE_EINVAL;
}

void inject_again(struct vcpu *vcpu, uint32_t event, uint32_t error, uint32_t length)
{
	vcpu->event = event;
	vcpu->event_error = error;
	vcpu->event_length = length;
	vcpu->counters->reinjected++;
	COUNT(vcpu, CORE_REINJECT);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
}

static bool line_waits(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->page->extint_line, __ATOMIC_RELAXED) != 0 && vlapic_takes_extint(&vcpu->lapic);
}

bool inject_ends_halt(struct vcpu *vcpu, bool interrupts)
{
	if (vcpu->event != 0 || (vcpu->nmi_pending != 0 && !vcpu->nmi_blocked) || vcpu->pv_kicked)
		return true;
	return interrupts && (vlapic_deliverable(&vcpu->lapic) >= 0 || line_waits(vcpu));
}

/* INIT, SIPI, NMI. True: the first two are an exit. */
static bool take_signals(struct vcpu *vcpu)
{
	uint32_t signals = __atomic_exchange_n(&vcpu->lapic.signals, 0, __ATOMIC_SEQ_CST);
	if ((signals & VLAPIC_SIGNAL_NMI) != 0 && vcpu->nmi_pending < 2)
		vcpu->nmi_pending++;
	if ((signals & VLAPIC_SIGNAL_INIT) != 0) {
		bool bsp = (vcpu->lapic.base & APIC_BASE_BSP) != 0;
		/* A SIPI comes after the INIT that it belongs to. */
		if ((signals & VLAPIC_SIGNAL_SIPI) != 0)
			vlapic_signal(&vcpu->lapic, VLAPIC_SIGNAL_SIPI);
		vlapic_reset(&vcpu->lapic);
		vcpu->event = 0;
		vcpu->nmi_pending = 0;
		vcpu->nmi_blocked = false;
		vcpu->pv_kicked = false;
		vcpu->activity = bsp ? VCPU_RUNNING : VCPU_WAITS_FOR_SIPI;
		vcpu_to_monitor(vcpu, GYRE_EXIT_INIT, 0, 0, 0, 0);
		return true;
	}
	if ((signals & VLAPIC_SIGNAL_SIPI) != 0 && vcpu->activity == VCPU_WAITS_FOR_SIPI) {
		vcpu_to_monitor(
			vcpu, GYRE_EXIT_SIPI, 0, __atomic_load_n(&vcpu->lapic.sipi_vector, __ATOMIC_RELAXED), 0, 0);
		return true;
	}
	return false;
}

/* One interrupt, if the guest takes one now: true: an exit asks the monitor for the vector. */
static bool take_interrupt(struct vcpu *vcpu, bool open, struct inject *inject)
{
	int vector = vcpu->lapic.delivers ? -1 : vlapic_deliverable(&vcpu->lapic);
	bool line = line_waits(vcpu);
	if (vector < 0 && !line)
		return false;
	if (!open || inject->event != 0) {
		inject->want_interrupt = true;
		return false;
	}
	if (line) {
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS); /* the local APIC's turn comes after it */
		vcpu_to_monitor(vcpu, GYRE_EXIT_EXTINT, 0, 0, 0, 0);
		return true;
	}
	vlapic_accept(&vcpu->lapic, (uint32_t)vector);
	inject->event = GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | (uint32_t)vector;
	return false;
}

enum vcpu_next inject_next(struct vcpu *vcpu, struct inject_gate gate, struct inject *inject)
{
	*inject = (struct inject){0};
	vcpu_hazard_clear(vcpu, VCPU_HAZARD_EVENTS);
	if (vcpu->lapic.signals != 0 && take_signals(vcpu)) {
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
		return VCPU_MONITOR;
	}
	if (vcpu->lapic.eoi_vector != 0) {
		uint32_t vector = vcpu->lapic.eoi_vector;
		vcpu->lapic.eoi_vector = 0;
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
		return vcpu_to_monitor(vcpu, GYRE_EXIT_EOI, 0, vector, 0, 0);
	}
	if (vcpu->activity != VCPU_RUNNING) {
		if (vcpu->activity == VCPU_SHUT_DOWN)
			return vcpu_to_monitor(vcpu, GYRE_EXIT_TRIPLE_FAULT, 0, 0, 0, 0);
		if (vcpu->activity == VCPU_WAITS_FOR_SIPI || !inject_ends_halt(vcpu, gate.interrupt))
			return VCPU_HALT;
		vcpu->activity = VCPU_RUNNING;
		vcpu->pv_kicked = false;
	}
	if (vcpu->event != 0) {
		inject->event = vcpu->event;
		inject->error = vcpu->event_error;
		inject->length = vcpu->event_length;
		vcpu->event = 0;
		if ((inject->event & 0x700) == GYRE_EVENT_NMI)
			vcpu->nmi_blocked = true;
	}
	if (vcpu->nmi_pending != 0) {
		if (inject->event == 0 && gate.nmi && !vcpu->nmi_blocked) {
			inject->event = GYRE_EVENT_VALID | GYRE_EVENT_NMI | 2;
			vcpu->nmi_blocked = true;
			vcpu->nmi_pending--;
		}
		inject->want_nmi = vcpu->nmi_pending != 0;
	}
	if (take_interrupt(vcpu, gate.interrupt, inject))
		return VCPU_MONITOR;
	if (inject->event != 0)
		vcpu->counters->injected++;
	return VCPU_AGAIN;
}
