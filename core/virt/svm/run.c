/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/run.c: the loop around a guest, in the host's state: what is due, entry, and what an exit left for here.
 */
#include "core/virt/barriers.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vm.h"
#include "core/x86/cpu.h"
#include "core/x86/entry.h"
#include "gyre/trace.h"

static bool trace_full(const struct vcpu *vcpu)
{
	return vcpu->trace != NULL && vcpu->trace->head - vcpu->trace->tail >= vcpu->trace->capacity;
}

/* Right before an entry: an ASID of this processor, and a flush if what the TLB has is void. */
void svm_flush_now(struct svm_vcpu *v)
{
	struct cpu *cpu = v->vcpu.cpu;
	struct asid_choice choice = asid_choose(
		&svm_cpus[cpu->index].asids, &v->asid, cpu->index, (v->vcpu.hazard & VCPU_HAZARD_FLUSH) != 0);
	if ((v->vcpu.hazard & VCPU_HAZARD_FLUSH) != 0)
		vcpu_hazard_clear(&v->vcpu, VCPU_HAZARD_FLUSH);
	if (choice.changed)
		vmcb_set_asid(v->vmcb, v->asid.asid);
	v->vmcb->tlb_control = choice.tlb_control;
	v->vcpu.counters->tlb_flushes += choice.flushed;
	v->vcpu.counters->asid_generations += choice.new_generation;
}

static inline void prepare(struct cpu *cpu, struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	uint64_t generation;
	/* In this order: who takes memory away counts first, and looks at in_guest then. */
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	generation = __atomic_load_n(&vcpu->vm->tlb_generation, __ATOMIC_SEQ_CST);
	if (__builtin_expect(generation != vcpu->tlb_seen, 0)) {
		vcpu_hazard_set(vcpu, VCPU_HAZARD_FLUSH);
		__atomic_store_n(&vcpu->tlb_seen, generation, __ATOMIC_SEQ_CST);
	}
	/* A processor that takes this vcpu over has made its ASID's generation 0. */
	if (__builtin_expect(vcpu->hazard != 0 || v->asid.generation != svm_cpus[cpu->index].asids.generation, 0))
		svm_flush_now(v);
}

static inline _Noreturn void enter(struct cpu *cpu, struct svm_vcpu *v)
{
	uint64_t host = svm_cpus[cpu->index].host_address;
	if (__builtin_expect(v->vcpu.trace != NULL, 0))
		svm_enter_traced(v, v->vmcb_address, host, v->vcpu.page, cpu->stack_top);
	if ((barriers.set & (BARRIER_EXIT_RSB | BARRIER_EXIT_IBPB | BARRIER_ENTRY_VERW)) != 0)
		svm_enter_barriers(v, v->vmcb_address, host, v->vcpu.page, cpu->stack_top);
	svm_enter(v, v->vmcb_address, host, v->vcpu.page, cpu->stack_top);
}

/* VCPU_AGAIN, or a reason not to enter. */
static __attribute__((noinline)) enum vcpu_next due(struct cpu *cpu, struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	enum vcpu_next next;
	if (cpu->hazard != 0)
		return VCPU_DUE;
	if (trace_full(vcpu))
		return vcpu_to_monitor(vcpu, GYRE_EXIT_LOG_FULL, 0, 0, 0, 0);
	if ((vcpu->hazard & VCPU_HAZARD_EVENTS) != 0 && (next = svm_events(v)) != VCPU_AGAIN)
		return next;
	return (vcpu->hazard & ~VCPU_HAZARD_FLUSH) != 0 ? VCPU_DUE : VCPU_AGAIN;
}

void svm_run(struct cpu *cpu, struct vcpu *vcpu)
{
	struct svm_vcpu *v = svm_of(vcpu);
	enum vcpu_next next;
	if (__builtin_expect((vcpu->hazard | cpu->hazard) != 0 || vcpu->trace != NULL, 0)) {
		next = due(cpu, v);
		if (next == VCPU_MONITOR)
			svm_fill(vcpu);
		if (next != VCPU_AGAIN)
			vcpu_left(cpu, vcpu, next);
	}
	prepare(cpu, v);
	enter(cpu, v);
}

void svm_left(struct svm_vcpu *v, uint32_t left)
{
	struct vcpu *vcpu = &v->vcpu;
	struct cpu *cpu = vcpu->cpu;
	enum vcpu_next next = (enum vcpu_next)left;
	vcpu->counters->entries++;
	if (__builtin_expect(left != VCPU_MONITOR, 0)) {
		if (left == SVM_SLOW) {
			next = svm_exit_slow(cpu, v);
			if (vcpu->trace != NULL)
				svm_trace_end(v, next == VCPU_MONITOR ? vcpu->exit.kind : GYRE_EXIT_CORE_EXCEPTION);
		} else if (v->vmcb->exit_code == SVM_EXIT_INTR) {
			/* Only now can it be taken: the host's GS and TR are back. Without this the next entry would end at once, for ever. */
			cpu_interrupt_window();
			next = VCPU_AGAIN;
		}
		if (next == VCPU_AGAIN)
			svm_run(cpu, vcpu);
	}
	if (next == VCPU_MONITOR)
		svm_fill(vcpu);
	vcpu_left(cpu, vcpu, next);
}
