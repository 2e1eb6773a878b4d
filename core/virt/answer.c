/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/answer.c: see answer.h; the parts that are not on the shortest path. */
#include "core/virt/answer.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/trap.h"
#include "gyre/trace.h"

void answer_cpuid_slow(struct vcpu *vcpu, uint64_t *rax)
{
	const uint32_t osxsave = 1u << 27;
	struct cpuid_table *table = vcpu->cpuid;
	/* What of leaf 0xd depends on XCR0, which the processor has as the guest set it, if it can have set it. */
	if ((uint32_t)*rax == 0xd && cpu_features.xsave && (table->slot[table->leaf_1].ecx & osxsave) != 0)
		cpuid_table_xcr0(table, cpuid(0xd, 0).ebx);
	answer_cpuid(vcpu, rax, cpuid_table_search(table, (uint32_t)*rax, (uint32_t)vcpu->page->gpr[GYRE_RCX]));
}

uint32_t answer_halt(struct vcpu *vcpu, bool interrupts)
{
	COUNT(vcpu, CORE_HALT);
	vcpu->activity = VCPU_HALTED;
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	/* What is there already ends it at once; inject_next() sees that. */
	if (inject_ends_halt(vcpu, interrupts) || vcpu->lapic.signals != 0)
		return VCPU_AGAIN;
	if (!interrupts || (vcpu->policy.flags & GYRE_POLICY_HALT_EXIT) != 0)
		return vcpu_to_monitor(vcpu, GYRE_EXIT_HALT, 0, 0, 0, 0);
	return VCPU_AGAIN;
}

enum vcpu_next answer_undefined(struct vcpu *vcpu)
{
	if (answer_monitor_wants(vcpu, TRAP_INVALID_OPCODE))
		return vcpu_to_monitor(vcpu, GYRE_EXIT_DEBUG, 0, TRAP_INVALID_OPCODE, 0, 0);
	if ((vcpu->policy.flags & GYRE_POLICY_UNDEFINED_EXIT) != 0)
		return vcpu_to_monitor(vcpu, GYRE_EXIT_UNDEFINED, 0, 0, 0, 0);
	return vcpu_exception(vcpu, TRAP_INVALID_OPCODE);
}

void answer_debug_load(struct vcpu *vcpu)
{
	__asm__ volatile("mov %0, %%db0" : : "r"(vcpu->dr[0]));
	__asm__ volatile("mov %0, %%db1" : : "r"(vcpu->dr[1]));
	__asm__ volatile("mov %0, %%db2" : : "r"(vcpu->dr[2]));
	__asm__ volatile("mov %0, %%db3" : : "r"(vcpu->dr[3]));
	vcpu->dr_loaded = true;
}

/* Breakpoints are dead while the core runs: an exit clears DR7. */
void answer_debug_unload(struct vcpu *vcpu)
{
	__asm__ volatile("mov %%db0, %0" : "=r"(vcpu->dr[0]));
	__asm__ volatile("mov %%db1, %0" : "=r"(vcpu->dr[1]));
	__asm__ volatile("mov %%db2, %0" : "=r"(vcpu->dr[2]));
	__asm__ volatile("mov %%db3, %0" : "=r"(vcpu->dr[3]));
	__asm__ volatile("mov %0, %%db0; mov %0, %%db1; mov %0, %%db2; mov %0, %%db3" : : "r"(0ul));
	vcpu->dr_loaded = false;
}

bool answer_trace_full(const struct vcpu *vcpu)
{
	return vcpu->trace != NULL && vcpu->trace->head - vcpu->trace->tail >= vcpu->trace->capacity;
}

/* APM vol. 2, "CR4 Register"; SDM vol. 3, "Control Registers". */
uint64_t control_cr4_of_machine(void)
{
	uint32_t one_ecx = cpuid(1, 0).ecx, seven_ebx = 0, seven_ecx = 0;
	uint64_t cr4 = 0x7ff & ~0x100ull; /* VME to OSXMMEXCPT; RDPMC exits, so PCE is not for guests */
	if (cpuid(0, 0).eax >= 7) {
		struct cpuid_result seven = cpuid(7, 0);
		seven_ebx = seven.ebx;
		seven_ecx = seven.ecx;
	}
	cr4 |= (seven_ecx & 1u << 2) != 0 ? CR4_UMIP : 0;
	cr4 |= (seven_ecx & 1u << 16) != 0 ? CR4_LA57 : 0;
	cr4 |= (seven_ebx & 1u << 0) != 0 ? 0x10000 : 0; /* FSGSBASE */
	cr4 |= (one_ecx & 1u << 17) != 0 ? CR4_PCIDE : 0;
	cr4 |= cpu_features.xsave ? CR4_OSXSAVE : 0;
	cr4 |= (seven_ebx & 1u << 7) != 0 ? CR4_SMEP : 0;
	cr4 |= (seven_ebx & 1u << 20) != 0 ? CR4_SMAP : 0;
	cr4 |= (seven_ecx & 1u << 3) != 0 ? CR4_PKE : 0;
	return cr4;
}
