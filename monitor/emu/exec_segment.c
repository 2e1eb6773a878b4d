/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/exec_segment.c: segment registers, descriptors, and far transfers.
 *
 * Protected mode as in SDM vol. 2 (MOV, JMP, CALL, RET, IRET) and vol. 3, chapter "Protection": code segments of the same privilege, call gates to it and to
 * more, and returns to less privilege. Task switches (which are exits) and returns to virtual-8086 mode are unsupported. New segments are made in copies,
 * and taken over when nothing can fail any more. What a task switch (task.c) checks is the same; only the exception is another, so the functions take it.
 */
#include "monitor/emu/exec.h"

/* Bits of a descriptor's upper half, and where struct emu_segment has them. */
static unsigned descriptor_attributes(uint64_t descriptor)
{
	return (unsigned)(descriptor >> 40 & 0xff) | (unsigned)(descriptor >> 52 & 0xf) << 8;
}

static struct emu_segment segment_from(unsigned selector, uint64_t descriptor)
{
	struct emu_segment s = {
		.selector = (uint16_t)selector,
		.attributes = (uint16_t)descriptor_attributes(descriptor),
		.limit = (uint32_t)(descriptor & 0xffff) | (uint32_t)(descriptor >> 32 & 0xf0000),
		.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000),
	};

	if (s.attributes & EMU_SEG_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static unsigned dpl(const struct emu_segment *s)
{
	return s->attributes >> EMU_SEG_DPL_SHIFT & 3;
}

static bool is_code(const struct emu_segment *s)
{
	return (s->attributes & (EMU_SEG_S | EMU_SEG_CODE)) == (EMU_SEG_S | EMU_SEG_CODE);
}

enum emu_result selector_fault(struct emu *emu, unsigned vector, unsigned selector)
{
	return emu_fault_code(emu, vector, selector & 0xfffc);
}

enum emu_result descriptor_read(
	struct emu *emu, unsigned vector, unsigned selector, uint64_t *descriptor, struct emu_segment *segment)
{
	uint64_t base, limit;
	struct emu_ref ref;

	TRY(emu_need(emu, EMU_STATE_TABLES));
	base = selector & 4 ? emu->cpu.ldtr.base : emu->cpu.gdtr.base;
	limit = selector & 4 ? emu->cpu.ldtr.limit : emu->cpu.gdtr.limit;
	if ((selector & 4 && !(emu->cpu.ldtr.attributes & EMU_SEG_P)) || (selector | 7) > limit)
		return selector_fault(emu, vector, selector);
	base += selector & 0xfff8;
	if (!(emu->cpu.efer & EFER_LMA))
		base = (uint32_t)base;
	TRY(emu_ref_linear(emu, base, 8, EMU_ACCESS_IMPLICIT, &ref));
	TRY(emu_ref_read(emu, &ref, descriptor));
	*segment = segment_from(selector, *descriptor);
	return EMU_DONE;
}

/* Sets the accessed flag in the table. What happens to a descriptor meanwhile makes the instruction start again. */
static enum emu_result descriptor_accessed(
	struct emu *emu, unsigned selector, uint64_t descriptor, struct emu_segment *segment)
{
	uint64_t base = (selector & 4 ? emu->cpu.ldtr.base : emu->cpu.gdtr.base) + (selector & 0xfff8);
	struct emu_ref ref;

	if (segment->attributes & EMU_SEG_ACCESSED)
		return EMU_DONE;
	if (!(emu->cpu.efer & EFER_LMA))
		base = (uint32_t)base;
	TRY(emu_ref_linear(emu, base, 8, EMU_ACCESS_IMPLICIT | EMU_ACCESS_WRITE, &ref));
	TRY(emu_ref_update(emu, &ref, true, descriptor, descriptor | 1ull << 40));
	segment->attributes |= EMU_SEG_ACCESSED;
	return EMU_DONE;
}

enum emu_result prepare_stack(
	struct emu *emu, unsigned vector, unsigned selector, unsigned cpl, bool to_long, struct emu_segment *s)
{
	uint64_t descriptor;

	if ((selector & 0xfffc) == 0) {
		if (!to_long || cpl == 3 || (selector & 3) != cpl)
			return emu_fault_code(emu, vector, 0);
		*s = (struct emu_segment){
			.selector = (uint16_t)selector, .attributes = (uint16_t)(cpl << EMU_SEG_DPL_SHIFT)};
		return EMU_DONE;
	}
	TRY(descriptor_read(emu, vector, selector, &descriptor, s));
	if ((selector & 3) != cpl ||
		(s->attributes & (EMU_SEG_S | EMU_SEG_CODE | EMU_SEG_WRITE)) != (EMU_SEG_S | EMU_SEG_WRITE) ||
		dpl(s) != cpl)
		return selector_fault(emu, vector, selector);
	if (!(s->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_SS, selector);
	return descriptor_accessed(emu, selector, descriptor, s);
}

enum emu_result prepare_data(struct emu *emu, unsigned vector, unsigned selector, struct emu_segment *s)
{
	unsigned cpl = emu->cpu.cpl;
	uint64_t descriptor;

	if ((selector & 0xfffc) == 0) {
		*s = (struct emu_segment){.selector = (uint16_t)selector};
		return EMU_DONE;
	}
	TRY(descriptor_read(emu, vector, selector, &descriptor, s));
	if (!(s->attributes & EMU_SEG_S) || (is_code(s) && !(s->attributes & EMU_SEG_WRITE)))
		return selector_fault(emu, vector, selector);
	/* Conforming code may be read from every privilege. */
	if (!(is_code(s) && s->attributes & EMU_SEG_EXPAND) && ((selector & 3) > dpl(s) || cpl > dpl(s)))
		return selector_fault(emu, vector, selector);
	if (!(s->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, selector);
	return descriptor_accessed(emu, selector, descriptor, s);
}

static enum emu_result prepare_segment(struct emu *emu, unsigned number, unsigned selector, struct emu_segment *s)
{
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	if (is_real(emu)) {
		*s = emu->cpu.seg[number]; /* limit and attributes stay what they were */
		s->selector = (uint16_t)selector;
		s->base = (uint64_t)(selector & 0xffff) << 4;
		return EMU_DONE;
	}
	if (number == EMU_SS)
		return prepare_stack(emu, VECTOR_GP, selector, emu->cpu.cpl, is_long(emu), s);
	return prepare_data(emu, VECTOR_GP, selector, s);
}

static void segment_commit(struct emu *emu, unsigned number, const struct emu_segment *s)
{
	emu->cpu.seg[number] = *s;
	emu->changed |= EMU_STATE_SEGMENTS;
	if (number == EMU_CS) {
		emu->cpu.mode = (uint8_t)emu_mode_of(&emu->cpu);
		emu->events |= EMU_EVENT_MODE;
	}
}

enum emu_result exec_movfromseg(struct emu *emu, const struct emu_insn *insn)
{
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	return e_write(emu, insn, insn->memory ? 2 : insn->size, emu->cpu.seg[insn->reg & 7].selector);
}

enum emu_result exec_movtoseg(struct emu *emu, const struct emu_insn *insn)
{
	unsigned number = insn->reg & 7;
	struct emu_segment s;
	uint64_t selector;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(prepare_segment(emu, number, (unsigned)selector, &s));
	segment_commit(emu, number, &s);
	if (number == EMU_SS)
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
	unsigned number = insn->form - FORM_ES, width;
	uint64_t pointer, selector;
	struct emu_segment s;

	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(prepare_segment(emu, number, (unsigned)selector & 0xffff, &s));
	stack_commit(emu, width, pointer);
	segment_commit(emu, number, &s);
	if (number == EMU_SS)
		emu->events |= EMU_EVENT_SHADOW_SS;
	return EMU_DONE;
}

/* A far pointer in memory: the offset, then the selector, which are two operands. */
static enum emu_result far_pointer(
	struct emu *emu, const struct emu_insn *insn, unsigned size, uint64_t *offset, unsigned *selector)
{
	uint64_t address = effective_address(emu, insn), value;
	struct emu_ref first, second;

	TRY(emu_ref(emu, insn->segment, address, size, 0, &first));
	TRY(emu_ref(emu, insn->segment, (address + size) & size_mask(insn->address_size), 2, 0, &second));
	TRY(emu_ref_read(emu, &first, offset));
	TRY(emu_ref_read(emu, &second, &value));
	*selector = (unsigned)value;
	return EMU_DONE;
}

/* AMD's processors have no far pointer with an offset of 64 bits. */
static unsigned far_size(const struct emu *emu, const struct emu_insn *insn)
{
	return insn->size == 8 && !(emu->config & EMU_CONFIG_INTEL) ? 4 : insn->size;
}

enum emu_result exec_loadfar(struct emu *emu, const struct emu_insn *insn)
{
	unsigned selector, size = far_size(emu, insn), number = insn->form - FORM_ES;
	struct emu_segment s;
	uint64_t offset;

	TRY(far_pointer(emu, insn, size, &offset, &selector));
	TRY(prepare_segment(emu, number, selector, &s));
	segment_commit(emu, number, &s);
	reg_write(emu, insn, insn->reg, size, offset);
	if (number == EMU_SS)
		emu->events |= EMU_EVENT_SHADOW_SS;
	return EMU_DONE;
}

/* The offset in a new code segment, whose mode may be another. */
static enum emu_result check_target(struct emu *emu, const struct emu_segment *cs, uint64_t offset)
{
	bool to_long = !is_real(emu) && emu->cpu.efer & EFER_LMA && cs->attributes & EMU_SEG_L;

	if (to_long ? !is_canonical(emu, offset) : offset > cs->limit)
		return emu_fault_code(emu, VECTOR_GP, 0);
	return EMU_DONE;
}

/* Where a far jump or call leads, in the end. */
struct far {
	uint64_t offset;
	unsigned selector, size; /* of what is pushed: the operand's, or the gate's */
	bool call, inner;	 /* inner: to more privilege, and so to another stack */
	unsigned parameters;	 /* that are copied to it */
	struct emu_segment cs;
};

#define GATE_16		4u
#define GATE_32		12u /* of 64 bits in long mode, with a descriptor of 16 bytes */
#define GATE_PARAMETERS 31u

/* What code segments have in common, reached directly or by a gate. */
static enum emu_result code_present(struct emu *emu, unsigned selector, struct emu_segment *s, uint64_t descriptor)
{
	if (!(s->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, selector);
	return descriptor_accessed(emu, selector, descriptor, s);
}

/* The code segment that a gate names. APM vol. 2, "Call Gates"; SDM vol. 3, "Accessing a Code Segment Through a Call Gate". */
static enum emu_result gate_target(struct emu *emu, struct far *far)
{
	unsigned cpl = emu->cpu.cpl, to;
	struct emu_segment *s = &far->cs;
	uint64_t descriptor;

	if ((far->selector & 0xfffc) == 0)
		return emu_fault_code(emu, VECTOR_GP, 0);
	TRY(descriptor_read(emu, VECTOR_GP, far->selector, &descriptor, s));
	bool conforming = s->attributes & EMU_SEG_EXPAND;
	if (!is_code(s) || dpl(s) > cpl || (!far->call && !conforming && dpl(s) != cpl))
		return selector_fault(emu, VECTOR_GP, far->selector);
	if (emu->cpu.efer & EFER_LMA && (s->attributes & (EMU_SEG_L | EMU_SEG_DB)) != EMU_SEG_L)
		return selector_fault(emu, VECTOR_GP, far->selector);
	TRY(code_present(emu, far->selector, s, descriptor));
	to = conforming ? cpl : dpl(s);
	far->inner = to < cpl;
	s->selector = (uint16_t)((far->selector & 0xfffc) | to);
	return EMU_DONE;
}

static enum emu_result through_gate(
	struct emu *emu, struct far *far, uint64_t descriptor, const struct emu_segment *gate)
{
	unsigned selector = far->selector, type = gate->attributes & EMU_SEG_TYPE;
	uint64_t upper = 0, base;
	struct emu_ref ref;

	if (dpl(gate) < emu->cpu.cpl || dpl(gate) < (selector & 3))
		return selector_fault(emu, VECTOR_GP, selector);
	if (emu->cpu.efer & EFER_LMA) {
		uint64_t limit = selector & 4 ? emu->cpu.ldtr.limit : emu->cpu.gdtr.limit;
		base = (selector & 4 ? emu->cpu.ldtr.base : emu->cpu.gdtr.base) + (selector & 0xfff8) + 8;
		if ((selector & 0xfff8) + 15 > limit)
			return selector_fault(emu, VECTOR_GP, selector);
		TRY(emu_ref_linear(emu, base, 8, EMU_ACCESS_IMPLICIT, &ref));
		TRY(emu_ref_read(emu, &ref, &upper));
		if (upper >> 40 & 0x1f)
			return selector_fault(emu, VECTOR_GP, selector);
	}
	if (!(gate->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, selector);
	far->selector = (unsigned)(descriptor >> 16 & 0xffff);
	far->offset = (descriptor & 0xffff) | (type == GATE_32 ? descriptor >> 32 & 0xffff0000 : 0) | upper << 32;
	far->size = emu->cpu.efer & EFER_LMA ? 8 : type == GATE_32 ? 4 : 2;
	far->parameters = emu->cpu.efer & EFER_LMA ? 0 : (unsigned)(descriptor >> 32 & GATE_PARAMETERS);
	return gate_target(emu, far);
}

/* CS for JMP and CALL: the same privilege, or conforming code of more; or what a gate leads to. */
static enum emu_result prepare_code(struct emu *emu, struct far *far)
{
	unsigned cpl = emu->cpu.cpl, selector = far->selector;
	struct emu_segment *s = &far->cs;
	uint64_t descriptor;

	if (is_real(emu))
		return prepare_segment(emu, EMU_CS, selector, s);
	if ((selector & 0xfffc) == 0)
		return emu_fault_code(emu, VECTOR_GP, 0);
	TRY(descriptor_read(emu, VECTOR_GP, selector, &descriptor, s));
	if (!(s->attributes & EMU_SEG_S)) {
		struct emu_segment gate = *s;
		unsigned type = s->attributes & EMU_SEG_TYPE;
		bool long_mode = emu->cpu.efer & EFER_LMA;
		if (type == GATE_32 || (type == GATE_16 && !long_mode))
			return through_gate(emu, far, descriptor, &gate);
		bool task = !long_mode && (type == 1 || type == 5 || type == 9);
		return task ? EMU_UNSUPPORTED : selector_fault(emu, VECTOR_GP, selector);
	}
	if (!is_code(s) || (s->attributes & EMU_SEG_EXPAND ? dpl(s) > cpl : dpl(s) != cpl || (selector & 3) > cpl))
		return selector_fault(emu, VECTOR_GP, selector);
	if (emu->cpu.efer & EFER_LMA && (s->attributes & (EMU_SEG_L | EMU_SEG_DB)) == (EMU_SEG_L | EMU_SEG_DB))
		return selector_fault(emu, VECTOR_GP, selector);
	TRY(code_present(emu, selector, s, descriptor));
	s->selector = (uint16_t)((selector & 0xfffc) | cpl);
	return EMU_DONE;
}

static enum emu_result far_target(struct emu *emu, const struct emu_insn *insn, bool call, struct far *far)
{
	*far = (struct far){.call = call, .size = insn->size};
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	if (insn->form == FORM_E) {
		TRY(far_pointer(emu, insn, far_size(emu, insn), &far->offset, &far->selector));
	} else {
		far->offset = insn->imm;
		far->selector = insn->imm2;
	}
	return prepare_code(emu, far);
}

enum emu_result exec_jmpfar(struct emu *emu, const struct emu_insn *insn)
{
	struct far far;

	TRY(far_target(emu, insn, false, &far));
	TRY(check_target(emu, &far.cs, far.offset));
	segment_commit(emu, EMU_CS, &far.cs);
	emu->next_rip = far.offset;
	return EMU_DONE;
}

/* ---- a call to more privilege ---- */

/* A word of the task state, for the stack of a privilege. */
static enum emu_result task_word(struct emu *emu, unsigned at, unsigned size, uint64_t *value)
{
	const struct emu_segment *tr = &emu->cpu.tr;
	uint64_t linear = tr->base + at;
	struct emu_ref ref;

	if (at + size - 1 > tr->limit)
		return selector_fault(emu, VECTOR_TS, tr->selector);
	if (!(emu->cpu.efer & EFER_LMA))
		linear = (uint32_t)linear;
	TRY(emu_ref_linear(emu, linear, size, EMU_ACCESS_IMPLICIT, &ref));
	return emu_ref_read(emu, &ref, value);
}

static enum emu_result inner_stack(struct emu *emu, unsigned cpl, struct emu_segment *ss, uint64_t *pointer)
{
	bool wide = emu->cpu.tr.attributes & 8; /* a TSS of 32 bits */
	uint64_t selector;

	if (emu->cpu.efer & EFER_LMA) {
		TRY(task_word(emu, 4 + 8 * cpl, 8, pointer));
		return prepare_stack(emu, VECTOR_TS, cpl, cpl, true, ss);
	}
	TRY(task_word(emu, wide ? 4 + 8 * cpl : 2 + 4 * cpl, wide ? 4 : 2, pointer));
	TRY(task_word(emu, wide ? 8 + 8 * cpl : 4 + 4 * cpl, 2, &selector));
	return prepare_stack(emu, VECTOR_TS, (unsigned)selector, cpl, false, ss);
}

/* The old stack's address, the parameters, and where to return to: the values in the order in which they are pushed. */
static enum emu_result inner_values(struct emu *emu, const struct far *far, uint64_t *values, unsigned *count)
{
	uint64_t pointer, back = emu->next_rip;
	unsigned width, n = 0;

	TRY(stack_begin(emu, &width, &pointer));
	values[n++] = emu->cpu.seg[EMU_SS].selector;
	values[n++] = emu->cpu.gpr[EMU_RSP];
	/* The last one is the deepest. */
	for (unsigned i = 0; i < far->parameters; i++)
		TRY(stack_pop(emu, width, &pointer, far->size, &values[n + far->parameters - 1 - i]));
	n += far->parameters;
	values[n++] = emu->cpu.seg[EMU_CS].selector;
	values[n++] = back;
	*count = n;
	return EMU_DONE;
}

/* With the new privilege and stack in place; who called puts the old ones back where this fails. */
static enum emu_result inner_push(
	struct emu *emu, const struct far *far, uint64_t pointer, uint64_t *values, unsigned count)
{
	struct emu_ref refs[GATE_PARAMETERS + 4];
	unsigned width = is_long(emu) ? 8 : emu->cpu.seg[EMU_SS].attributes & EMU_SEG_DB ? 4 : 2;

	pointer &= size_mask(width);
	for (unsigned i = 0; i < count; i++) {
		pointer = (pointer - far->size) & size_mask(width);
		enum emu_result result = emu_ref(emu, EMU_SS, pointer, far->size, EMU_ACCESS_WRITE, &refs[i]);
		if (result == EMU_EXCEPTION && emu->exception.vector == VECTOR_SS)
			return selector_fault(emu, VECTOR_SS, emu->cpu.seg[EMU_SS].selector);
		TRY(result);
	}
	TRY(check_target(emu, &far->cs, far->offset));
	for (unsigned i = 0; i < count; i++)
		TRY(emu_ref_write(emu, &refs[i], values[i]));
	gpr_write(emu, EMU_RSP, width, pointer);
	return EMU_DONE;
}

static enum emu_result call_inner(struct emu *emu, const struct far *far)
{
	uint64_t values[GATE_PARAMETERS + 4], pointer;
	unsigned count, cpl = far->cs.selector & 3;
	struct emu_segment ss;

	TRY(emu_need(emu, EMU_STATE_SEGMENTS | EMU_STATE_TABLES | EMU_STATE_CONTROL));
	TRY(inner_stack(emu, cpl, &ss, &pointer));
	TRY(inner_values(emu, far, values, &count));
	struct emu_cpu before = emu->cpu;
	emu->cpu.cpl = (uint8_t)cpl;
	emu->cpu.seg[EMU_CS] = far->cs;
	emu->cpu.seg[EMU_SS] = ss;
	emu->cpu.mode = (uint8_t)emu_mode_of(&emu->cpu);
	enum emu_result result = inner_push(emu, far, pointer, values, count);
	if (result != EMU_DONE) {
		emu->cpu = before;
		return result;
	}
	segment_commit(emu, EMU_SS, &ss);
	segment_commit(emu, EMU_CS, &far->cs);
	emu->next_rip = far->offset;
	return EMU_DONE;
}

enum emu_result exec_callfar(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, back = emu->next_rip;
	struct emu_ref first, second;
	struct far far;
	unsigned width;

	TRY(far_target(emu, insn, true, &far));
	if (far.inner)
		return call_inner(emu, &far);
	TRY(stack_begin(emu, &width, &pointer));
	pointer = (pointer - far.size) & size_mask(width);
	TRY(emu_ref(emu, EMU_SS, pointer, far.size, EMU_ACCESS_WRITE, &first));
	pointer = (pointer - far.size) & size_mask(width);
	TRY(emu_ref(emu, EMU_SS, pointer, far.size, EMU_ACCESS_WRITE, &second));
	TRY(check_target(emu, &far.cs, far.offset));
	TRY(emu_ref_write(emu, &first, emu->cpu.seg[EMU_CS].selector));
	TRY(emu_ref_write(emu, &second, back));
	stack_commit(emu, width, pointer);
	segment_commit(emu, EMU_CS, &far.cs);
	emu->next_rip = far.offset;
	return EMU_DONE;
}

enum emu_result prepare_return_code(struct emu *emu, unsigned vector, unsigned selector, struct emu_segment *s)
{
	unsigned rpl = selector & 3;
	uint64_t descriptor;

	if (is_real(emu))
		return prepare_segment(emu, EMU_CS, selector, s);
	if ((selector & 0xfffc) == 0)
		return emu_fault_code(emu, vector, 0);
	TRY(descriptor_read(emu, vector, selector, &descriptor, s));
	if (!is_code(s) || rpl < emu->cpu.cpl || (s->attributes & EMU_SEG_EXPAND ? dpl(s) > rpl : dpl(s) != rpl))
		return selector_fault(emu, vector, selector);
	if (emu->cpu.efer & EFER_LMA && (s->attributes & (EMU_SEG_L | EMU_SEG_DB)) == (EMU_SEG_L | EMU_SEG_DB))
		return selector_fault(emu, vector, selector);
	if (!(s->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, selector);
	return descriptor_accessed(emu, selector, descriptor, s);
}

/* Data segments that less privilege must not keep. */
static void drop_data_segments(struct emu *emu, unsigned cpl)
{
	static const uint8_t numbers[] = {EMU_ES, EMU_DS, EMU_FS, EMU_GS};

	for (unsigned i = 0; i < sizeof numbers; i++) {
		struct emu_segment *s = &emu->cpu.seg[numbers[i]];
		if (!(is_code(s) && s->attributes & EMU_SEG_EXPAND) && dpl(s) < cpl)
			*s = (struct emu_segment){.base = is_long(emu) ? s->base : 0};
	}
}

/* What RET and IRET do once CS is prepared: the stack of the outer privilege, if there is one, then all is taken over. */
static enum emu_result return_to(struct emu *emu, unsigned size, unsigned width, uint64_t pointer, unsigned release,
	bool with_stack, const struct emu_segment *cs, uint64_t offset)
{
	unsigned cpl = is_real(emu) ? emu->cpu.cpl : cs->selector & 3;
	bool outer = cpl != emu->cpu.cpl,
	     to_long = !is_real(emu) && emu->cpu.efer & EFER_LMA && cs->attributes & EMU_SEG_L;
	uint64_t new_pointer = 0, selector = 0;
	unsigned new_width;
	struct emu_segment ss;

	/* Of an inner stack the parameters lie between CS and the outer stack pointer, and are released from the outer stack too. */
	if (outer)
		pointer = (pointer + release) & size_mask(width);
	if (outer || with_stack) {
		TRY(stack_pop(emu, width, &pointer, size, &new_pointer));
		TRY(stack_pop(emu, width, &pointer, size, &selector));
		TRY(prepare_stack(emu, VECTOR_GP, (unsigned)selector & 0xffff, cpl, to_long, &ss));
	} else {
		ss = emu->cpu.seg[EMU_SS];
	}
	TRY(check_target(emu, cs, offset));
	/* What is released is released in the width that the stack then has. */
	new_width = to_long ? 8 : ss.attributes & EMU_SEG_DB ? 4 : 2;
	if (outer || with_stack) {
		if (outer)
			drop_data_segments(emu, cpl);
		segment_commit(emu, EMU_SS, &ss);
		gpr_write(emu, EMU_RSP, new_width, new_pointer);
	} else {
		stack_commit(emu, width, pointer);
	}
	if (release)
		gpr_write(emu, EMU_RSP, new_width, emu->cpu.gpr[EMU_RSP] + release);
	emu->cpu.cpl = (uint8_t)cpl;
	segment_commit(emu, EMU_CS, cs);
	emu->next_rip = offset;
	return EMU_DONE;
}

enum emu_result exec_retfar(struct emu *emu, const struct emu_insn *insn)
{
	unsigned width, release = insn->form == FORM_I ? (unsigned)insn->imm : 0;
	uint64_t pointer, offset, selector;
	struct emu_segment cs;

	TRY(stack_begin(emu, &width, &pointer));
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	TRY(stack_pop(emu, width, &pointer, insn->size, &offset));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(prepare_return_code(emu, VECTOR_GP, (unsigned)selector & 0xffff, &cs));
	return return_to(emu, insn->size, width, pointer, release, false, &cs, offset);
}

enum emu_result exec_iret(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT, pointer, offset, selector, flags;
	unsigned width, iopl = (unsigned)(emu->cpu.rflags >> 12) & 3, cpl = emu->cpu.cpl;
	struct emu_segment cs;

	TRY(emu_need(emu, EMU_STATE_SEGMENTS | EMU_STATE_CONTROL));
	if (emu->cpu.mode == EMU_MODE_V86 && iopl != 3)
		return emu->cpu.cr4 & CR4_VME ? EMU_UNSUPPORTED : emu_fault_code(emu, VECTOR_GP, 0);
	if (!is_real(emu) && emu->cpu.rflags & FLAG_NT) /* a task's return */
		return emu->cpu.efer & EFER_LMA ? emu_fault_code(emu, VECTOR_GP, 0) : EMU_UNSUPPORTED;
	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_pop(emu, width, &pointer, insn->size, &offset));
	TRY(stack_pop(emu, width, &pointer, insn->size, &selector));
	TRY(stack_pop(emu, width, &pointer, insn->size, &flags));
	if (!is_real(emu) && insn->size == 4 && flags & FLAG_VM && cpl == 0 && !(emu->cpu.efer & EFER_LMA))
		return EMU_UNSUPPORTED;
	TRY(prepare_return_code(emu, VECTOR_GP, (unsigned)selector & 0xffff, &cs));
	TRY(return_to(emu, insn->size, width, pointer, 0, is_long(emu), &cs, offset));
	if (cpl == 0)
		mask |= FLAG_IOPL;
	if (cpl <= iopl || is_real(emu))
		mask |= FLAG_IF;
	if (insn->size != 2)
		mask |= FLAG_AC | FLAG_ID | FLAG_RF;
	if (insn->size != 2 && cpl == 0 && !is_real(emu))
		mask |= FLAG_VIF | FLAG_VIP;
	flags_set(emu, mask, flags);
	return EMU_DONE;
}

/* ---- what a program may ask of a descriptor, and LDTR and TR ---- */

/* The descriptor of a selector, or *there is false: it is null, or outside of its table. That is no fault here. */
static enum emu_result look_up(
	struct emu *emu, unsigned selector, uint64_t *descriptor, struct emu_segment *s, bool *there)
{
	TRY(emu_need(emu, EMU_STATE_TABLES | EMU_STATE_CONTROL));
	uint64_t limit = selector & 4 ? emu->cpu.ldtr.limit : emu->cpu.gdtr.limit;
	*there = (selector & 0xfffc) != 0 && !(selector & 4 && !(emu->cpu.ldtr.attributes & EMU_SEG_P)) &&
		 (selector | 7) <= limit;
	return *there ? descriptor_read(emu, VECTOR_GP, selector, descriptor, s) : EMU_DONE;
}

/* Conforming code is seen from every privilege. */
static bool is_visible(const struct emu *emu, unsigned selector, const struct emu_segment *s)
{
	return (is_code(s) && s->attributes & EMU_SEG_EXPAND) || (dpl(s) >= emu->cpu.cpl && dpl(s) >= (selector & 3));
}

/* System descriptors by their type, a bit each: APM vol. 3, "LAR", "LSL". Long mode has no 16-bit ones and no task gates. */
#define LAR_TYPES      0x1a3eu
#define LAR_TYPES_LONG 0x1a04u
#define LSL_TYPES      0x0a0eu
#define LSL_TYPES_LONG 0x0a04u

/* LAR, LSL: the attributes, or the limit, of a descriptor that a program may see. */
enum emu_result exec_lar(struct emu *emu, const struct emu_insn *insn)
{
	bool limit = insn->op == OP_LSL, good;
	uint64_t selector, descriptor;
	struct emu_segment s;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(look_up(emu, (unsigned)selector, &descriptor, &s, &good));
	bool long_mode = emu->cpu.efer & EFER_LMA;
	unsigned types = limit ? (long_mode ? LSL_TYPES_LONG : LSL_TYPES) : (long_mode ? LAR_TYPES_LONG : LAR_TYPES);
	if (good && !(s.attributes & EMU_SEG_S))
		good = types >> (s.attributes & EMU_SEG_TYPE) & 1;
	good = good && is_visible(emu, (unsigned)selector, &s);
	flags_set(emu, FLAG_ZF, good ? FLAG_ZF : 0);
	if (good)
		reg_write(emu, insn, insn->reg, insn->size, limit ? s.limit : descriptor >> 32 & 0x00ffff00);
	return EMU_DONE;
}

/* VERR, VERW: whether the segment could be read, written. */
enum emu_result exec_verr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t descriptor, selector;
	struct emu_segment s;
	bool good;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(look_up(emu, (unsigned)selector, &descriptor, &s, &good));
	if (good)
		good = s.attributes & EMU_SEG_S && is_visible(emu, (unsigned)selector, &s);
	if (good && insn->op == OP_VERW)
		good = !is_code(&s) && s.attributes & EMU_SEG_WRITE;
	else if (good)
		good = !is_code(&s) || s.attributes & EMU_SEG_WRITE; /* of code: readable */
	flags_set(emu, FLAG_ZF, good ? FLAG_ZF : 0);
	return EMU_DONE;
}

/* The destination's RPL is raised to the source's. */
enum emu_result exec_arpl(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t old, source = reg_read(emu, insn, insn->reg, 2);
	struct emu_ref ref;

	TRY(e_read(emu, insn, 2, &old));
	bool raise = (old & 3) < (source & 3);
	/* What stays as it is need not be writable. */
	if (raise) {
		TRY(e_begin(emu, insn, 2, &ref, &old));
		TRY(e_end(emu, insn, 2, &ref, old, (old & ~3ull) | (source & 3)));
	}
	flags_set(emu, FLAG_ZF, raise ? FLAG_ZF : 0);
	return EMU_DONE;
}

/* A system segment of one of these types, from the GDT. In long mode its descriptor has 16 bytes: APM vol. 2, "System Descriptors". */
static enum emu_result prepare_system(
	struct emu *emu, unsigned selector, unsigned types, uint64_t *descriptor, struct emu_segment *s)
{
	uint64_t upper = 0;
	struct emu_ref ref;

	if (selector & 4)
		return selector_fault(emu, VECTOR_GP, selector);
	TRY(descriptor_read(emu, VECTOR_GP, selector, descriptor, s));
	if (s->attributes & EMU_SEG_S || !(types >> (s->attributes & EMU_SEG_TYPE) & 1))
		return selector_fault(emu, VECTOR_GP, selector);
	if (emu->cpu.efer & EFER_LMA) {
		if (((selector & 0xfff8) | 15) > emu->cpu.gdtr.limit)
			return selector_fault(emu, VECTOR_GP, selector);
		uint64_t place = emu->cpu.gdtr.base + (selector & 0xfff8) + 8;
		TRY(emu_ref_linear(emu, place, 8, EMU_ACCESS_IMPLICIT, &ref));
		TRY(emu_ref_read(emu, &ref, &upper));
		s->base |= upper << 32;
		if (upper >> 40 & 0x1f || !is_canonical(emu, s->base))
			return selector_fault(emu, VECTOR_GP, selector);
	}
	if (!(s->attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, selector);
	return EMU_DONE;
}

enum emu_result exec_lldt(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t selector, descriptor;
	struct emu_segment s;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(emu_need(emu, EMU_STATE_TABLES | EMU_STATE_CONTROL));
	if ((selector & 0xfffc) == 0)
		s = (struct emu_segment){.selector = (uint16_t)selector};
	else
		TRY(prepare_system(emu, (unsigned)selector, 1u << 2, &descriptor, &s));
	emu->cpu.ldtr = s;
	emu->changed |= EMU_STATE_TABLES;
	return EMU_DONE;
}

#define TSS_16_FREE 1u
#define TSS_32_FREE 9u
#define TSS_BUSY    2u /* the bit of the type */

enum emu_result exec_ltr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t selector, descriptor, place;
	struct emu_segment s;
	struct emu_ref ref;

	TRY(e_read(emu, insn, 2, &selector));
	TRY(emu_need(emu, EMU_STATE_TABLES | EMU_STATE_CONTROL));
	if ((selector & 0xfffc) == 0)
		return emu_fault_code(emu, VECTOR_GP, 0);
	TRY(prepare_system(emu, (unsigned)selector,
		emu->cpu.efer & EFER_LMA ? 1u << TSS_32_FREE : 1u << TSS_16_FREE | 1u << TSS_32_FREE, &descriptor, &s));
	place = emu->cpu.gdtr.base + (selector & 0xfff8);
	if (!(emu->cpu.efer & EFER_LMA))
		place = (uint32_t)place;
	TRY(emu_ref_linear(emu, place, 8, EMU_ACCESS_IMPLICIT | EMU_ACCESS_WRITE, &ref));
	TRY(emu_ref_update(emu, &ref, true, descriptor, descriptor | (uint64_t)TSS_BUSY << 40));
	s.attributes |= TSS_BUSY;
	emu->cpu.tr = s;
	emu->changed |= EMU_STATE_TABLES;
	return EMU_DONE;
}
