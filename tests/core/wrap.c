/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/wrap.c: where a stretch with interrupts off begins or ends and the core's sources do not say so: at a guest's entry and exit, at the return to
 * its monitor, and at each interrupt. The linker leads the calls of these functions here (module.mk); each goes on to the real one.
 */
#include "core/sched/sched.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vmx/vmx.h"
#include "core/x86/irq.h"
#include "tests/core/measure.h"
#include "tests/core/plant.h"
#include "tests/core/start.h"

#define ENTRY(name, type)                                                                                              \
	_Noreturn void __real_##name(struct cpu *cpu, struct type *v);                                                 \
	_Noreturn void __wrap_##name(struct cpu *cpu, struct type *v);                                                 \
	void __wrap_##name(struct cpu *cpu, struct type *v)                                                            \
	{                                                                                                              \
		off_end(cpu);                                                                                          \
		__real_##name(cpu, v);                                                                                 \
	}
ENTRY(svm_enter, svm_vcpu)
ENTRY(svm_enter_barriers, svm_vcpu)
ENTRY(svm_enter_traced, svm_vcpu)
ENTRY(vmx_enter_first, vmx_vcpu)
ENTRY(vmx_enter, vmx_vcpu)
ENTRY(vmx_enter_barriers, vmx_vcpu)
ENTRY(vmx_enter_traced, vmx_vcpu)

/* The guest is left; and entered again at once where that is the answer. */
#define EXIT(name, type)                                                                                               \
	uint32_t __real_##name(struct type *v);                                                                        \
	uint32_t __wrap_##name(struct type *v);                                                                        \
	uint32_t __wrap_##name(struct type *v)                                                                         \
	{                                                                                                              \
		struct cpu *cpu = v->vcpu.cpu;                                                                         \
		off_begin(cpu);                                                                                        \
		uint32_t next = __real_##name(v);                                                                      \
		if (next == VCPU_AGAIN)                                                                                \
			off_end(cpu);                                                                                  \
		return next;                                                                                           \
	}
EXIT(svm_exit, svm_vcpu)
EXIT(svm_exit_traced, svm_vcpu)
EXIT(vmx_exit, vmx_vcpu)
EXIT(vmx_exit_traced, vmx_vcpu)

_Noreturn void __wrap_core_resume(struct cpu *cpu, uint64_t result);
void __wrap_core_resume(struct cpu *cpu, uint64_t result)
{
	off_end(cpu);
	__asm__ volatile("jmp __real_core_resume" : : "D"(cpu), "S"(result) : "memory");
	__builtin_unreachable();
}

/* Interrupts were on at this instant; an idle processor halts again when this returns. */
void __real_interrupt_dispatch(struct cpu *cpu, uint32_t vector);
void __wrap_interrupt_dispatch(struct cpu *cpu, uint32_t vector);
void __wrap_interrupt_dispatch(struct cpu *cpu, uint32_t vector)
{
	off_end(cpu);
	off_begin(cpu);
	__real_interrupt_dispatch(cpu, vector);
	if (cpu->thread == NULL)
		off_end(cpu);
}

/* ---- the core's start ---- */

struct boot_range;
void __real_paging_init(const struct boot_range *pool);
void __wrap_paging_init(const struct boot_range *pool);
void __wrap_paging_init(const struct boot_range *pool)
{
	start_dirty();
	__real_paging_init(pool);
}

void __real_paging_seal(void);
void __wrap_paging_seal(void);
void __wrap_paging_seal(void)
{
	__real_paging_seal();
	start_hash();
	plant_begin();
}
