/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/exec_string.c: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS.
 *
 * An iteration is complete in itself: with REP, up to emu->batch of them are done in one step, and RIP stays at the instruction while
 * some are left. An iteration that fails after others have been done ends the step as completed; the next step meets the failure with
 * nothing else done. Both operands are checked before either is touched, since reading a device may change it.
 */
#include "monitor/emu/exec.h"

typedef enum emu_result iteration(struct emu *emu, const struct emu_insn *insn);

static inline void advance(struct emu *emu, const struct emu_insn *insn, unsigned reg)
{
	uint64_t step = emu->cpu.rflags & FLAG_DF ? -(uint64_t)insn->size : insn->size;

	gpr_write(emu, reg, insn->address_size, emu->cpu.gpr[reg] + step);
}

static inline enum emu_result source_ref(struct emu *emu, const struct emu_insn *insn, struct emu_ref *ref)
{
	return emu_ref(emu, insn->segment, gpr_read(emu, EMU_RSI, insn->address_size), insn->size, 0, ref);
}

/* The destination is in ES, which no prefix changes. */
static inline enum emu_result target_ref(
	struct emu *emu, const struct emu_insn *insn, unsigned access, struct emu_ref *ref)
{
	return emu_ref(emu, EMU_ES, gpr_read(emu, EMU_RDI, insn->address_size), insn->size, access, ref);
}

/* The flags of CMP. */
static void compare(struct emu *emu, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t difference = (a - b) & size_mask(size);
	unsigned flags = flags_result(difference, size) | ((a ^ b ^ difference) & FLAG_AF);

	if (a < b)
		flags |= FLAG_CF;
	if ((a ^ b) & (a ^ difference) & sign_bit(size))
		flags |= FLAG_OF;
	flags_set(emu, FLAGS_STATUS, flags);
}

/* until_flag: CMPS and SCAS end when ZF is not what the prefix asks for. */
static enum emu_result repeat(struct emu *emu, const struct emu_insn *insn, iteration *one, bool until_flag)
{
	unsigned prefix = insn->prefixes & (EMU_PREFIX_F2 | EMU_PREFIX_F3), left = emu->batch;
	unsigned width = insn->address_size;
	uint64_t count;

	if (!prefix)
		return one(emu, insn);
	count = gpr_read(emu, EMU_RCX, width);
	if (count == 0)
		return EMU_DONE;
	for (bool first = true;; first = false) {
		enum emu_result result = one(emu, insn);

		if (result != EMU_DONE && first)
			return result;
		if (result != EMU_DONE)
			break;
		gpr_write(emu, EMU_RCX, width, --count);
		if (count == 0)
			return EMU_DONE;
		if (until_flag && !(emu->cpu.rflags & FLAG_ZF) == (prefix == EMU_PREFIX_F3))
			return EMU_DONE;
		if (left-- <= 1)
			break;
	}
	emu->next_rip = emu->cpu.rip;
	return EMU_DONE;
}

static enum emu_result movs_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_ref from, to;
	uint64_t value;

	TRY(source_ref(emu, insn, &from));
	TRY(target_ref(emu, insn, EMU_ACCESS_WRITE, &to));
	TRY(emu_ref_read(emu, &from, &value));
	TRY(emu_ref_write(emu, &to, value));
	advance(emu, insn, EMU_RSI);
	advance(emu, insn, EMU_RDI);
	return EMU_DONE;
}

enum emu_result exec_movs(struct emu *emu, const struct emu_insn *insn)
{
	return repeat(emu, insn, movs_once, false);
}

static enum emu_result cmps_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_ref first, second;
	uint64_t a, b;

	TRY(source_ref(emu, insn, &first));
	TRY(target_ref(emu, insn, 0, &second));
	TRY(emu_ref_read(emu, &first, &a));
	TRY(emu_ref_read(emu, &second, &b));
	compare(emu, a, b, insn->size);
	advance(emu, insn, EMU_RSI);
	advance(emu, insn, EMU_RDI);
	return EMU_DONE;
}

enum emu_result exec_cmps(struct emu *emu, const struct emu_insn *insn)
{
	return repeat(emu, insn, cmps_once, true);
}

static enum emu_result stos_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_ref to;

	TRY(target_ref(emu, insn, EMU_ACCESS_WRITE, &to));
	TRY(emu_ref_write(emu, &to, gpr_read(emu, EMU_RAX, insn->size)));
	advance(emu, insn, EMU_RDI);
	return EMU_DONE;
}

enum emu_result exec_stos(struct emu *emu, const struct emu_insn *insn)
{
	return repeat(emu, insn, stos_once, false);
}

static enum emu_result lods_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_ref from;
	uint64_t value;

	TRY(source_ref(emu, insn, &from));
	TRY(emu_ref_read(emu, &from, &value));
	reg_write(emu, insn, EMU_RAX, insn->size, value);
	advance(emu, insn, EMU_RSI);
	return EMU_DONE;
}

enum emu_result exec_lods(struct emu *emu, const struct emu_insn *insn)
{
	return repeat(emu, insn, lods_once, false);
}

static enum emu_result scas_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_ref ref;
	uint64_t value;

	TRY(target_ref(emu, insn, 0, &ref));
	TRY(emu_ref_read(emu, &ref, &value));
	compare(emu, gpr_read(emu, EMU_RAX, insn->size), value, insn->size);
	advance(emu, insn, EMU_RDI);
	return EMU_DONE;
}

enum emu_result exec_scas(struct emu *emu, const struct emu_insn *insn)
{
	return repeat(emu, insn, scas_once, true);
}

/* Ports know at most 32 bits: REX.W does not widen them. */
static unsigned port_size(const struct emu_insn *insn)
{
	return insn->size == 8 ? 4 : insn->size;
}

static enum emu_result ins_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_insn sized = *insn;
	struct emu_ref to;
	uint32_t value = 0;

	sized.size = (uint8_t)port_size(insn);
	TRY(target_ref(emu, &sized, EMU_ACCESS_WRITE, &to));
	TRY(emu->ops->port_in(emu->context, (uint16_t)emu->cpu.gpr[EMU_RDX], sized.size, &value));
	TRY(emu_ref_write(emu, &to, value));
	advance(emu, &sized, EMU_RDI);
	return EMU_DONE;
}

enum emu_result exec_ins(struct emu *emu, const struct emu_insn *insn)
{
	TRY(port_allowed(emu, emu->cpu.gpr[EMU_RDX] & 0xffff, port_size(insn))); /* also for a count of zero */
	return repeat(emu, insn, ins_once, false);
}

static enum emu_result outs_once(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_insn sized = *insn;
	struct emu_ref from;
	uint64_t value;

	sized.size = (uint8_t)port_size(insn);
	TRY(source_ref(emu, &sized, &from));
	TRY(emu_ref_read(emu, &from, &value));
	TRY(emu->ops->port_out(emu->context, (uint16_t)emu->cpu.gpr[EMU_RDX], sized.size, (uint32_t)value));
	advance(emu, &sized, EMU_RSI);
	return EMU_DONE;
}

enum emu_result exec_outs(struct emu *emu, const struct emu_insn *insn)
{
	TRY(port_allowed(emu, emu->cpu.gpr[EMU_RDX] & 0xffff, port_size(insn)));
	return repeat(emu, insn, outs_once, false);
}
