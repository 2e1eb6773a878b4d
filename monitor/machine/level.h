/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/level.h: CPU levels: the processor that a VM sees, fixed for its life.
 *
 * A level is a table of CPUID leaves and the bits of control registers that go with them. portable-1 is the same on every machine that has the
 * features it names, whoever made its processor, so that a VM can move; host is what this machine has, less what Gyre does not support.
 */
#ifndef MONITOR_MACHINE_LEVEL_H
#define MONITOR_MACHINE_LEVEL_H

#include <stddef.h>
#include <stdint.h>
#include "gyre/vcpu.h"

struct level {
	struct gyre_vcpu_policy policy;
	uint32_t entries;
	struct gyre_cpuid_entry cpuid[GYRE_CPUID_ENTRIES];
};

struct level_request {
	uint32_t level; /* enum gyre_level */
	uint32_t cpus;
	uint64_t tsc_khz;
	uint32_t apic_timer_khz;
	uint32_t physical_bits; /* of the host */
	void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
};

/* 0, or -GYRE_ENODEV with the names of what the machine lacks in missing[]. */
int level_make(struct level *level, const struct level_request *request, char *missing, size_t bytes);

/* A level's own answer, as the guest gets it (APIC id and CR4 apart): for the emulator and the debugger. */
void level_cpuid(const struct level *level, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* For the levels' own files: the table is kept sorted by who adds in order. */
struct gyre_cpuid_entry *level_add(struct level *level, uint32_t leaf, uint32_t subleaf, uint32_t flags, uint32_t eax,
	uint32_t ebx, uint32_t ecx, uint32_t edx);
void level_hypervisor(struct level *level, const struct level_request *request);
void level_topology(struct level *level, const struct level_request *request, uint32_t leaf);
int level_portable_1(struct level *level, const struct level_request *request, char *missing, size_t bytes);
int level_host(struct level *level, const struct level_request *request, char *missing, size_t bytes);

/* Bits of leaf 1. */
#define CPUID_1_ECX_X2APIC	 (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_OSXSAVE	 (1u << 27)
#define CPUID_1_ECX_HYPERVISOR	 (1u << 31)

#endif
