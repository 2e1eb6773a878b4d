/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/level.c: what all levels share: the leaves of hypervisors and of topology.
 *
 * Gyre's own signature stands at 0x40000000, KVM's at 0x40000100: stock kernels look for theirs at every multiple of 0x100 and take the first
 * that they know. Under KVM's they find a clock that needs no calibration, and x2APIC without interrupt remapping.
 */
#include "monitor/machine/level.h"
#include "gyre/errors.h"
#include "gyre/config.h"
#include "lib/string.h"

#define KVM_FEATURE_NOP_IO_DELAY       (1u << 1)
#define KVM_FEATURE_CLOCKSOURCE2       (1u << 3)
#define KVM_FEATURE_CLOCKSOURCE_STABLE (1u << 24)

struct gyre_cpuid_entry *level_add(struct level *level, uint32_t leaf, uint32_t subleaf, uint32_t flags, uint32_t eax,
	uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	/* The tables are ours and shorter than this; a host's own leaves that would not fit are left out. */
	if (level->entries == GYRE_CPUID_ENTRIES)
		return &level->cpuid[GYRE_CPUID_ENTRIES - 1];
	struct gyre_cpuid_entry *entry = &level->cpuid[level->entries++];
	*entry = (struct gyre_cpuid_entry){leaf, subleaf, flags, eax, ebx, ecx, edx, 0};
	return entry;
}

/* Twelve characters, in EBX, ECX, EDX. */
static void signature(struct level *level, uint32_t leaf, uint32_t highest, const char text[12])
{
	uint32_t word[3];
	memcpy(word, text, 12);
	level_add(level, leaf, 0, 0, highest, word[0], word[1], word[2]);
}

void level_hypervisor(struct level *level, const struct level_request *request)
{
	signature(level, 0x40000000, 0x40000010, "GyreGyreGyre");
	/* Rates in kHz: of the TSC, and of the local APIC's undivided timer. */
	level_add(level, 0x40000010, 0, 0, (uint32_t)request->tsc_khz, request->apic_timer_khz, 0, 0);
	signature(level, 0x40000100, 0x40000101, "KVMKVMKVM\0\0");
	level_add(level, 0x40000101, 0, 0,
		KVM_FEATURE_NOP_IO_DELAY | KVM_FEATURE_CLOCKSOURCE2 | KVM_FEATURE_CLOCKSOURCE_STABLE, 0, 0, 0);
}

/* One package of cores without threads (SDM vol. 2, CPUID, "V2 Extended Topology Enumeration Leaf"; APM vol. 3 likewise). */
void level_topology(struct level *level, const struct level_request *request, uint32_t leaf)
{
	uint32_t shift = 0;
	while (1u << shift < request->cpus)
		shift++;
	level_add(level, leaf, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_APIC_ID, 0, 1, 0x100, 0);
	level_add(level, leaf, 1, GYRE_CPUID_SUBLEAF | GYRE_CPUID_APIC_ID, shift, request->cpus, 0x201, 0);
	level_add(level, leaf, 2, GYRE_CPUID_SUBLEAF | GYRE_CPUID_APIC_ID, 0, 0, 2, 0);
}

void level_cpuid(const struct level *level, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	out[0] = out[1] = out[2] = out[3] = 0;
	for (uint32_t i = 0; i < level->entries; i++) {
		const struct gyre_cpuid_entry *entry = &level->cpuid[i];
		if (entry->leaf != leaf || ((entry->flags & GYRE_CPUID_SUBLEAF) && entry->subleaf != subleaf))
			continue;
		out[0] = entry->eax, out[1] = entry->ebx, out[2] = entry->ecx, out[3] = entry->edx;
		return;
	}
}

int level_make(struct level *level, const struct level_request *request, char *missing, size_t bytes)
{
	memset(level, 0, sizeof *level);
	if (bytes)
		missing[0] = 0;
	level->policy.abi = GYRE_VCPU_ABI;
	level->policy.flags = GYRE_POLICY_KVM_HYPERCALLS;
	level->policy.tsc_khz = (uint32_t)request->tsc_khz;
	level->policy.apic_timer_khz = request->apic_timer_khz;
	if (request->level == GYRE_LEVEL_HOST)
		return level_host(level, request, missing, bytes);
	return level_portable_1(level, request, missing, bytes);
}
