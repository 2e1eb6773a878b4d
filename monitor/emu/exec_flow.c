/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_flow.c: near branches, the stack, and instructions about RFLAGS as a whole. */
#include "monitor/emu/exec.h"

enum emu_result branch_near(struct emu *emu, unsigned size, uint64_t target)
{
	target &= size_mask(size);
	if (is_long(emu)) {
		if (!is_canonical(emu, target))
			return emu_fault_code(emu, VECTOR_GP, 0);
	} else {
		TRY(emu_need(emu, EMU_STATE_SEGMENTS));
		if (target > emu->cpu.seg[EMU_CS].limit)
			return emu_fault_code(emu, VECTOR_GP, 0);
	}
	emu->next_rip = target;
	return EMU_DONE;
}

enum emu_result stack_begin(struct emu *emu, unsigned *width, uint64_t *pointer)
{
	if (is_long(emu)) {
		*width = 8;
	} else {
		TRY(emu_need(emu, EMU_STATE_SEGMENTS));
		*width = emu->cpu.seg[EMU_SS].attributes & EMU_SEG_DB ? 4 : 2;
	}
	*pointer = gpr_read(emu, EMU_RSP, *width);
	return EMU_DONE;
}

enum emu_result stack_push(struct emu *emu, unsigned width, uint64_t *pointer, unsigned size, uint64_t value)
{
	uint64_t to = (*pointer - size) & size_mask(width);
	struct emu_ref ref;

	TRY(emu_ref(emu, EMU_SS, to, size, EMU_ACCESS_WRITE, &ref));
	TRY(emu_ref_write(emu, &ref, value));
	*pointer = to;
	return EMU_DONE;
}

enum emu_result stack_pop(struct emu *emu, unsigned width, uint64_t *pointer, unsigned size, uint64_t *value)
{
	struct emu_ref ref;

	TRY(emu_ref(emu, EMU_SS, *pointer, size, 0, &ref));
	TRY(emu_ref_read(emu, &ref, value));
	*pointer = (*pointer + size) & size_mask(width);
	return EMU_DONE;
}

enum emu_result exec_jcc(struct emu *emu, const struct emu_insn *insn)
{
	if (!condition(emu->cpu.rflags, insn->opcode)) /* in 16-bit operand size even then RIP is not cut */
		return EMU_DONE;
	return branch_near(emu, insn->size, emu->next_rip + insn->imm);
}

/* LOOPNE, LOOPE, LOOP, JCXZ: the counter has the size of an address. */
enum emu_result exec_loop(struct emu *emu, const struct emu_insn *insn)
{
	unsigned width = insn->address_size;
	uint64_t count = gpr_read(emu, EMU_RCX, width);
	bool taken;

	if (insn->opcode == 0xe3) {
		taken = count == 0;
	} else {
		count = (count - 1) & size_mask(width);
		taken = count != 0;
		if (insn->opcode != 0xe2)
			taken = taken && !(emu->cpu.rflags & FLAG_ZF) == (insn->opcode == 0xe0);
	}
	if (taken)
		TRY(branch_near(emu, insn->size, emu->next_rip + insn->imm));
	if (insn->opcode != 0xe3)
		gpr_write(emu, EMU_RCX, width, count);
	return EMU_DONE;
}

enum emu_result exec_jmp(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t target = emu->next_rip + insn->imm;

	if (insn->form == FORM_E)
		TRY(e_read(emu, insn, insn->size, &target));
	return branch_near(emu, insn->size, target);
}

/* Both operands are checked before a device is read, here and in PUSH. */
enum emu_result exec_call(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t back = emu->next_rip, target = back + insn->imm, pointer;
	bool from_memory = insn->form == FORM_E && insn->memory;
	struct emu_ref from, to;
	unsigned width;

	if (from_memory)
		TRY(e_ref(emu, insn, insn->size, 0, &from));
	else if (insn->form == FORM_E)
		target = reg_read(emu, insn, insn->rm, insn->size);
	TRY(stack_begin(emu, &width, &pointer));
	pointer = (pointer - insn->size) & size_mask(width);
	TRY(emu_ref(emu, EMU_SS, pointer, insn->size, EMU_ACCESS_WRITE, &to));
	if (from_memory)
		TRY(emu_ref_read(emu, &from, &target));
	TRY(branch_near(emu, insn->size, target));
	TRY(emu_ref_write(emu, &to, back));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_ret(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, target;
	unsigned width;

	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_pop(emu, width, &pointer, insn->size, &target));
	TRY(branch_near(emu, insn->size, target));
	if (insn->form == FORM_I)
		pointer += insn->imm;
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_push(struct emu *emu, const struct emu_insn *insn)
{
	bool from_memory = insn->form == FORM_E && insn->memory;
	unsigned size = insn->size, width;
	uint64_t value = insn->imm, pointer;
	struct emu_ref from, to;

	if (from_memory)
		TRY(e_ref(emu, insn, size, 0, &from));
	else if (insn->form == FORM_Z)
		value = gpr_read(emu, (insn->opcode & 7) | (insn->rex & 1u) << 3, size);
	else if (insn->form == FORM_E)
		value = gpr_read(emu, insn->rm, size);
	TRY(stack_begin(emu, &width, &pointer));
	pointer = (pointer - size) & size_mask(width);
	TRY(emu_ref(emu, EMU_SS, pointer, size, EMU_ACCESS_WRITE, &to));
	if (from_memory)
		TRY(emu_ref_read(emu, &from, &value));
	TRY(emu_ref_write(emu, &to, value));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_pop(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, width;
	uint64_t value, pointer, address;
	struct emu_ref from, to;

	TRY(stack_begin(emu, &width, &pointer));
	if (insn->form == FORM_Z || !insn->memory) {
		TRY(stack_pop(emu, width, &pointer, size, &value));
		stack_commit(emu, width, pointer); /* POP of the stack pointer itself: the value stays */
		reg_write(emu, insn, insn->form == FORM_Z ? (insn->opcode & 7) | (insn->rex & 1u) << 3 : insn->rm, size,
			value);
		return EMU_DONE;
	}
	TRY(emu_ref(emu, EMU_SS, pointer, size, 0, &from));
	pointer = (pointer + size) & size_mask(width);
	/* An address with the stack pointer as base sees it as it is afterwards. */
	address = effective_address(emu, insn) + (insn->base == EMU_RSP ? size : 0);
	TRY(emu_ref(emu, insn->segment, address & size_mask(insn->address_size), size, EMU_ACCESS_WRITE, &to));
	TRY(emu_ref_read(emu, &from, &value));
	TRY(emu_ref_write(emu, &to, value));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_pusha(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, width;
	struct emu_ref refs[8];
	uint64_t pointer;

	TRY(stack_begin(emu, &width, &pointer));
	for (unsigned i = 0; i < 8; i++) {
		pointer = (pointer - size) & size_mask(width);
		TRY(emu_ref(emu, EMU_SS, pointer, size, EMU_ACCESS_WRITE, &refs[i]));
	}
	for (unsigned i = 0; i < 8; i++)
		TRY(emu_ref_write(emu, &refs[i], gpr_read(emu, i, size)));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_popa(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, width;
	uint64_t pointer, values[8];

	TRY(stack_begin(emu, &width, &pointer));
	for (unsigned i = 0; i < 8; i++)
		TRY(stack_pop(emu, width, &pointer, size, &values[i]));
	for (unsigned i = 0; i < 8; i++) {
		if (7 - i != EMU_RSP)
			reg_write(emu, insn, 7 - i, size, values[i]);
	}
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

static unsigned iopl(const struct emu *emu)
{
	return (unsigned)(emu->cpu.rflags >> 12) & 3;
}

/* Virtual-8086 mode below IOPL 3: #GP, or the extension with its own interrupt flag, which is not done here. */
static enum emu_result v86_allowed(struct emu *emu)
{
	if (emu->cpu.mode != EMU_MODE_V86 || iopl(emu) == 3)
		return EMU_DONE;
	if (emu->cpu.cr4 & CR4_VME)
		return EMU_UNSUPPORTED;
	return emu_fault_code(emu, VECTOR_GP, 0);
}

enum emu_result exec_pushf(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer;
	unsigned width;

	TRY(v86_allowed(emu));
	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_push(emu, width, &pointer, insn->size, emu->cpu.rflags & ~(uint64_t)(FLAG_RF | FLAG_VM)));
	stack_commit(emu, width, pointer);
	return EMU_DONE;
}

enum emu_result exec_popf(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID, pointer, value;
	unsigned width;

	TRY(v86_allowed(emu));
	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_pop(emu, width, &pointer, insn->size, &value));
	if (emu->cpu.cpl == 0)
		mask |= FLAG_IOPL;
	if (emu->cpu.cpl <= iopl(emu))
		mask |= FLAG_IF;
	if (insn->size == 2)
		mask &= 0xffff;
	stack_commit(emu, width, pointer);
	flags_set(emu, mask, value);
	return EMU_DONE;
}

enum emu_result exec_sahf(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	flags_set(emu, FLAGS_STATUS & ~FLAG_OF, emu->cpu.gpr[EMU_RAX] >> 8);
	return EMU_DONE;
}

enum emu_result exec_lahf(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t flags = (emu->cpu.rflags & (FLAGS_STATUS & ~FLAG_OF)) | 2;

	(void)insn;
	emu->cpu.gpr[EMU_RAX] = (emu->cpu.gpr[EMU_RAX] & ~0xff00ull) | flags << 8;
	return EMU_DONE;
}

/* CLI and STI by IOPL; the virtual interrupt flag of CR4.PVI and CR4.VME is not done here. */
static enum emu_result interrupt_flag_allowed(struct emu *emu)
{
	TRY(v86_allowed(emu));
	if (emu->cpu.mode == EMU_MODE_V86 || emu->cpu.cpl <= iopl(emu))
		return EMU_DONE;
	if (emu->cpu.cr4 & CR4_PVI && emu->cpu.cpl == 3)
		return EMU_UNSUPPORTED;
	return emu_fault_code(emu, VECTOR_GP, 0);
}

enum emu_result exec_cli(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	TRY(interrupt_flag_allowed(emu));
	emu->cpu.rflags &= ~(uint64_t)FLAG_IF;
	return EMU_DONE;
}

enum emu_result exec_sti(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	TRY(interrupt_flag_allowed(emu));
	if (!(emu->cpu.rflags & FLAG_IF))
		emu->events |= EMU_EVENT_SHADOW_STI;
	emu->cpu.rflags |= FLAG_IF;
	return EMU_DONE;
}

/* ENTER allocates a frame, with up to 31 pointers to the frames around it. */
enum emu_result exec_enter(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size, width, levels = insn->imm2 & 31;
	uint64_t pointer, frame, chain, value;
	struct emu_ref ref;

	TRY(stack_begin(emu, &width, &pointer));
	TRY(stack_push(emu, width, &pointer, size, gpr_read(emu, EMU_RBP, size)));
	frame = (emu->cpu.gpr[EMU_RSP] & ~size_mask(width)) | pointer; /* all of RSP, however wide the stack is */
	chain = gpr_read(emu, EMU_RBP, width);
	for (unsigned i = 1; i < levels; i++) {
		chain = (chain - size) & size_mask(width);
		TRY(emu_ref(emu, EMU_SS, chain, size, 0, &ref));
		TRY(emu_ref_read(emu, &ref, &value));
		TRY(stack_push(emu, width, &pointer, size, value));
	}
	if (levels)
		TRY(stack_push(emu, width, &pointer, size, frame));
	pointer = (pointer - insn->imm) & size_mask(width);
	/* The new top must be writable: a processor tries, so that the frame is known to be there. */
	TRY(emu_ref(emu, EMU_SS, pointer, size, EMU_ACCESS_WRITE, &ref));
	stack_commit(emu, width, pointer);
	gpr_write(emu, EMU_RBP, size, frame);
	return EMU_DONE;
}

enum emu_result exec_leave(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t pointer, value;
	unsigned width;

	TRY(stack_begin(emu, &width, &pointer));
	pointer = gpr_read(emu, EMU_RBP, width);
	TRY(stack_pop(emu, width, &pointer, insn->size, &value));
	stack_commit(emu, width, pointer);
	gpr_write(emu, EMU_RBP, insn->size, value);
	return EMU_DONE;
}
