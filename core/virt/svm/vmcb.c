/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/vmcb.c: what every VMCB starts with, and the intercepts that change while it lives. Which are on, and why, is the table of this machine's
 * isolation: APM vol. 2, "Instruction Intercepts", "Exception Intercepts", "Miscellaneous Intercepts".
 */
#include "core/virt/msr.h"
#include "core/virt/svm/svm.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

#define EXCEPTION(vector) (1u << (vector))

/* SMIs are the firmware's and pass through: it may have locked them. RDTSC runs freely: TSC_OFFSET makes it the guest's. */
#define INTERCEPTS_1                                                                                                   \
	(VMCB_I1_INTR | VMCB_I1_NMI | VMCB_I1_INIT | VMCB_I1_CR0_SELECTIVE | VMCB_I1_RDPMC | VMCB_I1_CPUID |           \
		VMCB_I1_RSM | VMCB_I1_INVD | VMCB_I1_HLT | VMCB_I1_INVLPGA | VMCB_I1_IO | VMCB_I1_MSR |                \
		VMCB_I1_TASK_SWITCH | VMCB_I1_FERR_FREEZE | VMCB_I1_SHUTDOWN)
#define INTERCEPTS_2                                                                                                   \
	(VMCB_I2_VMRUN | VMCB_I2_VMMCALL | VMCB_I2_VMLOAD | VMCB_I2_VMSAVE | VMCB_I2_STGI | VMCB_I2_CLGI |             \
		VMCB_I2_SKINIT | VMCB_I2_WBINVD | VMCB_I2_MONITOR | VMCB_I2_MWAIT | VMCB_I2_XSETBV | VMCB_I2_RDPRU)
#define INTERCEPTS_3 (VMCB_I3_INVLPGB | VMCB_I3_INVLPGB_WRONG | VMCB_I3_MCOMMIT | VMCB_I3_TLBSYNC)

#define CR_WRITES	(1u << 4) /* CR4; CR8 comes and goes. CR0 has its selective intercept, CR3 is the guest's own */
#define PAUSE_COUNT	3000
#define PAUSE_THRESHOLD 128

void vmcb_intercept1(struct vmcb *vmcb, uint32_t bits, bool on)
{
	uint32_t value = on ? vmcb->intercept_misc1_ | bits : vmcb->intercept_misc1_ & ~bits;
	if (value != vmcb->intercept_misc1_)
		vmcb_set_intercept_misc1(vmcb, value);
}

void vmcb_intercept_cr_writes(struct vmcb *vmcb, uint16_t bits, bool on)
{
	uint16_t value = (uint16_t)(on ? vmcb->intercept_cr_write_ | bits : vmcb->intercept_cr_write_ & ~bits);
	if (value != vmcb->intercept_cr_write_)
		vmcb_set_intercept_cr_write(vmcb, value);
}

/* DR0 to DR3 are not in the VMCB: they are loaded at the first access, or when DR7 makes them matter. */
void vmcb_intercept_debug(struct vmcb *vmcb, bool on)
{
	vmcb_set_intercept_dr_read(vmcb, on ? 0x000f : 0);
	vmcb_set_intercept_dr_write(vmcb, on ? 0x008f : 0);
}

void vmcb_init(struct vmcb *vmcb, uint64_t nested_root)
{
	vmcb_set_intercept_cr_write(vmcb, CR_WRITES);
	vmcb_intercept_debug(vmcb, true);
	vmcb_set_intercept_exceptions(vmcb, ANSWER_EXCEPTIONS);
	vmcb_set_intercept_misc1(vmcb, INTERCEPTS_1);
	vmcb_set_intercept_misc2(vmcb, INTERCEPTS_2);
	vmcb_set_intercept_misc3(vmcb, INTERCEPTS_3);
	if (svm_features.pause_filter) {
		vmcb_intercept1(vmcb, VMCB_I1_PAUSE, true);
		vmcb_set_pause_count(vmcb, PAUSE_COUNT);
		if (svm_features.pause_threshold)
			vmcb_set_pause_threshold(vmcb, PAUSE_THRESHOLD);
	}
	vmcb_set_v_masking(vmcb, 1);
	vmcb_set_v_control(vmcb, 0x10 | 0xf); /* before any TPR: the local APIC has considered that */
	vmcb_set_nested_control(vmcb, 1);
	vmcb_set_nested_cr3(vmcb, nested_root);
	vmcb_set_efer(vmcb, EFER_SVME); /* must be set; the guest sees it clear */
	vmcb_set_pat(vmcb, GUEST_PAT_RESET);
	vmcb_set_dr6(vmcb, DR6_RESET);
	vmcb_set_dr7(vmcb, 0x400);
	vmcb_set_cr0(vmcb, CR0_ET);
	vmcb->clean = 0;
}

void vmcb_policy(struct vmcb *vmcb, const struct gyre_vcpu_policy *policy)
{
	uint32_t exceptions = ANSWER_EXCEPTIONS;
	bool rdtsc = (policy->flags & GYRE_POLICY_RDTSC_EXIT) != 0;
	if ((policy->flags & GYRE_POLICY_EXCEPTION_EXIT) != 0)
		exceptions |= policy->exception_bitmap & ~EXCEPTION(TRAP_NMI);
	vmcb_set_intercept_exceptions(vmcb, exceptions);
	/* QEMU's processor leaves for INT3 by the intercept of INT n, and not by that of #BP. */
	vmcb_intercept1(vmcb, VMCB_I1_INTN, (exceptions & EXCEPTION(TRAP_BREAKPOINT)) != 0);
	vmcb_intercept1(vmcb, VMCB_I1_RDTSC, rdtsc);
	vmcb_set_intercept_misc2(vmcb, rdtsc ? INTERCEPTS_2 | VMCB_I2_RDTSCP : INTERCEPTS_2);
	vmcb_set_tsc_offset(vmcb, (uint64_t)policy->tsc_offset);
}
