/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/msr.h: which model-specific registers of a guest the core answers, and what may be written to them and to control registers. Plain code.
 *
 * Answered here: TSC, TSC_ADJUST, TSC_DEADLINE, APIC_BASE, the x2APIC's, TSC_AUX, SPEC_CTRL, PRED_CMD. Registers that the hardware switches
 * with the guest (FS, GS, SYSCALL, SYSENTER) don't exit at all. Everything else is the monitor's.
 */
#ifndef CORE_VIRT_MSR_H
#define CORE_VIRT_MSR_H

#include "core/virt/vcpu.h"

enum guest_msr {
	GUEST_MSR_TSC = 0x10,
	GUEST_MSR_APIC_BASE = 0x1b,
	GUEST_MSR_TSC_ADJUST = 0x3b,
	GUEST_MSR_SPEC_CTRL = 0x48,
	GUEST_MSR_PRED_CMD = 0x49,
	GUEST_MSR_SYSENTER_CS = 0x174,
	GUEST_MSR_SYSENTER_ESP = 0x175,
	GUEST_MSR_SYSENTER_EIP = 0x176,
	GUEST_MSR_TSC_DEADLINE = 0x6e0,
	GUEST_MSR_X2APIC = 0x800,
	GUEST_MSR_STAR = 0xc0000081,
	GUEST_MSR_LSTAR = 0xc0000082,
	GUEST_MSR_CSTAR = 0xc0000083,
	GUEST_MSR_SFMASK = 0xc0000084,
	GUEST_MSR_FS_BASE = 0xc0000100,
	GUEST_MSR_GS_BASE = 0xc0000101,
	GUEST_MSR_KERNEL_GS_BASE = 0xc0000102,
	GUEST_MSR_TSC_AUX = 0xc0000103,
};

enum msr_answer {
	ANSWER_DONE,
	ANSWER_FAULT,	/* #GP */
	ANSWER_MONITOR, /* not the core's */
	ANSWER_TSC,	/* done, and vcpu->tsc_offset has changed: the hardware's copy is to follow */
};

/* Those that no vendor's hardware keeps. The x2APIC's are written by answer_msr_write(). */
enum msr_answer msr_guest_read(struct vcpu *vcpu, uint32_t index, uint64_t *value);
enum msr_answer msr_guest_write(struct vcpu *vcpu, uint32_t index, uint64_t value);
void msr_tsc_set(struct vcpu *vcpu, uint64_t guest_tsc);

/* What the hardware's registers may be given by the guest. False: #GP. */
#define GUEST_PAT_RESET	   0x0007040600070406ull
#define GUEST_CR0_PE	   0x1ull
#define GUEST_CR0_ET	   0x10ull
#define GUEST_CR0_WP	   0x10000ull
#define GUEST_CR0_NW	   0x20000000ull
#define GUEST_CR0_CD	   0x40000000ull
#define GUEST_CR0_PAGING   0x80000000ull
#define GUEST_CR0_DEFINED  0xe005003full
#define GUEST_CR4_PSE_BIT  0x10ull
#define GUEST_CR4_PAE_BIT  0x20ull
#define GUEST_CR4_UMIP	   0x800ull
#define GUEST_CR4_LA57_BIT 0x1000ull
#define GUEST_CR4_PCIDE	   0x20000ull
#define GUEST_CR4_OSXSAVE  0x40000ull
#define GUEST_CR4_SMEP	   0x100000ull
#define GUEST_CR4_SMAP	   0x200000ull
#define GUEST_CR4_PKE	   0x400000ull
#define GUEST_EFER_LME	   0x100ull
#define GUEST_EFER_LMA_BIT 0x400ull
#define GUEST_EFER_NXE	   0x800ull

/* The bits of CR4 that this processor accepts in a guest: those whose feature it has, and that are for guests. */
uint64_t control_cr4_of_machine(void);
/* GYRE_MODE_: what follows from control registers. */
uint32_t control_mode(uint64_t cr0, uint64_t cr4, uint64_t efer);
/*
 * Control registers, MSRs and debug registers as a monitor sets them: what no guest of the level could have reached, and what would harm the processor's own
 * registers, is false. What the processor's entry refuses is left to it.
 */
bool state_valid(const struct gyre_vcpu_policy *policy, const struct gyre_vcpu_state *state, uint32_t groups);
bool pat_valid(uint64_t pat);
bool xcr0_valid(uint64_t xcr0, uint64_t allowed);

static inline bool canonical_48(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

#endif
