/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vm.c: the part of a VM that is about processors: messages to its local APICs, and the translations that its vCPUs may hold.
 *
 * A generation counts what was taken from the guest-physical memory. A vCPU that enters compares it with the one it saw last, and drops its translations
 * when it is behind (core/virt/svm/asid.c for one vendor). Who takes memory away waits until every processor that is inside the guest has left it.
 */
#include "core/virt/vm.h"
#include "core/virt/vcpu.h"
#include "core/x86/cpu.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"

#define GUEST_PAGES (1ull << 40) /* 52 bits of address */

static void flush(struct aspace *aspace, uint64_t first_page, uint64_t pages)
{
	struct vm *vm = container_of(aspace, struct vm, aspace);
	struct cpu *cpu = cpu_current();
	(void)first_page;
	(void)pages;
	__atomic_add_fetch(&vm->tlb_generation, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < vm->bus.count; i++) {
		struct vcpu *vcpu = vcpu_of_lapic(vm->bus.member[i]);
		if (vcpu->cpu == cpu || !__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST))
			continue;
		/* Its wake interrupt makes it leave the guest; before it enters again it sees the generation. Bounded by the length of an exit. */
		lapic_ipi(vcpu->cpu->apic_id, VECTOR_WAKE);
		while (__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) &&
			__atomic_load_n(&vcpu->tlb_seen, __ATOMIC_SEQ_CST) < vm->tlb_generation)
			cpu_pause();
	}
}

const struct aspace_ops virt_aspace_ops = {
	.flush = flush,
	.write_execute = true,
	.first_page = 0,
	.end_page = GUEST_PAGES,
};

int virt_vm_init(struct vm *vm)
{
	vm->bus.count = 0;
	vm->bus.rotate = 0;
	vm->tlb_generation = 1;
	return 0;
}

void virt_vm_release(struct vm *vm)
{
	vm->bus.count = 0;
}

int vm_message(struct cpu *cpu, struct vm *vm, uint64_t address, uint64_t data)
{
	(void)cpu;
	return vlapic_bus_message(&vm->bus, address, (uint32_t)data);
}
