/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/sched.h: which thread runs. Per-processor run queues of contexts, 64 priorities, round robin among equals.
 *
 * All of this is about the processor that runs it; another processor's threads are reached by its wake interrupt. core_leave() (x86/entry.h) is where a
 * decision takes effect: nothing here switches stacks, since there is one per processor and calls end before another thread runs.
 */
#ifndef CORE_SCHED_SCHED_H
#define CORE_SCHED_SCHED_H

#include "core/sched/thread.h"
#include "core/x86/cpu.h"

void sched_init(struct cpu *cpu); /* on each processor, before its first thread */
void sched_context_init(struct thread *thread, unsigned int priority);
void sched_context_end(struct cpu *cpu, struct sched_context *context);

/* The current or another thread stops running, in this state; wakes with thread_wake(). The processor chooses anew before it leaves the core. */
void thread_block(struct cpu *cpu, struct thread *thread, enum thread_state state);
/* A blocked thread runs again (state THREAD_RUNNING). Harmless when it runs already or has ended. */
void thread_wake(struct cpu *cpu, struct thread *thread);

/* Its context's place in the queues follows from its fields: call after changing priority, budget or top. */
void sched_update(struct cpu *cpu, struct sched_context *context);
void sched_pass(struct cpu *cpu);
/* Chooses what runs and makes it current; NULL: idle. Counts time. */
struct thread *sched_choose(struct cpu *cpu);
void sched_priority_set(struct cpu *cpu, struct thread *thread, unsigned int priority, uint64_t slice, uint64_t budget,
	uint64_t period);

/* ---- core/sched/switch.c ---- */

/* What few threads have: an FPU, segment bases, I/O ports that are not in the TSS yet; and what a guest left in the processor. */
void switch_special(struct cpu *cpu, struct thread *next);

/* Its segment bases into the processor, which something else than a thread has had. */
void switch_bases(const struct thread *thread);

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

/* A process has other I/O ports than its bitmap said so far; or none any more, and the bitmap is going away. */
void switch_ports_changed(struct cpu *cpu, struct process *process, const uint8_t *bitmap);

/* Only a core for tests checks itself, and measures how long interrupts are off. */
#ifdef GYRE_TEST_CORE
#include "tests/core/measure.h"
#else
#define off_begin(cpu)	     ((void)(cpu))
#define off_end(cpu)	     ((void)(cpu))
#define call_counted(number) ((void)(number))
#define test_tell(info)	     ((void)(info))
#define test_check(cpu)	     ((void)(cpu), -GYRE_ENOSYS)
#endif

static inline void hazard_set(struct cpu *cpu, uint32_t bits)
{
	cpu->hazard |= bits;
}

#endif
