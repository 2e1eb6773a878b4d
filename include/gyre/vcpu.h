/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/vcpu.h: the vendor-neutral virtual processor as a monitor sees it: the shared run page, exit kinds, state groups,
 * CPUID table and exit policy. Used by the core, by native and hosted monitors, and by the saved form of a vCPU.
 *
 * Contract       At an exit the instruction has had no effect, except for the kinds marked trap-like, which can be made again from the
 *                state. So a vCPU can be saved at every exit. The monitor writes results into gpr[], RIP and the entry fields,
 *                and calls vcpu_run again.
 * Trust          The core fetches each field once per entry and checks it; the page may change at any time under it.
 */
#ifndef GYRE_VCPU_H
#define GYRE_VCPU_H

#include <stddef.h>
#include <stdint.h>

#define GYRE_VCPU_ABI 1u
#define GYRE_VCPU_PAGES                                                                                                \
	6u /* what vcpu_create maps: run page, state page, FPU page, APIC and counters page (read-only), 2 trace pages */

#define GYRE_VCPU_PAGE_RUN	0
#define GYRE_VCPU_PAGE_STATE	1
#define GYRE_VCPU_PAGE_FPU	2
#define GYRE_VCPU_PAGE_COUNTERS 3 /* struct gyre_vcpu_counters, read-only */
#define GYRE_VCPU_PAGE_TRACE	4 /* GYRE_VCPU_TRACE_PAGES pages, read-only; see trace.h */
#define GYRE_VCPU_TRACE_PAGES	2

/* General registers in the order of their encoding (APM vol. 3, "ModRM and SIB Byte Format"). */
enum gyre_gpr {
	GYRE_RAX,
	GYRE_RCX,
	GYRE_RDX,
	GYRE_RBX,
	GYRE_RSP,
	GYRE_RBP,
	GYRE_RSI,
	GYRE_RDI,
	GYRE_R8,
	GYRE_R9,
	GYRE_R10,
	GYRE_R11,
	GYRE_R12,
	GYRE_R13,
	GYRE_R14,
	GYRE_R15,
	GYRE_GPRS
};

/*
 * Exit kinds: X(name, number). What vcpu_run returns, what the counters and the trace are indexed by. Kinds up to 31 return to the monitor
 * ("detail" is struct gyre_vcpu_page.detail, d0 to d3); kinds from 32 are answered in the core and only counted and traced.
 *   IO            d0 = port << 16 | GYRE_IO_ flags and size (other bits: undefined), d2 = RIP of the next instruction (always known). Data in RAX.
 *                 For string instructions (GYRE_IO_STRING) the monitor's emulator does it whole. Without GYRE_IO_STRING only gpr[], rip, rflags,
 *                 event and interruptibility of the page are filled in: d1, instruction_length, mode, cs_base, cr0 to cr4 and insn are what an
 *                 earlier exit left.
 *   MEMORY        missing or read-only guest-physical memory. d0 = gpa, d1 = GYRE_ACCESS_ flags; d2 = guest linear address where GYRE_ACCESS_LINEAR;
 *                 instruction bytes in insn[] if insn_bytes > 0
 *   MSR           an MSR that the core does not answer. d0 = 0 read, 1 write; d1 = index; d2 = value for a write (also in EDX:EAX)
 *   HYPERCALL     a hypercall the core does not know. Number in RAX.
 *   UNDEFINED     #UD in the guest, to be emulated or injected by the monitor
 *   CONTROL       MOV to or from CR0, CR4, CR8, XSETBV, LMSW, CLTS, MOV DR or such, where policy needs a look: emulate it. d0 = GYRE_CONTROL_ kind
 *   INSTRUCTION   an intercepted instruction without data of its own (INVD, WBINVD, MONITOR, MWAIT, SKINIT, RSM, VMRUN ... , RDPMC, RDTSC when
 *                 exiting is asked, INVLPGA): d0 = GYRE_INSTRUCTION_ number
 *   TASK_SWITCH   d0 = selector, d1 = GYRE_TASK_ source | error code valid << 8, d2 = error code
 *   EXTINT        the guest can take the interrupt of the line (page.extint_line): the monitor supplies the vector by GYRE_ENTRY_EXTINT
 *   EOI           trap-like: EOI of a level-triggered vector. d0 = vector
 *   APIC          trap-like: a local APIC register was written by x2APIC MSR whose effect needs the monitor. d0 = register, d1 = value
 *   INIT, SIPI    trap-like: this vCPU is asked to. INIT: its local APIC is reset already, and its activity is "waiting for SIPI" (running, for the
 *                 bootstrap processor); the monitor sets the other groups. SIPI: d0 = vector; the monitor sets CS, RIP and activity 0.
 *   TRIPLE_FAULT  the guest shut down
 *   KICK          vcpu_kick, the bound event, or the end of GYRE_ENTRY_SINGLE
 *   LOG_FULL      trap-like: the trace ring is full
 *   DEBUG         #DB or #BP that the policy sends to the monitor. d0 = vector, d1 = DR6 bits. With #BP, INT n may come as vector 3, too: the bytes at
 *                 RIP say what it is
 *   MACHINE_CHECK the machine reported a fault that belongs to this guest
 *   FAILED        entry is not possible with this state. d0 = hardware's code, d1 = GYRE_FAILED_ reason; the log has it in words
 *   HALT          trap-like: the guest has halted (RIP is behind HLT, activity 1) with interrupts off, so that nothing can wake it but an NMI, INIT or
 *                 kick; or the policy asks for it. Else HLT waits in the core. The next vcpu_run waits there, too.
 */
#define GYRE_EXITS(X)                                                                                                  \
	X(NONE, 0)                                                                                                     \
	X(IO, 1)                                                                                                       \
	X(MEMORY, 2)                                                                                                   \
	X(MSR, 3)                                                                                                      \
	X(HYPERCALL, 4)                                                                                                \
	X(UNDEFINED, 5)                                                                                                \
	X(CONTROL, 6)                                                                                                  \
	X(INSTRUCTION, 7)                                                                                              \
	X(TASK_SWITCH, 8)                                                                                              \
	X(EXTINT, 9)                                                                                                   \
	X(EOI, 10)                                                                                                     \
	X(APIC, 11)                                                                                                    \
	X(INIT, 12)                                                                                                    \
	X(SIPI, 13)                                                                                                    \
	X(TRIPLE_FAULT, 14)                                                                                            \
	X(KICK, 15)                                                                                                    \
	X(LOG_FULL, 16)                                                                                                \
	X(DEBUG, 17)                                                                                                   \
	X(MACHINE_CHECK, 18)                                                                                           \
	X(FAILED, 19)                                                                                                  \
	X(HALT, 20)                                                                                                    \
	X(CORE_INTERRUPT, 32)                                                                                          \
	X(CORE_WINDOW, 33)                                                                                             \
	X(CORE_CPUID, 34)                                                                                              \
	X(CORE_MSR_READ, 35)                                                                                           \
	X(CORE_MSR_WRITE, 36)                                                                                          \
	X(CORE_HALT, 37)                                                                                               \
	X(CORE_HYPERCALL, 38)                                                                                          \
	X(CORE_DOORBELL, 39)                                                                                           \
	X(CORE_DIRTY, 40)                                                                                              \
	X(CORE_NMI, 41)                                                                                                \
	X(CORE_EXCEPTION, 42)                                                                                          \
	X(CORE_PAUSE, 43) X(CORE_EOI, 44) X(CORE_IPI, 45) X(CORE_TIMER, 46) X(CORE_REINJECT, 47) X(CORE_PREEMPT, 48)

#define GYRE_EXIT_ENUM(name, number) GYRE_EXIT_##name = number,
enum gyre_exit { GYRE_EXITS(GYRE_EXIT_ENUM) GYRE_EXIT_KINDS = 64 };

/* IO: d1 */
#define GYRE_IO_IN	 0x1u
#define GYRE_IO_STRING	 0x4u
#define GYRE_IO_REP	 0x8u
#define GYRE_IO_SIZE(d0) ((uint32_t)(d0) >> 4 & 7u) /* 1, 2, 4 */
#define GYRE_IO_PORT(d0) ((uint32_t)(d0) >> 16 & 0xffffu)

/* MEMORY: d1 */
#define GYRE_ACCESS_WRITE   0x1u
#define GYRE_ACCESS_EXECUTE 0x2u
#define GYRE_ACCESS_PRESENT 0x4u  /* a mapping is there, without the right */
#define GYRE_ACCESS_LINEAR  0x8u  /* d2 holds the linear address */
#define GYRE_ACCESS_WALK    0x10u /* the access was to a guest page table, during a walk */

/* CONTROL: d0 */
#define GYRE_CONTROL_CR(n)	(n) /* a write to CRn, or LMSW, CLTS (n = 0); the bytes say which */
#define GYRE_CONTROL_CR_READ(n) (0x10 | (n))
#define GYRE_CONTROL_DR		0x20
#define GYRE_CONTROL_XSETBV	0x30

/* INSTRUCTION: d0 */
enum gyre_instruction {
	GYRE_INSTRUCTION_INVD = 1,
	GYRE_INSTRUCTION_WBINVD,
	GYRE_INSTRUCTION_MONITOR,
	GYRE_INSTRUCTION_MWAIT,
	GYRE_INSTRUCTION_RDPMC,
	GYRE_INSTRUCTION_RDTSC,
	GYRE_INSTRUCTION_RDTSCP,
	GYRE_INSTRUCTION_INVLPG,
	GYRE_INSTRUCTION_INVLPGA,
	GYRE_INSTRUCTION_RSM,
	GYRE_INSTRUCTION_VIRTUALIZATION,
	GYRE_INSTRUCTION_SKINIT,
	GYRE_INSTRUCTION_RDPRU,
	GYRE_INSTRUCTION_INVPCID,
	GYRE_INSTRUCTION_DESCRIPTOR,
	GYRE_INSTRUCTION_IRET,
	/* Not an instruction: the core has done the one at RIP (it stands in the exit's place: CPUID, an MSR, HLT, a hypercall, a control register), but
	 * could not find out how long it is. The monitor decodes it, moves RIP past it and sets GYRE_ENTRY_COMPLETED, no more. */
	GYRE_INSTRUCTION_SKIP,
	GYRE_INSTRUCTION_FERR, /* an x87 error with CR0.NE clear: IRQ 13 */
};

/* TASK_SWITCH: d1 bits 1:0 */
#define GYRE_TASK_CALL 0
#define GYRE_TASK_IRET 1
#define GYRE_TASK_JUMP 2
#define GYRE_TASK_GATE 3

/* FAILED: d1 */
#define GYRE_FAILED_STATE 1 /* the guest's state breaks a rule of the processor */
#define GYRE_FAILED_CORE  2 /* what the core asked for: a fault of Gyre */

/* The mode word: what an emulator must know, without asking for state. */
#define GYRE_MODE_PE	    0x0001u /* CR0.PE */
#define GYRE_MODE_PG	    0x0002u
#define GYRE_MODE_WP	    0x0004u
#define GYRE_MODE_PAE	    0x0008u
#define GYRE_MODE_PSE	    0x0010u
#define GYRE_MODE_LMA	    0x0020u
#define GYRE_MODE_NXE	    0x0040u
#define GYRE_MODE_SMEP	    0x0080u
#define GYRE_MODE_SMAP	    0x0100u
#define GYRE_MODE_LA57	    0x0200u
#define GYRE_MODE_CS_L	    0x0400u
#define GYRE_MODE_CS_D	    0x0800u
#define GYRE_MODE_SS_D	    0x1000u
#define GYRE_MODE_UMIP	    0x2000u
#define GYRE_MODE_PKE	    0x4000u
#define GYRE_MODE_CPL_SHIFT 16 /* bits 17:16 */

/* An event for the guest: the form of struct gyre_vcpu_page.event and of what an exit interrupted. Error code in event_error. */
#define GYRE_EVENT_VECTOR(e)	  ((e)&0xffu)
#define GYRE_EVENT_TYPE(e)	  ((e) >> 8 & 7u)
#define GYRE_EVENT_INTERRUPT	  (0u << 8)
#define GYRE_EVENT_NMI		  (2u << 8)
#define GYRE_EVENT_EXCEPTION	  (3u << 8)
#define GYRE_EVENT_SOFTWARE	  (4u << 8)  /* INT n; event_length is the instruction's length */
#define GYRE_EVENT_PRIVILEGED	  (5u << 8)  /* INT1 */
#define GYRE_EVENT_SOFT_EXCEPTION (6u << 8)  /* INT3, INTO */
#define GYRE_EVENT_ERROR	  (1u << 11) /* an error code is pushed */
#define GYRE_EVENT_VALID	  (1u << 31)

/* What the monitor wants on entry: entry_flags. The core clears them when the entry has taken them. */
#define GYRE_ENTRY_COMPLETED                                                                                           \
	0x01u /* the monitor did the instruction: the interrupt shadow ends, a TF trap follows, RFLAGS.RF clears */
#define GYRE_ENTRY_EXTINT     0x02u /* answer to EXTINT: extint_vector is taken as external interrupt */
#define GYRE_ENTRY_APIC_WRITE 0x04u /* apic_register, apic_value: do it as the guest would (xAPIC MMIO) */
#define GYRE_ENTRY_APIC_READ  0x08u /* as a 32-bit load into gpr[apic_gpr], zero extended */
#define GYRE_ENTRY_SINGLE     0x10u /* return KICK after one instruction (best effort, for the debugger and for saving) */
#define GYRE_ENTRY_NO_RUN     0x20u /* do what else is asked, then return KICK without running the guest */

/* Interruptibility. */
#define GYRE_INTERRUPTIBILITY_STI 0x1u /* after STI or MOV SS (SVM does not tell them apart) */
#define GYRE_INTERRUPTIBILITY_NMI 0x2u /* NMIs are blocked until IRET */

struct gyre_vcpu_page {
	uint64_t gpr[GYRE_GPRS];
	uint64_t rip;
	uint64_t rflags;
	/* written by the core at an exit */
	uint32_t exit;		     /* enum gyre_exit, as vcpu_run returned it */
	uint32_t instruction_length; /* 0: unknown */
	uint64_t d0, d1, d2, d3;
	uint32_t mode; /* GYRE_MODE_ */
	uint32_t insn_bytes;
	uint8_t insn[16];
	uint64_t cs_base;
	uint64_t cr0, cr2, cr3, cr4; /* as they are; changed by state groups only, except cr2 with an injected #PF */
	/* both ways */
	union {
		struct {
			uint32_t interruptibility;
			/* GYRE_EVENT_: what the exit interrupted and will be delivered again; or what the monitor injects */
			uint32_t event;
		};
		uint64_t pending; /* the core looks at both at once */
	};
	uint32_t event_error;
	uint32_t event_length; /* for the software kinds */
	/* written by the monitor before an entry */
	union {
		struct {
			uint32_t entry_flags;
			uint32_t extint_line; /* level of the line of the PICs, read at every entry */
		};
		uint64_t wanted;
	};
	uint32_t extint_vector;
	uint32_t apic_register; /* byte offset in the xAPIC page */
	uint32_t apic_value;
	uint32_t apic_gpr;
	uint32_t abi; /* GYRE_VCPU_ABI, written by vcpu_create */
	uint32_t reserved;
};
_Static_assert(offsetof(struct gyre_vcpu_page, rip) == 128, "assembly uses it");
_Static_assert(sizeof(struct gyre_vcpu_page) <= 4096, "one page");

/* ---- state groups ---- */
#define GYRE_STATE_SEGMENTS 0x01u
#define GYRE_STATE_CONTROL  0x02u
#define GYRE_STATE_MSRS	    0x04u
#define GYRE_STATE_DEBUG    0x08u
#define GYRE_STATE_APIC	    0x10u
#define GYRE_STATE_FPU	    0x20u
#define GYRE_STATE_ACTIVITY 0x40u
#define GYRE_STATE_ALL	    0x7fu

/* attributes: bits 3:0 type, 4 S, 6:5 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G, 12 unusable (as a descriptor has them; not a vendor's form) */
#define GYRE_SEGMENT_UNUSABLE 0x1000u
struct gyre_segment {
	uint16_t selector, attributes;
	uint32_t limit; /* in bytes, expanded */
	uint64_t base;
};
enum gyre_segment_index { GYRE_ES, GYRE_CS, GYRE_SS, GYRE_DS, GYRE_FS, GYRE_GS, GYRE_LDTR, GYRE_TR, GYRE_SEGMENTS };

struct gyre_vcpu_state {
	/* GYRE_STATE_SEGMENTS */
	struct gyre_segment segment[GYRE_SEGMENTS];
	struct {
		uint64_t base;
		uint32_t limit, reserved;
	} gdtr, idtr;
	/* GYRE_STATE_CONTROL */
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0;
	uint64_t pdpte[4]; /* PAE paging's, where the hardware holds them; else as memory has them */
	/* GYRE_STATE_MSRS */
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, pat, tsc_aux,
		debugctl, spec_ctrl, xss;
	uint64_t tsc; /* the guest's TSC at the moment of the call */
	uint64_t tsc_adjust;
	uint64_t
		tsc_offset; /* of the guest's TSC from the host's: told exactly, and not taken (policy.tsc_offset is) */
	/* GYRE_STATE_DEBUG */
	uint64_t dr[4], dr6, dr7;
	/* GYRE_STATE_ACTIVITY */
	uint32_t activity; /* 0 running, 1 halted, 2 waiting for SIPI, 3 shut down */
	uint32_t nmi_pending;
	uint32_t
		signals; /* bits 2:0 NMI, INIT, SIPI (its vector in 15:8) that have come and are not taken yet; setting adds to those that are there */
	uint32_t kicked; /* KVM_HC_KICK_CPU came: a halt that comes now is none */
	/* GYRE_STATE_APIC */
	uint64_t apic_base;	  /* MSR 0x1b */
	uint64_t tsc_deadline;	  /* in the guest's TSC; 0 none */
	uint64_t apic_timer_left; /* in ticks of the undivided APIC timer, one-shot and periodic */
	uint32_t apic[64];	  /* the register page: apic[n] is the register at offset n * 16 */
	uint32_t apic_errors;	  /* since ESR was last written: what it will show */
	uint32_t apic_eoi;	  /* a level-triggered vector whose EOI is the next exit; 0: none */
	uint32_t apic_lint0;	  /* the line of the PICs, as the local APIC saw it last */
	uint32_t apic_reserved;
};
_Static_assert(sizeof(struct gyre_vcpu_state) <= 4096, "one page");

/*
 * ---- why an entry failed ----
 * With GYRE_EXIT_FAILED the core leaves the fields of the processor's control block behind the state, as the processor numbers them and as they were
 * when it refused. It judges nothing: the monitor does (monitor/machine/entry_check.c). Where there is nothing to read field by field, kind stays 0,
 * and the state groups say it all. The monitor sets kind to 0 when it has read it.
 * d0: the exit reason, with bit 31 where the entry began and failed; 0: it did not begin, and d2 is the processor's error number.
 */
#define GYRE_DUMP_OFFSET 1536u /* in the state page */
#define GYRE_DUMP_NONE	 0u
#define GYRE_DUMP_INTEL	 1u /* SDM vol. 3, appendix "Field Encoding in VMCS" */
#define GYRE_DUMP_MSRS                                                                                                 \
	18u /* limit[n] is MSR 0x480 + n, 0 where it does not exist: SDM vol. 3, "VMX Capability Reporting Facility" */
#define GYRE_DUMP_FIELDS 150u
struct gyre_dump_field {
	uint32_t field, reserved;
	uint64_t value;
};
struct gyre_dump {
	uint32_t kind, count;
	uint64_t limit[GYRE_DUMP_MSRS];
	struct gyre_dump_field field[GYRE_DUMP_FIELDS]; /* those that the processor has */
};
_Static_assert(sizeof(struct gyre_vcpu_state) <= GYRE_DUMP_OFFSET, "the dump lies behind the state");
_Static_assert(GYRE_DUMP_OFFSET + sizeof(struct gyre_dump) <= 4096, "one page");

/* GYRE_STATE_FPU: the FPU page, in the standard (not compacted) XSAVE form (APM vol. 2, "XSAVE/XRSTOR Instructions"). */

/* ---- CPUID table: what the guest sees ---- */
#define GYRE_CPUID_ENTRIES 128u
#define GYRE_CPUID_SUBLEAF 0x1u /* ECX selects: else the entry serves every ECX */
#define GYRE_CPUID_APIC_ID                                                                                             \
	0x2u /* the core puts the APIC id in: leaf 1 EBX[31:24], leaf 0xb/0x1f EDX, leaf 0x8000001e EAX */
#define GYRE_CPUID_OSXSAVE 0x4u /* leaf 1: ECX.OSXSAVE follows CR4; leaf 7: ECX.OSPKE follows CR4 */
#define GYRE_CPUID_XCR0	   0x8u /* leaf 0xd subleaf 0: EBX follows XCR0 */
struct gyre_cpuid_entry {
	uint32_t leaf, subleaf, flags;
	uint32_t eax, ebx, ecx, edx;
	uint32_t reserved;
};
/* Leaves beyond the table: the highest basic leaf's values for basic ones above it is Intel's way; Gyre answers zeros, as AMD does. Entries are
 * sorted by (leaf, subleaf) by whoever makes the table; the core refuses an unsorted one. */

/* ---- exit policy ---- */
#define GYRE_POLICY_RDTSC_EXIT	   0x01u /* RDTSC and RDTSCP exit (INSTRUCTION) */
#define GYRE_POLICY_EXCEPTION_EXIT 0x02u /* exceptions named in exception_bitmap exit as DEBUG */
#define GYRE_POLICY_KVM_HYPERCALLS 0x04u /* the core answers KVM's kick, IPI and yield */
#define GYRE_POLICY_HALT_EXIT	   0x08u /* HLT exits (HALT) instead of waiting in the core */
#define GYRE_POLICY_UNDEFINED_EXIT                                                                                     \
	0x10u /* #UD exits (UNDEFINED), but for a foreign hypercall; else the core injects it */

/* Where the monitor has guest RAM in its own address space: the core reads the guest's instructions there, where the processor does not give their
 * length, and nothing else. What is not there costs an exit to the monitor's decoder each time, no more. bytes 0: not used. Multiples of a page. */
#define GYRE_RAM_WINDOWS 8u
struct gyre_ram_window {
	uint64_t gpa, bytes, address;
};
struct gyre_vcpu_policy {
	uint32_t abi; /* GYRE_VCPU_ABI */
	uint32_t flags;
	uint64_t cr0_allowed, cr4_allowed, efer_allowed,
		xcr0_allowed; /* bits that the level has: setting another one is #GP */
	uint32_t exception_bitmap;
	uint32_t physical_bits;	 /* the level's width */
	uint32_t apic_timer_khz; /* rate of the undivided APIC timer; the core counts it by the TSC */
	uint32_t tsc_khz;	 /* the guest's; must be the host's unless the host can scale: -ENOTSUP */
	int64_t tsc_offset;	 /* guest TSC = host TSC + offset */
	/* Without GYRE_FEATURE_UNRESTRICTED: guest-physical address of a page of the guest's RAM whose 1,024 words map all of 32 bits onto themselves by
	 * 4 MiB pages (SDM vol. 3, "32-Bit Paging"): the tables of a guest that has no paging. 0 where there is no need. */
	uint64_t identity_table;
	uint64_t reserved[3]; /* 0 */
	struct gyre_ram_window ram[GYRE_RAM_WINDOWS];
};

/* ---- counters ---- */
struct gyre_vcpu_counters {
	uint64_t exits[GYRE_EXIT_KINDS];
	uint64_t guest_tsc_ticks; /* time in guest mode, host TSC ticks; 0 if not measured */
	uint64_t injected, reinjected;
	uint64_t tlb_flushes, asid_generations;
	uint64_t fpu_loads, fpu_saves;
	uint64_t hypercalls_foreign; /* under the other vendor's opcode */
	uint32_t apic[64]; /* the guest's local APIC registers as they are, for debuggers: timer count not computed */
};
_Static_assert(sizeof(struct gyre_vcpu_counters) <= 4096, "one page");

#endif
