/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/entry_check_guest.c: the rules of the guest's state. SDM vol. 3, "Checks on the Guest State Area", in that order. */
#include "monitor/machine/entry_check_inside.h"

#define RIGHTS_UNUSABLE	  0x10000u
#define RIGHTS_TYPE(r)	  ((uint32_t)(r)&0xf)
#define RIGHTS_S	  0x10u
#define RIGHTS_DPL(r)	  ((uint32_t)(r) >> 5 & 3)
#define RIGHTS_P	  0x80u
#define RIGHTS_L	  0x2000u
#define RIGHTS_D	  0x4000u
#define RIGHTS_G	  0x8000u
#define RIGHTS_RESERVED	  0xfffe0f00u
#define TYPE_CODE	  8u
#define TYPE_DATA_WRITTEN 3u /* read, write, accessed */

#define BLOCKED_STI	0x1u
#define BLOCKED_MOV_SS	0x2u
#define BLOCKED_SMI	0x4u
#define BLOCKED_NMI	0x8u
#define BLOCKED_ENCLAVE 0x10u
enum { ACTIVE, HALTED, SHUT_DOWN, WAITS_FOR_SIPI };

static int is_long(const struct entry_checker *c)
{
	return (c->entry & ENTRY_LONG) != 0;
}

static int is_unrestricted(const struct entry_checker *c)
{
	return (c->proc2 & PROC2_UNRESTRICTED) != 0;
}

static int is_v86(const struct entry_checker *c)
{
	return (VALUE(GUEST_RFLAGS) & RFLAGS_VM) != 0;
}

static void canonical(struct entry_checker *c, enum entry_field field)
{
	entry_must(c, ENTRY_RULE_CANONICAL, field, entry_canonical(c, c->value[field]));
}

/* ---- control registers, debug registers, MSRs ---- */

static void check_control(struct entry_checker *c)
{
	const uint64_t cr0 = VALUE(GUEST_CR0), cr4 = VALUE(GUEST_CR4);
	/* CD and NW stay what they are. */
	uint64_t must = c->limit[LIMIT_CR0_FIXED0] & ~(CR0_CD | CR0_NW);
	if (is_unrestricted(c))
		must &= ~(CR0_PE | CR0_PG);
	BITS(FIXED, GUEST_CR0, (cr0 & ~(c->limit[LIMIT_CR0_FIXED1] | CR0_CD | CR0_NW)) | (~cr0 & must));
	MUST(PG_NEEDS_PE, GUEST_CR0, (cr0 & CR0_PG) == 0 || (cr0 & CR0_PE) != 0);
	BITS(FIXED, GUEST_CR4, (cr4 & ~c->limit[LIMIT_CR4_FIXED1]) | (~cr4 & c->limit[LIMIT_CR4_FIXED0]));
	MUST(CET_NEEDS_WP, GUEST_CR4, (cr4 & CR4_CET) == 0 || (cr0 & CR0_WP) != 0);
	if ((c->entry & ENTRY_DEBUG) != 0)
		BITS(DEBUGCTL, GUEST_DEBUGCTL, VALUE(GUEST_DEBUGCTL) & ~c->processor->debugctl);
	MUST(LONG_NEEDS_PG, GUEST_CR0, !is_long(c) || (cr0 & CR0_PG) != 0);
	MUST(LONG_NEEDS_PAE, GUEST_CR4, !is_long(c) || (cr4 & CR4_PAE) != 0);
	MUST(PCIDE_NEEDS_LONG, GUEST_CR4, is_long(c) || (cr4 & CR4_PCIDE) == 0);
	BITS(CR3_PHYSICAL, GUEST_CR3, entry_beyond(c, VALUE(GUEST_CR3)));
	if ((c->entry & ENTRY_DEBUG) != 0)
		BITS(DR7_HIGH, GUEST_DR7, VALUE(GUEST_DR7) & ~0xffffffffull);
}

static void check_msrs(struct entry_checker *c)
{
	const uint64_t efer = VALUE(GUEST_EFER);
	canonical(c, ENTRY_FIELD_GUEST_SYSENTER_ESP);
	canonical(c, ENTRY_FIELD_GUEST_SYSENTER_EIP);
	if ((c->entry & ENTRY_CET) != 0) {
		const uint64_t cet = VALUE(GUEST_S_CET);
		BITS(CET_RESERVED, GUEST_S_CET, (cet & 0x3c0) | ((cet & 0xc00) == 0xc00 ? 0xc00 : 0));
		canonical(c, ENTRY_FIELD_GUEST_S_CET);
		canonical(c, ENTRY_FIELD_GUEST_SSP_TABLE);
	}
	if ((c->entry & ENTRY_PERF) != 0)
		BITS(PERF, GUEST_PERF, VALUE(GUEST_PERF) & ~c->processor->performance);
	if ((c->entry & ENTRY_PAT) != 0)
		BITS(PAT, GUEST_PAT, entry_pat_wrong(VALUE(GUEST_PAT)));
	if ((c->entry & ENTRY_EFER) != 0) {
		BITS(EFER_RESERVED, GUEST_EFER, efer & ~c->processor->efer);
		MUST(EFER_LMA, GUEST_EFER, ((efer & EFER_LMA) != 0) == is_long(c));
		MUST(EFER_LME, GUEST_EFER,
			(VALUE(GUEST_CR0) & CR0_PG) == 0 || ((efer & EFER_LMA) != 0) == ((efer & EFER_LME) != 0));
	}
	if ((c->entry & ENTRY_BNDCFGS) != 0) {
		BITS(BNDCFGS, GUEST_BNDCFGS, VALUE(GUEST_BNDCFGS) & 0xffc);
		canonical(c, ENTRY_FIELD_GUEST_BNDCFGS);
	}
	if ((c->entry & ENTRY_PKRS) != 0)
		BITS(PKRS, GUEST_PKRS, VALUE(GUEST_PKRS) & ~0xffffffffull);
}

/* ---- segment registers: one group of fields each, by the register's number ---- */

#define SELECTOR(n) (c->value[ENTRY_FIELD_GUEST_ES + (n)])
#define BASE(n)	    (c->value[ENTRY_FIELD_GUEST_ES_BASE + (n)])
#define LIMIT(n)    (c->value[ENTRY_FIELD_GUEST_ES_LIMIT + (n)])
#define RIGHTS(n)   ((uint32_t)c->value[ENTRY_FIELD_GUEST_ES_RIGHTS + (n)])
#define USABLE(n)   ((RIGHTS(n) & RIGHTS_UNUSABLE) == 0)

static void must_rights(struct entry_checker *c, enum entry_rule rule, unsigned n, int holds)
{
	entry_must(c, rule, ENTRY_FIELD_GUEST_ES_RIGHTS + n, holds);
}

static void check_base(struct entry_checker *c, unsigned n)
{
	if (n == GYRE_TR || n == GYRE_FS || n == GYRE_GS || (n == GYRE_LDTR && USABLE(n)))
		canonical(c, ENTRY_FIELD_GUEST_ES_BASE + n);
	else if (n == GYRE_CS || (n != GYRE_LDTR && USABLE(n)))
		entry_bits(c, ENTRY_RULE_BASE_HIGH, ENTRY_FIELD_GUEST_ES_BASE + n, BASE(n) & ~0xffffffffull);
}

/* What holds for every register that is usable. */
static void check_rights(struct entry_checker *c, unsigned n, int system)
{
	const uint32_t rights = RIGHTS(n), limit = (uint32_t)LIMIT(n);
	must_rights(c, ENTRY_RULE_S, n, ((rights & RIGHTS_S) == 0) == system);
	must_rights(c, ENTRY_RULE_PRESENT, n, (rights & RIGHTS_P) != 0);
	entry_bits(c, ENTRY_RULE_RIGHTS_RESERVED, ENTRY_FIELD_GUEST_ES_RIGHTS + n, rights & RIGHTS_RESERVED);
	must_rights(c, ENTRY_RULE_GRANULARITY, n,
		(rights & RIGHTS_G) != 0 ? (limit & 0xfff) == 0xfff : (limit & 0xfff00000) == 0);
}

static void check_v86(struct entry_checker *c)
{
	for (unsigned n = GYRE_ES; n <= GYRE_GS; n++) {
		entry_must(c, ENTRY_RULE_V86_BASE, ENTRY_FIELD_GUEST_ES_BASE + n, BASE(n) == SELECTOR(n) << 4);
		entry_must(c, ENTRY_RULE_V86_LIMIT, ENTRY_FIELD_GUEST_ES_LIMIT + n, LIMIT(n) == 0xffff);
		must_rights(c, ENTRY_RULE_V86_RIGHTS, n, RIGHTS(n) == 0xf3);
	}
}

static void check_cs(struct entry_checker *c)
{
	const uint32_t rights = RIGHTS(GYRE_CS), type = RIGHTS_TYPE(rights), dpl = RIGHTS_DPL(rights);
	const uint32_t ss_dpl = RIGHTS_DPL(RIGHTS(GYRE_SS));
	const int data = is_unrestricted(c) && type == TYPE_DATA_WRITTEN;
	must_rights(c, ENTRY_RULE_TYPE, GYRE_CS, data || (type & (TYPE_CODE | 1)) == (TYPE_CODE | 1));
	if (data)
		must_rights(c, ENTRY_RULE_CS_DPL, GYRE_CS, dpl == 0);
	else if (type == 9 || type == 11)
		must_rights(c, ENTRY_RULE_CS_DPL, GYRE_CS, dpl == ss_dpl);
	else if (type == 13 || type == 15)
		must_rights(c, ENTRY_RULE_CS_DPL, GYRE_CS, dpl <= ss_dpl);
	check_rights(c, GYRE_CS, 0);
	must_rights(c, ENTRY_RULE_CS_D_AND_L, GYRE_CS,
		!is_long(c) || (rights & (RIGHTS_D | RIGHTS_L)) != (RIGHTS_D | RIGHTS_L));
}

static void check_ss(struct entry_checker *c)
{
	const uint32_t rights = RIGHTS(GYRE_SS), type = RIGHTS_TYPE(rights), dpl = RIGHTS_DPL(rights);
	if (!is_unrestricted(c)) {
		entry_must(
			c, ENTRY_RULE_SS_RPL, ENTRY_FIELD_GUEST_SS, ((SELECTOR(GYRE_SS) ^ SELECTOR(GYRE_CS)) & 3) == 0);
		must_rights(c, ENTRY_RULE_SS_DPL_RPL, GYRE_SS, dpl == (SELECTOR(GYRE_SS) & 3));
	}
	if (RIGHTS_TYPE(RIGHTS(GYRE_CS)) == TYPE_DATA_WRITTEN || (VALUE(GUEST_CR0) & CR0_PE) == 0)
		must_rights(c, ENTRY_RULE_SS_DPL_ZERO, GYRE_SS, dpl == 0);
	if (!USABLE(GYRE_SS))
		return;
	must_rights(c, ENTRY_RULE_TYPE, GYRE_SS, type == 3 || type == 7);
	check_rights(c, GYRE_SS, 0);
}

static void check_data(struct entry_checker *c, unsigned n)
{
	const uint32_t rights = RIGHTS(n), type = RIGHTS_TYPE(rights);
	if (!USABLE(n))
		return;
	must_rights(c, ENTRY_RULE_TYPE, n, (type & 1) != 0 && ((type & TYPE_CODE) == 0 || (type & 2) != 0));
	if (!is_unrestricted(c) && type <= 11)
		must_rights(c, ENTRY_RULE_DATA_DPL, n, RIGHTS_DPL(rights) >= (SELECTOR(n) & 3));
	check_rights(c, n, 0);
}

static void check_system(struct entry_checker *c, unsigned n)
{
	const uint32_t type = RIGHTS_TYPE(RIGHTS(n));
	if (n == GYRE_TR)
		must_rights(c, ENTRY_RULE_TR_UNUSABLE, n, USABLE(n));
	else if (!USABLE(n))
		return;
	entry_must(c, ENTRY_RULE_TI, ENTRY_FIELD_GUEST_ES + n, (SELECTOR(n) & 4) == 0);
	must_rights(c, ENTRY_RULE_TYPE, n, n == GYRE_LDTR ? type == 2 : type == 11 || (type == 3 && !is_long(c)));
	check_rights(c, n, 1);
}

static void check_segments(struct entry_checker *c)
{
	/* First: where it is the cause, the registers break their rules as well. */
	MUST(RFLAGS_VM, GUEST_RFLAGS, !is_v86(c) || (!is_long(c) && (VALUE(GUEST_CR0) & CR0_PE) != 0));
	for (unsigned n = GYRE_ES; n < GYRE_SEGMENTS; n++)
		check_base(c, n);
	if (is_v86(c)) {
		check_v86(c);
	} else {
		check_cs(c);
		check_ss(c);
		check_data(c, GYRE_ES);
		check_data(c, GYRE_DS);
		check_data(c, GYRE_FS);
		check_data(c, GYRE_GS);
	}
	check_system(c, GYRE_LDTR);
	check_system(c, GYRE_TR);
	canonical(c, ENTRY_FIELD_GUEST_GDTR_BASE);
	canonical(c, ENTRY_FIELD_GUEST_IDTR_BASE);
	BITS(TABLE_LIMIT, GUEST_GDTR_LIMIT, VALUE(GUEST_GDTR_LIMIT) & ~0xffffull);
	BITS(TABLE_LIMIT, GUEST_IDTR_LIMIT, VALUE(GUEST_IDTR_LIMIT) & ~0xffffull);
}

/* ---- RIP, RFLAGS, SSP ---- */

static int injects(const struct entry_checker *c, uint32_t type)
{
	return (VALUE(EVENT) & EVENT_VALID) != 0 && EVENT_TYPE(VALUE(EVENT)) == type;
}

static void check_flow(struct entry_checker *c)
{
	const uint64_t rip = VALUE(GUEST_RIP), rflags = VALUE(GUEST_RFLAGS), ssp = VALUE(GUEST_SSP);
	const int wide = is_long(c) && (RIGHTS(GYRE_CS) & RIGHTS_L) != 0;
	if (!wide) {
		BITS(RIP_HIGH, GUEST_RIP, rip & ~0xffffffffull);
	} else {
		/* Not the same as canonical: the highest bit below does not matter. */
		const unsigned bits = c->processor->linear_bits;
		MUST(RIP_RANGE, GUEST_RIP, rip >> bits == 0 || rip >> bits == ~0ull >> bits);
	}
	BITS(RFLAGS_RESERVED, GUEST_RFLAGS, (rflags & 0xffffffffffc08028ull) | (~rflags & 2));
	MUST(RFLAGS_IF, GUEST_RFLAGS, !injects(c, EVENT_INTERRUPT) || (rflags & RFLAGS_IF) != 0);
	if ((c->entry & ENTRY_CET) != 0)
		MUST(SSP, GUEST_SSP, (ssp & 3) == 0 && (wide ? entry_canonical(c, ssp) : ssp >> 32 == 0));
}

/* ---- what is not in registers ---- */

/* SDM vol. 3, "Checks on Guest Non-Register State": what wakes a processor from each state. */
static int reaches(uint32_t activity, uint32_t event)
{
	const uint32_t type = EVENT_TYPE(event), vector = event & 0xff;
	switch (activity) {
	case HALTED:
		return type == EVENT_INTERRUPT || type == EVENT_NMI || type == EVENT_OTHER ||
		       (type == EVENT_EXCEPTION && (vector == 1 || vector == 18));
	case SHUT_DOWN: return type == EVENT_NMI || (type == EVENT_EXCEPTION && vector == 18);
	case WAITS_FOR_SIPI: return 0;
	}
	return 1;
}

static void check_activity(struct entry_checker *c)
{
	const uint64_t activity = VALUE(ACTIVITY);
	const int known = activity == ACTIVE ||
			  (activity <= WAITS_FOR_SIPI && (c->limit[LIMIT_MISC] >> (5 + activity) & 1) != 0);
	MUST(ACTIVITY, ACTIVITY, known);
	MUST(HALT_DPL, ACTIVITY, activity != HALTED || RIGHTS_DPL(RIGHTS(GYRE_SS)) == 0);
	MUST(ACTIVITY_BLOCKED, ACTIVITY,
		activity == ACTIVE || (VALUE(INTERRUPTIBILITY) & (BLOCKED_STI | BLOCKED_MOV_SS)) == 0);
	if (known && (VALUE(EVENT) & EVENT_VALID) != 0)
		MUST(ACTIVITY_EVENT, ACTIVITY, reaches((uint32_t)activity, (uint32_t)VALUE(EVENT)));
}

static void check_interruptibility(struct entry_checker *c)
{
	const uint64_t blocked = VALUE(INTERRUPTIBILITY);
	const uint64_t shadow = blocked & (BLOCKED_STI | BLOCKED_MOV_SS);
	BITS(BLOCK_RESERVED, INTERRUPTIBILITY, blocked & ~0x1full);
	MUST(BLOCK_BOTH, INTERRUPTIBILITY, shadow != (BLOCKED_STI | BLOCKED_MOV_SS));
	MUST(BLOCK_STI_IF, INTERRUPTIBILITY, (blocked & BLOCKED_STI) == 0 || (VALUE(GUEST_RFLAGS) & RFLAGS_IF) != 0);
	MUST(BLOCK_SMI, INTERRUPTIBILITY, (blocked & BLOCKED_SMI) == 0);
	if (injects(c, EVENT_INTERRUPT))
		MUST(BLOCK_INTERRUPT, INTERRUPTIBILITY, shadow == 0);
	if (injects(c, EVENT_NMI)) {
		MUST(BLOCK_NMI, INTERRUPTIBILITY, (blocked & BLOCKED_MOV_SS) == 0);
		MUST(BLOCK_VIRTUAL_NMI, INTERRUPTIBILITY,
			(blocked & BLOCKED_NMI) == 0 || (c->pin & PIN_VIRTUAL_NMI) == 0);
	}
	MUST(BLOCK_ENCLAVE, INTERRUPTIBILITY,
		(blocked & BLOCKED_ENCLAVE) == 0 || ((blocked & BLOCKED_MOV_SS) == 0 && c->processor->sgx));
}

static void check_pending(struct entry_checker *c)
{
	const uint64_t pending = VALUE(PENDING_DEBUG), bs = 1ull << 14, rtm = 1ull << 16;
	const uint64_t shadow = VALUE(INTERRUPTIBILITY) & (BLOCKED_STI | BLOCKED_MOV_SS);
	const int step = (VALUE(GUEST_RFLAGS) & RFLAGS_TF) != 0 && (VALUE(GUEST_DEBUGCTL) & 2) == 0;
	/* Bit 11 is a bus lock's where the processor traps those: then bit 2 of DEBUGCTL can be set. */
	uint64_t reserved = ~0x1ffffull | 0xaff0;
	if ((c->processor->debugctl & 4) != 0)
		reserved &= ~0x800ull;
	BITS(PENDING_RESERVED, PENDING_DEBUG, pending & reserved);
	if (shadow != 0 || VALUE(ACTIVITY) == HALTED) {
		MUST(PENDING_BS_MISSING, PENDING_DEBUG, !step || (pending & bs) != 0);
		MUST(PENDING_BS, PENDING_DEBUG, step || (pending & bs) == 0);
	}
	if ((pending & rtm) != 0)
		MUST(PENDING_RTM, PENDING_DEBUG,
			c->processor->rtm && (pending & 0xfff) == 0 && (pending & 0x1000) != 0 &&
				(VALUE(INTERRUPTIBILITY) & BLOCKED_MOV_SS) == 0);
}

static void check_link(struct entry_checker *c)
{
	const uint64_t link = VALUE(LINK_POINTER);
	if (link == ~0ull)
		return;
	BITS(LINK_ALIGNED, LINK_POINTER, link & 0xfff);
	BITS(LINK_PHYSICAL, LINK_POINTER, entry_beyond(c, link));
	/* What stands there only the processor has seen. */
	if ((link & 0xfff) == 0 && entry_beyond(c, link) == 0)
		MUST(LINK_CONTENT, LINK_POINTER, (uint32_t)VALUE(REASON) != 0x80000021 || VALUE(QUALIFICATION) != 4);
}

/* An NMI while STI blocks: each processor may refuse it or not. One that does says so, or had no other reason. */
static void check_sti_nmi(struct entry_checker *c)
{
	if (injects(c, EVENT_NMI) && (uint32_t)VALUE(REASON) == 0x80000021 &&
		(VALUE(QUALIFICATION) == 3 || c->verdict->faults == 0))
		MUST(BLOCK_STI_NMI, INTERRUPTIBILITY, (VALUE(INTERRUPTIBILITY) & BLOCKED_STI) == 0);
}

static void check_pdptes(struct entry_checker *c)
{
	const uint64_t cr0 = VALUE(GUEST_CR0), cr4 = VALUE(GUEST_CR4);
	if ((cr0 & CR0_PG) == 0 || (cr4 & CR4_PAE) == 0 || is_long(c) || (c->proc2 & PROC2_EPT) == 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t pdpte = c->value[ENTRY_FIELD_GUEST_PDPTE0 + i];
		if ((pdpte & 1) != 0)
			entry_bits(c, ENTRY_RULE_PDPTE, ENTRY_FIELD_GUEST_PDPTE0 + i,
				(pdpte & 0x1e6) | entry_beyond(c, pdpte));
	}
}

void entry_check_guest(struct entry_checker *c)
{
	check_control(c);
	check_msrs(c);
	check_segments(c);
	check_flow(c);
	check_activity(c);
	check_interruptibility(c);
	check_pending(c);
	check_link(c);
	check_pdptes(c);
	check_sti_nmi(c);
}
