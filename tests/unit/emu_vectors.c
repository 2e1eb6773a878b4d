/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/emu_vectors.c: see emu_vectors.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/emu_vectors.h"

static uint64_t seed = 0x2545f4914f6cdd1dull;
unsigned vectors_config;

uint64_t vectors_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x9e3779b97f4a7c15ull;
}

static unsigned below(unsigned limit)
{
	return (unsigned)(vectors_random() >> 33) % limit;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

uint64_t vectors_operand(void)
{
	static const uint64_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
		0xffffffffffffff80, 0xffffffff80000000};
	uint64_t value = vectors_random();

	switch (below(6)) {
	case 0: return edges[below(sizeof edges / sizeof edges[0])];
	case 1: return edges[below(sizeof edges / sizeof edges[0])] + below(5) - 2;
	case 2: return value >> below(64);
	case 3: return (uint64_t)((int64_t)value >> below(64));
	default: return value;
	}
}

static void paths_add(
	struct path *paths, unsigned *count, struct path path, const struct emu_opcode *line, unsigned depth)
{
	path.flags |= line->flags & ~F_SELECT;
	if (line->op == OP_GROUP) {
		unsigned kind = line->flags & F_SELECT, lines = kind == F_BY_PREFIX ? 4 : kind == F_BY_MOD ? 2 : 8;

		for (unsigned i = 0; i < lines; i++) {
			struct path inner = path;
			if (kind == F_BY_REG)
				inner.reg = (int8_t)i;
			else if (kind == F_BY_RM)
				inner.rm = (int8_t)i;
			else if (kind == F_BY_MOD)
				inner.mod = (int8_t)i;
			else
				inner.prefix = (int8_t)i;
			if (depth < 5)
				paths_add(paths, count, inner, &emu_groups[line->group + i], depth + 1);
		}
		return;
	}
	if (!emu_op_has_semantics(line->op))
		return;
	path.line = line;
	if (*count >= PATHS_MAX)
		abort();
	paths[(*count)++] = path;
}

unsigned paths_make(struct path paths[PATHS_MAX])
{
	static const struct emu_opcode movsxd = {.op = OP_MOVSX, .form = FORM_GE32, .flags = F_MODRM};
	static const struct emu_opcode *const maps[] = {emu_map0, emu_map1, emu_map2, emu_map3};
	unsigned count = 0;

	for (unsigned i = 0; i < 4 * 256; i++) {
		struct path path = {
			.map = (uint8_t)(i >> 8), .opcode = (uint8_t)i, .reg = -1, .mod = -1, .rm = -1, .prefix = -1};
		paths_add(paths, &count, path, &maps[i >> 8][i & 255], 0);
		if (i == 0x63)
			paths_add(paths, &count, path, &movsxd, 0);
	}
	for (unsigned i = 0; i < 2 * 256 * 4 * 8; i++) {
		struct path path = {.map = (uint8_t)(2 + (i >> 13)),
			.opcode = (uint8_t)(i >> 5),
			.prefix = (int8_t)(i & 3),
			.mod = -1,
			.rm = -1,
			.reg = (int8_t)(i >> 2 & 7),
			.vex = true};
		const struct emu_opcode *line = emu_vex_line(
			path.map, path.opcode, (unsigned)path.prefix, (unsigned)path.reg);
		if (line && (path.opcode == 0xf3 || path.reg == 0)) {
			if (path.opcode != 0xf3)
				path.reg = -1;
			paths_add(paths, &count, path, line, 0);
		}
	}
	return count;
}

void path_name(const struct path *path, char name[64])
{
	static const char *const maps[] = {"", "0f ", "0f 38 ", "0f 3a "};
	static const char *const prefixes[] = {"np ", "66 ", "f3 ", "f2 "};
	int at = snprintf(name, 64, "%s%s%s%02x", path->prefix >= 0 ? prefixes[path->prefix] : "",
		path->vex ? "vex " : "", maps[path->map], path->opcode);

	if (path->reg >= 0)
		at += snprintf(name + at, 64 - (size_t)at, " /%d", path->reg);
	if (path->mod >= 0)
		at += snprintf(name + at, 64 - (size_t)at, path->mod ? " reg" : " mem");
	snprintf(name + at, 64 - (size_t)at, " %s", emu_op_name(path->line->op));
}

uint16_t vectors_selector(void)
{
	static const uint16_t selectors[] = {0, 1, 3, HOST_CS32_FLAT, HOST_CS64_FLAT, HOST_DS_FLAT, HOST_CS16,
		HOST_DS16, HOST_DS32, HOST_DS_READ, HOST_DS_DOWN, HOST_DS_SHORT, HOST_DS_ABSENT, HOST_CS_ABSENT,
		HOST_CS_NOREAD, HOST_CS_CONFORMING, HOST_CS32, HOST_CS32_FLAT & ~3, HOST_DS_FLAT & ~3, HOST_DS32 & ~3,
		HOST_CS32 & ~2, HOST_CS_CONFORMING & ~3, 0x5f, 0xff7, 0x10, 0x18, 0x08, 0xfff8, 0x83};

	return selectors[below(chance(60) ? 17 : sizeof selectors / sizeof selectors[0])];
}

/*
 * For a far transfer. Not a call from 16-bit code to 64-bit code: it pushes with all of RSP, whose upper half is what Linux's espfix
 * has left there, and Linux then takes the fault for a spurious one, for ever.
 */
uint16_t vectors_far_selector(const struct vector *v, enum emu_mode mode)
{
	uint16_t selector = vectors_selector();

	return v->insn.op == OP_CALLFAR && mode == EMU_MODE_PROT16 && (selector & ~3) == (HOST_CS64_FLAT & ~3)
		       ? HOST_CS32_FLAT
		       : selector;
}

struct emu_segment vector_segment(uint16_t selector, bool is64, unsigned number)
{
	struct emu_segment flat = {.selector = selector, .limit = 0xffffffffu};

	switch (selector) {
	case HOST_CS64_FLAT: flat.attributes = 0xafb; return flat;
	case HOST_CS32_FLAT: flat.attributes = 0xcfb; return flat;
	case HOST_DS_FLAT: flat.attributes = 0xcf3; return flat;
	case HOST_CS16: return (struct emu_segment){selector, 0x0fb, 0xffff, HOST_BASE};
	case HOST_DS16: return (struct emu_segment){selector, 0x0f3, 0xffff, HOST_BASE};
	case HOST_DS32: return (struct emu_segment){selector, 0x4f3, 0xffff, HOST_BASE};
	case HOST_DS_READ: return (struct emu_segment){selector, 0x4f1, 0xffff, HOST_BASE};
	case HOST_DS_DOWN: return (struct emu_segment){selector, 0x4f7, 0x27ff, HOST_BASE};
	case HOST_DS_SHORT: return (struct emu_segment){selector, 0x4f3, 0x2fff, HOST_BASE};
	default: break;
	}
	flat.limit = 0;
	if (is64 && number == EMU_FS)
		flat.base = host_fs_base();
	if (is64 && number == EMU_GS)
		flat.base = HOST_GS_BASE;
	return flat;
}

/* Where an operand may be, from HOST_BASE. */
static uint32_t data_offset(void)
{
	switch (below(24)) {
	case 0: return 0x3000 - 16 + below(20); /* across two pages */
	case 1: return 0x4000 - 16 + below(20); /* into nothing */
	case 2: return 0x2000 - 16 + below(20); /* from read-only to writable */
	case 3: return 0x1000 + below(0xff0);	/* read-only */
	case 4: return below(0x1000);		/* nothing */
	case 5: return (0x2000 + below(0x2000)) & ~15u;
	case 6: return 0xfff0 + below(24); /* the edge of a segment of 64 KiB */
	default: return 0x2000 + below(0x1ff0);
	}
}

static uint32_t stack_offset(void)
{
	switch (below(16)) {
	case 0: return 0x5000 + below(20);
	case 1: return 0x7000 - below(20);
	case 2: return 0x6000 - 12 + below(24);
	default: return (0x5100 + below(0x1e00)) & ~1u;
	}
}

static struct emu_segment segment_of(const struct vector *v, enum emu_mode mode, unsigned number)
{
	const struct host_state *s = &v->state;
	const uint16_t selectors[] = {s->es, s->cs, s->ss, s->ds, s->fs, s->gs};

	return vector_segment(selectors[number], mode == EMU_MODE_LONG, number);
}

static void set_part(uint64_t *reg, unsigned size, uint64_t value)
{
	uint64_t mask = size == 8 ? ~0ull : size == 4 ? 0xffffffffull : 0xffffull;

	*reg = (*reg & ~mask) | (value & mask);
}

/* A register that points into a segment. */
static void point(struct vector *v, enum emu_mode mode, unsigned reg, unsigned size, unsigned segment, uint64_t linear)
{
	uint64_t base = mode == EMU_MODE_LONG && segment < EMU_FS ? 0 : segment_of(v, mode, segment).base;

	set_part(&v->state.gpr[reg], size, linear - base);
}

/* Finds the displacement in the bytes and adds to it. */
static bool patch(struct vector *v, enum emu_mode mode, unsigned bytes, uint64_t delta, bool moffs)
{
	for (unsigned at = 1; at + bytes <= v->insn.length; at++) {
		struct emu_insn again;
		uint8_t code[16];
		uint64_t value = 0;

		memcpy(code, v->code, sizeof code);
		memcpy(&value, code + at, bytes);
		value += delta;
		memcpy(code + at, &value, bytes);
		if (emu_decode(mode, vectors_config, code, 15, &again) != EMU_DECODE_OK ||
			again.length != v->insn.length || again.modrm != v->insn.modrm)
			continue;
		if (moffs ? again.imm != ((v->insn.imm + delta) & (bytes == 8 ? ~0ull : (1ull << bytes * 8) - 1))
			  : (uint32_t)again.disp != (uint32_t)v->insn.disp + (uint32_t)delta && bytes == 4)
			continue;
		if (!moffs && bytes == 2 &&
			(uint16_t)again.disp != (uint16_t)((uint32_t)v->insn.disp + (uint32_t)delta))
			continue;
		memcpy(v->code, code, sizeof code);
		v->insn = again;
		return true;
	}
	return false;
}

/* Makes the ModRM operand lie at linear. */
static bool place(struct vector *v, enum emu_mode mode, uint64_t linear)
{
	struct emu_insn *insn = &v->insn;
	unsigned size = insn->address_size;
	uint64_t base = mode == EMU_MODE_LONG && insn->segment < EMU_FS ? 0 : segment_of(v, mode, insn->segment).base;
	uint64_t mask = size == 8   ? ~0ull
			: size == 4 ? 0xffffffffull
				    : 0xffffull,
		 address = (uint64_t)(int64_t)insn->disp, delta;

	if (insn->base < 16)
		address += v->state.gpr[insn->base];
	else if (insn->base == EMU_BASE_RIP)
		address += v->state.rip + insn->length;
	if (insn->index != EMU_NONE)
		address += v->state.gpr[insn->index] << insn->scale;
	delta = (linear - base - address) & mask;
	v->operand = linear;
	if (!delta)
		return true;
	if (insn->base == EMU_BASE_RIP)
		return patch(v, mode, 4, delta, false);
	if (insn->base < 16 && insn->base != insn->index) {
		set_part(&v->state.gpr[insn->base], size, v->state.gpr[insn->base] + delta);
		return true;
	}
	if (insn->base == EMU_NONE && size == 8 &&
		(uint64_t)(int64_t)(int32_t)((uint32_t)insn->disp + (uint32_t)delta) !=
			(uint64_t)(int64_t)insn->disp + delta)
		return false;
	if (insn->base == EMU_NONE)
		return patch(v, mode, size == 2 ? 2 : 4, delta, false);
	return false;
}

/* The bytes, from prefixes to random rest. */
static void write_code(struct vector *v, const struct path *path, enum emu_mode mode)
{
	static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
	bool is64 = mode == EMU_MODE_LONG;
	bool string = path->map == 0 &&
		      ((path->opcode >= 0xa4 && path->opcode <= 0xaf && (path->opcode & 0xfe) != 0xa8) ||
			      (path->opcode >= 0x6c && path->opcode <= 0x6f));
	unsigned at = 0, modrm;

	for (unsigned i = 0; i < sizeof v->code; i++)
		v->code[i] = (uint8_t)vectors_random();
	if (chance(15))
		v->code[at++] = 0x67;
	if (chance(20))
		v->code[at++] = segments[below(6)];
	if (path->line->flags & F_LOCKABLE ? chance(25) : chance(1))
		v->code[at++] = 0xf0;
	if (path->prefix == 1 || (!path->vex && path->prefix < 0 && chance(25)))
		v->code[at++] = 0x66;
	if (!path->vex && (path->prefix >= 2 || (path->prefix < 0 && chance(string ? 50 : 5))))
		v->code[at++] = path->prefix >= 0 ? (path->prefix == 2 ? 0xf3 : 0xf2) : chance(50) ? 0xf3 : 0xf2;
	if (path->vex && at && v->code[at - 1] == 0x66)
		at--;
	if (path->vex) {
		v->code[at++] = 0xc4;
		v->code[at++] = (uint8_t)((is64 ? vectors_random() & 0xe0 : 0xe0) | path->map);
		v->code[at++] = (uint8_t)((vectors_random() & (is64 ? 0xf8 : 0xf8)) | (chance(2) ? 4 : 0) |
					  (unsigned)path->prefix);
		if (path->line->op == OP_RORX && chance(95))
			v->code[at - 1] |= 0x78;
		v->code[at - 1] &= chance(2) ? 0xff : 0xfb;
	} else {
		if (is64 && chance(60))
			v->code[at++] = (uint8_t)(0x40 | below(16));
		if (path->map)
			v->code[at++] = 0x0f;
		if (path->map >= 2)
			v->code[at++] = path->map == 2 ? 0x38 : 0x3a;
	}
	v->code[at++] = path->opcode;
	modrm = (unsigned)vectors_random() & 0xff;
	if (path->reg >= 0)
		modrm = (modrm & ~0x38u) | (unsigned)path->reg << 3;
	if (path->mod == 1 || path->line->flags & F_REG)
		modrm |= 0xc0;
	else if ((path->mod == 0 || path->line->flags & F_MEM) && modrm >= 0xc0)
		modrm &= 0xbf;
	if (path->rm >= 0)
		modrm = (modrm & ~7u) | (unsigned)path->rm;
	v->code[at] = (uint8_t)modrm; /* without a ModRM byte: the start of random rest */
}

static void choose_segments(struct vector *v, enum emu_mode mode)
{
	struct host_state *s = &v->state;
	static const uint16_t others[] = {0, HOST_DS_READ, HOST_DS_DOWN, HOST_DS_SHORT, HOST_DS32, HOST_DS_FLAT};

	s->fs = 0;
	if (mode == EMU_MODE_LONG) {
		s->cs = HOST_CS64_FLAT;
		s->ss = s->ds = s->es = HOST_DS_FLAT;
		s->gs = 0;
		return;
	}
	s->cs = mode == EMU_MODE_PROT32 ? HOST_CS32_FLAT : HOST_CS16;
	s->ss = mode == EMU_MODE_PROT32 ? HOST_DS_FLAT : HOST_DS16;
	s->ds = s->es = s->ss;
	if (chance(10))
		s->ds = others[below(6)];
	if (chance(10))
		s->es = others[below(6)];
	s->gs = others[below(6)];
}

/* Operations with memory that ModRM does not name, and with numbers that must not be just any. */
static void choose_registers(struct vector *v, enum emu_mode mode)
{
	struct host_state *s = &v->state;
	const struct emu_insn *insn = &v->insn;
	unsigned asize = insn->address_size;
	/* IF, the bit that is always set, and TF, unless a breakpoint behind the instruction does as well: it costs a tenth of the time. */
	uint64_t flags = v->stepped ? 0x302 : 0x202;

	for (unsigned i = 0; i < 16; i++)
		s->gpr[i] = mode == EMU_MODE_LONG ? vectors_operand() : (uint32_t)vectors_operand();
	s->rflags = flags | (vectors_random() & 0x8d5) | (chance(30) ? 0x400 : 0) | (chance(10) ? 1 << 18 : 0);
	point(v, mode, EMU_RSP,
		mode == EMU_MODE_LONG	  ? 8
		: mode == EMU_MODE_PROT32 ? 4
					  : 2,
		EMU_SS, HOST_BASE + stack_offset());
	if (insn->op == OP_LEAVE || insn->op == OP_ENTER)
		point(v, mode, EMU_RBP,
			mode == EMU_MODE_LONG	  ? 8
			: mode == EMU_MODE_PROT32 ? 4
						  : 2,
			EMU_SS, HOST_BASE + stack_offset());
	if (insn->op >= OP_MOVS && insn->op <= OP_OUTS) {
		point(v, mode, EMU_RSI, asize, insn->segment, HOST_BASE + data_offset());
		point(v, mode, EMU_RDI, asize, EMU_ES, HOST_BASE + data_offset());
		set_part(&s->gpr[EMU_RCX], asize, below(4));
	}
	/* A far call into 64-bit mode pushes with all of RSP. */
	if (insn->op == OP_CALLFAR && mode == EMU_MODE_PROT16)
		s->gpr[EMU_RSP] = HOST_BASE | (s->gpr[EMU_RSP] & 0xffff);
	if (insn->op == OP_MOVTOSEG && !insn->memory)
		set_part(&s->gpr[insn->rm], 2, vectors_selector());
	if (insn->op == OP_XLAT) {
		s->gpr[EMU_RAX] &= ~0xffull;
		s->gpr[EMU_RAX] |= below(16);
		point(v, mode, EMU_RBX, asize, insn->segment, HOST_BASE + data_offset() - (s->gpr[EMU_RAX] & 0xff));
	}
	if (insn->op == OP_LOOP && chance(50))
		set_part(&s->gpr[EMU_RCX], asize, below(3));
	if (insn->op >= OP_BT && insn->op <= OP_BTC && insn->memory && insn->form == FORM_EG)
		s->gpr[insn->reg] = (uint64_t)((int64_t)below(1000) - 500);
	if ((insn->op == OP_DIV || insn->op == OP_IDIV) && chance(70)) /* else nearly all of them overflow */
		s->gpr[EMU_RDX] = below(3) ? below(3) : ~0ull;
	if (insn->op == OP_IDIV && insn->size == 8 && chance(50))
		s->gpr[EMU_RDX] = (int64_t)s->gpr[EMU_RAX] < 0 ? ~0ull : 0;
	if ((insn->op == OP_JMP || insn->op == OP_CALL || insn->op == OP_RET) && chance(50))
		s->gpr[insn->rm] &= 0xffff;
	if (mode != EMU_MODE_LONG)
		for (unsigned i = 0; i < 16; i++)
			s->gpr[i] = (uint32_t)s->gpr[i];
}

bool vector_make(struct vector *v, const struct path *path, enum emu_mode mode)
{
	uint64_t linear = HOST_BASE + data_offset();

	write_code(v, path, mode);
	choose_segments(v, mode);
	v->decoded = emu_decode(mode, vectors_config, v->code, 15, &v->insn);
	v->operand = 0;
	if (v->decoded == EMU_DECODE_OK && (v->insn.op != path->line->op || v->insn.form != path->line->form))
		return false;
	if (v->decoded != EMU_DECODE_OK) {
		/* LOCK where it is not allowed, a prefix too many: now and then, to see that both refuse. */
		if (v->decoded != EMU_DECODE_INVALID || !chance(5))
			return false;
		v->insn.op = OP_INVALID;
		v->insn.memory = false;
		v->insn.address_size = 4;
	}
	v->code_offset = chance(5) ? 0x9000 - below(15) : chance(3) ? 0xa000 - below(15) : 0x8000 + below(0x1ff0);
	v->state.rip = mode == EMU_MODE_PROT16 ? v->code_offset : HOST_BASE + v->code_offset;
	v->stepped = v->decoded != EMU_DECODE_OK || v->code_offset + v->insn.length >= 0xa000 || chance(4) ||
		     (v->insn.op >= OP_JCC && v->insn.op <= OP_RET) ||
		     (v->insn.op >= OP_MOVS && v->insn.op <= OP_OUTS) || v->insn.op == OP_POPF ||
		     (v->insn.op >= OP_JMPFAR && v->insn.op <= OP_IRET) ||
		     (v->insn.op >= OP_INT && v->insn.op <= OP_INTO);
	/* A breakpoint after all where the step would be put off. */
	if (v->insn.op == OP_MOVTOSEG || v->insn.op == OP_POPSEG || v->insn.op == OP_LOADFAR) {
		if (v->decoded == EMU_DECODE_OK && v->code_offset + v->insn.length >= 0xa000)
			return false;
		v->stepped = v->decoded != EMU_DECODE_OK;
	}
	if (!v->stepped)
		v->code[v->insn.length] = 0xcc;
	choose_registers(v, mode);
	if (v->decoded == EMU_DECODE_OK && v->insn.memory && v->insn.op != OP_LEA && v->insn.op != OP_NOP &&
		v->insn.op != OP_PREFETCH) {
		if (mode == EMU_MODE_LONG && v->insn.address_size == 8 && chance(3))
			linear = chance(50) ? 0x8000000000000000ull + linear : 0x0000800000000000ull - below(9);
		/* Where a stack would be moved, or a descriptor table's selector lost, by the address: another try. */
		if (!place(v, mode, linear))
			return false;
		/* The stack has to stay in the memory that both have, and a bit offset must not be an address. */
		if (mode != EMU_MODE_PROT16 &&
			(v->state.gpr[EMU_RSP] < HOST_BASE || v->state.gpr[EMU_RSP] >= HOST_BASE + HOST_SIZE) &&
			((v->insn.op >= OP_JCC && v->insn.op <= OP_LEAVE) ||
				(v->insn.op >= OP_PUSHSEG && v->insn.op <= OP_IRET)))
			return false;
		if (v->insn.op >= OP_BT && v->insn.op <= OP_BTC && v->insn.form == FORM_EG &&
			(v->insn.reg == v->insn.base || v->insn.reg == v->insn.index))
			return false;
		if (mode != EMU_MODE_LONG)
			for (unsigned i = 0; i < 16; i++)
				v->state.gpr[i] = (uint32_t)v->state.gpr[i];
	}
	if (v->insn.flags & F_FAR && v->decoded == EMU_DECODE_OK) {
		v->insn.imm2 = vectors_far_selector(v, mode);
		memcpy(v->code + v->insn.length - 2, &v->insn.imm2, 2);
	}
	if (v->insn.flags & F_MOFFS && v->decoded == EMU_DECODE_OK) {
		uint64_t base = mode == EMU_MODE_LONG && v->insn.segment < EMU_FS
					? 0
					: segment_of(v, mode, v->insn.segment).base;
		if (!patch(v, mode, v->insn.address_size, linear - base - v->insn.imm, true))
			return false;
		v->operand = linear;
	}
	return true;
}
