/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vm.c: the part of a VM that is about processors: the translations that its vCPUs may hold.
 *
 * Who takes guest-physical memory away marks every vCPU of the VM (VCPU_HAZARD_FLUSH) and then waits until each processor that is inside its guest has
 * left it or has seen the mark. A vCPU says that it is in its guest first, and looks at its hazards then.
 */
#include "core/virt/vm.h"
#include "core/virt/vcpu_ops.h"
#include "core/x86/cpu.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"

#define GUEST_PAGES (1ull << 36) /* what four levels of nested tables reach: 48 bits of address */

static void flush(struct aspace *aspace, uint64_t first_page, uint64_t pages)
{
	struct vm *vm = container_of(aspace, struct vm, aspace);
	struct cpu *cpu = cpu_current();
	(void)first_page;
	(void)pages;
	for (uint32_t i = 0; i < vm->bus.count; i++)
		vcpu_hazard_set(vcpu_of_lapic(vm->bus.member[i]), VCPU_HAZARD_FLUSH);
	for (uint32_t i = 0; i < vm->bus.count; i++) {
		struct vcpu *vcpu = vcpu_of_lapic(vm->bus.member[i]);
		if (vcpu->cpu == cpu || !__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST))
			continue;
		/* Its wake interrupt makes it leave the guest. Bounded by the length of an exit. */
		lapic_ipi(vcpu->cpu->apic_id, VECTOR_WAKE);
		while (__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) &&
			(__atomic_load_n(&vcpu->hazard, __ATOMIC_SEQ_CST) & VCPU_HAZARD_FLUSH) != 0)
			cpu_pause();
	}
}

const struct aspace_ops virt_aspace_ops = {
	.flush = flush,
	.write_execute = true,
	.first_page = 0,
	.end_page = GUEST_PAGES,
};

void virt_vm_gather(struct vm *vm)
{
	if (vcpu_ops->gather == NULL)
		return;
	/* One that is in its guest elsewhere has what it lists found by a later take. */
	for (uint32_t i = 0; i < vm->bus.count; i++)
		if (!__atomic_load_n(&vcpu_of_lapic(vm->bus.member[i])->in_guest, __ATOMIC_SEQ_CST))
			vcpu_ops->gather(vcpu_of_lapic(vm->bus.member[i]));
}
