/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/left.h: the last of an exit that the monitor answers, to stand within the vendor's own function. */
#ifndef CORE_VIRT_LEFT_H
#define CORE_VIRT_LEFT_H

#include "core/virt/barriers.h"
#include "core/virt/vcpu.h"
#include "core/x86/cpu.h"
#include "core/x86/entry.h"

/* core/virt/run.c */
_Noreturn void vcpu_left_slow(struct cpu *cpu, struct vcpu *vcpu, uint32_t kind);

static inline __attribute__((always_inline)) _Noreturn void vcpu_left_to_monitor(
	struct cpu *cpu, struct vcpu *vcpu, uint32_t kind)
{
	__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_RELEASE);
	vcpu->counters->exits[kind]++;
	if (__builtin_expect(((uint64_t)vcpu->thread | cpu->hazard | cpu->sched.special) != 0, 0))
		vcpu_left_slow(cpu, vcpu, kind);
	barrier_before_user();
	core_resume(cpu, kind);
}

#endif
