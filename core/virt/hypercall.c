/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/hypercall.c: the hypercalls that must be fast: of those that KVM announces, kick, IPI and yield. Linux kernel documentation, "Linux KVM
 * Hypercall" and "Paravirtualized spinlocks". All others are the monitor's.
 */
#include "core/virt/vcpu.h"
#include "core/virt/vm.h"

#define KVM_HC_VAPIC_POLL_IRQ 1 /* only to make the guest leave for a moment */
#define KVM_HC_KICK_CPU	      5
#define KVM_HC_SEND_IPI	      10
#define KVM_HC_SCHED_YIELD    11

#define KVM_EPERM  1
#define KVM_EINVAL 22

static void kick(struct vm *vm, uint32_t apic_id)
{
	for (uint32_t i = 0; i < vm->bus.count; i++) {
		struct vcpu *target = vcpu_of_lapic(vm->bus.member[i]);
		if (target->number != apic_id)
			continue;
		__atomic_store_n(&target->pv_kicked, true, __ATOMIC_SEQ_CST);
		vcpu_hazard_set(target, VCPU_HAZARD_EVENTS);
		vcpu_wake(target);
	}
}

/* A bitmap of APIC ids from `first` on. How many there are. */
static uint64_t send_ipi(struct vm *vm, const uint64_t bitmap[2], uint64_t first, uint32_t icr, uint32_t bits)
{
	uint64_t sent = 0;
	uint32_t mode = APIC_LVT_MODE(icr);
	if ((icr & ~0x7ffu) != 0 || (mode != APIC_FIXED && mode != APIC_NMI) ||
		(mode == APIC_FIXED && (icr & 0xff) < 16))
		return (uint64_t)-KVM_EINVAL;
	for (uint32_t i = 0; i < vm->bus.count; i++) {
		struct vlapic *to = vm->bus.member[i];
		uint64_t bit = to->id - first;
		if (to->id < first || bit >= 2 * bits || (bitmap[bit / bits] >> bit % bits & 1) == 0)
			continue;
		if (mode == APIC_NMI)
			vlapic_signal(to, VLAPIC_SIGNAL_NMI);
		else
			vlapic_post(to, icr & 0xff, false);
		sent++;
	}
	return sent;
}

struct hypercall_answer hypercall(struct vcpu *vcpu, uint64_t rax, bool long_mode, uint32_t cpl)
{
	const uint64_t *gpr = vcpu->page->gpr;
	uint64_t mask = long_mode ? UINT64_MAX : UINT32_MAX, number = rax & mask;
	struct hypercall_answer answer = {0, VCPU_AGAIN};
	if ((vcpu->policy.flags & GYRE_POLICY_KVM_HYPERCALLS) == 0)
		return (struct hypercall_answer){rax, VCPU_MONITOR};
	if (cpl != 0) {
		answer.rax = (uint64_t)-KVM_EPERM & mask;
	} else if (number == KVM_HC_VAPIC_POLL_IRQ) {
		answer.rax = 0;
	} else if (number == KVM_HC_KICK_CPU) {
		kick(vcpu->vm, (uint32_t)gpr[GYRE_RCX]);
	} else if (number == KVM_HC_SEND_IPI) {
		uint64_t bitmap[2] = {gpr[GYRE_RBX] & mask, gpr[GYRE_RCX] & mask};
		COUNT(vcpu, CORE_IPI);
		answer.rax = send_ipi(vcpu->vm, bitmap, (uint32_t)gpr[GYRE_RDX], (uint32_t)gpr[GYRE_RSI],
				     long_mode ? 64 : 32) &
			     mask;
	} else if (number == KVM_HC_SCHED_YIELD) {
		answer.next = VCPU_YIELD;
	} else {
		return (struct hypercall_answer){rax, VCPU_MONITOR};
	}
	return answer;
}
