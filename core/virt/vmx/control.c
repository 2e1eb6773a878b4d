/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/control.c: a guest's control registers and debug registers. Its writes to CR0, CR3 and CR4 that exit are the monitor's: they come back as
 * state. SDM vol. 3, "Guest/Host Masks and Read Shadows for CR0 and CR4", "Changes to Instruction Behavior in VMX Non-Root Operation".
 *
 * Without "unrestricted guest" the processor has paging on in every guest. One that has not runs on an identity table of its monitor's, in 32-bit paging with
 * large pages; what it writes into CR3 is kept until it turns paging on. It can't be in real mode there: call_vcpu_state_set().
 */
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
	};
}

void vmx_control_set(struct vmx_vcpu *v, const struct control *now)
{
	const struct vmx_features *f = &vmx_features;
	bool long_mode = (now->efer & EFER_LMA) != 0;
	uint64_t cr0 = now->cr0 | (f->cr0_fixed0 & ~(CR0_PE | CR0_PG)), cr3 = now->cr3;
	uint64_t cr4 = now->cr4 | f->cr4_fixed0, efer = now->efer;
	v->unpaged = !f->unrestricted && (now->cr0 & CR0_PG) == 0;
	if (v->unpaged) {
		v->cr3_unpaged = now->cr3;
		cr0 |= CR0_PE | CR0_PG;
		cr3 = v->identity_table;
		cr4 = (cr4 | CR4_PSE) & ~(CR4_PAE | CR4_PCIDE | CR4_SMEP | CR4_SMAP);
		efer &= ~EFER_LME;
	}
	v->cr0 = now->cr0;
	v->cr4 = now->cr4;
	v->efer = now->efer;
	v->mode = control_mode(now->cr0, now->cr4, now->efer);
	vmx_controls_set(v, CONTROL_CR3_LOAD | CONTROL_CR3_STORE, v->unpaged);
	vmx_write(VMCS_ENTRY_CONTROLS, f->entry_controls | (long_mode ? ENTRY_LONG_MODE : 0));
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
