/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/svm/asid.c: what asid.h decides, put into a guest's VMCB. */
#include "core/virt/svm/svm.h"
#include "core/x86/cpu.h"

/* Before an entry: an ASID of this processor, and a flush if what the TLB has is void. */
void svm_flush_now(struct svm_vcpu *v)
{
	struct cpu *cpu = v->vcpu.cpu;
	struct asid_choice choice = asid_choose(
		&svm_cpus[cpu->index].asids, &v->asid, cpu->index, (v->vcpu.hazard & VCPU_HAZARD_FLUSH) != 0);
	if ((v->vcpu.hazard & VCPU_HAZARD_FLUSH) != 0)
		vcpu_hazard_clear(&v->vcpu, VCPU_HAZARD_FLUSH);
	if (choice.changed)
		vmcb_set_asid(v->vmcb, v->asid.asid);
	v->vmcb->tlb_control = asid_pending(v->vmcb->tlb_control, choice);
	v->vcpu.counters->tlb_flushes += choice.flushed;
	v->vcpu.counters->asid_generations += choice.new_generation;
}
