/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/svm.h: what the files of this folder share. Outside it, one symbol is known: svm_vcpu_ops.
 *
 *   setup.c    is it there, features, errata; per processor: EFER.SVME, host save area, permission maps
 *   entry.S    VMRUN, and what stands around it
 *   exit.c     the fast exits, with GIF clear and the guest's GS and TR in the processor; dispatch
 *   slow.c     the others, back in the host's state
 *   events.c   injection and its windows        run.c  the loop        page.c  the run page
 *   state.c    the neutral form of the state    vmcb.h, vmcb.c  the block and its first content
 *   errata.c   what processors get wrong, plain code
 */
#ifndef CORE_VIRT_SVM_SVM_H
#define CORE_VIRT_SVM_SVM_H

#include "core/virt/answer.h"
#include "core/virt/asid.h"
#include "core/virt/svm/vmcb.h"
#include "core/virt/vcpu_ops.h"
#include "core/x86/cpu.h"
#include "core/x86/regs.h"

/* For the loop alone: svm_exit() could not deal with it while GIF is clear; svm_exit_slow() is to. Must be no value of enum vcpu_next. */
#define SVM_SLOW 16
#define SVM_PORT 17 /* an access to a port that is the monitor's */

struct svm_vcpu {
	struct vcpu vcpu;
	struct vmcb *vmcb;
	uint32_t tpr_seen; /* what V_TPR was set to: another value is the guest's, by CR8 */
	bool step_over_iret, step_tf;
	bool iret_seen;	  /* NMIs stay blocked until RIP leaves iret_rip */
	uint8_t spurious; /* how often in a row a nested fault had no cause but an old entry of the TLB */
	uint64_t iret_rip, spurious_page;
	uint32_t mode; /* GYRE_MODE_ bits that follow from control registers */
	struct asid_holder asid;
	uint32_t soft_event, soft_length; /* a software interrupt that was injected last, or 0 */
	uint64_t soft_rip;
	uint64_t debugctl; /* stored, and without effect: no branch records are kept */
};

struct svm_features {
	bool nrip, decode_assist, flush_by_asid, clean_bits, vgif, pause_filter, pause_threshold;
	uint32_t asids; /* 0 is the host's */
	uint32_t errata;
	uint8_t tlb_control; /* of an entry for which there is no reason to flush: VMCB_TLB_NOTHING, or everything by an erratum */
	uint32_t clean_mask; /* VMCB_CLEAN_ALL, or 0 where nothing may stay marked clean */
	uint64_t cr4;	     /* bits that a guest's CR4 can have on this machine */
	uint64_t efer;
};
extern struct svm_features svm_features;

struct svm_cpu {
	uint64_t host_address; /* for VMSAVE and VMLOAD of the core's own state */
	struct asid_pool asids;
};
extern struct svm_cpu svm_cpus[];

static inline struct svm_vcpu *svm_of(struct vcpu *vcpu)
{
	return (struct svm_vcpu *)vcpu;
}

/* ---- setup.c, errata.c ---- */
#define SVM_ERRATUM_170 0x1u /* ASIDs are not flushed as they should: flush everything at every entry */
#define SVM_ERRATUM_383                                                                                                \
	0x2u /* a guest can raise a machine check by changing a page's size: it is that guest's fault alone */
#define SVM_ERRATUM_1096 0x4u /* decode assists may give zeros for the instruction's bytes under SMAP */
#define SVM_ERRATUM_TWICE                                                                                              \
	0x8u /* QEMU's processor: an interrupt by EVENTINJ can be delivered a second time, whatever IF (docs/testing.md) */
uint32_t svm_errata_of(uint32_t family, uint32_t model, uint32_t stepping);
uint32_t svm_barriers_of(uint32_t family, uint32_t model);
#define SVM_BARRIERS_HEAVIEST                                                                                          \
	(BARRIER_EXIT_RSB | BARRIER_EXIT_IBPB | BARRIER_ENTRY_VERW | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB)

/* ---- vmcb.c ---- */
void vmcb_init(struct vmcb *vmcb, uint64_t nested_root);
void vmcb_policy(struct vmcb *vmcb, const struct gyre_vcpu_policy *policy);
/* Intercepts that come and go. */
void vmcb_intercept1(struct vmcb *vmcb, uint32_t bits, bool on);
void vmcb_intercept_cr_writes(struct vmcb *vmcb, uint16_t bits, bool on);
void vmcb_intercept_debug(struct vmcb *vmcb, bool on);

/* ---- entry.S: GIF is set and IF clear before and after. Three forms: bare, with barriers, with those and the trace ---- */
/* By a jump, since the compiler would make a frame for a call. */
#define SVM_ENTER(name)                                                                                                \
	static inline __attribute__((always_inline)) _Noreturn void name(struct cpu *cpu, struct svm_vcpu *v)          \
	{                                                                                                              \
		__asm__ volatile("jmp " #name : : "D"(cpu), "S"(v) : "memory");                                        \
		__builtin_unreachable();                                                                               \
	}
SVM_ENTER(svm_enter)
SVM_ENTER(svm_enter_barriers)
SVM_ENTER(svm_enter_traced)
_Static_assert(offsetof(struct vcpu, page) == SVM_VCPU_PAGE && offsetof(struct vcpu, block_address) == SVM_VCPU_BLOCK &&
		       offsetof(struct vcpu, host_address) == SVM_VCPU_HOST,
	"entry.S");
/* run.c: out of the guest, on an empty stack. */
_Noreturn void svm_left(struct svm_vcpu *v, uint32_t next);

/* ---- exit.c: from entry.S. VCPU_AGAIN enters again at once ---- */
uint32_t svm_exit(struct svm_vcpu *v);
uint32_t svm_exit_traced(struct svm_vcpu *v);
/* The instruction's length: 0 where the monitor's memory does not tell. */
uint32_t svm_length_by_bytes(struct svm_vcpu *v, const struct fetch_opcode *opcode);
uint32_t svm_hypercall(struct svm_vcpu *v, uint32_t length);
/* The instruction is done, and the monitor is to move RIP. */
uint32_t svm_length_unknown(struct svm_vcpu *v);
/* This event, as EXITINTINFO or EVENTINJ has it, was not delivered: it is to be delivered again. */
void svm_interrupted(struct svm_vcpu *v, uint64_t info);

/* ---- slow.c, state.c ---- */
enum vcpu_next svm_exit_slow(struct svm_vcpu *v);
void svm_debug_load(struct svm_vcpu *v);
void svm_debug_unload(struct svm_vcpu *v);

/* ---- events.c ---- */
enum vcpu_next svm_events(struct svm_vcpu *v);
void svm_flush_now(struct svm_vcpu *v); /* an ASID of this processor, and nothing old under it */
/* Before an entry: VCPU_AGAIN, or a reason not to. */
static inline enum vcpu_next svm_due(struct cpu *cpu, struct svm_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	enum vcpu_next next;
	if (cpu->hazard != 0)
		return VCPU_DUE;
	if (answer_trace_full(vcpu))
		return vcpu_to_monitor(vcpu, GYRE_EXIT_LOG_FULL, 0, 0, 0, 0);
	if ((vcpu->hazard & VCPU_HAZARD_EVENTS) != 0 && (next = svm_events(v)) != VCPU_AGAIN)
		return next;
	if ((vcpu->hazard & VCPU_HAZARD_FLUSH) != 0)
		svm_flush_now(v);
	return (vcpu->hazard & ~VCPU_HAZARD_TRACE) != 0 ? VCPU_DUE : VCPU_AGAIN;
}

void svm_event_back(struct svm_vcpu *v);
/*
 * An interrupt for a guest that takes it now: by EVENTINJ, or as a virtual one, which is taken before the guest's next instruction and stays where it is
 * while exits come first. APM vol. 2, "Event Injection" and "Virtual Interrupts". QEMU's virtual one stays when its delivery faults, as the switch to a
 * task can: not outside of long mode.
 */
static inline void svm_interrupt(struct svm_vcpu *v, uint32_t vector)
{
	v->soft_event = 0;
	if ((svm_features.errata & SVM_ERRATUM_TWICE) == 0 || (v->vmcb->efer_ & EFER_LMA) == 0) {
		v->vmcb->event_inject = GYRE_EVENT_VALID | vector;
		return;
	}
	vmcb_set_v_vector(v->vmcb, (uint8_t)vector);
	vmcb_set_v_irq(v->vmcb, v->vmcb->v_irq_ | 1);
}
void svm_tpr_from_guest(struct svm_vcpu *v);
void svm_step_begin(struct svm_vcpu *v, bool over_iret);

/* ---- run.c, page.c, state.c ---- */
__attribute__((noreturn)) void svm_run(struct cpu *cpu, struct vcpu *vcpu);
void svm_mode_changed(struct svm_vcpu *v);
_Noreturn void svm_start(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed);
__attribute__((noreturn)) void svm_start_any(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed);
void svm_fill(struct vcpu *vcpu);
void svm_state_get(struct vcpu *vcpu, uint32_t groups);
void svm_state_set(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups);

/* RIP moves past an instruction: no shadow any more, and what single stepping owes. */
void svm_skip_special(struct svm_vcpu *v);
static inline void svm_skip(struct svm_vcpu *v, struct vmcb *vmcb, uint32_t length)
{
	uint64_t rip = vmcb->rip + length;
	if ((vmcb->cs_.attributes & 0x200) == 0)
		rip = (uint32_t)rip;
	vmcb->rip = rip;
	vmcb->interrupt_shadow = 0;
	if (__builtin_expect((vmcb->rflags & (RFLAGS_TF | RFLAGS_RF)) != 0, 0))
		svm_skip_special(v);
}

static inline void svm_count(struct svm_vcpu *v, uint32_t kind)
{
	v->vcpu.counters->exits[kind]++;
}

/*
 * Between the VMCB and the run page. What an emulator wants, and a plain access to a port does not, is filled in by a function of its own.
 */
void svm_fill_rest(struct svm_vcpu *v);
static inline __attribute__((always_inline)) void svm_fill_registers(
	struct svm_vcpu *v, struct gyre_vcpu_page *page, const struct vmcb *vmcb)
{
	uint64_t interruptibility = vmcb->interrupt_shadow & GYRE_INTERRUPTIBILITY_STI;
	page->gpr[GYRE_RAX] = vmcb->rax;
	page->gpr[GYRE_RSP] = vmcb->rsp;
	page->rip = vmcb->rip;
	page->rflags = vmcb->rflags;
	page->pending = interruptibility;
	v->vcpu.pending_seen = interruptibility;
}

/* RFLAGS as they are now. */
static inline __attribute__((always_inline)) uint64_t svm_take_registers(
	const struct gyre_vcpu_page *page, struct vmcb *vmcb)
{
	uint64_t rflags = (page->rflags & GUEST_RFLAGS) | 2;
	vmcb->rax = page->gpr[GYRE_RAX];
	vmcb->rsp = page->gpr[GYRE_RSP];
	vmcb->rip = page->rip;
	vmcb->rflags = rflags;
	return rflags;
}
void svm_take_rest(struct svm_vcpu *v, bool completed);

#endif
