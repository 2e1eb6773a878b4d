/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/run.c: the loop around a guest, in the host's state: what is due, entry, and what an exit left for here.
 */
#include "core/virt/left.h"
#include "core/virt/svm/svm.h"
#include "core/x86/entry.h"

static inline __attribute__((always_inline)) _Noreturn void enter(struct cpu *cpu, struct svm_vcpu *v)
{
	if (__builtin_expect(barriers.at_entry, 1))
		svm_enter_barriers(cpu, v);
	svm_enter(cpu, v);
}

static __attribute__((noinline)) _Noreturn void run_slow(struct cpu *cpu, struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	enum vcpu_next next;
	vcpu_hold(cpu, vcpu);
	next = svm_due(cpu, v);
	if (next == VCPU_MONITOR)
		svm_fill(vcpu);
	if (next != VCPU_AGAIN)
		vcpu_left(cpu, vcpu, next);
	if (vcpu->trace != NULL)
		svm_enter_traced(cpu, v);
	enter(cpu, v);
}

static inline __attribute__((always_inline)) _Noreturn void run(struct cpu *cpu, struct svm_vcpu *v)
{
	/* In this order: who takes memory away sets a hazard first, and looks at in_guest then. */
	__atomic_store_n(&v->vcpu.in_guest, true, __ATOMIC_SEQ_CST);
	if (__builtin_expect((v->vcpu.hazard | cpu->hazard) != 0, 0))
		run_slow(cpu, v);
	enter(cpu, v);
}

void svm_run(struct cpu *cpu, struct vcpu *vcpu)
{
	run(cpu, svm_of(vcpu));
}

void svm_start_any(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	svm_take_registers(vcpu->page, svm_of(vcpu)->vmcb);
	svm_take_rest(svm_of(vcpu), completed != 0);
	run(cpu, svm_of(vcpu));
}

void svm_start(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	struct vmcb *vmcb = svm_of(vcpu)->vmcb;
	uint64_t rflags = svm_take_registers(vcpu->page, vmcb);
	if (completed != 0) {
		vmcb->interrupt_shadow = 0;
		if (__builtin_expect((rflags & (RFLAGS_TF | RFLAGS_RF)) != 0, 0))
			svm_start_any(cpu, vcpu, completed);
	}
	run(cpu, svm_of(vcpu));
}

/* Not for the monitor, at least not yet. */
static __attribute__((noinline)) _Noreturn void left_slow(struct svm_vcpu *v, uint32_t left)
{
	struct vcpu *vcpu = &v->vcpu;
	struct cpu *cpu = vcpu->cpu;
	enum vcpu_next next = (enum vcpu_next)left;
	vcpu_hold(cpu, vcpu);
	if (left == SVM_PORT) {
		next = vcpu_to_monitor(vcpu, GYRE_EXIT_IO, 0, (uint32_t)v->vmcb->exit_info_1, 0, v->vmcb->exit_info_2);
	} else if (left == SVM_SLOW) {
		next = svm_exit_slow(v);
		if (vcpu->trace != NULL)
			trace_done(vcpu, next, SVM_PORT);
	}
	/*
	 * Only now can an interrupt be taken: the host's GS and TR are back. Without this an entry for which one waits would end at once, for ever; and
	 * a guest that ends in exits between its instructions would keep it waiting.
	 */
	cpu_interrupt_window();
	if (next == VCPU_DUE)
		next = VCPU_AGAIN;
	if (next == VCPU_AGAIN)
		svm_run(cpu, vcpu);
	if (next == VCPU_MONITOR)
		svm_fill(vcpu);
	vcpu_left(cpu, vcpu, next);
}

/* All but a plain access to a port. */
static __attribute__((noinline)) _Noreturn void left_any(struct svm_vcpu *v, uint32_t left)
{
	if (__builtin_expect(left != VCPU_MONITOR, 0))
		left_slow(v, left);
	svm_fill(&v->vcpu);
	vcpu_left_to_monitor(v->vcpu.cpu, &v->vcpu, v->vcpu.exit_kind);
}

void svm_left(struct svm_vcpu *v, uint32_t left)
{
	struct gyre_vcpu_page *page = v->vcpu.page;
	const struct vmcb *vmcb = v->vmcb;
	if (__builtin_expect(left != SVM_PORT || v->vcpu.unusual != 0, 0))
		left_any(v, left);
	svm_fill_registers(v, page, vmcb);
	page->exit = GYRE_EXIT_IO;
	page->d0 = (uint32_t)vmcb->exit_info_1;
	page->d2 = vmcb->exit_info_2;
	vcpu_left_to_monitor(v->vcpu.cpu, &v->vcpu, GYRE_EXIT_IO);
}
