/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/apicv.c: a guest's local APIC as the processor runs it, on the page that has its registers. SDM vol. 3, "APIC Virtualization and Virtual
 * Interrupts". Plain code.
 *
 * In x2APIC mode, where the processor can: it reads registers, takes TPR, EOI and self IPIs, and delivers what IRR has, all without an exit. Nothing else may
 * touch the page meanwhile, so what others post makes the guest leave, as ever, and is put into the page then. The EOI of a level's vector is an exit. While
 * the local APIC is disabled, or in xAPIC mode, common code runs it: docs/decisions has why there is no APIC-access page.
 * The TPR shadow works in all modes: CR8 is the page's TPR. A TPR that holds something back is watched by the threshold.
 */
#include "core/virt/vmx/vmx.h"

/* A set bit is an exit. The current count is computed; a write of anything else has effects that the processor leaves to software. */
void vmx_apic_bitmap(uint8_t *bitmap)
{
	uint64_t *read = (uint64_t *)(bitmap + MSR_X2APIC / 8), *write = read + 0x800 / 8;
	*read = ~(VLAPIC_READABLE & ~(1ull << APIC_TIMER_CURRENT / 16));
	*write = ~(1ull << APIC_TPR / 16 | 1ull << APIC_EOI / 16 | 1ull << APIC_SELF_IPI / 16);
}

void vmx_apic_take(struct vmx_vcpu *v)
{
	struct vlapic *lapic = &v->vcpu.lapic;
	bool delivers = vmx_features.apicv && vlapic_x2apic(lapic) && vlapic_accepts(lapic);
	if (!delivers && !lapic->delivers) {
		vlapic_priority(lapic); /* all that such a guest can have changed is TPR, by CR8 */
		return;
	}
	vlapic_merge(lapic);
	if (delivers == lapic->delivers)
		return;
	lapic->delivers = delivers;
	vmx_write(VMCS_CONTROLS2, v->controls2 ^= VMX_APICV);
	vmx_write(VMCS_MSR_BITMAP, vmx_msr_bitmap(delivers));
}

void vmx_apic_put(struct vmx_vcpu *v)
{
	struct vlapic *lapic = &v->vcpu.lapic;
	int held = lapic->delivers ? -1 : vlapic_held_by_tpr(lapic);
	uint32_t threshold = held < 0 ? 0 : (uint32_t)held >> 4;
	if (threshold != v->tpr_threshold)
		vmx_write(VMCS_TPR_THRESHOLD, v->tpr_threshold = threshold);
	if (!lapic->delivers)
		return;
	vmx_write(VMCS_INTERRUPT_STATUS, lapic->svi << 8 | lapic->rvi);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t level = VREG(lapic, APIC_TMR + 32 * i) | (uint64_t)VREG(lapic, APIC_TMR + 32 * i + 16) << 32;
		if (level != v->eoi_exit[i])
			vmx_write(VMCS_EOI_EXIT + 2 * i, v->eoi_exit[i] = level);
	}
}

/* All of them are trap-like: the instruction is done. */
enum vcpu_next vmx_apic_exit(struct vmx_vcpu *v, uint32_t reason)
{
	struct vlapic *lapic = &v->vcpu.lapic;
	if (reason == REASON_VIRTUAL_EOI) {
		COUNT(&v->vcpu, CORE_EOI);
		vlapic_ended(lapic, vmx_read(VMCS_QUALIFICATION) & 0xff);
	} else if (reason == REASON_APIC_WRITE) {
		/* A self IPI with a vector that there is not. */
		COUNT(&v->vcpu, CORE_MSR_WRITE);
		vlapic_self_ipi(lapic, VREG(lapic, APIC_SELF_IPI) & 0xff);
	} else {
		COUNT(&v->vcpu, CORE_WINDOW);
	}
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	return VCPU_AGAIN;
}
