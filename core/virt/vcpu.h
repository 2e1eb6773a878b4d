/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vcpu.h: a virtual processor, in what both vendors have in common. The vendor's own struct begins with this one.
 *
 * A thread that calls vcpu_run becomes the vCPU's thread (thread->vcpu) until an exit goes to its monitor. core_leave() enters the guest by
 * vcpu_enter() as often as the thread is chosen to run. All fields belong to the thread's processor, except those that say otherwise.
 */
#ifndef CORE_VIRT_VCPU_H
#define CORE_VIRT_VCPU_H

#include "core/obj/list.h"
#include "core/obj/object.h"
#include "core/sched/deadline.h"
#include "core/virt/cpuid_table.h"
#include "core/virt/fetch.h"
#include "core/virt/vlapic.h"
#include "gyre/vcpu.h"

struct cpu;
struct vm;
struct thread;
struct process;
struct memory;
struct gyre_trace_header;

/*
 * vcpu->hazard: what is due before the next entry; tested once, there. Any processor may set a bit (atomically) and then call vcpu_wake(); the owner
 * clears a bit before it looks at what the bit stands for.
 */
#define VCPU_HAZARD_EVENTS 0x1u	 /* look at the local APIC, NMIs, lines, events to inject again */
#define VCPU_HAZARD_KICK   0x2u	 /* return GYRE_EXIT_KICK */
#define VCPU_HAZARD_END	   0x4u	 /* the thread is to leave for good */
#define VCPU_HAZARD_TRACE  0x10u /* stays while the trace is on: every entry takes the way that knows of it */
#define VCPU_HAZARD_RELOAD                                                                                             \
	0x20u /* what stays in the processor between exits is not the guest's any more. The vendor's alone */
#define VCPU_HAZARD_FLUSH 0x8u /* what the TLB has of the guest is void. The vendor's alone */

enum vcpu_activity { VCPU_RUNNING, VCPU_HALTED, VCPU_WAITS_FOR_SIPI, VCPU_SHUT_DOWN };

/* What the vendor's loop hands back, when it does not go on by itself. */
enum vcpu_next {
	VCPU_AGAIN,   /* enter again */
	VCPU_DUE,     /* something is due on the processor (cpu->hazard), or a hazard above */
	VCPU_MONITOR, /* vcpu->exit is for the monitor */
	VCPU_HALT,    /* the guest halted, and nothing wakes it yet */
	VCPU_YIELD,   /* the guest spins, or says that it waits for another: another thread may run */
};

/* What the level gives the guest; from the CPUID table when the policy is set. */
struct vcpu_offers {
	bool x2apic, tsc_deadline, rdtscp, xsave, nx, spec_ctrl, ibpb, tsc_adjust;
};

struct vcpu {
	struct object object;
	/* ---- hot: read or written by nearly every exit ---- */
	struct gyre_vcpu_page *page; /* shared with the monitor, which can change it at any time */
	struct gyre_vcpu_counters *counters;
	uint64_t block_address; /* physical: the vendor's control block */
	uint64_t host_address;	/* and where the host's state is kept, on the processor that holds this vcpu */
	uint32_t hazard;	/* VCPU_HAZARD_; anybody */
	union {
		struct {
			uint32_t
				event; /* GYRE_EVENT_: to be injected at the next entry, before anything else; 0: none */
			uint8_t activity; /* enum vcpu_activity */
			bool single;	  /* GYRE_ENTRY_SINGLE: return after one instruction */
			bool nmi_blocked;
			bool step; /* the vendor's: TF is the core's, look again after one instruction */
		};
		uint64_t unusual; /* all of the above at once: 0 most of the time */
	};
	uint32_t event_error, event_length;
	struct cpu *cpu; /* where its thread is, while there is one */
	struct vm *vm;
	struct gyre_trace_header *trace; /* NULL: off */
	struct cpuid_table *cpuid;
	uint32_t exit_kind;    /* of the last exit to the monitor, but for ports */
	uint64_t pending_seen; /* page->pending, as it was told: another value is the monitor's */
	uint64_t wanted_seen;  /* page->wanted at the last entry, without flags */
	struct fetch_cache fetch;
	struct vlapic lapic;
	/* ---- injection ---- */
	uint32_t nmi_pending; /* 0, 1, 2 */
	bool pv_kicked;	      /* a halt that comes now is not one: KVM_HC_KICK_CPU came first. Set by others, too */
	/* ---- state that no vendor's hardware keeps ---- */
	uint64_t dr[4];
	bool dr_loaded; /* the processor holds them */
	bool settled;	/* it has run, or has a state that its policy was asked about: that can't change any more */
	uint64_t tsc_offset, tsc_adjust, tsc_aux, spec_ctrl, xss;
	uint64_t tsc_reported; /* by the last vcpu_state_get: given back, it changes nothing */
	void *fpu;
	/* ---- policy ---- */
	struct gyre_vcpu_policy policy;
	struct vcpu_offers offers;
	struct process *runner; /* whose threads may run it: the process, once the policy is set */
	/* ---- its place among others ---- */
	struct thread *
		thread; /* inside vcpu_run of it, or NULL: so too while the thread has not left its processor since it came in */
	struct process *process; /* that made it: whose address space its windows are of */
	struct list in_vm, events;
	struct memory *pages; /* GYRE_VCPU_PAGES of the core's memory */
	struct gyre_vcpu_state *state;
	void *fpu_page, *trace_pages;
	uint64_t traced[GYRE_EXIT_KINDS]; /* the counters before the exit that is being recorded */
	struct deadline timer;
	uint32_t number; /* its APIC id */
	/* ---- translations: core/virt/vm.c ---- */
	bool in_guest; /* its processor may use translations of the VM; others look at it */
};

/* Whether a thread is inside vcpu_run of it. */
static inline bool vcpu_busy(const struct vcpu *vcpu)
{
	return vcpu->thread != NULL || __atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST);
}

#define COUNT(vcpu, kind) ((vcpu)->counters->exits[GYRE_EXIT_##kind]++)

static inline void vcpu_hazard_set(struct vcpu *vcpu, uint32_t bits)
{
	__atomic_fetch_or(&vcpu->hazard, bits, __ATOMIC_SEQ_CST);
}

static inline void vcpu_hazard_clear(struct vcpu *vcpu, uint32_t bits)
{
	__atomic_fetch_and(&vcpu->hazard, ~bits, __ATOMIC_SEQ_CST);
}

/* For the vendor's own thread: something to inject. */
static inline void vcpu_event_set(struct vcpu *vcpu, uint32_t event, uint32_t error)
{
	vcpu->event = event;
	vcpu->event_error = error;
	vcpu->event_length = 0;
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
}

/* What an exit ends with whose answer is an exception: the guest goes on with that. */
static inline enum vcpu_next vcpu_exception(struct vcpu *vcpu, uint32_t vector)
{
	vcpu_event_set(vcpu, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | vector, 0);
	return VCPU_AGAIN;
}

static inline enum vcpu_next vcpu_exception_error(struct vcpu *vcpu, uint32_t vector, uint32_t error)
{
	vcpu_event_set(vcpu, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | vector, error);
	return VCPU_AGAIN;
}

/* The exit is the monitor's: what it is, straight into the page. The vendor fills in the rest when it leaves. */
static inline enum vcpu_next vcpu_to_monitor(
	struct vcpu *vcpu, uint32_t kind, uint32_t length, uint64_t d0, uint64_t d1, uint64_t d2)
{
	struct gyre_vcpu_page *page = vcpu->page;
	page->exit = kind;
	page->instruction_length = length;
	page->d0 = d0;
	page->d1 = d1;
	page->d2 = d2;
	vcpu->exit_kind = kind;
	return VCPU_MONITOR;
}

/* ---- core/virt/vcpu.c ---- */
int vcpu_create(struct process *creator, struct vm *vm, uint32_t apic_id, uint64_t address, struct vcpu **out);
void vcpu_wake(struct vcpu *vcpu); /* a hazard was set: its processor notices, its halt ends */
struct vcpu *vcpu_of_lapic(struct vlapic *lapic);
/* The processor gets this guest's state, its FPU's too; it is to hold another's, or none. */
void vcpu_load(struct cpu *cpu, struct vcpu *vcpu);
void vcpu_unload(struct cpu *cpu);

/* ---- core/virt/policy.c ---- */
int vcpu_policy_set(
	struct vcpu *vcpu, const struct gyre_vcpu_policy *policy, struct gyre_cpuid_entry *entries, uint32_t count);

/* ---- core/virt/run.c ---- */
/* From the vendor's loop, before anything but the guest: the thread of this processor is inside of vcpu_run, for all to see. */
void vcpu_hold(struct cpu *cpu, struct vcpu *vcpu);
/* What comes next is not the guest. Does not return; nor does core/virt/left.h's vcpu_left_to_monitor(). */
_Noreturn void vcpu_left(struct cpu *cpu, struct vcpu *vcpu, enum vcpu_next next);

/* ---- core/virt/inject.c ---- */
/* What the guest's processor can take now, as the vendor sees it. */
struct inject_gate {
	bool interrupt; /* RFLAGS.IF, no shadow */
	bool nmi;	/* no shadow; blocking by an earlier NMI is vcpu->nmi_blocked */
};
struct inject {
	uint32_t event; /* GYRE_EVENT_ to inject now, or 0 */
	uint32_t error, length;
	bool want_interrupt, want_nmi; /* look again as soon as the guest can take one */
};
/* Clears VCPU_HAZARD_EVENTS. VCPU_AGAIN: inject what it says, then enter; else there is an exit first, and nothing to inject. */
enum vcpu_next inject_next(struct vcpu *vcpu, struct inject_gate gate, struct inject *inject);
/* Whether a halted guest goes on. interrupts: RFLAGS.IF. */
bool inject_ends_halt(struct vcpu *vcpu, bool interrupts);
/* An exit came while this event was being delivered: it is still to be delivered. */
void inject_again(struct vcpu *vcpu, uint32_t event, uint32_t error, uint32_t length);
/* -GYRE_EINVAL: no processor delivers such an event. */
int inject_check(uint32_t event, uint32_t error, uint32_t length);

/* ---- core/virt/hypercall.c ---- */
/* By either vendor's opcode. next: VCPU_AGAIN: done, rax is the result; VCPU_YIELD: and another may run; VCPU_MONITOR: it is the monitor's. */
struct hypercall_answer {
	uint64_t rax, next;
};
struct hypercall_answer hypercall(struct vcpu *vcpu, uint64_t rax, bool long_mode, uint32_t cpl);
/* KVM_HC_VAPIC_POLL_IRQ: only to make the guest leave for a moment. The result is 0. */
static inline bool hypercall_does_nothing(const struct vcpu *vcpu, uint64_t rax, uint32_t cpl)
{
	return (uint32_t)rax == 1 && cpl == 0 && (vcpu->policy.flags & GYRE_POLICY_KVM_HYPERCALLS) != 0;
}

/* ---- core/virt/trace.c ---- */
void trace_exit(struct vcpu *vcpu, uint32_t vendor_code, uint64_t rip, uint64_t cr3, uint64_t detail, uint64_t value);
/*
 * The kind of the exit that trace_exit() recorded last, and whose answer was `next`: `port` of the vendor's is one to the monitor; of one that the core
 * answered, the counters know the kind. False: that was the last free record.
 */
bool trace_done(struct vcpu *vcpu, uint32_t next, uint32_t port);
void trace_set(struct vcpu *vcpu, bool on);

#endif
