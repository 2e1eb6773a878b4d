/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/table.h: the form of the decoder's table, and the list of operations. Internal to the emulator and its tests.
 *
 * The decoder goes from an opcode byte through groups (by ModRM's fields or by mandatory prefix) to one line, whose operation names
 * the semantics, and whose form says where the operands are. Flags of the groups passed on the way are added up.
 */
#ifndef MONITOR_EMU_TABLE_H
#define MONITOR_EMU_TABLE_H

#include "monitor/emu/emu.h"

/* Each operation with the function that executes it (exec_NAME, in exec*.c); "none" has no semantics. */
/* clang-format off */
#define EMU_OPS(X)                                                                                                             \
	X(INVALID, none) X(GROUP, none) X(PREFIX, none) X(OTHER, none) X(X87, none) X(ESCAPE, none)                             \
	/* The first eight are in the order of their encoding. */                                                               \
	X(ADD, alu) X(OR, alu) X(ADC, alu) X(SBB, alu) X(AND, alu) X(SUB, alu) X(XOR, alu) X(CMP, alu)                          \
	X(TEST, test) X(MOV, mov) X(MOVZX, movzx) X(MOVSX, movsx) X(MOVBE, movbe) X(MOVNTI, movnti) X(XCHG, xchg)                  \
	X(XADD, xadd) X(CMPXCHG, cmpxchg) X(CMPXCHG8B, cmpxchg8b) X(INC, incdec) X(DEC, incdec) X(NOT, notneg)                  \
	X(NEG, notneg) X(LEA, lea) X(CBW, cbw) X(CWD, cwd) X(BSWAP, bswap) X(XLAT, xlat) X(NOP, nop) X(PREFETCH, nop) X(PREFETCHW, prefetchw)           \
	/* So are these eight. */                                                                                               \
	X(ROL, shift) X(ROR, shift) X(RCL, shift) X(RCR, shift) X(SHL, shift) X(SHR, shift) X(SAL, shift) X(SAR, shift)         \
	X(SHLD, shiftd) X(SHRD, shiftd) X(BT, bittest) X(BTS, bittest) X(BTR, bittest) X(BTC, bittest) X(BSF, bitscan)          \
	X(BSR, bitscan) X(POPCNT, popcnt) X(SETCC, setcc) X(CMOVCC, cmovcc) X(JCC, jcc) X(LOOP, loop) X(JMP, jmp)               \
	X(CALL, call) X(RET, ret) X(MUL, mul) X(IMUL, mul) X(DIV, div) X(IDIV, div) X(IMUL2, imul2)                             \
	X(MOVS, movs) X(CMPS, cmps) X(STOS, stos) X(LODS, lods) X(SCAS, scas) X(INS, ins) X(OUTS, outs)                         \
	X(PUSH, push) X(POP, pop) X(PUSHA, pusha) X(POPA, popa) X(PUSHF, pushf) X(POPF, popf) X(ENTER, enter)                   \
	X(LEAVE, leave) X(SAHF, sahf) X(LAHF, lahf) X(CMC, flagop) X(CLC, flagop) X(STC, flagop) X(CLD, flagop)                 \
	X(STD, flagop) X(CLI, cli) X(STI, sti) X(IN, in) X(OUT, out) X(HLT, hlt) X(PAUSE, nop) X(FENCE, nop)                    \
	X(DAA, decimal) X(DAS, decimal) X(AAA, ascii) X(AAS, ascii) X(AAM, aam) X(AAD, aad) X(SALC, salc)                       \
	X(ANDN, andn) X(BLSR, bls) X(BLSMSK, bls) X(BLSI, bls) X(BEXTR, bextr) X(BZHI, bzhi) X(PDEP, pdep) X(PEXT, pdep)        \
	X(MULX, mulx) X(RORX, rorx) X(SARX, shiftx) X(SHLX, shiftx) X(SHRX, shiftx)                                             \
	/* Moves of vector registers to and from memory. */                                                                    \
	X(MOVU16, movvec) X(MOVA16, movvec) X(MOVSCALAR4, movscalar) X(MOVSCALAR8, movscalar) X(MOVLOW8, movhalf)               \
	X(MOVHIGH8, movhalf) X(MOVD, movd) X(MOVQ, movq)                                                                        \
	/* Segments, far transfers and the system's instructions. */                                                            \
	X(MOVFROMSEG, movfromseg) X(MOVTOSEG, movtoseg) X(PUSHSEG, pushseg) X(POPSEG, popseg) X(LOADFAR, loadfar)               \
	X(JMPFAR, jmpfar) X(CALLFAR, callfar) X(RETFAR, retfar) X(IRET, iret) X(INT, int) X(INT3, int) X(INT1, int)             \
	X(INTO, int) X(BOUND, bound) X(UD, ud) X(ARPL, arpl) X(LAR, lar) X(LSL, lar) X(VERR, verr) X(VERW, verr)              \
	X(SLDT, storesel) X(STR, storesel) X(LLDT, lldt) X(LTR, ltr) X(SGDT, storetable) X(SIDT, storetable)                   \
	X(LGDT, loadtable) X(LIDT, loadtable) X(SMSW, smsw) X(LMSW, lmsw) X(CLTS, clts) X(INVLPG, invlpg) X(MOVFROMCR, movfromcr) \
	X(MOVTOCR, movtocr) X(MOVDR, none) X(RDMSR, rdmsr) X(WRMSR, wrmsr) X(CPUID, cpuid) X(RDTSC, rdtsc) X(WBINVD, nop)       \
	X(SYSTEM, none)
/* clang-format on */

#define EMU_OP_ENUM(name, function) OP_##name,
enum emu_op { EMU_OPS(EMU_OP_ENUM) OP_COUNT };

/* Where the operands are. E: by ModRM.rm; G: register by ModRM.reg; A: accumulator; Z: register by the opcode's low bits; I: immediate. */
enum emu_form {
	FORM_NONE,
	FORM_EG, /* destination first */
	FORM_GE,
	FORM_EI,
	FORM_AI,
	FORM_E,
	FORM_Z,
	FORM_ZI,
	FORM_GEI,
	FORM_EGI,
	FORM_EGC, /* C: CL */
	FORM_EC,
	FORM_E1, /* by one */
	FORM_AO, /* O: offset in the instruction (MOV moffs) */
	FORM_OA,
	FORM_AZ,
	FORM_I,
	FORM_REL, /* relative branch */
	FORM_DX,  /* port in DX */
	FORM_GE8, /* source of 1 byte, of 2, of 4 */
	FORM_GE16,
	FORM_GE32,
	FORM_ES,
	FORM_CS,
	FORM_SS,
	FORM_DS,
	FORM_FS,
	FORM_GS,   /* in the order of enum emu_seg */
	FORM_LOAD, /* vector moves: register from memory or register */
	FORM_STORE,
	FORM_ONE, /* x87 and others with nothing to say */
};

struct emu_opcode {
	uint8_t op;
	uint8_t form;
	uint16_t group; /* of OP_GROUP: index of its first line in emu_groups */
	uint32_t flags;
};

#define F_MODRM	    (1u << 0)
#define F_BYTE	    (1u << 1) /* operands of 8 bits */
#define F_IMM8	    (1u << 2) /* immediate of 8 bits, zero-extended; after another immediate: the second one */
#define F_SIMM8	    (1u << 3) /* sign-extended */
#define F_IMMZ	    (1u << 4) /* 16 or 32 bits, sign-extended */
#define F_IMMV	    (1u << 5) /* 16, 32 or 64 bits */
#define F_IMM16	    (1u << 6)
#define F_MOFFS	    (1u << 7)  /* of the size of an address */
#define F_FAR	    (1u << 8)  /* offset and selector */
#define F_LOCKABLE  (1u << 9)  /* LOCK is allowed with a destination in memory */
#define F_N64	    (1u << 10) /* not in 64-bit mode */
#define F_O64	    (1u << 11) /* only there */
#define F_D64	    (1u << 12) /* operand size 64 by default there, 16 by prefix */
#define F_BR	    (1u << 13) /* near branch: 64 there, the prefix's effect depends on the vendor */
#define F_MEM	    (1u << 14) /* #UD with a register */
#define F_REG	    (1u << 15) /* #UD with memory */
#define F_NP	    (1u << 16) /* valid without a mandatory prefix; none of these four: prefixes do not matter */
#define F_66	    (1u << 17)
#define F_F3	    (1u << 18)
#define F_F2	    (1u << 19)
#define F_PRIV	    (1u << 20) /* #GP(0) unless CPL is 0 */
#define F_PROT	    (1u << 21) /* #UD in real and virtual-8086 mode */
#define F_SEGREG    (1u << 22) /* ModRM.reg is a segment register */
#define F_CTLREG    (1u << 23) /* ModRM.reg is a control register */
#define F_NOMOD	    (1u << 24) /* ModRM.mod does not matter: a register */
#define F_D66	    (1u << 25) /* a 66 prefix has its usual meaning beside F2 and F3 (CRC32, POPCNT...) */
/* Of OP_GROUP, what selects the line. */
#define F_SELECT    (7u << 28)
#define F_BY_REG    (1u << 28) /* 8 lines */
#define F_BY_PREFIX (2u << 28) /* 4 lines: none, 66, F3, F2 */
#define F_BY_MOD    (3u << 28) /* 2 lines: memory, register */
#define F_BY_RM	    (4u << 28) /* 8 lines */

extern const struct emu_opcode emu_map0[256];
extern const struct emu_opcode emu_map1[256];
extern const struct emu_opcode emu_map2[256];
extern const struct emu_opcode emu_map3[256];
extern const struct emu_opcode emu_groups[];
extern const unsigned emu_group_lines;

/* VEX-encoded integer instructions: the line, or NULL for all others. prefix: 0, 1 (66), 2 (F3), 3 (F2). */
const struct emu_opcode *emu_vex_line(unsigned map, unsigned opcode, unsigned prefix, unsigned reg);

bool emu_x87_exists(unsigned opcode, unsigned modrm);

/* Whether an operation has semantics. */
bool emu_op_has_semantics(unsigned op);

/* The decoder proper. code has EMU_INSN_ROOM readable bytes, of which count are the instruction's. */
enum emu_decoded emu_decode_buffer(
	enum emu_mode mode, unsigned config, const uint8_t *code, unsigned count, struct emu_insn *insn);

#endif
