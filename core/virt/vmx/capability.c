/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/capability.c: what the processor's capability MSRs allow, and what of it Gyre uses. Plain code: a test has MSRs that no processor has.
 * SDM vol. 3, appendix "VMX Capability Reporting Facility".
 */
#include "core/virt/barriers.h"
#include "core/virt/vmx/vmx.h"

/* Controls that are 1 where the processor says nothing better (the "default1" classes), and the others whose exits Gyre knows. */
#define PIN_DEFAULT	 0x16u
#define CONTROLS_DEFAULT 0x0401e172u
#define EXIT_DEFAULT	 0x36dffu
#define ENTRY_DEFAULT	 0x11ffu

#define PIN_NEEDED (PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI)
#define CONTROLS_NEEDED                                                                                                \
	(CONTROL_INTERRUPT_WINDOW | CONTROL_NMI_WINDOW | CONTROL_TSC_OFFSET | CONTROL_HLT | CONTROL_MWAIT |            \
		CONTROL_RDPMC | CONTROL_RDTSC | CONTROL_CR8_LOAD | CONTROL_CR8_STORE | CONTROL_MOV_DR | CONTROL_IO |   \
		CONTROL_MSR_BITMAP | CONTROL_MONITOR | CONTROL_SECONDARY)
/* Of those, what is on only at times. CR3 exits come where they can't be turned off, or without "unrestricted guest". */
#define CONTROLS_AT_TIMES                                                                                              \
	(CONTROL_INTERRUPT_WINDOW | CONTROL_NMI_WINDOW | CONTROL_RDTSC | CONTROL_CR3_LOAD | CONTROL_CR3_STORE)
#define CONTROLS2_WANTED                                                                                               \
	(CONTROL2_RDTSCP | CONTROL2_VPID | CONTROL2_WBINVD | CONTROL2_UNRESTRICTED | CONTROL2_INVPCID | CONTROL2_PML | \
		CONTROL2_PAUSE_LOOP)
#define EXIT_NEEDED  (EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_LOAD_PAT | EXIT_LOAD_EFER)
#define ENTRY_NEEDED (ENTRY_LOAD_DEBUG | ENTRY_LONG_MODE | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

#define BASIC_REGION(basic) ((basic) >> 32 & 0x1fff)
#define BASIC_TYPE(basic)   ((basic) >> 50 & 15)
#define WRITE_BACK	    6

/* EPT_VPID_CAP */
#define CAP_WALK_4	   (1ull << 6)
#define CAP_WRITE_BACK	   (1ull << 14)
#define CAP_2M		   (1ull << 16)
#define CAP_1G		   (1ull << 17)
#define CAP_INVEPT	   (1ull << 20)
#define CAP_AD		   (1ull << 21)
#define CAP_INVEPT_SINGLE  (1ull << 25)
#define CAP_INVEPT_ALL	   (1ull << 26)
#define CAP_INVVPID	   (1ull << 32)
#define CAP_INVVPID_SINGLE (1ull << 41)
#define CAP_INVVPID_ALL	   (1ull << 42)

/*
 * One register of controls: its low half has those that must be 1, its high half those that may be. False: what is needed is not to be had, or what must be
 * 1 is unknown to Gyre, so that its exits would be.
 */
static enum vmx_capability choose(uint64_t msr, uint32_t needed, uint32_t wanted, uint32_t known, uint32_t *controls)
{
	uint32_t must = (uint32_t)msr, may = (uint32_t)(msr >> 32);
	if ((must & ~may) != 0)
		return VMX_CONTRADICTS;
	if ((needed & ~may) != 0 || (must & ~(known | needed | wanted)) != 0)
		return VMX_LACKS;
	*controls = must | needed | (wanted & may);
	return VMX_CAN;
}

static bool basic_valid(uint64_t basic)
{
	return (basic & 0x80000000u) == 0 && BASIC_REGION(basic) != 0 && BASIC_REGION(basic) <= 4096 &&
	       BASIC_TYPE(basic) == WRITE_BACK;
}

/* CR0 and CR4 bits that are 1 (fixed0) or 0 (not in fixed1) in VMX operation. The core needs PE, NE, WP, PG; PAE, MCE, PGE and VMXE. */
static bool fixed_valid(const struct vmx_msrs *msrs)
{
	const uint64_t cr0 = 0x80010021, cr4 = 0x20e0;
	return (msrs->cr0_fixed0 & ~msrs->cr0_fixed1) == 0 && (msrs->cr4_fixed0 & ~msrs->cr4_fixed1) == 0 &&
	       (cr0 & ~msrs->cr0_fixed1) == 0 && (cr4 & ~msrs->cr4_fixed1) == 0;
}

/* What of the second processor-based controls is usable only together with something else. */
static uint32_t usable2(uint64_t ept_vpid, uint32_t off)
{
	uint32_t wanted = CONTROLS2_WANTED & ~off;
	bool invvpid = (ept_vpid & CAP_INVVPID) != 0 && (ept_vpid & (CAP_INVVPID_SINGLE | CAP_INVVPID_ALL)) != 0;
	if (!invvpid)
		wanted &= ~CONTROL2_VPID;
	if ((ept_vpid & CAP_AD) == 0)
		wanted &= ~CONTROL2_PML;
	return wanted;
}

static void fill(const struct vmx_msrs *msrs, struct vmx_features *f)
{
	uint64_t cap = msrs->ept_vpid;
	f->revision = (uint32_t)msrs->basic;
	f->controls &= ~CONTROLS_AT_TIMES | (uint32_t)msrs->controls;
	if ((f->controls & CONTROL_TPR_SHADOW) != 0)
		f->controls &= ~(CONTROL_CR8_LOAD | CONTROL_CR8_STORE) | (uint32_t)msrs->controls;
	f->controls_must = (uint32_t)msrs->controls;
	f->controls2_must = (uint32_t)msrs->controls2;
	f->cr0_fixed0 = msrs->cr0_fixed0;
	f->cr0_fixed1 = msrs->cr0_fixed1;
	/* While a guest runs without MCE, a machine check of the host would shut the processor down. It sees its own, by the shadow. */
	f->cr4_fixed0 = msrs->cr4_fixed0 | CR4_MCE;
	f->cr4_fixed1 = msrs->cr4_fixed1;
	f->timer_shift = msrs->misc & 31;
	f->unrestricted = (f->controls2 & CONTROL2_UNRESTRICTED) != 0;
	f->vpid = (f->controls2 & CONTROL2_VPID) != 0;
	f->pml = (f->controls2 & CONTROL2_PML) != 0;
	f->ept_ad = (cap & CAP_AD) != 0;
	f->ept_2m = (cap & CAP_2M) != 0;
	f->ept_1g = f->ept_2m && (cap & CAP_1G) != 0;
	f->invept_single = (cap & CAP_INVEPT_SINGLE) != 0;
	f->invvpid_single = (cap & CAP_INVVPID_SINGLE) != 0;
}

enum vmx_capability vmx_capability(const struct vmx_msrs *msrs, uint32_t off, struct vmx_features *f, const char **what)
{
	const uint64_t ept = CAP_WALK_4 | CAP_WRITE_BACK | CAP_INVEPT;
	enum vmx_capability result;
	*what = "IA32_VMX_BASIC";
	if (!basic_valid(msrs->basic))
		return VMX_CONTRADICTS;
	*what = "IA32_VMX_CR0_FIXED0 to CR4_FIXED1";
	if (!fixed_valid(msrs))
		return VMX_CONTRADICTS;
	*what = "pin-based controls";
	if ((result = choose(msrs->pin, PIN_NEEDED, PIN_PREEMPTION_TIMER, PIN_DEFAULT, &f->pin)) != VMX_CAN)
		return result;
	*what = "processor-based controls";
	if ((msrs->controls >> 32 & CONTROL_SECONDARY) == 0)
		return VMX_LACKS_EPT;
	if ((result = choose(msrs->controls, CONTROLS_NEEDED, CONTROL_TPR_SHADOW, CONTROLS_DEFAULT, &f->controls)) !=
		VMX_CAN)
		return result;
	*what = "secondary processor-based controls";
	if ((msrs->controls2 >> 32 & CONTROL2_EPT & ~off) == 0 || (msrs->ept_vpid & ept) != ept ||
		(msrs->ept_vpid & (CAP_INVEPT_SINGLE | CAP_INVEPT_ALL)) == 0)
		return VMX_LACKS_EPT;
	if ((result = choose(msrs->controls2, CONTROL2_EPT, usable2(msrs->ept_vpid, off), 0, &f->controls2)) != VMX_CAN)
		return result;
	*what = "VM-exit controls";
	uint32_t save_timer = (f->pin & PIN_PREEMPTION_TIMER) != 0 ? EXIT_SAVE_TIMER : 0;
	if ((result = choose(msrs->exit, EXIT_NEEDED, save_timer, EXIT_DEFAULT, &f->exit_controls)) != VMX_CAN)
		return result;
	*what = "VM-entry controls";
	if ((result = choose(msrs->entry, ENTRY_NEEDED, 0, ENTRY_DEFAULT, &f->entry_controls)) != VMX_CAN)
		return result;
	f->entry_controls &= ~ENTRY_LONG_MODE;
	fill(msrs, f);
	f->apicv = (f->controls & CONTROL_TPR_SHADOW) != 0 && (msrs->controls2 >> 32 & ~off & VMX_APICV) == VMX_APICV;
	return VMX_CAN;
}

/* Family 6, by model: SDM vol. 4, table "CPUID Signature Values of DisplayFamily_DisplayModel". */
static bool one_of(uint32_t model, const uint8_t *models)
{
	for (; *models != 0; models++)
		if (*models == model)
			return true;
	return false;
}

/*
 * Nehalem to Comet Lake: branch targets with no tag (Spectre variant 2), L1 terminal fault, sampling of buffers (MDS), and page sizes that the
 * instruction TLB confuses.
 */
static const uint8_t before_2019[] = {0x1a, 0x1e, 0x1f, 0x2e, 0x25, 0x2c, 0x2f, 0x2a, 0x2d, 0x3a, 0x3e, 0x3c, 0x3f,
	0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, 0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0x66, 0xa5, 0xa6, 0};
/* Ice Lake to Rocket Lake: stale data of MMIO. */
static const uint8_t stale_mmio[] = {0x6a, 0x6c, 0x7d, 0x7e, 0x8c, 0x8d, 0xa7, 0};

/*
 * Returns that leave the guest could use what it has trained, on all (RSB underflow, post-barrier predictions): filled after each exit. VMSCAPE: all. Older
 * ones leak what is in the L1 data cache and in buffers. "Guidance for Mitigating ... " notes of Intel, by the names above.
 */
uint32_t vmx_barriers_of(uint32_t family, uint32_t model)
{
	uint32_t all = BARRIER_EXIT_RSB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB;
	if (family != 6)
		return all;
	if (one_of(model, before_2019))
		return VMX_BARRIERS_HEAVIEST;
	return one_of(model, stale_mmio) ? all | BARRIER_ENTRY_VERW : all;
}

/* CVE-2018-12207: a guest that executes in a page while its size changes stops the machine. ARCH_CAPABILITIES.PSCHANGE_MC_NO says that it can't. */
bool vmx_itlb_multihit(uint32_t family, uint32_t model, uint64_t arch_capabilities)
{
	return (arch_capabilities & 1u << 6) == 0 && family == 6 && one_of(model, before_2019);
}
