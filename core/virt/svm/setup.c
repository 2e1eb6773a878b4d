/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/setup.c: is AMD-V there, what of it is used, and a processor's own preparation. APM vol. 2, "Enabling SVM", "Determining Support for SVM";
 * vol. 3, "CPUID Fn8000_000A". Each feature can be forced off: NAME=off on the core's command line.
 */
#include "core/boot/boot.h"
#include "core/mem/frame.h"
#include "core/mem/pagetable.h"
#include "core/virt/barriers.h"
#include "core/virt/msr.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vm.h"
#include "core/x86/cpu_features.h"
#include "core/x86/msr.h"
#include "lib/string.h"

#define MSR_VM_CR	0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#define VM_CR_SVMDIS	(1ull << 4)

#define CPUID_SVM_NP		  (1u << 0)
#define CPUID_SVM_NRIP		  (1u << 3)
#define CPUID_SVM_CLEAN		  (1u << 5)
#define CPUID_SVM_FLUSH_BY_ASID	  (1u << 6)
#define CPUID_SVM_DECODE	  (1u << 7)
#define CPUID_SVM_PAUSE_FILTER	  (1u << 10)
#define CPUID_SVM_PAUSE_THRESHOLD (1u << 12)
#define CPUID_SVM_VGIF		  (1u << 16)

SEALED struct svm_features svm_features;
struct svm_cpu svm_cpus[CPU_MAX];

/* One bit a port, and three more bytes for an access at the end: every port is intercepted. */
SEALED static uint8_t iopm[3 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
/* Two bits an MSR, read and write. The same for all guests: what is open in it is switched with the guest. */
SEALED static uint8_t msrpm[2 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
/* The boot processor's; another's come with it. */
static uint8_t boot_host_save[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t boot_host_state[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static bool allowed(const char *name, bool there)
{
	return there && !core_option_off(name);
}

/* APM vol. 2, "MSR Intercepts": three ranges of 2 KiB each. */
static void msr_open(uint32_t msr)
{
	uint32_t base = msr < 0x2000 ? 0 : msr >> 16 == 0xc000 ? 0x800 : 0x1000, bit = (msr & 0x1fff) * 2;
	msrpm[base + bit / 8] &= (uint8_t) ~(3u << bit % 8);
}

static void maps_init(void)
{
	static const uint32_t open[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
		MSR_SFMASK, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
	memset(iopm, 0xff, sizeof(iopm));
	memset(msrpm, 0xff, sizeof(msrpm));
	for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		msr_open(open[i]);
}

static void read_features(void)
{
	struct cpuid_result svm = cpuid(0x8000000a, 0);
	struct svm_features *f = &svm_features;
	f->nrip = allowed("nrip", (svm.edx & CPUID_SVM_NRIP) != 0);
	f->decode_assist = allowed("decode-assist", (svm.edx & CPUID_SVM_DECODE) != 0);
	f->flush_by_asid = allowed("flush-by-asid", (svm.edx & CPUID_SVM_FLUSH_BY_ASID) != 0);
	f->clean_bits = allowed("clean-bits", (svm.edx & CPUID_SVM_CLEAN) != 0);
	f->vgif = allowed("vgif", (svm.edx & CPUID_SVM_VGIF) != 0);
	f->pause_filter = allowed("pause-filter", (svm.edx & CPUID_SVM_PAUSE_FILTER) != 0);
	f->pause_threshold = f->pause_filter && (svm.edx & CPUID_SVM_PAUSE_THRESHOLD) != 0;
	f->asids = svm.ebx;
	f->errata = svm_errata_of(cpu_features.family, cpu_features.model, cpu_features.stepping);
	/* The leaf for software that runs processors: "TCGT", and so on. */
	if ((cpuid(1, 0).ecx & 1u << 31) != 0 && cpuid(0x40000000, 0).ebx == 0x54474354)
		f->errata |= SVM_ERRATUM_TWICE;
	f->tlb_control = (f->errata & SVM_ERRATUM_170) != 0 || f->asids < 2 ? VMCB_TLB_ALL : VMCB_TLB_NOTHING;
	f->clean_mask = f->clean_bits ? VMCB_CLEAN_ALL : 0;
	f->cr4 = control_cr4_of_machine();
	f->efer = EFER_SCE | EFER_LME | EFER_LMA | (cpu_features.nx ? EFER_NXE : 0) | 1u << 14; /* FFXSR */
}

static enum gyre_virt_reason probe(uint64_t *features)
{
	uint64_t vm_cr = 0;
	if (cpuid(0x80000000, 0).eax < 0x8000000a || (cpuid(0x80000001, 0).ecx & 1u << 2) == 0)
		return GYRE_VIRT_NOT_THERE;
	/* No emulator has a firmware that does this: svm=off takes the same way. */
	if (!allowed("svm", msr_read_safe(MSR_VM_CR, &vm_cr) < 0 || (vm_cr & VM_CR_SVMDIS) == 0))
		return GYRE_VIRT_DISABLED_BY_FIRMWARE;
	if (!allowed("npt", (cpuid(0x8000000a, 0).edx & CPUID_SVM_NP) != 0))
		return GYRE_VIRT_NO_NESTED_PAGING;
	read_features();
	*features = GYRE_FEATURE_UNRESTRICTED | (svm_features.nrip ? GYRE_FEATURE_NEXT_RIP : 0) |
		    (svm_features.decode_assist ? GYRE_FEATURE_DECODE_ASSIST : 0) |
		    (svm_features.flush_by_asid ? GYRE_FEATURE_FLUSH_BY_TAG : 0) |
		    (svm_features.clean_bits ? GYRE_FEATURE_CLEAN_BITS : 0) |
		    (svm_features.vgif ? GYRE_FEATURE_VIRTUAL_GIF : 0) |
		    (svm_features.pause_filter ? GYRE_FEATURE_PAUSE_FILTER : 0);
	return GYRE_VIRT_OK;
}

/*
 * APM vol. 2, "Nested Paging": that of long mode, so that of a process; every access of a guest counts as one of user mode, and the memory type is the host
 * PAT's, combined with the guest's own. Only the sizes of pages can be forced off by themselves.
 */
static const struct pagetable_format *nested_format(void)
{
	SEALED static struct pagetable_format nested;
	nested = pagetable_process;
	nested.max_leaf = !allowed("npt-2m", true) ? 0 : allowed("npt-1g", cpu_features.pages_1g) ? 2 : 1;
	return &nested;
}

static int cpu_enable(struct cpu *cpu)
{
	struct svm_cpu *own = &svm_cpus[cpu->index];
	maps_init();
	if (msr_write_safe(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME) < 0 ||
		msr_write_safe(MSR_VM_HSAVE_PA, image_physical(boot_host_save).value) < 0)
		return -GYRE_EPERM;
	own->host_address = image_physical(boot_host_state).value;
	asid_pool_init(&own->asids, svm_features.asids < 2 ? 2 : svm_features.asids, svm_features.flush_by_asid,
		svm_features.tlb_control != VMCB_TLB_NOTHING);
	return 0;
}

/* ---- a vCPU's life ---- */
static int create(struct vcpu *vcpu)
{
	struct svm_vcpu *v = svm_of(vcpu);
	hpa_t frame;
	if (!frame_alloc(&vcpu->process->quota, &frame))
		return -GYRE_ENOMEM;
	v->vmcb = frame_virtual(frame);
	vcpu->block_address = frame.value;
	v->vmcb->tlb_control = svm_features.tlb_control;
	vmcb_init(v->vmcb, vcpu->vm->aspace.table.root.value);
	vmcb_set_iopm(v->vmcb, image_physical(iopm).value);
	vmcb_set_msrpm(v->vmcb, image_physical(msrpm).value);
	svm_mode_changed(v);
	return 0;
}

static void end(struct vcpu *vcpu)
{
	struct svm_vcpu *v = svm_of(vcpu);
	if (v->vmcb != NULL)
		frame_free(&vcpu->process->quota, hpa(vcpu->block_address));
	v->vmcb = NULL;
}

static int policy(struct vcpu *vcpu, const struct gyre_vcpu_policy *policy)
{
	if ((policy->cr4_allowed & ~svm_features.cr4) != 0 || (policy->efer_allowed & ~svm_features.efer) != 0)
		return -GYRE_ENOTSUP;
	vmcb_policy(svm_of(vcpu)->vmcb, policy);
	return 0;
}

static void load(struct cpu *cpu, struct vcpu *vcpu)
{
	struct svm_vcpu *v = svm_of(vcpu);
	/* What another processor cached is unknown to this one, and its ASID's number means something else here. */
	if (v->asid.cpu != cpu->index || v->asid.generation == 0) {
		v->vmcb->clean = 0;
		v->asid.generation = 0;
	}
	v->vmcb->tlb_control = asid_come(&svm_cpus[cpu->index].asids, v->vmcb->tlb_control);
	/* Others may have used up the generation meanwhile. */
	if (v->asid.generation != svm_cpus[cpu->index].asids.generation)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_FLUSH);
	vcpu->host_address = svm_cpus[cpu->index].host_address;
	if ((v->vmcb->dr7_ & 0xff) != 0)
		svm_debug_load(v);
}

static void unload(struct cpu *cpu, struct vcpu *vcpu)
{
	asid_leave(&svm_cpus[cpu->index].asids, svm_of(vcpu)->vmcb->tlb_control);
	svm_debug_unload(svm_of(vcpu));
}

const struct vcpu_ops svm_vcpu_ops = {
	.name = "AMD-V",
	.vcpu_bytes = sizeof(struct svm_vcpu),
	.probe = probe,
	.cpu_enable = cpu_enable,
	.nested_format = nested_format,
	.barriers = svm_barriers_of,
	.heaviest = SVM_BARRIERS_HEAVIEST,
	.create = create,
	.end = end,
	.policy = policy,
	.load = load,
	.unload = unload,
	.start = svm_start,
	.start_any = svm_start_any,
	.run = svm_run,
	.fill = svm_fill,
	.state_get = svm_state_get,
	.state_set = svm_state_set,
};
