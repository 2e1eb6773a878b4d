/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/cpu.h: all that belongs to one processor.
 *
 * Entry code that comes from ring 3 finds it by GS; everything else by cpu_current(), from the stack, since GS may hold a guest's value. Every stack
 * of the core is CPU_STACK_BYTES long, aligned to that, has a pointer to its processor in its last word and an unmapped page below.
 */
#ifndef CORE_X86_CPU_H
#define CORE_X86_CPU_H

#define CPU_STACK_SHIFT 14
#define CPU_STACK_BYTES (1 << CPU_STACK_SHIFT)
#define CPU_MAX		64

/* For entry.S */
#define CPU_REGS      0
#define CPU_STACK_TOP 8
#define CPU_USER_RSP  16
#define CPU_LENT      24

#ifndef __ASSEMBLER__
#include "core/sched/percpu.h"
#include "core/x86/address.h"
#include "core/x86/regs.h"
#include "core/x86/tss.h"

struct thread;
struct process;
struct vcpu;

/* For LGDT, LIDT, SIDT. */
struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct cpu_lent;

struct cpu {
	struct regs *regs;     /* of the current thread: set by cpu_set_regs() only */
	uint64_t stack_top;    /* where RSP starts on entry from ring 3 */
	uint64_t user_rsp;     /* holds RSP during the first instructions of a SYSCALL */
	struct cpu_lent *lent; /* who has the MSRs of SYSCALL; NULL: the core */
	uint32_t index;	       /* 0 is the boot processor */
	uint32_t apic_id;

	/* ---- core/sched: its own fields go here ---- */
	struct thread *thread;	 /* current: never NULL while ring 3 can run */
	struct process *process; /* whose page tables are loaded; NULL: the boot tables */
	uint32_t hazard;	 /* HAZARD_: tested before each return to a process and each entry of a guest */
	struct sched_cpu sched;
	/* ---- core/virt: its own fields go here ---- */
	struct vcpu *vcpu; /* whose state this processor holds, or NULL */
	void *fpu_owner;   /* vcpu or thread whose FPU state this processor holds; NULL: nobody's, and it is clean */
	/* ---- end of the fields of others ---- */

	bool tr_short;		     /* TR may have a limit that leaves out the I/O bitmap */
	uint64_t timer_deadline;     /* armed, in TSC ticks; UINT64_MAX: not armed */
	const uint8_t *ioports_held; /* which bitmap tss.ioports is a copy of */
	uint64_t gdt[8] __attribute__((aligned(16)));
	struct table_pointer gdt_pointer;
	struct tss tss __attribute__((aligned(16)));
};

_Static_assert(offsetof(struct cpu, regs) == CPU_REGS && offsetof(struct cpu, stack_top) == CPU_STACK_TOP &&
		       offsetof(struct cpu, user_rsp) == CPU_USER_RSP && offsetof(struct cpu, lent) == CPU_LENT,
	"core/x86/entry.S");

extern struct cpu boot_cpu;
extern struct cpu *cpus[CPU_MAX];
extern uint32_t cpu_count;

/* The processor that runs this, wherever GS points. */
#ifdef GYRE_UNIT_TEST
extern struct cpu *unit_cpu; /* a test's */
#endif
static inline struct cpu *cpu_current(void)
{
#ifdef GYRE_UNIT_TEST
	return unit_cpu;
#else
	uint64_t rsp;
	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)((rsp | (CPU_STACK_BYTES - 1)) - 7);
#endif
}

/* Makes a thread's registers the ones that the next return restores and the next entry fills. */
static inline void cpu_set_regs(struct cpu *cpu, struct regs *regs)
{
	cpu->regs = regs;
	cpu->tss.rsp[0] = (uint64_t)(regs + 1);
}

/* The boot processor, first of all: from here on a fault is a panic and no reset. The interrupt table is all processors'. */
void cpu_catch_faults(void);
/* Descriptor tables, control registers, SYSCALL, FPU and PAT set-up of the processor that runs this; the boot tables are loaded. */
void cpu_init(struct cpu *cpu, uint32_t index);

/*
 * The MSRs of SYSCALL, lent to a guest whose exits don't restore them (core/virt). They stay the guest's while its monitor runs, with EFER.SCE clear: a
 * SYSCALL is #UD then, and takes them back. A monitor calls by VECTOR_CALL instead. KERNEL_GS_BASE is the guest's alone while it has them.
 */
struct cpu_lent {
	uint64_t star, lstar, sfmask, kernel_gs_base;
};
void cpu_lend(struct cpu *cpu, struct cpu_lent *lent);
bool cpu_take_back(struct cpu *cpu); /* false: they were not lent */

#define CPU_CONTROL_ACCESSORS(name)                                                                                    \
	static inline uint64_t name##_read(void)                                                                       \
	{                                                                                                              \
		uint64_t value;                                                                                        \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                                 \
		return value;                                                                                          \
	}                                                                                                              \
	static inline void name##_write(uint64_t value)                                                                \
	{                                                                                                              \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                                        \
	}
CPU_CONTROL_ACCESSORS(cr0)
CPU_CONTROL_ACCESSORS(cr2)
CPU_CONTROL_ACCESSORS(cr3)
CPU_CONTROL_ACCESSORS(cr4)
CPU_CONTROL_ACCESSORS(dr6)
CPU_CONTROL_ACCESSORS(dr7)

static inline void cpu_ts_clear(void)
{
	__asm__ volatile("clts" : : : "memory");
}

static inline void cpu_ts_set(void)
{
	cr0_write(cr0_read() | CR0_TS);
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause");
}

static inline void tlb_flush_page(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t xcr_read(uint32_t index)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static inline void xcr_write(uint32_t index, uint64_t value)
{
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index) : "memory");
}

/*
 * After an exit that made GDTR's and TR's limits larger and smaller than they are: GDTR's is put right before ring 3 runs, TR's, which is that of the I/O
 * bitmap, when a process with ports misses it. SDM vol. 3, "Loading Host Segment and Descriptor-Table Registers".
 */
static inline __attribute__((always_inline)) void cpu_limits_back(struct cpu *cpu)
{
	cpu->tr_short = true;
	__asm__ volatile("lgdt %0" : : "m"(cpu->gdt_pointer));
}
bool cpu_ports_back(struct cpu *cpu); /* false: they were not missing */
#endif
#endif
