/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/slow.c: the exits that are rare or need the host's state: all registers of the guest are in the page and the VMCB, GIF is set.
 */
#include "core/virt/svm/svm.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

#define DR6_BS (1ull << 14)

/* Returns true when the step was ours alone. */
static bool step_ends(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	bool ours = v->vcpu.step && (vmcb->dr6_ & DR6_BS) != 0;
	if (!ours)
		return false;
	v->vcpu.step = false;
	/* After IRET, TF is what the guest's stack had. */
	if (!v->step_over_iret && !v->step_tf)
		vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
	if (v->step_over_iret) {
		v->vcpu.nmi_blocked = false;
		v->iret_seen = false;
	}
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	if (v->step_tf)
		return false; /* the guest steps, too */
	vmcb_set_dr6(vmcb, vmcb->dr6_ & ~DR6_BS);
	return (vmcb->dr6_ & 0xf) == 0;
}

static enum vcpu_next debug(struct svm_vcpu *v)
{
	bool ours = step_ends(v);
	if (v->vcpu.single) {
		v->vcpu.single = false;
		if (!ours)
			vcpu_exception(&v->vcpu, TRAP_DEBUG);
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_KICK, 0, 0, 0, 0);
	}
	if (ours)
		return VCPU_AGAIN;
	if (answer_monitor_wants(&v->vcpu, TRAP_DEBUG))
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_DEBUG, 0, TRAP_DEBUG, v->vmcb->dr6_, 0);
	return vcpu_exception(&v->vcpu, TRAP_DEBUG);
}

/* The other vendor's hypercall arrives here; everything else is what the guest's own handler is for. */
static enum vcpu_next undefined(struct svm_vcpu *v)
{
	/* There is no next RIP of an undefined instruction: the bytes tell. */
	uint32_t length = svm_length_by_bytes(v, &FETCH_VMCALL);
	if (length != 0) {
		v->vcpu.counters->hypercalls_foreign++;
		return (enum vcpu_next)svm_hypercall(v, length);
	}
	return answer_undefined(&v->vcpu);
}

/* The machine's fault. What the guest alone has caused is the guest's end; what was corrected is counted; anything else stops the machine. */
static enum vcpu_next machine_fault(struct svm_vcpu *v)
{
	const struct regs none = {0};
	if ((svm_features.errata & SVM_ERRATUM_383) != 0) {
		uint64_t status = 0;
		/* Erratum 383's signature in the data cache's bank: a guest's page-size change. */
		if (msr_read_safe(MSR_MC0_CTL + 1, &status) == 0 && (status & ~(1ull << 62)) == 0xb600000000010015ull) {
			msr_write_safe(MSR_MC0_CTL + 1, 0);
			msr_write_safe(MSR_MCG_STATUS, 0);
			vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
			return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_MACHINE_CHECK, 0, 0, 0, 0);
		}
	}
	machine_check(&none);
	return VCPU_AGAIN;
}

static enum vcpu_next exception(struct svm_vcpu *v, uint32_t vector)
{
	struct vmcb *vmcb = v->vmcb;
	svm_count(v, GYRE_EXIT_CORE_EXCEPTION);
	if (vector != TRAP_MACHINE_CHECK && answer_exception_waits(&v->vcpu))
		return VCPU_AGAIN;
	switch (vector) {
	case TRAP_DEBUG: return debug(v);
	case TRAP_INVALID_OPCODE: return undefined(v);
	case TRAP_MACHINE_CHECK: return machine_fault(v);
	}
	if (answer_monitor_wants(&v->vcpu, vector)) {
		if (vector == TRAP_PAGE_FAULT)
			vmcb_set_cr2(vmcb, vmcb->exit_info_2);
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_DEBUG, 0, vector, vmcb->exit_info_1, vmcb->exit_info_2);
	}
	/* #AC alone is left. */
	return vcpu_exception_error(&v->vcpu, vector, (uint32_t)vmcb->exit_info_1);
}

static enum vcpu_next task_switch(struct svm_vcpu *v)
{
	const struct vmcb *vmcb = v->vmcb;
	uint64_t info = vmcb->exit_info_2;
	uint64_t source = (info & 1ull << 36) != 0			  ? GYRE_TASK_IRET
			  : (info & 1ull << 38) != 0			  ? GYRE_TASK_JUMP
			  : (vmcb->exit_int_info & GYRE_EVENT_VALID) != 0 ? GYRE_TASK_GATE
									  : GYRE_TASK_CALL;
	uint64_t error_valid = (info & 1ull << 44) != 0;
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_TASK_SWITCH, 0, vmcb->exit_info_1 & 0xffff,
		source | error_valid << 8, (uint32_t)info);
}

static enum vcpu_next iret(struct svm_vcpu *v)
{
	/* NMIs open when it has completed: that is when RIP has moved, or after a step if one waits. */
	vmcb_intercept1(v->vmcb, VMCB_I1_IRET, false);
	v->iret_seen = true;
	v->iret_rip = v->vmcb->rip;
	if (v->vcpu.nmi_pending != 0)
		svm_step_begin(v, true);
	svm_count(v, GYRE_EXIT_CORE_NMI);
	return VCPU_AGAIN;
}

static enum vcpu_next failed(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	/* Whether a flush that was asked for has been done, nobody says. */
	vmcb->tlb_control = VMCB_TLB_ALL;
	/* The state was checked when it was set: what is left is a bit of CR3, or a fault of the core's. */
	log_warn("vcpu %u: entry refused: cr0 0x%lx cr3 0x%lx cr4 0x%lx efer 0x%lx cs 0x%x event 0x%lx asid %u",
		v->vcpu.number, vmcb->cr0_, vmcb->cr3_, vmcb->cr4_, vmcb->efer_, vmcb->cs_.attributes,
		vmcb->event_inject, vmcb->asid_);
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_FAILED, 0, (uint32_t)vmcb->exit_code, GYRE_FAILED_STATE, 0);
}

/* The monitor does the instruction: GYRE_INSTRUCTION_ or GYRE_CONTROL_. */
static enum vcpu_next instruction(struct svm_vcpu *v, uint32_t kind, uint32_t which)
{
	uint32_t length = svm_features.nrip ? (uint32_t)(v->vmcb->next_rip - v->vmcb->rip) : 0;
	return vcpu_to_monitor(&v->vcpu, kind, length, which, 0, 0);
}

enum vcpu_next svm_exit_slow(struct svm_vcpu *v)
{
	uint64_t code = v->vmcb->exit_code;
	if ((uint32_t)code == SVM_EXIT_INVALID)
		return failed(v);
	if (code >= SVM_EXIT_EXCEPTION && code <= SVM_EXIT_EXCEPTION_LAST)
		return exception(v, (uint32_t)(code - SVM_EXIT_EXCEPTION));
	switch (code) {
	case SVM_EXIT_DR0_READ ... SVM_EXIT_DR15_WRITE:
		/* The first access: from now on they are in the processor, and the instruction runs again. */
		svm_debug_load(v);
		return VCPU_AGAIN;
	case SVM_EXIT_NMI: svm_count(v, GYRE_EXIT_CORE_NMI); return VCPU_AGAIN; /* the host has taken it since STGI */
	case SVM_EXIT_INIT: /* held by the platform until it means something */
	case SVM_EXIT_SMI: return VCPU_AGAIN;
	case SVM_EXIT_IRET: return iret(v);
	case SVM_EXIT_INTN: return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_DEBUG, 0, TRAP_BREAKPOINT, 0, 0);
	case SVM_EXIT_CR0_SELECTIVE: return instruction(v, GYRE_EXIT_CONTROL, GYRE_CONTROL_CR(0));
	case SVM_EXIT_CR4_WRITE: return instruction(v, GYRE_EXIT_CONTROL, GYRE_CONTROL_CR(4));
	case SVM_EXIT_CR8_WRITE: return instruction(v, GYRE_EXIT_CONTROL, GYRE_CONTROL_CR(8));
	case SVM_EXIT_XSETBV: return instruction(v, GYRE_EXIT_CONTROL, GYRE_CONTROL_XSETBV);
	case SVM_EXIT_TASK_SWITCH: return task_switch(v);
	case SVM_EXIT_PAUSE:
		/* The filter counts anew: the guest goes on without its RIP being moved. */
		svm_count(v, GYRE_EXIT_CORE_PAUSE);
		return VCPU_YIELD;
	case SVM_EXIT_INVD: /* its memory is coherent: no device of its own */
	case SVM_EXIT_WBINVD: return instruction(v, GYRE_EXIT_INSTRUCTION, GYRE_INSTRUCTION_SKIP);
	case SVM_EXIT_RDPMC: return vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
	case SVM_EXIT_RDTSC: return instruction(v, GYRE_EXIT_INSTRUCTION, GYRE_INSTRUCTION_RDTSC);
	case SVM_EXIT_RDTSCP: return instruction(v, GYRE_EXIT_INSTRUCTION, GYRE_INSTRUCTION_RDTSCP);
	case SVM_EXIT_FERR_FREEZE: return instruction(v, GYRE_EXIT_INSTRUCTION, GYRE_INSTRUCTION_FERR);
	case SVM_EXIT_SHUTDOWN:
		v->vcpu.activity = VCPU_SHUT_DOWN;
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_TRIPLE_FAULT, 0, 0, 0, 0);
	case SVM_EXIT_RSM:
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT:
	case SVM_EXIT_MONITOR ... SVM_EXIT_MWAIT:
	case SVM_EXIT_RDPRU:
	case SVM_EXIT_INVLPGB ... SVM_EXIT_INVLPGB_WRONG:
	case SVM_EXIT_MCOMMIT ... SVM_EXIT_TLBSYNC:
		return vcpu_exception(&v->vcpu, TRAP_INVALID_OPCODE); /* no level has them */
	}
	log_warn("vcpu %u: unknown exit 0x%lx", v->vcpu.number, code);
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_FAILED, 0, code, GYRE_FAILED_CORE, 0);
}
