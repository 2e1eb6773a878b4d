/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/exit.c: what an exit asks for. Called by entry.S with GIF clear; the guest's GS, TR and SYSCALL MSRs are still in the processor, and so are
 * its RBP and R12 to R15, which are not in the page yet. So nothing here uses GS, lets an interrupt in or reads those registers: what needs that is SVM_SLOW.
 */
#include "core/virt/barriers.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vm.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

#define CS_LONG 0x200

/* A handler of its own function saves just what it needs itself. Its result: VCPU_AGAIN, or what the loop is to do. */
#define HANDLER __attribute__((noinline)) uint32_t

uint32_t svm_length_by_bytes(struct svm_vcpu *v, const struct fetch_opcode *opcode)
{
	const struct vmcb *vmcb = v->vmcb;
	struct fetch_where where = {
		.rip = vmcb->rip,
		.cs_base = vmcb->cs_.base,
		.cr0 = vmcb->cr0_,
		.cr3 = vmcb->cr3_,
		.cr4 = vmcb->cr4_,
		.efer = vmcb->efer_,
		.cs_long = (vmcb->cs_.attributes & CS_LONG) != 0 && (vmcb->efer_ & EFER_LMA) != 0,
	};
	return fetch_length_slow(&v->vcpu.fetch, v->vcpu.policy.ram, &where, opcode);
}

/* The frequent ones' own bytes are constants here: the cache, the slow way, or the processor. */
static inline __attribute__((always_inline)) uint32_t length_of(struct svm_vcpu *v, const struct vmcb *vmcb,
	uint32_t bytes, uint32_t mask, uint32_t length, const struct fetch_opcode *opcode)
{
	if (svm_features.nrip)
		return (uint32_t)(vmcb->next_rip - vmcb->rip);
	if (__builtin_expect((vmcb->cs_.attributes & CS_LONG) != 0 &&
				     fetch_length_fast(&v->vcpu.fetch, vmcb->rip, vmcb->cr3_, bytes, mask, length) != 0,
		    1))
		return length;
	return svm_length_by_bytes(v, opcode);
}

__attribute__((noinline)) uint32_t svm_length_unknown(struct svm_vcpu *v)
{
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_INSTRUCTION, 0, GYRE_INSTRUCTION_SKIP, 0, 0);
}

static bool guest_open(const struct svm_vcpu *v)
{
	const struct vmcb *vmcb = v->vmcb;
	return (vmcb->rflags & RFLAGS_IF) != 0 && vmcb->interrupt_shadow == 0 && (vmcb->v_irq_ & 1) == 0 &&
	       (vmcb->intercept_misc1_ & VMCB_I1_IRET) == 0 && vmcb->v_tpr_ == v->tpr_seen &&
	       VREG(&v->vcpu.lapic, APIC_TPR) >> 4 == v->tpr_seen && (vmcb->intercept_cr_write_ & 0x100) == 0;
}

static __attribute__((noinline)) uint32_t finish_slow(struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	int vector = answer_plain_interrupt(vcpu, guest_open(v));
	if (vector >= 0)
		svm_interrupt(v, (uint32_t)vector);
	if (vector != ANSWER_NOT_PLAIN)
		return (vcpu->hazard | vcpu->cpu->hazard) != 0 ? VCPU_DUE : VCPU_AGAIN;
	return svm_due(vcpu->cpu, v);
}

/* The last thing before an entry: is anything due? */
static inline uint32_t finish(struct svm_vcpu *v)
{
	if (__builtin_expect((v->vcpu.hazard | v->vcpu.cpu->hazard) != 0, 0))
		return finish_slow(v);
	return VCPU_AGAIN;
}

/* After an instruction that is done. */
static inline uint32_t finish_done(struct svm_vcpu *v, struct vmcb *vmcb, uint32_t length)
{
	if (__builtin_expect(length == 0, 0))
		return svm_length_unknown(v);
	svm_skip(v, vmcb, length);
	return finish(v);
}

/* RFLAGS.RF ends with the instruction; TF makes a #DB after it, unless something else is to be delivered first or TF is the core's own. */
void svm_skip_special(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	vmcb->rflags &= ~(uint64_t)RFLAGS_RF;
	if ((vmcb->rflags & RFLAGS_TF) == 0 || v->vcpu.event != 0 || (v->vcpu.step && !v->step_tf))
		return;
	vmcb_set_dr6(vmcb, vmcb->dr6_ | 1u << 14); /* BS */
	vcpu_exception(&v->vcpu, TRAP_DEBUG);
}

static HANDLER exit_cpuid(struct svm_vcpu *v, struct vmcb *vmcb)
{
	const struct cpuid_slot *slot = cpuid_table_index(v->vcpu.cpuid, (uint32_t)vmcb->rax);
	if (__builtin_expect(slot != 0, 1))
		answer_cpuid(&v->vcpu, &vmcb->rax, slot);
	else
		answer_cpuid_slow(&v->vcpu, &vmcb->rax);
	return finish_done(v, vmcb, length_of(v, vmcb, 0xa20f, 0xffff, 2, &FETCH_CPUID));
}

static __attribute__((noinline)) uint32_t msr_odd(
	struct svm_vcpu *v, enum msr_answer answer, uint32_t index, uint64_t value, bool write, uint32_t length)
{
	if (answer == ANSWER_FAULT) {
		vcpu_exception_error(&v->vcpu, TRAP_GENERAL_PROTECTION, 0);
		return finish(v);
	}
	if (answer == ANSWER_TSC) {
		vmcb_set_tsc_offset(v->vmcb, v->vcpu.tsc_offset);
		return finish_done(v, v->vmcb, length);
	}
	return answer_msr_monitor(&v->vcpu, length, write, index, value);
}

static HANDLER exit_msr_write(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t length = length_of(v, vmcb, 0x300f, 0xffff, 2, &FETCH_WRMSR), index;
	uint64_t value = v->vcpu.page->gpr[GYRE_RDX] << 32 | (uint32_t)vmcb->rax;
	enum msr_answer answer;
	if (__builtin_expect(vmcb->v_tpr_ != v->tpr_seen, 0))
		svm_tpr_from_guest(v);
	index = (uint32_t)v->vcpu.page->gpr[GYRE_RCX];
	answer = answer_msr_write(&v->vcpu, index, value);
	if (__builtin_expect(answer != ANSWER_DONE, 0))
		return msr_odd(v, answer, index, value, true, length);
	return finish_done(v, vmcb, length);
}

static HANDLER exit_msr_read(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t length = length_of(v, vmcb, 0x320f, 0xffff, 2, &FETCH_RDMSR);
	uint32_t index = (uint32_t)v->vcpu.page->gpr[GYRE_RCX];
	uint64_t value = 0;
	enum msr_answer answer;
	if (__builtin_expect(vmcb->v_tpr_ != v->tpr_seen, 0))
		svm_tpr_from_guest(v);
	answer = msr_guest_read(&v->vcpu, index, &value);
	svm_count(v, GYRE_EXIT_CORE_MSR_READ);
	if (__builtin_expect(answer != ANSWER_DONE, 0))
		return msr_odd(v, answer, index, 0, false, length);
	vmcb->rax = (uint32_t)value;
	v->vcpu.page->gpr[GYRE_RDX] = value >> 32;
	return finish_done(v, vmcb, length);
}

uint32_t svm_hypercall(struct svm_vcpu *v, uint32_t length)
{
	struct vmcb *vmcb = v->vmcb;
	struct hypercall_answer answer = hypercall(
		&v->vcpu, vmcb->rax, (vmcb->cs_.attributes & CS_LONG) != 0, vmcb->cpl_);
	if (answer.next == VCPU_MONITOR)
		return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_HYPERCALL, length, 0, 0, 0);
	svm_count(v, GYRE_EXIT_CORE_HYPERCALL);
	vmcb->rax = answer.rax;
	if (length == 0)
		return svm_length_unknown(v);
	svm_skip(v, vmcb, length);
	return (uint32_t)answer.next;
}

static HANDLER exit_hypercall(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t next;
	if (hypercall_does_nothing(&v->vcpu, vmcb->rax, vmcb->cpl_)) {
		vmcb->rax = 0;
		svm_count(v, GYRE_EXIT_CORE_HYPERCALL);
		return finish_done(v, vmcb, length_of(v, vmcb, 0xd9010f, 0xffffff, 3, &FETCH_VMMCALL));
	}
	next = svm_hypercall(v, length_of(v, vmcb, 0xd9010f, 0xffffff, 3, &FETCH_VMMCALL));
	return next == VCPU_AGAIN ? finish(v) : next;
}

/* APM vol. 2, "IOIO Intercepts": exit_info_2 is the RIP of the next instruction, always. The page has exit_info_1 as it is. */
_Static_assert(SVM_IO_IN == GYRE_IO_IN && SVM_IO_STRING == GYRE_IO_STRING && SVM_IO_REP == GYRE_IO_REP &&
		       SVM_IO_SIZE(0x70) == GYRE_IO_SIZE(0x70) && SVM_IO_PORT(~0u) == GYRE_IO_PORT(~0u),
	"as in the page");
static HANDLER exit_io_string(struct svm_vcpu *v, const struct vmcb *vmcb)
{
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_IO, (uint32_t)(vmcb->exit_info_2 - vmcb->rip),
		(uint32_t)vmcb->exit_info_1, 0, vmcb->exit_info_2);
}

static HANDLER exit_port_write(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t info = (uint32_t)vmcb->exit_info_1, size = SVM_IO_SIZE(info);
	uint32_t value = (uint32_t)vmcb->rax & (uint32_t)((1ull << 8 * size) - 1);
	if (!vm_doorbell(v->vcpu.cpu, v->vcpu.vm, (uint16_t)SVM_IO_PORT(info), size, value))
		return SVM_PORT;
	svm_count(v, GYRE_EXIT_CORE_DOORBELL);
	svm_skip(v, vmcb, (uint32_t)(vmcb->exit_info_2 - vmcb->rip));
	return finish(v);
}

static inline uint32_t exit_io(struct svm_vcpu *v, struct vmcb *vmcb)
{
	if ((vmcb->exit_info_1 & SVM_IO_STRING) != 0)
		return exit_io_string(v, vmcb);
	if ((vmcb->exit_info_1 & SVM_IO_IN) == 0 && v->vcpu.vm->doorbell_count != 0)
		return exit_port_write(v, vmcb);
	return SVM_PORT;
}

#define SPURIOUS_MAX 3

/* A mapping with the right was there all the time: once this may be an old entry of the TLB, which the fault itself has removed; twice it is not. */
static bool spurious_fault(struct svm_vcpu *v, uint64_t page, bool write)
{
	uint64_t frame;
	bool writable;
	if (!aspace_lookup(&v->vcpu.vm->aspace, page, &frame, &writable) || (write && !writable))
		return false;
	if (v->spurious != 0 && v->spurious_page == page)
		vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
	else
		v->spurious = 0;
	v->spurious_page = page;
	/* After a flush there is no such entry: then the reason is one that this does not know, and the monitor says what to do. */
	return ++v->spurious <= SPURIOUS_MAX;
}

static HANDLER exit_nested_fault(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint64_t info = vmcb->exit_info_1, gpa = vmcb->exit_info_2, flags;
	bool write = (info & SVM_NPF_WRITE) != 0;
	if ((info & SVM_NPF_PRESENT) != 0) {
		if (write && aspace_dirty_fault(&v->vcpu.vm->aspace, gpa >> 12)) {
			svm_count(v, GYRE_EXIT_CORE_DIRTY);
			return finish(v);
		}
		if ((info & (SVM_NPF_EXECUTE | SVM_NPF_RESERVED)) == 0 && spurious_fault(v, gpa >> 12, write))
			return finish(v);
	}
	flags = (write ? GYRE_ACCESS_WRITE : 0) | ((info & SVM_NPF_EXECUTE) != 0 ? GYRE_ACCESS_EXECUTE : 0) |
		((info & SVM_NPF_PRESENT) != 0 ? GYRE_ACCESS_PRESENT : 0) |
		((info & SVM_NPF_WALK) != 0 ? GYRE_ACCESS_WALK : 0);
	return vcpu_to_monitor(&v->vcpu, GYRE_EXIT_MEMORY, 0, gpa, flags, 0);
}

static HANDLER exit_halt(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t halted, length = length_of(v, vmcb, 0xf4, 0xff, 1, &FETCH_HLT);
	bool interrupts = (vmcb->rflags & RFLAGS_IF) != 0;
	if (length != 0)
		svm_skip(v, vmcb, length);
	if (vmcb->v_tpr_ != v->tpr_seen)
		svm_tpr_from_guest(v);
	/* The halt is the guest's whether RIP was moved or not. */
	halted = answer_halt(&v->vcpu, interrupts);
	if (length == 0)
		return svm_length_unknown(v);
	return halted == VCPU_AGAIN ? finish(v) : halted;
}

/* An event was being delivered: it is delivered again, unless the exit is an exception that comes in its place (slow.c). */
__attribute__((noinline)) void svm_interrupted(struct svm_vcpu *v, uint64_t info)
{
	uint32_t event = (uint32_t)info & (GYRE_EVENT_VALID | GYRE_EVENT_ERROR | 0x7ff), vector = event & 0xff;
	if (v->soft_event != 0 && GYRE_EVENT_VECTOR(v->soft_event) == vector && v->vmcb->rip == v->soft_rip) {
		/* The monitor's, which RIP was moved for. */
		v->vmcb->rip -= v->soft_length;
		inject_again(&v->vcpu, v->soft_event, 0, v->soft_length);
		return;
	}
	/* RIP is at the instruction still: it runs again, whatever INT it is; INT3 and INTO come as exceptions. */
	if ((event & 0x700) == GYRE_EVENT_SOFTWARE ||
		((event & 0x700) == GYRE_EVENT_EXCEPTION && (vector == TRAP_BREAKPOINT || vector == TRAP_OVERFLOW)))
		return;
	inject_again(&v->vcpu, event, (uint32_t)(info >> 32), 0);
}

static HANDLER exit_window(struct svm_vcpu *v)
{
	svm_count(v, GYRE_EXIT_CORE_WINDOW);
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	return finish(v);
}

/* The processor's own interrupt: the loop lets it in. */
static HANDLER exit_interrupt(struct svm_vcpu *v)
{
	svm_count(v, GYRE_EXIT_CORE_INTERRUPT);
	return VCPU_DUE;
}

/*
 * Frequent ones first, for the reader; the compiler makes a tree of comparisons, since a jump table is an indirect branch that a guest can train. All are
 * tail calls, so that this has no frame.
 */
static inline __attribute__((always_inline)) uint32_t dispatch(struct svm_vcpu *v, struct vmcb *vmcb)
{
	switch (vmcb->exit_code) {
	case SVM_EXIT_MSR: return vmcb->exit_info_1 != 0 ? exit_msr_write(v, vmcb) : exit_msr_read(v, vmcb);
	case SVM_EXIT_CPUID: return exit_cpuid(v, vmcb);
	case SVM_EXIT_IO: return exit_io(v, vmcb);
	case SVM_EXIT_NPF: return exit_nested_fault(v, vmcb);
	case SVM_EXIT_VMMCALL: return exit_hypercall(v, vmcb);
	case SVM_EXIT_INTR: return exit_interrupt(v);
	case SVM_EXIT_HLT: return exit_halt(v, vmcb);
	case SVM_EXIT_VINTR: return exit_window(v);
	default: return SVM_SLOW;
	}
}

/*
 * A guest can arrange that an event is never delivered, since its delivery ends in the same exit again (CVE-2015-5307, CVE-2015-8104). A physical interrupt
 * is taken only between instructions, so not in all that time: the loop lets it in.
 */
static HANDLER exit_interrupted(struct svm_vcpu *v, struct vmcb *vmcb)
{
	uint32_t next;
	svm_interrupted(v, vmcb->exit_int_info);
	next = dispatch(v, vmcb);
	return next == VCPU_AGAIN ? VCPU_DUE : next;
}

uint32_t svm_exit(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	/* "#VMEXIT" clears EVENTINJ.V on a machine; all that the processor cached is as it was, until a setter says otherwise. */
	vmcb->event_inject = 0;
	vmcb->tlb_control = svm_features.tlb_control;
	vmcb->clean = svm_features.clean_mask;
	if (__builtin_expect(vmcb->exit_int_info_valid & 0x80, 0))
		return exit_interrupted(v, vmcb);
	return dispatch(v, vmcb);
}

uint32_t svm_exit_traced(struct svm_vcpu *v)
{
	struct vmcb *vmcb = v->vmcb;
	uint64_t detail = vmcb->exit_info_1, value = vmcb->exit_info_2;
	uint32_t next;
	switch (vmcb->exit_code) {
	case SVM_EXIT_CPUID:
		detail = (uint32_t)vmcb->rax;
		value = (uint32_t)v->vcpu.page->gpr[GYRE_RCX];
		break;
	case SVM_EXIT_MSR:
		detail = (uint32_t)v->vcpu.page->gpr[GYRE_RCX];
		value = v->vcpu.page->gpr[GYRE_RDX] << 32 | (uint32_t)vmcb->rax;
		break;
	case SVM_EXIT_IO:
		detail = SVM_IO_PORT(vmcb->exit_info_1);
		value = (uint32_t)vmcb->rax;
		break;
	case SVM_EXIT_NPF:
		detail = vmcb->exit_info_2;
		value = vmcb->exit_info_1;
		break;
	case SVM_EXIT_VMMCALL: detail = vmcb->rax; break;
	default: break;
	}
	trace_exit(&v->vcpu, (uint32_t)vmcb->exit_code, vmcb->rip, vmcb->cr3_, detail, value);
	next = svm_exit(v);
	if (next == SVM_SLOW)
		return next; /* the loop knows the kind when it is done */
	return trace_done(&v->vcpu, next, SVM_PORT) || next != VCPU_AGAIN ? next : VCPU_DUE;
}
