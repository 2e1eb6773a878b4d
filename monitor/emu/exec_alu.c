/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_alu.c: arithmetic and logic. Flags that the manuals leave undefined are what falls out here. */
#include "monitor/emu/exec.h"

static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned size, unsigned *flags)
{
	uint64_t sum = (a + b + carry) & size_mask(size), top = sign_bit(size);

	*flags = flags_result(sum, size) | ((a ^ b ^ sum) & FLAG_AF);
	if (((a & b) | ((a | b) & ~sum)) & top)
		*flags |= FLAG_CF;
	if ((a ^ sum) & (b ^ sum) & top)
		*flags |= FLAG_OF;
	return sum;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned size, unsigned *flags)
{
	uint64_t difference = (a - b - borrow) & size_mask(size), top = sign_bit(size);

	*flags = flags_result(difference, size) | ((a ^ b ^ difference) & FLAG_AF);
	if (((~a & b) | ((~a | b) & difference)) & top)
		*flags |= FLAG_CF;
	if ((a ^ b) & (a ^ difference) & top)
		*flags |= FLAG_OF;
	return difference;
}

static uint64_t compute(unsigned op, uint64_t a, uint64_t b, unsigned size, uint64_t rflags, unsigned *flags)
{
	uint64_t result;

	switch (op) {
	case OP_ADD: return add(a, b, 0, size, flags);
	case OP_ADC: return add(a, b, rflags & FLAG_CF, size, flags);
	case OP_SBB: return subtract(a, b, rflags & FLAG_CF, size, flags);
	case OP_SUB:
	case OP_CMP: return subtract(a, b, 0, size, flags);
	case OP_OR: result = a | b; break;
	case OP_AND: result = a & b; break;
	default: result = a ^ b; break;
	}
	*flags = flags_result(result, size);
	return result;
}

enum emu_result exec_alu(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags;
	uint64_t a, b, result, mask = size_mask(size);
	struct emu_ref ref;

	switch (insn->form) {
	case FORM_GE:
		a = reg_read(emu, insn, insn->reg, size);
		TRY(e_read(emu, insn, size, &b));
		result = compute(insn->op, a, b, size, emu->cpu.rflags, &flags);
		if (insn->op != OP_CMP)
			reg_write(emu, insn, insn->reg, size, result);
		break;
	case FORM_AI:
		a = gpr_read(emu, EMU_RAX, size);
		result = compute(insn->op, a, insn->imm & mask, size, emu->cpu.rflags, &flags);
		if (insn->op != OP_CMP)
			reg_write(emu, insn, EMU_RAX, size, result);
		break;
	default: /* FORM_EG, FORM_EI */
		b = insn->form == FORM_EG ? reg_read(emu, insn, insn->reg, size) : insn->imm & mask;
		if (insn->op == OP_CMP) {
			TRY(e_read(emu, insn, size, &a));
			compute(OP_CMP, a, b, size, 0, &flags);
			break;
		}
		TRY(e_begin(emu, insn, size, &ref, &a));
		result = compute(insn->op, a, b, size, emu->cpu.rflags, &flags);
		TRY(e_end(emu, insn, size, &ref, a, result));
		break;
	}
	flags_set(emu, FLAGS_STATUS, flags);
	return EMU_DONE;
}

enum emu_result exec_test(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	uint64_t a, b;

	if (insn->form == FORM_AI)
		a = gpr_read(emu, EMU_RAX, size);
	else
		TRY(e_read(emu, insn, size, &a));
	b = insn->form == FORM_EG ? reg_read(emu, insn, insn->reg, size) : insn->imm;
	flags_set(emu, FLAGS_STATUS, flags_result(a & b, size));
	return EMU_DONE;
}

enum emu_result exec_incdec(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags;
	struct emu_ref ref;
	uint64_t old, new;

	if (insn->form == FORM_Z)
		old = gpr_read(emu, insn->opcode & 7, size);
	else
		TRY(e_begin(emu, insn, size, &ref, &old));
	new = insn->op == OP_INC ? add(old, 1, 0, size, &flags) : subtract(old, 1, 0, size, &flags);
	if (insn->form == FORM_Z)
		reg_write(emu, insn, insn->opcode & 7, size, new);
	else
		TRY(e_end(emu, insn, size, &ref, old, new));
	flags_set(emu, FLAGS_STATUS & ~FLAG_CF, flags);
	return EMU_DONE;
}

enum emu_result exec_notneg(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags = 0;
	struct emu_ref ref;
	uint64_t old, new;

	TRY(e_begin(emu, insn, size, &ref, &old));
	new = insn->op == OP_NOT ? ~old &size_mask(size) : subtract(0, old, 0, size, &flags);
	TRY(e_end(emu, insn, size, &ref, old, new));
	if (insn->op == OP_NEG)
		flags_set(emu, FLAGS_STATUS, flags);
	return EMU_DONE;
}

enum emu_result exec_xadd(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags;
	uint64_t old, addend = reg_read(emu, insn, insn->reg, size), sum;
	struct emu_ref ref;

	TRY(e_begin(emu, insn, size, &ref, &old));
	sum = add(old, addend, 0, size, &flags);
	if (insn->memory) {
		TRY(e_end(emu, insn, size, &ref, old, sum));
		reg_write(emu, insn, insn->reg, size, old);
	} else {
		reg_write(emu, insn, insn->reg, size, old); /* with twice the same register the sum stays */
		reg_write(emu, insn, insn->rm, size, sum);
	}
	flags_set(emu, FLAGS_STATUS, flags);
	return EMU_DONE;
}

enum emu_result exec_cmpxchg(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, flags;
	uint64_t old, accumulator = gpr_read(emu, EMU_RAX, size), mine = reg_read(emu, insn, insn->reg, size);
	struct emu_ref ref;
	bool equal;

	TRY(e_begin(emu, insn, size, &ref, &old));
	subtract(accumulator, old, 0, size, &flags);
	equal = accumulator == old;
	if (insn->memory) /* memory is written in both cases */
		TRY(e_end(emu, insn, size, &ref, old, equal ? mine : old));
	else if (equal)
		reg_write(emu, insn, insn->rm, size, mine);
	if (!equal)
		reg_write(emu, insn, EMU_RAX, size, old);
	flags_set(emu, FLAGS_STATUS, flags);
	return EMU_DONE;
}

/* The product of two 64-bit numbers. */
static void multiply(uint64_t a, uint64_t b, bool is_signed, uint64_t *low, uint64_t *high)
{
	unsigned __int128 product = is_signed ? (unsigned __int128)((__int128)(int64_t)a * (int64_t)b)
					      : (unsigned __int128)a * b;

	*low = (uint64_t)product;
	*high = (uint64_t)(product >> 64);
}

/* MUL and IMUL with one operand: the product is twice as wide as the operands. */
enum emu_result exec_mul(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	bool is_signed = insn->op == OP_IMUL, wide;
	uint64_t a = gpr_read(emu, EMU_RAX, size), b, low, high;

	TRY(e_read(emu, insn, size, &b));
	if (is_signed) {
		a = sign_extend(a, size);
		b = sign_extend(b, size);
	}
	multiply(a, b, is_signed, &low, &high);
	if (size < 8)
		high = low >> size * 8;
	high &= size_mask(size);
	low &= size_mask(size);
	wide = is_signed ? high != (low & sign_bit(size) ? size_mask(size) : 0) : high != 0;
	if (size == 1) {
		gpr_write(emu, EMU_RAX, 2, high << 8 | low);
	} else {
		reg_write(emu, insn, EMU_RAX, size, low);
		reg_write(emu, insn, EMU_RDX, size, high);
	}
	flags_set(emu, FLAGS_STATUS, wide ? FLAG_CF | FLAG_OF : 0);
	return EMU_DONE;
}

/* IMUL with two and three operands. */
enum emu_result exec_imul2(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	uint64_t a, b, low, high;
	bool wide;

	TRY(e_read(emu, insn, size, &b));
	a = insn->form == FORM_GEI ? insn->imm : sign_extend(reg_read(emu, insn, insn->reg, size), size);
	multiply(a, sign_extend(b, size), true, &low, &high);
	if (size == 8)
		wide = high != (low >> 63 ? ~0ull : 0);
	else
		wide = low != sign_extend(low, size);
	reg_write(emu, insn, insn->reg, size, low);
	flags_set(emu, FLAGS_STATUS, wide ? FLAG_CF | FLAG_OF : 0);
	return EMU_DONE;
}

/* high:low by divisor; high is below divisor, so the quotient fits. */
static uint64_t divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
	uint64_t quotient;

	__asm__("divq %4" : "=a"(quotient), "=d"(*remainder) : "0"(low), "1"(high), "r"(divisor) : "cc");
	return quotient;
}

enum emu_result exec_div(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	uint64_t high = 0, low, divisor, quotient, remainder, mask = size_mask(size);
	bool is_signed = insn->op == OP_IDIV, negative = false, negative_remainder = false;

	TRY(e_read(emu, insn, size, &divisor));
	/* The dividend as 128 bits, extended. */
	if (size == 1)
		low = is_signed ? sign_extend(emu->cpu.gpr[EMU_RAX], 2) : emu->cpu.gpr[EMU_RAX] & 0xffff;
	else if (size == 8)
		low = emu->cpu.gpr[EMU_RAX];
	else
		low = gpr_read(emu, EMU_RAX, size) | gpr_read(emu, EMU_RDX, size) << size * 8;
	if (size == 2 && is_signed)
		low = sign_extend(low, 4);
	if (size == 8)
		high = emu->cpu.gpr[EMU_RDX];
	else if (is_signed && low >> 63)
		high = ~0ull;
	if (is_signed) {
		divisor = sign_extend(divisor, size);
		negative_remainder = high >> 63;
		negative = negative_remainder != (divisor >> 63);
		if (divisor >> 63)
			divisor = -divisor;
		if (negative_remainder) {
			high = ~high + (low == 0);
			low = -low;
		}
	}
	if (divisor == 0 || high >= divisor)
		return emu_fault(emu, VECTOR_DE);
	quotient = divide(high, low, divisor, &remainder);
	if (is_signed ? quotient > sign_bit(size) - !negative : quotient > mask)
		return emu_fault(emu, VECTOR_DE);
	if (negative)
		quotient = -quotient;
	if (negative_remainder)
		remainder = -remainder;
	if (size == 1) {
		gpr_write(emu, EMU_RAX, 2, (remainder & 0xff) << 8 | (quotient & 0xff));
	} else {
		reg_write(emu, insn, EMU_RAX, size, quotient);
		reg_write(emu, insn, EMU_RDX, size, remainder);
	}
	return EMU_DONE;
}

/* DAA, DAS. */
enum emu_result exec_decimal(struct emu *emu, const struct emu_insn *insn)
{
	unsigned old = emu->cpu.gpr[EMU_RAX] & 0xff, adjust = 0, flags = 0, new;

	if ((old & 15) > 9 || emu->cpu.rflags & FLAG_AF) {
		adjust = 6;
		flags |= FLAG_AF;
	}
	if (old > 0x99 || emu->cpu.rflags & FLAG_CF) {
		adjust += 0x60;
		flags |= FLAG_CF;
	} else if (insn->op == OP_DAS && old < adjust) {
		flags |= FLAG_CF;
	}
	new = insn->op == OP_DAA ? old + adjust : old - adjust;
	gpr_write(emu, EMU_RAX, 2, (emu->cpu.gpr[EMU_RAX] & 0xff00) | (new & 0xff));
	flags_set(emu, FLAGS_STATUS, flags | flags_result(new, 1));
	return EMU_DONE;
}

/* AAA, AAS. */
enum emu_result exec_ascii(struct emu *emu, const struct emu_insn *insn)
{
	unsigned ax = emu->cpu.gpr[EMU_RAX] & 0xffff, flags = 0;

	if ((ax & 15) > 9 || emu->cpu.rflags & FLAG_AF) {
		ax = insn->op == OP_AAA ? ax + 0x106 : ax - 0x106;
		flags = FLAG_AF | FLAG_CF;
	}
	gpr_write(emu, EMU_RAX, 2, ax & 0xff0f);
	flags_set(emu, FLAGS_STATUS, flags | flags_result(ax & 15, 1));
	return EMU_DONE;
}

enum emu_result exec_aam(struct emu *emu, const struct emu_insn *insn)
{
	unsigned al = emu->cpu.gpr[EMU_RAX] & 0xff, base = (unsigned)insn->imm;

	if (base == 0)
		return emu_fault(emu, VECTOR_DE);
	gpr_write(emu, EMU_RAX, 2, (al / base) << 8 | al % base);
	flags_set(emu, FLAGS_STATUS, flags_result(al % base, 1));
	return EMU_DONE;
}

enum emu_result exec_aad(struct emu *emu, const struct emu_insn *insn)
{
	unsigned ax = emu->cpu.gpr[EMU_RAX] & 0xffff, flags, result;

	result = (unsigned)add(ax & 0xff, ((ax >> 8) * (unsigned)insn->imm) & 0xff, 0, 1, &flags);
	gpr_write(emu, EMU_RAX, 2, result);
	flags_set(emu, FLAGS_STATUS, flags_result(result, 1));
	return EMU_DONE;
}

/* Undocumented by Intel, in every processor: AL becomes what CF says. */
enum emu_result exec_salc(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	emu->cpu.gpr[EMU_RAX] = (emu->cpu.gpr[EMU_RAX] & ~0xffull) | (emu->cpu.rflags & FLAG_CF ? 0xff : 0);
	return EMU_DONE;
}

enum emu_result exec_flagop(struct emu *emu, const struct emu_insn *insn)
{
	switch (insn->op) {
	case OP_CLC: emu->cpu.rflags &= ~(uint64_t)FLAG_CF; break;
	case OP_STC: emu->cpu.rflags |= FLAG_CF; break;
	case OP_CMC: emu->cpu.rflags ^= FLAG_CF; break;
	case OP_CLD: emu->cpu.rflags &= ~(uint64_t)FLAG_DF; break;
	default: emu->cpu.rflags |= FLAG_DF; break;
	}
	return EMU_DONE;
}
