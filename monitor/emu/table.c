/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/table.c: the opcode maps. SDM vol. 2, appendix "Opcode Map"; APM vol. 3, appendix "Opcode and Operand Encodings".
 *
 * Instructions without semantics here (OTHER: MMX and SSE, SYSTEM: what the core or hardware does) are in it for their length and
 * for which of their forms exist, so that they end as "unsupported" and what does not exist ends as #UD.
 */
#include "monitor/emu/table.h"

/* clang-format off */
#define I(o, f, ...) { .op = OP_##o, .form = FORM_##f, .flags = (0 __VA_ARGS__) }
#define GR(g, ...) { .op = OP_GROUP, .group = G_##g, .flags = (0 __VA_ARGS__) }
#define XX { .op = OP_INVALID }
#define M | F_MODRM
#define B | F_BYTE
#define IB | F_IMM8
#define SIB | F_SIMM8
#define IZ | F_IMMZ
#define L | F_LOCKABLE
#define N64 | F_N64
#define D64 | F_D64
#define BR | F_BR
#define MEM | F_MEM
#define REG | F_REG
#define PRIV | F_PRIV
#define PROT | F_PROT
#define NP | F_NP
#define P66 | F_66
#define PF3 | F_F3
#define PF2 | F_F2
#define D66 | F_D66

/* Groups, each by the number of its first line. */
enum {
	G_1 = 0,                    /* ALU with immediate */
	G_1A = G_1 + 8,             /* 8F */
	G_2I = G_1A + 8,            /* shifts by immediate, by one, by CL */
	G_21 = G_2I + 8,
	G_2C = G_21 + 8,
	G_3B = G_2C + 8,            /* F6, F7 */
	G_3V = G_3B + 8,
	G_4 = G_3V + 8,             /* FE */
	G_5 = G_4 + 8,              /* FF */
	G_6 = G_5 + 8,              /* 0F 00 */
	G_7 = G_6 + 8,              /* 0F 01, by mod */
	G_7M = G_7 + 2,
	G_7R = G_7M + 8,
	G_7R0 = G_7R + 8, G_7R1 = G_7R0 + 8, G_7R2 = G_7R1 + 8, G_7R3 = G_7R2 + 8, G_7R5 = G_7R3 + 8, G_7R7 = G_7R5 + 8,
	G_8 = G_7R7 + 8,            /* 0F BA */
	G_9 = G_8 + 8,              /* 0F C7, by mod */
	G_9M = G_9 + 2,
	G_9M6 = G_9M + 8,
	G_9R = G_9M6 + 4,
	G_9R7 = G_9R + 8,
	G_9R6 = G_9R7 + 4,
	G_11B = G_9R6 + 4,           /* C6, C7, by mod */
	G_11V = G_11B + 2,
	G_11BR = G_11V + 2,
	G_11BM = G_11BR + 8,
	G_11VR = G_11BM + 8,
	G_11VM = G_11VR + 8,
	G_11B7 = G_11VM + 8, G_11V7 = G_11B7 + 8,
	G_12 = G_11V7 + 8,           /* 0F 71, 72, 73 */
	G_13 = G_12 + 8,
	G_14 = G_13 + 8,
	G_15 = G_14 + 8,            /* 0F AE, by mod */
	G_15M = G_15 + 2,
	G_15M4 = G_15M + 8, G_15M6 = G_15M4 + 4, G_15M7 = G_15M6 + 4,
	G_15R = G_15M7 + 4,
	G_15R0 = G_15R + 8, G_15R1 = G_15R0 + 4, G_15R2 = G_15R1 + 4, G_15R3 = G_15R2 + 4, G_15R4 = G_15R3 + 4,
	G_15R5 = G_15R4 + 4, G_15R6 = G_15R5 + 4, G_15R7 = G_15R6 + 4,
	G_P = G_15R7 + 4,           /* 0F 0D */
	G_16 = G_P + 8,             /* 0F 18 */
	G_1E = G_16 + 8,            /* 0F 1E */
	G_1ER = G_1E + 4,
	G_1A_ = G_1ER + 8, G_1B_ = G_1A_ + 4,
	G_1BNP = G_1B_ + 4,
	G_B8 = G_1BNP + 2,
	G_10 = G_B8 + 4, G_11 = G_10 + 4, G_12X = G_11 + 4, G_12N = G_12X + 4, G_13X = G_12N + 2, G_16X = G_13X + 4,
	G_16N = G_16X + 4, G_17X = G_16N + 2, G_28 = G_17X + 4, G_29 = G_28 + 4, G_2B = G_29 + 4, G_6E = G_2B + 4,
	G_6F = G_6E + 4, G_7E = G_6F + 4, G_7F = G_7E + 4, G_D6 = G_7F + 4, G_E7 = G_D6 + 4, G_F0 = G_E7 + 4,
	G_78 = G_F0 + 4, G_78E = G_78 + 4, G_79 = G_78E + 8,
	G_38F0 = G_79 + 4, G_38F1 = G_38F0 + 4, G_382A = G_38F1 + 4, G_38F5 = G_382A + 4, G_38F6 = G_38F5 + 4,
	G_38F8 = G_38F6 + 4, G_38DC = G_38F8 + 4, G_38DD = G_38DC + 4, G_38DE = G_38DD + 4, G_38DF = G_38DE + 4,
	G_38D8 = G_38DF + 4, G_38D8R = G_38D8 + 4, G_3AF0 = G_38D8R + 8,
	G_3AF0R = G_3AF0 + 4,
	G_3AF0M = G_3AF0R + 8,
	G_LINES = G_3AF0M + 8,
};

#define CMPS_ I(CMP, EG, M B), I(CMP, EG, M), I(CMP, GE, M B), I(CMP, GE, M), I(CMP, AI, B IB), I(CMP, AI, IZ)
#define ALU(o) \
	I(o, EG, M B L), I(o, EG, M L), I(o, GE, M B), I(o, GE, M), I(o, AI, B IB), I(o, AI, IZ)
#define X8(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define X16(...) X8(__VA_ARGS__), X8(__VA_ARGS__)

const struct emu_opcode emu_map0[256] = {
	/* 00 */ ALU(ADD), I(PUSHSEG, ES, N64), I(POPSEG, ES, N64), ALU(OR), I(PUSHSEG, CS, N64), I(ESCAPE, NONE),
	/* 10 */ ALU(ADC), I(PUSHSEG, SS, N64), I(POPSEG, SS, N64), ALU(SBB), I(PUSHSEG, DS, N64), I(POPSEG, DS, N64),
	/* 20 */ ALU(AND), I(PREFIX, NONE), I(DAA, NONE, N64), ALU(SUB), I(PREFIX, NONE), I(DAS, NONE, N64),
	/* 30 */ ALU(XOR), I(PREFIX, NONE), I(AAA, NONE, N64), CMPS_, I(PREFIX, NONE), I(AAS, NONE, N64),
	/* 40 */ X8(I(INC, Z)), X8(I(DEC, Z)), /* REX in 64-bit mode */
	/* 50 */ X8(I(PUSH, Z, D64)), X8(I(POP, Z, D64)),
	/* 60 */ I(PUSHA, NONE, N64), I(POPA, NONE, N64), I(BOUND, GE, M MEM N64), I(ARPL, EG, M PROT N64), I(PREFIX, NONE),
		 I(PREFIX, NONE), I(PREFIX, NONE), I(PREFIX, NONE), I(PUSH, I, IZ D64), I(IMUL2, GEI, M IZ), I(PUSH, I, SIB D64),
		 I(IMUL2, GEI, M SIB), I(INS, NONE, B), I(INS, NONE), I(OUTS, NONE, B), I(OUTS, NONE),
	/* 70 */ X16(I(JCC, REL, SIB BR)),
	/* 80 */ GR(1, M B IB | F_BY_REG), GR(1, M IZ | F_BY_REG), GR(1, M B IB N64 | F_BY_REG), GR(1, M SIB | F_BY_REG),
		 I(TEST, EG, M B), I(TEST, EG, M), I(XCHG, EG, M B L), I(XCHG, EG, M L), I(MOV, EG, M B), I(MOV, EG, M),
		 I(MOV, GE, M B), I(MOV, GE, M), I(MOVFROMSEG, E, M | F_SEGREG), I(LEA, GE, M MEM), I(MOVTOSEG, E, M | F_SEGREG),
		 GR(1A, M | F_BY_REG),
	/* 90 */ X8(I(XCHG, AZ)), I(CBW, NONE), I(CWD, NONE), I(CALLFAR, I, N64 | F_FAR), I(X87, ONE), I(PUSHF, NONE, D64),
		 I(POPF, NONE, D64), I(SAHF, NONE), I(LAHF, NONE),
	/* A0 */ I(MOV, AO, B | F_MOFFS), I(MOV, AO, | F_MOFFS), I(MOV, OA, B | F_MOFFS), I(MOV, OA, | F_MOFFS), I(MOVS, NONE, B),
		 I(MOVS, NONE), I(CMPS, NONE, B), I(CMPS, NONE), I(TEST, AI, B IB), I(TEST, AI, IZ), I(STOS, NONE, B), I(STOS, NONE),
		 I(LODS, NONE, B), I(LODS, NONE), I(SCAS, NONE, B), I(SCAS, NONE),
	/* B0 */ X8(I(MOV, ZI, B IB)), X8(I(MOV, ZI, | F_IMMV)),
	/* C0 */ GR(2I, M B IB | F_BY_REG), GR(2I, M IB | F_BY_REG), I(RET, I, BR | F_IMM16), I(RET, NONE, BR),
		 I(LOADFAR, ES, M MEM N64), I(LOADFAR, DS, M MEM N64), GR(11B, M B | F_BY_MOD), GR(11V, M | F_BY_MOD),
		 I(ENTER, I, D64 | F_IMM16 IB), I(LEAVE, NONE, D64), I(RETFAR, I, | F_IMM16), I(RETFAR, NONE), I(INT3, NONE),
		 I(INT, I, IB), I(INTO, NONE, N64), I(IRET, NONE),
	/* D0 */ GR(21, M B | F_BY_REG), GR(21, M | F_BY_REG), GR(2C, M B | F_BY_REG), GR(2C, M | F_BY_REG), I(AAM, I, IB N64),
		 I(AAD, I, IB N64), I(SALC, NONE, N64), I(XLAT, NONE, B), X8(I(X87, ONE, M)),
	/* E0 */ I(LOOP, REL, SIB BR), I(LOOP, REL, SIB BR), I(LOOP, REL, SIB BR), I(LOOP, REL, SIB BR), I(IN, I, B IB),
		 I(IN, I, IB), I(OUT, I, B IB), I(OUT, I, IB), I(CALL, REL, BR IZ), I(JMP, REL, BR IZ), I(JMPFAR, I, N64 | F_FAR),
		 I(JMP, REL, BR SIB), I(IN, DX, B), I(IN, DX), I(OUT, DX, B), I(OUT, DX),
	/* F0 */ I(PREFIX, NONE), I(INT1, NONE), I(PREFIX, NONE), I(PREFIX, NONE), I(HLT, NONE, PRIV), I(CMC, NONE),
		 GR(3B, M B | F_BY_REG), GR(3V, M | F_BY_REG), I(CLC, NONE), I(STC, NONE), I(CLI, NONE), I(STI, NONE),
		 I(CLD, NONE), I(STD, NONE), GR(4, M B | F_BY_REG), GR(5, M | F_BY_REG),
};

#define SSE(p) I(OTHER, NONE, M p)
#define SSEI(p) I(OTHER, NONE, M IB p)
#define ALL4 NP P66 PF3 PF2
#define NOPE I(NOP, E, M)

const struct emu_opcode emu_map1[256] = {
	/* 00 */ GR(6, M PROT | F_BY_REG), GR(7, M | F_BY_MOD), I(LAR, GE, M PROT), I(LSL, GE, M PROT), XX, I(SYSTEM, NONE),
		 I(CLTS, NONE, PRIV), I(SYSTEM, NONE, PRIV), I(WBINVD, NONE, PRIV), I(WBINVD, NONE, PRIV), XX, I(UD, NONE), XX,
		 GR(P, M | F_BY_REG), I(OTHER, NONE), I(OTHER, NONE, M IB),
	/* 10 */ GR(10, M | F_BY_PREFIX), GR(11, M | F_BY_PREFIX), GR(12X, M | F_BY_PREFIX), GR(13X, M | F_BY_PREFIX), SSE(NP P66),
		 SSE(NP P66), GR(16X, M | F_BY_PREFIX), GR(17X, M | F_BY_PREFIX), GR(16, M | F_BY_REG), NOPE,
		 GR(1A_, M | F_BY_PREFIX), GR(1B_, M | F_BY_PREFIX), NOPE, NOPE, GR(1E, M | F_BY_PREFIX), NOPE,
	/* 20 */ I(MOVFROMCR, NONE, M PRIV | F_NOMOD | F_CTLREG), I(MOVDR, NONE, M PRIV | F_NOMOD),
		 I(MOVTOCR, NONE, M PRIV | F_NOMOD | F_CTLREG), I(MOVDR, NONE, M PRIV | F_NOMOD), XX, XX, XX, XX,
		 GR(28, M | F_BY_PREFIX), GR(29, M | F_BY_PREFIX), SSE(ALL4), GR(2B, M | F_BY_PREFIX), SSE(ALL4), SSE(ALL4),
		 SSE(NP P66), SSE(NP P66),
	/* 30 */ I(WRMSR, NONE, PRIV), I(RDTSC, NONE), I(RDMSR, NONE, PRIV), I(SYSTEM, NONE), I(SYSTEM, NONE, PROT),
		 I(SYSTEM, NONE, PRIV PROT), XX, I(SYSTEM, NONE, NP), I(ESCAPE, NONE), XX, I(ESCAPE, NONE), XX, XX, XX, XX, XX,
	/* 40 */ X16(I(CMOVCC, GE, M)),
	/* 50 */ SSE(REG NP P66), SSE(ALL4), SSE(NP PF3), SSE(NP PF3), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(ALL4),
		 SSE(ALL4), SSE(ALL4), SSE(NP P66 PF3), SSE(ALL4), SSE(ALL4), SSE(ALL4), SSE(ALL4),
	/* 60 */ X8(SSE(NP P66)), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(P66), SSE(P66), GR(6E, M | F_BY_PREFIX),
		 GR(6F, M | F_BY_PREFIX),
	/* 70 */ SSEI(ALL4), GR(12, M IB REG | F_BY_REG), GR(13, M IB REG | F_BY_REG), GR(14, M IB REG | F_BY_REG), SSE(NP P66),
		 SSE(NP P66), SSE(NP P66), I(OTHER, NONE, NP), GR(78, M | F_BY_PREFIX), GR(79, M | F_BY_PREFIX), XX, XX,
		 SSE(P66 PF2), SSE(P66 PF2), GR(7E, M | F_BY_PREFIX), GR(7F, M | F_BY_PREFIX),
	/* 80 */ X16(I(JCC, REL, IZ BR)),
	/* 90 */ X16(I(SETCC, E, M B)),
	/* A0 */ I(PUSHSEG, FS, D64), I(POPSEG, FS, D64), I(CPUID, NONE), I(BT, EG, M), I(SHLD, EGI, M IB), I(SHLD, EGC, M), XX, XX,
		 I(PUSHSEG, GS, D64), I(POPSEG, GS, D64), I(SYSTEM, NONE), I(BTS, EG, M L), I(SHRD, EGI, M IB), I(SHRD, EGC, M),
		 GR(15, M | F_BY_MOD), I(IMUL2, GE, M),
	/* B0 */ I(CMPXCHG, EG, M B L), I(CMPXCHG, EG, M L), I(LOADFAR, SS, M MEM), I(BTR, EG, M L), I(LOADFAR, FS, M MEM),
		 I(LOADFAR, GS, M MEM), I(MOVZX, GE8, M), I(MOVZX, GE16, M), GR(B8, M | F_BY_PREFIX), I(UD, GE, M),
		 GR(8, M IB | F_BY_REG), I(BTC, EG, M L), I(BSF, GE, M), I(BSR, GE, M), I(MOVSX, GE8, M), I(MOVSX, GE16, M),
	/* C0 */ I(XADD, EG, M B L), I(XADD, EG, M L), SSEI(ALL4), I(MOVNTI, EG, M MEM NP), SSEI(NP P66), SSEI(REG NP P66),
		 SSEI(NP P66), GR(9, M | F_BY_MOD), X8(I(BSWAP, Z)),
	/* D0 */ SSE(P66 PF2), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), GR(D6, M | F_BY_PREFIX),
		 SSE(REG NP P66), X8(SSE(NP P66)),
	/* E0 */ SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(P66 PF3 PF2),
		 GR(E7, M | F_BY_PREFIX), X8(SSE(NP P66)),
	/* F0 */ GR(F0, M | F_BY_PREFIX), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66),
		 SSE(REG NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66),
		 I(UD, GE, M),
};

const struct emu_opcode emu_map2[256] = {
	/* 00 */ X8(SSE(NP P66)), SSE(NP P66), SSE(NP P66), SSE(NP P66), SSE(NP P66), XX, XX, XX, XX,
	/* 10 */ SSE(P66), XX, XX, XX, SSE(P66), SSE(P66), XX, SSE(P66), XX, XX, XX, XX, SSE(NP P66), SSE(NP P66), SSE(NP P66), XX,
	/* 20 */ SSE(P66), SSE(P66), SSE(P66), SSE(P66), SSE(P66), SSE(P66), XX, XX, SSE(P66), SSE(P66), GR(382A, M | F_BY_PREFIX),
		 SSE(P66), XX, XX, XX, XX,
	/* 30 */ SSE(P66), SSE(P66), SSE(P66), SSE(P66), SSE(P66), SSE(P66), XX, SSE(P66), X8(SSE(P66)),
	/* 40 */ SSE(P66), SSE(P66), XX, XX, XX, XX, XX, XX, X8(XX),
	/* 50 */ X16(XX), X16(XX), X16(XX),
	/* 80 */ I(SYSTEM, NONE, M MEM PRIV P66), I(SYSTEM, NONE, M MEM PRIV P66), I(SYSTEM, NONE, M MEM PRIV P66), XX, XX, XX, XX,
		 XX, X8(XX),
	/* 90 */ X16(XX), X16(XX), X16(XX),
	/* C0 */ X8(XX), SSE(NP), SSE(NP), SSE(NP), SSE(NP), SSE(NP), SSE(NP), XX, SSE(P66),
	/* D0 */ X8(XX), GR(38D8, M | F_BY_PREFIX), XX, XX, SSE(P66), GR(38DC, M | F_BY_PREFIX), GR(38DD, M | F_BY_PREFIX),
		 GR(38DE, M | F_BY_PREFIX), GR(38DF, M | F_BY_PREFIX),
	/* E0 */ X16(XX),
	/* F0 */ GR(38F0, M | F_BY_PREFIX), GR(38F1, M | F_BY_PREFIX), XX, XX, XX, GR(38F5, M | F_BY_PREFIX),
		 GR(38F6, M | F_BY_PREFIX), XX, GR(38F8, M | F_BY_PREFIX), I(OTHER, NONE, M MEM NP), I(OTHER, NONE, M REG PF3), I(OTHER, NONE, M REG PF3), XX, XX, XX, XX,
};

const struct emu_opcode emu_map3[256] = {
	/* 00 */ X8(XX), SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), SSEI(NP P66),
	/* 10 */ XX, XX, XX, XX, SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), X8(XX),
	/* 20 */ SSEI(P66), SSEI(P66), SSEI(P66), XX, XX, XX, XX, XX, X8(XX),
	/* 30 */ X16(XX),
	/* 40 */ SSEI(P66), SSEI(P66), SSEI(P66), XX, SSEI(P66), XX, XX, XX, X8(XX),
	/* 50 */ X16(XX),
	/* 60 */ SSEI(P66), SSEI(P66), SSEI(P66), SSEI(P66), XX, XX, XX, XX, X8(XX),
	/* 70 */ X16(XX), X16(XX), X16(XX), X16(XX), X16(XX),
	/* C0 */ X8(XX), XX, XX, XX, XX, SSEI(NP), XX, SSEI(P66), SSEI(P66),
	/* D0 */ X8(XX), XX, XX, XX, XX, XX, XX, XX, SSEI(P66),
	/* E0 */ X16(XX),
	/* F0 */ GR(3AF0, M IB | F_BY_PREFIX), XX, XX, XX, XX, XX, XX, XX, X8(XX),
};

#define PRE I(PREFETCH, NONE)
#define SYS(...) I(SYSTEM, NONE, __VA_ARGS__)
#define OTH(...) I(OTHER, NONE, __VA_ARGS__)
#define SHIFTS(f) I(ROL, f), I(ROR, f), I(RCL, f), I(RCR, f), I(SHL, f), I(SHR, f), I(SAL, f), I(SAR, f)

const struct emu_opcode emu_groups[G_LINES] = {
	[G_1] = I(ADD, EI, L), I(OR, EI, L), I(ADC, EI, L), I(SBB, EI, L), I(AND, EI, L), I(SUB, EI, L), I(XOR, EI, L), I(CMP, EI),
	[G_1A] = I(POP, E, D64), XX, XX, XX, XX, XX, XX, XX,
	[G_2I] = SHIFTS(EI),
	[G_21] = SHIFTS(E1),
	[G_2C] = SHIFTS(EC),
	[G_3B] = I(TEST, EI, IB), I(TEST, EI, IB), I(NOT, E, L), I(NEG, E, L), I(MUL, E), I(IMUL, E), I(DIV, E), I(IDIV, E),
	[G_3V] = I(TEST, EI, IZ), I(TEST, EI, IZ), I(NOT, E, L), I(NEG, E, L), I(MUL, E), I(IMUL, E), I(DIV, E), I(IDIV, E),
	[G_4] = I(INC, E, L), I(DEC, E, L), XX, XX, XX, XX, XX, XX,
	[G_5] = I(INC, E, L), I(DEC, E, L), I(CALL, E, BR), I(CALLFAR, E, MEM), I(JMP, E, BR), I(JMPFAR, E, MEM), I(PUSH, E, D64), XX,
	[G_6] = I(SLDT, E), I(STR, E), I(LLDT, E, PRIV), I(LTR, E, PRIV), I(VERR, E), I(VERW, E), XX, XX,
	[G_7] = GR(7M, | F_BY_REG), GR(7R, | F_BY_REG),
	[G_7M] = I(SGDT, E), I(SIDT, E), I(LGDT, E, PRIV), I(LIDT, E, PRIV), I(SMSW, E), SYS(PF3), I(LMSW, E, PRIV),
		I(INVLPG, E, PRIV),
	[G_7R] = GR(7R0, | F_BY_RM), GR(7R1, | F_BY_RM), GR(7R2, | F_BY_RM), GR(7R3, | F_BY_RM), I(SMSW, E), GR(7R5, | F_BY_RM),
		I(LMSW, E, PRIV), GR(7R7, | F_BY_RM),
	/* VMCALL VMLAUNCH VMRESUME VMXOFF PCONFIG, WRMSRNS */
	[G_7R0] = SYS(NP), SYS(NP), SYS(NP), SYS(NP), SYS(NP), SYS(NP), XX, XX,
	/* MONITOR MWAIT CLAC STAC, TDCALL SEAMRET SEAMOPS, ENCLS or SEAMCALL */
	[G_7R1] = SYS(NP), SYS(NP), SYS(NP), SYS(NP), SYS(P66), SYS(P66 | F_O64), SYS(P66 | F_O64), SYS(NP P66),
	/* XGETBV XSETBV, VMFUNC XEND XTEST ENCLU */
	[G_7R2] = SYS(NP), SYS(NP), XX, XX, SYS(NP), SYS(NP), SYS(NP), SYS(NP),
	/* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT INVLPGA */
	[G_7R3] = X8(SYS()),
	/* SETSSBSY SERIALIZE XSUSLDTRK, XRESLDTRK, SAVEPREVSSP, UIRET TESTUI, CLUI STUI or RDPKRU WRPKRU */
	[G_7R5] = SYS(NP PF3 PF2), SYS(PF2), SYS(PF3), XX, SYS(PF3 | F_O64), SYS(PF3 | F_O64), SYS(NP PF3), SYS(NP PF3),
	/* SWAPGS RDTSCP MONITORX MWAITX CLZERO RDPRU INVLPGB TLBSYNC */
	[G_7R7] = SYS(| F_O64), SYS(), SYS(NP PF3), SYS(NP), SYS(), SYS(), SYS(NP PF3 PF2), SYS(NP PF3 PF2),
	[G_8] = XX, XX, XX, XX, I(BT, EI), I(BTS, EI, L), I(BTR, EI, L), I(BTC, EI, L),
	[G_9] = GR(9M, | F_BY_REG), GR(9R, | F_BY_REG),
	[G_9M] = XX, I(CMPXCHG8B, E, L), XX, SYS(NP), SYS(NP), SYS(NP), GR(9M6, | F_BY_PREFIX), SYS(NP),
	[G_9M6] = SYS(), SYS(), SYS(), XX,
	[G_9R] = XX, XX, XX, XX, XX, XX, GR(9R6, | F_BY_PREFIX), GR(9R7, | F_BY_PREFIX),
	[G_9R7] = SYS(), SYS(), SYS(), XX, /* RDSEED, RDPID */
	[G_9R6] = SYS(), SYS(), SYS(| F_O64), XX, /* RDRAND, SENDUIPI */
	[G_11B] = GR(11BM, IB | F_BY_REG), GR(11BR, IB | F_BY_REG),
	[G_11V] = GR(11VM, IZ | F_BY_REG), GR(11VR, IZ | F_BY_REG),
	[G_11BR] = I(MOV, EI), XX, XX, XX, XX, XX, XX, GR(11B7, | F_BY_RM),
	[G_11BM] = I(MOV, EI), XX, XX, XX, XX, XX, XX, XX,
	[G_11VR] = I(MOV, EI), XX, XX, XX, XX, XX, XX, GR(11V7, BR | F_BY_RM),
	[G_11VM] = I(MOV, EI), XX, XX, XX, XX, XX, XX, XX,
	[G_11B7] = SYS(), XX, XX, XX, XX, XX, XX, XX, /* XABORT, XBEGIN */
	[G_11V7] = SYS(), XX, XX, XX, XX, XX, XX, XX,
	[G_12] = XX, XX, OTH(NP P66), XX, OTH(NP P66), XX, OTH(NP P66), XX,
	[G_13] = XX, XX, OTH(NP P66), XX, OTH(NP P66), XX, OTH(NP P66), XX,
	[G_14] = XX, XX, OTH(NP P66), OTH(P66), XX, XX, OTH(NP P66), OTH(P66),
	[G_15] = GR(15M, | F_BY_REG), GR(15R, | F_BY_REG),
	/* FXSAVE FXRSTOR LDMXCSR STMXCSR XSAVE XRSTOR, XSAVEOPT CLWB CLRSSBSY, CLFLUSH CLFLUSHOPT */
	[G_15M] = OTH(NP), OTH(NP), OTH(NP), OTH(NP), GR(15M4, | F_BY_PREFIX), OTH(NP), GR(15M6, | F_BY_PREFIX),
		GR(15M7, | F_BY_PREFIX),
	[G_15M4] = OTH(), XX, OTH(), XX, /* PTWRITE */
	[G_15M6] = OTH(), OTH(), SYS(), XX,
	[G_15M7] = OTH(), OTH(), XX, XX,
	[G_15R] = GR(15R0, | F_BY_PREFIX), GR(15R1, | F_BY_PREFIX), GR(15R2, | F_BY_PREFIX), GR(15R3, | F_BY_PREFIX),
		GR(15R4, | F_BY_PREFIX), GR(15R5, | F_BY_PREFIX), GR(15R6, | F_BY_PREFIX), GR(15R7, | F_BY_PREFIX),
	[G_15R0] = XX, XX, SYS(| F_O64), XX, /* RDFSBASE... */
	[G_15R1] = XX, XX, SYS(| F_O64), XX,
	[G_15R2] = XX, XX, SYS(| F_O64), XX,
	[G_15R3] = XX, XX, SYS(| F_O64), XX,
	[G_15R4] = XX, XX, OTH(), XX,
	[G_15R5] = I(FENCE, NONE), XX, SYS(), XX, /* INCSSP */
	[G_15R6] = I(FENCE, NONE), OTH(), OTH(), OTH(), /* TPAUSE UMONITOR UMWAIT */
	[G_15R7] = I(FENCE, NONE), XX, XX, XX,
	[G_P] = X8(I(PREFETCHW, E)),
	[G_16] = PRE, PRE, PRE, PRE, I(NOP, E), I(NOP, E), I(NOP, E), I(NOP, E),
	[G_1E] = I(NOP, E), I(NOP, E), GR(1ER, | F_BY_REG), I(NOP, E),
	[G_1ER] = X8(I(NOP, E)),
	[G_1A_] = I(NOP, E), I(NOP, E), I(NOP, E), I(NOP, E),
	[G_1B_] = I(NOP, E), I(NOP, E), I(NOP, E), I(NOP, E),
	[G_1BNP] = I(NOP, E), I(NOP, E),
	[G_B8] = XX, XX, I(POPCNT, GE, D66), XX,
	[G_10] = I(MOVU16, LOAD), I(MOVU16, LOAD), I(MOVSCALAR4, LOAD), I(MOVSCALAR8, LOAD),
	[G_11] = I(MOVU16, STORE), I(MOVU16, STORE), I(MOVSCALAR4, STORE), I(MOVSCALAR8, STORE),
	[G_12X] = GR(12N, | F_BY_MOD), I(MOVLOW8, LOAD, MEM), OTH(), OTH(),
	[G_12N] = I(MOVLOW8, LOAD), OTH(),
	[G_13X] = I(MOVLOW8, STORE, MEM), I(MOVLOW8, STORE, MEM), XX, XX,
	[G_16X] = GR(16N, | F_BY_MOD), I(MOVHIGH8, LOAD, MEM), OTH(), XX,
	[G_16N] = I(MOVHIGH8, LOAD), OTH(),
	[G_17X] = I(MOVHIGH8, STORE, MEM), I(MOVHIGH8, STORE, MEM), XX, XX,
	[G_28] = I(MOVA16, LOAD), I(MOVA16, LOAD), XX, XX,
	[G_29] = I(MOVA16, STORE), I(MOVA16, STORE), XX, XX,
	[G_2B] = I(MOVA16, STORE, MEM), I(MOVA16, STORE, MEM), OTH(MEM), OTH(MEM),
	[G_6E] = OTH(), I(MOVD, LOAD), XX, XX,
	[G_6F] = OTH(), I(MOVA16, LOAD), I(MOVU16, LOAD), XX,
	[G_7E] = OTH(), I(MOVD, STORE), I(MOVQ, LOAD), XX,
	[G_7F] = OTH(), I(MOVA16, STORE), I(MOVU16, STORE), XX,
	[G_D6] = XX, I(MOVQ, STORE), OTH(REG), OTH(REG),
	[G_E7] = OTH(MEM), I(MOVA16, STORE, MEM), XX, XX,
	[G_F0] = XX, XX, XX, I(MOVU16, LOAD, MEM),
	[G_78] = SYS(), GR(78E, | F_IMM16 REG | F_BY_REG), XX, OTH(| F_IMM16 REG), /* VMREAD, EXTRQ, INSERTQ with two bytes */
	[G_78E] = OTH(), XX, XX, XX, XX, XX, XX, XX,
	[G_79] = SYS(), OTH(REG), XX, OTH(REG),
	[G_38F0] = I(MOVBE, GE, MEM), I(MOVBE, GE, MEM), XX, OTH(B D66),
	[G_38F1] = I(MOVBE, EG, MEM), I(MOVBE, EG, MEM), XX, OTH(D66),
	[G_382A] = XX, OTH(MEM), XX, XX,
	[G_38F5] = XX, SYS(MEM), XX, XX,
	[G_38F6] = SYS(MEM), OTH(), OTH(), XX,
	[G_38F8] = XX, OTH(MEM), OTH(MEM), OTH(MEM),
	[G_38DC] = XX, OTH(), OTH(), XX,
	[G_38DD] = XX, OTH(), OTH(MEM), XX,
	[G_38DE] = XX, OTH(), OTH(MEM), XX,
	[G_38DF] = XX, OTH(), OTH(MEM), XX,
	[G_38D8] = XX, XX, GR(38D8R, MEM | F_BY_REG), XX,
	[G_38D8R] = OTH(), OTH(), OTH(), OTH(), XX, XX, XX, XX,
	[G_3AF0] = XX, XX, GR(3AF0R, REG | F_BY_REG), XX,
	[G_3AF0R] = GR(3AF0M, | F_BY_RM), XX, XX, XX, XX, XX, XX, XX,
	[G_3AF0M] = OTH(), XX, XX, XX, XX, XX, XX, XX, /* HRESET */
};
/* clang-format on */

const unsigned emu_group_lines = G_LINES;

#define VEX_LINE(o, f)                                                                                                 \
	{                                                                                                              \
		.op = OP_##o, .form = FORM_##f, .flags = F_MODRM                                                       \
	}

const struct emu_opcode *emu_vex_line(unsigned map, unsigned opcode, unsigned prefix, unsigned reg)
{
	static const struct emu_opcode andn = VEX_LINE(ANDN, GE);
	static const struct emu_opcode bls[3] = {VEX_LINE(BLSR, E), VEX_LINE(BLSMSK, E), VEX_LINE(BLSI, E)};
	static const struct emu_opcode f5[4] = {
		VEX_LINE(BZHI, GE), {.op = OP_INVALID}, VEX_LINE(PEXT, GE), VEX_LINE(PDEP, GE)};
	static const struct emu_opcode f7[4] = {
		VEX_LINE(BEXTR, GE), VEX_LINE(SHLX, GE), VEX_LINE(SARX, GE), VEX_LINE(SHRX, GE)};
	static const struct emu_opcode mulx = VEX_LINE(MULX, GE), rorx = VEX_LINE(RORX, GEI);

	if (map == 2 && opcode == 0xf2 && prefix == 0)
		return &andn;
	if (map == 2 && opcode == 0xf3 && prefix == 0 && reg >= 1 && reg <= 3)
		return &bls[reg - 1];
	if (map == 2 && opcode == 0xf5 && prefix != 1)
		return &f5[prefix];
	if (map == 2 && opcode == 0xf6 && prefix == 3)
		return &mulx;
	if (map == 2 && opcode == 0xf7)
		return &f7[prefix];
	if (map == 3 && opcode == 0xf0 && prefix == 3)
		return &rorx;
	return NULL;
}

/* Of the x87 opcodes D8 to DF: a bit for each ModRM.reg with memory, and for each low six bits of ModRM with registers. */
static const uint8_t x87_memory[8] = {0xff, 0xfd, 0xff, 0xaf, 0xff, 0xdf, 0xff, 0xff};
static const uint64_t x87_register[8] = {
	0xffffffffffffffff,
	0xffff7f33ff01ffff,
	0x00000200ffffffff,
	0x00ffff1fffffffff,
	0xffffffffffffffff,
	0x0000ffffffffffff,
	0xffffffff02ffffff,
	0x00ffff01ffffffff,
};

bool emu_x87_exists(unsigned opcode, unsigned modrm)
{
	if (modrm >> 6 == 3)
		return x87_register[opcode & 7] >> (modrm & 63) & 1;
	return x87_memory[opcode & 7] >> (modrm >> 3 & 7) & 1;
}

static const char *const names[OP_COUNT] = {
#define EMU_OP_STRING(name, function) #name,
	EMU_OPS(EMU_OP_STRING)};

const char *emu_op_name(unsigned op)
{
	return op < OP_COUNT ? names[op] : "?";
}
