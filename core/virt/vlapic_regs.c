/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_regs.c: the registers of a guest's local APIC, as memory (xAPIC, the monitor has decoded the access) and as MSRs (x2APIC). Register by
 * register after SDM vol. 3, "Local APIC Register Address Map" and "x2APIC Register Address Space": in the page a reserved bit is ignored, in an MSR
 * it is #GP.
 */
#include "core/virt/vlapic.h"

#define ESR_ILLEGAL_ACCESS 0x80u
#define LVT_READ_ONLY	   0x5000u /* delivery status, always idle, and remote IRR */

/* clang-format off */
const uint32_t vlapic_holds[64] = {
	[APIC_TPR / 16] = 0xff, [APIC_LDR / 16] = 0xff000000, /* DFR, SVR: */ 0xf0000000, 0x3ff,
	[APIC_ISR / 16 ... APIC_IRR / 16 + 7] = 0xffffffff,
	[APIC_ICR / 16] = 0xccfff, 0xff000000, /* LVT: timer, thermal, performance, LINT0, LINT1, error: */
	[APIC_LVT_TIMER / 16] = 0x750ff, 0x157ff, 0x157ff, 0x1f7ff, 0x1f7ff, 0x150ff,
	[APIC_TIMER_INITIAL / 16] = 0xffffffff, [APIC_TIMER_DIVIDE / 16] = 0xb, [APIC_SELF_IPI / 16] = 0xff,
};
/* clang-format on */

/* Vectors 0 to 15 are illegal to send and to receive; SDM vol. 3, "Error Handling". */
void vlapic_error(struct vlapic *lapic, uint32_t bit)
{
	uint32_t lvt = VREG(lapic, APIC_LVT_ERROR);
	bool is_new = (lapic->esr_pending & bit) == 0;
	lapic->esr_pending |= bit;
	/* An illegal vector in the entry itself would come back here for ever. */
	if (is_new && (lvt & APIC_LVT_MASKED) == 0 && (lvt & 0xff) >= 16)
		vlapic_post(lapic, lvt & 0xff, false);
}

void vlapic_ended(struct vlapic *lapic, uint32_t vector)
{
	bool level = (*vlapic_word(lapic, APIC_TMR, vector) >> vector % 32 & 1) != 0;
	if (level) {
		lapic->eoi_vector = vector;
		VREG(lapic, APIC_LVT_LINT0) &= ~APIC_LVT_REMOTE; /* where it is a level's */
	}
	if (level || vlapic_requests(lapic))
		vlapic_notify(lapic); /* what waited behind it may be taken now */
}

void vlapic_eoi(struct vlapic *lapic)
{
	uint32_t vector = lapic->svi;
	if (vector == 0)
		return;
	*vlapic_word(lapic, APIC_ISR, vector) &= ~(1u << vector % 32);
	lapic->svi = vlapic_highest(lapic, APIC_ISR);
	vlapic_priority(lapic);
	vlapic_ended(lapic, vector);
}

void vlapic_tpr_set(struct vlapic *lapic, uint32_t tpr)
{
	VREG(lapic, APIC_TPR) = tpr;
	vlapic_priority(lapic);
	vlapic_notify(lapic); /* what CR8 reads is the same register */
}

static void lvt_write(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	uint32_t old = VREG(lapic, offset);
	/* Remote IRR belongs to the hardware. Software-disabled, the mask can't be cleared. */
	value = (value & ~LVT_READ_ONLY) | (old & APIC_LVT_REMOTE);
	if ((VREG(lapic, APIC_SVR) & APIC_SVR_ENABLE) == 0)
		value |= APIC_LVT_MASKED;
	VREG(lapic, offset) = value;
	if (offset == APIC_LVT_TIMER)
		vlapic_timer_mode_changed(lapic, old);
	if (offset == APIC_LVT_LINT0)
		vlapic_notify(lapic); /* a line that is up may come through now */
}

/* The count goes on from where it is, at the new rate. */
static __attribute__((noinline)) void divide_write(struct vlapic *lapic, uint32_t value)
{
	uint64_t left = vlapic_timer_count(lapic);
	VREG(lapic, APIC_TIMER_DIVIDE) = value;
	if (left != 0)
		vlapic_timer_resume(lapic, left * vlapic_timer_divisor(lapic));
}

static bool among(uint64_t registers, uint32_t offset)
{
	return (offset & ~0x3f0u) == 0 && (registers >> offset / 16 & 1) != 0;
}

/* A register that can be read: a load, but for the time. */
static uint32_t load(struct vlapic *lapic, uint32_t offset)
{
	if (lapic->posted_words != 0 || offset == APIC_PPR)
		vlapic_merge(lapic);
	return offset == APIC_TIMER_CURRENT ? vlapic_timer_count(lapic) : VREG(lapic, offset);
}

/* One that can be written, value being what it holds. All of it ends in tail calls: no frame. */
static void store(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case APIC_TPR: vlapic_tpr_set(lapic, value); return;
	case APIC_EOI: vlapic_eoi(lapic); return;
	case APIC_SELF_IPI: vlapic_self_ipi(lapic, value); return;
	case APIC_ICR:
		VREG(lapic, APIC_ICR) = value;
		vlapic_ipi(lapic, value, VREG(lapic, APIC_ICR_HIGH));
		return;
	case APIC_ESR:
		VREG(lapic, APIC_ESR) = lapic->esr_pending;
		lapic->esr_pending = 0;
		return;
	case APIC_TIMER_INITIAL:
		if (APIC_TIMER_MODE(VREG(lapic, APIC_LVT_TIMER)) == APIC_TIMER_DEADLINE)
			return;
		VREG(lapic, APIC_TIMER_INITIAL) = value;
		vlapic_timer_start(lapic);
		return;
	case APIC_TIMER_DIVIDE: divide_write(lapic, value); return;
	case APIC_DFR: value |= 0x0fffffff; break;
	case APIC_SVR:
		for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR && (value & APIC_SVR_ENABLE) == 0; lvt += 16)
			VREG(lapic, lvt) |= APIC_LVT_MASKED;
		vlapic_notify(lapic); /* who delivers may change with it */
	}
	if (offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR)
		lvt_write(lapic, offset, value);
	else
		VREG(lapic, offset) = value;
}

/* A register is 32 bits at a multiple of 16; SDM leaves other accesses undefined. */
uint32_t vlapic_mmio_read(struct vlapic *lapic, uint32_t offset)
{
	if (among(VLAPIC_READABLE | VLAPIC_READABLE_PAGE, offset))
		/* Arbitration went with the APIC bus: the priority that a message compares. */
		return load(lapic, offset == APIC_APR ? APIC_PPR : offset);
	if ((offset & 15) == 0)
		vlapic_error(lapic, ESR_ILLEGAL_ACCESS);
	return 0;
}

void vlapic_mmio_write(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	if (among(VLAPIC_WRITABLE | VLAPIC_WRITABLE_PAGE, offset))
		store(lapic, offset, value & vlapic_holds[offset / 16]);
	else if ((offset & 15) == 0)
		vlapic_error(lapic, ESR_ILLEGAL_ACCESS);
}

/* As a processor that virtualizes it reads it: eight bytes, of which only the ICR has more than four. */
int vlapic_msr_read(struct vlapic *lapic, uint32_t index, uint64_t *value)
{
	uint32_t offset = (index & 0xff) << 4;
	if (!vlapic_x2apic(lapic) || !among(VLAPIC_READABLE, offset))
		return -1;
	*value = load(lapic, offset) | (uint64_t)VREG(lapic, offset + 4) << 32;
	return 0;
}

int vlapic_msr_write(struct vlapic *lapic, uint32_t index, uint64_t value)
{
	uint32_t offset = (index & 0xff) << 4, holds = vlapic_holds[index & 63];
	if (!vlapic_x2apic(lapic))
		return -1;
	if (offset == APIC_EOI && value == 0) { /* every interrupt's second exit */
		vlapic_eoi(lapic);
		return 0;
	}
	if (!among(VLAPIC_WRITABLE | VLAPIC_WRITABLE_MSR, offset) || ((uint32_t)value & ~holds) != 0)
		return -1;
	if (offset == APIC_ICR)
		VREG(lapic, APIC_ICR_HIGH) = VREG(lapic, APIC_ICR + 4) = (uint32_t)(value >> 32);
	else if (value >> 32 != 0)
		return -1;
	store(lapic, offset, (uint32_t)value & holds);
	return 0;
}

/* MSR 0x1b. SDM vol. 3, "x2APIC State Transitions": of the four states of (EN, EXTD) one is invalid, and some ways between the others are. */
#define BASE_MODE (APIC_BASE_ENABLE | APIC_BASE_X2APIC)

bool vlapic_base_legal(uint64_t base, uint32_t physical_bits, bool x2apic)
{
	uint64_t bits = ((1ull << physical_bits) - 1) & ~0xfffull;
	bits |= APIC_BASE_BSP | APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0);
	return (base & ~bits) == 0 && (base & BASE_MODE) != APIC_BASE_X2APIC;
}

int vlapic_base_write(struct vlapic *lapic, uint64_t value, uint32_t physical_bits, bool x2apic_offered)
{
	uint64_t from = lapic->base & BASE_MODE, to = value & BASE_MODE;
	if (!vlapic_base_legal(value, physical_bits, x2apic_offered))
		return -1;
	if (from != to && ((from == BASE_MODE && to == APIC_BASE_ENABLE) || (from == 0 && to == BASE_MODE)))
		return -1;
	/* BSP is the hardware's: written or not, it says what this processor is. */
	value = (value & ~APIC_BASE_BSP) | (lapic->base & APIC_BASE_BSP);
	lapic->base = value;
	if (from != to && to == 0) {
		vlapic_reset(lapic);
	} else if (from != to) {
		VREG(lapic, APIC_ICR_HIGH) = 0;
		VREG(lapic, APIC_DFR) = 0xffffffff;
		vlapic_identity(lapic);
	}
	vlapic_notify(lapic);
	return 0;
}
