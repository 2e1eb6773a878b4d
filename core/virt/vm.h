/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vm.h: a virtual machine as the core knows it: guest-physical memory, doorbells, and its processors.
 */
#ifndef CORE_VIRT_VM_H
#define CORE_VIRT_VM_H

#include "core/mem/aspace.h"
#include "core/obj/event.h"
#include "core/obj/process.h"
#include "core/virt/vlapic.h"

struct vcpu;
struct cpu;
struct thread;

#define VM_DOORBELL_BUCKETS 16
#define VM_VCPUS_MAX	    VLAPIC_BUS_MAX

/* A guest's OUT of that size to that port (with that value) sets a bit. */
struct doorbell {
	struct list link; /* in its bucket */
	struct event_source source;
	uint32_t value;
	uint16_t port;
	uint8_t size; /* 1, 2, 4 */
	bool any;     /* value does not matter */
};

struct vm {
	struct object object; /* its lock covers doorbells and the list of vcpus */
	struct aspace aspace; /* guest-physical pages to frames */
	struct list messages; /* event_message.in_vm */
	struct list doorbells[VM_DOORBELL_BUCKETS];
	uint32_t doorbell_count;
	uint32_t number;       /* for people */
	struct list vcpus;     /* vcpu.in_vm: core/virt */
	struct vlapic_bus bus; /* the local APICs of its vcpus */
};
HANDLE_FIND(handle_vm, vm, GYRE_OBJECT_VM)

/* core/obj/vm.c. */
int vm_create(struct process *owner, struct vm **out);
/* event NULL removes it. -GYRE_EEXIST, -GYRE_ENOMEM, -GYRE_ENOENT, -GYRE_EBUSY: the bit has a binding. */
int vm_doorbell_set(struct vm *vm, const struct doorbell *wanted, struct event *event, uint64_t bit);
/* A guest wrote to a port: true when that is a doorbell, and it has been rung. Bounded; allocates nothing. */
bool vm_doorbell(struct cpu *cpu, struct vm *vm, uint16_t port, unsigned int size, uint32_t value);
int vm_end(
	struct object *object, unsigned int *budget); /* its vcpus are ended first: they are owned like other objects */

/* ---- core/virt gives these to core/obj and core/sched ---- */
/* The format of nested tables and the flush; NULL: this machine can't (vm_create is -GYRE_ENODEV). */
extern const struct pagetable_format *virt_nested_format;
extern const struct aspace_ops virt_aspace_ops;
/* Before the dirty log is taken: what the processors have listed of writes. */
void virt_vm_gather(struct vm *vm);
/* An event that is bound to a vcpu was signalled, or its thread is to be stopped: its run returns GYRE_EXIT_KICK, a halt ends. */
void vcpu_kick(struct vcpu *vcpu);
/*
 * Does not return: it goes on with core_leave() on an empty stack. Runs the guest of the current thread until its monitor is needed (the thread's rax holds the answer and thread->vcpu is NULL then) or something is due
 * on this processor (cpu->hazard), or the guest halts (thread_block(THREAD_HALTED) was called).
 */
_Noreturn void vcpu_enter(struct cpu *cpu, struct vcpu *vcpu);
/* The thread leaves vcpu_run from outside: it was stopped, killed, or its vcpu is destroyed. thread->vcpu is NULL afterwards; rax is -GYRE_EDEAD or KICK. */
void vcpu_abandon(struct vcpu *vcpu, struct thread *thread);
/* The call vcpu_run, from its own way in: of the current thread's regs only RIP, RFLAGS, RSP and RBP are its own. Returns only if it is refused. */
void vcpu_run_call(struct cpu *cpu, uint64_t handle);
int vcpu_end(struct object *object, unsigned int *budget);

#endif
