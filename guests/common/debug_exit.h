/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/debug_exit.h: how a guest ends: by the debug-exit port with a value, alone on Bochs by its ACPI. */
#ifndef GUESTS_COMMON_DEBUG_EXIT_H
#define GUESTS_COMMON_DEBUG_EXIT_H

#include "guests/common/ports.h"

#define PORT_DEBUG_EXIT 0xf4

static inline _Noreturn void stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* PM1a's control register on Bochs: SLP_EN, and 0 for the sleep type. */
static inline void power_off(void)
{
	out16(0xb004, 0x2000);
}

static inline _Noreturn void debug_exit(uint32_t value)
{
	out32(PORT_DEBUG_EXIT, value);
	power_off();
	stop();
}

#endif
