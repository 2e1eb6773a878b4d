/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vcpu.c: the life of a vCPU, and which one's state a processor holds.
 */
#include "core/mem/memory.h"
#include "core/obj/event.h"
#include "core/sched/sched.h"
#include "core/virt/barriers.h"
#include "core/virt/fpu.h"
#include "core/virt/msr.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/virt.h"
#include "core/virt/vm.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"
#include "core/x86/msr.h"
#include "core/x86/timer.h"

struct vcpu *vcpu_of_lapic(struct vlapic *lapic)
{
	return container_of(lapic, struct vcpu, lapic);
}

void vcpu_wake(struct vcpu *vcpu)
{
	struct thread *thread = vcpu->thread;
	if (thread != NULL && thread->state == THREAD_HALTED)
		thread_wake(cpu_current(), thread);
	else if (__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) && vcpu->cpu != cpu_current())
		lapic_ipi(vcpu->cpu->apic_id, VECTOR_WAKE);
}

void vcpu_kick(struct vcpu *vcpu)
{
	vcpu_hazard_set(vcpu, VCPU_HAZARD_KICK);
	vcpu_wake(vcpu);
}

/* ---- what a local APIC asks of its surroundings ---- */
void vlapic_notify(struct vlapic *lapic)
{
	struct vcpu *vcpu = vcpu_of_lapic(lapic);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
	vcpu_wake(vcpu);
}

void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc)
{
	struct vcpu *vcpu = vcpu_of_lapic(lapic);
	deadline_set(cpu_current(), &vcpu->timer, host_tsc);
}

uint64_t vlapic_host_tsc(void)
{
	return tsc_read();
}

static void timer_expired(struct cpu *cpu, struct deadline *deadline)
{
	struct vcpu *vcpu = container_of(deadline, struct vcpu, timer);
	(void)cpu;
	COUNT(vcpu, CORE_TIMER);
	vlapic_timer_fired(&vcpu->lapic);
}

/* ---- creation ---- */
/* Behind what the monitor maps (GYRE_VCPU_PAGE_). */
enum { CORE_PAGE_CPUID = GYRE_VCPU_PAGES, CORE_PAGE_LAPIC, CORE_PAGE_FPU, CORE_PAGES };

#define FRAMES_MOST (CORE_PAGES + 15) /* its pages, tables for them, and what stands in slabs */

/* What is found missing only when nearly all is done: undoing that would take too long with interrupts off. */
static int room_check(struct process *creator, uint64_t address)
{
	uint64_t frame;
	bool writable;
	if (creator->quota.free < FRAMES_MOST || creator->aspace.record_count + 2 > ASPACE_RECORDS)
		return -GYRE_ENOMEM;
	for (uint64_t page = 0; page < GYRE_VCPU_PAGES; page++)
		if (aspace_lookup(&creator->aspace, address / PAGE_SIZE + page, &frame, &writable))
			return -GYRE_EEXIST;
	return 0;
}

static int map_pages(struct process *creator, struct vcpu *vcpu, uint64_t address)
{
	/* The monitor writes the run, state and FPU pages, and reads the others. */
	struct map_request request = {
		vcpu->pages, 0, address / PAGE_SIZE, GYRE_VCPU_PAGE_COUNTERS, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE};
	int64_t done = aspace_map(&creator->aspace, &request);
	if (done == GYRE_VCPU_PAGE_COUNTERS) {
		request.offset = GYRE_VCPU_PAGE_COUNTERS;
		request.page += GYRE_VCPU_PAGE_COUNTERS;
		request.pages = GYRE_VCPU_PAGES - GYRE_VCPU_PAGE_COUNTERS;
		request.rights = GYRE_RIGHT_READ;
		done = aspace_map(&creator->aspace, &request);
		if (done == (int64_t)request.pages)
			return 0;
	}
	/* What has been mapped goes with the pages. */
	return done < 0 ? (int)done : -GYRE_ENOMEM;
}

static void *core_page(struct vcpu *vcpu, uint64_t page)
{
	return frame_virtual(memory_core_page(vcpu->pages, page));
}

static int allocate(struct process *creator, struct vcpu *vcpu)
{
	if ((vcpu->pages = memory_create_core(creator, CORE_PAGES)) == NULL)
		return -GYRE_ENOMEM;
	vcpu->cpuid = core_page(vcpu, CORE_PAGE_CPUID);
	vcpu->lapic.page = core_page(vcpu, CORE_PAGE_LAPIC);
	vcpu->fpu = core_page(vcpu, CORE_PAGE_FPU);
	vcpu->page = core_page(vcpu, GYRE_VCPU_PAGE_RUN);
	vcpu->state = core_page(vcpu, GYRE_VCPU_PAGE_STATE);
	vcpu->fpu_page = core_page(vcpu, GYRE_VCPU_PAGE_FPU);
	vcpu->counters = core_page(vcpu, GYRE_VCPU_PAGE_COUNTERS);
	vcpu->trace_pages = core_page(vcpu, GYRE_VCPU_PAGE_TRACE);
	fpu_state_reset(vcpu->fpu);
	vcpu->page->abi = GYRE_VCPU_ABI;
	vcpu->page->rflags = 2;
	return 0;
}

static int join_vm(struct vm *vm, struct vcpu *vcpu)
{
	int error = 0;
	spin_lock(&vm->object.lock);
	for (uint32_t i = 0; i < vm->bus.count; i++)
		if (vm->bus.member[i]->id == vcpu->number)
			error = -GYRE_EEXIST;
	if (error == 0 && vm->bus.count == VLAPIC_BUS_MAX)
		error = -GYRE_ENOMEM;
	if (error == 0) {
		vlapic_init(&vcpu->lapic, vcpu->lapic.page, &vm->bus, vcpu->number, vm->bus.count == 0);
		vm->bus.member[vm->bus.count++] = &vcpu->lapic;
		list_push_back(&vm->vcpus, &vcpu->in_vm);
	}
	spin_unlock(&vm->object.lock);
	return error;
}

static void leave_vm(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	spin_lock(&vm->object.lock);
	for (uint32_t i = 0; i < vm->bus.count; i++) {
		if (vm->bus.member[i] != &vcpu->lapic)
			continue;
		vm->bus.member[i] = vm->bus.member[--vm->bus.count];
		break;
	}
	list_remove(&vcpu->in_vm);
	spin_unlock(&vm->object.lock);
}

int vcpu_create(struct process *creator, struct vm *vm, uint32_t apic_id, uint64_t address, struct vcpu **out)
{
	struct vcpu *vcpu;
	int error;
	if (vcpu_ops == NULL)
		return -GYRE_ENODEV;
	if ((error = room_check(creator, address)) < 0)
		return error;
	if ((vcpu = object_create_at(creator, GYRE_OBJECT_VCPU, vcpu_ops->vcpu_bytes, 0)) == NULL)
		return -GYRE_ENOMEM;
	vcpu->vm = vm;
	vcpu->process = creator;
	vcpu->number = apic_id;
	vcpu->cpu = cpu_current();
	vcpu->timer.expired = timer_expired;
	list_init(&vcpu->in_vm);
	list_init(&vcpu->events);
	fetch_forget(&vcpu->fetch);
	if ((error = allocate(creator, vcpu)) < 0 || (error = join_vm(vm, vcpu)) < 0 ||
		(error = map_pages(creator, vcpu, address)) < 0 || (error = vcpu_ops->create(vcpu)) < 0) {
		unsigned int budget = MEMORY_CORE_MAX;
		vcpu_ops->end(vcpu);
		leave_vm(vcpu);
		if (vcpu->pages != NULL)
			object_destroy(&vcpu->pages->object, NULL, &budget);
		object_discard(&vcpu->object);
		return error;
	}
	vcpu->activity = (vcpu->lapic.base & APIC_BASE_BSP) != 0 ? VCPU_RUNNING : VCPU_WAITS_FOR_SIPI;
	vcpu->hazard = VCPU_HAZARD_EVENTS;
	*out = vcpu;
	return 0;
}

int vcpu_end(struct object *object, unsigned int *budget)
{
	struct vcpu *vcpu = container_of(object, struct vcpu, object);
	struct cpu *cpu = cpu_current();
	vcpu->runner = NULL; /* nobody's from now on */
	__atomic_store_n(&object->quick, 0, __ATOMIC_SEQ_CST);
	/* It counts in a page that goes before the last piece of this. Only a run sets it again. */
	deadline_cancel(&vcpu->timer);
	struct thread *thread = vcpu->thread;
	if (thread != NULL) {
		vcpu_abandon(vcpu, thread);
		thread_wake(cpu, thread); /* nothing else ends its halt now */
	}
	while (!list_empty(&vcpu->events)) {
		if (!budget_take(budget, 1))
			return -GYRE_EAGAIN;
		event_kick_bind(container_of(vcpu->events.next, struct event, kick_link), NULL, &vcpu->events);
	}
	/* Nothing looks at its pages from here on. */
	if (vcpu->cpu->vcpu == vcpu)
		vcpu_unload(vcpu->cpu);
	fpu_forget(vcpu->cpu, vcpu->fpu);
	vcpu->fpu = NULL; /* the frame may be another's when this is called again */
	/* Once: when this is called again its VM may have gone. */
	if (!list_empty(&vcpu->in_vm))
		leave_vm(vcpu);
	int error = object_destroy(&vcpu->pages->object, NULL, budget);
	if (error < 0)
		return error;
	vcpu_ops->end(vcpu);
	return 0;
}

/* ---- which guest's state a processor holds ---- */
static void load(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->vcpu != NULL)
		vcpu_unload(cpu);
	cpu->vcpu = vcpu;
	vcpu->cpu = cpu;
	vcpu_ops->load(cpu, vcpu);
	if (vcpu->offers.rdtscp)
		msr_write(MSR_TSC_AUX, vcpu->tsc_aux);
	/* Its mitigations are its own, and end with it. */
	if (vcpu->spec_ctrl != 0)
		msr_write_safe(MSR_SPEC_CTRL, vcpu->spec_ctrl);
}

void vcpu_load(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->vcpu != vcpu)
		load(cpu, vcpu);
	if (cpu->fpu_owner != vcpu->fpu) {
		fpu_enter(cpu, vcpu->fpu);
		vcpu->counters->fpu_loads++;
		cpu_ts_set();
	}
}

void vcpu_unload(struct cpu *cpu)
{
	struct vcpu *vcpu = cpu->vcpu;
	vcpu_ops->unload(cpu, vcpu);
	if (vcpu->offers.rdtscp)
		msr_write(MSR_TSC_AUX, 0);
	if (vcpu->spec_ctrl != 0)
		msr_write_safe(MSR_SPEC_CTRL, 0);
	if (cpu->fpu_owner == vcpu->fpu)
		fpu_leave_slow(cpu);
	cpu->vcpu = NULL;
	barrier_before_switch();
}

void virt_disturbed(struct cpu *cpu)
{
	if (cpu->vcpu != NULL && vcpu_ops->keeps)
		vcpu_hazard_set(cpu->vcpu, VCPU_HAZARD_RELOAD);
}

void virt_leave(struct cpu *cpu)
{
	if (cpu->vcpu != NULL)
		vcpu_unload(cpu);
}
