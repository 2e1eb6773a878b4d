/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/exec.h: what the parts of the emulator share: registers, flags, memory operands, the stack. Internal.
 *
 * A function that executes an operation reads everything, computes, writes memory (the last step that can fail) and only then writes
 * registers, flags and next_rip; emu_step takes next_rip over when it returns EMU_DONE.
 */
#ifndef MONITOR_EMU_EXEC_H
#define MONITOR_EMU_EXEC_H

#include "monitor/emu/emu.h"
#include "monitor/emu/table.h"

#define FLAG_CF	     (1u << 0)
#define FLAG_PF	     (1u << 2)
#define FLAG_AF	     (1u << 4)
#define FLAG_ZF	     (1u << 6)
#define FLAG_SF	     (1u << 7)
#define FLAG_TF	     (1u << 8)
#define FLAG_IF	     (1u << 9)
#define FLAG_DF	     (1u << 10)
#define FLAG_OF	     (1u << 11)
#define FLAG_IOPL    (3u << 12)
#define FLAG_NT	     (1u << 14)
#define FLAG_RF	     (1u << 16)
#define FLAG_VM	     (1u << 17)
#define FLAG_AC	     (1u << 18)
#define FLAG_VIF     (1u << 19)
#define FLAG_VIP     (1u << 20)
#define FLAG_ID	     (1u << 21)
#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define CR0_PE	   (1ull << 0)
#define CR0_MP	   (1ull << 1)
#define CR0_EM	   (1ull << 2)
#define CR0_TS	   (1ull << 3)
#define CR0_WP	   (1ull << 16)
#define CR0_AM	   (1ull << 18)
#define CR0_PG	   (1ull << 31)
#define CR4_VME	   (1ull << 0)
#define CR4_PVI	   (1ull << 1)
#define CR4_TSD	   (1ull << 2)
#define CR4_PSE	   (1ull << 4)
#define CR4_PAE	   (1ull << 5)
#define CR4_OSFXSR (1ull << 9)
#define CR4_UMIP   (1ull << 11)
#define CR4_LA57   (1ull << 12)
#define CR4_SMEP   (1ull << 20)
#define CR4_SMAP   (1ull << 21)
#define CR4_PKE	   (1ull << 22)
#define EFER_LMA   (1ull << 10)
#define EFER_NXE   (1ull << 11)

enum {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_AC = 17,
};

/* Executes a step of a sequence, or passes its result on. */
#define TRY(expression)                                                                                                \
	do {                                                                                                           \
		enum emu_result try_result = (expression);                                                             \
		if (try_result != EMU_DONE)                                                                            \
			return try_result;                                                                             \
	} while (0)

typedef enum emu_result exec_function(struct emu *emu, const struct emu_insn *insn);
#define EMU_OP_FUNCTION(name, function) exec_function exec_##function;
EMU_OPS(EMU_OP_FUNCTION)

/* State that the caller left out. */
enum emu_result emu_need_slow(struct emu *emu, unsigned groups);
static inline enum emu_result emu_need(struct emu *emu, unsigned groups)
{
	return emu->missing & groups ? emu_need_slow(emu, groups) : EMU_DONE;
}

/* Exceptions. In real mode none has an error code. */
enum emu_result emu_fault(struct emu *emu, unsigned vector);			 /* without error code */
enum emu_result emu_fault_code(struct emu *emu, unsigned vector, unsigned code); /* with one */

/* Guest RAM. */
static inline const uint8_t *emu_page_read(struct emu *emu, uint64_t gpa)
{
	if (gpa - emu->window[0].gpa < emu->window[0].size)
		return emu->window[0].host + (gpa - emu->window[0].gpa);
	if (gpa - emu->window[1].gpa < emu->window[1].size)
		return emu->window[1].host + (gpa - emu->window[1].gpa);
	return emu->ops->page(emu->context, gpa, false);
}

/* False: the memory no longer holds old. Any alignment within a page; a size of 1, 2, 4 or 8. */
bool emu_compare_exchange(uint8_t *memory, unsigned size, uint64_t old, uint64_t new);
bool emu_compare_exchange16(uint8_t *memory, const uint64_t old[2], const uint64_t new[2]);

/* A memory operand, translated and checked: one piece, or two on two pages. */
struct emu_ref {
	uint8_t *host; /* of the first byte if it is in RAM; never written through unless write is set */
	uint64_t gpa;
	uint8_t *host2; /* the same of the first byte on the second page */
	uint64_t gpa2;
	uint8_t size;
	uint8_t first; /* bytes before the page boundary: size if there is no second piece */
	bool write;
};

/*
 * The operand of size bytes at offset in a segment. access: EMU_ACCESS_WRITE or 0. Every check that a processor makes for it is made
 * here: segment, canonical form, pages, alignment (by size if it is a power of two up to 16).
 */
enum emu_result emu_ref(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, struct emu_ref *ref);
/* At a linear address, for descriptor tables and task state: access says who. */
enum emu_result emu_ref_linear(struct emu *emu, uint64_t linear, unsigned size, unsigned access, struct emu_ref *ref);
/* Sets *linear also where it refuses. */
enum emu_result emu_segment_linear(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, uint64_t *linear);
enum emu_result emu_ref_read(struct emu *emu, const struct emu_ref *ref, uint64_t *value);
enum emu_result emu_ref_write(struct emu *emu, const struct emu_ref *ref, uint64_t value);
enum emu_result emu_ref_read_bytes(struct emu *emu, const struct emu_ref *ref, uint8_t *data);
enum emu_result emu_ref_write_bytes(struct emu *emu, const struct emu_ref *ref, const uint8_t *data);
/* The second half of a read-modify-write: atomic (in RAM, within a page) if locked. */
enum emu_result emu_ref_update(struct emu *emu, const struct emu_ref *ref, bool locked, uint64_t old, uint64_t new);

static inline uint64_t size_mask(unsigned size)
{
	return size == 8 ? ~0ull : (1ull << size * 8) - 1;
}

static inline uint64_t sign_bit(unsigned size)
{
	return 1ull << (size * 8 - 1);
}

static inline uint64_t sign_extend(uint64_t value, unsigned size)
{
	switch (size) {
	case 1: return (uint64_t)(int8_t)value;
	case 2: return (uint64_t)(int16_t)value;
	case 4: return (uint64_t)(int32_t)value;
	default: return value;
	}
}

static inline bool is_long(const struct emu *emu)
{
	return emu->cpu.mode == EMU_MODE_LONG;
}

static inline bool is_real(const struct emu *emu)
{
	return emu->cpu.mode <= EMU_MODE_V86;
}

/* A walk by the slots, or in full. The key is never 0: bit 11 is set in it. */
#define WALK_KEY(linear, access) (((linear) & ~0xfffull) | 0x800 | (access))

static inline struct emu_walk_slot *walk_slot(struct emu *emu, uint64_t linear, unsigned access)
{
	return &emu->walk_slots[access & (EMU_ACCESS_WRITE | EMU_ACCESS_FETCH)][linear >> 12 & (EMU_WALK_SLOTS - 1)];
}

static inline __attribute__((always_inline)) enum emu_result walk(
	struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa)
{
	const struct emu_walk_slot *slot = walk_slot(emu, linear, access);

	if (slot->key == WALK_KEY(linear, access) && slot->cr3 == emu->cpu.cr3 && slot->cr4 == emu->cpu.cr4 &&
		slot->efer == emu->cpu.efer && !(emu->missing & EMU_STATE_CONTROL)) {
		uint64_t differ = __atomic_load_n(slot->entry[0], __ATOMIC_RELAXED) ^ slot->value[0];
		differ |= __atomic_load_n(slot->entry[1], __ATOMIC_RELAXED) ^ slot->value[1];
		differ |= __atomic_load_n(slot->entry[2], __ATOMIC_RELAXED) ^ slot->value[2];
		differ |= __atomic_load_n(slot->entry[3], __ATOMIC_RELAXED) ^ slot->value[3];
		if (!differ) {
			*gpa = slot->gpa | (linear & 0xfff);
			return EMU_DONE;
		}
	}
	return emu_walk(emu, linear, access, gpa);
}

static inline bool is_canonical(const struct emu *emu, uint64_t linear)
{
	if (__builtin_expect(emu->cpu.cr4 & CR4_LA57, 0))
		return (uint64_t)((int64_t)(linear << 7) >> 7) == linear;
	return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

/* General registers. Of byte registers without REX, 4 to 7 are AH, CH, DH, BH. */
static inline uint64_t reg_read(const struct emu *emu, const struct emu_insn *insn, unsigned reg, unsigned size)
{
	const uint64_t *gpr = emu->cpu.gpr;

	switch (size) {
	case 1:
		if (reg >= 4 && reg < 8 && !insn->rex)
			return gpr[reg - 4] >> 8 & 0xff;
		return gpr[reg] & 0xff;
	case 2: return gpr[reg] & 0xffff;
	case 4: return (uint32_t)gpr[reg];
	default: return gpr[reg];
	}
}

static inline void reg_write(struct emu *emu, const struct emu_insn *insn, unsigned reg, unsigned size, uint64_t value)
{
	uint64_t *gpr = emu->cpu.gpr;

	switch (size) {
	case 1:
		if (reg >= 4 && reg < 8 && !insn->rex)
			gpr[reg - 4] = (gpr[reg - 4] & ~0xff00ull) | (value & 0xff) << 8;
		else
			gpr[reg] = (gpr[reg] & ~0xffull) | (value & 0xff);
		break;
	case 2: gpr[reg] = (gpr[reg] & ~0xffffull) | (value & 0xffff); break;
	case 4: gpr[reg] = (uint32_t)value; break;
	default: gpr[reg] = value; break;
	}
}

/* Registers by their whole number, which is what counters and pointers are. */
static inline uint64_t gpr_read(const struct emu *emu, unsigned reg, unsigned size)
{
	return emu->cpu.gpr[reg] & size_mask(size);
}

static inline void gpr_write(struct emu *emu, unsigned reg, unsigned size, uint64_t value)
{
	if (size == 2)
		emu->cpu.gpr[reg] = (emu->cpu.gpr[reg] & ~0xffffull) | (value & 0xffff);
	else
		emu->cpu.gpr[reg] = value & size_mask(size);
}

static inline void flags_set(struct emu *emu, uint64_t mask, uint64_t value)
{
	emu->cpu.rflags = (emu->cpu.rflags & ~mask) | (value & mask);
}

/* ZF, SF and PF of a result. */
static inline unsigned flags_result(uint64_t value, unsigned size)
{
	unsigned low = (unsigned)value ^ (unsigned)value >> 4;
	unsigned flags = 0x9669u >> (low & 15) & 1 ? FLAG_PF : 0;

	value &= size_mask(size);
	if (value == 0)
		flags |= FLAG_ZF;
	if (value & sign_bit(size))
		flags |= FLAG_SF;
	return flags;
}

/* The offset of the memory operand that ModRM names. */
static inline uint64_t effective_address(const struct emu *emu, const struct emu_insn *insn)
{
	uint64_t address = (uint64_t)(int64_t)insn->disp;

	if (insn->base < EMU_REGS)
		address += emu->cpu.gpr[insn->base];
	else if (insn->base == EMU_BASE_RIP)
		address += emu->cpu.rip + insn->length;
	if (insn->index != EMU_NONE)
		address += emu->cpu.gpr[insn->index] << insn->scale;
	return address & size_mask(insn->address_size);
}

/* The operand E: a register, or memory. */
static inline enum emu_result e_ref(
	struct emu *emu, const struct emu_insn *insn, unsigned size, unsigned access, struct emu_ref *ref)
{
	return emu_ref(emu, insn->segment, effective_address(emu, insn), size, access, ref);
}

static inline enum emu_result e_read(struct emu *emu, const struct emu_insn *insn, unsigned size, uint64_t *value)
{
	struct emu_ref ref;

	if (!insn->memory) {
		*value = reg_read(emu, insn, insn->rm, size);
		return EMU_DONE;
	}
	TRY(e_ref(emu, insn, size, 0, &ref));
	return emu_ref_read(emu, &ref, value);
}

static inline enum emu_result e_write(struct emu *emu, const struct emu_insn *insn, unsigned size, uint64_t value)
{
	struct emu_ref ref;

	if (!insn->memory) {
		reg_write(emu, insn, insn->rm, size, value);
		return EMU_DONE;
	}
	TRY(e_ref(emu, insn, size, EMU_ACCESS_WRITE, &ref));
	return emu_ref_write(emu, &ref, value);
}

/* E as destination that is also read: begin, compute, end. ref is of use for memory only. */
static inline enum emu_result e_begin(
	struct emu *emu, const struct emu_insn *insn, unsigned size, struct emu_ref *ref, uint64_t *value)
{
	if (!insn->memory) {
		*value = reg_read(emu, insn, insn->rm, size);
		return EMU_DONE;
	}
	TRY(e_ref(emu, insn, size, EMU_ACCESS_WRITE, ref));
	return emu_ref_read(emu, ref, value);
}

static inline enum emu_result e_end(struct emu *emu, const struct emu_insn *insn, unsigned size,
	const struct emu_ref *ref, uint64_t old, uint64_t new)
{
	if (!insn->memory) {
		reg_write(emu, insn, insn->rm, size, new);
		return EMU_DONE;
	}
	return emu_ref_update(emu, ref, insn->prefixes & EMU_PREFIX_LOCK, old, new);
}

/* What asks for 16-byte alignment looks for it first: #GP(0), also in SS, and even before limits and canonical form. */
static inline enum emu_result e_aligned16(struct emu *emu, const struct emu_insn *insn, unsigned access)
{
	uint64_t linear;
	enum emu_result result = emu_segment_linear(
		emu, insn->segment, effective_address(emu, insn), 16, access, &linear);

	if ((result == EMU_DONE || result == EMU_EXCEPTION) && linear & 15)
		return emu_fault_code(emu, VECTOR_GP, 0);
	return result;
}

/* The stack, of the width that SS has. Pointers are moved in a local copy and committed at the end. */
enum emu_result stack_begin(struct emu *emu, unsigned *width, uint64_t *pointer);
enum emu_result stack_push(struct emu *emu, unsigned width, uint64_t *pointer, unsigned size, uint64_t value);
enum emu_result stack_pop(struct emu *emu, unsigned width, uint64_t *pointer, unsigned size, uint64_t *value);
static inline void stack_commit(struct emu *emu, unsigned width, uint64_t pointer)
{
	gpr_write(emu, EMU_RSP, width, pointer);
}

/* Set next_rip after the checks of a near transfer. */
enum emu_result branch_near(struct emu *emu, unsigned size, uint64_t target);

/* Descriptors: exec_segment.c. What cannot be used is the exception vector with the selector; what is absent has exceptions of its own. */
enum emu_result selector_fault(struct emu *emu, unsigned vector, unsigned selector);
/* The descriptor of a selector that is not null. */
enum emu_result descriptor_read(
	struct emu *emu, unsigned vector, unsigned selector, uint64_t *descriptor, struct emu_segment *segment);
/* A stack segment for this privilege. */
enum emu_result prepare_stack(
	struct emu *emu, unsigned vector, unsigned selector, unsigned cpl, bool to_long, struct emu_segment *s);
/* DS, ES, FS, GS, for the privilege of now. */
enum emu_result prepare_data(struct emu *emu, unsigned vector, unsigned selector, struct emu_segment *s);
/* CS for RET, IRET and new tasks: the selector's RPL is the privilege afterwards, and not more than that of now. */
enum emu_result prepare_return_code(struct emu *emu, unsigned vector, unsigned selector, struct emu_segment *s);

/* Fetches and decodes what is at CS:RIP into emu->decoded. */
enum emu_result decode_at_rip(struct emu *emu);

/* Whether ports size bytes from port may be used: IOPL, else the bitmap in the task state segment. */
enum emu_result port_allowed(struct emu *emu, unsigned port, unsigned size);

/* Condition codes, by the low four bits of Jcc, SETcc, CMOVcc. */
bool condition(uint64_t rflags, unsigned code);

#endif
