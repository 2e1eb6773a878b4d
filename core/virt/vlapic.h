/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic.h: the local APIC of a guest's processor, xAPIC and x2APIC, as SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)", and
 * APM vol. 2, "Advanced Programmable Interrupt Controller", have it. Plain code without a privileged instruction: tests build it on Linux.
 *
 * Who may touch what: the thread that runs the vCPU owns all of it. Other CPUs only post: into irr, irr_words, tmr and signals, by atomic operations,
 * and call vlapic_notify().
 * Leaves out: the thermal sensor and performance counters (their LVT entries are there and never fire), the extended space of AMD, SMI.
 */
#ifndef CORE_VIRT_VLAPIC_H
#define CORE_VIRT_VLAPIC_H

#include <stdbool.h>
#include <stdint.h>

struct gyre_vcpu_state;

/* Offsets in the xAPIC page; as an MSR, 0x800 + offset / 16. */
enum vlapic_offset {
	APIC_ID = 0x020,
	APIC_VERSION = 0x030,
	APIC_TPR = 0x080,
	APIC_APR = 0x090,
	APIC_PPR = 0x0a0,
	APIC_EOI = 0x0b0,
	APIC_RRD = 0x0c0,
	APIC_LDR = 0x0d0,
	APIC_DFR = 0x0e0,
	APIC_SVR = 0x0f0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PERFORMANCE = 0x340,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

/* Six entries of the LVT (number of the last in 23:16), an integrated APIC, no suppression of EOI broadcasts. */
#define APIC_VERSION_VALUE 0x00050014u

#define APIC_SVR_ENABLE	   0x100u
#define APIC_LVT_MASKED	   0x10000u
#define APIC_LVT_LEVEL	   0x8000u
#define APIC_LVT_REMOTE	   0x4000u
#define APIC_LVT_MODE(l)   ((l) >> 8 & 7)
#define APIC_TIMER_MODE(l) ((l) >> 17 & 3)

enum apic_timer_mode { APIC_TIMER_ONE_SHOT, APIC_TIMER_PERIODIC, APIC_TIMER_DEADLINE, APIC_TIMER_RESERVED };
enum apic_delivery {
	APIC_FIXED,
	APIC_LOWEST,
	APIC_SMI,
	APIC_DELIVERY_RESERVED,
	APIC_NMI,
	APIC_INIT,
	APIC_STARTUP,
	APIC_EXTINT,
};

/* MSR 0x1b */
#define APIC_BASE_BSP	  0x100ull
#define APIC_BASE_X2APIC  0x400ull
#define APIC_BASE_ENABLE  0x800ull
#define APIC_BASE_ADDRESS 0xffffff000ull
#define APIC_BASE_DEFAULT 0xfee00000ull

/* signals: what is not a vector. */
#define VLAPIC_SIGNAL_NMI  0x1u
#define VLAPIC_SIGNAL_INIT 0x2u
#define VLAPIC_SIGNAL_SIPI 0x4u

#define VLAPIC_LVTS	 6
#define VLAPIC_BUS_MAX	 64
#define VLAPIC_TSC_NEVER UINT64_MAX
#define VLAPIC_PERIOD_US                                                                                               \
	50 /* the shortest period of a periodic timer: a guest can't make the host do nothing but its ticks */

struct vlapic;

/* All local APICs of a VM. Members come and go only while none of them runs. */
struct vlapic_bus {
	uint32_t count;
	uint32_t rotate; /* where the search for the lowest priority begins among equals */
	struct vlapic *member[VLAPIC_BUS_MAX];
};

struct vlapic {
	/* Posted by anyone. */
	uint32_t irr[8];
	uint32_t tmr[8];
	uint32_t irr_words; /* bit n: irr[n] may have a bit set */
	uint32_t signals;
	uint32_t sipi_vector;
	/* Its own thread's. */
	uint32_t isr_words;
	uint32_t isr[8];
	uint64_t base; /* MSR 0x1b */
	uint32_t id;   /* all 32 bits, as x2APIC has it; fixed for its life */
	uint32_t tpr;
	uint32_t ldr, dfr, svr; /* ldr: the xAPIC one */
	uint32_t esr, esr_pending;
	uint32_t icr, icr_high;
	uint32_t lvt[VLAPIC_LVTS];
	uint32_t lint0_line;
	uint32_t eoi_vector; /* of a level-triggered interrupt whose EOI the monitor is to hear of, or 0 */
	/* The timer. */
	uint32_t timer_initial, timer_divide; /* the divide configuration register */
	uint64_t timer_start;		      /* host TSC when the present count began, one-shot and periodic */
	uint64_t timer_deadline;	      /* in the guest's TSC, TSC-deadline mode; 0: none */
	bool timer_armed;
	uint32_t timer_khz, tsc_khz; /* of the undivided timer, and of the host's TSC */
	uint64_t tsc_offset;	     /* guest TSC = host TSC + offset */
	struct vlapic_bus *bus;
};

/* ---- what its surroundings give: core/virt/vcpu.c, or a test ---- */
void vlapic_notify(struct vlapic *lapic);			/* something was posted: look before the next entry */
void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc); /* VLAPIC_TSC_NEVER: not at all */
uint64_t vlapic_host_tsc(void);

/* ---- life: lapic.c ---- */
void vlapic_init(struct vlapic *lapic, struct vlapic_bus *bus, uint32_t id, bool bsp);
void vlapic_reset(struct vlapic *lapic); /* by INIT: id and base stay */

/* ---- registers: vlapic_regs.c. 0, or -1 where the processor raises #GP ---- */
uint32_t vlapic_mmio_read(struct vlapic *lapic, uint32_t offset);
void vlapic_mmio_write(struct vlapic *lapic, uint32_t offset, uint32_t value);
int vlapic_msr_read(struct vlapic *lapic, uint32_t index, uint64_t *value);
int vlapic_msr_write(struct vlapic *lapic, uint32_t index, uint64_t value);
int vlapic_base_write(struct vlapic *lapic, uint64_t value, uint32_t physical_bits, bool x2apic_offered);
void vlapic_eoi(struct vlapic *lapic);
void vlapic_error(struct vlapic *lapic, uint32_t bit);

/* ---- messages: vlapic_bus.c ---- */
/* An interrupt arrives. False: not accepted (disabled, or an illegal vector). */
bool vlapic_post(struct vlapic *lapic, uint32_t vector, bool level);
void vlapic_signal(struct vlapic *lapic, uint32_t signal);
/* Sends what the ICR says. */
void vlapic_ipi(struct vlapic *from, uint32_t icr, uint32_t destination);
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
uint64_t vlapic_deadline_read(const struct vlapic *lapic);
void vlapic_timer_fired(struct vlapic *lapic); /* the host's timer came: maybe early, maybe stale */
void vlapic_tsc_changed(struct vlapic *lapic, uint64_t offset);

/* ---- saved form: vlapic_state.c ---- */
void vlapic_registers(const struct vlapic *lapic, uint32_t page[64]);
void vlapic_state_get(const struct vlapic *lapic, struct gyre_vcpu_state *state);
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
	return vlapic_hardware_enabled(lapic) && (lapic->svr & APIC_SVR_ENABLE) != 0;
}

/* The highest vector in a set whose summary says which words to look at; -1: none. `words` may name an empty word (irr_words). */
static inline int vlapic_highest(const uint32_t set[8], uint32_t words)
{
	while (words != 0) {
		uint32_t n = 31 - (uint32_t)__builtin_clz(words);
		uint32_t word = __atomic_load_n(&set[n], __ATOMIC_RELAXED);
		if (word != 0)
			return (int)(n * 32 + 31 - (uint32_t)__builtin_clz(word));
		words &= ~(1u << n);
	}
	return -1;
}

/* The processor priority: SDM vol. 3, "Task and Processor Priorities". */
static inline uint32_t vlapic_ppr(const struct vlapic *lapic)
{
	int in_service = vlapic_highest(lapic->isr, lapic->isr_words);
	uint32_t isrv = in_service < 0 ? 0 : (uint32_t)in_service & 0xf0;
	return (lapic->tpr & 0xf0) >= isrv ? lapic->tpr : isrv;
}

/* The vector to deliver now, if the processor takes interrupts; -1: none. */
static inline int vlapic_deliverable(const struct vlapic *lapic)
{
	uint32_t words = __atomic_load_n(&lapic->irr_words, __ATOMIC_ACQUIRE);
	int vector = words == 0 ? -1 : vlapic_highest(lapic->irr, words);
	if (vector < 0 || ((uint32_t)vector & 0xf0) <= (vlapic_ppr(lapic) & 0xf0))
		return -1;
	return vector;
}

/* Requested, and held back by the task priority alone: its vector; -1: none. A lower TPR would let it in. */
static inline int vlapic_held_by_tpr(const struct vlapic *lapic)
{
	int vector = vlapic_highest(lapic->irr, __atomic_load_n(&lapic->irr_words, __ATOMIC_ACQUIRE));
	int in_service = vlapic_highest(lapic->isr, lapic->isr_words);
	if (vector < 0 || (in_service >= 0 && (vector & 0xf0) <= (in_service & 0xf0)))
		return -1;
	return ((uint32_t)vector & 0xf0) <= (lapic->tpr & 0xf0) ? vector : -1;
}

/* The processor takes what vlapic_deliverable() gave: from IRR to ISR. */
static inline void vlapic_accept(struct vlapic *lapic, uint32_t vector)
{
	uint32_t n = vector / 32, bit = 1u << vector % 32;
	if (__atomic_and_fetch(&lapic->irr[n], ~bit, __ATOMIC_SEQ_CST) == 0) {
		__atomic_fetch_and(&lapic->irr_words, ~(1u << n), __ATOMIC_SEQ_CST);
		/* A poster sets its bit first and the summary second: if it came between, the word is not empty. */
		if (__atomic_load_n(&lapic->irr[n], __ATOMIC_SEQ_CST) != 0)
			__atomic_fetch_or(&lapic->irr_words, 1u << n, __ATOMIC_SEQ_CST);
	}
	lapic->isr[n] |= bit;
	lapic->isr_words |= 1u << n;
}

/* Whether the line of the PICs reaches the processor: through LINT0 as ExtINT, or past a disabled local APIC. */
static inline bool vlapic_takes_extint(const struct vlapic *lapic)
{
	uint32_t lvt = lapic->lvt[3];
	return !vlapic_hardware_enabled(lapic) || ((lvt & APIC_LVT_MASKED) == 0 && APIC_LVT_MODE(lvt) == APIC_EXTINT);
}

#endif
