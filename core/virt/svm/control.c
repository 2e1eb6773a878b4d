/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/control.c: a guest's writes to CR0, CR4 and CR8, XSETBV, and its debug registers. What the level forbids is #GP; what the processor does not
 * decode (LMSW, CLTS; all where it has no decode assists) is the monitor's.
 */
#include "core/virt/answer.h"
#include "core/virt/svm/svm.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

static enum vcpu_next fault(struct svm_vcpu *v)
{
	vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
	return VCPU_AGAIN;
}

static bool put_control(struct svm_vcpu *v, uint32_t number, uint64_t value)
{
	struct vmcb *vmcb = v->vmcb;
	struct control now = {
		vmcb->cr0_, vmcb->cr3_, vmcb->cr4_, vmcb->efer_ & ~EFER_SVME, (vmcb->cs_.attributes & 0x200) != 0};
	if (!answer_control(&v->vcpu, &now, number, value))
		return false;
	if (number == 8) {
		v->tpr_seen = (uint32_t)value;
		vmcb_set_v_tpr(vmcb, (uint8_t)value);
		return true;
	}
	/* What these bits change about translations, the hardware would have dropped. APM vol. 2, "TLB Management". */
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
	vmcb_set_cr0(vmcb, now.cr0);
	vmcb_set_efer(vmcb, now.efer | EFER_SVME);
	if (number == 4)
		vmcb_set_cr4(vmcb, now.cr4);
	svm_mode_changed(v);
	return true;
}

enum vcpu_next svm_control_write(struct svm_vcpu *v, uint32_t number)
{
	struct vmcb *vmcb = v->vmcb;
	uint32_t gpr = vmcb->exit_info_1 & 15;
	uint64_t value;
	/* APM vol. 2, "MOV CRx/DRx Intercepts". */
	if (!svm_features.nrip || !svm_features.decode_assist || (vmcb->exit_info_1 & SVM_CR_MOV) == 0)
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_CONTROL, 0, GYRE_CONTROL_CR(number), 0, 0);
	value = gpr == GYRE_RAX ? vmcb->rax : gpr == GYRE_RSP ? vmcb->rsp : v->vcpu.page->gpr[gpr];
	if ((vmcb->cs_.attributes & 0x200) == 0)
		value = (uint32_t)value;
	if (!put_control(v, number, value))
		return fault(v);
	return (enum vcpu_next)svm_done(v, (uint32_t)(vmcb->next_rip - vmcb->rip));
}

enum vcpu_next svm_xsetbv(struct svm_vcpu *v)
{
	uint32_t length = svm_length(v, &FETCH_XSETBV);
	if (!answer_xsetbv(&v->vcpu, v->vmcb->rax))
		return fault(v);
	return (enum vcpu_next)svm_done(v, length);
}

/* ---- debug registers ---- */
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

/* The first access: from now on they are in the processor, and the instruction runs again. */
enum vcpu_next svm_debug_register(struct svm_vcpu *v)
{
	svm_debug_load(v);
	return VCPU_AGAIN;
}
