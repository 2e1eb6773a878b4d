/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/run.c: the way from a monitor into its guest and back, which every exit that the monitor answers takes twice. bench/exit counts it.
 *
 * The run page can change at any time: each field is read once, checked, and then used. Nothing here trusts it: a monitor can break its own guest,
 * and nothing else. Nothing returns through the guest: its exit begins on an empty stack, and ends where a call's return would.
 *
 * What is the same at every entry is looked at when it changes: the handle (object.quick), and who else could ask for the thread (vcpu_hold()).
 */
#include "core/obj/call.h"
#include "core/sched/sched.h"
#include "core/virt/left.h"
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
	if (event != 0 && inject_check(event, error, length) < 0)
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
	if (vcpu->activity != VCPU_RUNNING || vcpu->single)
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	return 0;
}

/* The whole of what vcpu_run_call() has a short form of. */
static __attribute__((noinline)) int64_t run_unusual(struct cpu *cpu, struct vcpu *vcpu)
{
	struct gyre_vcpu_page *page = vcpu->page;
	uint64_t wanted = FETCH_ONCE(page->wanted);
	uint32_t flags = (uint32_t)wanted, event = FETCH_ONCE(page->event), line = (uint32_t)(wanted >> 32);
	int error;
	if ((event & GYRE_EVENT_VALID) == 0)
		event = 0;
	if (((flags & ~GYRE_ENTRY_COMPLETED) | event) != 0 || vcpu->unusual != 0) {
		if ((error = take_special(vcpu, flags, event)) < 0)
			return error;
	}
	if (line != vcpu->wanted_seen >> 32) {
		vcpu->wanted_seen = (uint64_t)line << 32;
		vlapic_lint0(&vcpu->lapic, line);
		vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	}
	page->entry_flags = 0;
	vcpu->settled = true;
	if (cpu->vcpu != vcpu || cpu->fpu_owner != vcpu->fpu)
		vcpu_load(cpu, vcpu);
	vcpu_ops->start_any(cpu, vcpu, (flags & GYRE_ENTRY_COMPLETED) != 0);
}

/*
 * The next time this handle needs no look. Who removes it clears the word under the same lock; who destroys the vcpu marks it first and clears it then.
 */
static void remember_handle(struct process *process, struct vcpu *vcpu, const struct handle *entry, uint64_t number)
{
	spin_lock(&process->handles.lock);
	if (entry->object == &vcpu->object)
		__atomic_store_n(&vcpu->object.quick, (uint32_t)number, __ATOMIC_SEQ_CST);
	if (!object_alive(&vcpu->object))
		vcpu->object.quick = 0;
	spin_unlock(&process->handles.lock);
}

/* Any vcpu, in any state. */
static __attribute__((noinline)) int64_t run_checked(struct cpu *cpu, uint64_t handle)
{
	struct thread *caller = cpu->thread;
	const struct handle *entry = handle_entry(&caller->process->handles, handle);
	struct vcpu *vcpu;
	if (entry == NULL || entry->object->type != GYRE_OBJECT_VCPU || !object_alive(entry->object))
		return -GYRE_EHANDLE;
	vcpu = container_of(entry->object, struct vcpu, object);
	/* Guest RAM is read through the creator's address space: no other process's thread may be standing on its tables instead. */
	if ((entry->rights & GYRE_RIGHT_RUN) == 0 || vcpu->process != caller->process)
		return -GYRE_EACCES;
	if (vcpu->runner == NULL)
		return -GYRE_EINVAL;
	if (vcpu_busy(vcpu))
		return -GYRE_EBUSY;
	remember_handle(caller->process, vcpu, entry, handle);
	return run_unusual(cpu, vcpu);
}

static __attribute__((noinline)) void run_slow(struct cpu *cpu, uint64_t handle)
{
	cpu->thread->regs.rax = (uint64_t)run_checked(cpu, handle);
}

/* The right one, but not as it mostly is. */
static __attribute__((noinline)) void run_known(struct cpu *cpu, struct vcpu *vcpu)
{
	cpu->thread->regs.rax = (uint64_t)(vcpu->thread != NULL ? -GYRE_EBUSY : run_unusual(cpu, vcpu));
}

/*
 * The thread becomes the vCPU's, and this call's end is an exit of the guest. The short way: the vcpu that this processor holds already (so the caller is of
 * its process: switching to another one's thread unloads it), by the handle that was looked at last, and the page asks for nothing but to go on.
 */
void vcpu_run_call(struct cpu *cpu, uint64_t handle)
{
	struct vcpu *vcpu = cpu->vcpu;
	uint64_t wanted;
	off_begin(cpu);
	call_counted(GYRE_CALL_vcpu_run);
	if (__builtin_expect(vcpu == NULL || handle == 0 || handle != vcpu->object.quick, 0))
		return run_slow(cpu, handle);
	if (__builtin_expect(((FETCH_ONCE(vcpu->page->pending) ^ vcpu->pending_seen) | vcpu->unusual |
				     (uint64_t)vcpu->thread | ((uint64_t)cpu->fpu_owner ^ (uint64_t)vcpu->fpu)) != 0,
		    0))
		return run_known(cpu, vcpu);
	wanted = FETCH_ONCE(vcpu->page->wanted) ^ vcpu->wanted_seen;
	if (__builtin_expect(wanted > GYRE_ENTRY_COMPLETED, 0))
		return run_known(cpu, vcpu);
	vcpu->page->entry_flags = 0;
	vcpu_ops->start(cpu, vcpu, (uint32_t)wanted);
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
		vcpu_left_to_monitor(cpu, vcpu, vcpu->exit_kind);
	}
	vcpu_ops->run(cpu, vcpu);
}

void vcpu_hold(struct cpu *cpu, struct vcpu *vcpu)
{
	vcpu->thread = cpu->thread;
	cpu->thread->vcpu = vcpu;
}

static inline void let_go(struct vcpu *vcpu, struct thread *thread)
{
	thread->vcpu = NULL;
	vcpu->thread = NULL;
}

/* Something is due before. */
void vcpu_left_slow(struct cpu *cpu, struct vcpu *vcpu, uint32_t kind)
{
	let_go(vcpu, cpu->thread);
	if ((cpu->thread->special & THREAD_SPECIAL_BASES) != 0)
		switch_bases(cpu->thread);
	barrier_before_user();
	if (cpu->hazard == 0)
		core_resume(cpu, kind);
	cpu->thread->regs.rax = kind;
	core_enter(cpu);
}

void vcpu_left(struct cpu *cpu, struct vcpu *vcpu, enum vcpu_next next)
{
	struct thread *thread = cpu->thread;
	if (next == VCPU_MONITOR)
		vcpu_left_to_monitor(cpu, vcpu, vcpu->exit_kind);
	if ((thread->special & THREAD_SPECIAL_BASES) != 0)
		switch_bases(thread);
	__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_SEQ_CST);
	if (next == VCPU_HALT) {
		thread_block(cpu, thread, THREAD_HALTED);
		/* A hazard that came from another processor just now found the thread running. */
		if ((__atomic_load_n(&vcpu->hazard, __ATOMIC_SEQ_CST) &
			    ~(VCPU_HAZARD_FLUSH | VCPU_HAZARD_TRACE | VCPU_HAZARD_RELOAD)) != 0)
			thread_wake(cpu, thread);
	} else if (next == VCPU_YIELD) {
		sched_pass(cpu);
	}
	core_enter(cpu);
}

void vcpu_abandon(struct vcpu *vcpu, struct thread *thread)
{
	vcpu_to_monitor(vcpu, GYRE_EXIT_KICK, 0, 0, 0, 0);
	vcpu_ops->fill(vcpu);
	let_go(vcpu, thread);
	thread->regs.rax = object_alive(&vcpu->object) ? GYRE_EXIT_KICK : (uint64_t)-GYRE_EDEAD;
}
