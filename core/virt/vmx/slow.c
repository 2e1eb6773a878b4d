/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/slow.c: the exits that are rare: all registers of the guest are in the page and the VMCS, and the loop waits for the answer.
 */
#include "core/virt/fetch.h"
#include "core/virt/vmx/vmx.h"
#include "core/x86/log.h"

#define EVENT_VECTOR_TYPE 0x7ffu
#define NMI_OF_HOST	  (GYRE_EVENT_NMI | TRAP_NMI)

/* #DB has not changed DR6 yet. SDM vol. 3, "Exit Qualification for Debug Exceptions": its bits, as DR6 would have them. */
static enum vcpu_next debug(struct vmx_vcpu *v)
{
	uint64_t bits = vmx_read(VMCS_QUALIFICATION) & 0xe00f;
	if (v->vcpu.single) {
		v->vcpu.single = false;
		v->vcpu.step = false;
		if (!v->step_tf)
			vmx_write(VMCS_RFLAGS, vmx_read(VMCS_RFLAGS) & ~(uint64_t)RFLAGS_TF);
		if (v->step_tf || (bits & 0xf) != 0) {
			vmx_dr6_set(v, (vmx_dr6(v) & ~0xfull) | bits);
			vcpu_exception(&v->vcpu, TRAP_DEBUG);
		}
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_KICK, 0, 0, 0, 0);
	}
	if (answer_monitor_wants(&v->vcpu, TRAP_DEBUG))
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_DEBUG, 0, TRAP_DEBUG, bits, 0);
	vmx_dr6_set(v, (vmx_dr6(v) & ~0xfull) | bits);
	return vcpu_exception(&v->vcpu, TRAP_DEBUG);
}

/* The other vendor's hypercall arrives here; everything else is what the guest's own handler is for. */
static enum vcpu_next undefined(struct vmx_vcpu *v)
{
	struct control now = vmx_control(v);
	struct fetch_where where = {.rip = vmx_read(VMCS_RIP),
		.cs_base = vmx_read(VMCS_CS_BASE),
		.cr0 = now.cr0,
		.cr3 = now.cr3,
		.cr4 = now.cr4,
		.efer = now.efer,
		.cs_long = vmx_code_64(v)};
	uint32_t length;
	length = fetch_length_slow(&v->vcpu.fetch, v->vcpu.policy.ram, &where, &FETCH_VMMCALL);
	if (length == 0)
		return answer_undefined(&v->vcpu);
	v->vcpu.counters->hypercalls_foreign++;
	return (enum vcpu_next)vmx_hypercall(v, length);
}

static enum vcpu_next exception(struct vmx_vcpu *v)
{
	uint32_t event = (uint32_t)vmx_read(VMCS_EXIT_EVENT), vector = event & 0xff;
	uint32_t vectoring = (uint32_t)vmx_read(VMCS_VECTORING);
	if ((event & EVENT_VECTOR_TYPE) == NMI_OF_HOST) {
		/* The processor's: its handler, as if it had come now; NMIs are blocked until it returns. */
		COUNT(&v->vcpu, CORE_NMI);
		__asm__ volatile("int $2");
		return VCPU_AGAIN;
	}
	COUNT(&v->vcpu, CORE_EXCEPTION);
	/* SDM vol. 3, "Resuming Guest Software after Handling an Exception": IRET had unblocked NMIs, and will again; not where that means nothing. */
	if ((event & EVENT_NMI_UNBLOCKED) != 0 && vector != TRAP_DOUBLE_FAULT && (vectoring & GYRE_EVENT_VALID) == 0)
		vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
	if ((vectoring & GYRE_EVENT_VALID) != 0)
		vmx_interrupted(v, vectoring);
	if (vector == TRAP_MACHINE_CHECK) {
		const struct regs none = {0};
		machine_check(&none);
		return VCPU_AGAIN;
	}
	if (answer_exception_waits(&v->vcpu))
		return VCPU_AGAIN;
	/* INT1 leaves before it is done: as what it is, it goes on behind itself, and DR6 is not concerned. */
	if ((event & 0x700) == GYRE_EVENT_PRIVILEGED && !answer_monitor_wants(&v->vcpu, vector)) {
		inject_again(&v->vcpu, event, 0, (uint32_t)vmx_read(VMCS_LENGTH));
		return VCPU_AGAIN;
	}
	if (vector == TRAP_DEBUG)
		return debug(v);
	if (vector == TRAP_INVALID_OPCODE)
		return undefined(v);
	uint64_t error = (event & GYRE_EVENT_ERROR) != 0 ? vmx_read(VMCS_EXIT_ERROR) : 0;
	if (answer_monitor_wants(&v->vcpu, vector)) {
		uint64_t address = vmx_read(VMCS_QUALIFICATION);
		if (vector == TRAP_PAGE_FAULT)
			cr2_write(address);
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_DEBUG, 0, vector, error, address);
	}
	/* #AC alone is left. */
	return vcpu_exception_error(&v->vcpu, vector, (uint32_t)error);
}

/* SDM vol. 3, "Exit Qualification for Task Switches": selector, and the source in the order of GYRE_TASK_. */
static enum vcpu_next task_switch(struct vmx_vcpu *v)
{
	uint64_t qualification = vmx_read(VMCS_QUALIFICATION), source = qualification >> 30 & 3, error = 0;
	uint32_t vectoring = (uint32_t)vmx_read(VMCS_VECTORING), length = (uint32_t)vmx_read(VMCS_LENGTH);
	bool valid = false;
	if ((vectoring & GYRE_EVENT_VALID) != 0) {
		valid = (vectoring & GYRE_EVENT_ERROR) != 0;
		error = valid ? vmx_read(VMCS_VECTORING_ERROR) : 0;
		vmx_interrupted(v, vectoring);
		/* The length is that of an instruction only if one raised the event. */
		if ((vectoring & 0x700) < GYRE_EVENT_SOFTWARE)
			length = 0;
	}
	return vcpu_to_monitor(
		&v->vcpu, GYRE_EXIT_TASK_SWITCH, length, qualification & 0xffff, source | (uint64_t)valid << 8, error);
}

static enum vcpu_next ignore(struct vmx_vcpu *v)
{
	vmx_skip(v, vmx_read(VMCS_LENGTH));
	return VCPU_AGAIN;
}

static enum vcpu_next instruction(struct vmx_vcpu *v, uint32_t number)
{
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_INSTRUCTION, (uint32_t)vmx_read(VMCS_LENGTH), number, 0, 0);
}

/* SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". Which rule was broken, the monitor finds out from what vmx_dump() gives it. */
static enum vcpu_next failed(struct vmx_vcpu *v, uint32_t reason, uint64_t code)
{
	vmx_dump(&v->vcpu); /* with the event that was to be injected */
	vmx_event_back(v);
	vmx_not_launched(v);
	log_warn("vcpu %u: entry refused: reason 0x%x, code %lu", v->vcpu.number, reason, code);
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_FAILED, 0, reason,
		(reason & 0xffff) == REASON_BAD_STATE ? GYRE_FAILED_STATE : GYRE_FAILED_CORE, code);
}

/* VMfail: the controls or the host's state are not what the processor accepts. SDM vol. 3, "VM-Instruction Error Numbers". */
enum vcpu_next vmx_entry_refused(struct vmx_vcpu *v)
{
	return failed(v, 0, vmx_read(VMCS_INSTRUCTION_ERROR));
}

/* SDM vol. 3, "Exit Qualification for Control-Register Accesses": 3:0 which, 5:4 how: 1 reads it. The monitor's emulator knows the rest by its bytes. */
static enum vcpu_next control(struct vmx_vcpu *v)
{
	uint32_t qualification = (uint32_t)vmx_read(VMCS_QUALIFICATION), number = qualification & 15;
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_CONTROL, (uint32_t)vmx_read(VMCS_LENGTH),
		(qualification >> 4 & 3) == 1 ? GYRE_CONTROL_CR_READ(number) : GYRE_CONTROL_CR(number), 0, 0);
}

static enum vcpu_next pml_full(struct vmx_vcpu *v)
{
	uint32_t vectoring = (uint32_t)vmx_read(VMCS_VECTORING);
	if ((vectoring & GYRE_EVENT_VALID) != 0)
		vmx_interrupted(v, vectoring);
	else if ((vmx_read(VMCS_QUALIFICATION) & EVENT_NMI_UNBLOCKED) != 0)
		vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
	COUNT(&v->vcpu, CORE_DIRTY);
	vmx_pml_drain(v);
	return VCPU_AGAIN;
}

enum vcpu_next vmx_exit_slow(struct vmx_vcpu *v)
{
	uint32_t reason = (uint32_t)vmx_read(VMCS_EXIT_REASON);
	v->cr2 = cr2_read(); /* a fault on the way, in the guest's memory, changes it */
	if (reason >= REASON_VMCLEAR && reason <= REASON_VMXON)
		return vcpu_exception(&v->vcpu, TRAP_INVALID_OPCODE); /* no level has them */
	switch (reason) {
	case REASON_EXCEPTION: return exception(v);
	case REASON_CR: return control(v);
	case REASON_DR: vmx_debug_load(v); return VCPU_AGAIN; /* from now on they are in the processor */
	case REASON_TASK_SWITCH: return task_switch(v);
	case REASON_TRIPLE_FAULT:
		vmx_write(VMCS_ACTIVITY, 0); /* it is kept here, and ends by the monitor's hand */
		v->vcpu.activity = VCPU_SHUT_DOWN;
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_TRIPLE_FAULT, 0, 0, 0, 0);
	case REASON_XSETBV:
		return vcpu_to_monitor(
			&v->vcpu, GYRE_EXIT_CONTROL, (uint32_t)vmx_read(VMCS_LENGTH), GYRE_CONTROL_XSETBV, 0, 0);
	case REASON_PML_FULL: return pml_full(v);
	case REASON_PAUSE: COUNT(&v->vcpu, CORE_PAUSE); return VCPU_YIELD; /* RIP stays: the processor counts anew */
	case REASON_BELOW_TPR:
	case REASON_VIRTUAL_EOI:
	case REASON_APIC_WRITE: return vmx_apic_exit(v, reason);
	case REASON_INVD:
	case REASON_WBINVD: return ignore(v); /* its memory is coherent: no device of its own */
	case REASON_RDPMC: return vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
	case REASON_RDTSC: return instruction(v, GYRE_INSTRUCTION_RDTSC);
	case REASON_RDTSCP: return instruction(v, GYRE_INSTRUCTION_RDTSCP);
	case REASON_INIT:
	case REASON_SIPI:
	case REASON_SMI:
	case REASON_OTHER_SMI: return VCPU_AGAIN; /* the platform's */
	case REASON_GETSEC:
	case REASON_RSM:
	case REASON_MWAIT:
	case REASON_MONITOR:
	case REASON_INVEPT:
	case REASON_INVVPID:
	case REASON_VMFUNC: return vcpu_exception(&v->vcpu, TRAP_INVALID_OPCODE);
	case REASON_ENTRY_FAILED | REASON_ENTRY_MACHINE_CHECK: {
		const struct regs none = {0};
		machine_check(&none);
		vmx_not_launched(v);
		return VCPU_AGAIN;
	}
	case REASON_ENTRY_FAILED | REASON_BAD_STATE:
	case REASON_ENTRY_FAILED | REASON_BAD_MSRS: return failed(v, reason, vmx_read(VMCS_QUALIFICATION));
	}
	/* EPT misconfigured, among others. */
	vmx_dump(&v->vcpu);
	log_warn("vcpu %u: unknown exit %u at 0x%lx", v->vcpu.number, reason, vmx_read(VMCS_GUEST_PHYSICAL));
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_FAILED, 0, reason, GYRE_FAILED_CORE, 0);
}
