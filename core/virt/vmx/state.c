/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/state.c: between the VMCS and the neutral form of a vCPU's state. What no guest may have (bits that its level has not) is refused; what the
 * processor's entry would refuse is left to it, since it harms nothing, and told by the monitor: SDM vol. 3, "Checks on the Guest State Area".
 */
#include "core/virt/vmx/vmx.h"

#define TYPE_ACCESSED  0x1u
#define TYPE_BUSY      0x2u
#define RIGHTS_SYSTEM  0x10u /* S: code or data where it is set */
#define RIGHTS_PRESENT 0x80u
#define RIGHTS_PAGES   0x8000u /* G */

/* Access rights have a gap of four bits where a descriptor has the limit's end. */
static struct gyre_segment segment_get(unsigned int index)
{
	uint32_t rights = (uint32_t)vmx_read(VMCS_ES_RIGHTS + 2 * index);
	return (struct gyre_segment){
		.selector = (uint16_t)vmx_read(VMCS_ES_SELECTOR + 2 * index),
		.attributes = (uint16_t)((rights & 0xff) | (rights >> 4 & 0x1f00)),
		.limit = (uint32_t)vmx_read(VMCS_ES_LIMIT + 2 * index),
		.base = vmx_read(VMCS_ES_BASE + 2 * index),
	};
}

/* Another vendor's processor does not keep all bits that this one's entry looks at: the type's last bits, and a granularity that fits the limit. */
static void segment_set(unsigned int index, const struct gyre_segment *from)
{
	uint32_t rights = (from->attributes & 0xffu) | (from->attributes & 0x1f00u) << 4;
	if ((rights & RIGHTS_PRESENT) == 0 && index != GYRE_TR && index != GYRE_CS)
		rights |= RIGHTS_UNUSABLE;
	if ((rights & RIGHTS_UNUSABLE) == 0) {
		if (index == GYRE_TR)
			rights |= TYPE_BUSY;
		else if ((rights & RIGHTS_SYSTEM) != 0)
			rights |= TYPE_ACCESSED;
		if (from->limit >> 20 != 0)
			rights |= RIGHTS_PAGES;
		else if ((from->limit & 0xfff) != 0xfff)
			rights &= ~RIGHTS_PAGES;
	}
	vmx_write(VMCS_ES_SELECTOR + 2 * index, from->selector);
	vmx_write(VMCS_ES_RIGHTS + 2 * index, rights);
	vmx_write(VMCS_ES_LIMIT + 2 * index, from->limit);
	vmx_write(VMCS_ES_BASE + 2 * index, from->base);
}

static void segments_get(struct gyre_vcpu_state *state)
{
	for (unsigned int i = 0; i < GYRE_SEGMENTS; i++)
		state->segment[i] = segment_get(i);
	state->gdtr.base = vmx_read(VMCS_GDTR_BASE);
	state->gdtr.limit = (uint32_t)vmx_read(VMCS_GDTR_LIMIT);
	state->idtr.base = vmx_read(VMCS_IDTR_BASE);
	state->idtr.limit = (uint32_t)vmx_read(VMCS_IDTR_LIMIT);
	state->gdtr.reserved = state->idtr.reserved = 0;
}

static void segments_set(const struct gyre_vcpu_state *state)
{
	for (unsigned int i = 0; i < GYRE_SEGMENTS; i++)
		segment_set(i, &state->segment[i]);
	vmx_write(VMCS_GDTR_BASE, state->gdtr.base);
	vmx_write(VMCS_GDTR_LIMIT, state->gdtr.limit);
	vmx_write(VMCS_IDTR_BASE, state->idtr.base);
	vmx_write(VMCS_IDTR_LIMIT, state->idtr.limit);
}

static void control_get(struct vmx_vcpu *v, struct gyre_vcpu_state *state)
{
	struct control now = vmx_control(v);
	bool pae = (now.cr0 & CR0_PG) != 0 && (now.cr4 & CR4_PAE) != 0 && (now.efer & EFER_LMA) == 0;
	state->cr0 = now.cr0;
	state->cr2 = v->cr2;
	state->cr3 = now.cr3;
	state->cr4 = now.cr4;
	state->cr8 = VREG(&v->vcpu.lapic, APIC_TPR) >> 4;
	state->efer = now.efer;
	for (unsigned int i = 0; i < 4; i++)
		state->pdpte[i] = pae ? vmx_read(VMCS_PDPTE + 2 * i) : 0;
}

static void msrs_get(const struct vmx_vcpu *v, struct gyre_vcpu_state *state)
{
	state->star = v->msrs.star;
	state->lstar = v->msrs.lstar;
	state->cstar = v->cstar;
	state->sfmask = v->msrs.sfmask;
	state->kernel_gs_base = v->msrs.kernel_gs_base;
	state->pat = vmx_read(VMCS_PAT);
	state->debugctl = v->debugctl;
	state->sysenter_cs = vmx_read(VMCS_SYSENTER_CS);
	state->sysenter_esp = vmx_read(VMCS_SYSENTER_ESP);
	state->sysenter_eip = vmx_read(VMCS_SYSENTER_EIP);
}

void vmx_state_get(struct vcpu *vcpu, uint32_t groups)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before = vmx_reach(v);
	struct gyre_vcpu_state *state = vcpu->state;
	if ((groups & GYRE_STATE_SEGMENTS) != 0)
		segments_get(state);
	if ((groups & GYRE_STATE_CONTROL) != 0)
		control_get(v, state);
	if ((groups & GYRE_STATE_MSRS) != 0) {
		if (cpu_current()->lent == &v->msrs) {
			cpu_take_back(cpu_current()); /* the guest changes KERNEL_GS_BASE freely */
			vcpu_hazard_set(vcpu, VCPU_HAZARD_RELOAD);
		}
		msrs_get(v, state);
	}
	if ((groups & GYRE_STATE_DEBUG) != 0) {
		bool loaded = vcpu->dr_loaded;
		vmx_debug_unload(v);
		for (int i = 0; i < 4; i++)
			state->dr[i] = vcpu->dr[i];
		state->dr6 = v->dr6;
		state->dr7 = vmx_read(VMCS_DR7);
		if (loaded)
			vmx_debug_load(v);
	}
	vmx_return(before);
}

static void control_set(struct vmx_vcpu *v, const struct gyre_vcpu_state *state)
{
	struct control now = {
		(state->cr0 & GUEST_CR0_DEFINED & ~(CR0_CD | CR0_NW)) | CR0_ET, state->cr3, state->cr4, state->efer};
	vmx_control_set(v, &now);
	v->cr2 = state->cr2;
	cpuid_table_cr4(v->vcpu.cpuid, state->cr4);
	for (unsigned int i = 0; i < 4; i++)
		vmx_write(VMCS_PDPTE + 2 * i, state->pdpte[i]);
}

static void msrs_set(struct vmx_vcpu *v, const struct gyre_vcpu_state *state)
{
	v->msrs.star = state->star;
	v->msrs.lstar = state->lstar;
	v->cstar = state->cstar;
	v->msrs.sfmask = state->sfmask;
	v->msrs.kernel_gs_base = state->kernel_gs_base;
	v->debugctl = state->debugctl;
	vmx_write(VMCS_PAT, state->pat);
	vmx_write(VMCS_SYSENTER_CS, state->sysenter_cs);
	vmx_write(VMCS_SYSENTER_ESP, state->sysenter_esp);
	vmx_write(VMCS_SYSENTER_EIP, state->sysenter_eip);
	vmx_write(VMCS_TSC_OFFSET, v->vcpu.tsc_offset);
}

/* The vCPU is not loaded. */
void vmx_state_set(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before = vmx_reach(v);
	if ((groups & GYRE_STATE_SEGMENTS) != 0)
		segments_set(state);
	if ((groups & GYRE_STATE_CONTROL) != 0)
		control_set(v, state);
	/* CR8 and the local APIC's TPR are one register: the APIC's, where that is set too, has all its bits. */
	if ((groups & (GYRE_STATE_CONTROL | GYRE_STATE_APIC)) == GYRE_STATE_CONTROL)
		vlapic_tpr_set(&vcpu->lapic, (uint32_t)state->cr8 << 4);
	if ((groups & GYRE_STATE_MSRS) != 0)
		msrs_set(v, state);
	if ((groups & GYRE_STATE_DEBUG) != 0) {
		for (int i = 0; i < 4; i++)
			vcpu->dr[i] = state->dr[i];
		v->dr6 = state->dr6 | DR6_RESET;
		vmx_write(VMCS_DR7, (state->dr7 & 0xffff2fff) | 0x400);
	}
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		vcpu->step = false;
		vmx_write(VMCS_PENDING_DEBUG, 0);
	}
	vmx_return(before);
}
