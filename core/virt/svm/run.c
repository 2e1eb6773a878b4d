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

static void prepare(struct cpu *cpu, struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	struct asid_pool *pool = &svm_cpus[cpu->index].asids;
	uint64_t generation;
	/* In this order: who takes memory away counts first, and looks at in_guest then. */
	if (!vcpu->in_guest)
		__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	generation = __atomic_load_n(&vcpu->vm->tlb_generation, __ATOMIC_SEQ_CST);
	if (generation != vcpu->tlb_seen) {
		vcpu_hazard_set(vcpu, VCPU_HAZARD_FLUSH);
		__atomic_store_n(&vcpu->tlb_seen, generation, __ATOMIC_SEQ_CST);
	}
	if ((vcpu->hazard & VCPU_HAZARD_FLUSH) != 0 || v->asid.generation != pool->generation ||
		v->asid.cpu != cpu->index || pool->flush_always)
		svm_flush_now(v);
}

static uint32_t enter(struct cpu *cpu, struct svm_vcpu *v)
{
	uint64_t host = svm_cpus[cpu->index].host_address;
	if (v->vcpu.trace != NULL)
		return svm_enter_traced(v, v->vmcb_address, host, v->vcpu.page);
	if ((barriers.set & (BARRIER_EXIT_RSB | BARRIER_EXIT_IBPB | BARRIER_ENTRY_VERW)) != 0)
		return svm_enter_barriers(v, v->vmcb_address, host, v->vcpu.page);
	return svm_enter(v, v->vmcb_address, host, v->vcpu.page);
}

enum vcpu_next svm_run(struct cpu *cpu, struct vcpu *vcpu)
{
	struct svm_vcpu *v = svm_of(vcpu);
	enum vcpu_next next;
	uint32_t left;
	do {
		next = VCPU_DUE;
		if (cpu->hazard != 0)
			break;
		if (__builtin_expect(trace_full(vcpu), 0)) {
			next = vcpu_to_monitor(vcpu, GYRE_EXIT_LOG_FULL, 0, 0, 0, 0);
			break;
		}
		if (vcpu->hazard != 0 && (next = svm_events(v)) != VCPU_AGAIN)
			break;
		next = VCPU_DUE;
		if ((vcpu->hazard & ~VCPU_HAZARD_FLUSH) != 0)
			break;
		prepare(cpu, v);
		left = enter(cpu, v);
		vcpu->counters->entries++;
		if (left == SVM_SLOW) {
			next = svm_exit_slow(cpu, v);
			if (vcpu->trace != NULL)
				svm_trace_end(v, next == VCPU_MONITOR ? vcpu->exit.kind : GYRE_EXIT_CORE_EXCEPTION);
			continue;
		}
		next = (enum vcpu_next)left;
		/* Only now can the interrupt be taken: the host's GS and TR are back. Without this the next entry would end at once, for ever. */
		if (v->vmcb->exit_code == SVM_EXIT_INTR) {
			cpu_interrupt_window();
			next = VCPU_AGAIN;
		}
	} while (next == VCPU_AGAIN);
	if (next == VCPU_MONITOR)
		svm_fill(vcpu);
	return next;
}
