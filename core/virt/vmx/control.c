/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/control.c: a guest's control registers, EFER and the other MSRs that a VMCS holds, and its debug registers. SDM vol. 3, "Guest/Host Masks
 * and Read Shadows for CR0 and CR4", "Changes to Instruction Behavior in VMX Non-Root Operation".
 *
 * Without "unrestricted guest" the processor has paging on in every guest. One that has not runs on an identity table of its monitor's, in 32-bit paging with
 * large pages; what it writes into CR3 is kept until it turns paging on. It can't be in real mode there: vmx_control_exit().
 */
#include "core/virt/fetch.h"
#include "core/virt/vmx/vmx.h"

void vmx_controls_set(struct vmx_vcpu *v, uint32_t bits, bool on)
{
	uint32_t controls = on ? v->controls | bits : v->controls & ~bits;
	/* Those that must be 1 stay. */
	controls |= vmx_features.controls_must;
	if (controls != v->controls)
		vmx_write(VMCS_CONTROLS, v->controls = controls);
}

struct control vmx_control(const struct vmx_vcpu *v)
{
	return (struct control){
		.cr0 = vmx_cr0(v),
		.cr3 = vmx_cr3(v),
		.cr4 = vmx_cr4(v),
		.efer = v->efer,
		.cs_long = (vmx_read(VMCS_CS_RIGHTS) & RIGHTS_LONG) != 0,
	};
}

static uint32_t mode_of(const struct control *c)
{
	static const struct {
		uint64_t bit;
		uint32_t mode;
	} cr4[] = {{GUEST_CR4_PAE_BIT, GYRE_MODE_PAE}, {GUEST_CR4_PSE_BIT, GYRE_MODE_PSE},
		{GUEST_CR4_SMEP, GYRE_MODE_SMEP}, {GUEST_CR4_SMAP, GYRE_MODE_SMAP},
		{GUEST_CR4_LA57_BIT, GYRE_MODE_LA57}, {GUEST_CR4_UMIP, GYRE_MODE_UMIP}, {GUEST_CR4_PKE, GYRE_MODE_PKE}};
	uint32_t mode = 0;
	mode |= (c->cr0 & GUEST_CR0_PE) != 0 ? GYRE_MODE_PE : 0;
	mode |= (c->cr0 & GUEST_CR0_PAGING) != 0 ? GYRE_MODE_PG : 0;
	mode |= (c->cr0 & GUEST_CR0_WP) != 0 ? GYRE_MODE_WP : 0;
	mode |= (c->efer & GUEST_EFER_LMA_BIT) != 0 ? GYRE_MODE_LMA : 0;
	mode |= (c->efer & GUEST_EFER_NXE) != 0 ? GYRE_MODE_NXE : 0;
	for (unsigned i = 0; i < sizeof(cr4) / sizeof(cr4[0]); i++)
		mode |= (c->cr4 & cr4[i].bit) != 0 ? cr4[i].mode : 0;
	return mode;
}

void vmx_control_set(struct vmx_vcpu *v, const struct control *now)
{
	const struct vmx_features *f = &vmx_features;
	bool long_mode = (now->efer & GUEST_EFER_LMA_BIT) != 0;
	uint64_t cr0 = now->cr0 | (f->cr0_fixed0 & ~(GUEST_CR0_PE | GUEST_CR0_PAGING)), cr3 = now->cr3;
	uint64_t cr4 = now->cr4 | f->cr4_fixed0, efer = now->efer;
	v->unpaged = !f->unrestricted && (now->cr0 & GUEST_CR0_PAGING) == 0;
	if (v->unpaged) {
		v->cr3_unpaged = now->cr3;
		cr0 |= GUEST_CR0_PE | GUEST_CR0_PAGING;
		cr3 = v->identity_table;
		cr4 = (cr4 | GUEST_CR4_PSE_BIT) &
		      ~(GUEST_CR4_PAE_BIT | GUEST_CR4_PCIDE | GUEST_CR4_SMEP | GUEST_CR4_SMAP);
		efer &= ~GUEST_EFER_LME;
	}
	v->cr0 = now->cr0;
	v->cr4 = now->cr4;
	v->efer = now->efer;
	v->mode = mode_of(now);
	v->entry_controls = f->entry_controls | (long_mode ? ENTRY_LONG_MODE : 0);
	vmx_controls_set(v, CONTROL_CR3_LOAD | CONTROL_CR3_STORE, v->unpaged);
	vmx_write(VMCS_ENTRY_CONTROLS, v->entry_controls);
	vmx_write(VMCS_CR0, cr0);
	vmx_write(VMCS_CR0_SHADOW, now->cr0);
	vmx_write(VMCS_CR0_MASK, ~v->cr0_own);
	vmx_write(VMCS_CR3, cr3);
	vmx_write(VMCS_CR4, cr4);
	vmx_write(VMCS_CR4_SHADOW, now->cr4);
	vmx_write(VMCS_CR4_MASK, ~v->cr4_own);
	vmx_write(VMCS_EFER, efer);
	vmx_flush_linear(v);
}

/* ---- PAE paging ---- */
void vmx_pdptes_put(const uint64_t pdpte[4])
{
	for (unsigned i = 0; i < 4; i++)
		vmx_write(VMCS_PDPTE + 2 * i, pdpte[i]);
}

/* SDM vol. 3, "PDPTE Registers": bits 2:1, 8:5 and those beyond the width are reserved. */
bool vmx_pdptes_read(const struct vmx_vcpu *v, uint64_t cr3, uint64_t pdpte[4])
{
	uint64_t reserved = 0x1e6 | ~((1ull << v->vcpu.policy.physical_bits) - 1);
	for (unsigned i = 0; i < 4; i++)
		if (!fetch_physical(v->vcpu.policy.ram, (cr3 & 0xffffffe0) + 8 * i, &pdpte[i]) ||
			((pdpte[i] & 1) != 0 && (pdpte[i] & reserved) != 0))
			return false;
	return true;
}

/* ---- exits ---- */
static enum vcpu_next fault(struct vmx_vcpu *v)
{
	vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
	return VCPU_AGAIN;
}

static enum vcpu_next put_cr3(struct vmx_vcpu *v, struct control *now, uint64_t value)
{
	uint64_t pdpte[4];
	bool keep = (now->cr4 & GUEST_CR4_PCIDE) != 0 && value >> 63 != 0;
	value &= keep ? ~(1ull << 63) : ~0ull;
	if (value >> v->vcpu.policy.physical_bits != 0)
		return fault(v);
	now->cr3 = value;
	if (vmx_pae_paging(now)) {
		if (!vmx_pdptes_read(v, value, pdpte))
			return fault(v);
		vmx_pdptes_put(pdpte);
	}
	if (v->unpaged)
		v->cr3_unpaged = value;
	else
		vmx_write(VMCS_CR3, value);
	if (!keep)
		vmx_flush_linear(v);
	return (enum vcpu_next)vmx_done(v, vmx_read(VMCS_LENGTH));
}

static enum vcpu_next put_control(struct vmx_vcpu *v, uint32_t number, uint64_t value)
{
	struct control now = vmx_control(v);
	uint64_t pdpte[4];
	if (number == 3)
		return put_cr3(v, &now, value);
	if (!answer_control(&v->vcpu, &now, number, value))
		return fault(v);
	if (number == 8)
		return (enum vcpu_next)vmx_done(v, vmx_read(VMCS_LENGTH));
	if (!vmx_features.unrestricted && (now.cr0 & GUEST_CR0_PE) == 0)
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_FAILED, 0, REASON_CR, GYRE_FAILED_MODE, 0);
	if (vmx_pae_paging(&now)) {
		if (!vmx_pdptes_read(v, now.cr3, pdpte))
			return fault(v);
		vmx_pdptes_put(pdpte);
	}
	vmx_control_set(v, &now);
	return (enum vcpu_next)vmx_done(v, vmx_read(VMCS_LENGTH));
}

static enum vcpu_next get_control(struct vmx_vcpu *v, uint32_t number, uint32_t gpr)
{
	uint64_t value = number == 8 ? VREG(&v->vcpu.lapic, APIC_TPR) >> 4 : vmx_control(v).cr3;
	if (gpr == GYRE_RSP)
		vmx_write(VMCS_RSP, value);
	else
		v->vcpu.page->gpr[gpr] = value;
	return (enum vcpu_next)vmx_done(v, vmx_read(VMCS_LENGTH));
}

/* SDM vol. 3, "Exit Qualification for Control-Register Accesses". */
enum vcpu_next vmx_control_exit(struct vmx_vcpu *v)
{
	uint64_t qualification = vmx_read(VMCS_QUALIFICATION), value;
	uint32_t number = qualification & 15, gpr = qualification >> 8 & 15;
	switch (qualification >> 4 & 3) {
	case 0:
		value = gpr == GYRE_RSP ? vmx_read(VMCS_RSP) : v->vcpu.page->gpr[gpr];
		return put_control(v, number, vmx_code_64(v) ? value : (uint32_t)value);
	case 1: return get_control(v, number, gpr);
	case 2: return put_control(v, 0, vmx_cr0(v) & ~(uint64_t)CR0_TS);
	default:
		/* LMSW: bits 3:0, of which it can set PE and not clear it. */
		value = vmx_cr0(v);
		return put_control(v, 0, (value & ~0xeull) | (qualification >> 16 & 15));
	}
}

/* ---- MSRs ---- */
static enum msr_answer write_efer(struct vmx_vcpu *v, uint64_t value)
{
	struct control now = vmx_control(v);
	if (!control_efer(&v->vcpu.policy, &now, value))
		return ANSWER_FAULT;
	vmx_control_set(v, &now);
	return ANSWER_DONE;
}

static uint64_t *kept_msr(struct vmx_vcpu *v, uint32_t index)
{
	switch (index) {
	case GUEST_MSR_EFER: return &v->efer;
	case GUEST_MSR_PAT: return &v->pat;
	case GUEST_MSR_DEBUGCTL: return &v->debugctl;
	case GUEST_MSR_STAR: return &v->msrs.star;
	case GUEST_MSR_LSTAR: return &v->msrs.lstar;
	case GUEST_MSR_CSTAR: return &v->cstar;
	case GUEST_MSR_SFMASK: return &v->msrs.sfmask;
	}
	return 0;
}

enum msr_answer vmx_msr_read(struct vmx_vcpu *v, uint32_t index, uint64_t *value)
{
	const uint64_t *kept = kept_msr(v, index);
	if (kept == 0)
		return ANSWER_MONITOR;
	*value = *kept;
	return ANSWER_DONE;
}

/* The guest's SYSCALL MSRs are in the processor: it has just left. No 32-bit SYSCALL there, so CSTAR is only kept. */
enum msr_answer vmx_msr_write(struct vmx_vcpu *v, uint32_t index, uint64_t value)
{
	uint64_t *kept = kept_msr(v, index);
	if (kept == 0)
		return ANSWER_MONITOR;
	switch (index) {
	case GUEST_MSR_EFER: return write_efer(v, value);
	case GUEST_MSR_PAT:
		if (!pat_valid(value))
			return ANSWER_FAULT;
		vmx_write(VMCS_PAT, value);
		break;
	case GUEST_MSR_DEBUGCTL:
		/* LBR and BTF; without effect, and none of the others. */
		if ((value & ~3ull) != 0)
			return ANSWER_FAULT;
		break;
	case GUEST_MSR_LSTAR:
	case GUEST_MSR_CSTAR:
		if (!canonical_48(value))
			return ANSWER_FAULT;
		break;
	case GUEST_MSR_SFMASK:
		if (value >> 32 != 0)
			return ANSWER_FAULT;
		break;
	default: break;
	}
	*kept = value;
	if (index == GUEST_MSR_STAR || index == GUEST_MSR_LSTAR || index == GUEST_MSR_SFMASK)
		msr_write(index, value);
	return ANSWER_DONE;
}

/* ---- debug registers: DR7 alone is in the VMCS ---- */
uint64_t vmx_dr6(const struct vmx_vcpu *v)
{
	return v->vcpu.dr_loaded ? dr6_read() : v->dr6;
}

void vmx_dr6_set(struct vmx_vcpu *v, uint64_t dr6)
{
	v->dr6 = dr6;
	if (v->vcpu.dr_loaded)
		dr6_write(dr6);
}

void vmx_debug_load(struct vmx_vcpu *v)
{
	if (v->vcpu.dr_loaded)
		return;
	answer_debug_load(&v->vcpu);
	dr6_write(v->dr6);
	vmx_controls_set(v, CONTROL_MOV_DR, false);
}

void vmx_debug_unload(struct vmx_vcpu *v)
{
	if (!v->vcpu.dr_loaded)
		return;
	v->dr6 = dr6_read();
	answer_debug_unload(&v->vcpu);
	dr6_write(DR6_RESET);
	vmx_controls_set(v, CONTROL_MOV_DR, true);
}
