/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/msr.c: see msr.h. The policy is by list: what is not named here is not the core's. */
#include "core/virt/msr.h"

#define SPEC_CTRL_DEFINED 0x7ull /* IBRS, STIBP, SSBD */
#define PRED_CMD_IBPB	  0x1ull

/* The host's TSC plus the offset is the guest's, from the moment of the write on. */
void msr_tsc_set(struct vcpu *vcpu, uint64_t guest_tsc)
{
	vcpu->tsc_offset = guest_tsc - vlapic_host_tsc();
	vlapic_tsc_changed(&vcpu->lapic, vcpu->tsc_offset);
}

static enum msr_answer fault_unless(bool offered)
{
	return offered ? ANSWER_DONE : ANSWER_FAULT;
}

enum msr_answer msr_guest_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	if ((index & ~0xffu) == MSR_X2APIC)
		return fault_unless(vlapic_msr_read(&vcpu->lapic, index, value) == 0);
	switch (index) {
	case MSR_TSC: *value = vlapic_host_tsc() + vcpu->tsc_offset; return ANSWER_DONE;
	case MSR_APIC_BASE: *value = vcpu->lapic.base; return ANSWER_DONE;
	case MSR_TSC_ADJUST: *value = vcpu->tsc_adjust; return fault_unless(vcpu->offers.tsc_adjust);
	case MSR_TSC_DEADLINE: *value = vcpu->lapic.timer_deadline; return fault_unless(vcpu->offers.tsc_deadline);
	case MSR_TSC_AUX: *value = vcpu->tsc_aux; return fault_unless(vcpu->offers.rdtscp);
	case MSR_SPEC_CTRL: *value = vcpu->spec_ctrl; return fault_unless(vcpu->offers.spec_ctrl);
	case MSR_PRED_CMD: return ANSWER_FAULT; /* write-only */
	}
	return ANSWER_MONITOR;
}

static enum msr_answer write_tsc_adjust(struct vcpu *vcpu, uint64_t value)
{
	uint64_t change = value - vcpu->tsc_adjust;
	if (!vcpu->offers.tsc_adjust)
		return ANSWER_FAULT;
	vcpu->tsc_adjust = value;
	vcpu->tsc_offset += change;
	vlapic_tsc_changed(&vcpu->lapic, vcpu->tsc_offset);
	return ANSWER_TSC;
}

enum msr_answer msr_guest_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	switch (index) {
	case MSR_TSC_DEADLINE:
		if (!vcpu->offers.tsc_deadline)
			return ANSWER_FAULT;
		vlapic_deadline_write(&vcpu->lapic, value);
		return ANSWER_DONE;
	case MSR_TSC: {
		/* SDM vol. 3, "Time-Stamp Counter Adjustment": a write of the one shows in the other. */
		uint64_t old = vcpu->tsc_offset;
		msr_tsc_set(vcpu, value);
		vcpu->tsc_adjust += vcpu->tsc_offset - old;
		return ANSWER_TSC;
	}
	case MSR_TSC_ADJUST: return write_tsc_adjust(vcpu, value);
	case MSR_APIC_BASE:
		if (vlapic_base_write(&vcpu->lapic, value, vcpu->policy.physical_bits, vcpu->offers.x2apic) < 0)
			return ANSWER_FAULT;
		cpuid_table_apic(vcpu->cpuid, (value & APIC_BASE_ENABLE) != 0);
		return ANSWER_DONE;
	case MSR_TSC_AUX:
		if (!vcpu->offers.rdtscp || value >> 32 != 0)
			return ANSWER_FAULT;
		vcpu->tsc_aux = value;
		return ANSWER_DONE; /* the vendor's loop writes the hardware's, which is live */
	case MSR_SPEC_CTRL:
		if (!vcpu->offers.spec_ctrl || (value & ~SPEC_CTRL_DEFINED) != 0)
			return ANSWER_FAULT;
		vcpu->spec_ctrl = value;
		return ANSWER_DONE;
	case MSR_PRED_CMD:
		/* The vendor's loop does the barrier, too. */
		return fault_unless(vcpu->offers.ibpb && (value & ~PRED_CMD_IBPB) == 0);
	}
	return ANSWER_MONITOR;
}

uint32_t control_mode(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	uint32_t mode = (cr0 & CR0_PE ? GYRE_MODE_PE : 0) | (cr0 & CR0_PG ? GYRE_MODE_PG : 0) |
			(cr0 & CR0_WP ? GYRE_MODE_WP : 0);
	mode |= (cr4 & CR4_PAE ? GYRE_MODE_PAE : 0) | (cr4 & CR4_PSE ? GYRE_MODE_PSE : 0) |
		(cr4 & CR4_SMEP ? GYRE_MODE_SMEP : 0) | (cr4 & CR4_SMAP ? GYRE_MODE_SMAP : 0) |
		(cr4 & CR4_LA57 ? GYRE_MODE_LA57 : 0) | (cr4 & CR4_UMIP ? GYRE_MODE_UMIP : 0) |
		(cr4 & CR4_PKE ? GYRE_MODE_PKE : 0);
	return mode | (efer & EFER_LMA ? GYRE_MODE_LMA : 0) | (efer & EFER_NXE ? GYRE_MODE_NXE : 0);
}

static bool control_valid(const struct gyre_vcpu_policy *policy, const struct gyre_vcpu_state *state)
{
	bool paging = (state->cr0 & CR0_PG) != 0, lme = (state->efer & EFER_LME) != 0;
	bool pae = (state->cr4 & CR4_PAE) != 0;
	if (state->cr0 >> 32 != 0 || (paging && (state->cr0 & CR0_PE) == 0) || state->cr8 > 15)
		return false;
	if ((state->cr0 & CR0_NW) != 0 && (state->cr0 & CR0_CD) == 0)
		return false;
	if ((state->cr4 & ~policy->cr4_allowed) != 0 || (state->efer & ~(policy->efer_allowed | EFER_LMA)) != 0)
		return false;
	if ((paging && lme && !pae) || ((state->efer & EFER_LMA) != 0) != (paging && lme))
		return false;
	if ((state->cr4 & CR4_PCIDE) != 0 && !(paging && lme))
		return false;
	/* Beyond its low bits, CR3 is an address of the level's width; bit 63 is no part of the register. */
	return state->cr3 >> policy->physical_bits == 0;
}

bool state_valid(const struct gyre_vcpu_policy *policy, const struct gyre_vcpu_state *state, uint32_t groups)
{
	if ((groups & GYRE_STATE_CONTROL) != 0 && !control_valid(policy, state))
		return false;
	if ((groups & GYRE_STATE_MSRS) != 0 &&
		(!pat_valid(state->pat) || (state->debugctl & ~3ull) != 0 || !canonical_48(state->lstar) ||
			!canonical_48(state->cstar) || !canonical_48(state->kernel_gs_base) ||
			state->sfmask >> 32 != 0))
		return false;
	return (groups & GYRE_STATE_DEBUG) == 0 || (state->dr6 >> 32 == 0 && state->dr7 >> 32 == 0);
}

/* Memory types 0, 1, 4 to 7: APM vol. 2, "PAT Indexing". */
bool pat_valid(uint64_t pat)
{
	for (int i = 0; i < 8; i++) {
		uint64_t type = pat >> 8 * i & 0xff;
		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* APM vol. 2, "XFEATURE_ENABLED_MASK": x87 always; AVX wants SSE, AVX-512 all of its parts and AVX. */
bool xcr0_valid(uint64_t xcr0, uint64_t allowed)
{
	const uint64_t sse = 2, avx = 4, mpx = 0x18, avx512 = 0xe0;
	if ((xcr0 & ~allowed) != 0 || (xcr0 & 1) == 0)
		return false;
	if ((xcr0 & avx) != 0 && (xcr0 & sse) == 0)
		return false;
	if ((xcr0 & mpx) != 0 && (xcr0 & mpx) != mpx)
		return false;
	return (xcr0 & avx512) == 0 || ((xcr0 & avx512) == avx512 && (xcr0 & avx) != 0);
}
