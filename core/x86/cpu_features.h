/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/cpu_features.h: what the processor can do that the core makes use of, under names that belong to no vendor.
 */
#ifndef CORE_X86_CPU_FEATURES_H
#define CORE_X86_CPU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_result {
	uint32_t eax, ebx, ecx, edx;
};

struct cpu_features {
	bool smep, smap, umip, pge, nx, pages_1g, xsave;
	bool x2apic, tsc_deadline, tsc_invariant, machine_check, hypervisor;
	uint8_t physical_bits; /* of an address */
	uint8_t family, model, stepping;
	struct cpuid_result tsc_stated; /* leaf 15h: timer.c knows how far to believe it */
	uint64_t xcr0_supported;
	char vendor[13]; /* for people, never compared */
	char brand[49];
};

/* The boot processor's, which all others must match in what the core uses. */
extern struct cpu_features cpu_features;

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result result;
	__asm__ volatile("cpuid"
			 : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
			 : "a"(leaf), "c"(subleaf));
	return result;
}

/* Reads CPUID, minus what the core's command line forces off: NAME=off for any feature above (smap=off). */
void cpu_features_detect(struct cpu_features *f);

#endif
