/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/emu/exec_system.c: ports, control registers, descriptor-table registers, MSRs, software interrupts. */
#include "monitor/emu/exec.h"

/* SDM vol. 1, "I/O Protection". */
enum emu_result port_allowed(struct emu *emu, unsigned port, unsigned size)
{
	unsigned iopl = (unsigned)(emu->cpu.rflags >> 12) & 3, bits = (1u << size) - 1;
	uint64_t offset, map;
	struct emu_ref ref;

	if (emu->cpu.mode == EMU_MODE_REAL || (emu->cpu.mode != EMU_MODE_V86 && emu->cpu.cpl <= iopl))
		return EMU_DONE;
	TRY(emu_need(emu, EMU_STATE_TABLES));
	/* The segment must hold the word at 0x66, and two bytes of bitmap: a processor reads both. */
	if (!(emu->cpu.tr.attributes & EMU_SEG_P) || emu->cpu.tr.limit < 0x67)
		return emu_fault_code(emu, VECTOR_GP, 0);
	TRY(emu_ref_linear(emu, emu->cpu.tr.base + 0x66, 2, EMU_ACCESS_IMPLICIT, &ref));
	TRY(emu_ref_read(emu, &ref, &offset));
	if (offset + port / 8 + 1 > emu->cpu.tr.limit)
		return emu_fault_code(emu, VECTOR_GP, 0);
	TRY(emu_ref_linear(emu, emu->cpu.tr.base + offset + port / 8, 2, EMU_ACCESS_IMPLICIT, &ref));
	TRY(emu_ref_read(emu, &ref, &map));
	if (map >> (port & 7) & bits)
		return emu_fault_code(emu, VECTOR_GP, 0);
	return EMU_DONE;
}

enum emu_result exec_in(struct emu *emu, const struct emu_insn *insn)
{
	unsigned port = insn->form == FORM_I ? (unsigned)insn->imm : emu->cpu.gpr[EMU_RDX] & 0xffff;
	unsigned size = insn->size == 8 ? 4 : insn->size;
	uint32_t value = 0;

	TRY(port_allowed(emu, port, size));
	TRY(emu->ops->port_in(emu->context, (uint16_t)port, size, &value));
	reg_write(emu, insn, EMU_RAX, size, value);
	return EMU_DONE;
}

enum emu_result exec_out(struct emu *emu, const struct emu_insn *insn)
{
	unsigned port = insn->form == FORM_I ? (unsigned)insn->imm : emu->cpu.gpr[EMU_RDX] & 0xffff;
	unsigned size = insn->size == 8 ? 4 : insn->size;

	TRY(port_allowed(emu, port, size));
	return emu->ops->port_out(emu->context, (uint16_t)port, size, (uint32_t)gpr_read(emu, EMU_RAX, size));
}

enum emu_result exec_hlt(struct emu *emu, const struct emu_insn *insn)
{
	(void)emu;
	(void)insn;
	return EMU_HALT;
}

enum emu_result exec_cpuid(struct emu *emu, const struct emu_insn *insn)
{
	uint32_t out[4] = {0};

	if (!emu->ops->cpuid)
		return EMU_UNSUPPORTED;
	emu->ops->cpuid(emu->context, (uint32_t)emu->cpu.gpr[EMU_RAX], (uint32_t)emu->cpu.gpr[EMU_RCX], out);
	reg_write(emu, insn, EMU_RAX, 4, out[0]);
	reg_write(emu, insn, EMU_RBX, 4, out[1]);
	reg_write(emu, insn, EMU_RCX, 4, out[2]);
	reg_write(emu, insn, EMU_RDX, 4, out[3]);
	return EMU_DONE;
}

static void write_pair(struct emu *emu, const struct emu_insn *insn, uint64_t value)
{
	reg_write(emu, insn, EMU_RAX, 4, value);
	reg_write(emu, insn, EMU_RDX, 4, value >> 32);
}

enum emu_result exec_rdtsc(struct emu *emu, const struct emu_insn *insn)
{
	if (!emu->ops->rdtsc)
		return EMU_UNSUPPORTED;
	if (emu->cpu.cr4 & CR4_TSD && emu->cpu.cpl != 0)
		return emu_fault_code(emu, VECTOR_GP, 0);
	write_pair(emu, insn, emu->ops->rdtsc(emu->context));
	return EMU_DONE;
}

enum emu_result exec_rdmsr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value = 0;

	if (!emu->ops->rdmsr)
		return EMU_UNSUPPORTED;
	if (!emu->ops->rdmsr(emu->context, (uint32_t)emu->cpu.gpr[EMU_RCX], &value))
		return emu_fault_code(emu, VECTOR_GP, 0);
	write_pair(emu, insn, value);
	return EMU_DONE;
}

enum emu_result exec_wrmsr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value = (uint32_t)emu->cpu.gpr[EMU_RAX] | emu->cpu.gpr[EMU_RDX] << 32;

	(void)insn;
	if (!emu->ops->wrmsr)
		return EMU_UNSUPPORTED;
	if (!emu->ops->wrmsr(emu->context, (uint32_t)emu->cpu.gpr[EMU_RCX], value))
		return emu_fault_code(emu, VECTOR_GP, 0);
	return EMU_DONE;
}

/* Control registers: operands are 64 bits in 64-bit mode, else 32, whatever the prefixes say. */
enum emu_result exec_movfromcr(struct emu *emu, const struct emu_insn *insn)
{
	const struct emu_cpu *cpu = &emu->cpu;
	uint64_t value;

	TRY(emu_need(emu, insn->reg == 2 || insn->reg == 8 ? EMU_STATE_TABLES : EMU_STATE_CONTROL));
	switch (insn->reg) {
	case 0: value = cpu->cr0; break;
	case 2: value = cpu->cr2; break;
	case 3: value = cpu->cr3; break;
	case 4: value = cpu->cr4; break;
	default: value = cpu->cr8; break;
	}
	reg_write(emu, insn, insn->rm, is_long(emu) ? 8 : 4, value);
	return EMU_DONE;
}

#define CR0_DEFINED 0xe005003full
#define CR0_ET	    (1ull << 4)
#define CR0_NW	    (1ull << 29)
#define CR0_CD	    (1ull << 30)
#define CR4_PCIDE   (1ull << 17)
#define EFER_LME    (1ull << 8)

static enum emu_result write_cr0(struct emu *emu, uint64_t value)
{
	struct emu_cpu *cpu = &emu->cpu;
	uint64_t efer = cpu->efer;

	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
		return emu_fault_code(emu, VECTOR_GP, 0);
	value = (value & CR0_DEFINED) | CR0_ET;
	if (!(cpu->cr0 & CR0_PG) && value & CR0_PG && efer & EFER_LME) {
		if (!(cpu->cr4 & CR4_PAE) || cpu->seg[EMU_CS].attributes & EMU_SEG_L)
			return emu_fault_code(emu, VECTOR_GP, 0);
		efer |= EFER_LMA;
	}
	if (cpu->cr0 & CR0_PG && !(value & CR0_PG)) {
		if (is_long(emu) || cpu->cr4 & CR4_PCIDE)
			return emu_fault_code(emu, VECTOR_GP, 0);
		efer &= ~EFER_LMA;
	}
	cpu->cr0 = value;
	cpu->efer = efer;
	return EMU_DONE;
}

static enum emu_result write_cr4(struct emu *emu, uint64_t value)
{
	struct emu_cpu *cpu = &emu->cpu;

	if (value & ~emu->cr4_allowed)
		return emu_fault_code(emu, VECTOR_GP, 0);
	if (cpu->efer & EFER_LMA && (cpu->cr4 ^ value) & (CR4_PAE | CR4_LA57))
		return emu_fault_code(emu, VECTOR_GP, 0);
	if (value & CR4_PCIDE && !(cpu->cr4 & CR4_PCIDE) && (!(cpu->efer & EFER_LMA) || cpu->cr3 & 0xfff))
		return emu_fault_code(emu, VECTOR_GP, 0);
	cpu->cr4 = value;
	return EMU_DONE;
}

/* With PAE paging a write to CR0, CR3 or CR4 loads four entries. SDM vol. 3, "PDPTE Registers": bits 2:1, 8:5 and those beyond the width are reserved. */
static enum emu_result load_pdptes(struct emu *emu)
{
	const struct emu_cpu *cpu = &emu->cpu;
	uint64_t reserved = 0x1e6 | ~((1ull << emu->physical_bits) - 1), table = cpu->cr3 & 0xffffffe0, entry;
	const uint8_t *page;

	if (!(cpu->cr0 & CR0_PG) || !(cpu->cr4 & CR4_PAE) || cpu->efer & EFER_LMA)
		return EMU_DONE;
	page = emu->ops->page(emu->context, table & ~0xfffull, false);
	for (unsigned i = 0; page && i < 4; i++) {
		__builtin_memcpy(&entry, page + (table & 0xfff) + 8 * i, 8);
		if (entry & 1 && entry & reserved)
			return emu_fault_code(emu, VECTOR_GP, 0);
	}
	return EMU_DONE;
}

static enum emu_result write_cr3(struct emu *emu, uint64_t value)
{
	if (emu->cpu.efer & EFER_LMA) {
		if (emu->cpu.cr4 & CR4_PCIDE)
			value &= ~(1ull << 63);
		if (value >> emu->physical_bits)
			return emu_fault_code(emu, VECTOR_GP, 0);
	}
	emu->cpu.cr3 = value;
	return EMU_DONE;
}

enum emu_result exec_movtocr(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value = gpr_read(emu, insn->rm, is_long(emu) ? 8 : 4);

	TRY(emu_need(emu, EMU_STATE_CONTROL | (insn->reg == 2 || insn->reg == 8 ? EMU_STATE_TABLES : 0)));
	switch (insn->reg) {
	case 0: TRY(write_cr0(emu, value)); break;
	case 2: emu->cpu.cr2 = value; break;
	case 3: TRY(write_cr3(emu, value)); break;
	case 4: TRY(write_cr4(emu, value)); break;
	default:
		if (value > 15)
			return emu_fault_code(emu, VECTOR_GP, 0);
		emu->cpu.cr8 = value;
		break;
	}
	if (insn->reg == 2 || insn->reg == 8) {
		emu->changed |= EMU_STATE_TABLES;
		return EMU_DONE;
	}
	TRY(load_pdptes(emu));
	emu->changed |= EMU_STATE_CONTROL;
	emu->events |= EMU_EVENT_TLB;
	if (insn->reg == 0) {
		emu->events |= EMU_EVENT_MODE;
		emu->cpu.mode = (uint8_t)emu_mode_of(&emu->cpu);
	}
	return EMU_DONE;
}

enum emu_result exec_clts(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	emu->cpu.cr0 &= ~CR0_TS;
	emu->changed |= EMU_STATE_CONTROL;
	return EMU_DONE;
}

/* User-mode instruction prevention: SDM vol. 3, "CR4.UMIP". */
static enum emu_result umip_allowed(struct emu *emu)
{
	return emu->cpu.cr4 & CR4_UMIP && emu->cpu.cpl != 0 ? emu_fault_code(emu, VECTOR_GP, 0) : EMU_DONE;
}

enum emu_result exec_smsw(struct emu *emu, const struct emu_insn *insn)
{
	TRY(umip_allowed(emu));
	if (insn->memory)
		return e_write(emu, insn, 2, emu->cpu.cr0);
	reg_write(emu, insn, insn->rm, insn->size, emu->cpu.cr0);
	return EMU_DONE;
}

enum emu_result exec_lmsw(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t value;

	TRY(e_read(emu, insn, 2, &value));
	value = (emu->cpu.cr0 & ~0xeull) | (value & 0xf); /* PE can be set so, not cleared */
	TRY(write_cr0(emu, value));
	TRY(load_pdptes(emu));
	emu->changed |= EMU_STATE_CONTROL;
	emu->events |= EMU_EVENT_MODE;
	emu->cpu.mode = (uint8_t)emu_mode_of(&emu->cpu);
	return EMU_DONE;
}

/* SLDT, STR: 16 bits to memory, extended in a register. */
enum emu_result exec_storesel(struct emu *emu, const struct emu_insn *insn)
{
	uint64_t selector;

	TRY(umip_allowed(emu));
	TRY(emu_need(emu, EMU_STATE_TABLES));
	selector = insn->op == OP_SLDT ? emu->cpu.ldtr.selector : emu->cpu.tr.selector;
	return e_write(emu, insn, insn->memory ? 2 : insn->size, selector);
}

/* SGDT, SIDT. */
enum emu_result exec_storetable(struct emu *emu, const struct emu_insn *insn)
{
	const struct emu_table *table = insn->op == OP_SGDT ? &emu->cpu.gdtr : &emu->cpu.idtr;
	unsigned size = is_long(emu) ? 10 : 6;
	struct emu_ref ref;
	uint8_t data[10];

	TRY(umip_allowed(emu));
	TRY(emu_need(emu, EMU_STATE_TABLES));
	TRY(e_ref(emu, insn, size, EMU_ACCESS_WRITE, &ref));
	__builtin_memcpy(data, &table->limit, 2);
	__builtin_memcpy(data + 2, &table->base, 8);
	return emu_ref_write_bytes(emu, &ref, data);
}

/* LGDT, LIDT. */
enum emu_result exec_loadtable(struct emu *emu, const struct emu_insn *insn)
{
	struct emu_table *table = insn->op == OP_LGDT ? &emu->cpu.gdtr : &emu->cpu.idtr;
	uint8_t data[10] = {0};
	struct emu_ref ref;
	uint64_t base;

	TRY(emu_need(emu, EMU_STATE_TABLES));
	TRY(e_ref(emu, insn, is_long(emu) ? 10 : 6, 0, &ref));
	TRY(emu_ref_read_bytes(emu, &ref, data));
	__builtin_memcpy(&base, data + 2, 8);
	if (is_long(emu) && !is_canonical(emu, base))
		return emu_fault_code(emu, VECTOR_GP, 0);
	if (!is_long(emu) && insn->size == 2)
		base &= 0xffffff;
	table->base = base;
	table->limit = (uint16_t)(data[0] | data[1] << 8);
	emu->changed |= EMU_STATE_TABLES;
	return EMU_DONE;
}

enum emu_result exec_invlpg(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	emu->events |= EMU_EVENT_TLB;
	return EMU_DONE;
}

enum emu_result exec_ud(struct emu *emu, const struct emu_insn *insn)
{
	(void)insn;
	return emu_fault(emu, VECTOR_UD);
}

/* INT n, INT3, INT1, INTO: the caller delivers them, as software interrupts. */
enum emu_result exec_int(struct emu *emu, const struct emu_insn *insn)
{
	unsigned vector = insn->op == OP_INT3 ? VECTOR_BP : insn->op == OP_INT1 ? VECTOR_DB : (unsigned)insn->imm;

	if (insn->op == OP_INTO) {
		if (!(emu->cpu.rflags & FLAG_OF))
			return EMU_DONE;
		vector = VECTOR_OF;
	}
	if (insn->op == OP_INT && emu->cpu.mode == EMU_MODE_V86 && (emu->cpu.rflags & FLAG_IOPL) != FLAG_IOPL) {
		if (emu->cpu.cr4 & CR4_VME)
			return EMU_UNSUPPORTED;
		return emu_fault_code(emu, VECTOR_GP, 0);
	}
	emu_fault(emu, vector);
	return EMU_INTERRUPT;
}

/* BOUND: an index against a pair of signed limits. */
enum emu_result exec_bound(struct emu *emu, const struct emu_insn *insn)
{
	unsigned size = insn->size;
	uint64_t low, high, address = effective_address(emu, insn);
	struct emu_ref ref;
	int64_t index = (int64_t)sign_extend(reg_read(emu, insn, insn->reg, size), size);

	TRY(emu_ref(emu, insn->segment, address, size, 0, &ref));
	TRY(emu_ref_read(emu, &ref, &low));
	TRY(emu_ref(emu, insn->segment, (address + size) & size_mask(insn->address_size), size, 0, &ref));
	TRY(emu_ref_read(emu, &ref, &high));
	if (index < (int64_t)sign_extend(low, size) || index > (int64_t)sign_extend(high, size))
		return emu_fault(emu, VECTOR_BR);
	return EMU_DONE;
}
