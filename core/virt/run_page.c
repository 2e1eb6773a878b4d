/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/run_page.c: what a monitor asks for when it calls vcpu_run. The page can change at any time: each field is read once, checked, and then used.
 * Nothing here trusts it: a monitor can break its own guest, and nothing else.
 */
#include "core/virt/vcpu_ops.h"

#define ENTRY_FLAGS                                                                                                    \
	(GYRE_ENTRY_COMPLETED | GYRE_ENTRY_EXTINT | GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_APIC_READ | GYRE_ENTRY_SINGLE | \
		GYRE_ENTRY_NO_RUN)

#define FETCH_ONCE(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Anything out of the ordinary: -GYRE_EINVAL where it makes no sense. */
static int take_special(struct vcpu *vcpu, uint32_t flags, uint32_t event)
{
	struct gyre_vcpu_page *page = vcpu->page;
	uint32_t error = FETCH_ONCE(page->event_error), length = FETCH_ONCE(page->event_length);
	uint32_t vector = FETCH_ONCE(page->extint_vector), offset = FETCH_ONCE(page->apic_register),
		 gpr = FETCH_ONCE(page->apic_gpr);
	if ((flags & ~ENTRY_FLAGS) != 0 || ((flags & GYRE_ENTRY_EXTINT) != 0 && (vector > 255 || event != 0)))
		return -GYRE_EINVAL;
	if ((flags & (GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_APIC_READ)) != 0 && (offset > 0xfff || gpr >= GYRE_GPRS))
		return -GYRE_EINVAL;
	if (inject_check(event, error, length) < 0)
		return -GYRE_EINVAL;
	if ((flags & GYRE_ENTRY_APIC_WRITE) != 0)
		vlapic_mmio_write(&vcpu->lapic, offset, FETCH_ONCE(page->apic_value));
	if ((flags & GYRE_ENTRY_APIC_READ) != 0)
		page->gpr[gpr] = vlapic_mmio_read(&vcpu->lapic, offset);
	if ((flags & GYRE_ENTRY_EXTINT) != 0)
		vcpu_event_set(vcpu, GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | vector, 0);
	else if (event != 0)
		vcpu_event_set(vcpu, event, error);
	else
		vcpu->event = 0;
	vcpu->event_length = (flags & GYRE_ENTRY_EXTINT) != 0 ? 0 : length;
	vcpu->single = (flags & GYRE_ENTRY_SINGLE) != 0;
	if ((flags & GYRE_ENTRY_NO_RUN) != 0)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_KICK);
	if (vcpu->activity != VCPU_RUNNING)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	return 0;
}

int run_page_take(struct cpu *cpu, struct vcpu *vcpu)
{
	struct gyre_vcpu_page *page = vcpu->page;
	uint32_t flags = FETCH_ONCE(page->entry_flags), event = FETCH_ONCE(page->event),
		 line = FETCH_ONCE(page->extint_line);
	int error;
	(void)cpu;
	if ((event & GYRE_EVENT_VALID) == 0)
		event = 0;
	if (__builtin_expect(((flags & ~GYRE_ENTRY_COMPLETED) | event) != 0 || vcpu->unusual != 0, 0)) {
		if ((error = take_special(vcpu, flags, event)) < 0)
			return error;
	}
	if ((line != 0) != (vcpu->lapic.lint0_line != 0)) {
		vlapic_lint0(&vcpu->lapic, line);
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	}
	if (flags != 0)
		page->entry_flags = 0;
	vcpu_ops->take(vcpu, (flags & GYRE_ENTRY_COMPLETED) != 0);
	return 0;
}
