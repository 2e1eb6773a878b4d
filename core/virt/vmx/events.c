/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/events.c: what common code wants delivered, into the VMCS, and the windows that tell when the guest can take more. The processor itself knows
 * whether NMIs are blocked ("virtual NMIs"). SDM vol. 3, "VM-Entry Controls for Event Injection", "Event Injection".
 */
#include "core/virt/vmx/vmx.h"

/*
 * An event was put into the VMCS, and then something was due before the entry. It is taken back: else another that comes meanwhile would take its place, and
 * who saves the guest's state would not find it. (An exit has cleared the valid bit.)
 */
void vmx_event_back(struct vmx_vcpu *v)
{
	uint32_t event = (uint32_t)vmx_read(VMCS_ENTRY_EVENT);
	if ((event & GYRE_EVENT_VALID) == 0)
		return;
	vmx_write(VMCS_ENTRY_EVENT, 0);
	inject_again(&v->vcpu, event, (uint32_t)vmx_read(VMCS_ENTRY_ERROR),
		(event & 0x700) >= GYRE_EVENT_SOFTWARE ? (uint32_t)vmx_read(VMCS_ENTRY_LENGTH) : 0);
}

/* GYRE_EVENT_ has the hardware's form. In real mode no error code is pushed, and the processor refuses to. */
static void put_event(struct vmx_vcpu *v, const struct inject *inject)
{
	uint32_t event = inject->event, type = event & 0x700;
	if ((v->cr0 & CR0_PE) == 0)
		event &= ~GYRE_EVENT_ERROR;
	if ((event & GYRE_EVENT_ERROR) != 0)
		vmx_write(VMCS_ENTRY_ERROR, inject->error);
	/* A fault pushes RF set, which is left to software. SDM vol. 3, "Instruction-Breakpoint Exception Condition". */
	if (type == GYRE_EVENT_EXCEPTION && GYRE_EVENT_VECTOR(event) != TRAP_DEBUG)
		vmx_write(VMCS_RFLAGS, vmx_read(VMCS_RFLAGS) | RFLAGS_RF);
	if (type >= GYRE_EVENT_SOFTWARE)
		vmx_write(VMCS_ENTRY_LENGTH, inject->length);
	/* What an injection leaves undone: its handler can use the debug registers. SDM vol. 3, "Vectored-Event Injection". */
	if ((event & 0x7ff) == (GYRE_EVENT_EXCEPTION | TRAP_DEBUG))
		vmx_write(VMCS_DR7, vmx_read(VMCS_DR7) & ~DR7_GENERAL_DETECT);
	vmx_write(VMCS_ENTRY_EVENT, event);
}

/* What is delivered ends a shadow. But NMIs that are blocked stay so. */
static void put_blocked(uint64_t blocked, bool delivers, bool nmi)
{
	uint64_t now = blocked;
	if (delivers)
		now &= ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
	if (nmi)
		now &= ~(uint64_t)BLOCKED_BY_NMI; /* the delivery sets it; before, the processor refuses */
	if (now != blocked)
		vmx_write(VMCS_INTERRUPTIBILITY, now);
}

enum vcpu_next vmx_events(struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	uint64_t blocked;
	struct inject_gate gate;
	struct inject inject;
	enum vcpu_next next;
	bool sti;
	vmx_event_back(v);
	vmx_apic_take(v);
	blocked = vmx_read(VMCS_INTERRUPTIBILITY);
	gate.nmi = (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) == 0;
	gate.interrupt = gate.nmi && (vmx_read(VMCS_RFLAGS) & RFLAGS_IF) != 0;
	vcpu->nmi_blocked = (blocked & BLOCKED_BY_NMI) != 0;
	next = inject_next(vcpu, gate, &inject);
	vcpu->nmi_blocked = false;
	if (next != VCPU_AGAIN)
		return next;
	if (inject.event != 0) {
		put_event(v, &inject);
		put_blocked(blocked, true, (inject.event & 0x700) == GYRE_EVENT_NMI);
	}
	vmx_apic_put(v);
	/* In STI's shadow a processor may have the window for NMIs open already, and leave again and again: the other one opens when the shadow ends. */
	sti = inject.event == 0 && (blocked & BLOCKED_BY_STI) != 0;
	vmx_controls_set(v, CONTROL_INTERRUPT_WINDOW, inject.want_interrupt || (inject.want_nmi && sti));
	vmx_controls_set(v, CONTROL_NMI_WINDOW, inject.want_nmi && !sti);
	if (vcpu->single && !vcpu->step) {
		vcpu->step = true;
		v->step_tf = (vmx_read(VMCS_RFLAGS) & RFLAGS_TF) != 0;
		vmx_write(VMCS_RFLAGS, vmx_read(VMCS_RFLAGS) | RFLAGS_TF);
		/* With both, the processor wants a trap that is due already. */
		vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	}
	return VCPU_AGAIN;
}
