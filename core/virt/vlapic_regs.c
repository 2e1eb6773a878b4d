/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_regs.c: the registers of a guest's local APIC, as memory (xAPIC, the monitor has decoded the access) and as MSRs (x2APIC). Register by
 * register after SDM vol. 3, "Local APIC Register Address Map" and "x2APIC Register Address Space": in the page a reserved bit is ignored, in an MSR
 * it is #GP.
 */
#include "core/virt/vlapic.h"

#define LVT_INDEX(offset) (((offset)-APIC_LVT_TIMER) / 16)

/* Bits that a guest can write in each LVT entry: timer, thermal, performance, LINT0, LINT1, error. */
static const uint32_t lvt_writable[VLAPIC_LVTS] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

#define ESR_SEND_ILLEGAL   0x20u
#define ESR_ILLEGAL_ACCESS 0x80u

/* Vectors 0 to 15 are illegal to send and to receive; SDM vol. 3, "Error Handling". */
void vlapic_error(struct vlapic *lapic, uint32_t bit)
{
	uint32_t lvt = lapic->lvt[LVT_INDEX(APIC_LVT_ERROR)];
	bool is_new = (lapic->esr_pending & bit) == 0;
	lapic->esr_pending |= bit;
	/* An illegal vector in the entry itself would come back here for ever. */
	if (is_new && (lvt & APIC_LVT_MASKED) == 0 && (lvt & 0xff) >= 16)
		vlapic_post(lapic, lvt & 0xff, false);
}

void vlapic_eoi(struct vlapic *lapic)
{
	int vector = vlapic_highest(lapic->isr, lapic->isr_words);
	uint32_t n, bit;
	if (vector < 0)
		return;
	n = (uint32_t)vector / 32;
	bit = 1u << vector % 32;
	lapic->isr[n] &= ~bit;
	if (lapic->isr[n] == 0)
		lapic->isr_words &= ~(1u << n);
	if ((__atomic_load_n(&lapic->tmr[n], __ATOMIC_RELAXED) & bit) != 0) {
		lapic->eoi_vector = (uint32_t)vector;
		lapic->lvt[3] &= ~APIC_LVT_REMOTE; /* LINT0, where it is a level's */
		vlapic_notify(lapic);
	} else if (lapic->irr_words != 0) {
		vlapic_notify(lapic); /* what waited behind it may be taken now */
	}
}

static void tpr_write(struct vlapic *lapic, uint32_t value)
{
	lapic->tpr = value & 0xff;
	if (lapic->irr_words != 0)
		vlapic_notify(lapic);
}

static void svr_write(struct vlapic *lapic, uint32_t value)
{
	lapic->svr = value & 0x3ff;
	if ((value & APIC_SVR_ENABLE) == 0)
		for (int i = 0; i < VLAPIC_LVTS; i++)
			lapic->lvt[i] |= APIC_LVT_MASKED;
}

static void lvt_write(struct vlapic *lapic, uint32_t index, uint32_t value)
{
	uint32_t old = lapic->lvt[index];
	/* Remote IRR belongs to the hardware. Software-disabled, the mask can't be cleared. */
	value = (value & lvt_writable[index]) | (old & APIC_LVT_REMOTE);
	if ((lapic->svr & APIC_SVR_ENABLE) == 0)
		value |= APIC_LVT_MASKED;
	lapic->lvt[index] = value;
	if (index == LVT_INDEX(APIC_LVT_TIMER))
		vlapic_timer_mode_changed(lapic, old);
	if (index == LVT_INDEX(APIC_LVT_LINT0))
		vlapic_notify(lapic); /* a line that is up may come through now */
}

static uint32_t x2apic_ldr(const struct vlapic *lapic)
{
	return (lapic->id >> 4) << 16 | 1u << (lapic->id & 15);
}

/* Those that read the same both ways. False: no such register. */
static bool register_read(struct vlapic *lapic, uint32_t offset, uint32_t *value)
{
	switch (offset) {
	case APIC_VERSION: *value = APIC_VERSION_VALUE; return true;
	case APIC_TPR: *value = lapic->tpr; return true;
	case APIC_PPR: *value = vlapic_ppr(lapic); return true;
	case APIC_SVR: *value = lapic->svr; return true;
	case APIC_ESR: *value = lapic->esr; return true;
	case APIC_ICR: *value = lapic->icr; return true;
	case APIC_TIMER_INITIAL: *value = lapic->timer_initial; return true;
	case APIC_TIMER_CURRENT: *value = vlapic_timer_count(lapic); return true;
	case APIC_TIMER_DIVIDE: *value = lapic->timer_divide; return true;
	}
	if (offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR) {
		*value = lapic->lvt[LVT_INDEX(offset)];
		return true;
	}
	if (offset >= APIC_ISR && offset < APIC_ISR + 0x180) {
		uint32_t n = (offset - APIC_ISR) / 16;
		const uint32_t *set = n < 8 ? lapic->isr : n < 16 ? lapic->tmr : lapic->irr;
		*value = __atomic_load_n(&set[n % 8], __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

uint32_t vlapic_mmio_read(struct vlapic *lapic, uint32_t offset)
{
	uint32_t value = 0;
	/* A register is 32 bits at a multiple of 16; SDM leaves other accesses undefined. */
	switch (offset) {
	case APIC_ID: return lapic->id << 24;
	case APIC_LDR: return lapic->ldr;
	case APIC_DFR: return lapic->dfr;
	case APIC_ICR_HIGH: return lapic->icr_high;
	case APIC_APR:
		return vlapic_ppr(lapic); /* arbitration went with the APIC bus: the priority that a message compares */
	case APIC_RRD: return 0;
	}
	if ((offset & 15) == 0 && !register_read(lapic, offset, &value))
		vlapic_error(lapic, ESR_ILLEGAL_ACCESS);
	return value;
}

/* Those that are written the same both ways, value being legal. False: no such register. */
static bool register_write(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case APIC_TPR: tpr_write(lapic, value); return true;
	case APIC_EOI: vlapic_eoi(lapic); return true;
	case APIC_SVR: svr_write(lapic, value); return true;
	case APIC_ESR:
		lapic->esr = lapic->esr_pending;
		lapic->esr_pending = 0;
		return true;
	case APIC_TIMER_INITIAL:
		if (APIC_TIMER_MODE(lapic->lvt[0]) != APIC_TIMER_DEADLINE) {
			lapic->timer_initial = value;
			vlapic_timer_start(lapic);
		}
		return true;
	case APIC_TIMER_DIVIDE: {
		uint32_t left = vlapic_timer_count(lapic);
		lapic->timer_divide = value & 0xb;
		if (lapic->timer_armed && APIC_TIMER_MODE(lapic->lvt[0]) != APIC_TIMER_DEADLINE) {
			/* The count goes on from where it is, at the new rate. */
			uint32_t initial = lapic->timer_initial;
			lapic->timer_initial = left;
			vlapic_timer_start(lapic);
			lapic->timer_initial = initial;
		}
		return true;
	}
	}
	if (offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR) {
		lvt_write(lapic, LVT_INDEX(offset), value);
		return true;
	}
	return false;
}

void vlapic_mmio_write(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case APIC_LDR: lapic->ldr = value & 0xff000000; return;
	case APIC_DFR: lapic->dfr = value | 0x0fffffff; return;
	case APIC_ICR_HIGH: lapic->icr_high = value & 0xff000000; return;
	case APIC_ICR:
		lapic->icr = value & 0xccfff & ~0x1000u; /* "delivery status": always idle */
		vlapic_ipi(lapic, lapic->icr, lapic->icr_high >> 24);
		return;
	}
	if ((offset & 15) == 0 && !register_write(lapic, offset, value))
		vlapic_error(lapic, ESR_ILLEGAL_ACCESS);
}

int vlapic_msr_read(struct vlapic *lapic, uint32_t index, uint64_t *value)
{
	uint32_t offset = (index & 0xff) << 4, low = 0;
	if (!vlapic_x2apic(lapic) || index > 0x8ff)
		return -1;
	switch (offset) {
	case APIC_ID: *value = lapic->id; return 0;
	case APIC_LDR: *value = x2apic_ldr(lapic); return 0;
	case APIC_ICR: *value = (uint64_t)lapic->icr_high << 32 | lapic->icr; return 0;
	case APIC_EOI: return -1; /* write-only */
	}
	if (!register_read(lapic, offset, &low))
		return -1;
	*value = low;
	return 0;
}

/* The bits that may be 1 in an x2APIC write of this register; 0 for registers that can't be written, and for those written with 0 only. */
static uint32_t msr_writable(uint32_t offset)
{
	switch (offset) {
	case APIC_TPR: return 0xff;
	case APIC_SVR: return 0x3ff;
	case APIC_TIMER_INITIAL: return 0xffffffff;
	case APIC_TIMER_DIVIDE: return 0xb;
	}
	if (offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR)
		return lvt_writable[LVT_INDEX(offset)] |
		       0x5000; /* delivery status and remote IRR: read-only, not reserved */
	return 0;
}

int vlapic_msr_write(struct vlapic *lapic, uint32_t index, uint64_t value)
{
	uint32_t offset = (index & 0xff) << 4;
	if (!vlapic_x2apic(lapic) || index > 0x8ff)
		return -1;
	switch (offset) {
	case APIC_EOI:
		if (value != 0)
			return -1;
		vlapic_eoi(lapic);
		return 0;
	case APIC_ICR:
		if ((value & 0xfff33000) != 0)
			return -1;
		lapic->icr = (uint32_t)value;
		lapic->icr_high = (uint32_t)(value >> 32);
		vlapic_ipi(lapic, lapic->icr, lapic->icr_high);
		return 0;
	case APIC_SELF_IPI:
		if ((value & ~0xffull) != 0)
			return -1;
		if (value < 16)
			vlapic_error(lapic, ESR_SEND_ILLEGAL);
		else
			vlapic_post(lapic, (uint32_t)value, false);
		return 0;
	}
	if ((value & ~(uint64_t)msr_writable(offset)) != 0)
		return -1;
	return register_write(lapic, offset, (uint32_t)value) ? 0 : -1;
}

/* MSR 0x1b. SDM vol. 3, "x2APIC State Transitions": of the four states of (EN, EXTD) one is invalid, and some ways between the others are. */
int vlapic_base_write(struct vlapic *lapic, uint64_t value, uint32_t physical_bits, bool x2apic_offered)
{
	const uint64_t mode = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t address = ((1ull << physical_bits) - 1) & ~0xfffull;
	uint64_t legal = address | APIC_BASE_BSP | APIC_BASE_ENABLE | (x2apic_offered ? APIC_BASE_X2APIC : 0);
	uint64_t from = lapic->base & mode, to = value & mode;
	if ((value & ~legal) != 0 || to == APIC_BASE_X2APIC)
		return -1;
	if (from != to && ((from == mode && to == APIC_BASE_ENABLE) || (from == 0 && to == mode)))
		return -1;
	/* BSP is the hardware's: written or not, it says what this processor is. */
	value = (value & ~APIC_BASE_BSP) | (lapic->base & APIC_BASE_BSP);
	lapic->base = value;
	if (from != to && to == 0)
		vlapic_reset(lapic);
	if (from != to && to == mode) {
		lapic->icr_high = 0;
		lapic->dfr = 0xffffffff;
	}
	vlapic_notify(lapic);
	return 0;
}
