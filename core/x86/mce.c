/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/mce.c: machine checks of the host. SDM vol. 3, "Machine-Check Architecture"; APM vol. 2, "Machine Check Architecture".
 *
 * What was corrected goes unnoticed; an error that leaves the processor's state or memory in doubt stops the machine, since the core cannot say whose it
 * was.
 */
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"

#define MCG_CAP_BANKS	0xfful
#define MCG_CAP_CTL	0x100ul
#define MCG_STATUS_RIPV 0x1ul
#define STATUS_VALID	(1ul << 63)
#define STATUS_UC	(1ul << 61)
#define STATUS_PCC	(1ul << 57)
#define BANKS_MAX	32 /* those of virtualization follow their registers. SDM vol. 4 */

SEALED static uint32_t banks; /* the same on every processor */

void mce_init(void)
{
	uint64_t capabilities, status;
	if (!cpu_features.machine_check)
		return;
	/* There are emulators that announce the architecture and lack the registers. */
	if (msr_read_safe(MSR_MCG_CAP, &capabilities) < 0)
		capabilities = 0;
	banks = (capabilities & MCG_CAP_BANKS) < BANKS_MAX ? capabilities & MCG_CAP_BANKS : BANKS_MAX;
	if (capabilities & MCG_CAP_CTL)
		msr_write_safe(MSR_MCG_CTL, UINT64_MAX);
	for (uint32_t bank = 0; bank < banks; bank++) {
		/* The control of bank 0 is the firmware's before Nehalem. SDM vol. 3, "Machine-Check Initialization" */
		if (bank > 0 || cpu_features.family != 6 || cpu_features.model >= 0x1a)
			msr_write_safe(MSR_MC0_CTL + 4 * bank, UINT64_MAX);
		if (msr_read_safe(MSR_MC0_CTL + 4 * bank + 1, &status) == 0 && (status & STATUS_VALID))
			log_warn("machine check before the start: bank %u, status 0x%lx", bank, status);
		msr_write_safe(MSR_MC0_CTL + 4 * bank + 1, 0);
	}
	cr4_write(cr4_read() | CR4_MCE);
}

void machine_check(const struct regs *regs)
{
	uint64_t global = 0;
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
