/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/processor.c: the state in which a kernel finds the processor, and events for it.
 *
 * A VM's monitor is its firmware too: what firmware leaves behind is set here.
 */
#include "monitor/machine/machine.h"
#include "lib/string.h"

#define CR0_PROTECTED	0x00000011ull
#define CR0_LONG	0x80000031ull
#define CR4_PAE		0x20ull
#define EFER_LONG	0x500ull /* LME, LMA */
#define RFLAGS_RF	(1ull << 16)
#define SEGMENT_DATA	0xc93u
#define SEGMENT_CODE_32 0xc9bu
#define SEGMENT_CODE_64 0xa9bu
#define SEGMENT_TSS	0x08bu
#define PAT_RESET	0x0007040600070406ull
#define APIC_BASE	(MACHINE_APIC_PAGE | 0x900) /* on, bootstrap processor */
#define APIC_X2APIC	0x400ull
#define WITH_ERROR	0x60227d00u /* exceptions 8, 10 to 14, 17, 21, 29, 30 */
/* Registers of the local APIC, as indices of the state's page. */
#define APIC_ID		0x02
#define APIC_LDR	0x0d
#define APIC_DFR	0x0e
#define APIC_SVR	0x0f
#define APIC_LVT_TIMER	0x32
#define APIC_LVT_LINT0	0x35
#define APIC_LVT_LINT1	0x36
#define APIC_LVT_ERROR	0x37

static void set_segments(struct gyre_vcpu_state *state, enum boot_mode mode)
{
	struct gyre_segment data = {BOOT_DATA, SEGMENT_DATA, 0xffffffff, 0};
	for (int i = GYRE_ES; i <= GYRE_GS; i++)
		state->segment[i] = data;
	state->segment[GYRE_CS] = (struct gyre_segment){
		BOOT_CODE, mode == BOOT_LONG ? SEGMENT_CODE_64 : SEGMENT_CODE_32, 0xffffffff, 0};
	state->segment[GYRE_LDTR] = (struct gyre_segment){0, GYRE_SEGMENT_UNUSABLE, 0, 0};
	state->segment[GYRE_TR] = (struct gyre_segment){0, SEGMENT_TSS, 0x67, 0};
	state->gdtr.base = BOOT_GDT;
	state->gdtr.limit = BOOT_GDT_BYTES - 1;
	state->idtr.base = 0;
	state->idtr.limit = 0;
}

static void set_control(struct gyre_vcpu_state *state, enum boot_mode mode)
{
	state->cr0 = mode == BOOT_LONG ? CR0_LONG : CR0_PROTECTED;
	state->cr2 = 0;
	state->cr3 = mode == BOOT_LONG ? BOOT_PAGE_TABLES : 0;
	state->cr4 = mode == BOOT_LONG ? CR4_PAE : 0;
	state->cr8 = 0;
	state->efer = mode == BOOT_LONG ? EFER_LONG : 0;
	state->xcr0 = 1;
	memset(state->pdpte, 0, sizeof state->pdpte);
	memset(state->dr, 0, sizeof state->dr);
	state->dr6 = 0xffff0ff0;
	state->dr7 = 0x400;
	state->activity = 0;
	state->nmi_pending = 0;
	state->signals = 0;
	state->kicked = 0;
}

static void set_msrs(struct gyre_vcpu_state *state)
{
	state->star = state->lstar = state->cstar = state->sfmask = state->kernel_gs_base = 0;
	state->sysenter_cs = state->sysenter_esp = state->sysenter_eip = 0;
	state->tsc_aux = state->debugctl = state->spec_ctrl = state->xss = 0;
	state->pat = PAT_RESET;
	state->tsc -= state->tsc_adjust; /* the TSC goes on, as the guest would have it without its own changes */
	state->tsc_adjust = 0;
}

/* The local APIC in virtual wire mode: the PICs' interrupts come through LINT0, NMIs through LINT1. */
static void set_apic(struct gyre_vcpu_state *state, uint32_t id, int x2apic)
{
	state->apic_base = APIC_BASE | (x2apic ? APIC_X2APIC : 0);
	state->tsc_deadline = state->apic_timer_left = 0;
	state->apic_errors = state->apic_eoi = 0;
	memset(state->apic, 0, sizeof state->apic);
	state->apic[APIC_ID] = x2apic ? id : id << 24;
	state->apic[APIC_LDR] = x2apic ? (id >> 4) << 16 | 1u << (id & 15) : 0;
	state->apic[APIC_DFR] = 0xffffffff;
	state->apic[APIC_SVR] = 0x1ff;
	for (int i = APIC_LVT_TIMER; i <= APIC_LVT_ERROR; i++)
		state->apic[i] = 0x10000;
	state->apic[APIC_LVT_LINT0] = 0x700;
	state->apic[APIC_LVT_LINT1] = 0x400;
}

int processor_start(struct machine *machine)
{
	struct engine_vcpu *vcpu = &machine->vcpu;
	struct gyre_vcpu_page *page = vcpu->page;
	const struct boot *boot = &machine->boot;
	int error = engine_state_get(vcpu, GYRE_STATE_ALL);
	if (error < 0)
		return error;
	set_segments(vcpu->state, boot->mode);
	set_control(vcpu->state, boot->mode);
	set_msrs(vcpu->state);
	set_apic(vcpu->state, vcpu->apic_id, boot->x2apic);
	/* The legacy region as after reset (APM vol. 2, "Initial Processor State"), no extended state in use. */
	memset(vcpu->fpu, 0, 4096);
	vcpu->fpu[0] = 0x40;
	vcpu->fpu[24] = 0x80, vcpu->fpu[25] = 0x1f;
	memset(page->gpr, 0, sizeof page->gpr);
	page->gpr[GYRE_RAX] = boot->rax;
	page->gpr[GYRE_RBX] = boot->rbx;
	page->gpr[GYRE_RSI] = boot->rsi;
	page->rip = boot->rip;
	page->rflags = 2;
	page->event = page->event_error = page->event_length = 0;
	page->interruptibility = 0;
	page->entry_flags = 0;
	machine->cpu = (struct machine_cpu){0};
	return engine_state_set(vcpu, GYRE_STATE_ALL);
}

void processor_inject(struct machine *machine, unsigned vector, int64_t error)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	/* The emulator has none in real mode; but the core wants one with each of these, and leaves it out itself. */
	if (error < 0 && vector < 32 && (WITH_ERROR >> vector & 1))
		error = 0;
	page->event = GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | vector | (error >= 0 ? GYRE_EVENT_ERROR : 0);
	page->event_error = error >= 0 ? (uint32_t)error : 0;
	page->event_length = 0;
	/* A fault's image of RFLAGS has RF set, which an injection leaves to software: SDM vol. 3, "Instruction-Breakpoint Exception Condition". */
	if (vector != 1)
		page->rflags |= RFLAGS_RF;
}
