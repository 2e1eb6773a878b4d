/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/task.c: the exit by which a guest switches tasks, which no hardware lets it do alone. The switch itself is monitor/emu/task.c; here
 * is what goes with it: the event that led through a gate, the debug registers, and what happens to a fault.
 *
 * An event that was being delivered through a task gate stands in the page, to be injected again: the switch is its delivery, so it is taken away.
 * An exit by a software interrupt may come without an event (SVM): its instruction is at RIP then, and has not been executed.
 */
#include "monitor/machine/machine.h"

#define VECTOR_DF   8u
#define VECTOR_PF   14u
#define RFLAGS_RF   0x10000u
#define CR0_PAGING  0x80000000ull
#define CR4_PAE	    0x20ull
#define EFER_LMA    0x400ull
#define DR6_BT	    0x8000ull
#define DR7_LOCAL   0x155ull /* L0 to L3, LE */
#define DR7_GD	    0x2000ull
#define SHUT_DOWN   3u
#define TRAP_CLASS  0x4001eu	/* #DB, NMI, #BP, #OF, #MC: those that set no RFLAGS.RF in what they save */
#define CONTRIBUTES 0x00003c01u /* #DE, #TS, #NP, #SS, #GP. SDM vol. 3, "Interrupt 8: Double Fault Exception" */

static int is_event(const struct gyre_vcpu_page *page, uint32_t type)
{
	return (page->event & GYRE_EVENT_VALID) && (page->event & 0x700) == type;
}

static struct emu_task task_of(struct gyre_vcpu_page *page)
{
	struct emu_task task = {.source = page->d1 & 3, .selector = (uint16_t)page->d0};
	uint32_t vector = GYRE_EVENT_VECTOR(page->event);
	if (task.source != GYRE_TASK_GATE) {
		task.length = (uint8_t)page->instruction_length;
		return task;
	}
	task.has_error = page->d1 >> 8 & 1;
	task.error = (uint32_t)page->d2;
	if (!(page->event & GYRE_EVENT_VALID)) {
		task.software = true;
		task.length = (uint8_t)page->instruction_length;
		return task;
	}
	switch (page->event & 0x700) {
	case GYRE_EVENT_SOFTWARE:
	case GYRE_EVENT_SOFT_EXCEPTION:
	case GYRE_EVENT_PRIVILEGED:
		task.software = true;
		task.external = (page->event & 0x700) == GYRE_EVENT_PRIVILEGED;
		task.length = (uint8_t)(page->event_length ? page->event_length : page->instruction_length);
		return task;
	default: break;
	}
	task.external = true;
	task.vector = (uint8_t)vector;
	if (is_event(page, GYRE_EVENT_EXCEPTION)) {
		if (page->event & GYRE_EVENT_ERROR) {
			task.has_error = true;
			task.error = page->event_error;
		}
		/* What a fault saves lets its instruction start again without a breakpoint there. */
		if (vector < 32 && !(TRAP_CLASS >> vector & 1))
			page->rflags |= RFLAGS_RF;
	}
	return task;
}

/* A fault of the switch, which comes instead of what was being delivered: alone, as a double fault, or as the third. */
static void inject_fault(struct machine *machine, uint32_t event)
{
	const struct emu_exception *exception = &machine->emu.exception;
	struct gyre_vcpu_page *page = machine->vcpu.page;
	uint32_t vector = exception->vector, first = GYRE_EVENT_VECTOR(event);
	int after_exception = (event & GYRE_EVENT_VALID) && (event & 0x700) == GYRE_EVENT_EXCEPTION && first < 32;
	int contributes = CONTRIBUTES >> vector & 1, page_fault = vector == VECTOR_PF;
	if (page_fault)
		page->cr2 = exception->address;
	if (after_exception && first == VECTOR_DF && (contributes || page_fault)) {
		page->event = 0;
		if (engine_state_get(&machine->vcpu, GYRE_STATE_ACTIVITY) < 0)
			machine_crash(machine, "its processor cannot be shut down");
		machine->vcpu.state->activity = SHUT_DOWN;
		if (engine_state_set(&machine->vcpu, GYRE_STATE_ACTIVITY) < 0)
			machine_crash(machine, "its processor cannot be shut down");
		return;
	}
	if (after_exception &&
		(((CONTRIBUTES >> first & 1) && contributes) || (first == VECTOR_PF && (contributes || page_fault)))) {
		processor_inject(machine, VECTOR_DF, 0);
		return;
	}
	processor_inject(machine, vector, exception->has_error ? (int64_t)exception->error : -1);
}

/* The entries of PAE's first table, for hardware that keeps them: the walk has them from memory. */
static void read_pdptes(struct machine *machine, struct gyre_vcpu_state *state)
{
	if ((state->cr0 & CR0_PAGING) == 0 || (state->cr4 & CR4_PAE) == 0 || (state->efer & EFER_LMA) != 0)
		return;
	const uint8_t *table = machine_ram(machine, state->cr3 & 0xffffffe0u, sizeof state->pdpte);
	for (unsigned i = 0; i < 4; i++)
		state->pdpte[i] = table ? ((const volatile uint64_t *)(const void *)table)[i] : 0;
}

/* The new task's state goes to the processor, with what the switch does to its debug registers. */
static void store(struct machine *machine, int trap)
{
	struct engine_vcpu *vcpu = &machine->vcpu;
	struct gyre_vcpu_state *state = vcpu->state;
	int error = emulator_store_groups(machine);
	if (error == 0)
		error = engine_state_get(vcpu, GYRE_STATE_CONTROL | GYRE_STATE_DEBUG);
	if (error == 0) {
		read_pdptes(machine, state);
		state->dr7 &= ~DR7_LOCAL;
		if (trap) {
			state->dr6 |= DR6_BT;
			state->dr7 &= ~DR7_GD;
		}
		error = engine_state_set(vcpu, GYRE_STATE_CONTROL | GYRE_STATE_DEBUG);
	}
	if (error < 0)
		machine_crash(machine, "it switched to a task whose state is not possible");
}

/* The new task: RIP, flags and blocked interrupts. Not as after an instruction (GYRE_ENTRY_COMPLETED), whose TF and RF would be the old task's. */
static void arrived(struct machine *machine, const struct emu_task *task, uint32_t event)
{
	const struct emu *emu = &machine->emu;
	struct gyre_vcpu_page *page = machine->vcpu.page;
	page->rip = emu->cpu.rip;
	page->rflags = emu->cpu.rflags;
	page->interruptibility &= ~GYRE_INTERRUPTIBILITY_STI;
	if (task->source == GYRE_TASK_IRET)
		page->interruptibility &= ~GYRE_INTERRUPTIBILITY_NMI;
	else if ((event & GYRE_EVENT_VALID) && (event & 0x700) == GYRE_EVENT_NMI)
		page->interruptibility |= GYRE_INTERRUPTIBILITY_NMI;
	page->event = page->event_error = page->event_length = 0;
	store(machine, emu->events & EMU_EVENT_TASK_TRAP);
}

void task_exit(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	uint64_t rflags = page->rflags;
	struct emu_task task = task_of(page);
	uint32_t event = page->event;
	emulator_load(machine);
	enum emu_result result = emu_task_switch(&machine->emu, &task);
	if (result != EMU_DONE && result != EMU_EXCEPTION && result != EMU_RETRY)
		machine_crash(machine, "it switches tasks, and their state lies where there is no memory");
	if (task.software)
		event = 0; /* what a program asked for is forgotten when something else comes of it */
	if (machine->emu.events & EMU_EVENT_TASK)
		arrived(machine, &task, event);
	else
		page->rflags = rflags;
	if (result == EMU_EXCEPTION)
		inject_fault(machine, event);
	else if (result == EMU_DONE && (machine->emu.events & EMU_EVENT_TASK_TRAP))
		processor_inject(machine, 1, -1);
}
