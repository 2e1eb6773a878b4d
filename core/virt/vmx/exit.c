/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/exit.c: what an exit asks for. Called by entry.S; the guest's RBP and R12 to R15 are in the processor and not in the page yet, and so are its
 * CR2, its SYSCALL MSRs and its FPU. What needs those, or is rare, is VMX_SLOW. SDM vol. 3, "VM Exits", "Exit Reasons".
 */
#include "core/virt/barriers.h"
#include "core/virt/vm.h"
#include "core/virt/vmx/vmx.h"

/* A handler of its own function saves just what it needs itself. Its result: VCPU_AGAIN, or what the loop is to do. */
#define HANDLER static __attribute__((noinline)) uint32_t

/* RFLAGS.RF ends with the instruction; TF makes a #DB after it, unless something else is to be delivered first or TF is the core's own. */
static __attribute__((noinline)) void skip_special(struct vmx_vcpu *v, uint64_t rflags)
{
	vmx_write(VMCS_RFLAGS, rflags & ~(uint64_t)RFLAGS_RF);
	if ((rflags & RFLAGS_TF) == 0 || v->vcpu.event != 0 || (v->vcpu.step && !v->step_tf))
		return;
	vmx_dr6_set(v, vmx_dr6(v) | PENDING_DEBUG_BS);
	vcpu_exception(&v->vcpu, TRAP_DEBUG);
}

/* Past 4 GiB, outside 64-bit mode, it begins again. */
static __attribute__((noinline)) uint64_t wrap(const struct vmx_vcpu *v, uint64_t rip)
{
	return vmx_code_64(v) ? rip : (uint32_t)rip;
}

void vmx_skip(struct vmx_vcpu *v, uint64_t length)
{
	uint64_t old = vmx_read(VMCS_RIP), rip = old + length, rflags = vmx_read(VMCS_RFLAGS);
	uint64_t blocked = vmx_read(VMCS_INTERRUPTIBILITY);
	if (__builtin_expect((rip ^ old) >> 32 != 0, 0))
		rip = wrap(v, rip);
	vmx_write(VMCS_RIP, rip);
	if (__builtin_expect((blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) != 0, 0))
		vmx_write(VMCS_INTERRUPTIBILITY, blocked & ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
	if (__builtin_expect((rflags & (RFLAGS_TF | RFLAGS_RF)) != 0, 0))
		skip_special(v, rflags);
}

static bool guest_open(const struct vmx_vcpu *v)
{
	return (v->controls & (CONTROL_INTERRUPT_WINDOW | CONTROL_NMI_WINDOW)) == 0 && !v->vcpu.lapic.delivers &&
	       v->tpr_threshold == 0 && (vmx_read(VMCS_RFLAGS) & RFLAGS_IF) != 0 &&
	       (vmx_read(VMCS_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) == 0;
}

static __attribute__((noinline)) uint32_t finish_slow(struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	uint32_t next;
	bool open = vcpu->hazard == VCPU_HAZARD_EVENTS && guest_open(v);
	int vector;
	if (open)
		vlapic_priority(&vcpu->lapic); /* the guest may have set its TPR, by CR8 */
	vector = answer_plain_interrupt(vcpu, open);
	if (vector >= 0)
		vmx_write(VMCS_ENTRY_EVENT, GYRE_EVENT_VALID | (uint32_t)vector);
	if (vector != ANSWER_NOT_PLAIN)
		return (vcpu->hazard | vcpu->cpu->hazard) != 0 ? VCPU_DUE : VCPU_AGAIN;
	if ((vcpu->hazard & VCPU_HAZARD_EVENTS) != 0 && (next = vmx_events(v)) != VCPU_AGAIN)
		return next;
	if ((vcpu->hazard & VCPU_HAZARD_FLUSH) != 0)
		vmx_flush_now(v);
	return ((vcpu->hazard & ~VCPU_HAZARD_TRACE) | vcpu->cpu->hazard) != 0 ? VCPU_DUE : VCPU_AGAIN;
}

/* The last thing before an entry: is anything due? */
static inline uint32_t finish(struct vmx_vcpu *v)
{
	if (__builtin_expect((v->vcpu.hazard | v->vcpu.cpu->hazard) != 0, 0))
		return finish_slow(v);
	return VCPU_AGAIN;
}

static __attribute__((noinline)) uint32_t finish_done_special(struct vmx_vcpu *v, uint64_t length)
{
	vmx_skip(v, length);
	return finish(v);
}

/* After an instruction that is done: vmx_skip(), of which the usual case is here, and no call is left on it. */
static inline uint32_t finish_done(struct vmx_vcpu *v, uint64_t length)
{
	uint64_t old = vmx_read(VMCS_RIP), rip = old + length;
	uint64_t special = (vmx_read(VMCS_RFLAGS) & (RFLAGS_TF | RFLAGS_RF)) |
			   (vmx_read(VMCS_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) | (rip ^ old) >> 32;
	if (__builtin_expect(special != 0, 0))
		return finish_done_special(v, length);
	vmx_write(VMCS_RIP, rip);
	return finish(v);
}

HANDLER exit_cpuid_slow(struct vmx_vcpu *v)
{
	answer_cpuid_slow(&v->vcpu, &v->vcpu.page->gpr[GYRE_RAX]);
	return finish_done(v, vmx_read(VMCS_LENGTH));
}

HANDLER exit_cpuid(struct vmx_vcpu *v)
{
	uint64_t *rax = &v->vcpu.page->gpr[GYRE_RAX];
	const struct cpuid_slot *slot = cpuid_table_index(v->vcpu.cpuid, (uint32_t)*rax);
	if (__builtin_expect(slot == 0, 0))
		return exit_cpuid_slow(v);
	answer_cpuid(&v->vcpu, rax, slot);
	return finish_done(v, vmx_read(VMCS_LENGTH));
}

static __attribute__((noinline)) uint32_t msr_odd(
	struct vmx_vcpu *v, enum msr_answer answer, uint32_t index, uint64_t value, bool write)
{
	uint32_t length = (uint32_t)vmx_read(VMCS_LENGTH);
	if (answer == ANSWER_FAULT) {
		vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
		return finish(v);
	}
	if (answer == ANSWER_TSC) {
		vmx_write(VMCS_TSC_OFFSET, v->vcpu.tsc_offset);
		return finish_done(v, length);
	}
	return answer_msr_monitor(&v->vcpu, length, write, index, value);
}

HANDLER exit_msr_write(struct vmx_vcpu *v)
{
	const uint64_t *gpr = v->vcpu.page->gpr;
	uint32_t index = (uint32_t)gpr[GYRE_RCX];
	uint64_t value = gpr[GYRE_RDX] << 32 | (uint32_t)gpr[GYRE_RAX];
	enum msr_answer answer = answer_msr_write(&v->vcpu, index, value);
	if (__builtin_expect(answer != ANSWER_DONE, 0))
		return msr_odd(v, answer, index, value, true);
	return finish_done(v, vmx_read(VMCS_LENGTH));
}

HANDLER exit_msr_read(struct vmx_vcpu *v)
{
	uint64_t *gpr = v->vcpu.page->gpr, value = 0;
	uint32_t index = (uint32_t)gpr[GYRE_RCX];
	enum msr_answer answer = msr_guest_read(&v->vcpu, index, &value);
	COUNT(&v->vcpu, CORE_MSR_READ);
	if (__builtin_expect(answer != ANSWER_DONE, 0))
		return msr_odd(v, answer, index, 0, false);
	gpr[GYRE_RAX] = (uint32_t)value;
	gpr[GYRE_RDX] = value >> 32;
	return finish_done(v, vmx_read(VMCS_LENGTH));
}

static inline uint32_t guest_cpl(void)
{
	return vmx_read(VMCS_SS_RIGHTS) >> RIGHTS_DPL_SHIFT & 3;
}

uint32_t vmx_hypercall(struct vmx_vcpu *v, uint32_t length)
{
	uint64_t *rax = &v->vcpu.page->gpr[GYRE_RAX];
	struct hypercall_answer answer = hypercall(&v->vcpu, *rax, vmx_code_64(v), guest_cpl());
	if (answer.next == VCPU_MONITOR)
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_HYPERCALL, length, 0, 0, 0);
	COUNT(&v->vcpu, CORE_HYPERCALL);
	*rax = answer.rax;
	vmx_skip(v, length);
	return (uint32_t)answer.next;
}

HANDLER exit_hypercall(struct vmx_vcpu *v)
{
	uint64_t *rax = &v->vcpu.page->gpr[GYRE_RAX];
	uint32_t next;
	if (hypercall_does_nothing(&v->vcpu, *rax, guest_cpl())) {
		*rax = 0;
		COUNT(&v->vcpu, CORE_HYPERCALL);
		return finish_done(v, vmx_read(VMCS_LENGTH));
	}
	next = vmx_hypercall(v, (uint32_t)vmx_read(VMCS_LENGTH));
	return next == VCPU_AGAIN ? finish(v) : next;
}

/*
 * Of exceptions, #UD by the other vendor's hypercall in 64-bit code is the frequent one: guests of a level that names that vendor make no other. A fault
 * while its bytes are read changes CR2: virt_disturbed() then has it loaded again.
 */
HANDLER exit_exception(struct vmx_vcpu *v)
{
	const uint32_t undefined = GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | TRAP_INVALID_OPCODE;
	uint32_t next;
	if ((uint32_t)vmx_read(VMCS_EXIT_EVENT) != undefined || (vmx_read(VMCS_VECTORING) & GYRE_EVENT_VALID) != 0 ||
		!vmx_code_64(v))
		return VMX_SLOW;
	v->cr2 = cr2_read();
	if (fetch_length_fast(&v->vcpu.fetch, vmx_read(VMCS_RIP), vmx_read(VMCS_CR3), 0xd9010f, 0xffffff, 3) == 0)
		return VMX_SLOW;
	COUNT(&v->vcpu, CORE_EXCEPTION);
	v->vcpu.counters->hypercalls_foreign++;
	next = vmx_hypercall(v, 3);
	return next == VCPU_AGAIN ? finish(v) : next;
}

/* SDM vol. 3, "Exit Qualification for I/O Instructions": bits 2:0 size - 1, 3 IN, 4 string, 5 REP, 31:16 the port. */
#define IO_IN	  0x8u
#define IO_STRING 0x10u
HANDLER exit_port_write(struct vmx_vcpu *v, uint64_t qualification)
{
	uint32_t size = (qualification & 7) + 1;
	uint32_t value = (uint32_t)v->vcpu.page->gpr[GYRE_RAX] & (uint32_t)((1ull << 8 * size) - 1);
	if (!vm_doorbell(v->vcpu.cpu, v->vcpu.vm, (uint16_t)(qualification >> 16), size, value))
		return VMX_PORT;
	COUNT(&v->vcpu, CORE_DOORBELL);
	return finish_done(v, vmx_read(VMCS_LENGTH));
}

static inline uint32_t exit_io(struct vmx_vcpu *v)
{
	uint64_t qualification = vmx_read(VMCS_QUALIFICATION);
	if ((qualification & (IO_STRING | IO_IN)) == 0 && v->vcpu.vm->doorbell_count != 0)
		return exit_port_write(v, qualification);
	return VMX_PORT;
}

/* An event was being delivered: it is delivered again, unless the exit is an exception that comes in its place (slow.c). */
__attribute__((noinline)) void vmx_interrupted(struct vmx_vcpu *v, uint32_t event)
{
	uint32_t type = event & 0x700, length = 0;
	/* NMIs are blocked since its delivery began; the next one blocks them again. SDM vol. 3, "Information for VM Exits During Event Delivery". */
	if (type == GYRE_EVENT_NMI)
		vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) & ~(uint64_t)BLOCKED_BY_NMI);
	if (type >= GYRE_EVENT_SOFTWARE)
		length = (uint32_t)vmx_read(VMCS_LENGTH);
	inject_again(&v->vcpu, event & ~EVENT_NMI_UNBLOCKED, (uint32_t)vmx_read(VMCS_VECTORING_ERROR), length);
}

static uint32_t ept_to_monitor(struct vmx_vcpu *v, uint64_t info)
{
	uint64_t gpa = vmx_read(VMCS_GUEST_PHYSICAL), linear = 0;
	uint64_t flags = ((info & EPT_VIOLATION_WRITE) != 0 ? GYRE_ACCESS_WRITE : 0) |
			 ((info & EPT_VIOLATION_EXECUTE) != 0 ? GYRE_ACCESS_EXECUTE : 0) |
			 ((info & EPT_VIOLATION_PRESENT) != 0 ? GYRE_ACCESS_PRESENT : 0);
	if ((info & EPT_VIOLATION_LINEAR) != 0) {
		flags |= (info & EPT_VIOLATION_FINAL) == 0 ? GYRE_ACCESS_WALK : GYRE_ACCESS_LINEAR;
		linear = vmx_read(VMCS_GUEST_LINEAR);
	}
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_MEMORY, 0, gpa, flags, linear);
}

/* While an event was delivered, after an IRET, or a write to what may only be read. */
HANDLER exit_ept_special(struct vmx_vcpu *v, uint64_t info, uint32_t vectoring)
{
	const uint64_t read_only = EPT_VIOLATION_WRITE | EPT_VIOLATION_READABLE;
	/* An IRET had unblocked NMIs before its access faulted: it will do so again. Not with an event, where the bit means nothing. */
	if ((info & EVENT_NMI_UNBLOCKED) != 0 && (vectoring & GYRE_EVENT_VALID) == 0)
		vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
	if ((vectoring & GYRE_EVENT_VALID) != 0)
		vmx_interrupted(v, vectoring);
	if ((info & read_only) == read_only &&
		aspace_dirty_fault(&v->vcpu.vm->aspace, vmx_read(VMCS_GUEST_PHYSICAL) >> 12)) {
		COUNT(&v->vcpu, CORE_DIRTY);
		return finish(v);
	}
	return ept_to_monitor(v, info);
}

HANDLER exit_ept(struct vmx_vcpu *v)
{
	uint64_t info = vmx_read(VMCS_QUALIFICATION);
	uint32_t vectoring = (uint32_t)vmx_read(VMCS_VECTORING);
	if (((info & (EVENT_NMI_UNBLOCKED | EPT_VIOLATION_READABLE)) | (vectoring & GYRE_EVENT_VALID)) != 0)
		return exit_ept_special(v, info, vectoring);
	return ept_to_monitor(v, info);
}

HANDLER exit_halt(struct vmx_vcpu *v)
{
	bool interrupts = (vmx_read(VMCS_RFLAGS) & RFLAGS_IF) != 0;
	uint32_t next;
	vmx_skip(v, vmx_read(VMCS_LENGTH));
	v->vcpu.nmi_blocked = (vmx_read(VMCS_INTERRUPTIBILITY) & BLOCKED_BY_NMI) != 0;
	vlapic_merge(&v->vcpu.lapic);
	next = answer_halt(&v->vcpu, interrupts);
	v->vcpu.nmi_blocked = false;
	return next == VCPU_AGAIN ? finish(v) : next;
}

HANDLER exit_window(struct vmx_vcpu *v)
{
	COUNT(&v->vcpu, CORE_WINDOW);
	vmx_controls_set(v, CONTROL_INTERRUPT_WINDOW | CONTROL_NMI_WINDOW, false);
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	return finish(v);
}

/* The host's own interrupt, which the loop lets in; or the guest has run for long enough without one, whatever keeps them out. */
HANDLER exit_host(struct vmx_vcpu *v, bool timer)
{
	if (timer)
		COUNT(&v->vcpu, CORE_PREEMPT);
	else
		COUNT(&v->vcpu, CORE_INTERRUPT);
	return VCPU_DUE;
}

/*
 * Frequent ones first, for the reader; the compiler makes a tree of comparisons, since a jump table is an indirect branch that a guest can train. All are
 * tail calls, so that this has no frame.
 */
uint32_t vmx_exit(struct vmx_vcpu *v)
{
	uint32_t reason = (uint32_t)vmx_read(VMCS_EXIT_REASON);
	if (__builtin_expect_with_probability(reason == REASON_IO, 1, 0.5))
		return exit_io(v);
	if (__builtin_expect_with_probability(reason == REASON_CPUID, 1, 0.5))
		return exit_cpuid(v);
	if (__builtin_expect_with_probability(reason == REASON_EPT_VIOLATION, 1, 0.5))
		return exit_ept(v);
	switch (reason) {
	case REASON_WRMSR: return exit_msr_write(v);
	case REASON_RDMSR: return exit_msr_read(v);
	case REASON_VMCALL: return exit_hypercall(v);
	case REASON_EXCEPTION: return exit_exception(v);
	case REASON_INTERRUPT: return exit_host(v, false);
	case REASON_PREEMPTION_TIMER: return exit_host(v, true);
	case REASON_HLT: return exit_halt(v);
	case REASON_INTERRUPT_WINDOW:
	case REASON_NMI_WINDOW: return exit_window(v);
	default: return VMX_SLOW;
	}
}

uint32_t vmx_exit_traced(struct vmx_vcpu *v)
{
	const uint64_t *gpr = v->vcpu.page->gpr;
	uint32_t reason = (uint32_t)vmx_read(VMCS_EXIT_REASON), next;
	uint64_t detail = vmx_read(VMCS_QUALIFICATION), value = 0;
	switch (reason) {
	case REASON_CPUID:
		detail = (uint32_t)gpr[GYRE_RAX];
		value = (uint32_t)gpr[GYRE_RCX];
		break;
	case REASON_RDMSR:
	case REASON_WRMSR:
		detail = (uint32_t)gpr[GYRE_RCX];
		value = gpr[GYRE_RDX] << 32 | (uint32_t)gpr[GYRE_RAX];
		break;
	case REASON_IO:
		detail >>= 16;
		value = (uint32_t)gpr[GYRE_RAX];
		break;
	case REASON_EPT_VIOLATION:
		value = detail;
		detail = vmx_read(VMCS_GUEST_PHYSICAL);
		break;
	case REASON_VMCALL: detail = gpr[GYRE_RAX]; break;
	default: break;
	}
	trace_exit(&v->vcpu, reason, vmx_read(VMCS_RIP), vmx_read(VMCS_CR3), detail, value);
	next = vmx_exit(v);
	if (next == VMX_SLOW)
		return next; /* the loop knows the kind when it is done */
	return trace_done(&v->vcpu, next, VMX_PORT) || next != VCPU_AGAIN ? next : VCPU_DUE;
}
