/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_segment.c: segment registers and far transfers. Protected mode's far forms have no semantics yet. */
#include "monitor/emu/exec.h"

static enum emu_result load_segment(struct emu *emu, unsigned segment, unsigned selector)
{
	struct emu_segment *s = &emu->cpu.seg[segment];

	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	if (!is_real(emu))
		return EMU_UNSUPPORTED;
	s->selector = (uint16_t)selector;
	s->base = (uint64_t)(selector & 0xffff) << 4;
	emu->changed |= EMU_STATE_SEGMENTS;
	return EMU_DONE;
}

enum emu_result exec_movfromseg(struct emu *emu, const struct emu_insn *insn)
{
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	return e_write(emu, insn, insn->memory ? 2 : insn->size, emu->cpu.seg[insn->reg & 7].selector);
}

enum emu_result exec_movtoseg(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t selector;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(load_segment(emu, insn->reg & 7, (unsigned)selector));
	if ((insn->reg & 7) == EMU_SS)
		emu->events |= EMU_EVENT_SHADOW_SS;
	return EMU_DONE;
}

enum emu_result exec_pushseg(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer;
	unsigned width;

	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_push(emu, width, &pointer, insn->size, emu->cpu.seg[insn->form - FORM_ES].selector));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_popseg(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, selector;
	unsigned width;

	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(load_segment(emu, insn->form - FORM_ES, (unsigned)selector & 0xffff));
	stack_commit(emu, width, pointer);
	if (insn->form == FORM_SS)
		emu->events |= EMU_EVENT_SHADOW_SS;
	return EMU_DONE;
}

/* A far pointer in memory: the offset, then the selector. */
static enum emu_result far_pointer(struct emu *emu, const struct emu_insn *insn, uint64_t *offset, unsigned *selector)
{
	uint8_t data[10] = {0};
	struct emu_ref ref;

	TRY(e_ref(emu, insn, insn->size + 2u, 0, &ref));
	TRY(emu_ref_read_bytes(emu, &ref, data));
	__builtin_memcpy(offset, data, 8);
	*offset &= size_mask(insn->size);
	*selector = data[insn->size] | (unsigned)data[insn->size + 1] << 8;
	return EMU_DONE;
}

enum emu_result exec_loadfar(struct emu *emu, const struct emu_insn *insn)
{
	unsigned selector;
	uint64_t offset;

	TRY(far_pointer(emu, insn, &offset, &selector));
	TRY(load_segment(emu, insn->form - FORM_ES, selector));
	reg_write(emu, insn, insn->reg, insn->size, offset);
	return EMU_DONE;
}

static enum emu_result far_target(struct emu *emu, const struct emu_insn *insn, uint64_t *offset, unsigned *selector)
{
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	if (!is_real(emu))
		return EMU_UNSUPPORTED;
	if (insn->form == FORM_E)
		return far_pointer(emu, insn, offset, selector);
	*offset = insn->imm;
	*selector = insn->imm2;
	return EMU_DONE;
}

enum emu_result exec_jmpfar(struct emu *emu, const struct emu_insn *insn)
{
	unsigned selector;
	uint64_t offset;

	TRY(far_target(emu, insn, &offset, &selector));
	TRY(branch_near(emu, insn->size, offset));
	return load_segment(emu, EMU_CS, selector);
}

enum emu_result exec_callfar(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t offset, pointer, back = emu->next_rip;
	unsigned selector, width;

	TRY(far_target(emu, insn, &offset, &selector));
	TRY(stack_begin(emu, &width, &pointer));
	TRY(branch_near(emu, insn->size, offset));
	TRY(stack_push(emu, width, &pointer, insn->size, emu->cpu.seg[EMU_CS].selector));
	TRY(stack_push(emu, width, &pointer, insn->size, back));
	TRY(load_segment(emu, EMU_CS, selector));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_retfar(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, offset, selector;
	unsigned width;

	TRY(stack_begin(emu, &width, &pointer));
	if (!is_real(emu))
		return EMU_UNSUPPORTED;
	TRY(stack_pop(emu, width, &pointer, insn->size, &offset));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(branch_near(emu, insn->size, offset));
	TRY(load_segment(emu, EMU_CS, (unsigned)selector & 0xffff));
	if (insn->form == FORM_I)
		pointer += insn->imm;
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_iret(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, offset, selector, flags,
		mask = FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_NT | FLAG_IOPL;
	unsigned width;

	TRY(stack_begin(emu, &width, &pointer));
	if (!is_real(emu))
		return EMU_UNSUPPORTED;
	if (emu->cpu.mode == EMU_MODE_V86) {
		if ((emu->cpu.rflags & FLAG_IOPL) != FLAG_IOPL)
			return emu->cpu.cr4 & CR4_VME ? EMU_UNSUPPORTED : emu_fault_code(emu, VECTOR_GP, 0);
		mask &= ~(uint64_t)FLAG_IOPL;
	}
	TRY(stack_pop(emu, width, &pointer, insn->size, &offset));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(stack_pop(emu, width, &pointer, insn->size, &flags));
	TRY(branch_near(emu, insn->size, offset));
	TRY(load_segment(emu, EMU_CS, (unsigned)selector & 0xffff));
	stack_commit(emu, width, pointer);
	if (insn->size == 4)
		mask |= FLAG_AC | FLAG_ID | FLAG_RF;
	flags_set(emu, mask, flags);
	return EMU_DONE;
}
