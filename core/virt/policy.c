/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/policy.c: vcpu_policy: what the level gives the guest, checked once, and put where the exits find it.
 */
#include "core/virt/fpu.h"
#include "core/virt/msr.h"
#include "core/virt/vcpu_ops.h"
#include "core/x86/timer.h"
#include "gyre/calls.h"

#define POLICY_FLAGS                                                                                                   \
	(GYRE_POLICY_RDTSC_EXIT | GYRE_POLICY_EXCEPTION_EXIT | GYRE_POLICY_KVM_HYPERCALLS | GYRE_POLICY_HALT_EXIT |    \
		GYRE_POLICY_UNDEFINED_EXIT)
#define APIC_TIMER_KHZ_MAX 10000000u

static bool windows_valid(const struct gyre_vcpu_policy *policy)
{
	for (unsigned i = 0; i < GYRE_RAM_WINDOWS; i++) {
		const struct gyre_ram_window *window = &policy->ram[i];
		if (window->bytes == 0)
			continue;
		if (((window->gpa | window->bytes | window->address) & 4095) != 0 ||
			window->gpa + window->bytes < window->gpa)
			return false;
		if (window->address < GYRE_USER_START || window->address >= GYRE_USER_END ||
			window->bytes > GYRE_USER_END - window->address)
			return false;
	}
	return true;
}

static bool numbers_valid(const struct gyre_vcpu_policy *policy)
{
	if (policy->abi != GYRE_VCPU_ABI || (policy->flags & ~POLICY_FLAGS) != 0)
		return false;
	if (policy->physical_bits < 32 || policy->physical_bits > 52)
		return false;
	if (policy->apic_timer_khz == 0 || policy->apic_timer_khz > APIC_TIMER_KHZ_MAX)
		return false;
	if ((policy->cr0_allowed & (CR0_PE | CR0_PG)) != (CR0_PE | CR0_PG))
		return false;
	if ((policy->identity_table & 4095) != 0 || policy->identity_table >> 32 != 0)
		return false;
	return (policy->reserved[0] | policy->reserved[1] | policy->reserved[2]) == 0;
}

/* CPUID Fn0000_0001, 0000_0007, 8000_0001, 8000_0008: what a guest that reads them will use. */
static void read_offers(struct vcpu_offers *offers, const struct cpuid_table *table)
{
	const struct cpuid_slot *one = cpuid_table_search(table, 1, 0), *seven = cpuid_table_search(table, 7, 0);
	const struct cpuid_slot *extended = cpuid_table_search(table, 0x80000001, 0),
				*eight = cpuid_table_search(table, 0x80000008, 0);
	offers->x2apic = (one->ecx & 1u << 21) != 0;
	offers->tsc_deadline = (one->ecx & 1u << 24) != 0;
	offers->xsave = (one->ecx & 1u << 26) != 0;
	offers->tsc_adjust = (seven->ebx & 1u << 1) != 0;
	offers->rdtscp = (extended->edx & 1u << 27) != 0;
	offers->nx = (extended->edx & 1u << 20) != 0;
	offers->spec_ctrl = (seven->edx & 1u << 26) != 0 || (eight->ebx & (1u << 14 | 1u << 15 | 1u << 24)) != 0;
	offers->ibpb = (seven->edx & 1u << 26) != 0 || (eight->ebx & 1u << 12) != 0;
}

int vcpu_policy_set(
	struct vcpu *vcpu, const struct gyre_vcpu_policy *policy, struct gyre_cpuid_entry *entries, uint32_t count)
{
	int error;
	if (!numbers_valid(policy) || !windows_valid(policy))
		return -GYRE_EINVAL;
	if (policy->tsc_khz != tsc_khz || (policy->xcr0_allowed & ~fpu_xcr0_supported()) != 0)
		return -GYRE_ENOTSUP;
	if (vcpu->settled)
		return -GYRE_EBUSY;
	if ((error = vcpu_ops->policy(vcpu, policy)) < 0)
		return error;
	if ((error = cpuid_table_set(vcpu->cpuid, entries, count, vcpu->number)) < 0)
		return error;
	vcpu->policy = *policy;
	read_offers(&vcpu->offers, vcpu->cpuid);
	fetch_forget(&vcpu->fetch);
	vcpu->lapic.timer_khz = policy->apic_timer_khz;
	vcpu->lapic.tsc_khz = tsc_khz;
	vcpu->tsc_offset = (uint64_t)policy->tsc_offset;
	vlapic_tsc_changed(&vcpu->lapic, vcpu->tsc_offset);
	vcpu->runner = vcpu->process;
	return 0;
}
