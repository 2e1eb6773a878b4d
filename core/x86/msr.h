/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/msr.h: model-specific registers, of the host that the core itself uses, and of guests that it knows. SDM vol. 4; APM vol. 2, appendix "MSR Cross-Reference".
 */
#ifndef CORE_X86_MSR_H
#define CORE_X86_MSR_H

#include <stdint.h>

enum msr {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_ADJUST = 0x3b,
	MSR_SPEC_CTRL = 0x48,
	MSR_PRED_CMD = 0x49,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_MCG_CAP = 0x179,
	MSR_MCG_STATUS = 0x17a,
	MSR_MCG_CTL = 0x17b,
	MSR_PAT = 0x277,
	MSR_MC0_CTL = 0x400, /* four registers per bank: CTL, STATUS, ADDR, MISC */
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC = 0x800, /* + the offset of the register in the page / 16 */
	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_CSTAR = 0xc0000083,
	MSR_SFMASK = 0xc0000084,
	MSR_FS_BASE = 0xc0000100,
	MSR_GS_BASE = 0xc0000101,
	MSR_KERNEL_GS_BASE = 0xc0000102,
	MSR_TSC_AUX = 0xc0000103,
};

#define EFER_SCE  0x1ul
#define EFER_LME  0x100ul
#define EFER_LMA  0x400ul
#define EFER_NXE  0x800ul
#define EFER_SVME 0x1000ul

/* IA32_PAT of the core: entry 0 WB, 2 UC- and 3 UC as after reset; 1 and 4 are WC. */
#define CORE_PAT 0x0007040100070106ul

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* For registers that may not exist: 0, or -1 where the processor refused (#GP). core/x86/guarded.S */
int msr_read_safe(uint32_t msr, uint64_t *value);
int msr_write_safe(uint32_t msr, uint64_t value);

#endif
