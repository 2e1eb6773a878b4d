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
#include "core/x86/msr.h"
#include "core/x86/regs.h"

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
#define GUEST_PAT_RESET	  0x0007040600070406ull
#define GUEST_RFLAGS	  0x3f7fd5ull /* what a guest's RFLAGS can have: the other bits are 0, and bit 1 is 1 */
#define GUEST_CR0_DEFINED 0xe005003full

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
