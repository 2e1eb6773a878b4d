/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/emu.h: the instruction decoder and emulator.
 *
 * A freestanding library: it executes one guest instruction at a time on a guest processor's state, reaching guest memory, ports
 * and what else it needs through callbacks. It uses no floating point, allocates nothing and keeps no state of the guest's between
 * two instructions, translations included. Everything it reads of the guest (instruction bytes, page tables, descriptors, operands)
 * is hostile and is read once.
 *
 * The promise of emu_step: either the instruction completed and the state is what a processor would have made of it, or the state of
 * the processor is unchanged and the result says why. Guest memory can differ in the second case only by accessed and dirty flags of
 * page tables, and, for an access that a device refused in the middle of a page-crossing write, by the part before it.
 */
#ifndef MONITOR_EMU_EMU_H
#define MONITOR_EMU_EMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emu;

enum emu_reg {
	EMU_RAX,
	EMU_RCX,
	EMU_RDX,
	EMU_RBX,
	EMU_RSP,
	EMU_RBP,
	EMU_RSI,
	EMU_RDI,
	EMU_R8, /* to R15 */
	EMU_REGS = 16,
};

/* In the order of the instruction set's numbers. */
enum emu_seg { EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_FS, EMU_GS, EMU_SEGS };

/*
 * Attributes are bits 47:40 of a descriptor in 7:0 and bits 55:52 in 11:8, the form of a VMCB: type 3:0, S 4, DPL 6:5, P 7, AVL 8,
 * L 9, D/B 10, G 11. A segment that cannot be used (null) has P clear. The limit is in bytes, whatever G says.
 */
struct emu_segment {
	uint16_t selector;
	uint16_t attributes;
	uint32_t limit;
	uint64_t base;
};

#define EMU_SEG_TYPE	  0x000fu
#define EMU_SEG_ACCESSED  0x0001u
#define EMU_SEG_WRITE	  0x0002u /* data: writable; code: readable */
#define EMU_SEG_EXPAND	  0x0004u /* data: expands down; code: conforming */
#define EMU_SEG_CODE	  0x0008u
#define EMU_SEG_S	  0x0010u
#define EMU_SEG_DPL_SHIFT 5
#define EMU_SEG_P	  0x0080u
#define EMU_SEG_L	  0x0200u
#define EMU_SEG_DB	  0x0400u
#define EMU_SEG_G	  0x0800u

/* How instructions are decoded, and whether segments are real-mode ones. */
enum emu_mode {
	EMU_MODE_REAL,	 /* CR0.PE clear: default size 16 */
	EMU_MODE_V86,	 /* RFLAGS.VM set: default size 16 */
	EMU_MODE_PROT16, /* protected or compatibility mode, CS.D clear */
	EMU_MODE_PROT32, /* protected or compatibility mode, CS.D set */
	EMU_MODE_LONG,	 /* 64-bit mode */
};

/* Groups of the state that a caller may leave out until they are asked for (struct emu_ops, state). */
#define EMU_STATE_CONTROL  1u /* cr0, cr3, cr4, efer, pkru */
#define EMU_STATE_SEGMENTS 2u /* seg[] */
#define EMU_STATE_TABLES   4u /* gdtr, idtr, ldtr, tr, cr2, cr8 */

struct emu_table {
	uint64_t base;
	uint16_t limit;
};

struct emu_cpu {
	uint64_t
		*gpr; /* 16 registers in the order of enum emu_reg, normally in the page that is shared with the core */
	uint64_t rip;
	uint64_t rflags;
	uint8_t mode; /* enum emu_mode: emu_mode_of() computes it from the rest */
	uint8_t cpl;
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru;
	struct emu_segment seg[EMU_SEGS];
	struct emu_segment ldtr, tr;
	struct emu_table gdtr, idtr;
	uint64_t cr2, cr8;
};

enum emu_result {
	EMU_DONE,      /* completed; of a REP instruction, at least one iteration */
	EMU_EXCEPTION, /* emu->exception is to be injected; nothing has changed */
	EMU_INTERRUPT, /* INT n, INT3, INTO, INT1: emu->exception is to be injected as what it is, with RIP + emu->insn->length */
	EMU_RETRY,	 /* another processor changed what was to be changed atomically: call again */
	EMU_UNSUPPORTED, /* a valid instruction for which there are no semantics here; nothing has changed */
	EMU_IO,		 /* a callback could not answer; nothing has changed */
	EMU_HALT,	 /* HLT completed */
	EMU_SHUTDOWN,	 /* no architectural way on */
};

struct emu_exception {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t address; /* for CR2, of vector 14 */
};

/* emu->events after EMU_DONE and EMU_HALT: what the caller owes the guest before its next instruction. */
#define EMU_EVENT_TRAP	     1u	 /* RFLAGS.TF was set: #DB with DR6.BS */
#define EMU_EVENT_SHADOW_STI 2u	 /* interrupts stay blocked for one instruction */
#define EMU_EVENT_SHADOW_SS  4u	 /* interrupts and debug traps stay blocked for one instruction */
#define EMU_EVENT_MODE	     8u	 /* control registers, EFER or CS changed: mode was computed anew */
#define EMU_EVENT_TLB	     16u /* INVLPG, a move to CR3 or the like: the caller's own translations are void */
#define EMU_EVENT_TASK	     32u /* of emu_task_switch: the task is the new one, also if an exception follows */
#define EMU_EVENT_TASK_TRAP  64u /* the new task's T flag is set: #DB with DR6.BT before its first instruction */

/* A piece of guest RAM that may be read directly. Writes always go through emu_ops.page, so that they can be logged. */
struct emu_window {
	uint8_t *host;
	uint64_t gpa;
	uint64_t size; /* a multiple of 4096, or 0 */
};

/*
 * What the emulator asks of its host. Each gets emu->context. Those that return a result return EMU_DONE, or EMU_IO, EMU_EXCEPTION
 * (emu->exception filled in) or EMU_UNSUPPORTED, which then becomes the result of the instruction. A pointer may be NULL where the
 * guest can have no use of it: the instruction is then unsupported.
 */
struct emu_ops {
	/* The 4096 bytes of guest RAM (for reads also ROM) at gpa, which is aligned; NULL if there is a device or nothing. */
	uint8_t *(*page)(void *context, uint64_t gpa, bool write);
	/* An access to what page() has not got, of 1 to 16 bytes (64 later), within one page. */
	enum emu_result (*mmio_read)(void *context, uint64_t gpa, unsigned size, void *data);
	enum emu_result (*mmio_write)(void *context, uint64_t gpa, unsigned size, const void *data);
	/* Ports, of 1, 2 or 4 bytes. Permission has been checked. */
	enum emu_result (*port_in)(void *context, uint16_t port, unsigned size, uint32_t *value);
	enum emu_result (*port_out)(void *context, uint16_t port, unsigned size, uint32_t value);
	/* A vector register, 16 bytes. Setting leaves the upper part of a wider one as it is. */
	enum emu_result (*xmm_get)(void *context, unsigned index, uint8_t data[16]);
	enum emu_result (*xmm_set)(void *context, unsigned index, const uint8_t data[16]);
	/* Fill in groups of emu->cpu that are in emu->missing. They are no longer missing afterwards. */
	enum emu_result (*state)(void *context, struct emu *emu, unsigned groups);
	/* Processor interfaces. CPL has been checked. A false return of rdmsr, wrmsr: #GP(0). */
	bool (*rdmsr)(void *context, uint32_t index, uint64_t *value);
	bool (*wrmsr)(void *context, uint32_t index, uint64_t value);
	void (*cpuid)(void *context, uint32_t eax, uint32_t ecx, uint32_t out[4]);
	uint64_t (*rdtsc)(void *context);
};

/* The longest legal instruction, and the room that the decoder may look at without a check at each byte. */
#define EMU_INSN_MAX  15
#define EMU_INSN_ROOM 40

#define EMU_NONE 0xff

struct emu_opcode;

/* An instruction, decoded. */
struct emu_insn {
	const struct emu_opcode *entry; /* the line of the table: monitor/emu/table.h */
	uint64_t imm;			/* sign-extended where the instruction says so; offset of MOV moffs */
	int32_t disp;
	uint32_t flags; /* of the entry and the groups above it */
	uint16_t imm2;	/* selector of a far pointer, second operand of ENTER */
	uint8_t op;	/* enum emu_op */
	uint8_t form;
	uint8_t length;
	uint8_t map; /* 0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A; others: by VEX, EVEX, XOP */
	uint8_t opcode;
	uint8_t size;	      /* of the operand in bytes: 1, 2, 4, 8 */
	uint8_t address_size; /* 2, 4, 8 */
	uint8_t prefixes;     /* EMU_PREFIX_ */
	uint8_t rex;	      /* the REX byte, or 0; with VEX its bits W, R, X, B in the same places */
	uint8_t segment;      /* of the memory operand, override considered */
	uint8_t modrm;
	uint8_t reg;		    /* with REX.R */
	uint8_t rm;		    /* register number with REX.B if mod is 3 */
	bool memory;		    /* there is a ModRM byte and mod is not 3 */
	uint8_t base, index, scale; /* of the memory operand; EMU_NONE; base EMU_BASE_RIP */
	uint8_t encoding;	    /* EMU_ENC_ */
	uint8_t vvvv;
	uint8_t vector_length; /* L of VEX, L'L of EVEX */
};

#define EMU_BASE_RIP 0x10

#define EMU_PREFIX_66	1u
#define EMU_PREFIX_F3	2u
#define EMU_PREFIX_F2	4u /* of F2 and F3 the last one counts */
#define EMU_PREFIX_LOCK 8u
#define EMU_PREFIX_67	16u
#define EMU_PREFIX_SEG	32u

enum emu_encoding { EMU_ENC_LEGACY, EMU_ENC_VEX, EMU_ENC_EVEX, EMU_ENC_XOP };

enum emu_decoded {
	EMU_DECODE_OK,	    /* also where there are no semantics */
	EMU_DECODE_INVALID, /* #UD */
	EMU_DECODE_LONG,    /* more than 15 bytes: #GP(0) */
	EMU_DECODE_MORE,    /* the bytes end within the instruction */
};

/* emu->config: what cannot be seen in the registers. */
#define EMU_CONFIG_INTEL 1u  /* near branches in 64-bit mode ignore prefix 66; else they take it, as AMD's do */
#define EMU_CONFIG_1G	 2u  /* 1 GiB pages exist */
#define EMU_CONFIG_BMI1	 4u  /* ANDN, BLSR, BLSMSK, BLSI, BEXTR, TZCNT */
#define EMU_CONFIG_BMI2	 8u  /* BZHI, PDEP, PEXT, MULX, RORX, SARX, SHLX, SHRX */
#define EMU_CONFIG_LZCNT 16u /* else F3 is ignored before BSR */
#define EMU_CONFIG_MOVBE 32u

/*
 * What makes repeated accesses cheap. A decoded instruction is found again by its bytes, all of them. A walk is found again by its
 * question, and holds only if each of its page-table entries, read again, is what it was: like a walk done anew, it cannot be stale.
 */
#define EMU_DECODED_SLOTS 16
#define EMU_WALK_SLOTS	  4

struct emu_decoded_slot {
	uint64_t code[2];
	struct emu_insn insn;
	uint8_t mode; /* EMU_NONE: empty */
};

struct emu_walk_slot {
	uint64_t key; /* linear page and access; 0: empty */
	uint64_t cr3, cr4, efer;
	uint64_t gpa; /* of the page */
	const uint64_t *entry[4];
	uint64_t value[4];
};

struct emu {
	struct emu_cpu cpu;
	unsigned missing; /* EMU_STATE_ groups that are not filled in yet */
	unsigned
		changed; /* EMU_STATE_ groups that the instruction changed: RIP, RFLAGS and gpr[] are always to be taken back */
	unsigned events;   /* EMU_EVENT_ */
	unsigned external; /* 1 during what the program did not ask for itself: bit 0 of #TS, #NP, #SS and #GP */
	struct emu_exception exception;
	unsigned batch; /* iterations of a REP instruction in one step, at least 1 */
	unsigned config;
	uint64_t cr4_allowed;	/* a move to CR4 may set these; emu_init has those of x86-64-v2 with SMEP, SMAP, UMIP */
	unsigned physical_bits; /* 32 to 52: bits above are reserved in page tables */
	const struct emu_ops *ops;
	void *context;
	struct emu_window window[2];
	const struct emu_insn *insn; /* the instruction of the last step: insn->length... */
	uint64_t next_rip;	     /* where the instruction leads, once it is complete */
	unsigned fetched;	     /* bytes in code[] */
	uint8_t code[EMU_INSN_ROOM];
	struct emu_insn decoded;
	struct emu_decoded_slot decoded_slots[EMU_DECODED_SLOTS];
	struct emu_walk_slot walk_slots[3][EMU_WALK_SLOTS]; /* reads, writes, fetches */
};

/* Everything zero but what has to have a value. The caller fills in cpu, ops, context, window. */
void emu_init(struct emu *emu);

/* To be called after a change of config, physical_bits or window. */
void emu_reconfigured(struct emu *emu);

/* cpu.mode from CR0, EFER, RFLAGS and CS. */
enum emu_mode emu_mode_of(const struct emu_cpu *cpu);

/* Decode and execute the instruction at CS:RIP. */
enum emu_result emu_step(struct emu *emu);

/* The same with the first bytes of the instruction given, as decode assists have them; what is missing at the end is fetched. */
enum emu_result emu_step_bytes(struct emu *emu, const uint8_t *bytes, unsigned count);

/*
 * Task switches: monitor/emu/task.c. The processor has found the selector of a new task and checked who may go there; nothing has changed.
 * EMU_DONE, or EMU_EXCEPTION, which is the old task's, at RIP, unless events has EMU_EVENT_TASK: then all of the state is the new task's, and
 * so is the exception. The caller clears the local breakpoints of DR7. EMU_RETRY: nothing has changed, and the code may have.
 */
enum emu_task_source { EMU_TASK_CALL, EMU_TASK_IRET, EMU_TASK_JUMP, EMU_TASK_GATE };
struct emu_task {
	uint8_t source;
	bool software; /* a gate: by INT n, INT3, INTO or INT1 at RIP, which goes on behind it; other events where they are. Set where that turns out */
	bool external; /* a gate: not asked for by the program, as INT n, INT3 and INTO are */
	bool has_error;
	uint16_t selector;
	uint8_t vector; /* a gate, by an event that is no software's */
	uint8_t length; /* of the instruction at RIP, where there is one; 0: not known */
	uint32_t error; /* pushed on the new stack */
};
enum emu_result emu_task_switch(struct emu *emu, struct emu_task *task);

/* Decode the instruction in bytes. Of count, at most 15 are used. config: EMU_CONFIG_INTEL matters. */
enum emu_decoded emu_decode(
	enum emu_mode mode, unsigned config, const uint8_t *bytes, unsigned count, struct emu_insn *insn);

/* An operation's name as the table has it, for traces and tests. */
const char *emu_op_name(unsigned op);

/*
 * The walker: monitor/emu/walk.c. Translates a linear address with the guest's page tables as they are now, sets accessed and dirty
 * flags. EMU_DONE: *gpa. EMU_EXCEPTION: emu->exception is the page fault. EMU_RETRY: a flag could not be set, the entry changed.
 */
#define EMU_ACCESS_WRITE    1u
#define EMU_ACCESS_FETCH    2u
#define EMU_ACCESS_USER	    4u /* CPL 3 */
#define EMU_ACCESS_IMPLICIT 8u /* the processor's own, to a descriptor table: SMAP applies whatever AC says */
enum emu_result emu_walk(struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa);

#endif
