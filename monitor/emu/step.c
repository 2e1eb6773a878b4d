/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/step.c: fetch, decode, execute, commit.
 *
 * The bytes are copied once, and everything, privilege included, is judged by the copy: another processor may rewrite the code at any
 * time. The second page of an instruction is looked at only if the bytes on the first do not decide it.
 */
#include "monitor/emu/exec.h"

#define exec_none NULL
static exec_function *const functions[OP_COUNT] = {
#define EMU_OP_ENTRY(name, function) [OP_##name] = exec_##function,
	EMU_OPS(EMU_OP_ENTRY)};
#undef exec_none

bool emu_op_has_semantics(unsigned op)
{
	return op < OP_COUNT && functions[op] != NULL;
}

void emu_init(struct emu *emu)
{
	__builtin_memset(emu, 0, sizeof *emu);
	emu->batch = 64;
	emu->physical_bits = 40;
	emu->cr4_allowed = 0x370fff; /* VME to UMIP, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP */
	emu->config = EMU_CONFIG_1G | EMU_CONFIG_MOVBE;
	emu->insn = &emu->decoded;
	emu_reconfigured(emu);
}

void emu_reconfigured(struct emu *emu)
{
	for (unsigned i = 0; i < EMU_DECODED_SLOTS; i++)
		emu->decoded_slots[i].mode = EMU_NONE;
	for (unsigned i = 0; i < EMU_WALK_SLOTS; i++)
		emu->walk_slots[0][i].key = emu->walk_slots[1][i].key = emu->walk_slots[2][i].key = 0;
}

enum emu_mode emu_mode_of(const struct emu_cpu *cpu)
{
	if (!(cpu->cr0 & CR0_PE))
		return EMU_MODE_REAL;
	if (cpu->rflags & FLAG_VM)
		return EMU_MODE_V86;
	if (cpu->efer & EFER_LMA && cpu->seg[EMU_CS].attributes & EMU_SEG_L)
		return EMU_MODE_LONG;
	return cpu->seg[EMU_CS].attributes & EMU_SEG_DB ? EMU_MODE_PROT32 : EMU_MODE_PROT16;
}

/* Up to want bytes at offset of CS into to. *got: at least 1, and all that are on the same page and inside the limit. */
static __attribute__((noinline)) enum emu_result fetch(
	struct emu *emu, uint64_t offset, uint8_t *to, unsigned want, unsigned *got)
{
	struct emu_cpu *cpu = &emu->cpu;
	uint64_t linear = offset, gpa;
	const uint8_t *page;
	unsigned left;

	if (!is_long(emu)) {
		TRY(emu_need(emu, EMU_STATE_SEGMENTS));
		if (offset > cpu->seg[EMU_CS].limit)
			return emu_fault_code(emu, VECTOR_GP, 0);
		if (want - 1 > cpu->seg[EMU_CS].limit - offset)
			want = (unsigned)(cpu->seg[EMU_CS].limit - offset) + 1;
		linear = (uint32_t)(cpu->seg[EMU_CS].base + offset);
	} else if (!is_canonical(emu, linear)) {
		return emu_fault_code(emu, VECTOR_GP, 0);
	}
	TRY(emu_walk(emu, linear, EMU_ACCESS_FETCH | (cpu->cpl == 3 ? EMU_ACCESS_USER : 0), &gpa));
	page = emu_page_read(emu, gpa & ~0xfffull);
	if (!page)
		return EMU_UNSUPPORTED; /* code in a device */
	page += gpa & 0xfff;
	left = 0x1000 - (gpa & 0xfff);
	if (want > left)
		want = left;
	*got = want;
	for (unsigned i = 0; i < want; i++)
		to[i] = ((const volatile uint8_t *)page)[i];
	return EMU_DONE;
}

static inline __attribute__((always_inline)) enum emu_result execute(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_cpu *cpu = &emu->cpu;
	exec_function *function = functions[insn->op];
	unsigned trap = cpu->rflags & FLAG_TF ? EMU_EVENT_TRAP : 0;
	enum emu_result result;

	emu->insn = insn;
	if (!function)
		return EMU_UNSUPPORTED;
	if (insn->flags & F_PRIV && cpu->cpl != 0)
		return emu_fault_code(emu, VECTOR_GP, 0);
	emu->next_rip = cpu->rip + insn->length;
	if (!is_long(emu))
		emu->next_rip = (uint32_t)emu->next_rip;
	result = function(emu, insn);
	if (result != EMU_DONE && result != EMU_HALT)
		return result;
	cpu->rip = emu->next_rip;
	if (insn->op != OP_IRET) /* which may set it */
		cpu->rflags &= ~(uint64_t)FLAG_RF;
	emu->events |= trap;
	return result;
}

/* Decode what has been fetched, fetch on while it is not enough. */
static enum emu_result decode_fetched(struct emu *emu)
{
	struct emu_cpu *cpu = &emu->cpu;

	/* A first fetch ends at a page or at the limit of CS, a second gets the rest or faults: three times is plenty. */
	for (unsigned i = 0; i < 4; i++) {
		unsigned got;

		emu->insn = &emu->decoded;
		switch (emu_decode_buffer(cpu->mode, emu->config, emu->code, emu->fetched, &emu->decoded)) {
		case EMU_DECODE_OK: return EMU_DONE;
		case EMU_DECODE_INVALID: return emu_fault(emu, VECTOR_UD);
		case EMU_DECODE_LONG: return emu_fault_code(emu, VECTOR_GP, 0);
		case EMU_DECODE_MORE: break;
		}
		uint64_t offset = cpu->rip + emu->fetched;
		if (!is_long(emu) && offset > 0xffffffffu)
			return emu_fault_code(emu, VECTOR_GP, 0);
		TRY(fetch(emu, offset, emu->code + emu->fetched, EMU_INSN_MAX - emu->fetched, &got));
		emu->fetched += got;
	}
	return EMU_UNSUPPORTED;
}

static __attribute__((noinline)) enum emu_result decode_and_execute(struct emu *emu)
{
	TRY(decode_fetched(emu));
	return execute(emu, &emu->decoded);
}

enum emu_result decode_at_rip(struct emu *emu)
{
	emu->fetched = 0;
	TRY(fetch(emu, emu->cpu.rip, emu->code, EMU_INSN_MAX, &emu->fetched));
	return decode_fetched(emu);
}

/* All 15 bytes are there: by the slots, or decoded into them. */
static inline __attribute__((always_inline)) enum emu_result slot_and_execute(struct emu *emu)
{
	struct emu_cpu *cpu = &emu->cpu;
	struct emu_decoded_slot *slot = &emu->decoded_slots[(cpu->rip ^ cpu->rip >> 4) & (EMU_DECODED_SLOTS - 1)];
	uint64_t code[2];

	__builtin_memcpy(code, emu->code, 16);
	code[1] &= 0x00ffffffffffffffull;
	if (slot->code[0] != code[0] || slot->code[1] != code[1] || slot->mode != cpu->mode) {
		slot->mode = EMU_NONE;
		if (emu_decode_buffer(cpu->mode, emu->config, emu->code, EMU_INSN_MAX, &slot->insn) != EMU_DECODE_OK)
			return decode_and_execute(emu);
		slot->code[0] = code[0];
		slot->code[1] = code[1];
		slot->mode = cpu->mode;
	}
	return execute(emu, &slot->insn);
}

enum emu_result emu_step(struct emu *emu)
{
	const uint8_t *page;
	uint64_t gpa, rip = emu->cpu.rip;

	emu->events = 0;
	emu->changed = 0;
	if (!is_long(emu) || !is_canonical(emu, rip) || (rip & 0xfff) > 0x1000 - 16) {
		TRY(fetch(emu, rip, emu->code, EMU_INSN_MAX, &emu->fetched));
		return decode_and_execute(emu);
	}
	/* 64-bit mode, and all that is looked at lies on one page. */
	TRY(walk(emu, rip, EMU_ACCESS_FETCH | (emu->cpu.cpl == 3 ? EMU_ACCESS_USER : 0), &gpa));
	page = emu_page_read(emu, gpa & ~0xfffull);
	if (!page)
		return EMU_UNSUPPORTED;
	__builtin_memcpy(emu->code, page + (gpa & 0xfff), 16);
	__asm__ volatile("" ::: "memory"); /* a compiler may not go back to the page for bytes that have been copied */
	emu->fetched = EMU_INSN_MAX;
	return slot_and_execute(emu);
}

enum emu_result emu_step_bytes(struct emu *emu, const uint8_t *bytes, unsigned count)
{
	emu->events = 0;
	emu->changed = 0;
	TRY(emu_need(emu, EMU_STATE_CONTROL));
	if (count > EMU_INSN_MAX)
		count = EMU_INSN_MAX;
	for (unsigned i = 0; i < count; i++)
		emu->code[i] = bytes[i];
	emu->fetched = count;
	return count == EMU_INSN_MAX ? slot_and_execute(emu) : decode_and_execute(emu);
}
