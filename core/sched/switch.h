/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/switch.h: the usual switch of threads, for the path of calls: neither side has anything but registers and page tables.
 */
#ifndef CORE_SCHED_SWITCH_H
#define CORE_SCHED_SWITCH_H

#include "core/sched/sched.h"

/* What few threads have: an FPU, segment bases, I/O ports that are not in the TSS yet; and what a guest left in the processor. */
void switch_special(struct cpu *cpu, struct thread *next);

#ifdef GYRE_UNIT_TEST
void thread_switch_to(struct cpu *cpu, struct thread *next);
#else
/* Makes this thread the one that the next return resumes. */
static inline void thread_switch_to(struct cpu *cpu, struct thread *next)
{
	struct process *process = next->process;
	cpu_set_regs(cpu, &next->regs);
	cpu->thread = next;
	const uint8_t *ports = process->ioports;
	if (((uint64_t)cpu->vcpu | cpu->sched.special | next->special) != 0 ||
		(ports != NULL && ports != cpu->ioports_held))
		switch_special(cpu, next);
	else
		cpu->tss.ioport_offset = ports == NULL ? TSS_IOPORT_NONE : offsetof(struct tss, ioports);
	if (process != cpu->process) {
		cpu->process = process;
		cr3_write(process->aspace.table.root.value);
	}
}
#endif

#endif
