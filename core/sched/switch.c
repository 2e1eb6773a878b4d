/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/switch.c: from one thread to another, and out of the core. All of core/sched, core/obj and core/mem that touches the processor itself.
 */
#include "core/sched/endpoint.h"
#include "core/virt/fpu.h"
#include "core/virt/virt.h"
#include "core/virt/vm.h"
#include "core/x86/entry.h"
#include "core/x86/msr.h"
#include "core/x86/paging.h"
#include "core/x86/trap.h"

/* ---- page tables of processes ---- */

void process_aspace_prepare(struct process *process)
{
	uint64_t *top = frame_virtual(process->aspace.table.root);
	for (unsigned int i = 256; i < 512; i++)
		top[i] = core_pml4[i];
}

#define FLUSH_SINGLE 16 /* pages, beyond which all of the process's go */

static void process_flush(struct aspace *aspace, uint64_t first_page, uint64_t pages)
{
	struct process *process = container_of(aspace, struct process, aspace);
	struct cpu *cpu = cpu_current();
	/* No tags: only the loaded tables have translations. */
	if (cpu->process != process)
		return;
	if (aspace->ending) {
		cpu->process = NULL;
		cr3_write(core_pml4_physical.value);
	} else if (pages > FLUSH_SINGLE) {
		cr3_write(aspace->table.root.value);
	} else {
		for (uint64_t page = first_page; page < first_page + pages; page++)
			tlb_flush_page(page << PAGE_SHIFT);
	}
}

const struct aspace_ops process_aspace_ops = {
	.flush = process_flush,
	.write_execute = false,
	.first_page = 0x10,
	.end_page = USER_END >> PAGE_SHIFT,
};

/* ---- switching ---- */

void switch_bases(const struct thread *thread)
{
	msr_write(MSR_FS_BASE, thread->fs_base);
	msr_write(MSR_GS_BASE, thread->gs_base);
}

void switch_special(struct cpu *cpu, struct thread *next)
{
	struct sched_cpu *sched = &cpu->sched;
	if (next->process != cpu->process)
		virt_leave(cpu);
	else if (cpu_take_back(cpu)) /* the other thread goes on by SYSRET */
		virt_disturbed(cpu);
	if (next->fpu_state != NULL)
		fpu_enter(cpu, next->fpu_state);
	else if ((sched->special & THREAD_SPECIAL_FPU) != 0)
		fpu_leave_slow(cpu);
	/* A process can change the bases by loading selectors, so what was written last proves nothing. */
	if (((sched->special | next->special) & THREAD_SPECIAL_BASES) != 0)
		switch_bases(next);
	sched->special = next->special;
	tss_ioports_set(cpu, next->process->ioports);
}

void switch_ports_changed(struct cpu *cpu, struct process *process, const uint8_t *bitmap)
{
	if (cpu->ioports_held == bitmap)
		cpu->ioports_held = NULL;
	if (cpu->thread != NULL && cpu->thread->process == process)
		tss_ioports_set(cpu, process->ioports);
}

/* ---- coming from a fault, and leaving the core ---- */

void trap_from_user(struct cpu *cpu, struct regs *regs)
{
	off_begin(cpu);
	/* SYSCALL, while its registers were lent, or a port of its own, of which the processor does not know at the moment: it is to be tried again. */
	if (regs->trap == TRAP_INVALID_OPCODE && cpu_take_back(cpu))
		return virt_disturbed(cpu);
	if (regs->trap == TRAP_GENERAL_PROTECTION && cpu_ports_back(cpu))
		return;
	if (regs->trap == TRAP_PAGE_FAULT)
		virt_disturbed(cpu);
	fault_report(cpu, cpu->thread, regs->trap, regs->error, regs->trap == TRAP_PAGE_FAULT ? cr2_read() : 0);
}

/* Nobody can run: until somebody can. */
static void idle(struct cpu *cpu)
{
	cpu->thread = NULL;
	off_end(cpu);
	while (cpu->hazard == 0)
		cpu_idle_wait();
	off_begin(cpu);
}

static __attribute__((noinline)) void hazards(struct cpu *cpu)
{
	do {
		uint32_t due = cpu->hazard;
		cpu->hazard = 0;
		if ((due & HAZARD_WORK) != 0)
			endpoint_work(cpu);
		if ((due & HAZARD_FREE) != 0)
			objects_free_deferred(cpu);
		if ((due & HAZARD_RESCHEDULE) != 0 || cpu->thread == NULL) {
			struct thread *next = sched_choose(cpu);
			if (next == NULL)
				idle(cpu);
			else if (next != cpu->thread || cpu->process != next->process)
				thread_switch_to(cpu, next);
		}
		/* Work comes in pieces: between them, what is more urgent comes in. */
		if ((due & HAZARD_WORK) != 0) {
			off_end(cpu);
			cpu_interrupt_window();
			off_begin(cpu);
		}
	} while (cpu->hazard != 0 || cpu->thread == NULL);
}

static __attribute__((noinline)) void leave_slow(struct cpu *cpu)
{
	for (;;) {
		if (cpu->hazard != 0) {
			off_begin(cpu);
			hazards(cpu);
			off_end(cpu);
		}
		struct vcpu *vcpu = cpu->thread->vcpu;
		if (vcpu == NULL)
			return;
		vcpu_enter(cpu, vcpu);
	}
}

void core_leave(struct cpu *cpu)
{
	off_end(cpu); /* of the call; what follows is the next stretch */
	if (__builtin_expect(cpu->hazard != 0 || cpu->thread->vcpu != NULL, 0))
		leave_slow(cpu);
}
