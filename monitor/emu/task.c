/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/task.c: switches of tasks by the hardware's own mechanism. SDM vol. 3, chapter "Task Management"; APM vol. 2, "Hardware Task Management".
 *
 * Up to the commit point every descriptor and every byte of both task states that will be touched is translated and checked, and nothing is written:
 * what is wrong is the old task's fault. From there on nothing of the old task is left, and what is wrong is the new task's, before its first
 * instruction. Where several things are wrong the manuals leave open which one is told; here it is LDTR, CS, SS, then the data segments.
 *
 * A fault in the new task finds the selectors of all its segments loaded, as the manuals have it, and those descriptors that were not reached
 * unusable. For CS and SS not every such state is one with which each processor can be entered (SDM vol. 3, "Checks on Guest Segment Registers"): CS is
 * an empty code segment of the new privilege, and the RPL of SS, which a handler might see in what it finds saved, is that privilege.
 */
#include "monitor/emu/exec.h"

#define TYPE_TSS  1u /* 16 bits, available */
#define TYPE_LDT  2u
#define TYPE_BUSY 2u
#define TYPE_32	  8u
#define GATE_TASK 5u
#define BUSY_BIT  (1ull << 41) /* of a descriptor */

#define MIN_LIMIT_16   0x2bu
#define MIN_LIMIT_32   0x67u
#define SAVED_16       0x0eu /* what is saved of a task: from IP to DS */
#define SAVED_16_BYTES 0x1cu
#define SAVED_32       0x20u /* from EIP to GS */
#define SAVED_32_BYTES 0x40u

#define FLAGS_DEFINED 0x3f7fd5u

#define ARRIVALS                                                                                                       \
	1000u /* tries; each failed one is another processor's write to the same descriptor or page-table entry */
#define SEGMENT_V86 0x0f3u /* present, DPL 3, data, writable, accessed */

/* All that is checked and translated before the commit point. */
struct plan {
	struct emu_segment tr; /* the new one */
	uint64_t descriptor;
	struct emu_ref new_descriptor, old_type;
	struct emu_ref new_state, old_state;
	struct emu_ref link;
	uint32_t eip, eflags; /* what is saved */
	bool nested, back, leaves;
	bool old_32, new_32;
};

/* A task's state as the TSS has it. */
struct image {
	uint32_t cr3, eip, eflags, gpr[8];
	uint16_t segment[EMU_SEGS], ldt;
	bool trap;
};

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
	return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static void put16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, uint32_t value)
{
	put16(bytes, value);
	put16(bytes + 2, value >> 16);
}

/* The processor's own access. A task state in a device is nothing that a system has. */
static enum emu_result own_ref(struct emu *emu, uint64_t linear, unsigned size, unsigned access, struct emu_ref *ref)
{
	TRY(emu_ref_linear(emu, (uint32_t)linear, size, EMU_ACCESS_IMPLICIT | access, ref));
	return ref->host && (ref->first == ref->size || ref->host2) ? EMU_DONE : EMU_UNSUPPORTED;
}

static enum emu_result gate_read(struct emu *emu, unsigned vector, uint64_t *gate)
{
	struct emu_ref ref;

	if (vector * 8 + 7 > emu->cpu.idtr.limit)
		return emu_fault_code(emu, VECTOR_GP, vector * 8 + 2);
	TRY(own_ref(emu, emu->cpu.idtr.base + vector * 8, 8, 0, &ref));
	return emu_ref_read(emu, &ref, gate);
}

/* A software interrupt's gate must let the program through. Vendors do not say whether that was checked before. */
static enum emu_result gate_allowed(struct emu *emu, unsigned vector)
{
	uint64_t gate;

	TRY(gate_read(emu, vector, &gate));
	if ((gate >> 45 & 3) < emu->cpu.cpl)
		return emu_fault_code(emu, VECTOR_GP, vector * 8 + 2);
	return EMU_DONE;
}

/* Whether the instruction at RIP can be what asked for the switch: its code may have changed since. */
static bool matches(const struct emu_task *task, const struct emu_insn *insn)
{
	switch (task->source) {
	case EMU_TASK_CALL: return insn->op == OP_CALLFAR;
	case EMU_TASK_JUMP: return insn->op == OP_JMPFAR;
	case EMU_TASK_IRET: return insn->op == OP_IRET;
	default: return insn->op == OP_INT || insn->op == OP_INT3 || insn->op == OP_INTO || insn->op == OP_INT1;
	}
}

/*
 * Bochs, as an AMD processor, does not report a software interrupt as the event that an exit interrupted, but the event before it. What cannot be, since
 * that event's gate leads elsewhere, was the instruction at RIP, if it is one that can be. On a machine the gate always leads here.
 */
static void find_software(struct emu *emu, struct emu_task *task)
{
	uint64_t gate;

	if (gate_read(emu, task->vector, &gate) != EMU_DONE ||
		((gate >> 40 & 0x1f) == GATE_TASK && (gate >> 16 & 0xffff) == task->selector))
		return;
	if (decode_at_rip(emu) != EMU_DONE || !matches(task, &emu->decoded))
		return;
	task->software = true;
	task->external = task->has_error = false;
	task->length = 0;
	emu->external = 0;
}

/* Where the old task goes on, and its flags. */
static enum emu_result find_return(struct emu *emu, struct emu_task *task, struct plan *plan)
{
	unsigned length = task->length;

	plan->eip = (uint32_t)emu->cpu.rip;
	plan->eflags = (uint32_t)emu->cpu.rflags;
	if (plan->back)
		plan->eflags &= ~FLAG_NT;
	if (task->source == EMU_TASK_GATE && !task->software)
		find_software(emu, task);
	if (task->source == EMU_TASK_GATE && !task->software)
		return EMU_DONE;
	if (!length) {
		const struct emu_insn *insn = &emu->decoded;

		if (decode_at_rip(emu) != EMU_DONE || !matches(task, insn))
			return EMU_RETRY;
		length = insn->length;
		if (insn->op == OP_INT || insn->op == OP_INT3 || insn->op == OP_INTO)
			TRY(gate_allowed(emu, insn->op == OP_INT    ? insn->imm & 0xff
					      : insn->op == OP_INT3 ? VECTOR_BP
								    : VECTOR_OF));
	}
	plan->eip += length;
	plan->eflags &= ~FLAG_RF; /* the instruction is complete */
	return EMU_DONE;
}

static enum emu_result check_tss(struct emu *emu, const struct emu_task *task, struct plan *plan)
{
	unsigned vector = plan->back ? VECTOR_TS : VECTOR_GP, type;

	if (task->selector & 4 || (task->selector & 0xfffc) == 0)
		return selector_fault(emu, vector, task->selector);
	TRY(descriptor_read(emu, vector, task->selector, &plan->descriptor, &plan->tr));
	type = plan->tr.attributes & (EMU_SEG_S | EMU_SEG_TYPE);
	if ((type & ~TYPE_32) != (plan->back ? TYPE_TSS | TYPE_BUSY : TYPE_TSS))
		return selector_fault(emu, vector, task->selector);
	if (!(plan->tr.attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_NP, task->selector);
	plan->new_32 = type & TYPE_32;
	plan->old_32 = emu->cpu.tr.attributes & TYPE_32;
	if (plan->tr.limit < (plan->new_32 ? MIN_LIMIT_32 : MIN_LIMIT_16) ||
		emu->cpu.tr.limit < (plan->old_32 ? SAVED_32 + SAVED_32_BYTES : SAVED_16 + SAVED_16_BYTES) - 1)
		return selector_fault(emu, VECTOR_TS, task->selector);
	return EMU_DONE;
}

/* Everything that will be read or written is there. The old task's segment may be what a processor has before the first LTR. */
static enum emu_result translate_all(struct emu *emu, const struct emu_task *task, struct plan *plan)
{
	const struct emu_cpu *cpu = &emu->cpu;
	uint64_t old = cpu->tr.base, new = plan->tr.base;

	TRY(own_ref(emu, new, (plan->new_32 ? MIN_LIMIT_32 : MIN_LIMIT_16) + 1, 0, &plan->new_state));
	if (plan->old_32)
		TRY(own_ref(emu, old + SAVED_32, SAVED_32_BYTES, EMU_ACCESS_WRITE, &plan->old_state));
	else
		TRY(own_ref(emu, old + SAVED_16, SAVED_16_BYTES, EMU_ACCESS_WRITE, &plan->old_state));
	if (plan->nested)
		TRY(own_ref(emu, new, 2, EMU_ACCESS_WRITE, &plan->link));
	if (plan->leaves)
		TRY(own_ref(
			emu, cpu->gdtr.base + (cpu->tr.selector & 0xfff8) + 5, 1, EMU_ACCESS_WRITE, &plan->old_type));
	if (!plan->back)
		TRY(own_ref(
			emu, cpu->gdtr.base + (task->selector & 0xfff8), 8, EMU_ACCESS_WRITE, &plan->new_descriptor));
	return EMU_DONE;
}

/* Only what changes is written; the parts of a TSS that are the system's own stay. */
static enum emu_result save(struct emu *emu, const struct plan *plan)
{
	const struct emu_cpu *cpu = &emu->cpu;
	uint8_t bytes[SAVED_32_BYTES];

	TRY(emu_ref_read_bytes(emu, &plan->old_state, bytes));
	if (plan->old_32) {
		put32(bytes, plan->eip);
		put32(bytes + 4, plan->eflags);
		for (unsigned i = 0; i < 8; i++)
			put32(bytes + 8 + 4 * i, (uint32_t)cpu->gpr[i]);
		for (unsigned i = 0; i < EMU_SEGS; i++)
			put16(bytes + 40 + 4 * i, cpu->seg[i].selector);
	} else {
		put16(bytes, plan->eip);
		put16(bytes + 2, plan->eflags);
		for (unsigned i = 0; i < 8; i++)
			put16(bytes + 4 + 2 * i, (uint32_t)cpu->gpr[i]);
		for (unsigned i = 0; i <= EMU_DS; i++)
			put16(bytes + 20 + 2 * i, cpu->seg[i].selector);
	}
	return emu_ref_write_bytes(emu, &plan->old_state, bytes);
}

static enum emu_result load_image(struct emu *emu, const struct plan *plan, struct image *image)
{
	uint8_t bytes[MIN_LIMIT_32 + 1];

	TRY(emu_ref_read_bytes(emu, &plan->new_state, bytes));
	*image = (struct image){0};
	if (plan->new_32) {
		image->cr3 = get32(bytes + 0x1c);
		image->eip = get32(bytes + SAVED_32);
		image->eflags = get32(bytes + SAVED_32 + 4);
		for (unsigned i = 0; i < 8; i++)
			image->gpr[i] = get32(bytes + SAVED_32 + 8 + 4 * i);
		for (unsigned i = 0; i < EMU_SEGS; i++)
			image->segment[i] = get16(bytes + SAVED_32 + 40 + 4 * i);
		image->ldt = get16(bytes + 0x60);
		image->trap = bytes[0x64] & 1;
		return EMU_DONE;
	}
	image->eip = get16(bytes + SAVED_16);
	image->eflags = get16(bytes + SAVED_16 + 2);
	for (unsigned i = 0; i < 8; i++) /* the upper halves have no meaning; processors set them so */
		image->gpr[i] = 0xffff0000u | get16(bytes + SAVED_16 + 4 + 2 * i);
	for (unsigned i = 0; i <= EMU_DS; i++)
		image->segment[i] = get16(bytes + SAVED_16 + 20 + 2 * i);
	image->ldt = get16(bytes + SAVED_16 + 28);
	return EMU_DONE;
}

/* The last step before the commit point. Of what can still go wrong, the first write tells. */
static enum emu_result leave(struct emu *emu, const struct plan *plan, struct image *image)
{
	uint64_t type;

	if (!plan->back)
		TRY(emu_ref_update(emu, &plan->new_descriptor, true, plan->descriptor, plan->descriptor | BUSY_BIT));
	if (plan->leaves) {
		TRY(emu_ref_read(emu, &plan->old_type, &type));
		TRY(emu_ref_write(emu, &plan->old_type, type & ~(uint64_t)TYPE_BUSY));
	}
	TRY(save(emu, plan));
	/* After that: a task can be left for itself. */
	TRY(load_image(emu, plan, image));
	if (plan->nested)
		TRY(emu_ref_write(emu, &plan->link, emu->cpu.tr.selector));
	return EMU_DONE;
}

/* PAE's four top entries are checked when CR3 is loaded: SDM vol. 3, "PDPTE Registers". If they are not possible, CR3 stays. */
static enum emu_result load_cr3(struct emu *emu, uint32_t cr3)
{
	struct emu_cpu *cpu = &emu->cpu;
	uint64_t reserved = (~0ull << emu->physical_bits) | 0x1e6;
	const uint8_t *page = emu_page_read(emu, cr3 & 0xfffff000u);

	if (!(cpu->cr0 & CR0_PG) || cpu->cr3 == cr3)
		return EMU_DONE;
	for (unsigned i = 0; cpu->cr4 & CR4_PAE && i < 4; i++) {
		uint64_t entry = ~0ull;

		if (page)
			entry = __atomic_load_n(
				(const uint64_t *)(const void *)(page + (cr3 & 0xfe0u) + 8 * i), __ATOMIC_RELAXED);
		if (entry & 1 && entry & reserved)
			return emu_fault_code(emu, VECTOR_GP, 0);
	}
	cpu->cr3 = cr3;
	return EMU_DONE;
}

/* The new task as it is before its segments are looked at. */
static void enter(struct emu *emu, const struct plan *plan, const struct image *image)
{
	struct emu_cpu *cpu = &emu->cpu;
	uint32_t flags = (image->eflags & FLAGS_DEFINED) | 2;
	bool v86 = flags & FLAG_VM;
	unsigned cpl = v86 ? 3 : image->segment[EMU_CS] & 3u;

	cpu->tr = plan->tr;
	cpu->tr.attributes |= TYPE_BUSY;
	cpu->cr0 |= CR0_TS;
	cpu->rip = image->eip;
	cpu->rflags = flags | (plan->nested ? FLAG_NT : 0);
	for (unsigned i = 0; i < 8; i++)
		cpu->gpr[i] = image->gpr[i];
	cpu->cpl = (uint8_t)cpl;
	cpu->ldtr = (struct emu_segment){.selector = image->ldt};
	for (unsigned i = 0; i < EMU_SEGS; i++)
		cpu->seg[i] = v86 ? (struct emu_segment){image->segment[i], SEGMENT_V86, 0xffff,
					    (uint64_t)image->segment[i] << 4}
				  : (struct emu_segment){.selector = image->segment[i]};
	if (!v86) {
		cpu->seg[EMU_CS].attributes = (uint16_t)(EMU_SEG_P | cpl << EMU_SEG_DPL_SHIFT | EMU_SEG_S |
							 EMU_SEG_CODE | EMU_SEG_WRITE | EMU_SEG_ACCESSED);
		cpu->seg[EMU_SS].attributes = (uint16_t)(cpl << EMU_SEG_DPL_SHIFT);
		cpu->seg[EMU_SS].selector = (uint16_t)((image->segment[EMU_SS] & ~3u) | cpl);
	}
	cpu->mode = v86 ? EMU_MODE_V86 : EMU_MODE_PROT32;
	emu->changed = EMU_STATE_CONTROL | EMU_STATE_SEGMENTS | EMU_STATE_TABLES;
	emu->events = EMU_EVENT_TASK | EMU_EVENT_MODE | EMU_EVENT_TLB;
}

static enum emu_result load_ldt(struct emu *emu, unsigned selector)
{
	struct emu_segment ldt;
	uint64_t descriptor;

	if ((selector & 0xfffc) == 0)
		return EMU_DONE;
	if (selector & 4)
		return selector_fault(emu, VECTOR_TS, selector);
	TRY(descriptor_read(emu, VECTOR_TS, selector, &descriptor, &ldt));
	if ((ldt.attributes & (EMU_SEG_S | EMU_SEG_TYPE)) != TYPE_LDT || !(ldt.attributes & EMU_SEG_P))
		return selector_fault(emu, VECTOR_TS, selector);
	emu->cpu.ldtr = ldt;
	return EMU_DONE;
}

static enum emu_result load_segments(struct emu *emu, const struct image *image)
{
	static const uint8_t data[] = {EMU_DS, EMU_ES, EMU_FS, EMU_GS};
	struct emu_cpu *cpu = &emu->cpu;
	struct emu_segment segment;

	TRY(prepare_return_code(emu, VECTOR_TS, image->segment[EMU_CS], &segment));
	cpu->seg[EMU_CS] = segment;
	cpu->mode = (uint8_t)emu_mode_of(cpu);
	TRY(prepare_stack(emu, VECTOR_TS, image->segment[EMU_SS], cpu->cpl, false, &segment));
	cpu->seg[EMU_SS] = segment;
	for (unsigned i = 0; i < sizeof data; i++) {
		TRY(prepare_data(emu, VECTOR_TS, image->segment[data[i]], &segment));
		cpu->seg[data[i]] = segment;
	}
	return EMU_DONE;
}

/* What follows the commit point. */
static enum emu_result arrive(
	struct emu *emu, const struct emu_task *task, const struct plan *plan, const struct image *image)
{
	struct emu_cpu *cpu = &emu->cpu;

	if (plan->new_32)
		TRY(load_cr3(emu, image->cr3));
	TRY(load_ldt(emu, image->ldt));
	if (cpu->mode != EMU_MODE_V86)
		TRY(load_segments(emu, image));
	if (task->has_error) {
		uint64_t pointer;
		unsigned width;

		TRY(stack_begin(emu, &width, &pointer));
		TRY(stack_push(emu, width, &pointer, plan->new_32 ? 4 : 2, task->error));
		stack_commit(emu, width, pointer);
	}
	if (cpu->rip > cpu->seg[EMU_CS].limit)
		return emu_fault_code(emu, VECTOR_GP, 0);
	if (image->trap)
		emu->events |= EMU_EVENT_TASK_TRAP;
	return EMU_DONE;
}

static enum emu_result switch_task(struct emu *emu, struct emu_task *task)
{
	struct plan plan = {
		.nested = task->source == EMU_TASK_CALL || task->source == EMU_TASK_GATE,
		.back = task->source == EMU_TASK_IRET,
		.leaves = task->source == EMU_TASK_IRET || task->source == EMU_TASK_JUMP,
	};
	struct image image;

	TRY(emu_need(emu, EMU_STATE_CONTROL | EMU_STATE_SEGMENTS | EMU_STATE_TABLES));
	if (!(emu->cpu.cr0 & CR0_PE) || emu->cpu.efer & EFER_LMA)
		return EMU_UNSUPPORTED;
	TRY(find_return(emu, task, &plan));
	TRY(check_tss(emu, task, &plan));
	TRY(translate_all(emu, task, &plan));
	TRY(leave(emu, &plan, &image));
	enter(emu, &plan, &image);
	/* There is no way back now: what another processor disturbs is done again at once. Nothing in it counts twice. */
	for (unsigned i = 0; i < ARRIVALS; i++) {
		enum emu_result result = arrive(emu, task, &plan, &image);

		if (result != EMU_RETRY)
			return result;
	}
	return EMU_UNSUPPORTED;
}

enum emu_result emu_task_switch(struct emu *emu, struct emu_task *task)
{
	enum emu_result result;

	emu->events = emu->changed = 0;
	emu->external = task->external;
	result = switch_task(emu, task);
	emu->external = 0;
	return result;
}
