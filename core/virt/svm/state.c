/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/state.c: between the VMCB and the neutral form of a vCPU's state. check refuses what VMRUN would (APM vol. 2, "Canonicalization and
 * Consistency Checks") and what no guest could have reached.
 */
#include "core/virt/svm/svm.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"
#include "lib/string.h"

#define ATTRIBUTES	0xfffu
#define PRESENT		0x80u
#define DPL(attributes) ((attributes) >> 5 & 3)

/* DR0 to DR3 are not in the VMCB. */
void svm_debug_load(struct svm_vcpu *v)
{
	if (v->vcpu.dr_loaded)
		return;
	answer_debug_load(&v->vcpu);
	vmcb_intercept_debug(v->vmcb, false);
}

void svm_debug_unload(struct svm_vcpu *v)
{
	if (!v->vcpu.dr_loaded)
		return;
	answer_debug_unload(&v->vcpu);
	vmcb_intercept_debug(v->vmcb, true);
}

static struct gyre_segment segment_get(const struct vmcb_segment *from)
{
	struct gyre_segment to = {from->selector, from->attributes & ATTRIBUTES, from->limit, from->base};
	if ((from->attributes & PRESENT) == 0)
		to.attributes |= GYRE_SEGMENT_UNUSABLE;
	return to;
}

static struct vmcb_segment segment_set(const struct gyre_segment *from)
{
	struct vmcb_segment to = {from->selector, from->attributes & ATTRIBUTES, from->limit, from->base};
	if ((from->attributes & GYRE_SEGMENT_UNUSABLE) != 0)
		to.attributes = 0;
	return to;
}

static void get_segments(const struct vmcb *vmcb, struct gyre_vcpu_state *state)
{
	state->segment[GYRE_ES] = segment_get(&vmcb->es_);
	state->segment[GYRE_CS] = segment_get(&vmcb->cs_);
	state->segment[GYRE_SS] = segment_get(&vmcb->ss_);
	state->segment[GYRE_DS] = segment_get(&vmcb->ds_);
	state->segment[GYRE_FS] = segment_get(&vmcb->fs);
	state->segment[GYRE_GS] = segment_get(&vmcb->gs);
	state->segment[GYRE_LDTR] = segment_get(&vmcb->ldtr);
	state->segment[GYRE_TR] = segment_get(&vmcb->tr);
	/* In the neutral form the privilege level is that of SS, even where SS is null. */
	state->segment[GYRE_SS].attributes = (uint16_t)((state->segment[GYRE_SS].attributes & ~0x60u) |
							(uint32_t)vmcb->cpl_ << 5);
	state->gdtr = (typeof(state->gdtr)){vmcb->gdtr_.base, vmcb->gdtr_.limit, 0};
	state->idtr = (typeof(state->idtr)){vmcb->idtr_.base, vmcb->idtr_.limit, 0};
}

/* The MSRs that VMLOAD and VMSAVE move, by the names that both sides have for them. */
#define EACH_MSR(DO)                                                                                                   \
	DO(star) DO(lstar) DO(cstar) DO(sfmask) DO(kernel_gs_base) DO(sysenter_cs) DO(sysenter_esp) DO(sysenter_eip)
#define MSR_GET(name) state->name = vmcb->name;
#define MSR_SET(name) vmcb->name = state->name;

void svm_state_get(struct vcpu *vcpu, uint32_t groups)
{
	struct svm_vcpu *v = svm_of(vcpu);
	struct vmcb *vmcb = v->vmcb;
	struct gyre_vcpu_state *state = vcpu->state;
	if (vmcb->v_tpr_ != v->tpr_seen)
		svm_tpr_from_guest(v);
	if ((groups & GYRE_STATE_SEGMENTS) != 0)
		get_segments(vmcb, state);
	if ((groups & GYRE_STATE_CONTROL) != 0) {
		state->cr0 = vmcb->cr0_;
		state->cr2 = vmcb->cr2_;
		state->cr3 = vmcb->cr3_;
		state->cr4 = vmcb->cr4_;
		state->cr8 = v->tpr_seen;
		state->efer = vmcb->efer_ & ~EFER_SVME;
		/* With nested paging they are read from memory with each use. */
		state->pdpte[0] = state->pdpte[1] = state->pdpte[2] = state->pdpte[3] = 0;
	}
	if ((groups & GYRE_STATE_MSRS) != 0) {
		EACH_MSR(MSR_GET)
		state->pat = vmcb->pat_;
		state->debugctl = v->debugctl;
	}
	if ((groups & GYRE_STATE_DEBUG) != 0) {
		svm_debug_unload(v);
		memcpy(state->dr, vcpu->dr, sizeof(state->dr));
		state->dr6 = vmcb->dr6_;
		state->dr7 = vmcb->dr7_;
		if ((vmcb->dr7_ & 0xff) != 0 && vcpu->cpu->vcpu == vcpu)
			svm_debug_load(v);
	}
}

static void set_segments(struct vmcb *vmcb, const struct gyre_vcpu_state *state)
{
	vmcb_set_es(vmcb, segment_set(&state->segment[GYRE_ES]));
	vmcb_set_cs(vmcb, segment_set(&state->segment[GYRE_CS]));
	vmcb_set_ss(vmcb, segment_set(&state->segment[GYRE_SS]));
	vmcb_set_ds(vmcb, segment_set(&state->segment[GYRE_DS]));
	vmcb_set_cpl(vmcb, DPL(state->segment[GYRE_SS].attributes));
	vmcb->fs = segment_set(&state->segment[GYRE_FS]);
	vmcb->gs = segment_set(&state->segment[GYRE_GS]);
	vmcb->ldtr = segment_set(&state->segment[GYRE_LDTR]);
	vmcb->tr = segment_set(&state->segment[GYRE_TR]);
	vmcb_set_gdtr(vmcb, (struct vmcb_segment){0, 0, state->gdtr.limit, state->gdtr.base});
	vmcb_set_idtr(vmcb, (struct vmcb_segment){0, 0, state->idtr.limit, state->idtr.base});
}

void svm_state_set(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups)
{
	struct svm_vcpu *v = svm_of(vcpu);
	struct vmcb *vmcb = v->vmcb;
	if ((groups & GYRE_STATE_SEGMENTS) != 0)
		set_segments(vmcb, state);
	if ((groups & GYRE_STATE_CONTROL) != 0) {
		vmcb_set_cr0(vmcb, (state->cr0 & GUEST_CR0_DEFINED & ~(CR0_CD | CR0_NW)) | CR0_ET);
		vmcb_set_cr2(vmcb, state->cr2);
		vmcb_set_cr3(vmcb, state->cr3);
		vmcb_set_cr4(vmcb, state->cr4);
		vmcb_set_efer(vmcb, state->efer | EFER_SVME);
		cpuid_table_cr4(vcpu->cpuid, state->cr4);
		svm_mode_changed(v);
		vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
	}
	/* CR8 and the local APIC's TPR are one register: the APIC's, where that is set too, has all its bits. */
	if ((groups & (GYRE_STATE_CONTROL | GYRE_STATE_APIC)) == GYRE_STATE_CONTROL)
		vlapic_tpr_set(&vcpu->lapic, (uint32_t)state->cr8 << 4);
	if ((groups & (GYRE_STATE_CONTROL | GYRE_STATE_APIC)) != 0) {
		v->tpr_seen = VREG(&vcpu->lapic, APIC_TPR) >> 4;
		vmcb_set_v_tpr(vmcb, (uint8_t)v->tpr_seen);
	}
	if ((groups & GYRE_STATE_MSRS) != 0) {
		EACH_MSR(MSR_SET)
		vmcb_set_pat(vmcb, state->pat);
		v->debugctl = state->debugctl;
		vmcb_set_tsc_offset(vmcb, vcpu->tsc_offset);
	}
	if ((groups & GYRE_STATE_DEBUG) != 0) {
		memcpy(vcpu->dr, state->dr, sizeof(vcpu->dr));
		vmcb_set_dr6(vmcb, state->dr6 | DR6_RESET);
		vmcb_set_dr7(vmcb, (state->dr7 & 0xffff2fff) | 0x400);
	}
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		v->vcpu.step = false;
		v->iret_seen = false;
	}
}
