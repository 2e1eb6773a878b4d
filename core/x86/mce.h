/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/mce.h: machine checks of the host. What was corrected is counted; an error that leaves the processor's state or memory in doubt stops the
 * machine, since the core cannot say whose it was.
 */
#ifndef CORE_X86_MCE_H
#define CORE_X86_MCE_H

struct regs;

void mce_init(void);
void machine_check(const struct regs *regs);

#endif
