/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/mce.c: see mce.h. SDM vol. 3, "Machine-Check Architecture"; APM vol. 2, "Machine Check Architecture".
 */
#include "core/x86/mce.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"

#define MCG_CAP_BANKS	0xfful
#define MCG_CAP_CTL	0x100ul
#define MCG_STATUS_RIPV 0x1ul
#define STATUS_VALID	(1ul << 63)
#define STATUS_UC	(1ul << 61)
#define STATUS_PCC	(1ul << 57)

/* 0: the processor has none, or is an emulator that announces the architecture and lacks the registers. */
static uint64_t mcg_cap(void)
{
	uint64_t capabilities;
	return cpu_features.machine_check && msr_read_safe(MSR_MCG_CAP, &capabilities) == 0 ? capabilities : 0;
}

void mce_init(void)
{
	uint64_t capabilities = mcg_cap();
	if (!cpu_features.machine_check)
		return;
	if (capabilities & MCG_CAP_CTL)
		msr_write_safe(MSR_MCG_CTL, UINT64_MAX);
	for (uint32_t bank = 0; bank < (capabilities & MCG_CAP_BANKS); bank++) {
		msr_write_safe(MSR_MC0_CTL + 4 * bank, UINT64_MAX);
		msr_write_safe(MSR_MC0_CTL + 4 * bank + 1, 0);
	}
	cr4_write(cr4_read() | CR4_MCE);
}

void machine_check(const struct regs *regs)
{
	uint64_t global = 0, banks = mcg_cap() & MCG_CAP_BANKS;
	msr_read_safe(MSR_MCG_STATUS, &global);
	for (uint32_t bank = 0; bank < banks; bank++) {
		uint64_t status, address = 0;
		if (msr_read_safe(MSR_MC0_CTL + 4 * bank + 1, &status) < 0 || !(status & STATUS_VALID))
			continue;
		msr_read_safe(MSR_MC0_CTL + 4 * bank + 2, &address);
		if (status & (STATUS_UC | STATUS_PCC))
			panic_regs(regs, "machine check: bank %u, status 0x%lx, address 0x%lx", bank, status, address);
		msr_write_safe(MSR_MC0_CTL + 4 * bank + 1, 0);
	}
	if (!(global & MCG_STATUS_RIPV))
		panic_regs(regs, "machine check: status 0x%lx, and no way back", global);
	msr_write_safe(MSR_MCG_STATUS, 0);
}
