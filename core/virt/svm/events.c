/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/events.c: what common code wants delivered, into the VMCB; a flush; and the ways to be told when the guest can take more: a virtual interrupt whose
 * intercept exits before it is taken (APM vol. 2, "Virtual Interrupts"), the intercepts of IRET and of writes to CR8, and a single step.
 */
#include "core/virt/svm/svm.h"
#include "core/x86/trap.h"

#define CR8_BIT (1u << 8)

void svm_tpr_from_guest(struct svm_vcpu *v)
{
	v->tpr_seen = v->vmcb->v_tpr_;
	vlapic_tpr_set(&v->vcpu.lapic, (v->tpr_seen & 15) << 4);
}

/* The address that is pushed is that behind the instruction. Remembered, for the case that its delivery is interrupted. */
static void put_soft(struct svm_vcpu *v, const struct inject *inject)
{
	v->vmcb->rip += inject->length;
	v->vmcb->next_rip = v->vmcb->rip;
	v->soft_event = inject->event;
	v->soft_length = inject->length;
	v->soft_rip = v->vmcb->rip;
}

/* GYRE_EVENT_ has the hardware's form. APM vol. 2, "Event Injection": types 0, 2, 3, 4; software exceptions are injected as exceptions. No error code is pushed in
 * real mode. */
static void put_event(struct svm_vcpu *v, const struct inject *inject)
{
	uint32_t event = inject->event & ((v->vmcb->cr0_ & CR0_PE) != 0 ? ~0u : ~GYRE_EVENT_ERROR);
	v->soft_event = 0;
	/* A fault pushes RF set. */
	if ((event & 0x700) == GYRE_EVENT_EXCEPTION && GYRE_EVENT_VECTOR(event) != TRAP_DEBUG)
		v->vmcb->rflags |= RFLAGS_RF;
	if ((event & 0x700) >= GYRE_EVENT_SOFTWARE)
		put_soft(v, inject);
	if ((event & 0x700) > GYRE_EVENT_SOFTWARE)
		event = (event & ~0x700u) | GYRE_EVENT_EXCEPTION;
	/* General detect ends with its #DB, but an injected one leaves it as it is. */
	if ((event & 0x7ff) == (GYRE_EVENT_EXCEPTION | TRAP_DEBUG))
		vmcb_set_dr7(v->vmcb, v->vmcb->dr7_ & ~0x2000ull);
	v->vmcb->event_inject = event | ((event & GYRE_EVENT_ERROR) != 0 ? (uint64_t)inject->error << 32 : 0);
	v->vmcb->interrupt_shadow = 0;
}

static void want_window(struct vmcb *vmcb, bool want)
{
	bool have = (vmcb->intercept_misc1_ & VMCB_I1_VINTR) != 0;
	if (want == have)
		return;
	/* The vector plays no part: the intercept comes first. */
	vmcb_intercept1(vmcb, VMCB_I1_VINTR, want);
	vmcb_set_v_irq(vmcb, (uint8_t)((vmcb->v_irq_ & ~1u) | want));
}

void svm_step_begin(struct svm_vcpu *v, bool over_iret)
{
	if (v->vcpu.step)
		return;
	v->vcpu.step = true;
	v->step_over_iret = over_iret;
	v->step_tf = (v->vmcb->rflags & RFLAGS_TF) != 0;
	v->vmcb->rflags |= RFLAGS_TF;
}

static void nmi_windows(struct svm_vcpu *v, bool want)
{
	if (v->vcpu.nmi_blocked) {
		if (!v->iret_seen)
			vmcb_intercept1(v->vmcb, VMCB_I1_IRET, true);
		else if (want)
			svm_step_begin(v, true);
	} else if (want) {
		svm_step_begin(v, false);
	}
}

/*
 * An event was put into the VMCB, and then something was due before the entry. It is taken back: else another that comes meanwhile would take its place,
 * and who saves the guest's state would not find it.
 */
void svm_event_back(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	uint64_t info = vmcb->event_inject;
	vmcb->event_inject = 0;
	if ((vmcb->v_irq_ & 1) != 0 && (vmcb->intercept_misc1_ & VMCB_I1_VINTR) == 0) {
		vmcb_set_v_irq(vmcb, vmcb->v_irq_ & ~1u);
		info = GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | vmcb->v_vector_;
	}
	if ((info & GYRE_EVENT_VALID) != 0)
		svm_interrupted(v, info);
}

enum vcpu_next svm_events(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	struct vcpu *vcpu = &v->vcpu;
	struct inject_gate gate;
	struct inject inject;
	enum vcpu_next next;
	svm_event_back(v);
	if (vmcb->v_tpr_ != v->tpr_seen)
		svm_tpr_from_guest(v);
	if (v->iret_seen && vmcb->rip != v->iret_rip) {
		v->iret_seen = false;
		vcpu->nmi_blocked = false;
	}
	gate.nmi = (vmcb->interrupt_shadow & 1) == 0;
	gate.interrupt = gate.nmi && (vmcb->rflags & RFLAGS_IF) != 0;
	if ((vcpu->hazard & VCPU_HAZARD_EVENTS) == 0)
		return VCPU_AGAIN;
	next = inject_next(vcpu, gate, &inject);
	if (next != VCPU_AGAIN)
		return next;
	want_window(vmcb, inject.want_interrupt);
	/* There is one virtual interrupt: it is the window's first. */
	if (inject.event == (GYRE_EVENT_VALID | GYRE_EVENT_VECTOR(inject.event)) && gate.interrupt &&
		!inject.want_interrupt)
		svm_interrupt(v, GYRE_EVENT_VECTOR(inject.event));
	else if (inject.event != 0)
		put_event(v, &inject);
	if (vcpu->nmi_blocked || inject.want_nmi)
		nmi_windows(v, inject.want_nmi);
	if (vcpu->single)
		svm_step_begin(v, false);
	/* The local APIC's TPR is what CR8 shows; while it holds something back, its lowering must be seen. */
	if (VREG(&vcpu->lapic, APIC_TPR) >> 4 != v->tpr_seen) {
		v->tpr_seen = VREG(&vcpu->lapic, APIC_TPR) >> 4;
		vmcb_set_v_tpr(vmcb, (uint8_t)v->tpr_seen);
	}
	vmcb_intercept_cr_writes(vmcb, CR8_BIT, vlapic_held_by_tpr(&vcpu->lapic) >= 0);
	return VCPU_AGAIN;
}

/* Before an entry: an ASID of this processor, and a flush if what the TLB has is void. */
void svm_flush_now(struct svm_vcpu *v)
{
	uint32_t index = v->vcpu.cpu->index;
	struct asid_choice choice = asid_choose(&svm_cpus[index].asids, &v->asid, index, true);
	vcpu_hazard_clear(&v->vcpu, VCPU_HAZARD_FLUSH);
	if (choice.changed)
		vmcb_set_asid(v->vmcb, v->asid.asid);
	v->vmcb->tlb_control = asid_pending(v->vmcb->tlb_control, choice);
	v->vcpu.counters->tlb_flushes += choice.flushed;
	v->vcpu.counters->asid_generations += choice.new_generation;
}
