/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/power.h: ending the machine from the core. Only a panic does; otherwise root sees to it.
 */
#ifndef CORE_X86_POWER_H
#define CORE_X86_POWER_H

/* As panic= on the command line has it: halt (the default), reset, or exit (power off, on an emulated machine). */
_Noreturn void power_end(void);

#endif
