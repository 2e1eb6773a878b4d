/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_move.c: operations that move, extend and exchange. */
#include "monitor/emu/exec.h"

enum emu_result exec_mov(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	struct emu_ref ref;
	uint64_t value;

	switch (insn->form) {
	case FORM_GE:
		TRY(e_read(emu, insn, size, &value));
		reg_write(emu, insn, insn->reg, size, value);
		return EMU_DONE;
	case FORM_EG: return e_write(emu, insn, size, reg_read(emu, insn, insn->reg, size));
	case FORM_EI: return e_write(emu, insn, size, insn->imm);
	case FORM_ZI:
		reg_write(emu, insn, (insn->opcode & 7) | (insn->rex & 1u) << 3, size, insn->imm);
		return EMU_DONE;
	case FORM_AO:
		TRY(emu_ref(emu, insn->segment, insn->imm, size, 0, &ref));
		TRY(emu_ref_read(emu, &ref, &value));
		reg_write(emu, insn, EMU_RAX, size, value);
		return EMU_DONE;
	default: /* FORM_OA */
		TRY(emu_ref(emu, insn->segment, insn->imm, size, EMU_ACCESS_WRITE, &ref));
		return emu_ref_write(emu, &ref, reg_read(emu, insn, EMU_RAX, size));
	}
}

/* 32 or 64 bits in every mode. */
enum emu_result exec_movnti(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->rex & 8 ? 8 : 4;

	return e_write(emu, insn, size, gpr_read(emu, insn->reg, size));
}

static unsigned source_size(const struct emu_insn *insn)
{
	return insn->form == FORM_GE8 ? 1 : insn->form == FORM_GE16 ? 2 : 4;
}

enum emu_result exec_movzx(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value;

	TRY(e_read(emu, insn, source_size(insn), &value));
	reg_write(emu, insn, insn->reg, insn->size, value);
	return EMU_DONE;
}

enum emu_result exec_movsx(struct emu *emu, const struct emu_insn *insn)
{
	unsigned source = source_size(insn);
	uint64_t value;

	if (source > insn->size &&
		emu->config & EMU_CONFIG_INTEL) /* MOVSXD with a 16-bit operand: AMD's processors read 32 bits */
		source = insn->size;
	TRY(e_read(emu, insn, source, &value));
	reg_write(emu, insn, insn->reg, insn->size, sign_extend(value, source));
	return EMU_DONE;
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
	return __builtin_bswap64(value) >> (8 - size) * 8;
}

enum emu_result exec_movbe(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value;

	if (!(emu->config & EMU_CONFIG_MOVBE))
		return emu_fault(emu, VECTOR_UD);
	if (insn->form == FORM_EG)
		return e_write(
			emu, insn, insn->size, swap_bytes(reg_read(emu, insn, insn->reg, insn->size), insn->size));
	TRY(e_read(emu, insn, insn->size, &value));
	reg_write(emu, insn, insn->reg, insn->size, swap_bytes(value, insn->size));
	return EMU_DONE;
}

enum emu_result exec_bswap(struct emu *emu, const struct emu_insn *insn)
{
	unsigned reg = (insn->opcode & 7) | (insn->rex & 1u) << 3;

	/* Undefined for 16 bits: processors clear them. */
	if (insn->size == 2)
		reg_write(emu, insn, reg, 2, 0);
	else
		reg_write(emu, insn, reg, insn->size, swap_bytes(gpr_read(emu, reg, insn->size), insn->size));
	return EMU_DONE;
}

enum emu_result exec_xchg(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	struct emu_ref ref;
	uint64_t mine, other;

	if (insn->form == FORM_AZ) {
		unsigned reg = (insn->opcode & 7) | (insn->rex & 1u) << 3;
		if (reg == EMU_RAX) /* 90 is NOP, and leaves the upper half of RAX alone; F3 90 is PAUSE */
			return EMU_DONE;
		other = gpr_read(emu, reg, size);
		reg_write(emu, insn, reg, size, gpr_read(emu, EMU_RAX, size));
		reg_write(emu, insn, EMU_RAX, size, other);
		return EMU_DONE;
	}
	mine = reg_read(emu, insn, insn->reg, size);
	TRY(e_begin(emu, insn, size, &ref, &other));
	if (insn->memory) /* locked with or without the prefix */
		TRY(emu_ref_update(emu, &ref, true, other, mine));
	else
		reg_write(emu, insn, insn->rm, size, mine);
	reg_write(emu, insn, insn->reg, size, other);
	return EMU_DONE;
}

enum emu_result exec_cmpxchg8b(struct emu *emu, const struct emu_insn *insn)
{
	unsigned half = insn->rex & 8 ? 8 : 4;
	struct emu_ref ref;
	uint64_t old[2] = {0, 0}, new[2];
	bool equal;

	if (half == 8)
		TRY(e_aligned16(emu, insn, EMU_ACCESS_WRITE));
	TRY(e_ref(emu, insn, half * 2, EMU_ACCESS_WRITE, &ref));
	if (half == 8) {
		TRY(emu_ref_read_bytes(emu, &ref, (uint8_t *)old));
	} else {
		TRY(emu_ref_read(emu, &ref, &old[0]));
		old[1] = old[0] >> 32;
		old[0] = (uint32_t)old[0];
	}
	equal = old[0] == gpr_read(emu, EMU_RAX, half) && old[1] == gpr_read(emu, EMU_RDX, half);
	new[0] = equal ? gpr_read(emu, EMU_RBX, half) : old[0];
	new[1] = equal ? gpr_read(emu, EMU_RCX, half) : old[1];
	if (half == 4)
		TRY(emu_ref_update(
			emu, &ref, insn->prefixes & EMU_PREFIX_LOCK, old[0] | old[1] << 32, new[0] | new[1] << 32));
	else if (!ref.host)
		TRY(emu_ref_write_bytes(emu, &ref, (const uint8_t *)new));
	else if (!emu_compare_exchange16(
			 ref.host, old, new)) /* also shows that the two halves were read at one moment */
		return EMU_RETRY;
	flags_set(emu, FLAG_ZF, equal ? FLAG_ZF : 0);
	if (!equal) {
		reg_write(emu, insn, EMU_RAX, half, old[0]);
		reg_write(emu, insn, EMU_RDX, half, old[1]);
	}
	return EMU_DONE;
}

enum emu_result exec_lea(struct emu *emu, const struct emu_insn *insn)
{
	reg_write(emu, insn, insn->reg, insn->size, effective_address(emu, insn));
	return EMU_DONE;
}

/* CBW, CWDE, CDQE */
enum emu_result exec_cbw(struct emu *emu, const struct emu_insn *insn)
{
	gpr_write(emu, EMU_RAX, insn->size, sign_extend(emu->cpu.gpr[EMU_RAX], insn->size / 2));
	return EMU_DONE;
}

/* CWD, CDQ, CQO */
enum emu_result exec_cwd(struct emu *emu, const struct emu_insn *insn)
{
	gpr_write(emu, EMU_RDX, insn->size, gpr_read(emu, EMU_RAX, insn->size) & sign_bit(insn->size) ? ~0ull : 0);
	return EMU_DONE;
}

enum emu_result exec_xlat(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t address = (emu->cpu.gpr[EMU_RBX] + (emu->cpu.gpr[EMU_RAX] & 0xff)) & size_mask(insn->address_size);
	struct emu_ref ref;
	uint64_t value;

	TRY(emu_ref(emu, insn->segment, address, 1, 0, &ref));
	TRY(emu_ref_read(emu, &ref, &value));
	emu->cpu.gpr[EMU_RAX] = (emu->cpu.gpr[EMU_RAX] & ~0xffull) | value;
	return EMU_DONE;
}

/* Also prefetches, which never fault, fences and WBINVD: the emulator's own accesses are in order, its caches coherent. */
enum emu_result exec_nop(struct emu *emu, const struct emu_insn *insn)
{
	(void)emu;
	(void)insn;
	return EMU_DONE;
}

/* 0F 0D: of a register a NOP with Intel, undefined with AMD. */
enum emu_result exec_prefetchw(struct emu *emu, const struct emu_insn *insn)
{
	return insn->memory || emu->config & EMU_CONFIG_INTEL ? EMU_DONE : emu_fault(emu, VECTOR_UD);
}

bool condition(uint64_t rflags, unsigned code)
{
	bool sign = !(rflags & FLAG_SF) != !(rflags & FLAG_OF), result;

	switch (code >> 1 & 7) {
	case 0: result = rflags & FLAG_OF; break;
	case 1: result = rflags & FLAG_CF; break;
	case 2: result = rflags & FLAG_ZF; break;
	case 3: result = rflags & (FLAG_CF | FLAG_ZF); break;
	case 4: result = rflags & FLAG_SF; break;
	case 5: result = rflags & FLAG_PF; break;
	case 6: result = sign; break;
	default: result = sign || rflags & FLAG_ZF; break;
	}
	return result != (code & 1);
}

enum emu_result exec_setcc(struct emu *emu, const struct emu_insn *insn)
{
	return e_write(emu, insn, 1, condition(emu->cpu.rflags, insn->opcode));
}

enum emu_result exec_cmovcc(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value;

	TRY(e_read(emu, insn, insn->size, &value)); /* read, and faulting, whatever the condition */
	if (!condition(emu->cpu.rflags, insn->opcode))
		value = gpr_read(emu, insn->reg, insn->size); /* clears the upper half all the same */
	reg_write(emu, insn, insn->reg, insn->size, value);
	return EMU_DONE;
}
