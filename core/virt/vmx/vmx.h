/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/vmx.h: what the files of this folder share. Outside it, one symbol is known: vmx_vcpu_ops.
 *
 *   capability.c  what the processor's capability MSRs allow, and what of it is used: plain code
 *   setup.c       is it there; VMXON; a vCPU's VMCS and its place on a processor
 *   entry.S       VMLAUNCH, VMRESUME, and what stands around them
 *   exit.c        the fast exits and dispatch        slow.c     the others
 *   control.c     control and debug registers, EFER, unpaged guests without "unrestricted guest"
 *   events.c      injection and its windows          run.c      the loop, and the run page
 *   state.c       the neutral form of the state      vmcs.h     fields, bits, instructions
 *   apicv.c       a local APIC that the processor runs itself
 *   tlb.c         EPT's format, INVEPT, INVVPID, the log of modified pages
 *
 * A VMCS is reached by VMREAD and VMWRITE while it is the processor's current one: vmx_reach(). What the guest can't change without an exit is kept in
 * struct vmx_vcpu too, so that nothing is read twice.
 */
#ifndef CORE_VIRT_VMX_VMX_H
#define CORE_VIRT_VMX_VMX_H

#include "core/virt/answer.h"
#include "core/virt/asid.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/vmx/vmcs.h"
#include "core/x86/cpu.h"
#include "core/x86/regs.h"
#include "core/x86/trap.h"

/* For the loop alone; no values of enum vcpu_next. */
#define VMX_SLOW   16 /* vmx_exit_slow() is to deal with it */
#define VMX_PORT   17 /* an access to a port that is the monitor's */
#define VMX_FAILED 18 /* the entry was refused: VMfail */

/* What a guest changes without an exit, if its level has it: MP, EM, TS, AM; TSD, DE, PGE, OSFXSR, OSXMMEXCPT. All else is followed. */
#define VMX_CR0_OWN 0x4000eull
#define VMX_CR4_OWN 0x68cull
#define VMX_BARRIERS_HEAVIEST                                                                                          \
	(BARRIER_EXIT_RSB | BARRIER_ENTRY_VERW | BARRIER_ENTRY_L1D | BARRIER_CALL_IBPB | BARRIER_USER_IBPB |           \
		BARRIER_SWITCH_IBPB)

/* What only together makes a local APIC: with the TPR shadow. */
#define VMX_APICV (CONTROL2_X2APIC | CONTROL2_APIC_REGISTERS | CONTROL2_VIRTUAL_INTERRUPT)

struct vmx_vcpu {
	struct vcpu vcpu;
	bool launched;	   /* VMRESUME is the instruction, not VMLAUNCH */
	bool odd;	   /* not launched, or the exit point is not the usual one: the next entry takes the slow way */
	bool step_tf;	   /* the guest's own TF, while vcpu.step has set it */
	bool point_traced; /* the exit point is that of the trace */
	bool unpaged; /* without "unrestricted guest": the guest has no paging, and the processor runs it on an identity table */
	uint32_t controls, controls2; /* as they are in the VMCS */
	uint32_t mode;		      /* GYRE_MODE_ bits that follow from control registers */
	uint64_t cr0, cr4, efer;      /* the guest's own; of CR0 and CR4 without the bits that it changes freely */
	uint64_t cr0_own, cr4_own;    /* bits that it changes freely */
	uint64_t identity_table;      /* for `unpaged` */
	uint64_t cr3_unpaged;	      /* what the guest has put into CR3, while it is `unpaged` */
	uint64_t cr2, dr6;	      /* while the processor has not them */
	uint64_t cstar, debugctl;
	struct cpu_lent msrs;
	uint64_t eptp;
	struct asid_holder vpid;
	uint64_t *pml; /* the page of the log, or NULL */
	uint32_t tpr_threshold;
	uint64_t eoi_exit[4]; /* vectors whose EOI is an exit */
};

struct vmx_features {
	uint32_t revision;
	uint32_t pin, controls, controls2, exit_controls, entry_controls; /* what a new VMCS has */
	uint32_t controls_must, controls2_must;				  /* what can't be turned off later */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint64_t cr4, efer; /* bits that a guest's can have on this machine */
	uint32_t timer_shift, timer_ticks;
	bool unrestricted, vpid, ept_ad, ept_1g, ept_2m, pml, apicv;
	bool invept_single, invvpid_single;
};
extern struct vmx_features vmx_features;

struct vmx_cpu {
	struct vmx_vcpu *current; /* whose VMCS is the processor's, or NULL */
	struct asid_pool vpids;
};
extern struct vmx_cpu vmx_cpus[];

static inline struct vmx_vcpu *vmx_of(struct vcpu *vcpu)
{
	return (struct vmx_vcpu *)vcpu;
}

/* ---- capability.c ---- */
enum vmx_capability { VMX_CAN, VMX_CONTRADICTS, VMX_LACKS_EPT, VMX_LACKS };
/* What MSRs say: as they are read, or a test has them. */
struct vmx_msrs {
	uint64_t basic, pin, controls, controls2, exit, entry, misc, ept_vpid;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};
/* `off`: CONTROL2_ bits that the command line forces off. *what: the register or control at fault, for people. */
enum vmx_capability vmx_capability(
	const struct vmx_msrs *msrs, uint32_t off, struct vmx_features *features, const char **what);
uint32_t vmx_barriers_of(uint32_t family, uint32_t model);
bool vmx_itlb_multihit(uint32_t family, uint32_t model, uint64_t arch_capabilities);

/* ---- setup.c ---- */
/* Makes its VMCS the current one of this processor. What was before, for vmx_return(), which the loaded vCPU relies on; NULL: nothing has changed. */
struct vmx_vcpu *vmx_reach(struct vmx_vcpu *v);
static inline void vmx_return(struct vmx_vcpu *before)
{
	if (before != NULL)
		vmx_reach(before);
}
void vmx_host_state(struct cpu *cpu, struct vmx_vcpu *v);
uint64_t vmx_msr_bitmap(bool virtual_apic);
void vmx_not_launched(struct vmx_vcpu *v);

/* ---- entry.S: IF is clear before and after ---- */
#define VMX_ENTER(name)                                                                                                \
	static inline __attribute__((always_inline)) _Noreturn void name(struct cpu *cpu, struct vmx_vcpu *v)          \
	{                                                                                                              \
		__asm__ volatile("jmp " #name : : "D"(cpu), "S"(v) : "memory");                                        \
		__builtin_unreachable();                                                                               \
	}
VMX_ENTER(vmx_enter)
VMX_ENTER(vmx_enter_barriers)
VMX_ENTER(vmx_enter_traced)
VMX_ENTER(vmx_enter_first)
extern char vmx_exit_point[], vmx_exit_point_barriers[], vmx_exit_point_traced[];
_Static_assert(offsetof(struct vcpu, page) == VMX_VCPU_PAGE, "entry.S");

/* ---- exit.c: from entry.S. VCPU_AGAIN enters again at once ---- */
uint32_t vmx_exit(struct vmx_vcpu *v);
uint32_t vmx_exit_traced(struct vmx_vcpu *v);
uint32_t vmx_hypercall(struct vmx_vcpu *v, uint32_t length);
void vmx_skip(struct vmx_vcpu *v, uint64_t length);
/* An exit came while this event (VMCS_VECTORING) was being delivered. */
void vmx_interrupted(struct vmx_vcpu *v, uint32_t event);

/* ---- slow.c, control.c ---- */
enum vcpu_next vmx_exit_slow(struct vmx_vcpu *v);
enum vcpu_next vmx_entry_refused(struct vmx_vcpu *v);
struct control {
	uint64_t cr0, cr3, cr4, efer;
};
struct control vmx_control(const struct vmx_vcpu *v); /* as the guest sees them */
/* CR0, CR3, CR4, EFER of the guest into the VMCS, with all that follows. */
void vmx_control_set(struct vmx_vcpu *v, const struct control *now);
void vmx_debug_load(struct vmx_vcpu *v);
void vmx_debug_unload(struct vmx_vcpu *v);
uint64_t vmx_dr6(const struct vmx_vcpu *v);
void vmx_dr6_set(struct vmx_vcpu *v, uint64_t dr6);
void vmx_controls_set(struct vmx_vcpu *v, uint32_t bits, bool on);

/* ---- events.c ---- */
enum vcpu_next vmx_events(struct vmx_vcpu *v);
void vmx_event_back(struct vmx_vcpu *v);

/* ---- apicv.c ---- */
void vmx_apic_bitmap(uint8_t *bitmap);
/* Around inject_next(): what the guest did to its local APIC, and what the processor is to know of it. */
void vmx_apic_take(struct vmx_vcpu *v);
void vmx_apic_put(struct vmx_vcpu *v);
enum vcpu_next vmx_apic_exit(struct vmx_vcpu *v, uint32_t reason);

/* ---- run.c, state.c, tlb.c ---- */
_Noreturn void vmx_left(struct vmx_vcpu *v, uint32_t next); /* from entry.S: out of the guest, on an empty stack */
__attribute__((noreturn)) void vmx_run(struct cpu *cpu, struct vcpu *vcpu);
void vmx_start(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed);
__attribute__((noreturn)) void vmx_start_any(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed);
void vmx_fill(struct vcpu *vcpu);
void vmx_state_get(struct vcpu *vcpu, uint32_t groups);
void vmx_state_set(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups);
const struct pagetable_format *vmx_nested_format(void);
void vmx_flush_now(struct vmx_vcpu *v);	   /* for VCPU_HAZARD_FLUSH: what the TLB has of the VM's memory, and a VPID */
void vmx_flush_linear(struct vmx_vcpu *v); /* what it has of the guest's own page tables */
void vmx_pml_drain(struct vmx_vcpu *v);
void vmx_gather(struct vcpu *vcpu);
/* All that the VMCS holds, into the state page (gyre/vcpu.h): why an entry was refused, the monitor finds out. */
void vmx_dump(struct vcpu *vcpu);

static inline bool vmx_long_mode(const struct vmx_vcpu *v)
{
	return (v->efer & EFER_LMA) != 0;
}

/* As the guest sees them. */
static inline uint64_t vmx_cr0(const struct vmx_vcpu *v)
{
	return (vmx_read(VMCS_CR0) & v->cr0_own) | (v->cr0 & ~v->cr0_own);
}

static inline uint64_t vmx_cr3(const struct vmx_vcpu *v)
{
	return v->unpaged ? v->cr3_unpaged : vmx_read(VMCS_CR3);
}

static inline uint64_t vmx_cr4(const struct vmx_vcpu *v)
{
	return (vmx_read(VMCS_CR4) & v->cr4_own) | (v->cr4 & ~v->cr4_own);
}

/* CS.L, SS.DPL: bits of the access rights. SDM vol. 3, "Guest Register State". */
#define RIGHTS_LONG	 0x2000u
#define RIGHTS_DEFAULT	 0x4000u
#define RIGHTS_DPL_SHIFT 5
#define RIGHTS_UNUSABLE	 0x10000u
static inline bool vmx_code_64(const struct vmx_vcpu *v)
{
	return vmx_long_mode(v) && (vmx_read(VMCS_CS_RIGHTS) & RIGHTS_LONG) != 0;
}

#endif
