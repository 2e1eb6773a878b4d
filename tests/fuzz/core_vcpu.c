/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/core_vcpu.c: core/virt/vcpu.c, without the processor's registers. */
#include "core/x86/cpu.h"
#include "core/x86/msr.h"

static inline void no_register(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
}
static inline void no_task_switched(void)
{
}
#define msr_write  no_register
#define cpu_ts_set no_task_switched
#include "core/virt/vcpu.c"
