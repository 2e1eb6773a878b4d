/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/entry_check_state.c: what CPUID says of the processor, and the rules of VMRUN on the neutral state: APM vol. 2, "VMRUN Instruction",
 * on canonicalization and consistency, and "Event Injection". What of the control block is the core's own, and not in that state, is not looked at.
 */
#include "lib/string.h"
#include "monitor/machine/entry_check_inside.h"

/* APM vol. 2, "Extended Feature Enable Register (EFER)": what exists on some processor. Which of those on this one, its CPUID tells for a few. */
#define EFER_KNOWN 0x36fd01ull
#define EFER_NXE   0x800ull
#define EFER_SCE   0x1ull

static uint64_t amd_cr4(const uint32_t features[4], const uint32_t more[4])
{
	uint64_t cr4 = 0x7ff; /* VME to OSXMMEXCPT */
	if ((more[2] >> 2 & 1) != 0)
		cr4 |= 1ull << 11; /* UMIP */
	if ((more[2] >> 16 & 1) != 0)
		cr4 |= 1ull << 12; /* LA57 */
	if ((more[1] & 1) != 0)
		cr4 |= 1ull << 16; /* FSGSBASE */
	if ((features[2] >> 17 & 1) != 0)
		cr4 |= CR4_PCIDE;
	if ((features[2] >> 26 & 1) != 0)
		cr4 |= 1ull << 18; /* OSXSAVE */
	if ((more[1] >> 7 & 1) != 0)
		cr4 |= 1ull << 20; /* SMEP */
	if ((more[1] >> 20 & 1) != 0)
		cr4 |= 1ull << 21; /* SMAP */
	if ((more[2] >> 3 & 1) != 0)
		cr4 |= 1ull << 22; /* PKE */
	if ((more[2] >> 7 & 1) != 0)
		cr4 |= CR4_CET;
	return cr4;
}

/* Fixed and general counters: SDM vol. 3, "Architectural Performance Monitoring". */
static uint64_t performance(const uint32_t monitoring[4])
{
	const uint32_t general = monitoring[0] >> 8 & 0xff, fixed = monitoring[3] & 0x1f;
	return (general >= 32 ? 0xffffffffull : (1ull << general) - 1) | ((1ull << fixed) - 1) << 32;
}

void entry_processor(struct entry_processor *processor, void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]))
{
	uint32_t basic[4], features[4], more[4] = {0}, monitoring[4] = {0}, extended[4], sizes[4];
	cpuid(0, 0, basic);
	cpuid(1, 0, features);
	if (basic[0] >= 7)
		cpuid(7, 0, more);
	if (basic[0] >= 10)
		cpuid(10, 0, monitoring);
	cpuid(0x80000001, 0, extended);
	cpuid(0x80000008, 0, sizes);
	*processor = (struct entry_processor){
		.physical_bits = (sizes[0] & 0xff) != 0 && (sizes[0] & 0xff) <= 52 ? sizes[0] & 0xff : 36,
		.linear_bits = (sizes[0] >> 8 & 0xff) == 57 ? 57 : 48,
		.debugctl = 0xffc3, /* TR to RTM, BTF, LBR: which of them the model has, nothing tells */
		.performance = performance(monitoring),
		.cr4 = amd_cr4(features, more),
		.long_mode = (extended[3] >> 29 & 1) != 0,
		.sgx = (more[1] >> 2 & 1) != 0,
		.rtm = (more[1] >> 11 & 1) != 0,
	};
	if ((more[2] >> 24 & 1) != 0)
		processor->debugctl |= 4; /* bus locks */
	if ((extended[3] >> 11 & 1) != 0)
		processor->efer |= EFER_SCE;
	if ((extended[3] >> 20 & 1) != 0)
		processor->efer |= EFER_NXE;
	if (processor->long_mode)
		processor->efer |= EFER_LME | EFER_LMA;
}

/* APM vol. 2, "Event Injection": interrupt 0, NMI 2, exception 3, software interrupt 4. Gyre gives software kinds as exceptions or as type 4. */
static int can_inject(uint32_t event)
{
	const uint32_t type = GYRE_EVENT_TYPE(event), vector = GYRE_EVENT_VECTOR(event);
	if ((event & GYRE_EVENT_VALID) == 0)
		return 1;
	if (type == 1 || type == 7)
		return 0;
	return type != EVENT_EXCEPTION || (vector < 32 && vector != 2);
}

static void check_run(struct entry_checker *c)
{
	const uint64_t cr0 = VALUE(STATE_CR0), cr4 = VALUE(STATE_CR4), efer = VALUE(STATE_EFER), cs = VALUE(STATE_CS);
	const int enters_long = (efer & EFER_LME) != 0 && (cr0 & CR0_PG) != 0;
	MUST(RUN_CR0_CACHE, STATE_CR0, (cr0 & CR0_CD) != 0 || (cr0 & CR0_NW) == 0);
	BITS(RUN_HIGH, STATE_CR0, cr0 & ~0xffffffffull);
	BITS(RUN_PHYSICAL, STATE_CR3, entry_beyond(c, VALUE(STATE_CR3)));
	BITS(RUN_RESERVED, STATE_CR4, cr4 & ~c->processor->cr4);
	BITS(RUN_HIGH, STATE_DR6, VALUE(STATE_DR6) & ~0xffffffffull);
	BITS(RUN_HIGH, STATE_DR7, VALUE(STATE_DR7) & ~0xffffffffull);
	BITS(RUN_RESERVED, STATE_EFER, efer & ~EFER_KNOWN);
	MUST(RUN_LONG, STATE_EFER, c->processor->long_mode || (efer & (EFER_LMA | EFER_LME)) == 0);
	MUST(RUN_LONG_PAE, STATE_CR4, !enters_long || (cr4 & CR4_PAE) != 0);
	MUST(RUN_LONG_PE, STATE_CR0, !enters_long || (cr0 & CR0_PE) != 0);
	MUST(RUN_D_AND_L, STATE_CS, !enters_long || (cr4 & CR4_PAE) == 0 || (cs & 0x600) != 0x600);
	MUST(RUN_EVENT, STATE_EVENT, can_inject((uint32_t)VALUE(STATE_EVENT)));
}

void entry_check_state(const struct gyre_vcpu_state *state, uint32_t event, const struct entry_processor *processor,
	struct entry_verdict *verdict)
{
	struct entry_checker checker = {.processor = processor, .verdict = verdict}, *c = &checker;
	memset(verdict, 0, sizeof(*verdict));
	VALUE(STATE_CR0) = state->cr0;
	VALUE(STATE_CR3) = state->cr3;
	VALUE(STATE_CR4) = state->cr4;
	VALUE(STATE_EFER) = state->efer;
	VALUE(STATE_CS) = state->segment[GYRE_CS].attributes;
	VALUE(STATE_DR6) = state->dr6;
	VALUE(STATE_DR7) = state->dr7;
	VALUE(STATE_EVENT) = event;
	check_run(c);
}
