/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/run.c: the way from a monitor into its guest and back, which every exit that the monitor answers takes twice. bench/exit counts it.
 *
 * The run page can change at any time: each field is read once, checked, and then used. Nothing here trusts it: a monitor can break its own guest,
 * and nothing else. Nothing returns through the guest: its exit begins on an empty stack, and ends where a call's return would.
 */
#include "core/obj/call.h"
#include "core/virt/barriers.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/vm.h"
#include "core/x86/entry.h"

#define ENTRY_FLAGS                                                                                                    \
	(GYRE_ENTRY_COMPLETED | GYRE_ENTRY_EXTINT | GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_APIC_READ | GYRE_ENTRY_SINGLE | \
		GYRE_ENTRY_NO_RUN)

#define FETCH_ONCE(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Anything out of the ordinary: -GYRE_EINVAL where it makes no sense. */
static __attribute__((noinline)) int take_special(struct vcpu *vcpu, uint32_t flags, uint32_t event)
{
	struct gyre_vcpu_page *page = vcpu->page;
	uint32_t error = FETCH_ONCE(page->event_error), length = FETCH_ONCE(page->event_length);
	uint32_t vector = FETCH_ONCE(page->extint_vector), offset = FETCH_ONCE(page->apic_register),
		 gpr = FETCH_ONCE(page->apic_gpr);
	if ((flags & ~ENTRY_FLAGS) != 0 || ((flags & GYRE_ENTRY_EXTINT) != 0 && (vector > 255 || event != 0)))
		return -GYRE_EINVAL;
	if ((flags & (GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_APIC_READ)) != 0 && (offset > 0xfff || gpr >= GYRE_GPRS))
		return -GYRE_EINVAL;
	if (inject_check(event, error, length) < 0)
		return -GYRE_EINVAL;
	if ((flags & GYRE_ENTRY_APIC_WRITE) != 0)
		vlapic_mmio_write(&vcpu->lapic, offset, FETCH_ONCE(page->apic_value));
	if ((flags & GYRE_ENTRY_APIC_READ) != 0)
		page->gpr[gpr] = vlapic_mmio_read(&vcpu->lapic, offset);
	if ((flags & GYRE_ENTRY_EXTINT) != 0)
		vcpu_event_set(vcpu, GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | vector, 0);
	else if (event != 0)
		vcpu_event_set(vcpu, event, error);
	else
		vcpu->event = 0;
	vcpu->event_length = (flags & GYRE_ENTRY_EXTINT) != 0 ? 0 : length;
	vcpu->single = (flags & GYRE_ENTRY_SINGLE) != 0;
	if ((flags & GYRE_ENTRY_NO_RUN) != 0)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_KICK);
	if (vcpu->activity != VCPU_RUNNING)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	return 0;
}

/* The whole of what vcpu_run_call() has a short form of. */
static __attribute__((noinline)) int64_t run_unusual(struct cpu *cpu, struct thread *caller, struct vcpu *vcpu)
{
	struct gyre_vcpu_page *page = vcpu->page;
	uint32_t flags = FETCH_ONCE(page->entry_flags), event = FETCH_ONCE(page->event),
		 line = FETCH_ONCE(page->extint_line);
	int error;
	if ((event & GYRE_EVENT_VALID) == 0)
		event = 0;
	if (((flags & ~GYRE_ENTRY_COMPLETED) | event) != 0 || vcpu->unusual != 0) {
		if ((error = take_special(vcpu, flags, event)) < 0)
			return error;
	}
	if (line != vcpu->line_seen) {
		vcpu->line_seen = line;
		vlapic_lint0(&vcpu->lapic, line);
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	}
	page->entry_flags = 0;
	vcpu->thread = caller;
	caller->vcpu = vcpu;
	vcpu_load(cpu, vcpu);
	vcpu_ops->start(cpu, vcpu, (flags & GYRE_ENTRY_COMPLETED) != 0);
}

/* Any vcpu, in any state. */
static __attribute__((noinline)) int64_t run_checked(struct cpu *cpu, struct thread *caller, const struct handle *entry)
{
	struct vcpu *vcpu;
	if (entry == NULL || entry->object->type != GYRE_OBJECT_VCPU || !object_alive(entry->object))
		return -GYRE_EHANDLE;
	vcpu = container_of(entry->object, struct vcpu, object);
	/* Guest RAM is read through the creator's address space: no other process's thread may be standing on its tables instead. */
	if ((entry->rights & GYRE_RIGHT_RUN) == 0 || vcpu->process != caller->process)
		return -GYRE_EACCES;
	if (vcpu->runner == NULL)
		return -GYRE_EINVAL;
	return vcpu->thread != NULL ? -GYRE_EBUSY : run_unusual(cpu, caller, vcpu);
}

/* The thread becomes the vCPU's, and this call's end is an exit of the guest. The short way: the vcpu that this processor holds already. */
void vcpu_run_call(struct cpu *cpu, struct regs *regs)
{
	struct thread *caller = cpu->thread;
	const struct handle *entry = handle_entry(&caller->process->handles, ARG1(regs));
	struct vcpu *vcpu = cpu->vcpu;
	struct gyre_vcpu_page *page;
	uint32_t flags;
	if (__builtin_expect(entry == NULL || vcpu == NULL || entry->object != &vcpu->object ||
				     (entry->rights & GYRE_RIGHT_RUN) == 0 || vcpu->runner != caller->process ||
				     vcpu->thread != NULL,
		    0)) {
		regs->rax = (uint64_t)run_checked(cpu, caller, entry);
		return;
	}
	page = vcpu->page;
	flags = FETCH_ONCE(page->entry_flags);
	if (__builtin_expect((flags & ~GYRE_ENTRY_COMPLETED) != 0 ||
				     (FETCH_ONCE(page->event) & GYRE_EVENT_VALID) != 0 || vcpu->unusual != 0 ||
				     FETCH_ONCE(page->extint_line) != vcpu->line_seen || cpu->fpu_owner != vcpu->fpu,
		    0)) {
		regs->rax = (uint64_t)run_unusual(cpu, caller, vcpu);
		return;
	}
	if (flags != 0)
		page->entry_flags = 0;
	vcpu->thread = caller;
	caller->vcpu = vcpu;
	vcpu_ops->start(cpu, vcpu, flags != 0);
}

/* By the table of calls, which core_call() does not use for this one. */
int64_t call_vcpu_run(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	return run_checked(cpu, caller, handle_entry(&caller->process->handles, ARG1(regs)));
}

/* The thread's turn has come, and it is inside of vcpu_run. */
void vcpu_enter(struct cpu *cpu, struct vcpu *vcpu)
{
	if (__builtin_expect(cpu->vcpu != vcpu || cpu->fpu_owner != vcpu->fpu, 0))
		vcpu_load(cpu, vcpu);
	/* Woken or not, only an event ends a halt. */
	if (vcpu->activity != VCPU_RUNNING)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	if (__builtin_expect((vcpu->hazard & (VCPU_HAZARD_KICK | VCPU_HAZARD_END)) != 0, 0)) {
		vcpu_hazard_clear(vcpu, VCPU_HAZARD_KICK | VCPU_HAZARD_END);
		vcpu_to_monitor(vcpu, GYRE_EXIT_KICK, 0, 0, 0, 0);
		vcpu_ops->fill(vcpu);
		vcpu_left_to_monitor(cpu, vcpu);
	}
	vcpu_ops->run(cpu, vcpu);
}

static inline void leave_to_monitor(struct vcpu *vcpu, struct thread *thread)
{
	thread->vcpu = NULL;
	vcpu->thread = NULL;
	thread->regs.rax = vcpu->exit_kind;
}

void vcpu_left_to_monitor(struct cpu *cpu, struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_RELEASE);
	vcpu->counters->exits[vcpu->exit_kind]++;
	barrier_before_user();
	leave_to_monitor(vcpu, cpu->thread);
	if (__builtin_expect(cpu->hazard == 0, 1))
		core_resume(cpu);
	core_enter(cpu);
}

void vcpu_left(struct cpu *cpu, struct vcpu *vcpu, enum vcpu_next next)
{
	struct thread *thread = cpu->thread;
	if (next == VCPU_MONITOR)
		vcpu_left_to_monitor(cpu, vcpu);
	__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_SEQ_CST);
	if (next == VCPU_HALT) {
		thread_block(cpu, thread, THREAD_HALTED);
		/* A hazard that came from another processor just now found the thread running. */
		if ((__atomic_load_n(&vcpu->hazard, __ATOMIC_SEQ_CST) & ~(VCPU_HAZARD_FLUSH | VCPU_HAZARD_TRACE)) != 0)
			thread_wake(cpu, thread);
	} else if (next == VCPU_YIELD) {
		sched_pass(cpu);
	}
	core_enter(cpu);
}

void vcpu_abandon(struct cpu *cpu, struct vcpu *vcpu, struct thread *thread)
{
	(void)cpu;
	vcpu_to_monitor(vcpu, GYRE_EXIT_KICK, 0, 0, 0, 0);
	vcpu_ops->fill(vcpu);
	leave_to_monitor(vcpu, thread);
	if (!object_alive(&vcpu->object))
		thread->regs.rax = (uint64_t)-GYRE_EDEAD;
}
