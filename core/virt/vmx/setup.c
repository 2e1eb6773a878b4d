/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/setup.c: is VT-x there and usable, VMXON, and a vCPU's VMCS: its first content, and its place on a processor. SDM vol. 3, "Introduction to
 * Virtual Machine Extensions" and "Virtual Machine Control Structures". Each feature can be forced off: NAME=off on the core's command line.
 */
#include "core/boot/boot.h"
#include "core/mem/frame.h"
#include "core/virt/barriers.h"
#include "core/virt/vm.h"
#include "core/virt/vmx/vmx.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/timer.h"
#include "core/x86/trap.h"
#include "lib/string.h"

#define MSR_FEATURE_CONTROL   0x3a
#define MSR_VMX_BASIC	      0x480 /* pin, controls, exit, entry, MISC, CR0_FIXED0, 1, CR4_FIXED0, 1 follow; 0x48b, 0x48c */
#define MSR_VMX_TRUE_PIN      0x48d /* controls, exit, entry follow */
#define MSR_ARCH_CAPABILITIES 0x10a
#define BASIC_TRUE	      (1ull << 55)
#define FEATURE_LOCKED	      1u
#define FEATURE_VMX	      4u /* outside SMX operation */
#define CR4_VMXE	      0x2000ull
#define EPTP_WRITE_BACK_4     0x1eull /* memory type 6, a walk of 4 */
#define EPTP_AD		      0x40ull
#define PML_EMPTY	      511
#define PAUSE_GAP	      128  /* ticks between PAUSEs of one loop */
#define PAUSE_WINDOW	      4096 /* and how long it may last */
#define TIMER_MS	      4

SEALED struct vmx_features vmx_features;
struct vmx_cpu vmx_cpus[CPU_MAX];

/*
 * A byte for eight MSRs: reads of 0 to 1fff and c0000000 to c0001fff, then writes. The same for all guests, but for those whose local APIC the processor runs.
 * SDM vol. 3, "MSR-Bitmap Address".
 */
SEALED static uint8_t msr_bitmap[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
/* The boot processor's; another's comes with it. */
static uint32_t vmxon_region[PAGE_SIZE / 4] __attribute__((aligned(PAGE_SIZE)));

static void bitmap_open(uint32_t msr, bool write)
{
	msr_bitmap[0][(write ? 0x800 : 0) + (msr >> 31 != 0 ? 0x400 : 0) + (msr & 0x1fff) / 8] &= (uint8_t) ~(
		1u << msr % 8);
}

/* Those that the processor switches with the guest, or holds while it runs: struct vmx_vcpu has copies of those that can only be read. */
static void bitmap_init(void)
{
	static const uint32_t both[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
	static const uint32_t read[] = {MSR_STAR, MSR_LSTAR, MSR_SFMASK};
	memset(msr_bitmap[0], 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		bitmap_open(both[i], false);
		bitmap_open(both[i], true);
	}
	for (unsigned i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		bitmap_open(read[i], false);
	memcpy(msr_bitmap[1], msr_bitmap[0], PAGE_SIZE);
	vmx_apic_bitmap(msr_bitmap[1]);
}

uint64_t vmx_msr_bitmap(bool virtual_apic)
{
	return image_physical(msr_bitmap[virtual_apic]).value;
}

static void read_msrs(struct vmx_msrs *m)
{
	m->basic = msr_read(MSR_VMX_BASIC);
	uint32_t controls = (m->basic & BASIC_TRUE) != 0 ? MSR_VMX_TRUE_PIN : MSR_VMX_BASIC + 1;
	m->pin = msr_read(controls);
	m->controls = msr_read(controls + 1);
	if (core_option_off("tpr-shadow"))
		m->controls &= ~((uint64_t)CONTROL_TPR_SHADOW << 32);
	m->exit = msr_read(controls + 2);
	m->entry = msr_read(controls + 3);
	m->misc = msr_read(MSR_VMX_BASIC + 5);
	m->cr0_fixed0 = msr_read(MSR_VMX_BASIC + 6);
	m->cr0_fixed1 = msr_read(MSR_VMX_BASIC + 7);
	m->cr4_fixed0 = msr_read(MSR_VMX_BASIC + 8);
	m->cr4_fixed1 = msr_read(MSR_VMX_BASIC + 9);
	/* There only where some control says so. */
	m->controls2 = 0;
	if ((m->controls >> 32 & CONTROL_SECONDARY) != 0)
		m->controls2 = msr_read(MSR_VMX_BASIC + 0xb);
	m->ept_vpid = 0;
	if ((m->controls2 >> 32 & (CONTROL2_EPT | CONTROL2_VPID)) != 0)
		m->ept_vpid = msr_read(MSR_VMX_BASIC + 0xc);
}

/* SDM vol. 3, "Enabling and Entering VMX Operation". Not locked: it is ours to enable and lock. */
static bool feature_control(void)
{
	uint64_t value = 0;
	if (core_option_off("vmx") || msr_read_safe(MSR_FEATURE_CONTROL, &value) < 0)
		return false;
	if ((value & FEATURE_LOCKED) == 0)
		return msr_write_safe(MSR_FEATURE_CONTROL, value | FEATURE_LOCKED | FEATURE_VMX) == 0;
	return (value & FEATURE_VMX) != 0;
}

static uint32_t off_controls2(void)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} controls[] = {{"ept", CONTROL2_EPT}, {"vpid", CONTROL2_VPID}, {"unrestricted", CONTROL2_UNRESTRICTED},
		{"pml", CONTROL2_PML}, {"pause-filter", CONTROL2_PAUSE_LOOP}, {"apicv", VMX_APICV}};
	uint32_t off = 0;
	for (unsigned i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		off |= core_option_off(controls[i].name) ? controls[i].bits : 0;
	return off;
}

static void page_sizes(struct vmx_features *f)
{
	uint64_t arch_capabilities = 0;
	if (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).edx & 1u << 29) != 0)
		arch_capabilities = msr_read(MSR_ARCH_CAPABILITIES);
	f->ept_ad = f->ept_ad && !core_option_off("ept-ad");
	f->pml = f->pml && f->ept_ad;
	f->ept_2m = f->ept_2m && !core_option_off("ept-2m");
	/* Gyre does not change a page's size under a guest that executes in it: it has no executable large ones there. */
	if (!core_option_off("itlb-multihit") &&
		vmx_itlb_multihit(cpu_features.family, cpu_features.model, arch_capabilities)) {
		log_info("vmx: guests' memory is mapped by 4 KiB pages only (CVE-2018-12207)");
		f->ept_2m = false;
	}
	f->ept_1g = f->ept_1g && f->ept_2m && !core_option_off("ept-1g");
}

static enum gyre_virt_reason probe(uint64_t *features)
{
	struct vmx_features *f = &vmx_features;
	struct vmx_msrs msrs;
	const char *what;
	if ((cpuid(1, 0).ecx & 1u << 5) == 0)
		return GYRE_VIRT_NOT_THERE;
	if (!feature_control())
		return GYRE_VIRT_DISABLED_BY_FIRMWARE;
	read_msrs(&msrs);
	switch (vmx_capability(&msrs, off_controls2(), f, &what)) {
	case VMX_CAN: break;
	case VMX_LACKS_EPT: return GYRE_VIRT_NO_NESTED_PAGING;
	case VMX_CONTRADICTS:
		log_warn("vmx: what the processor says of its %s contradicts itself", what);
		return GYRE_VIRT_CONTRADICTS;
	default: log_warn("vmx: the processor's %s are not what Gyre needs", what); return GYRE_VIRT_CONTRADICTS;
	}
	page_sizes(f);
	f->cr4 = control_cr4_of_machine() & f->cr4_fixed1;
	f->efer = EFER_SCE | EFER_LME | EFER_LMA | (cpu_features.nx ? EFER_NXE : 0);
	f->timer_ticks = (uint32_t)((uint64_t)tsc_khz * TIMER_MS >> f->timer_shift) + 1;
	*features = GYRE_FEATURE_NEXT_RIP | GYRE_FEATURE_CALL_BY_INTERRUPT | (f->vpid ? GYRE_FEATURE_FLUSH_BY_TAG : 0) |
		    ((f->controls2 & CONTROL2_PAUSE_LOOP) != 0 ? GYRE_FEATURE_PAUSE_FILTER : 0) |
		    (f->unrestricted ? GYRE_FEATURE_UNRESTRICTED : 0) | (f->ept_ad ? GYRE_FEATURE_ACCESSED_DIRTY : 0) |
		    (f->pml ? GYRE_FEATURE_MODIFICATION_LOG : 0) | (f->apicv ? GYRE_FEATURE_VIRTUAL_APIC : 0) |
		    ((f->controls & CONTROL_TPR_SHADOW) != 0 ? GYRE_FEATURE_VIRTUAL_TPR : 0) |
		    ((f->pin & PIN_PREEMPTION_TIMER) != 0 ? GYRE_FEATURE_GUEST_TIMER : 0);
	return GYRE_VIRT_OK;
}

static int cpu_enable(struct cpu *cpu)
{
	uint32_t revision = vmx_features.revision;
	bitmap_init();
	/* No machine here has a processor that refuses the revision it names itself: this takes the same way. */
	vmxon_region[0] = core_option_off("vmcs-revision") ? revision ^ 1 : revision;
	cr0_write((cr0_read() | vmx_features.cr0_fixed0) & (vmx_features.cr0_fixed1 | ~0xffffffffull));
	cr4_write(cr4_read() | CR4_VMXE | vmx_features.cr4_fixed0);
	if (vmxon_address(image_physical(vmxon_region).value) < 0) {
		log_warn("vmx: the processor refuses VMXON with its own VMCS revision 0x%x", revision);
		cr4_write(cr4_read() & ~CR4_VMXE);
		return -GYRE_EPERM;
	}
	/* What a VMM before us left in the TLB goes with the flush at each vCPU's first entry. */
	asid_pool_init(&vmx_cpus[cpu->index].vpids, vmx_features.vpid ? 0x10000 : 2, true, false);
	return 0;
}

/* ---- the current VMCS ---- */
static void let_go(struct vmx_cpu *own)
{
	if (own->current == NULL)
		return;
	/* All of it is in memory now, and another processor may take it. */
	vmclear_address(own->current->vcpu.block_address);
	own->current->launched = false;
	own->current->odd = true;
	own->current = NULL;
}

struct vmx_vcpu *vmx_reach(struct vmx_vcpu *v)
{
	struct vmx_cpu *own = &vmx_cpus[cpu_current()->index];
	struct vmx_vcpu *before = own->current;
	if (before == v)
		return NULL;
	let_go(own);
	CORE_ASSERT(vmptrld_address(v->vcpu.block_address) == 0);
	own->current = v;
	return before;
}

/* After a refused entry: whether the VMCS was launched before it, nobody says. Now it is not. */
void vmx_not_launched(struct vmx_vcpu *v)
{
	let_go(&vmx_cpus[cpu_current()->index]);
	vmx_reach(v);
}

/* What the processor finds of the host after an exit. */
void vmx_host_state(struct cpu *cpu, struct vmx_vcpu *v)
{
	char *point = v->vcpu.trace != NULL ? vmx_exit_point_traced
		      : barriers.at_entry   ? vmx_exit_point_barriers
					    : vmx_exit_point;
	v->point_traced = v->vcpu.trace != NULL;
	v->odd = true;
	vmx_write(VMCS_HOST_CR0, cr0_read() | CR0_TS);
	vmx_write(VMCS_HOST_CR3, cpu->process->aspace.table.root.value);
	vmx_write(VMCS_HOST_CR4, cr4_read());
	vmx_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
	vmx_write(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
	vmx_write(VMCS_HOST_RSP, cpu->stack_top - 16);
	vmx_write(VMCS_HOST_RIP, (uint64_t)point);
}

/* ---- a vCPU's life ---- */
static void first_controls(struct vmx_vcpu *v)
{
	const struct vmx_features *f = &vmx_features;
	v->controls = f->controls;
	v->controls2 = f->controls2 & ~(v->pml == NULL ? CONTROL2_PML : 0);
	vmx_write(VMCS_PIN_CONTROLS, f->pin);
	vmx_write(VMCS_CONTROLS, v->controls);
	vmx_write(VMCS_CONTROLS2, v->controls2);
	vmx_write(VMCS_EXIT_CONTROLS, f->exit_controls);
	vmx_write(VMCS_EXCEPTIONS, ANSWER_EXCEPTIONS);
	vmx_write(VMCS_MSR_BITMAP, vmx_msr_bitmap(false));
	vmx_write(VMCS_VIRTUAL_APIC, frame_physical(v->vcpu.lapic.page).value);
	vmx_write(VMCS_EPTP, v->eptp);
	vmx_write(VMCS_LINK, UINT64_MAX);
	vmx_write(VMCS_PREEMPTION_TIMER, f->timer_ticks);
	if ((v->controls2 & CONTROL2_PAUSE_LOOP) != 0) {
		vmx_write(VMCS_PLE_GAP, PAUSE_GAP);
		vmx_write(VMCS_PLE_WINDOW, PAUSE_WINDOW);
	}
	if (v->pml != NULL) {
		vmx_write(VMCS_PML_ADDRESS, frame_physical(v->pml).value);
		vmx_write(VMCS_PML_INDEX, PML_EMPTY);
	}
	/* Counts and masks of what is not used. */
	static const uint16_t zero[] = {VMCS_PF_MASK, VMCS_PF_MATCH, VMCS_CR3_TARGETS, VMCS_EXIT_STORE_COUNT,
		VMCS_EXIT_LOAD_COUNT, VMCS_ENTRY_LOAD_COUNT, VMCS_TPR_THRESHOLD, VMCS_EOI_EXIT, VMCS_EOI_EXIT + 2,
		VMCS_EOI_EXIT + 4, VMCS_EOI_EXIT + 6, VMCS_ENTRY_EVENT, VMCS_DEBUGCTL, VMCS_ACTIVITY,
		VMCS_INTERRUPTIBILITY, VMCS_PENDING_DEBUG, VMCS_HOST_ES, VMCS_HOST_DS, VMCS_HOST_FS, VMCS_HOST_GS,
		VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_SYSENTER_CS, VMCS_HOST_SYSENTER_ESP,
		VMCS_HOST_SYSENTER_EIP};
	for (unsigned i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		vmx_write(zero[i], 0);
}

static void first_state(struct vmx_vcpu *v)
{
	struct table_pointer idt;
	__asm__ volatile("sidt %0" : "=m"(idt));
	vmx_write(VMCS_HOST_IDTR_BASE, idt.base);
	vmx_write(VMCS_HOST_CS, SELECTOR_CORE_CODE);
	vmx_write(VMCS_HOST_SS, SELECTOR_CORE_DATA);
	vmx_write(VMCS_HOST_TR, SELECTOR_TSS);
	vmx_write(VMCS_HOST_PAT, CORE_PAT);
	vmx_write(VMCS_HOST_EFER, msr_read(MSR_EFER) & ~EFER_SCE); /* cpu_lend() */
	vmx_write(VMCS_PAT, GUEST_PAT_RESET);
	vmx_write(VMCS_DR7, 0x400);
	vmx_write(VMCS_RFLAGS, 2);
	v->dr6 = DR6_RESET;
}

static int create(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before;
	struct control reset = {CR0_ET, 0, 0, 0};
	hpa_t frame;
	if (!frame_alloc(&vcpu->process->quota, &frame))
		return -GYRE_ENOMEM;
	vcpu->block_address = frame.value;
	*(uint32_t *)frame_virtual(frame) = vmx_features.revision;
	if (vmx_features.pml) {
		if (!frame_alloc(&vcpu->process->quota, &frame))
			return -GYRE_ENOMEM;
		v->pml = frame_virtual(frame);
	}
	v->eptp = vcpu->vm->aspace.table.root.value | EPTP_WRITE_BACK_4 | (vmx_features.ept_ad ? EPTP_AD : 0);
	vmclear_address(vcpu->block_address);
	before = vmx_reach(v);
	first_controls(v);
	first_state(v);
	vmx_control_set(v, &reset);
	vmx_return(before);
	return 0;
}

static void end(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	if (vcpu->block_address != 0) {
		if (vmx_cpus[cpu_current()->index].current == v)
			let_go(&vmx_cpus[cpu_current()->index]);
		frame_free(&vcpu->process->quota, hpa(vcpu->block_address));
	}
	if (v->pml != NULL)
		frame_free(&vcpu->process->quota, frame_physical(v->pml));
	vcpu->block_address = 0;
	v->pml = NULL;
}

static int policy(struct vcpu *vcpu, const struct gyre_vcpu_policy *policy)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before;
	struct control now;
	uint32_t exceptions = ANSWER_EXCEPTIONS;
	if ((policy->cr4_allowed & ~vmx_features.cr4) != 0 || (policy->efer_allowed & ~vmx_features.efer) != 0)
		return -GYRE_ENOTSUP;
	before = vmx_reach(v);
	if ((policy->flags & GYRE_POLICY_EXCEPTION_EXIT) != 0)
		exceptions |= policy->exception_bitmap & ~(1u << TRAP_NMI);
	vmx_write(VMCS_EXCEPTIONS, exceptions);
	vmx_controls_set(v, CONTROL_RDTSC, (policy->flags & GYRE_POLICY_RDTSC_EXIT) != 0);
	vmx_write(VMCS_TSC_OFFSET, (uint64_t)policy->tsc_offset);
	/* What the guest may change freely follows from it. It is not vcpu->policy yet. */
	now = vmx_control(v);
	v->cr0_own = VMX_CR0_OWN & policy->cr0_allowed;
	v->cr4_own = VMX_CR4_OWN & policy->cr4_allowed;
	v->identity_table = policy->identity_table;
	vmx_control_set(v, &now);
	vmx_return(before);
	return 0;
}

/* Instructions that the level hides are undefined then. */
static void hide(struct vmx_vcpu *v)
{
	bool invpcid = (cpuid_table_search(v->vcpu.cpuid, 7, 0)->ebx & 1u << 10) != 0;
	uint32_t hidden = (invpcid ? 0 : CONTROL2_INVPCID) | (v->vcpu.offers.rdtscp ? 0 : CONTROL2_RDTSCP);
	hidden &= v->controls2 & ~vmx_features.controls2_must;
	if (hidden != 0)
		vmx_write(VMCS_CONTROLS2, v->controls2 &= ~hidden);
}

static void load(struct cpu *cpu, struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	struct asid_pool *pool = &vmx_cpus[cpu->index].vpids;
	vmx_reach(v);
	hide(v);
	vmx_host_state(cpu, v);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_RELOAD);
	/* A VPID of this processor; what it has under the nested tables' address may be of tables that were there before. */
	if (v->vpid.cpu != cpu->index || v->vpid.generation != pool->generation)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_FLUSH);
	if ((vmx_read(VMCS_DR7) & 0xff) != 0)
		vmx_debug_load(v);
}

static void unload(struct cpu *cpu, struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	vmx_reach(v);
	vmx_debug_unload(v);
	cpu_take_back(cpu);
	let_go(&vmx_cpus[cpu->index]);
}

const struct vcpu_ops vmx_vcpu_ops = {
	.name = "VT-x",
	.keeps = true,
	.vcpu_bytes = sizeof(struct vmx_vcpu),
	.probe = probe,
	.cpu_enable = cpu_enable,
	.nested_format = vmx_nested_format,
	.barriers = vmx_barriers_of,
	.heaviest = VMX_BARRIERS_HEAVIEST,
	.create = create,
	.end = end,
	.policy = policy,
	.load = load,
	.unload = unload,
	.start = vmx_start,
	.start_any = vmx_start_any,
	.run = vmx_run,
	.fill = vmx_fill,
	.gather = vmx_gather,
	.state_get = vmx_state_get,
	.state_set = vmx_state_set,
};
