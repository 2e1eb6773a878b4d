/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/answer.h: what the core answers an exit with, whichever vendor's it is. Inline, since they stand on the exit path: the vendor passes what its
 * hardware keeps (RAX, where it is not in the page), and moves RIP afterwards.
 */
#ifndef CORE_VIRT_ANSWER_H
#define CORE_VIRT_ANSWER_H

#include "core/virt/msr.h"
#include "core/virt/vcpu.h"
#include "core/x86/msr.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * #MC is the machine's. #AC and #DB can come again on the stack of their own handler, without end, and an interrupt gets in only between instructions
 * (CVE-2015-5307, CVE-2015-8104): as exits they let it in. #UD hides the other vendor's hypercall.
 */
#define ANSWER_EXCEPTIONS                                                                                              \
	(1u << TRAP_MACHINE_CHECK | 1u << TRAP_ALIGNMENT | 1u << TRAP_DEBUG | 1u << TRAP_INVALID_OPCODE)

/* From cpuid_table_index(). */
ALWAYS_INLINE void answer_cpuid(struct vcpu *vcpu, uint64_t *rax, const struct cpuid_slot *slot)
{
	uint64_t *gpr = vcpu->page->gpr;
	*rax = slot->eax;
	gpr[GYRE_RBX] = slot->ebx;
	gpr[GYRE_RCX] = slot->ecx;
	gpr[GYRE_RDX] = slot->edx;
	COUNT(vcpu, CORE_CPUID);
}

/* Not by the index: a leaf with subleaves, or out of its range. */
void answer_cpuid_slow(struct vcpu *vcpu, uint64_t *rax);

/* ANSWER_MONITOR: not one that is the same with every vendor. */
ALWAYS_INLINE enum msr_answer answer_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	enum msr_answer answer;
	COUNT(vcpu, CORE_MSR_WRITE);
	if ((index & ~0xffu) == MSR_X2APIC)
		return vlapic_msr_write(&vcpu->lapic, index, value) == 0 ? ANSWER_DONE : ANSWER_FAULT;
	answer = msr_guest_write(vcpu, index, value);
	/* Those that the processor itself holds while the guest runs. */
	if (answer == ANSWER_DONE && (index == MSR_TSC_AUX || index == MSR_SPEC_CTRL || index == MSR_PRED_CMD))
		msr_write_safe(index, value);
	return answer;
}

ALWAYS_INLINE uint32_t answer_msr_monitor(
	struct vcpu *vcpu, uint32_t length, bool write, uint32_t index, uint64_t value)
{
	/* It is counted as the monitor's. */
	vcpu->counters->exits[write ? GYRE_EXIT_CORE_MSR_WRITE : GYRE_EXIT_CORE_MSR_READ]--;
	return vcpu_to_monitor(vcpu, GYRE_EXIT_MSR, length, write, index, value);
}

/* RIP is behind the HLT already. VCPU_AGAIN: go on with what is due, which ends the halt or waits. */
uint32_t answer_halt(struct vcpu *vcpu, bool interrupts);

/*
 * The common reason of a look at the events, without all of inject_next(): an interrupt of the local APIC for a guest that can take it now, and nothing
 * else of any kind. The same decision on the same state. `open`: the guest takes interrupts, and no window is being waited for.
 */
#define ANSWER_NO_VECTOR (-1) /* nothing is due any more */
#define ANSWER_NOT_PLAIN (-2)
ALWAYS_INLINE int answer_plain_interrupt(struct vcpu *vcpu, bool open)
{
	int vector;
	if (vcpu->hazard != VCPU_HAZARD_EVENTS || !open || vcpu->unusual != 0 || vcpu->nmi_pending != 0 ||
		vcpu->lapic.signals != 0 || vcpu->lapic.eoi_vector != 0 ||
		__atomic_load_n(&vcpu->page->extint_line, __ATOMIC_RELAXED) != 0)
		return ANSWER_NOT_PLAIN;
	vcpu_hazard_clear(vcpu, VCPU_HAZARD_EVENTS);
	vector = vlapic_deliverable(&vcpu->lapic);
	if (vector < 0) {
		if (vcpu->lapic.rvi == 0)
			return ANSWER_NO_VECTOR;
		/* One that a lower TPR would let in: that is to be watched. */
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
		return ANSWER_NOT_PLAIN;
	}
	vlapic_accept(&vcpu->lapic, (uint32_t)vector);
	vcpu->counters->injected++;
	return vector;
}

/* An exception that the monitor's policy asks for. */
static inline bool answer_monitor_wants(const struct vcpu *vcpu, uint32_t vector)
{
	return (vcpu->policy.flags & GYRE_POLICY_EXCEPTION_EXIT) != 0 &&
	       (vcpu->policy.exception_bitmap >> vector & 1) != 0;
}

/*
 * An exception came while vcpu->event was being delivered. Another exception gives way to it; an interrupt is delivered again first, and this one returns
 * if it is still due: then the result is true. APM vol. 2, "Intercepts and #DB, #AC during event delivery" leaves the order to software.
 */
static inline bool answer_exception_waits(struct vcpu *vcpu)
{
	if (vcpu->event == 0)
		return false;
	if ((vcpu->event & 0x700) != GYRE_EVENT_EXCEPTION)
		return true;
	vcpu->event = 0;
	return false;
}

/* #UD: the monitor's, or the guest's own. The foreign hypercall was looked for before. */
enum vcpu_next answer_undefined(struct vcpu *vcpu);

/* The guest's DR0 to DR3 into the processor, and back; vcpu->dr_loaded says where they are. */
void answer_debug_load(struct vcpu *vcpu);
void answer_debug_unload(struct vcpu *vcpu);

/* There is a trace, and no room for another record. */
bool answer_trace_full(const struct vcpu *vcpu);

#endif
