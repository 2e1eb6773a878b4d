/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vmx_state.c: a guest's state between the VMCS, the run page and its neutral form; what the TLB may keep of it; and the log of modified
 * pages. SDM vol. 3, "Guest Register State", "Guest/Host Masks and Read Shadows for CR0 and CR4", "Caching Translation Information",
 * "Page-Modification Logging".
 */
/* unit-sources: tests/unit/vmx_model.c tests/unit/virt_memory.c */
/* unit-sources: core/virt/inject.c core/virt/msr.c core/virt/hypercall.c core/virt/cpuid_table.c core/virt/fetch.c core/virt/trace.c */
/* unit-sources: core/virt/answer.c core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c */
#include "tests/unit/vmx_model.h"

#define PE  0x1ull
#define TS  0x8ull
#define NE  0x20ull
#define WP  0x10000ull
#define PG  0x80000000ull
#define PSE 0x10ull
#define PAE 0x20ull
#define PGE 0x80ull

/* ---- control registers ---- */
static int set_control(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	struct gyre_vcpu_state *state = VCPU->state;
	vmx_state_get(VCPU, GYRE_STATE_CONTROL);
	state->cr0 = cr0;
	state->cr3 = cr3;
	state->cr4 = cr4;
	state->efer = efer;
	if (!state_valid(&VCPU->policy, state, GYRE_STATE_CONTROL))
		return -GYRE_EINVAL;
	vmx_state_set(VCPU, state, GYRE_STATE_CONTROL);
	memset(state, 0xaa, sizeof(*state));
	vmx_state_get(VCPU, GYRE_STATE_CONTROL);
	return 0;
}

static void the_guest_reads_what_it_has_written(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer;
	} cases[] = {{0x10, 0, 0}, {PE | 0x10, 0, 0}, {PE | 0x10, PAE, 0x100}, {PG | PE | 0x10, 0, 0},
		{PG | PE | NE | WP | 0x10, PSE | PGE, 0x800}, {PG | PE | 0x10, PAE, 0x800},
		{PG | PE | 0x1e, PAE, 0xd01}, {PG | PE | WP | 0x10, PAE | PGE | 0x600, 0x501}};
	const struct gyre_vcpu_state *got = VCPU->state;
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		F(CS_RIGHTS) = (cases[i].efer & 0x400) != 0 ? 0xa09b : 0xc09b;
		assert_int_equal(set_control(cases[i].cr0, 0x5000, cases[i].cr4, cases[i].efer), 0);
		assert_int_equal(got->cr0, cases[i].cr0);
		assert_int_equal(got->cr3, 0x5000);
		assert_int_equal(got->cr4, cases[i].cr4);
		assert_int_equal(got->efer, cases[i].efer);
		assert_null(model_refusal());
		/* What MOV shows it: its own bits, and the shadow's where they are not its to change. */
		assert_int_equal((F(CR0) & ~F(CR0_MASK)) | (F(CR0_SHADOW) & F(CR0_MASK)), cases[i].cr0);
		assert_int_equal((F(CR4) & ~F(CR4_MASK)) | (F(CR4_SHADOW) & F(CR4_MASK)), cases[i].cr4);
		/* What the processor has on in any case: NE, VMXE, and MCE, without which a machine check is a shutdown. */
		assert_int_equal(F(CR0) & NE, NE);
		assert_int_equal(F(CR4) & 0x2040, 0x2040);
	}
}

/* Bits that it changes freely leave no exit behind them: they are read where they are. */
static void what_changes_without_an_exit_is_seen(void **state)
{
	(void)state;
	assert_int_equal(set_control(PG | PE | 0x10, 0x5000, PAE, 0x501), 0);
	F(CR0) |= TS | 0x4;
	F(CR4) |= PGE | 0x200;
	F(CR3) = 0x7000;
	vmx_state_get(VCPU, GYRE_STATE_CONTROL);
	assert_int_equal(VCPU->state->cr0, PG | PE | 0x1c);
	assert_int_equal(VCPU->state->cr4, PAE | PGE | 0x200);
	assert_int_equal(VCPU->state->cr3, 0x7000);
	vmx_fill(VCPU);
	assert_int_equal(VCPU->page->cr0, PG | PE | 0x1c);
	assert_int_equal(VCPU->page->cr4, PAE | PGE | 0x200);
	/* Only what its level has is its own. */
	assert_int_equal(~F(CR0_MASK), VMX_CR0_OWN);
	assert_int_equal(~F(CR4_MASK) & ~VCPU->policy.cr4_allowed, 0);
}

static void what_no_guest_may_have_is_refused(void **state)
{
	(void)state;
	assert_int_equal(set_control(PG | 0x10, 0, 0, 0), -GYRE_EINVAL);	      /* paging without PE */
	assert_int_equal(set_control(0x100000010, 0, 0, 0), -GYRE_EINVAL);	      /* above bit 31 */
	assert_int_equal(set_control(0x20000010, 0, 0, 0), -GYRE_EINVAL);	      /* NW without CD */
	assert_int_equal(set_control(PE | 0x10, 0, 0x2000, 0), -GYRE_EINVAL);	      /* VMXE */
	assert_int_equal(set_control(PG | PE, 0, 0, 0x500), -GYRE_EINVAL);	      /* long mode without PAE */
	assert_int_equal(set_control(PG | PE, 0, PAE, 0x100), -GYRE_EINVAL);	      /* LME and PG without LMA */
	assert_int_equal(set_control(PG | PE, 0, PAE, 0x400), -GYRE_EINVAL);	      /* the other way round */
	assert_int_equal(set_control(PE, 0, PAE | 0x20000, 0), -GYRE_EINVAL);	      /* PCIDE outside long mode */
	assert_int_equal(set_control(PE, 1ull << 40, 0, 0), -GYRE_EINVAL);	      /* beyond the level's width */
	assert_int_equal(set_control(PG | PE, 1ull << 63, PAE, 0x500), -GYRE_EINVAL); /* no part of the register */
	assert_int_equal(set_control(PE, 0, 0, 0x1000), -GYRE_EINVAL);		      /* SVME */
}

static void pae_keeps_four_entries(void **state)
{
	struct gyre_vcpu_state *neutral = VCPU->state;
	(void)state;
	F(CS_RIGHTS) = 0xc09b;
	vmx_state_get(VCPU, GYRE_STATE_CONTROL);
	neutral->cr0 = PG | PE | 0x10;
	neutral->cr4 = PAE;
	neutral->efer = 0;
	for (unsigned i = 0; i < 4; i++)
		neutral->pdpte[i] = 0x1001 + 0x1000 * i;
	vmx_state_set(VCPU, neutral, GYRE_STATE_CONTROL);
	assert_null(model_refusal());
	F(PDPTE) = 0x9001; /* MOV to CR3 loads them, without an exit */
	vmx_state_get(VCPU, GYRE_STATE_CONTROL);
	assert_int_equal(neutral->pdpte[0], 0x9001);
	assert_int_equal(neutral->pdpte[3], 0x4001);
	/* Outside of PAE paging they are nothing. */
	assert_int_equal(set_control(PE | 0x10, 0, PAE, 0), 0);
	assert_int_equal(VCPU->state->pdpte[0], 0);
}

/* ---- without "unrestricted guest" ---- */
static void a_guest_without_paging_runs_on_an_identity_table(void **state)
{
	const struct gyre_vcpu_state *got = VCPU->state;
	(void)state;
	vmx_features.unrestricted = false;
	F(CS_RIGHTS) = 0xc09b;
	assert_int_equal(set_control(PE | 0x10, 0x5000, PAE | 0x100000, 0x100), 0);
	assert_null(model_refusal());
	assert_int_equal(F(CR0) & (PG | PE), PG | PE);
	assert_int_equal(F(CR3), 0x8000);
	assert_int_equal(F(CR4) & (PSE | PAE | 0x100000), PSE);
	assert_int_equal(F(EFER), 0);
	assert_int_equal(F(CONTROLS) & (CONTROL_CR3_LOAD | CONTROL_CR3_STORE), CONTROL_CR3_LOAD | CONTROL_CR3_STORE);
	/* It sees nothing of it. */
	assert_int_equal(got->cr0, PE | 0x10);
	assert_int_equal(got->cr3, 0x5000);
	assert_int_equal(got->cr4, PAE | 0x100000);
	assert_int_equal(got->efer, 0x100);
	vmx_fill(VCPU);
	assert_int_equal(VCPU->page->mode & (GYRE_MODE_PG | GYRE_MODE_PE | GYRE_MODE_PAE | GYRE_MODE_LMA),
		GYRE_MODE_PE | GYRE_MODE_PAE);
	assert_int_equal(VCPU->page->cr3, 0x5000);
	/* Until it turns paging on. */
	assert_int_equal(set_control(PG | PE | 0x10, 0x5000, PAE, 0x500), 0);
	assert_null(model_refusal());
	assert_int_equal(F(CR3), 0x5000);
	assert_int_equal(F(CONTROLS) & (CONTROL_CR3_LOAD | CONTROL_CR3_STORE), 0);
	/* Exits of CR3 that can't be turned off stay. */
	vmx_features.controls_must |= CONTROL_CR3_LOAD | CONTROL_CR3_STORE;
	assert_int_equal(set_control(PG | PE | 0x10, 0x5000, PAE, 0x500), 0);
	assert_null(model_refusal());
}

/* ---- segments ---- */
static void segments_there_and_back(void **state)
{
	struct gyre_vcpu_state *neutral = VCPU->state, set;
	(void)state;
	vmx_state_get(VCPU, GYRE_STATE_SEGMENTS);
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++)
		neutral->segment[i] = (struct gyre_segment){(uint16_t)(8 * i), 0xc93, 0xffffffff, 0x1000ull * i};
	neutral->segment[GYRE_CS].attributes = 0xa9b;
	neutral->segment[GYRE_TR] = (struct gyre_segment){0x40, 0x08b, 0x67, 0xffff800012345678};
	neutral->segment[GYRE_LDTR] = (struct gyre_segment){0, 0, 0, 0};
	neutral->gdtr.base = 0xffff800000001000;
	neutral->gdtr.limit = 0x7f;
	neutral->idtr.base = 0xffff800000002000;
	neutral->idtr.limit = 0xfff;
	set = *neutral;
	vmx_state_set(VCPU, &set, GYRE_STATE_SEGMENTS);
	assert_int_equal(F(CS_RIGHTS), 0xa09b);
	assert_int_equal(F(ES_RIGHTS), 0xc093);
	assert_int_equal(model.field[VMCS_ES_RIGHTS + 2 * GYRE_TR], 0x8b);
	assert_int_equal(model.field[VMCS_ES_RIGHTS + 2 * GYRE_LDTR], RIGHTS_UNUSABLE);
	memset(neutral, 0xaa, sizeof(*neutral));
	vmx_state_get(VCPU, GYRE_STATE_SEGMENTS);
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++) {
		assert_int_equal(neutral->segment[i].selector, set.segment[i].selector);
		assert_int_equal(neutral->segment[i].attributes,
			set.segment[i].attributes | (i == GYRE_LDTR ? GYRE_SEGMENT_UNUSABLE : 0));
		assert_int_equal(neutral->segment[i].limit, set.segment[i].limit);
		assert_int_equal(neutral->segment[i].base, set.segment[i].base);
	}
	assert_memory_equal(&neutral->gdtr, &set.gdtr, 10);
	assert_int_equal(neutral->gdtr.limit, 0x7f);
	assert_int_equal(neutral->idtr.base, 0xffff800000002000);
}

/* What this processor's entry looks at and another vendor's does not keep. */
static void segments_of_another_vendor(void **state)
{
	static const struct {
		unsigned index;
		uint16_t attributes;
		uint32_t limit, rights;
	} cases[] = {
		{GYRE_TR, 0x089, 0x67, 0x8b},	       /* not busy */
		{GYRE_DS, 0xc92, 0xffffffff, 0xc093},  /* not accessed */
		{GYRE_DS, 0x493, 0xffffffff, 0xc093},  /* in bytes, and larger than those can say */
		{GYRE_DS, 0xc93, 0x12345, 0x4093},     /* in pages, and not a whole number of them */
		{GYRE_SS, 0x413, 0xffffffff, 0x14013}, /* not present */
		{GYRE_CS, 0x01b, 0xffff, 0x1b},	       /* CS is never unusable: entry tells */
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gyre_vcpu_state set;
		vmx_state_get(VCPU, GYRE_STATE_SEGMENTS);
		set = *VCPU->state;
		set.segment[cases[i].index] = (struct gyre_segment){8, cases[i].attributes, cases[i].limit, 0};
		vmx_state_set(VCPU, &set, GYRE_STATE_SEGMENTS);
		assert_int_equal(model.field[VMCS_ES_RIGHTS + 2 * cases[i].index] & ~1u, cases[i].rights & ~1u);
	}
}

/* A processor may leave the other bits of a segment that is unusable as they were. */
static void a_segment_that_is_unusable_stays_so(void **state)
{
	struct gyre_vcpu_state set;
	(void)state;
	F(ES_RIGHTS) = RIGHTS_UNUSABLE | 0xc0f3;
	F(SS_RIGHTS) = RIGHTS_UNUSABLE | 0xc0f3;
	vmx_state_get(VCPU, GYRE_STATE_SEGMENTS);
	set = *VCPU->state;
	assert_true((set.segment[GYRE_ES].attributes & GYRE_SEGMENT_UNUSABLE) != 0);
	assert_int_equal(set.segment[GYRE_SS].attributes >> 5 & 3, 3); /* the privilege level is there all the same */
	vmx_state_set(VCPU, &set, GYRE_STATE_SEGMENTS);
	assert_true((F(ES_RIGHTS) & RIGHTS_UNUSABLE) != 0 && (F(SS_RIGHTS) & RIGHTS_UNUSABLE) != 0);
}

/* ---- MSRs and debug registers ---- */
static void msrs_there_and_back(void **state)
{
	struct gyre_vcpu_state set, *got = VCPU->state;
	(void)state;
	vmx_state_get(VCPU, GYRE_STATE_MSRS);
	set = *got;
	set.star = 0x23001000000000;
	set.lstar = 0xffffffff81000000;
	set.cstar = 0xffffffff82000000;
	set.sfmask = 0x47700;
	set.kernel_gs_base = 0xffff888000000000;
	set.pat = 0x0007010600070106;
	set.debugctl = 1;
	set.sysenter_cs = 0x10;
	set.sysenter_esp = 0xffffffff83000000;
	set.sysenter_eip = 0xffffffff84000000;
	vmx_state_set(VCPU, &set, GYRE_STATE_MSRS);
	memset(got, 0xaa, sizeof(*got));
	/* They are in the processor at the moment: it knows best. */
	virt->cpu.lent = &V->msrs;
	vmx_state_get(VCPU, GYRE_STATE_MSRS);
	assert_null(virt->cpu.lent);
	assert_true((VCPU->hazard & VCPU_HAZARD_RELOAD) != 0);
	assert_int_equal(got->star, set.star);
	assert_int_equal(got->lstar, set.lstar);
	assert_int_equal(got->cstar, set.cstar);
	assert_int_equal(got->sfmask, set.sfmask);
	assert_int_equal(got->kernel_gs_base, set.kernel_gs_base);
	assert_int_equal(got->pat, set.pat);
	assert_int_equal(got->debugctl, set.debugctl);
	assert_int_equal(got->sysenter_cs, set.sysenter_cs);
	assert_int_equal(got->sysenter_esp, set.sysenter_esp);
	assert_int_equal(got->sysenter_eip, set.sysenter_eip);
	/* What goes into the processor's own registers would fault there, in the core. */
	const uint64_t bad = 0x800000000000;
	uint64_t *words[] = {&set.lstar, &set.cstar, &set.kernel_gs_base};
	for (unsigned i = 0; i < 3; i++) {
		uint64_t good = *words[i];
		*words[i] = bad;
		assert_false(state_valid(&VCPU->policy, &set, GYRE_STATE_MSRS));
		*words[i] = good;
	}
	set.sfmask = 1ull << 32;
	assert_false(state_valid(&VCPU->policy, &set, GYRE_STATE_MSRS));
	set.sfmask = 0;
	assert_true(state_valid(&VCPU->policy, &set, GYRE_STATE_MSRS));
}

static void debug_registers_are_loaded_when_they_are_used(void **state)
{
	struct gyre_vcpu_state set, *got = VCPU->state;
	(void)state;
	vmx_state_get(VCPU, GYRE_STATE_DEBUG);
	set = *got;
	for (unsigned i = 0; i < 4; i++)
		set.dr[i] = 0x1000 * (i + 1);
	set.dr6 = 0xffff0ff1;
	set.dr7 = 0xffffffff;
	vmx_state_set(VCPU, &set, GYRE_STATE_DEBUG);
	assert_int_equal(F(DR7), 0xffff2fff); /* bits that are 0; and bit 10, which is 1 */
	F(DR7) = 0x400;
	vmx_controls_set(V, CONTROL_MOV_DR, true);
	assert_int_equal(exit_with(REASON_DR, 0), VCPU_AGAIN);
	assert_int_equal(F(RIP), 0x1000);
	assert_int_equal(F(CONTROLS) & CONTROL_MOV_DR, 0);
	assert_int_equal(model.dr[2], 0x3000);
	assert_int_equal(model.dr6, 0xffff0ff1);
	/* The guest changes them, and its state is asked for: they stay loaded. */
	model.dr[2] = 0x7777;
	model.dr6 = 0xffff0ff2;
	vmx_state_get(VCPU, GYRE_STATE_DEBUG);
	assert_int_equal(got->dr[2], 0x7777);
	assert_int_equal(got->dr6, 0xffff0ff2);
	assert_int_equal(model.dr[2], 0x7777);
	assert_int_equal(F(CONTROLS) & CONTROL_MOV_DR, 0);
	/* Another guest's turn: nothing is left of them. */
	vmx_debug_unload(V);
	assert_int_equal(model.dr[2], 0);
	assert_int_equal(model.dr6, DR6_RESET);
	assert_int_equal(vmx_dr6(V), 0xffff0ff2);
	assert_int_equal(F(CONTROLS) & CONTROL_MOV_DR, CONTROL_MOV_DR);
}

/* ---- the run page ---- */
static void fill_says_where_the_guest_is(void **state)
{
	static const struct {
		uint64_t blocked;
		uint32_t page;
	} cases[] = {{0, 0}, {BLOCKED_BY_STI, GYRE_INTERRUPTIBILITY_STI},
		{BLOCKED_BY_MOV_SS, GYRE_INTERRUPTIBILITY_STI}, {BLOCKED_BY_NMI, GYRE_INTERRUPTIBILITY_NMI},
		{BLOCKED_BY_NMI | BLOCKED_BY_STI, GYRE_INTERRUPTIBILITY_NMI | GYRE_INTERRUPTIBILITY_STI}};
	const struct gyre_vcpu_page *page = VCPU->page;
	(void)state;
	F(RSP) = 0x12345678;
	F(CS_BASE) = 0x10000;
	V->cr2 = 0x777;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		F(INTERRUPTIBILITY) = cases[i].blocked;
		vmx_fill(VCPU);
		assert_int_equal(page->interruptibility, cases[i].page);
		assert_int_equal(page->rip, 0x1000);
		assert_int_equal(page->rflags, 0x202);
		assert_int_equal(page->gpr[GYRE_RSP], 0x12345678);
		assert_int_equal(page->cs_base, 0x10000);
		assert_int_equal(page->cr2, 0x777);
	}
	/* Modes, and the privilege level, which is SS's. */
	F(CS_RIGHTS) = 0xa0fb;
	F(SS_RIGHTS) = 0xc0f3;
	vmx_fill(VCPU);
	assert_int_equal(page->mode & (GYRE_MODE_CS_L | GYRE_MODE_CS_D | GYRE_MODE_SS_D | GYRE_MODE_LMA),
		GYRE_MODE_CS_L | GYRE_MODE_SS_D | GYRE_MODE_LMA);
	assert_int_equal(page->mode >> GYRE_MODE_CPL_SHIFT, 3);
	F(CS_RIGHTS) = 0xc09b;
	F(SS_RIGHTS) = 0x93;
	vmx_fill(VCPU);
	assert_int_equal(page->mode & (GYRE_MODE_CS_L | GYRE_MODE_CS_D | GYRE_MODE_SS_D), GYRE_MODE_CS_D);
	assert_int_equal(page->mode >> GYRE_MODE_CPL_SHIFT, 0);
}

static uint32_t completed;
static void start(void)
{
	vmx_start(&virt->cpu, VCPU, completed);
}

static void start_any(void)
{
	vmx_start_any(&virt->cpu, VCPU, completed);
}

/* The monitor has filled in what it likes: RFLAGS are made good, and a shadow becomes the one that fits them. */
static void what_the_page_asks_for_is_a_legal_entry(void **state)
{
	struct gyre_vcpu_page *page = VCPU->page;
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 4096; round++) {
		vmx_fill(VCPU);
		page->rip = 0x2000;
		page->rflags = (uint64_t)rand() << 32 | (uint32_t)rand();
		page->rflags &= ~(uint64_t)RFLAGS_VM;
		page->interruptibility = round & 3;
		completed = round >> 2 & 1;
		F(PENDING_DEBUG) = 0;
		F(ENTRY_EVENT) = 0;
		VCPU->event = 0;
		V->odd = round >> 3 & 1;
		assert_int_equal(outcome_of(start_any), ENTERED);
		assert_null(model_refusal());
		assert_int_equal(F(RIP), 0x2000);
		assert_int_equal(F(RFLAGS) & 0x3f7fd7, F(RFLAGS));
		if (completed)
			assert_int_equal(F(INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS), 0);
		assert_int_equal((F(INTERRUPTIBILITY) & BLOCKED_BY_NMI) != 0, round >> 1 & 1);
		/* RF ends with the instruction that the monitor did, and TF is a trap after it. */
		if (completed) {
			assert_int_equal(F(RFLAGS) & RFLAGS_RF, 0);
			if ((F(RFLAGS) & RFLAGS_TF) != 0)
				assert_int_equal(F(ENTRY_EVENT), GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | 1);
		}
		assert_int_equal(F(PREEMPTION_TIMER), 1000);
	}
}

/* The short way from the monitor to the guest does what the long one does. */
static void the_short_start_is_the_long_one(void **state)
{
	struct gyre_vcpu_page *page = VCPU->page;
	(void)state;
	for (unsigned round = 0; round < 64; round++) {
		static const uint64_t shadows[] = {0, BLOCKED_BY_STI, BLOCKED_BY_MOV_SS, BLOCKED_BY_NMI};
		struct model saved, after;
		F(INTERRUPTIBILITY) = shadows[round & 3];
		F(RFLAGS) = 0x202 | ((round & 4) != 0 ? RFLAGS_RF : 0);
		F(PENDING_DEBUG) = 0;
		F(ENTRY_EVENT) = 0;
		F(RIP) = 0x1000;
		vmx_fill(VCPU);
		page->rip = 0x1002;
		page->rflags = F(RFLAGS) | ((round & 8) != 0 && (round & 16) != 0 ? RFLAGS_TF : 0);
		completed = round >> 4 & 1;
		saved = model;
		assert_int_equal(outcome_of(start), ENTERED);
		after = model;
		model = saved;
		VCPU->event = 0;
		VCPU->hazard = 0;
		V->dr6 = DR6_RESET;
		assert_int_equal(outcome_of(start_any), ENTERED);
		assert_int_equal(F(RIP), after.field[VMCS_RIP]);
		assert_int_equal(F(RFLAGS), after.field[VMCS_RFLAGS]);
		assert_int_equal(F(ENTRY_EVENT), after.field[VMCS_ENTRY_EVENT]);
		/* Which of the two shadows it was, the page does not say. */
		assert_int_equal(F(INTERRUPTIBILITY) == 0, after.field[VMCS_INTERRUPTIBILITY] == 0);
		VCPU->event = 0;
		VCPU->hazard = 0;
		V->dr6 = DR6_RESET;
	}
}

/* A page fault that the monitor injects brings its address. */
static void cr2_comes_with_a_page_fault(void **state)
{
	(void)state;
	model.cr2 = V->cr2 = 0x111;
	vmx_fill(VCPU);
	VCPU->page->cr2 = 0x222;
	completed = 0;
	assert_int_equal(outcome_of(start_any), ENTERED);
	assert_int_equal(model.cr2, 0x111);
	vcpu_event_set(VCPU, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | 14, 4);
	assert_int_equal(outcome_of(start_any), ENTERED);
	assert_int_equal(model.cr2, 0x222);
	/* What disturbed the processor's CR2 has it loaded again, and lends the MSRs. */
	F(ENTRY_EVENT) = 0;
	model.cr2 = 0x999;
	vcpu_hazard_set(VCPU, VCPU_HAZARD_RELOAD);
	assert_int_equal(outcome_of(start), ENTERED);
	assert_int_equal(model.cr2, 0x222);
	assert_ptr_equal(virt->cpu.lent, &V->msrs);
}

/* A step that was begun before an exit to the monitor goes on only if the next run asks for one again. */
static void a_step_ends_with_the_run_that_asked_for_it(void **state)
{
	(void)state;
	for (unsigned again = 0; again < 2; again++) {
		F(RFLAGS) = 0x202;
		VCPU->single = true;
		vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
		assert_int_equal(vmx_events(V), VCPU_AGAIN);
		vmx_fill(VCPU);
		assert_int_equal(VCPU->page->rflags, 0x202);
		VCPU->single = again;
		completed = 0;
		assert_int_equal(outcome_of(start_any), ENTERED);
		assert_int_equal(F(RFLAGS), again ? 0x302 : 0x202);
		assert_int_equal(VCPU->step, again);
	}
}

static uint32_t left;
static void leave(void)
{
	vmx_left(V, left);
}

/* Bits 2:0 size - 1, 3 IN, 4 string, 5 REP: in the page 0 IN, 2 string, 3 REP, 6:4 the size. */
static void each_kind_of_port_access(void **state)
{
	const struct gyre_vcpu_page *page = VCPU->page;
	(void)state;
	left = VMX_PORT;
	F(LENGTH) = 3;
	for (uint32_t q = 0; q < 64; q++)
		for (unsigned unusual = 0; unusual < 2; unusual++) {
			uint32_t expected = 0x12340000;
			expected |= (q & 8) != 0 ? GYRE_IO_IN : 0;
			expected |= (q & 16) != 0 ? GYRE_IO_STRING : 0;
			expected |= (q & 32) != 0 ? GYRE_IO_REP : 0;
			expected |= ((q & 7) + 1) << 4;
			VCPU->step = unusual;
			F(QUALIFICATION) = 0x12340000 | q;
			F(RIP) = 0x1000;
			assert_int_equal(outcome_of(leave), GYRE_EXIT_IO);
			assert_int_equal(page->exit, GYRE_EXIT_IO);
			assert_int_equal(page->d0, expected);
			assert_int_equal(page->d2, 0x1003);
			assert_int_equal(page->rip, 0x1000);
		}
}

/* ---- translations ---- */
#define GUESTS 12
#define PAGES  6
static struct vmx_vcpu guests[GUESTS];

static bool in_tlb(const struct vmx_vcpu *v, unsigned page, unsigned *frame)
{
	uint64_t vpid = vmx_features.vpid ? v->vpid.asid : 0;
	for (unsigned i = 0; i < MODEL_TLB; i++)
		if (model.tlb[i].valid && model.tlb[i].vpid == vpid && model.tlb[i].eptp == v->eptp &&
			model.tlb[i].page == page) {
			*frame = model.tlb[i].frame;
			return true;
		}
	return false;
}

/*
 * Guests of three VMs on one processor: mappings of their VM change under EPT (all vCPUs get a flush), and each changes its own page tables, with what a MOV
 * to CR4 does. Without VPIDs an entry and an exit forget all.
 */
static void no_translation_outlives_its_mapping(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		unsigned nested[3][PAGES] = {0}, linear[GUESTS][PAGES] = {0}, next = 1, oldest = 0;
		struct gyre_vcpu_counters *counters = VCPU->counters;
		memset(model.tlb, 0, sizeof(model.tlb));
		vmx_features.vpid = kind != 3;
		vmx_features.invept_single = kind != 1;
		vmx_features.invvpid_single = kind != 1;
		/* Few of them, so that they run out. */
		asid_pool_init(&vmx_cpus[0].vpids, kind == 3 ? 2 : 9, true, false);
		for (unsigned i = 0; i < GUESTS; i++)
			guests[i] = (struct vmx_vcpu){.vcpu.cpu = &virt->cpu,
				.vcpu.counters = counters,
				.eptp = 0x10000 * (1 + i % 3),
				.vcpu.hazard = VCPU_HAZARD_FLUSH};
		srand(6);
		for (unsigned round = 0; round < 60000; round++) {
			unsigned i = (unsigned)rand() % GUESTS, page = (unsigned)rand() % PAGES;
			struct vmx_vcpu *v = &guests[i];
			struct asid_pool *pool = &vmx_cpus[0].vpids;
			if (rand() % 8 == 0) {
				nested[i % 3][page] = next++;
				for (unsigned n = i % 3; n < GUESTS; n += 3)
					vcpu_hazard_set(&guests[n].vcpu, VCPU_HAZARD_FLUSH);
				continue;
			}
			/* It comes to the processor: setup.c's load(). */
			if (v->vpid.cpu != 0 || v->vpid.generation != pool->generation)
				vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
			if (rand() % 4 == 0) {
				linear[i][page] = next++;
				vmx_flush_linear(v);
				if (v->vpid.generation == 0)
					vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_FLUSH);
			}
			if (rand() % 8 == 0)
				continue; /* called away before it enters */
			if ((v->vcpu.hazard & VCPU_HAZARD_FLUSH) != 0) {
				vmx_flush_now(v);
				if (vmx_features.vpid)
					assert_int_equal(F(VPID) == 0, false);
			}
			if (!vmx_features.vpid)
				memset(model.tlb, 0, sizeof(model.tlb));
			assert_true(!vmx_features.vpid || (v->vpid.asid > 0 && v->vpid.asid < 9));
			for (unsigned touch = 0; touch < 3; touch++) {
				unsigned p = (unsigned)rand() % PAGES, frame,
					 real = nested[i % 3][p] * 64 + linear[i][p];
				if (in_tlb(v, p, &frame))
					assert_int_equal(frame, real);
				else
					model.tlb[oldest++ % MODEL_TLB] = (struct translation){
						true, vmx_features.vpid ? v->vpid.asid : 0, v->eptp, p, real};
			}
		}
	}
}

/* ---- the log of modified pages ---- */
static void the_log_is_taken_from_where_the_processor_was(void **state)
{
	static const struct {
		uint64_t index;
		unsigned count;
	} cases[] = {{511, 0}, {510, 1}, {0, 511}, {0xffff, 512}};
	uint64_t list[512];
	(void)state;
	for (unsigned i = 0; i < 512; i++)
		list[i] = (uint64_t)i << 12;
	V->pml = list;
	for (unsigned i = 0; i < 4; i++) {
		bool seen[512] = {0};
		model.logged = 0;
		F(PML_INDEX) = cases[i].index;
		vmx_gather(VCPU);
		assert_int_equal(model.logged, cases[i].count);
		for (unsigned n = 0; n < model.logged; n++) {
			assert_true(model.logged_page[n] < 512 && !seen[model.logged_page[n]]);
			seen[model.logged_page[n]] = true;
		}
		for (unsigned n = 0; n < 512; n++)
			assert_int_equal(seen[n], n >= 512 - cases[i].count);
		assert_int_equal(F(PML_INDEX), 511);
	}
	V->pml = NULL;
	vmx_gather(VCPU); /* and without one, nothing */
	assert_int_equal(model.logged, 512);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vmx_set_up, vmx_tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_reads_what_it_has_written),
		TEST(what_changes_without_an_exit_is_seen),
		TEST(what_no_guest_may_have_is_refused),
		TEST(pae_keeps_four_entries),
		TEST(a_guest_without_paging_runs_on_an_identity_table),
		TEST(segments_there_and_back),
		TEST(segments_of_another_vendor),
		TEST(a_segment_that_is_unusable_stays_so),
		TEST(msrs_there_and_back),
		TEST(debug_registers_are_loaded_when_they_are_used),
		TEST(fill_says_where_the_guest_is),
		TEST(what_the_page_asks_for_is_a_legal_entry),
		TEST(the_short_start_is_the_long_one),
		TEST(cr2_comes_with_a_page_fault),
		TEST(a_step_ends_with_the_run_that_asked_for_it),
		TEST(each_kind_of_port_access),
		TEST(no_translation_outlives_its_mapping),
		TEST(the_log_is_taken_from_where_the_processor_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
