/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/exec_vector.c: moves between XMM registers and memory or general registers, which drivers use on device memory. Registers
 * are reached through callbacks; nothing here computes, so no instruction of the guest's can raise a floating-point fault in the monitor.
 */
#include "monitor/emu/exec.h"

/* SDM vol. 3, "System Programming for Instruction Set Extensions": what stands before any SSE instruction. */
static enum emu_result vector_begin(struct emu *emu)
{
	if (!emu->ops->xmm_get || !emu->ops->xmm_set)
		return EMU_UNSUPPORTED;
	if (emu->cpu.cr0 & CR0_EM || !(emu->cpu.cr4 & CR4_OSFXSR))
		return emu_fault(emu, VECTOR_UD);
	if (emu->cpu.cr0 & CR0_TS)
		return emu_fault(emu, VECTOR_NM);
	return EMU_DONE;
}

static enum emu_result memory_ref(
	struct emu *emu, const struct emu_insn *insn, unsigned size, unsigned access, struct emu_ref *ref)
{
	if (insn->op == OP_MOVA16)
		TRY(e_aligned16(emu, insn, access));
	return e_ref(emu, insn, size, access, ref);
}

static void copy(uint8_t *to, const uint8_t *from, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = from[i];
}

/*
 * The general case: part bytes at offset in the register, from or to memory. A load from memory clears the rest of the register if
 * clear is set; between two registers the rest stays, unless clear_registers is set.
 */
static enum emu_result move_part(
	struct emu *emu, const struct emu_insn *insn, unsigned part, unsigned offset, bool clear, bool clear_registers)
{
	uint8_t data[16] = {0}, other[16];
	bool load = insn->form == FORM_LOAD;
	struct emu_ref ref;

	TRY(vector_begin(emu));
	if (!insn->memory) {
		unsigned from = load ? insn->rm : insn->reg, to = load ? insn->reg : insn->rm;
		TRY(emu->ops->xmm_get(emu->context, from, other));
		if (!clear_registers)
			TRY(emu->ops->xmm_get(emu->context, to, data));
		copy(data, other, part);
		return emu->ops->xmm_set(emu->context, to, data);
	}
	TRY(memory_ref(emu, insn, part, load ? 0 : EMU_ACCESS_WRITE, &ref));
	if (!load) {
		TRY(emu->ops->xmm_get(emu->context, insn->reg, data));
		return emu_ref_write_bytes(emu, &ref, data + offset);
	}
	if (!clear)
		TRY(emu->ops->xmm_get(emu->context, insn->reg, data));
	TRY(emu_ref_read_bytes(emu, &ref, other));
	copy(data + offset, other, part);
	return emu->ops->xmm_set(emu->context, insn->reg, data);
}

/* MOVUPS, MOVUPD, MOVDQU, LDDQU, and with alignment MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD, MOVNTDQ. */
enum emu_result exec_movvec(struct emu *emu, const struct emu_insn *insn)
{
	return move_part(emu, insn, 16, 0, true, true);
}

/* MOVSS, MOVSD. */
enum emu_result exec_movscalar(struct emu *emu, const struct emu_insn *insn)
{
	return move_part(emu, insn, insn->op == OP_MOVSCALAR4 ? 4 : 8, 0, true, false);
}

/* MOVLPS, MOVLPD, MOVHPS, MOVHPD. */
enum emu_result exec_movhalf(struct emu *emu, const struct emu_insn *insn)
{
	return move_part(emu, insn, 8, insn->op == OP_MOVHIGH8 ? 8 : 0, false, false);
}

/* MOVQ between XMM and 64 bits of memory or another XMM. */
enum emu_result exec_movq(struct emu *emu, const struct emu_insn *insn)
{
	return move_part(emu, insn, 8, 0, true, true);
}

/* MOVD and, with REX.W, MOVQ between XMM and a general register or memory. */
enum emu_result exec_movd(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->rex & 8 ? 8 : 4;
	uint8_t data[16] = {0};
	uint64_t value = 0;

	if (insn->memory)
		return move_part(emu, insn, size, 0, true, true);
	TRY(vector_begin(emu));
	if (insn->form == FORM_LOAD) {
		value = gpr_read(emu, insn->rm, size);
		__builtin_memcpy(data, &value, 8);
		return emu->ops->xmm_set(emu->context, insn->reg, data);
	}
	TRY(emu->ops->xmm_get(emu->context, insn->reg, data));
	__builtin_memcpy(&value, data, 8);
	reg_write(emu, insn, insn->rm, size, value);
	return EMU_DONE;
}
