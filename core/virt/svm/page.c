/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/page.c: between the VMCB and the run page. Every exit to the monitor passes here, so it is short.
 */
#include "core/virt/msr.h"
#include "core/virt/svm/svm.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"
#include "lib/string.h"

/* CR0, CR4 or EFER were set: all ways of that pass here. */
void svm_mode_changed(struct svm_vcpu *v)
{
	const struct vmcb *vmcb = v->vmcb;
	v->mode = control_mode(vmcb->cr0_, vmcb->cr4_, vmcb->efer_);
}

/* With CS.L and CS.D as they stand beside each other in the attributes, and in the mode word. */
static inline uint32_t mode_of(const struct svm_vcpu *v, const struct vmcb *vmcb)
{
	_Static_assert(GYRE_MODE_CS_L == 0x200 << 1 && GYRE_MODE_CS_D == 0x400 << 1 && GYRE_MODE_SS_D == 0x400 << 2,
		"shifted into place");
	return v->mode | (vmcb->cs_.attributes & 0x600u) << 1 | (vmcb->ss_.attributes & 0x400u) << 2 |
	       (uint32_t)vmcb->cpl_ << GYRE_MODE_CPL_SHIFT;
}

/* The instruction's bytes, where the processor gives them. Some give zeros (erratum 1096): then none are given. */
static void fill_bytes(struct svm_vcpu *v, struct gyre_vcpu_page *page)
{
	const struct vmcb *vmcb = v->vmcb;
	uint32_t count = 0;
	if (svm_features.decode_assist && vmcb->exit_code == SVM_EXIT_NPF)
		count = vmcb->fetched & 15;
	if ((svm_features.errata & SVM_ERRATUM_1096) != 0 && vmcb->bytes[0] == 0)
		count = 0;
	page->insn_bytes = count;
	if (count != 0) {
		memcpy(page->insn, vmcb->bytes, 15);
		page->insn[15] = 0;
	}
}

/* What an emulator wants, and a plain access to a port does not. */
void svm_fill_rest(struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	struct gyre_vcpu_page *page = vcpu->page;
	const struct vmcb *vmcb = v->vmcb;
	if (vcpu->unusual != 0) {
		if (v->iret_seen && vmcb->rip != v->iret_rip)
			v->iret_seen = vcpu->nmi_blocked = false;
		page->event_error = vcpu->event_error;
		page->event_length = vcpu->event_length;
		page->pending = (uint64_t)vcpu->event << 32 | (vcpu->nmi_blocked ? GYRE_INTERRUPTIBILITY_NMI : 0) |
				(vmcb->interrupt_shadow & GYRE_INTERRUPTIBILITY_STI);
		if (vcpu->step && !v->step_tf)
			page->rflags &= ~(uint64_t)RFLAGS_TF;
	}
	if (vmcb->v_tpr_ != v->tpr_seen)
		svm_tpr_from_guest(v); /* the local APIC's page shows it */
	page->mode = mode_of(v, vmcb);
	page->cs_base = vmcb->cs_.base;
	page->cr0 = vmcb->cr0_;
	page->cr2 = vmcb->cr2_;
	page->cr3 = vmcb->cr3_;
	page->cr4 = vmcb->cr4_;
	fill_bytes(v, page);
}

void svm_fill(struct vcpu *vcpu)
{
	svm_event_back(svm_of(vcpu));
	svm_fill_registers(svm_of(vcpu), vcpu->page, svm_of(vcpu)->vmcb);
	svm_fill_rest(svm_of(vcpu));
}

/* After svm_take_registers(). */
void svm_take_rest(struct svm_vcpu *v, bool completed)
{
	struct vcpu *vcpu = &v->vcpu;
	struct vmcb *vmcb = v->vmcb;
	uint32_t interruptibility = __atomic_load_n(&vcpu->page->interruptibility, __ATOMIC_RELAXED);
	vmcb->interrupt_shadow = completed ? 0 : interruptibility & GYRE_INTERRUPTIBILITY_STI;
	vcpu->nmi_blocked = (interruptibility & GYRE_INTERRUPTIBILITY_NMI) != 0;
	if (vcpu->event != 0 && GYRE_EVENT_VECTOR(vcpu->event) == TRAP_PAGE_FAULT && vcpu->page->cr2 != vmcb->cr2_)
		vmcb_set_cr2(vmcb, vcpu->page->cr2);
	if (completed)
		svm_skip(v, vmcb, 0);
	/* The monitor has done the IRET that was to be stepped over: a switch of tasks. */
	if (v->step_over_iret && vmcb->rip != v->iret_rip)
		vcpu->step = false;
	if (vcpu->step) {
		/* The step that was begun goes on: with what TF is now. */
		v->step_tf = (vmcb->rflags & RFLAGS_TF) != 0;
		vmcb->rflags |= RFLAGS_TF;
	}
}
