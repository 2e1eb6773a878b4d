/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_bits.c: shifts, rotates, bit tests, bit counts, and the bit-manipulation extensions BMI1 and BMI2. */
#include "monitor/emu/exec.h"

/* A rotate or shift by count, which is not 0 and below 32 or 64. Changes only the flags in *mask. */
static uint64_t shift(
	unsigned op, uint64_t value, unsigned count, unsigned size, uint64_t rflags, unsigned *flags, unsigned *mask)
{
	unsigned bits = size * 8, carry = rflags & FLAG_CF, times;
	uint64_t top = sign_bit(size), result = value;

	*mask = FLAG_CF | FLAG_OF;
	switch (op) {
	case OP_ROL:
	case OP_ROR:
		times = op == OP_ROL ? count % bits : (bits - count % bits) % bits;
		if (times)
			result = (value << times | value >> (bits - times)) & size_mask(size);
		carry = op == OP_ROL ? result & 1 : !!(result & top);
		break;
	case OP_RCL:
		for (times = count % (bits + 1); times; times--) { /* at most 64 rounds */
			unsigned out = !!(result & top);
			result = (result << 1 | carry) & size_mask(size);
			carry = out;
		}
		break;
	case OP_RCR:
		for (times = count % (bits + 1); times; times--) {
			unsigned out = result & 1;
			result = result >> 1 | (carry ? top : 0);
			carry = out;
		}
		break;
	case OP_SHR:
		carry = count <= bits ? value >> (count - 1) & 1 : 0;
		result = count < bits ? value >> count : 0;
		*mask = FLAGS_STATUS;
		break;
	case OP_SAR: {
		int64_t extended = (int64_t)sign_extend(value, size);
		carry = extended >> (count - 1) & 1;
		result = (uint64_t)(extended >> count) & size_mask(size);
		*mask = FLAGS_STATUS;
		break;
	}
	default: /* SHL, SAL */
		carry = count <= bits ? value >> (bits - count) & 1 : 0;
		result = count < bits ? value << count & size_mask(size) : 0;
		*mask = FLAGS_STATUS;
		break;
	}
	*flags = carry ? FLAG_CF : 0;
	if (*mask & FLAG_ZF)
		*flags |= flags_result(result, size);
	/* OF is defined for a count of one: these forms give the right value there. */
	if (op == OP_ROL || op == OP_RCL || op == OP_SHL || op == OP_SAL ? !(result & top) != !carry
									 : !(result & top) != !(result & top >> 1))
		*flags |= FLAG_OF;
	if (op == OP_SHR)
		*flags = (*flags & ~FLAG_OF) | (value & top ? FLAG_OF : 0);
	if (op == OP_SAR)
		*flags &= ~FLAG_OF;
	return result;
}

enum emu_result exec_shift(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags, mask;
	unsigned count = insn->form == FORM_EI	 ? (unsigned)insn->imm
			 : insn->form == FORM_E1 ? 1
						 : (unsigned)emu->cpu.gpr[EMU_RCX];
	struct emu_ref ref;
	uint64_t old, new;

	count &= size == 8 ? 63 : 31;
	TRY(e_begin(emu, insn, size, &ref, &old));
	if (count == 0) /* nothing changes, but a 32-bit register's upper half, and memory is written as it was */
		return e_end(emu, insn, size, &ref, old, old);
	new = shift(insn->op, old, count, size, emu->cpu.rflags, &flags, &mask);
	TRY(e_end(emu, insn, size, &ref, old, new));
	flags_set(emu, mask, flags);
	return EMU_DONE;
}

/* SHLD, SHRD. */
enum emu_result exec_shiftd(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, bits = size * 8, flags, carry;
	unsigned count = (insn->form == FORM_EGI ? (unsigned)insn->imm : (unsigned)emu->cpu.gpr[EMU_RCX]) &
			 (size == 8 ? 63 : 31);
	uint64_t old, new, other = reg_read(emu, insn, insn->reg, size);
	struct emu_ref ref;

	TRY(e_begin(emu, insn, size, &ref, &old));
	if (count == 0)
		return e_end(emu, insn, size, &ref, old, old);
	/* A count above 16 for 16 bits is undefined: processors shift the destination in again behind the source. */
	if (size == 2) {
		uint64_t chain = insn->op == OP_SHLD ? old << 32 | other << 16 | old : old | other << 16 | old << 32;
		if (insn->op == OP_SHLD) {
			new = chain << count >> 32 & 0xffff;
			carry = chain << (count - 1) >> 47 & 1;
		} else {
			new = chain >> count & 0xffff;
			carry = chain >> (count - 1) & 1;
		}
	} else if (insn->op == OP_SHLD) {
		new = (old << count | other >> (bits - count)) & size_mask(size);
		carry = old >> (bits - count) & 1;
	} else {
		new = (old >> count | other << (bits - count)) & size_mask(size);
		carry = old >> (count - 1) & 1;
	}
	TRY(e_end(emu, insn, size, &ref, old, new));
	flags = flags_result(new, size) | (carry ? FLAG_CF : 0);
	if ((old ^ new) & sign_bit(size))
		flags |= FLAG_OF;
	flags_set(emu, FLAGS_STATUS, flags);
	return EMU_DONE;
}

/* BT, BTS, BTR, BTC. A bit offset in a register reaches beyond the operand in memory, in both directions. */
enum emu_result exec_bittest(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, bits = size * 8;
	bool write = insn->op != OP_BT;
	uint64_t bit = insn->form == FORM_EI ? insn->imm : reg_read(emu, insn, insn->reg, size), old, new;
	struct emu_ref ref;

	if (insn->memory) {
		uint64_t address = effective_address(emu, insn);
		if (insn->form == FORM_EG) {
			int64_t offset = (int64_t)sign_extend(bit, size);
			address += (uint64_t)((offset >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * (int64_t)size);
			address &= size_mask(insn->address_size);
		}
		TRY(emu_ref(emu, insn->segment, address, size, write ? EMU_ACCESS_WRITE : 0, &ref));
		TRY(emu_ref_read(emu, &ref, &old));
	} else {
		old = reg_read(emu, insn, insn->rm, size);
	}
	bit = 1ull << (bit & (bits - 1));
	new = insn->op == OP_BTS ? old | bit : insn->op == OP_BTR ? old & ~bit : insn->op == OP_BTC ? old ^ bit : old;
	if (write)
		TRY(e_end(emu, insn, size, &ref, old, new));
	flags_set(emu, FLAG_CF, old & bit ? FLAG_CF : 0);
	return EMU_DONE;
}

static unsigned lowest_bit(uint64_t value)
{
	return (unsigned)__builtin_ctzll(value);
}

static unsigned highest_bit(uint64_t value)
{
	return 63 - (unsigned)__builtin_clzll(value);
}

/* BSF, BSR, and with F3 TZCNT, LZCNT. */
enum emu_result exec_bitscan(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, bits = size * 8, result;
	unsigned extension = insn->op == OP_BSF ? EMU_CONFIG_BMI1 : EMU_CONFIG_LZCNT;
	uint64_t value;

	TRY(e_read(emu, insn, size, &value));
	if (insn->prefixes & EMU_PREFIX_F3 && emu->config & extension) {
		if (insn->op == OP_BSF)
			result = value ? lowest_bit(value) : bits;
		else
			result = value ? bits - 1 - highest_bit(value) : bits;
		reg_write(emu, insn, insn->reg, size, result);
		flags_set(emu, FLAG_CF | FLAG_ZF, (value ? 0 : FLAG_CF) | (result ? 0 : FLAG_ZF));
		return EMU_DONE;
	}
	if (value) /* of zero the destination is as it was: AMD says so, all processors do so */
		reg_write(emu, insn, insn->reg, size, insn->op == OP_BSF ? lowest_bit(value) : highest_bit(value));
	flags_set(emu, FLAG_ZF, value ? 0 : FLAG_ZF);
	return EMU_DONE;
}

enum emu_result exec_popcnt(struct emu *emu, const struct emu_insn *insn)
{
	unsigned count = 0;
	uint64_t value;

	TRY(e_read(emu, insn, insn->size, &value));
	for (uint64_t rest = value; rest; rest &= rest - 1)
		count++;
	reg_write(emu, insn, insn->reg, insn->size, count);
	flags_set(emu, FLAGS_STATUS, value ? 0 : FLAG_ZF);
	return EMU_DONE;
}

/* BMI: two or three operands by VEX. #UD where the machine that the guest sees has none. */
static enum emu_result bmi_begin(struct emu *emu, unsigned config, const struct emu_insn *insn, uint64_t *source)
{
	if (!(emu->config & config))
		return emu_fault(emu, VECTOR_UD);
	return e_read(emu, insn, insn->size, source);
}

enum emu_result exec_andn(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t source, result;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI1, insn, &source));
	result = ~gpr_read(emu, insn->vvvv, insn->size) & source;
	reg_write(emu, insn, insn->reg, insn->size, result);
	flags_set(emu, FLAGS_STATUS, flags_result(result, insn->size) & ~FLAG_PF);
	return EMU_DONE;
}

/* BLSR, BLSMSK, BLSI. */
enum emu_result exec_bls(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t source, result;
	unsigned carry;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI1, insn, &source));
	carry = source == 0;
	if (insn->op == OP_BLSR) {
		result = source & (source - 1);
	} else if (insn->op == OP_BLSMSK) {
		result = source ^ (source - 1);
	} else {
		result = source & -source;
		carry = source != 0;
	}
	result &= size_mask(insn->size);
	reg_write(emu, insn, insn->vvvv, insn->size, result);
	flags_set(emu, FLAGS_STATUS, (flags_result(result, insn->size) & ~FLAG_PF) | (carry ? FLAG_CF : 0));
	return EMU_DONE;
}

enum emu_result exec_bextr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t source, control = gpr_read(emu, insn->vvvv, insn->size);
	unsigned start = control & 0xff, length = control >> 8 & 0xff;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI1, insn, &source));
	source = start < 64 ? source >> start : 0;
	if (length < 64)
		source &= (1ull << length) - 1;
	reg_write(emu, insn, insn->reg, insn->size, source);
	flags_set(emu, FLAGS_STATUS, source ? 0 : FLAG_ZF);
	return EMU_DONE;
}

enum emu_result exec_bzhi(struct emu *emu, const struct emu_insn *insn)
{
	unsigned bits = insn->size * 8u, index = emu->cpu.gpr[insn->vvvv] & 0xff;
	uint64_t source;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI2, insn, &source));
	if (index < bits)
		source &= (1ull << index) - 1;
	reg_write(emu, insn, insn->reg, insn->size, source);
	flags_set(emu, FLAGS_STATUS, (flags_result(source, insn->size) & ~FLAG_PF) | (index >= bits ? FLAG_CF : 0));
	return EMU_DONE;
}

/* PDEP, PEXT. */
enum emu_result exec_pdep(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t mask, value = gpr_read(emu, insn->vvvv, insn->size), result = 0;
	unsigned at = 0;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI2, insn, &mask));
	for (; mask; mask &= mask - 1, at++) {
		uint64_t bit = mask & -mask;
		if (insn->op == OP_PDEP)
			result |= value >> at & 1 ? bit : 0;
		else
			result |= (uint64_t) !!(value & bit) << at;
	}
	reg_write(emu, insn, insn->reg, insn->size, result);
	return EMU_DONE;
}

enum emu_result exec_mulx(struct emu *emu, const struct emu_insn *insn)
{
	unsigned __int128 product;
	uint64_t source, high;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI2, insn, &source));
	product = (unsigned __int128)source * gpr_read(emu, EMU_RDX, insn->size);
	high = insn->size == 8 ? (uint64_t)(product >> 64) : (uint64_t)product >> 32;
	reg_write(emu, insn, insn->vvvv, insn->size, (uint64_t)product);
	reg_write(emu, insn, insn->reg, insn->size, high); /* the one that stays if both are the same */
	return EMU_DONE;
}

enum emu_result exec_rorx(struct emu *emu, const struct emu_insn *insn)
{
	unsigned bits = insn->size * 8u, count = insn->imm & (bits - 1);
	uint64_t source;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI2, insn, &source));
	if (count)
		source = source >> count | source << (bits - count);
	reg_write(emu, insn, insn->reg, insn->size, source);
	return EMU_DONE;
}

/* SARX, SHLX, SHRX. */
enum emu_result exec_shiftx(struct emu *emu, const struct emu_insn *insn)
{
	unsigned count = emu->cpu.gpr[insn->vvvv] & (insn->size * 8u - 1);
	uint64_t source;

	TRY(bmi_begin(emu, EMU_CONFIG_BMI2, insn, &source));
	if (insn->op == OP_SHLX)
		source <<= count;
	else if (insn->op == OP_SHRX)
		source >>= count;
	else
		source = (uint64_t)((int64_t)sign_extend(source, insn->size) >> count);
	reg_write(emu, insn, insn->reg, insn->size, source);
	return EMU_DONE;
}
