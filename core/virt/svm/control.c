/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/control.c: a guest's writes to CR0, CR4 and CR8, XSETBV, and its debug registers. What the level forbids is #GP; what can't be decoded
 * here (LMSW, CLTS, an instruction that has changed since) is the monitor's.
 */
#include "core/virt/answer.h"
#include "core/virt/svm/svm.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

#define REX_B 1
#define REX_R 4

struct operand {
	uint32_t length; /* 0: not decoded */
	uint32_t gpr, cr;
};

/* MOV CRn, r: by decode assists, or from the bytes. APM vol. 3, "MOV CRn". */
static struct operand decode_mov_cr(struct svm_vcpu *v, uint32_t number)
{
	const struct vmcb *vmcb = v->vmcb;
	struct operand operand = {0, 0, number};
	struct fetch_where where = {vmcb->rip, vmcb->cs_.base, vmcb->cr0_, vmcb->cr3_, vmcb->cr4_, vmcb->efer_,
		(vmcb->cs_.attributes & 0x200) != 0 && (vmcb->efer_ & GUEST_EFER_LMA_BIT) != 0,
		(vmcb->cs_.attributes & 0x400) != 0};
	uint8_t bytes[16], modrm, rex = 0, lock = 0;
	if (svm_features.nrip && svm_features.decode_assist) {
		if ((vmcb->exit_info_1 & SVM_CR_MOV) == 0)
			return operand;
		operand.gpr = vmcb->exit_info_1 & 15;
		operand.length = (uint32_t)(vmcb->next_rip - vmcb->rip);
		return operand;
	}
	operand.length = fetch_length_slow(&v->vcpu.fetch, v->vcpu.policy.ram, &where, &FETCH_MOV_TO_CR, bytes);
	if (operand.length < 3)
		return operand;
	modrm = bytes[operand.length - 1];
	for (uint32_t i = 0; i + 3 < operand.length; i++)
		lock |= bytes[i] == 0xf0; /* LOCK is a way to name CR8 outside long mode */
	if (where.cs_long && operand.length > 3 && (bytes[operand.length - 4] & 0xf0) == 0x40)
		rex = bytes[operand.length - 4];
	operand.gpr = (modrm & 7) | ((rex & REX_B) != 0 ? 8 : 0);
	operand.cr = (modrm >> 3 & 7) | ((rex & REX_R) != 0 || lock ? 8 : 0);
	if (operand.cr != number)
		operand.length = 0;
	return operand;
}

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
	struct operand operand = decode_mov_cr(v, number);
	struct vmcb *vmcb = v->vmcb;
	uint64_t value;
	if (operand.length == 0)
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_CONTROL, 0, GYRE_CONTROL_CR(number), 0, 0);
	value = operand.gpr == GYRE_RAX	  ? vmcb->rax
		: operand.gpr == GYRE_RSP ? vmcb->rsp
					  : v->vcpu.page->gpr[operand.gpr];
	if ((vmcb->cs_.attributes & 0x200) == 0)
		value = (uint32_t)value;
	if (!put_control(v, number, value))
		return fault(v);
	return (enum vcpu_next)svm_done(v, operand.length);
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
