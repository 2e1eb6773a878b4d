/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/fault.c: exceptions of processes become calls of their threads' fault endpoints.
 */
#include "core/sched/endpoint.h"
#include "core/x86/entry.h"
#include "core/x86/trap.h"
#include "gyre/calls.h"

void trap_from_user(struct cpu *cpu, struct regs *regs)
{
	struct thread *thread = cpu->thread;
	uint64_t address = regs->trap == TRAP_PAGE_FAULT ? cr2_read() : 0;
	off_begin(cpu);
	fault_report(cpu, thread, regs->trap, regs->error, address);
}
