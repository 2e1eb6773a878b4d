/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/virt_fixture.c: see virt_fixture.h. */
#include "tests/unit/virt_fixture.h"
#include "core/virt/barriers.h"
#include "core/x86/cpu_features.h"
#include "core/x86/msr.h"

struct virt_fixture *virt;

/* What the sources under test would find in the core. */
struct svm_features svm_features;
struct svm_cpu svm_cpus[CPU_MAX];
struct cpu_features cpu_features;
struct barriers barriers;
uint64_t unit_tsc;

struct vcpu *vcpu_of_lapic(struct vlapic *lapic)
{
	return container_of(lapic, struct vcpu, lapic);
}

void vcpu_wake(struct vcpu *vcpu)
{
	(void)vcpu;
	virt->wakes++;
}

void vlapic_notify(struct vlapic *lapic)
{
	vcpu_hazard_set(vcpu_of_lapic(lapic), VCPU_HAZARD_EVENTS);
}

void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc)
{
	(void)lapic;
	virt->timer_at = host_tsc;
}

uint64_t vlapic_host_tsc(void)
{
	return virt->now;
}

int virt_set_up(void **state)
{
	struct vcpu *vcpu;
	virt = aligned_alloc(4096, (sizeof(*virt) + 4095) & ~4095ul);
	memset(virt, 0, sizeof(*virt));
	*state = virt;
	virt->now = 1000000;
	virt->timer_at = VLAPIC_TSC_NEVER;
	vcpu = &virt->v.vcpu;
	vcpu->cpu = &virt->cpu;
	vcpu->vm = &virt->vm;
	vcpu->page = calloc(1, 4096);
	vcpu->counters = calloc(1, 4096);
	vcpu->state = calloc(1, 4096);
	vcpu->cpuid = calloc(1, 4096);
	vlapic_init(&vcpu->lapic, calloc(1, 4096), &virt->vm.bus, 0, true);
	virt->vm.bus.member[0] = &vcpu->lapic;
	virt->vm.bus.count = 1;
	vlapic_mmio_write(&vcpu->lapic, APIC_SVR, 0x1ff);
	vcpu->policy = (struct gyre_vcpu_policy){
		.abi = GYRE_VCPU_ABI,
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = 0x3706ff & ~0x100ull,
		.efer_allowed = 0xd01,
		.xcr0_allowed = 7,
		.physical_bits = 40,
		.apic_timer_khz = 1000000,
		.tsc_khz = 1000000,
	};
	vcpu->offers = (struct vcpu_offers){true, true, true, true, true, true, true, true};
	fetch_forget(&vcpu->fetch);
	svm_features = (struct svm_features){.clean_bits = true, .clean_mask = VMCB_CLEAN_ALL, .asids = 16};
	asid_pool_init(&svm_cpus[0].asids, 16, false, false);
	virt->v.vmcb = aligned_alloc(4096, 4096);
	memset(virt->v.vmcb, 0, 4096);
	vmcb_init(virt->v.vmcb, 0x8000);
	virt->v.vmcb->rflags = 0x202;
	virt->v.vmcb->cs_ = (struct vmcb_segment){8, 0xa9b, 0xffffffff, 0};
	vcpu->hazard = 0;
	return 0;
}

int virt_tear_down(void **state)
{
	struct vcpu *vcpu = &virt->v.vcpu;
	free(vcpu->page);
	free(vcpu->counters);
	free(vcpu->lapic.page);
	free(vcpu->state);
	free(vcpu->cpuid);
	free(virt->v.vmcb);
	free(*state);
	return 0;
}
