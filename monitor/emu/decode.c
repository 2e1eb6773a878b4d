/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/decode.c: from bytes to struct emu_insn.
 *
 * The bytes are in a buffer with room behind the longest thing that can be read (15 prefixes, three opcode bytes, ModRM, SIB, a
 * displacement and immediates), so that lengths are compared once, at the end: what was read beyond the instruction's own bytes cannot
 * matter, because the answer is then "more" or "too long".
 */
#include "monitor/emu/table.h"

static inline uint32_t load16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t value;
	__builtin_memcpy(&value, p, 4);
	return value;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t value;
	__builtin_memcpy(&value, p, 8);
	return value;
}

/* What is carried through the stages of one decoding. */
struct decoder {
	const uint8_t *code;
	unsigned at;	/* bytes consumed */
	unsigned count; /* bytes there are, at most 15 */
	unsigned config;
	bool is64, is_protected;
	uint8_t default_size; /* 2 or 4 */
	bool override;	      /* a segment override that has an effect */
};

static const struct emu_opcode opcode_other = {.op = OP_OTHER, .form = FORM_NONE};

/* A refusal that may rest on bytes that are not the instruction's. */
static inline enum emu_decoded refuse(const struct decoder *d, enum emu_decoded why)
{
	if (d->at > d->count)
		return d->count < EMU_INSN_MAX ? EMU_DECODE_MORE : EMU_DECODE_LONG;
	return why;
}

/* Base, index and default segment of the eight 16-bit forms: SDM vol. 2, "16-Bit Addressing Forms with the ModR/M Byte". */
static const uint8_t base16[8] = {EMU_RBX, EMU_RBX, EMU_RBP, EMU_RBP, EMU_RSI, EMU_RDI, EMU_RBP, EMU_RBX};
static const uint8_t index16[8] = {EMU_RSI, EMU_RDI, EMU_RSI, EMU_RDI, EMU_NONE, EMU_NONE, EMU_NONE, EMU_NONE};

/* Returns the bytes consumed. The decoder comes by value, as elsewhere: then the common path keeps it in registers. */
static unsigned decode_memory16(struct decoder copy, struct emu_insn *insn, unsigned mod, unsigned rm)
{
	struct decoder *d = &copy;

	insn->scale = 0;
	insn->base = base16[rm];
	insn->index = index16[rm];
	if (mod == 0 && rm == 6) {
		insn->base = EMU_NONE;
		insn->disp = (int32_t)load16(d->code + d->at);
		d->at += 2;
	} else if (mod == 0) {
		insn->disp = 0;
	} else if (mod == 1) {
		insn->disp = (int8_t)d->code[d->at++];
	} else {
		insn->disp = (int16_t)load16(d->code + d->at);
		d->at += 2;
	}
	if (!d->override && insn->base == EMU_RBP)
		insn->segment = EMU_SS;
	return d->at;
}

static inline __attribute__((always_inline)) void decode_memory(
	struct decoder *d, struct emu_insn *insn, unsigned mod, unsigned rm)
{
	unsigned base = rm;

	insn->index = EMU_NONE;
	insn->scale = 0;
	if (rm == 4) {
		unsigned sib = d->code[d->at++];
		unsigned index = (sib >> 3 & 7) | (insn->rex & 2) << 2;
		if (index != 4)
			insn->index = (uint8_t)index;
		insn->scale = (uint8_t)(sib >> 6);
		base = sib & 7;
	}
	if (mod == 0) {
		insn->disp = 0;
		if (base == 5) {
			insn->disp = (int32_t)load32(d->code + d->at);
			d->at += 4;
			insn->base = rm == 5 && d->is64 ? EMU_BASE_RIP : EMU_NONE;
			return;
		}
	} else if (mod == 1) {
		insn->disp = (int8_t)d->code[d->at++];
	} else {
		insn->disp = (int32_t)load32(d->code + d->at);
		d->at += 4;
	}
	base |= (insn->rex & 1u) << 3;
	insn->base = (uint8_t)base;
	if ((base == EMU_RSP || base == EMU_RBP) && !d->override)
		insn->segment = EMU_SS;
}

/* Immediates by the flags of the line. */
static unsigned decode_immediate(struct decoder copy, struct emu_insn *insn, uint32_t flags)
{
	struct decoder *d = &copy;
	const uint8_t *p = d->code + d->at;

	if (flags & F_SIMM8) {
		insn->imm = (uint64_t)(int8_t)p[0];
		d->at += 1;
	} else if (flags & F_IMMZ) {
		if (insn->size == 2) {
			insn->imm = (uint64_t)(int16_t)load16(p);
			d->at += 2;
		} else {
			insn->imm = (uint64_t)(int32_t)load32(p);
			d->at += 4;
		}
	} else if (flags & F_IMM16) {
		insn->imm = load16(p);
		insn->imm2 = p[2];
		d->at += flags & F_IMM8 ? 3 : 2;
	} else if (flags & F_IMM8) {
		insn->imm = p[0];
		d->at += 1;
	} else if (flags & (F_IMMV | F_MOFFS)) {
		unsigned size = flags & F_IMMV ? insn->size : insn->address_size;
		insn->imm = size == 8 ? load64(p) : size == 4 ? load32(p) : load16(p);
		d->at += size;
	} else if (flags & F_FAR) {
		insn->imm = insn->size == 2 ? load16(p) : load32(p);
		d->at += insn->size == 2 ? 2 : 4;
		insn->imm2 = (uint16_t)load16(d->code + d->at);
		d->at += 2;
	}
	return d->at;
}

static inline __attribute__((always_inline)) void decode_modrm(struct decoder *d, struct emu_insn *insn, uint32_t flags)
{
	unsigned modrm = d->code[d->at++];
	unsigned mod = modrm >> 6, rm = modrm & 7;

	insn->modrm = (uint8_t)modrm;
	insn->reg = (uint8_t)((modrm >> 3 & 7) | (insn->rex & 4) << 1);
	insn->memory = mod != 3 && !(flags & F_NOMOD);
	if (!insn->memory)
		insn->rm = (uint8_t)(rm | (insn->rex & 1) << 3);
	else if (insn->address_size != 2)
		decode_memory(d, insn, mod, rm);
	else
		d->at = decode_memory16(*d, insn, mod, rm);
}

static inline unsigned mandatory(unsigned prefixes)
{
	return prefixes & EMU_PREFIX_F2 ? 3 : prefixes & EMU_PREFIX_F3 ? 2 : prefixes & EMU_PREFIX_66 ? 1 : 0;
}

static inline enum emu_decoded finish(struct decoder *d, struct emu_insn *insn)
{
	insn->length = (uint8_t)d->at;
	if (d->at > d->count)
		return d->count < EMU_INSN_MAX ? EMU_DECODE_MORE : EMU_DECODE_LONG;
	return EMU_DECODE_OK;
}

/*
 * VEX, EVEX and XOP. Lengths are exact; of what exists only the integer instructions are told from what does not, the rest counts as
 * valid without semantics. SDM vol. 2, "Intel Advanced Vector Extensions"; APM vol. 6 for XOP.
 */
static enum emu_decoded decode_vex(struct decoder copy, struct emu_insn *insn, unsigned escape)
{
	struct decoder *d = &copy;
	const uint8_t *p = d->code + d->at;
	const struct emu_opcode *line = NULL;
	unsigned map, prefix, wide = 0, raw_vvvv;
	bool immediate, modrm = true, invalid;

	insn->encoding = escape == 0x62 ? EMU_ENC_EVEX : escape == 0x8f ? EMU_ENC_XOP : EMU_ENC_VEX;
	/* Reported at the end only: a processor first fetches all of the instruction. */
	invalid = insn->rex || insn->prefixes & (EMU_PREFIX_66 | EMU_PREFIX_F2 | EMU_PREFIX_F3 | EMU_PREFIX_LOCK);
	if (escape == 0xc5) {
		map = 1;
		insn->rex = (uint8_t)(~p[0] >> 5 & 4);
		prefix = p[0] & 3;
		insn->vvvv = ~p[0] >> 3 & 15;
		insn->vector_length = p[0] >> 2 & 1;
		d->at += 1;
	} else {
		map = escape == 0x62 ? p[0] & 7u : p[0] & 31u;
		wide = p[1] >> 7;
		insn->rex = (uint8_t)((~p[0] >> 5 & 7) | wide << 3);
		prefix = p[1] & 3;
		insn->vvvv = ~p[1] >> 3 & 15;
		insn->vector_length = escape == 0x62 ? p[2] >> 5 & 3 : p[1] >> 2 & 1;
		d->at += escape == 0x62 ? 3 : 2;
		if (escape == 0x62 && (p[0] & 8 || !(p[1] & 4)))
			return refuse(d, EMU_DECODE_INVALID);
	}
	raw_vvvv = insn->vvvv;
	if (!d->is64) {
		insn->rex = 0;
		insn->vvvv &= 7;
	}
	insn->opcode = d->code[d->at++];
	insn->map = (uint8_t)map;
	insn->size = wide && d->is64 ? 8 : 4;
	if (escape == 0x8f) {
		if (map < 8 || map > 10 || prefix != 0)
			return refuse(d, EMU_DECODE_INVALID);
		immediate = map == 8;
	} else {
		bool known = escape == 0x62 ? (map >= 1 && map <= 3) || map == 5 || map == 6 : map >= 1 && map <= 3;
		if (!known)
			return refuse(d, EMU_DECODE_INVALID);
		immediate = map == 3 ||
			    (map == 1 && ((insn->opcode >= 0x70 && insn->opcode <= 0x73) || insn->opcode == 0xc2 ||
						 (insn->opcode >= 0xc4 && insn->opcode <= 0xc6)));
		modrm = !(map == 1 && insn->opcode == 0x77 && escape != 0x62);
	}
	if (escape == 0xc4 || escape == 0xc5)
		line = emu_vex_line(map, insn->opcode, prefix, d->code[d->at] >> 3 & 7);
	if (line && (line->op == OP_INVALID || insn->vector_length)) /* these exist for L = 0 only; RORX and MULX too */
		invalid = true;
	insn->entry = line ? line : &opcode_other;
	insn->op = insn->entry->op;
	insn->form = insn->entry->form;
	insn->flags = F_MODRM;
	if (modrm)
		decode_modrm(d, insn, F_MODRM);
	if (line && line->op == OP_RORX && raw_vvvv != 0)
		invalid = true;
	if (escape == 0x8f && map == 10)
		d->at += 4;
	if (immediate)
		insn->imm = d->code[d->at++];
	return invalid ? refuse(d, EMU_DECODE_INVALID) : finish(d, insn);
}

/* Prefixes. Returns the first byte of the opcode, which is consumed; 256 if there are more than fit. */
static inline __attribute__((always_inline)) unsigned decode_prefixes(struct decoder *d, struct emu_insn *insn)
{
	unsigned prefixes = 0, rex = 0, byte;

	for (;;) {
		byte = d->code[d->at++];
		if (d->is64 && (byte & 0xf0) == 0x40) {
			rex = byte;
		} else if (emu_map0[byte].op == OP_PREFIX) {
			rex = 0; /* a REX that does not stand directly before the opcode counts for nothing */
			switch (byte) {
			case 0x66: prefixes |= EMU_PREFIX_66; break;
			case 0x67: prefixes |= EMU_PREFIX_67; break;
			case 0xf0: prefixes |= EMU_PREFIX_LOCK; break;
			case 0xf2: prefixes = (prefixes & ~EMU_PREFIX_F3) | EMU_PREFIX_F2; break;
			case 0xf3: prefixes = (prefixes & ~EMU_PREFIX_F2) | EMU_PREFIX_F3; break;
			case 0x64:
			case 0x65:
				d->override = true;
				insn->segment = byte == 0x64 ? EMU_FS : EMU_GS;
				break;
			default: /* 26, 2e, 36, 3e: nothing in 64-bit mode, where an earlier FS or GS stays */
				if (!d->is64) {
					d->override = true;
					insn->segment = byte >> 3 & 3;
				}
				break;
			}
		} else {
			break;
		}
		if (d->at >= EMU_INSN_MAX)
			return 256;
	}
	insn->prefixes = (uint8_t)prefixes;
	insn->rex = (uint8_t)rex;
	return byte;
}

/* From the opcode's first byte to a line of the table, groups still to be resolved. */
static inline __attribute__((always_inline)) const struct emu_opcode *decode_opcode(
	struct decoder *d, struct emu_insn *insn, unsigned byte)
{
	const struct emu_opcode *line = &emu_map0[byte];

	insn->map = 0;
	if (line->op == OP_ESCAPE) {
		insn->map = 1;
		byte = d->code[d->at++];
		line = &emu_map1[byte];
		if (line->op == OP_ESCAPE) {
			insn->map = byte == 0x38 ? 2 : 3;
			byte = d->code[d->at++];
			line = insn->map == 2 ? &emu_map2[byte] : &emu_map3[byte];
		}
	}
	insn->opcode = (uint8_t)byte;
	return line;
}

/* In 64-bit mode some opcodes of map 0 mean other things. */
static inline __attribute__((always_inline)) const struct emu_opcode *line_for_mode(
	const struct decoder *d, const struct emu_opcode *line)
{
	static const struct emu_opcode movsxd = {.op = OP_MOVSX, .form = FORM_GE32, .flags = F_MODRM};

	return line->op == OP_ARPL && d->is64 ? &movsxd : line;
}

static inline __attribute__((always_inline)) const struct emu_opcode *resolve_groups(
	const struct decoder *d, const struct emu_insn *insn, const struct emu_opcode *line, uint32_t *flags)
{
	unsigned modrm = d->code[d->at]; /* not consumed yet */

	*flags = line->flags;
	for (unsigned depth = 0; depth < 4 && line->op == OP_GROUP; depth++) {
		unsigned select;

		switch (line->flags & F_SELECT) {
		case F_BY_REG: select = modrm >> 3 & 7; break;
		case F_BY_RM: select = modrm & 7; break;
		case F_BY_MOD: select = modrm >> 6 == 3; break;
		default: select = mandatory(insn->prefixes); break;
		}
		line = &emu_groups[line->group + select];
		*flags |= line->flags & ~F_SELECT;
	}
	return line;
}

static inline __attribute__((always_inline)) bool is_vex(const struct decoder *d, unsigned byte)
{
	unsigned next = d->code[d->at];

	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62)
		return d->is64 || (d->is_protected && next >= 0xc0);
	return byte == 0x8f && (next & 0x1f) >= 8 && d->is_protected;
}

static inline __attribute__((always_inline)) unsigned operand_size(
	const struct decoder *d, const struct emu_insn *insn, uint32_t flags)
{
	if (flags & F_BYTE)
		return 1;
	if (d->is64) {
		if (insn->rex & 8)
			return 8;
		if (flags & F_BR)
			return insn->prefixes & EMU_PREFIX_66 && !(d->config & EMU_CONFIG_INTEL) ? 2 : 8;
		if (flags & F_D64)
			return insn->prefixes & EMU_PREFIX_66 ? 2 : 8;
		return insn->prefixes & EMU_PREFIX_66 ? 2 : 4;
	}
	return insn->prefixes & EMU_PREFIX_66 ? 6 - d->default_size : d->default_size;
}

/* Everything that makes #UD of bytes that are long enough. */
static inline __attribute__((always_inline)) bool is_invalid(
	const struct decoder *d, const struct emu_insn *insn, uint32_t flags)
{
	if (insn->op == OP_INVALID ||
		(insn->op == OP_X87 && flags & F_MODRM && !emu_x87_exists(insn->opcode, insn->modrm)))
		return true;
	if (insn->op == OP_MOVDR && insn->reg >= 8)
		return true;
	if (flags & (F_MEM | F_REG | F_N64 | F_O64 | F_PROT | F_SEGREG | F_CTLREG | F_NP | F_66 | F_F3 | F_F2)) {
		if ((flags & F_MEM && !insn->memory) || (flags & F_REG && insn->memory) || (flags & F_N64 && d->is64) ||
			(flags & F_O64 && !d->is64) || (flags & F_PROT && !d->is_protected))
			return true;
		if (flags & (F_NP | F_66 | F_F3 | F_F2) && !(flags >> 16 & 1u << mandatory(insn->prefixes)))
			return true;
		if (flags & F_SEGREG &&
			((insn->reg & 7) >= EMU_SEGS || (insn->op == OP_MOVTOSEG && (insn->reg & 7) == EMU_CS)))
			return true;
		if (flags & F_CTLREG && insn->reg != 0 && insn->reg != 2 && insn->reg != 3 && insn->reg != 4 &&
			insn->reg != 8)
			return true;
	}
	if (!(insn->prefixes & EMU_PREFIX_LOCK) || (flags & F_LOCKABLE && insn->memory))
		return false;
	/* With AMD, LOCK before a move of CR0 makes it CR8, which other modes than 64-bit could not name. */
	return !(flags & F_CTLREG && insn->reg == 0 && !(d->config & EMU_CONFIG_INTEL));
}

enum emu_decoded emu_decode_buffer(
	enum emu_mode mode, unsigned config, const uint8_t *code, unsigned count, struct emu_insn *insn)
{
	struct decoder d = {
		.code = code,
		.at = 0,
		.count = count,
		.config = config,
		.is64 = mode == EMU_MODE_LONG,
		.is_protected = mode >= EMU_MODE_PROT16,
		.default_size = mode >= EMU_MODE_PROT32 ? 4 : 2,
		.override = false,
	};
	const struct emu_opcode *line;
	uint32_t flags;
	unsigned byte;

	insn->segment = EMU_DS;
	insn->encoding = EMU_ENC_LEGACY;
	insn->memory = false;
	insn->modrm = 0;
	insn->reg = insn->rm = 0;
	byte = decode_prefixes(&d, insn);
	if (byte == 256)
		return d.count < EMU_INSN_MAX ? EMU_DECODE_MORE : EMU_DECODE_LONG;
	if (d.is64)
		insn->address_size = insn->prefixes & EMU_PREFIX_67 ? 4 : 8;
	else
		insn->address_size = insn->prefixes & EMU_PREFIX_67 ? 6 - d.default_size : d.default_size;
	/* What these four bytes are is decided by the next one, which has to be there. */
	if ((byte == 0xc4 || byte == 0xc5 || byte == 0x62 || byte == 0x8f) && d.at >= d.count)
		return d.count < EMU_INSN_MAX ? EMU_DECODE_MORE : EMU_DECODE_LONG;
	if (is_vex(&d, byte))
		return decode_vex(d, insn, byte);

	line = line_for_mode(&d, decode_opcode(&d, insn, byte));
	if (line->op == OP_GROUP)
		line = resolve_groups(&d, insn, line, &flags);
	else
		flags = line->flags;
	insn->entry = line;
	insn->op = line->op;
	insn->form = line->form;
	insn->flags = flags;
	insn->size = (uint8_t)operand_size(&d, insn, flags);
	if (flags & F_MODRM)
		decode_modrm(&d, insn, flags);
	if (flags & (F_SIMM8 | F_IMMZ | F_IMM16 | F_IMM8 | F_IMMV | F_MOFFS | F_FAR))
		d.at = decode_immediate(d, insn, flags);
	if (is_invalid(&d, insn, flags))
		return refuse(&d, EMU_DECODE_INVALID);
	if (flags & F_CTLREG && insn->prefixes & EMU_PREFIX_LOCK)
		insn->reg = 8;
	return finish(&d, insn);
}

enum emu_decoded emu_decode(
	enum emu_mode mode, unsigned config, const uint8_t *bytes, unsigned count, struct emu_insn *insn)
{
	uint8_t code[EMU_INSN_ROOM] = {0};

	if (count > EMU_INSN_MAX)
		count = EMU_INSN_MAX;
	for (unsigned i = 0; i < count; i++)
		code[i] = bytes[i];
	return emu_decode_buffer(mode, config, code, count, insn);
}
