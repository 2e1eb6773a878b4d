/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic.h: the local APIC of a guest's processor, xAPIC and x2APIC, as SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)", and
 * APM vol. 2, "Advanced Programmable Interrupt Controller", have it. Plain code without a privileged instruction: tests build it on Linux.
 *
 * The registers lie in a page of the hardware's own layout (SDM vol. 3, "Virtual APIC State"; APM vol. 2, "Advanced Virtual Interrupt Controller"), so
 * that a processor that can virtualize a local APIC takes that page as it is. What follows from others is kept with every change: PPR in the page, and
 * the guest interrupt status beside it.
 *
 * Who may touch what: the thread that runs the vCPU owns all of it, and the processor while it runs the guest. Others only post: into posted, level,
 * posted_words and signals, by atomic operations, and call vlapic_notify(); the owner takes that into the page by vlapic_merge().
 * Leaves out: the thermal sensor and performance counters (their LVT entries are there and never fire), the extended space of AMD, SMI.
 */
#ifndef CORE_VIRT_VLAPIC_H
#define CORE_VIRT_VLAPIC_H

#include "core/x86/lapic.h"
#include <stdbool.h>

struct gyre_vcpu_state;

/* Six entries of the LVT (number of the last in 23:16), an integrated APIC, no suppression of EOI broadcasts. */
#define APIC_VERSION_VALUE 0x00050014u

#define APIC_LVT_LEVEL	   0x8000u
#define APIC_LVT_REMOTE	   0x4000u
#define APIC_LVT_MODE(l)   ((l) >> 8 & 7)
#define APIC_TIMER_MODE(l) ((l) >> 17 & 3)

enum apic_timer_mode { APIC_TIMER_ONE_SHOT, APIC_TIMER_PERIODIC, APIC_TIMER_DEADLINE, APIC_TIMER_RESERVED };
enum apic_delivery { APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_RESERVED, APIC_NMI, APIC_INIT, APIC_STARTUP, APIC_EXTINT };

/* MSR 0x1b */
#define APIC_BASE_BSP	  0x100ull
#define APIC_BASE_DEFAULT 0xfee00000ull

/* signals: what is not a vector. */
#define VLAPIC_SIGNAL_NMI  0x1u
#define VLAPIC_SIGNAL_INIT 0x2u
#define VLAPIC_SIGNAL_SIPI 0x4u

#define VLAPIC_BUS_MAX	 64
#define VLAPIC_TSC_NEVER UINT64_MAX
/* The shortest period of a periodic timer: a guest can't make the host do nothing but its ticks. */
#define VLAPIC_PERIOD_US 50

struct vlapic;

/* All local APICs of a VM. Members come and go only while none of them runs. */
struct vlapic_bus {
	uint32_t count;
	uint32_t rotate; /* where the search for the lowest priority begins among equals */
	struct vlapic *member[VLAPIC_BUS_MAX];
};

struct vlapic {
	/* Posted by anyone. */
	uint32_t posted[8];    /* vectors */
	uint32_t level[8];     /* those of them that are a level's */
	uint32_t posted_words; /* bit n: posted[n] may have a bit set */
	uint32_t signals;
	uint32_t sipi_vector;
	/* Its own thread's. */
	void *page;	   /* the registers: VREG() */
	uint32_t rvi, svi; /* guest interrupt status: the highest vector in IRR, and in ISR; 0: none */
	bool delivers;	   /* the processor itself takes what IRR has, and ends it */
	uint64_t base;	   /* MSR 0x1b */
	uint32_t id;	   /* all 32 bits, as x2APIC has it; fixed for its life */
	uint32_t esr_pending;
	uint32_t lint0_line;
	uint32_t eoi_vector; /* of a level-triggered interrupt whose EOI the monitor is to hear of, or 0 */
	/* The timer. */
	uint64_t timer_start;	 /* host TSC when the present count began, one-shot and periodic */
	uint64_t timer_deadline; /* in the guest's TSC; 0: none, or another mode */
	bool timer_armed;
	uint32_t timer_khz, tsc_khz; /* of the undivided timer, and of the host's TSC */
	uint64_t tsc_offset;	     /* guest TSC = host TSC + offset */
	struct vlapic_bus *bus;
};

/* A register, by its offset. In x2APIC mode the ICR's upper half is at both places that the two modes have for it. */
#define VREG(lapic, offset) (*(uint32_t *)((lapic)->page + (offset)))

/* Registers that there are, one bit for each 16 bytes: those that both modes can read and write; by MSR alone; in the page alone. */
#define VLAPIC_READABLE	     0x43fd01ffffffa50cull
#define VLAPIC_READABLE_PAGE 0x0002000000005200ull
#define VLAPIC_WRITABLE	     0x41fd010000008900ull
#define VLAPIC_WRITABLE_MSR  0x8000000000000000ull
#define VLAPIC_WRITABLE_PAGE 0x0002000000006000ull
extern const uint32_t vlapic_holds[64]; /* the bits that a register keeps of what is written, by offset / 16 */

/* ---- what its surroundings give: core/virt/vcpu.c, or a test ---- */
void vlapic_notify(struct vlapic *lapic);			/* something was posted: look before the next entry */
void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc); /* VLAPIC_TSC_NEVER: not at all */
uint64_t vlapic_host_tsc(void);

/* ---- life: vlapic.c ---- */
void vlapic_init(struct vlapic *lapic, void *page, struct vlapic_bus *bus, uint32_t id, bool bsp);
void vlapic_reset(struct vlapic *lapic);    /* by INIT: id and base stay */
void vlapic_identity(struct vlapic *lapic); /* what the registers tell of it in the mode that base says */

/* ---- registers: vlapic_regs.c. 0, or -1 where the processor raises #GP ---- */
uint32_t vlapic_mmio_read(struct vlapic *lapic, uint32_t offset);
void vlapic_mmio_write(struct vlapic *lapic, uint32_t offset, uint32_t value);
int vlapic_msr_read(struct vlapic *lapic, uint32_t index, uint64_t *value);
int vlapic_msr_write(struct vlapic *lapic, uint32_t index, uint64_t value);
bool vlapic_base_legal(uint64_t base, uint32_t physical_bits, bool x2apic);
int vlapic_base_write(struct vlapic *lapic, uint64_t value, uint32_t physical_bits, bool x2apic_offered);
void vlapic_tpr_set(struct vlapic *lapic, uint32_t tpr);
void vlapic_eoi(struct vlapic *lapic);
void vlapic_ended(struct vlapic *lapic, uint32_t vector); /* is in service no more */
void vlapic_error(struct vlapic *lapic, uint32_t bit);

/* ---- messages: vlapic_bus.c ---- */
/* An interrupt arrives. False: not accepted (disabled, or an illegal vector). */
bool vlapic_post(struct vlapic *lapic, uint32_t vector, bool level);
void vlapic_signal(struct vlapic *lapic, uint32_t signal);
/* What others posted, into IRR and TMR; and what follows from the page, which the processor may have changed while it ran the guest. */
void vlapic_merge(struct vlapic *lapic);
/* Sends what an ICR says: its lower half, and in its upper half who is meant. */
void vlapic_ipi(struct vlapic *from, uint32_t icr, uint32_t destination);
void vlapic_self_ipi(struct vlapic *lapic, uint32_t vector);
/* SDM vol. 3, "Message Signalled Interrupts". 0; -GYRE_EINVAL: not such an address; -GYRE_ENOENT: nobody takes it. */
int vlapic_bus_message(struct vlapic_bus *bus, uint64_t address, uint32_t data);
void vlapic_lint0(struct vlapic *lapic, uint32_t level);

/* ---- timer: vlapic_timer.c ---- */
void vlapic_timer_start(struct vlapic *lapic); /* the count, or what it depends on, was written */
void vlapic_timer_stop(struct vlapic *lapic);
void vlapic_timer_resume(struct vlapic *lapic, uint64_t left);
uint32_t vlapic_timer_divisor(const struct vlapic *lapic);
uint32_t vlapic_timer_count(const struct vlapic *lapic);
void vlapic_timer_mode_changed(struct vlapic *lapic, uint32_t old_lvt);
void vlapic_deadline_write(struct vlapic *lapic, uint64_t guest_tsc);
void vlapic_timer_fired(struct vlapic *lapic); /* the host's timer came: maybe early, maybe stale */
void vlapic_tsc_changed(struct vlapic *lapic, uint64_t offset);

/* ---- saved form: vlapic_state.c ---- */
void vlapic_state_get(struct vlapic *lapic, struct gyre_vcpu_state *state);
int vlapic_state_check(const struct vlapic *lapic, const struct gyre_vcpu_state *state, uint32_t physical_bits);
void vlapic_state_set(struct vlapic *lapic, const struct gyre_vcpu_state *state);

static inline bool vlapic_x2apic(const struct vlapic *lapic)
{
	return (lapic->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
}

static inline bool vlapic_hardware_enabled(const struct vlapic *lapic)
{
	return (lapic->base & APIC_BASE_ENABLE) != 0;
}

static inline bool vlapic_accepts(const struct vlapic *lapic)
{
	return vlapic_hardware_enabled(lapic) && (VREG(lapic, APIC_SVR) & APIC_SVR_ENABLE) != 0;
}

/* The word of a set (APIC_IRR, APIC_ISR or APIC_TMR) that has the vector's bit. */
static inline uint32_t *vlapic_word(const struct vlapic *lapic, uint32_t set, uint32_t vector)
{
	return &VREG(lapic, set + vector / 32 * 16);
}

/* The highest vector in a set; 0: none. Mostly there is none. */
static inline uint32_t vlapic_highest(const struct vlapic *lapic, uint32_t set)
{
	const uint32_t *words = &VREG(lapic, set);
	uint32_t n = 28;
	if ((words[0] | words[4] | words[8] | words[12] | words[16] | words[20] | words[24] | words[28]) == 0)
		return 0;
	while (words[n] == 0)
		n -= 4;
	return n * 8 + 31 - (uint32_t)__builtin_clz(words[n]);
}

/* The processor priority follows from the task priority and what is in service: SDM vol. 3, "Task and Processor Priorities". */
static inline void vlapic_priority(struct vlapic *lapic)
{
	uint32_t tpr = VREG(lapic, APIC_TPR), service = lapic->svi & 0xf0;
	VREG(lapic, APIC_PPR) = (tpr & 0xf0) >= service ? tpr : service;
}

/* Whether any interrupt is requested, deliverable or not. */
static inline bool vlapic_requests(const struct vlapic *lapic)
{
	return (__atomic_load_n(&lapic->posted_words, __ATOMIC_ACQUIRE) | lapic->rvi) != 0;
}

/* The vector to deliver now, if the processor takes interrupts; -1: none. */
static inline int vlapic_deliverable(struct vlapic *lapic)
{
	if (__atomic_load_n(&lapic->posted_words, __ATOMIC_ACQUIRE) != 0)
		vlapic_merge(lapic);
	return (lapic->rvi & 0xf0) > (VREG(lapic, APIC_PPR) & 0xf0) ? (int)lapic->rvi : -1;
}

/* Requested, and held back by the task priority alone: its vector; -1: none. A lower TPR would let it in. */
static inline int vlapic_held_by_tpr(struct vlapic *lapic)
{
	return vlapic_deliverable(lapic) < 0 && (lapic->rvi & 0xf0) > (lapic->svi & 0xf0) ? (int)lapic->rvi : -1;
}

/* The processor takes what vlapic_deliverable() gave: from IRR to ISR. */
static inline void vlapic_accept(struct vlapic *lapic, uint32_t vector)
{
	uint32_t bit = 1u << vector % 32;
	*vlapic_word(lapic, APIC_IRR, vector) &= ~bit;
	*vlapic_word(lapic, APIC_ISR, vector) |= bit;
	lapic->rvi = vlapic_highest(lapic, APIC_IRR);
	lapic->svi = vector;
	VREG(lapic, APIC_PPR) = vector & 0xf0;
}

/* Whether the line of the PICs reaches the processor: through LINT0 as ExtINT, or past a disabled local APIC. */
static inline bool vlapic_takes_extint(const struct vlapic *lapic)
{
	uint32_t lvt = VREG(lapic, APIC_LVT_LINT0);
	return !vlapic_hardware_enabled(lapic) || ((lvt & APIC_LVT_MASKED) == 0 && APIC_LVT_MODE(lvt) == APIC_EXTINT);
}

#endif
