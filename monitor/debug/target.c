/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/debug/target.c: the guest's registers and memory as gdb knows them, from two tables: amd64's, and i386's for a guest that gdb has a 32-bit program of.
 * Segments' bases and control registers are beside gdb's own. Selectors can be read, and not set: their descriptors would not follow.
 */
#include "monitor/debug/inside.h"
#include "gyre/errors.h"
#include "lib/format.h"
#include "lib/string.h"

/* ---- memory ---- */

#define PRESENT	  1ull
#define LARGE	  0x80ull
#define FRAME_64  0x000ffffffffff000ull
#define GIANT_BIT 2u /* the highest level at which a page can be */

static bool entry_read(struct debug *debug, uint64_t gpa, unsigned bytes, uint64_t *entry)
{
	const uint8_t *host = machine_ram(debug->machine, gpa, bytes);
	*entry = 0;
	if (host == NULL)
		return false;
	memcpy(entry, host, bytes);
	return (*entry & PRESENT) != 0;
}

/* APM vol. 2, "Legacy-Mode Page Translation", "Long-Mode Page Translation". The lowest level is 0; of `levels`, each has nine bits. */
static bool walk_64(struct debug *debug, uint64_t table, unsigned levels, uint64_t linear, uint64_t *gpa)
{
	for (unsigned level = levels; level-- > 0;) {
		unsigned shift = 12 + 9 * level;
		uint64_t entry, mask = (1ull << shift) - 1;
		if (!entry_read(debug, table + (linear >> shift & 511) * 8, 8, &entry))
			return false;
		table = entry & FRAME_64;
		if (level == 0 || ((entry & LARGE) && level <= GIANT_BIT)) {
			*gpa = (table & ~mask) | (linear & mask);
			return true;
		}
	}
	return false;
}

static bool walk_32(struct debug *debug, uint32_t cr3, bool large, uint32_t linear, uint64_t *gpa)
{
	uint64_t entry;
	if (!entry_read(debug, (cr3 & 0xfffff000u) + (linear >> 22) * 4ull, 4, &entry))
		return false;
	if (large && (entry & LARGE)) {
		*gpa = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
		return true;
	}
	if (!entry_read(debug, (entry & 0xfffff000u) + (linear >> 12 & 1023) * 4ull, 4, &entry))
		return false;
	*gpa = (entry & 0xfffff000u) | (linear & 0xfff);
	return true;
}

static unsigned levels_of(uint32_t mode)
{
	return mode & GYRE_MODE_LA57 ? 5 : 4;
}

static bool is_canonical(uint32_t mode, uint64_t linear)
{
	unsigned unused = 64 - (12 + 9 * levels_of(mode));
	return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

bool debug_translate(struct debug *debug, uint64_t linear, uint64_t *gpa)
{
	const struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	uint32_t mode = page->mode;
	if (mode & GYRE_MODE_LMA) {
		if (!is_canonical(mode, linear))
			return false;
		return walk_64(debug, page->cr3 & FRAME_64, levels_of(mode), linear, gpa);
	}
	linear = (uint32_t)linear;
	if (!(mode & GYRE_MODE_PG)) {
		*gpa = linear;
		return true;
	}
	if (mode & GYRE_MODE_PAE) {
		uint64_t entry;
		return entry_read(debug, (page->cr3 & 0xffffffe0u) + (linear >> 30) * 8, 8, &entry) &&
		       walk_64(debug, entry & FRAME_64, 2, linear, gpa);
	}
	return walk_32(debug, (uint32_t)page->cr3, (mode & GYRE_MODE_PSE) != 0, (uint32_t)linear, gpa);
}

/* The longest piece of `bytes` from there on that lies in one page of RAM; 0: there is none. */
static size_t piece(struct debug *debug, uint64_t linear, size_t bytes, uint8_t **host)
{
	uint64_t gpa;
	size_t part = 4096 - (linear & 4095);
	if (part > bytes)
		part = bytes;
	*host = debug_translate(debug, linear, &gpa) ? machine_ram(debug->machine, gpa, part) : NULL;
	return *host != NULL ? part : 0;
}

size_t debug_read(struct debug *debug, uint64_t linear, uint8_t *data, size_t bytes)
{
	uint8_t *host;
	size_t done = 0, part;
	for (; done < bytes && (part = piece(debug, linear + done, bytes - done, &host)) != 0; done += part)
		memcpy(data + done, host, part);
	return done;
}

static size_t memory_read(void *context, uint64_t address, uint8_t *data, size_t bytes)
{
	return debug_read(context, address, data, bytes);
}

static size_t memory_write(void *context, uint64_t address, const uint8_t *data, size_t bytes)
{
	uint8_t *host;
	size_t done = 0, part;
	for (; done < bytes && (part = piece(context, address + done, bytes - done, &host)) != 0; done += part)
		memcpy(host, data + done, part);
	return done;
}

uint64_t debug_linear(const struct debug *debug, uint64_t rip)
{
	const struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	if ((page->mode & (GYRE_MODE_LMA | GYRE_MODE_CS_L)) == (GYRE_MODE_LMA | GYRE_MODE_CS_L))
		return rip;
	return (uint32_t)(page->cs_base + (uint32_t)rip);
}

/* ---- registers ---- */

enum kind { GPR, RIP, FLAGS, SELECTOR, ST, X87, XMM, MXCSR, BASE, KERNEL_GS, CR0, CR2, CR3, CR4, CR8, EFER };

struct reg {
	char name[10], type[12];
	uint8_t bytes, kind, index;
};

/* clang-format off */
#define G(name, i, bytes, type) {name, type, bytes, GPR, i}
#define SEGMENTS_AND_X87                                                                                                       \
	{"cs", "int32", 4, SELECTOR, GYRE_CS}, {"ss", "int32", 4, SELECTOR, GYRE_SS}, {"ds", "int32", 4, SELECTOR, GYRE_DS},   \
	{"es", "int32", 4, SELECTOR, GYRE_ES}, {"fs", "int32", 4, SELECTOR, GYRE_FS}, {"gs", "int32", 4, SELECTOR, GYRE_GS},   \
	{"st0", "i387_ext", 10, ST, 0}, {"st1", "i387_ext", 10, ST, 1}, {"st2", "i387_ext", 10, ST, 2},                        \
	{"st3", "i387_ext", 10, ST, 3}, {"st4", "i387_ext", 10, ST, 4}, {"st5", "i387_ext", 10, ST, 5},                        \
	{"st6", "i387_ext", 10, ST, 6}, {"st7", "i387_ext", 10, ST, 7},                                                        \
	{"fctrl", "int", 4, X87, 0}, {"fstat", "int", 4, X87, 1}, {"ftag", "int", 4, X87, 2}, {"fiseg", "int", 4, X87, 3},     \
	{"fioff", "int", 4, X87, 4}, {"foseg", "int", 4, X87, 5}, {"fooff", "int", 4, X87, 6}, {"fop", "int", 4, X87, 7}
#define X(name, i) {name, "vec128", 16, XMM, i}

static const struct reg amd64[] = {
	G("rax", GYRE_RAX, 8, "int64"), G("rbx", GYRE_RBX, 8, "int64"), G("rcx", GYRE_RCX, 8, "int64"), G("rdx", GYRE_RDX, 8, "int64"),
	G("rsi", GYRE_RSI, 8, "int64"), G("rdi", GYRE_RDI, 8, "int64"), G("rbp", GYRE_RBP, 8, "data_ptr"), G("rsp", GYRE_RSP, 8, "data_ptr"),
	G("r8", 8, 8, "int64"), G("r9", 9, 8, "int64"), G("r10", 10, 8, "int64"), G("r11", 11, 8, "int64"),
	G("r12", 12, 8, "int64"), G("r13", 13, 8, "int64"), G("r14", 14, 8, "int64"), G("r15", 15, 8, "int64"),
	{"rip", "code_ptr", 8, RIP, 0}, {"eflags", "i386_eflags", 4, FLAGS, 0}, SEGMENTS_AND_X87,
	X("xmm0", 0), X("xmm1", 1), X("xmm2", 2), X("xmm3", 3), X("xmm4", 4), X("xmm5", 5), X("xmm6", 6), X("xmm7", 7),
	X("xmm8", 8), X("xmm9", 9), X("xmm10", 10), X("xmm11", 11), X("xmm12", 12), X("xmm13", 13), X("xmm14", 14), X("xmm15", 15),
	{"mxcsr", "int", 4, MXCSR, 0},
	{"fs_base", "int64", 8, BASE, GYRE_FS}, {"gs_base", "int64", 8, BASE, GYRE_GS},
	{"k_gs_base", "int64", 8, KERNEL_GS, 0}, {"cr0", "int64", 8, CR0, 0}, {"cr2", "int64", 8, CR2, 0},
	{"cr3", "int64", 8, CR3, 0}, {"cr4", "int64", 8, CR4, 0}, {"cr8", "int64", 8, CR8, 0}, {"efer", "int64", 8, EFER, 0},
};
static const struct reg i386[] = {
	G("eax", GYRE_RAX, 4, "int32"), G("ecx", GYRE_RCX, 4, "int32"), G("edx", GYRE_RDX, 4, "int32"), G("ebx", GYRE_RBX, 4, "int32"),
	G("esp", GYRE_RSP, 4, "data_ptr"), G("ebp", GYRE_RBP, 4, "data_ptr"), G("esi", GYRE_RSI, 4, "int32"), G("edi", GYRE_RDI, 4, "int32"),
	{"eip", "code_ptr", 4, RIP, 0}, {"eflags", "i386_eflags", 4, FLAGS, 0}, SEGMENTS_AND_X87,
	X("xmm0", 0), X("xmm1", 1), X("xmm2", 2), X("xmm3", 3), X("xmm4", 4), X("xmm5", 5), X("xmm6", 6), X("xmm7", 7),
	{"mxcsr", "int", 4, MXCSR, 0},
	{"cs_base", "int32", 4, BASE, GYRE_CS}, {"cr0", "int32", 4, CR0, 0}, {"cr2", "int32", 4, CR2, 0},
	{"cr3", "int32", 4, CR3, 0}, {"cr4", "int32", 4, CR4, 0}, {"efer", "int32", 4, EFER, 0},
};
/* clang-format on */

static const struct reg *reg_of(const struct debug *debug, unsigned number)
{
	if (debug->wide)
		return number < sizeof(amd64) / sizeof(amd64[0]) ? &amd64[number] : NULL;
	return number < sizeof(i386) / sizeof(i386[0]) ? &i386[number] : NULL;
}

static uint32_t groups_of(const struct reg *reg)
{
	switch (reg->kind) {
	case SELECTOR:
	case BASE: return GYRE_STATE_SEGMENTS;
	case ST:
	case X87:
	case XMM:
	case MXCSR: return GYRE_STATE_FPU;
	case KERNEL_GS: return GYRE_STATE_MSRS;
	case CR0:
	case CR2:
	case CR3:
	case CR4:
	case CR8:
	case EFER: return GYRE_STATE_CONTROL;
	default: return 0;
	}
}

/* The eight of FXSAVE's first 32 bytes: where, and how many bytes. APM vol. 2, "FXSAVE and FXRSTOR Instructions". */
static const uint8_t x87_offset[8] = {0, 2, 4, 12, 8, 20, 16, 6}, x87_bytes[8] = {2, 2, 1, 2, 4, 2, 4, 2};
#define X87_TAG 2u

/* FXSAVE keeps a bit a register, "in use"; the tag word two: 0 valid, 1 zero, 2 special, 3 empty. */
static uint32_t tag_word(const uint8_t *fpu)
{
	uint32_t tags = 0, top = fpu[3] >> 3 & 7;
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *value = fpu + 32 + 16 * ((i - top) & 7);
		uint32_t exponent = (uint32_t)(value[8] | value[9] << 8) & 0x7fff, tag = 0;
		uint64_t fraction;
		memcpy(&fraction, value, 8);
		if (!(fpu[4] >> i & 1))
			tag = 3;
		else if (exponent == 0 && fraction == 0)
			tag = 1;
		else if (exponent == 0x7fff || exponent == 0 || !(fraction >> 63))
			tag = 2;
		tags |= tag << 2 * i;
	}
	return tags;
}

static uint8_t tag_bits(uint32_t tags)
{
	uint8_t bits = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((tags >> 2 * i & 3) != 3)
			bits |= (uint8_t)(1u << i);
	return bits;
}

/* Where a register that is plain bytes lies. NULL: x87's eight, whose form is another. */
static void *place_of(struct debug *debug, const struct reg *reg)
{
	struct engine_vcpu *vcpu = &debug->machine->vcpu;
	struct gyre_vcpu_state *state = vcpu->state;
	switch (reg->kind) {
	case GPR: return &vcpu->page->gpr[reg->index];
	case RIP: return &vcpu->page->rip;
	case FLAGS: return &vcpu->page->rflags;
	case SELECTOR: return &state->segment[reg->index].selector;
	case BASE: return &state->segment[reg->index].base;
	case ST: return vcpu->fpu + 32 + 16 * reg->index;
	case XMM: return vcpu->fpu + 160 + 16 * reg->index;
	case MXCSR: return vcpu->fpu + 24;
	case KERNEL_GS: return &state->kernel_gs_base;
	case CR0: return &state->cr0;
	case CR2: return &state->cr2;
	case CR3: return &state->cr3;
	case CR4: return &state->cr4;
	case CR8: return &state->cr8;
	case EFER: return &state->efer;
	default: return NULL;
	}
}

static unsigned register_read(void *context, unsigned number, uint8_t *value)
{
	struct debug *debug = context;
	const struct reg *reg = reg_of(debug, number);
	if (reg == NULL)
		return 0;
	uint32_t groups = groups_of(reg);
	memset(value, 0, RSP_REGISTER_BYTES);
	if (groups != 0 && engine_state_get(&debug->machine->vcpu, groups) < 0)
		return reg->bytes;
	const uint8_t *fpu = debug->machine->vcpu.fpu;
	if (reg->kind != X87) {
		memcpy(value, place_of(debug, reg), reg->kind == SELECTOR ? 2 : reg->bytes);
	} else if (reg->index == X87_TAG) {
		uint32_t tags = tag_word(fpu);
		memcpy(value, &tags, 4);
	} else {
		memcpy(value, fpu + x87_offset[reg->index], x87_bytes[reg->index]);
	}
	return reg->bytes;
}

static int group_write(struct debug *debug, const struct reg *reg, const uint8_t *value, uint32_t groups)
{
	struct engine_vcpu *vcpu = &debug->machine->vcpu;
	if (engine_state_get(vcpu, groups) < 0)
		return -GYRE_EINVAL;
	if (reg->kind == SELECTOR)
		return memcmp(value, place_of(debug, reg), 2) == 0 ? 0 : -GYRE_ENOTSUP;
	if (reg->kind == X87 && reg->index == X87_TAG)
		vcpu->fpu[4] = tag_bits((uint32_t)(value[0] | value[1] << 8));
	else if (reg->kind == X87)
		memcpy(vcpu->fpu + x87_offset[reg->index], value, x87_bytes[reg->index]);
	else
		memcpy(place_of(debug, reg), value, reg->bytes);
	if (groups == GYRE_STATE_FPU)
		vcpu->fpu[512] |= reg->kind == XMM || reg->kind == MXCSR ? 2 : 1; /* XSTATE_BV: in use now */
	if (engine_state_set(vcpu, groups) < 0)
		return -GYRE_EINVAL;
	debug_settle(debug); /* the page has a part of it, too */
	return 0;
}

#define FLAGS_SETTABLE 0x00257fd5ull /* all that there are, but VM: APM vol. 2, "RFLAGS Register" */
#define FLAGS_KEPT     (~FLAGS_SETTABLE & 0xffffffffull)

/* What lies beyond is refused on entry: APM vol. 2, "Canonical Address Form". */
static bool rip_possible(const struct gyre_vcpu_page *page, uint64_t rip)
{
	if ((page->mode & (GYRE_MODE_LMA | GYRE_MODE_CS_L)) != (GYRE_MODE_LMA | GYRE_MODE_CS_L))
		return rip >> 32 == 0;
	return is_canonical(page->mode, rip);
}

static int register_write(void *context, unsigned number, const uint8_t *value, unsigned bytes)
{
	struct debug *debug = context;
	const struct reg *reg = reg_of(debug, number);
	struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	uint64_t old = page->rflags;
	if (reg == NULL || bytes != reg->bytes)
		return -GYRE_EINVAL;
	uint32_t groups = groups_of(reg);
	if (groups != 0)
		return group_write(debug, reg, value, groups);
	if (reg->kind == RIP) {
		uint64_t rip = 0;
		memcpy(&rip, value, bytes);
		if (!rip_possible(page, rip))
			return -GYRE_EINVAL;
	}
	memcpy(place_of(debug, reg), value, bytes);
	if (reg->kind == FLAGS)
		page->rflags = (page->rflags & FLAGS_SETTABLE) | (old & FLAGS_KEPT);
	/* Who is sent elsewhere waits no longer. */
	if (reg->kind == RIP && engine_state_get(&debug->machine->vcpu, GYRE_STATE_ACTIVITY) == 0 &&
		debug->machine->vcpu.state->activity == 1) {
		debug->machine->vcpu.state->activity = 0;
		engine_state_set(&debug->machine->vcpu, GYRE_STATE_ACTIVITY);
	}
	return 0;
}

/* ---- the description: "Debugging with GDB", appendix "Target Descriptions" ---- */

/* Whether code turns long mode on: MOV ECX with EFER's number, and before WRMSR an OR or a BTS of bit 8 (APM vol. 2, "Activating Long Mode"). */
static bool sets_lme(const uint8_t *code, size_t bytes)
{
	bool set = false;
	if (memcmp(code, "\xb9\x80\x00\x00\xc0", 5) != 0)
		return false;
	for (size_t i = 5; i + 5 <= bytes; i++) {
		if (code[i] == 0x0d && (code[i + 2] & 1))
			set = true;
		if (memcmp(code + i, "\x0f\xba\xe8\x08", 4) == 0)
			set = true;
		if (set && code[i] == 0x0f && code[i + 1] == 0x30)
			return true;
	}
	return false;
}

#define LOOKED_AT 0x40000u
#define LME_BYTES 32u

/*
 * gdb has the kernel's file, and takes no description of another width. A 64-bit kernel may have come as a 32-bit ELF, since Multiboot's loaders take no
 * other, and starts in 32 bits: its code tells.
 */
void debug_choose_width(struct debug *debug)
{
	const struct engine_file *kernel = &debug->machine->vm->kernel;
	uint64_t bytes = kernel->bytes < LOOKED_AT ? kernel->bytes : LOOKED_AT;
	debug->wide = bytes <= 5 || memcmp(kernel->data, "\177ELF\1", 5) != 0 ||
		      (debug->machine->vcpu.page->mode & GYRE_MODE_LMA) != 0;
	for (uint64_t i = 0; !debug->wide && i + LME_BYTES <= bytes; i++)
		debug->wide = sets_lme(kernel->data + i, LME_BYTES);
}

struct part {
	size_t at, from, room, put; /* where we are in the text, and which piece of it is wanted */
	char *text;
	bool more;
};

static void add(struct part *part, const char *text)
{
	for (; *text != 0; text++, part->at++) {
		if (part->at < part->from)
			continue;
		if (part->put == part->room) {
			part->more = true;
			return;
		}
		part->text[part->put++] = *text;
	}
}

static void add_feature(struct part *part, const char *name)
{
	add(part, "<feature name=\"org.");
	add(part, name);
	add(part, "\">");
}

static void add_flags(struct part *part)
{
	static const struct {
		char name[3];
		uint8_t bit;
	} flags[] = {{"CF", 0}, {"", 1}, {"PF", 2}, {"AF", 4}, {"ZF", 6}, {"SF", 7}, {"TF", 8}, {"IF", 9}, {"DF", 10},
		{"OF", 11}, {"NT", 14}, {"RF", 16}, {"VM", 17}, {"AC", 18}, {"ID", 21}};
	char line[64];
	add(part, "<flags id=\"i386_eflags\" size=\"4\">");
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		gyre_snprintf(line, sizeof(line), "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name,
			flags[i].bit, flags[i].bit);
		add(part, line);
	}
	add(part, "</flags>");
}

static const char vec128[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
	"<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/></union>";

static void add_reg(struct part *part, const struct reg *reg, bool wide)
{
	char line[96];
	/* gdb's features, each from one register on, with their types. */
	if (reg->kind == GPR && reg->index == GYRE_RAX) {
		add_feature(part, "gnu.gdb.i386.core");
		add_flags(part);
	} else if (reg->kind == XMM && reg->index == 0) {
		add_feature(part, "gnu.gdb.i386.sse");
		add(part, vec128);
	} else if (reg->kind == BASE && reg->index == GYRE_FS)
		add_feature(part, "gnu.gdb.i386.segments");
	else if (reg->kind == (wide ? KERNEL_GS : BASE))
		add_feature(part, "gyre.system");
	gyre_snprintf(line, sizeof(line), "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", reg->name, reg->bytes * 8u,
		reg->type);
	add(part, line);
	if ((reg->kind == X87 && reg->index == 7) || reg->kind == MXCSR ||
		(reg->kind == BASE && reg->index == GYRE_GS) || reg->kind == EFER)
		add(part, "</feature>");
}

static size_t description(void *context, size_t offset, char *text, size_t room, bool *more)
{
	struct debug *debug = context;
	struct part part = {.from = offset, .room = room, .text = text};
	const struct reg *reg;
	add(&part, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>");
	add(&part, debug->wide ? "i386:x86-64" : "i386");
	add(&part, "</architecture>");
	for (unsigned i = 0; (reg = reg_of(debug, i)) != NULL; i++)
		add_reg(&part, reg, debug->wide);
	add(&part, "</target>");
	*more = part.more;
	return part.put;
}

/* ---- the rest ---- */

static void send(void *context, const char *bytes, size_t count)
{
	(void)context;
	engine_debug_write((const uint8_t *)bytes, count);
}

static int breakpoint(void *context, bool set, unsigned kind, uint64_t address)
{
	/* Hardware's breakpoints are the guest's own: the same INT3 does for both. */
	if (kind > 1)
		return -GYRE_ENOTSUP;
	return set ? breaks_set(context, address, false) : breaks_clear(context, address);
}

static int resume(void *context, bool step, const uint64_t *address)
{
	struct debug *debug = context;
	struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	if (address != NULL && !rip_possible(page, *address))
		return -GYRE_EINVAL;
	if (address != NULL)
		page->rip = *address;
	debug_go_on(debug, step);
	return 0;
}

static void detach(void *context)
{
	debug_let_go(context);
}

static void kill_guest(void *context)
{
	(void)context;
	engine_end(GYRE_END_KILLED, 0, "killed by the debugger");
}

static void command(void *context, char *line)
{
	debug_command(context, line);
}

const struct rsp_ops debug_ops = {
	.send = send,
	.register_read = register_read,
	.register_write = register_write,
	.memory_read = memory_read,
	.memory_write = memory_write,
	.breakpoint = breakpoint,
	.description = description,
	.command = command,
	.resume = resume,
	.detach = detach,
	.kill = kill_guest,
};
