/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_emu_host.c: the emulator against the processor that the tests run on. The list of instructions comes from the
 * decoder's table; each must have had 1,000 vectors in each mode in which it exists, or the test fails. Compared are registers, flags
 * that the manuals define, memory, and of exceptions the vector, error code and address.
 *
 * GYRE_TEST_SCALE multiplies the number of vectors; GYRE_TEST_ONLY=text keeps to paths with the text in their name.
 */
/* unit-sources: tests/unit/emu_host.c tests/unit/emu_vectors.c monitor/emu/decode.c monitor/emu/table.c monitor/emu/step.c */
/* unit-sources: monitor/emu/mem.c monitor/emu/walk.c monitor/emu/exec_move.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c */
/* unit-sources: monitor/emu/exec_string.c monitor/emu/exec_flow.c monitor/emu/exec_vector.c monitor/emu/exec_system.c */
/* unit-sources: monitor/emu/exec_segment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "monitor/emu/exec.h"
#include "tests/unit/emu_host.h"
#include "tests/unit/emu_vectors.h"

#define VECTORS	       1000u
#define FAILURES_SHOWN 30u

/* What depends on more than a user's instruction can see, with where it is tested instead. */
static const struct {
	enum emu_op op;
	const char *why;
} elsewhere[] = {
	{OP_CPUID, "its values are the monitor's: test_emu_system"},
	{OP_RDTSC, "its value is the monitor's: test_emu_system"},
	{OP_SGDT, "answered by Linux under UMIP: test_emu_system"},
	{OP_SIDT, "answered by Linux under UMIP: test_emu_system"},
	{OP_SMSW, "answered by Linux under UMIP: test_emu_system"},
	{OP_SLDT, "answered by Linux under UMIP: test_emu_system"},
	{OP_STR, "answered by Linux under UMIP: test_emu_system"},
	{OP_ARPL, "test_emu_protect has it: only its operand differs from MOV's"},
	{OP_LAR, "asks for descriptors of a kernel's table: test_emu_protect"},
	{OP_LSL, "asks for descriptors of a kernel's table: test_emu_protect"},
	{OP_VERR, "asks for descriptors of a kernel's table: test_emu_protect"},
	{OP_VERW, "asks for descriptors of a kernel's table: test_emu_protect"},
};

static bool tested_elsewhere(unsigned op)
{
	for (unsigned i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
		if (elsewhere[i].op == op)
			return true;
	return false;
}

/* The emulator's machine: page tables, and at REGION a copy of the memory at HOST_BASE. */
#define REGION 0x10000u
static uint8_t ram[0x20000] __attribute__((aligned(4096)));
static uint8_t (*const host_memory)[4096] = (void *)(uintptr_t)HOST_BASE;
static uint8_t xmm[16][16];
static struct emu emu;
static uint64_t gpr[16];

static uint8_t *ram_page(void *context, uint64_t gpa, bool write)
{
	(void)context;
	(void)write;
	return gpa < sizeof ram ? ram + gpa : NULL;
}

static enum emu_result no_read(void *context, uint64_t gpa, unsigned size, void *data)
{
	(void)context, (void)gpa, (void)size, (void)data;
	return EMU_IO;
}

static enum emu_result no_write(void *context, uint64_t gpa, unsigned size, const void *data)
{
	(void)context, (void)gpa, (void)size, (void)data;
	return EMU_IO;
}

static enum emu_result xmm_get(void *context, unsigned index, uint8_t data[16])
{
	(void)context;
	memcpy(data, xmm[index], 16);
	return EMU_DONE;
}

static enum emu_result xmm_set(void *context, unsigned index, const uint8_t data[16])
{
	(void)context;
	memcpy(xmm[index], data, 16);
	return EMU_DONE;
}

static const struct emu_ops ops = {
	.page = ram_page, .mmio_read = no_read, .mmio_write = no_write, .xmm_get = xmm_get, .xmm_set = xmm_set};

static void entry_write(uint64_t gpa, uint64_t value)
{
	memcpy(ram + gpa, &value, 8);
}

/* What this processor is and has. Only AMD's are known to agree in all that the manuals leave open. */
static unsigned host_config(void)
{
	__builtin_cpu_init();
	return (__builtin_cpu_is("amd") ? 0 : EMU_CONFIG_INTEL) |
	       (__builtin_cpu_supports("bmi") ? EMU_CONFIG_BMI1 : 0) |
	       (__builtin_cpu_supports("bmi2") ? EMU_CONFIG_BMI2 : 0) |
	       (__builtin_cpu_supports("lzcnt") ? EMU_CONFIG_LZCNT : 0) |
	       (__builtin_cpu_supports("movbe") ? EMU_CONFIG_MOVBE : 0);
}

#define TABLES 0x20000000u
static const uint64_t gdt[7] = {0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff,
	0x00cff3000000ffff, 0x00affb000000ffff};

static void machine_init(void)
{
	entry_write(0x1000, 0x2027);
	entry_write(0x2000, 0x3027);
	entry_write(0x3000 + (HOST_BASE >> 21) * 8, 0x4027);
	for (unsigned i = 0; i < HOST_SIZE / 4096; i++) {
		char kind = HOST_PAGES[i];
		entry_write(0x4000 + i * 8, kind == '-' ? 0 : (REGION + i * 4096) | (kind == 'r' ? 0x25 : 0x67));
	}
	emu_init(&emu);
	emu.ops = &ops;
	emu.cpu.gpr = gpr;
	emu.cpu.cr0 = 0x80050033;
	emu.cpu.cr3 = 0x1000;
	emu.cpu.cr4 = 0x620;
	emu.cpu.efer = 0xd01;
	emu.cpu.cpl = 3;
	emu.batch = 1;
	emu.window[0] = (struct emu_window){ram, 0, sizeof ram};
	/* Descriptor tables where only the supervisor may look: the kernel's GDT as far as a program can use it, and the LDT. */
	entry_write(0x3000 + (TABLES >> 21) * 8, 0x5027);
	entry_write(0x5000, 0x6063);
	emu.cpu.gdtr = (struct emu_table){TABLES, 127};
	emu.cpu.ldtr = (struct emu_segment){
		.attributes = 0x82, .limit = HOST_LDT_ENTRIES * 8 - 1, .base = TABLES + 0x100};
	memcpy(ram + 0x6000, gdt, sizeof gdt);
	memcpy(ram + 0x6100, host_ldt, sizeof host_ldt);
	emu.config = vectors_config = host_config();
	for (unsigned i = 0; i < HOST_SIZE; i++)
		ram[REGION + i] = (uint8_t)vectors_random();
}

/* To both memories. */
static void memory_put(uint64_t linear, const void *data, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint64_t offset = linear + i - HOST_BASE;
		if (offset < HOST_SIZE && (HOST_PAGES[offset >> 12] == 'w' || HOST_PAGES[offset >> 12] == 'x')) {
			ram[REGION + offset] = ((const uint8_t *)data)[i];
			((uint8_t *)host_memory)[offset] = ((const uint8_t *)data)[i];
		}
	}
}

/* Flags that the manuals leave undefined after this instruction (SDM vol. 2, APM vol. 3). */
static uint64_t undefined_flags(const struct emu_insn *insn, const struct host_state *before)
{
	unsigned count = insn->form == FORM_EI || insn->form == FORM_EGI ? (unsigned)insn->imm
			 : insn->form == FORM_E1			 ? 1
									 : (unsigned)before->gpr[1];
	unsigned bits = insn->size * 8u;

	count &= insn->size == 8 ? 63 : 31;
	switch (insn->op) {
	case OP_AND:
	case OP_OR:
	case OP_XOR:
	case OP_TEST: return FLAG_AF;
	case OP_ROL:
	case OP_ROR:
	case OP_RCL:
	case OP_RCR: return count > 1 ? FLAG_OF : 0;
	case OP_SHL:
	case OP_SAL:
	case OP_SHR: return count == 0 ? 0 : FLAG_AF | (count > 1 ? FLAG_OF : 0) | (count >= bits ? FLAG_CF : 0);
	case OP_SAR: return count == 0 ? 0 : FLAG_AF | (count > 1 ? FLAG_OF : 0);
	case OP_SHLD:
	case OP_SHRD: return count == 0 ? 0 : count > bits ? FLAGS_STATUS : FLAG_AF | (count > 1 ? FLAG_OF : 0);
	case OP_MUL:
	case OP_IMUL:
	case OP_IMUL2: return FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
	case OP_DIV:
	case OP_IDIV: return FLAGS_STATUS;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC: return FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
	case OP_BSF:
	case OP_BSR:
		if (insn->prefixes & EMU_PREFIX_F3)
			return FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
		return FLAG_CF | FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
	case OP_ANDN:
	case OP_BLSR:
	case OP_BLSMSK:
	case OP_BLSI:
	case OP_BZHI: return FLAG_AF | FLAG_PF;
	case OP_BEXTR: return FLAG_AF | FLAG_SF | FLAG_PF;
	case OP_DAA:
	case OP_DAS: return FLAG_OF;
	case OP_AAA:
	case OP_AAS: return FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF;
	case OP_AAM:
	case OP_AAD: return FLAG_OF | FLAG_AF | FLAG_CF;
	default: return 0;
	}
}

static bool undefined_result(const struct emu_insn *insn, const struct host_state *before)
{
	if (insn->op == OP_BSWAP && insn->size == 2)
		return true;
	if ((insn->op == OP_SHLD || insn->op == OP_SHRD) && insn->size == 2)
		return ((insn->form == FORM_EGI ? (unsigned)insn->imm : (unsigned)before->gpr[1]) & 31) > 16;
	return false;
}

static bool uses_xmm(unsigned op)
{
	return op >= OP_MOVU16 && op <= OP_MOVQ;
}

static bool loads_segments(unsigned op)
{
	return op >= OP_MOVTOSEG && op <= OP_IRET;
}

/* What IRET, RET, POP and far pointers find where they look. */
static void put_selectors(const struct vector *v, enum emu_mode mode)
{
	unsigned size = v->insn.size, far = size == 8 ? 4 : size;
	uint16_t selectors[3] = {vectors_far_selector(v, mode), vectors_selector(), vectors_selector()};
	uint64_t stack = mode == EMU_MODE_PROT16 ? HOST_BASE + (v->state.gpr[4] & 0xffff) : v->state.gpr[4],
		 flags = vectors_random(), rsp;
	uint64_t offset = mode == EMU_MODE_PROT16 || vectors_random() & 1 << 20 ? vectors_random() & 0xffff
										: vectors_random();

	if (v->insn.op == OP_POPSEG)
		memory_put(stack, selectors, 2);
	if (v->insn.op == OP_MOVTOSEG && v->operand)
		memory_put(v->operand, selectors, 2);
	if (v->operand && (v->insn.op == OP_LOADFAR || v->insn.op == OP_JMPFAR || v->insn.op == OP_CALLFAR)) {
		memory_put(v->operand, &offset, far);
		memory_put(v->operand + far, selectors, 2);
	}
	if (v->insn.op != OP_RETFAR && v->insn.op != OP_IRET)
		return;
	if (vectors_random() & 1 << 21)
		offset = HOST_BASE + 0x8000;
	if (size == 8 && vectors_random() & 1 << 21)
		offset |= (uint64_t)selectors[0] << 48;
	if (vectors_random() & 3 << 22)
		selectors[1] = vectors_random() & 1 << 22 ? HOST_DS_FLAT : HOST_DS16;
	memory_put(stack, &offset, size);
	memory_put(stack + size, selectors, 2);
	if (v->insn.op == OP_RETFAR)
		return;
	flags = (flags & ~0x3000ull) | 0x100; /* stepped; it cannot have more I/O rights */
	memory_put(stack + 2 * size, &flags, size);
	rsp = HOST_BASE + 0x5100;
	memory_put(stack + 3 * size, &rsp, size);
	memory_put(stack + 4 * size, selectors + 1, 2);
}

/* Of a null selector the kernel's IRET drops the privilege. */
static bool same_selector(uint16_t ours, uint16_t host)
{
	return ours == host || (ours < 4 && host == 0);
}

static const char *difference(const struct vector *v, enum emu_mode mode, const struct host_state *before,
	const struct host_state *after, const struct host_outcome *host, enum emu_result result)
{
	uint64_t mask = mode == EMU_MODE_LONG && after->cs == HOST_CS64_FLAT ? ~0ull : 0xffffffffull,
		 flags = 0x244dd5; /* what a program can see, and TF */

	/* Bytes that are no instruction, at the end of a page: how many of them are fetched before that is seen is left open. */
	if (v->decoded == EMU_DECODE_INVALID && result == EMU_EXCEPTION && host->vector == VECTOR_UD &&
		emu.exception.vector == VECTOR_PF)
		return NULL;
	/* UD0 and UD1: the processor does not ask for the ModRM byte and what follows. */
	if (v->insn.op == OP_UD && host->vector == VECTOR_UD && result == EMU_EXCEPTION &&
		emu.exception.vector == VECTOR_PF)
		return NULL;
	/* F2 and F3 before LOOPE and LOOPNE are reserved; this processor takes them for the condition. */
	if (v->insn.op == OP_LOOP && v->insn.prefixes & (EMU_PREFIX_F2 | EMU_PREFIX_F3))
		return NULL;
	/* A processor may have popped some registers before POPA faults. */
	if (v->insn.op == OP_POPA && host->vector != 1 && result == EMU_EXCEPTION &&
		host->vector == emu.exception.vector)
		return NULL;
	/* What these look at first is left open, when more than one thing is wrong. */
	if ((v->insn.op == OP_IRET || v->insn.op == OP_RETFAR) && host->vector != 1 && result == EMU_EXCEPTION)
		return NULL;
	if (host->vector == 1 && !(v->decoded == EMU_DECODE_OK && v->insn.op == OP_INT1)) {
		if (result != EMU_DONE)
			return "the processor completes it";
		flags &= ~undefined_flags(&v->insn, before);
	} else {
		if (result == EMU_INTERRUPT) {
			/* The processor refuses INT n by its gate's DPL, which is the caller's part. */
			if (host->vector == emu.exception.vector || (v->insn.op == OP_INT && host->vector == VECTOR_GP))
				return NULL;
			return "another interrupt";
		}
		if (result != EMU_EXCEPTION)
			return "the processor refuses it";
		if (host->vector != emu.exception.vector)
			return "another exception";
		/* Of its own half Linux does not tell whether a page is there. */
		if (host->vector == VECTOR_PF && host->cr2 >= 0x7ffffffff000)
			emu.exception.error |= 1;
		if (emu.exception.has_error && emu.exception.error != host->error)
			return "another error code";
		if (host->vector == VECTOR_PF && emu.exception.address != host->cr2)
			return "another address";
	}
	for (unsigned i = 0; i < 16; i++)
		if ((gpr[i] ^ after->gpr[i]) & mask)
			return undefined_result(&v->insn, before) ? NULL : "registers";
	if ((emu.cpu.rip ^ after->rip) & mask)
		return "rip";
	if ((emu.cpu.rflags ^ after->rflags) & flags)
		return "flags";
	if (emu.cpu.seg[EMU_CS].selector != after->cs || emu.cpu.seg[EMU_SS].selector != after->ss)
		return "cs or ss";
	if (loads_segments(v->insn.op) && (!same_selector(emu.cpu.seg[EMU_DS].selector, after->ds) ||
						  !same_selector(emu.cpu.seg[EMU_ES].selector, after->es) ||
						  !same_selector(emu.cpu.seg[EMU_FS].selector, after->fs) ||
						  !same_selector(emu.cpu.seg[EMU_GS].selector, after->gs)))
		return "segments";
	if (uses_xmm(v->insn.op) && memcmp(xmm, after->xmm, sizeof xmm))
		return "vector registers";
	return NULL;
}

static bool memory_differs(void)
{
	bool differs = false;

	for (unsigned i = 0; i < HOST_SIZE / 4096; i++) {
		if (HOST_PAGES[i] != 'w' || !memcmp(ram + REGION + i * 4096, host_memory[i], 4096))
			continue;
		differs = true;
		memcpy(host_memory[i], ram + REGION + i * 4096, 4096);
	}
	return differs;
}

static void show(const char *what, const struct path *path, const struct vector *v, enum emu_mode mode,
	const struct host_state *before, const struct host_state *after, const struct host_outcome *host,
	enum emu_result result)
{
	static const char names[16][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10",
		"r11", "r12", "r13", "r14", "r15"};
	char name[64];

	path_name(path, name);
	fprintf(stderr, "%s: %s, mode %d:", what, name, mode);
	for (unsigned i = 0; i < v->insn.length || (v->decoded != EMU_DECODE_OK && i < 15); i++)
		fprintf(stderr, " %02x", v->code[i]);
	fprintf(stderr,
		"\n  host %d error %lx cr2 %lx; ours %d vector %d error %x address %lx; operand %lx ds %x es %x gs "
		"%x\n",
		host->vector, host->error, host->cr2, result, emu.exception.vector, emu.exception.error,
		emu.exception.address, v->operand, before->ds, before->es, before->gs);
	for (unsigned i = 0; i < 16; i++)
		if (before->gpr[i] != after->gpr[i] || gpr[i] != after->gpr[i])
			fprintf(stderr, "  %s %lx: host %lx ours %lx\n", names[i], before->gpr[i], after->gpr[i],
				gpr[i]);
	if (loads_segments(v->insn.op))
		fprintf(stderr, "  es cs ss ds fs gs: host %x %x %x %x %x %x ours %x %x %x %x %x %x\n", after->es,
			after->cs, after->ss, after->ds, after->fs, after->gs, emu.cpu.seg[0].selector,
			emu.cpu.seg[1].selector, emu.cpu.seg[2].selector, emu.cpu.seg[3].selector,
			emu.cpu.seg[4].selector, emu.cpu.seg[5].selector);
	fprintf(stderr, "  rip %lx: host %lx ours %lx; rflags %lx: host %lx ours %lx; rcx %lx\n", before->rip,
		after->rip, emu.cpu.rip, before->rflags, after->rflags, emu.cpu.rflags, before->gpr[1]);
}

/* Runs a vector on both. NULL, or what differs. */
static const char *run(struct vector *v, const struct path *path, enum emu_mode mode, unsigned *shown)
{
	struct host_state before, after;
	struct host_outcome host;
	enum emu_result result;
	const char *what;
	bool with_xmm = uses_xmm(v->insn.op), with_segments = loads_segments(v->insn.op);
	uint64_t data[2] = {vectors_operand(), vectors_operand()};

	/* Equal operands, which chance would not bring. */
	if ((v->insn.op == OP_CMPXCHG || v->insn.op == OP_CMPXCHG8B || v->insn.op == OP_SCAS) &&
		vectors_random() & 1 << 20) {
		data[0] = v->state.gpr[0];
		data[1] = v->state.gpr[2];
		if (!(v->insn.rex & 8))
			data[0] = (uint32_t)data[0] | data[1] << 32;
	}
	if (v->insn.op == OP_SCAS || v->insn.op == OP_CMPS)
		memory_put(vector_segment(v->state.es, mode == EMU_MODE_LONG, EMU_ES).base + v->state.gpr[7], data, 8);
	if (v->operand)
		memory_put(v->operand, data, 16);
	if (with_segments)
		put_selectors(v, mode);
	memory_put(HOST_BASE + v->code_offset, v->code, 16);
	if (with_xmm)
		for (unsigned i = 0; i < 16; i++)
			for (unsigned j = 0; j < 16; j += 8)
				memcpy(&v->state.xmm[i][j], &(uint64_t){vectors_random()}, 8);

	before = after = v->state;
	memcpy(gpr, v->state.gpr, sizeof gpr);
	if (with_xmm)
		memcpy(xmm, v->state.xmm, sizeof xmm);
	emu.cpu.rip = v->state.rip;
	emu.cpu.rflags = v->state.rflags;
	emu.cpu.mode = (uint8_t)mode;
	for (unsigned i = 0; i < EMU_SEGS; i++) {
		const uint16_t selectors[] = {
			v->state.es, v->state.cs, v->state.ss, v->state.ds, v->state.fs, v->state.gs};
		emu.cpu.seg[i] = vector_segment(selectors[i], mode == EMU_MODE_LONG, i);
	}
	host = host_run(&after, with_xmm, with_segments);
	if (!v->stepped && host.vector == VECTOR_BP) {
		host.vector = 1;
		after.rip--;
	}
	do {
		result = emu_step(&emu);
	} while (result == EMU_RETRY);
	what = difference(v, mode, &before, &after, &host, result);
	/* PUSHA, ENTER and CALL that fault may have pushed a part. */
	if (memory_differs() && !what && !undefined_result(&v->insn, &before) &&
		!((v->insn.op == OP_PUSHA || v->insn.op == OP_ENTER || v->insn.op == OP_CALLFAR) &&
			result == EMU_EXCEPTION))
		what = "memory";
	if (what && (*shown)++ < FAILURES_SHOWN)
		show(what, path, v, mode, &before, &after, &host, result);
	return what;
}

static unsigned scale(void)
{
	const char *text = getenv("GYRE_TEST_SCALE");
	int value = text ? atoi(text) : 1;

	return value > 0 ? (unsigned)value : 1;
}

static bool exists(const struct path *path, enum emu_mode mode)
{
	if (mode == EMU_MODE_LONG)
		return !(path->flags & F_N64) &&
		       !(path->map == 0 && path->opcode >> 4 == 4); /* there 40 to 4F are REX */
	return !(path->flags & F_O64) && path->line->form != FORM_GE32;
}

/* In the child: all paths of one mode. The number of failures, at most 100. */
static int run_mode(enum emu_mode mode)
{
	static struct path paths[PATHS_MAX];
	unsigned count = paths_make(paths), failures = 0, shown = 0, tested = 0;
	const char *only = getenv("GYRE_TEST_ONLY"), *trouble;

	machine_init();
	trouble = host_init(ram + REGION);
	if (trouble) {
		fprintf(stderr, "%s\n", trouble);
		return 101;
	}
	for (unsigned i = 0; i < count; i++) {
		unsigned done = 0, differ = 0, tries;
		char name[64];

		path_name(&paths[i], name);
		if ((only && !strstr(name, only)) || tested_elsewhere(paths[i].line->op))
			continue;
		for (tries = 0; done < VECTORS * scale() && tries < done * 20 + 400; tries++) {
			struct vector vector;

			if (!vector_make(&vector, &paths[i], mode))
				continue;
			if (vector.decoded == EMU_DECODE_OK) /* refusals do not count */
				done++;
			if (vector.insn.op == OP_INT && vector.insn.imm == 0x80)
				continue; /* a system call */
			if (run(&vector, &paths[i], mode, &shown))
				differ++;
		}
		if (differ)
			fprintf(stderr, "mode %d: %s: %u of %u differ\n", mode, name, differ, done);
		if (done < VECTORS * scale() && exists(&paths[i], mode)) {
			fprintf(stderr, "mode %d: %s: only %u vectors\n", mode, name, done);
			failures++;
		}
		tested += done > 0;
		failures += differ > 0;
	}
	fprintf(stderr, "mode %d: %u of %u paths have vectors, %u failures\n", mode, tested, count, failures);
	return failures > 100 ? 100 : (int)failures;
}

/* A child for each mode, all at once: a child has its own FS, GS and memory, and its death is a failed test. */
static pid_t children[EMU_MODE_LONG + 1];

/* By what it has computed: how long it waits for a processor says nothing. The rest is for one that sleeps. */
static void ends_if_it_hangs(void)
{
	const struct itimerval busy = {.it_value.tv_sec = 60 * (time_t)scale()};

	setitimer(ITIMER_PROF, &busy, NULL);
	alarm(900 * scale());
}

static int children_start(void **state)
{
	(void)state;
	for (enum emu_mode mode = EMU_MODE_PROT16; mode <= EMU_MODE_LONG; mode++) {
		children[mode] = fork();
		if (children[mode] == 0) {
			ends_if_it_hangs();
			_exit(run_mode(mode));
		}
	}
	return 0;
}

static void agrees_in(enum emu_mode mode)
{
	int status;

	assert_true(children[mode] > 0);
	assert_int_equal(waitpid(children[mode], &status, 0), children[mode]);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 101)
		skip(); /* it has said why */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void agrees_with_the_processor_in_64_bit_mode(void **state)
{
	(void)state;
	agrees_in(EMU_MODE_LONG);
}

static void agrees_with_the_processor_in_32_bit_mode(void **state)
{
	(void)state;
	agrees_in(EMU_MODE_PROT32);
}

static void agrees_with_the_processor_in_16_bit_mode(void **state)
{
	(void)state;
	agrees_in(EMU_MODE_PROT16);
}

/*
 * An operand by FS is meant to miss the vectors' own memory, and missed it into a library where those lay just so: the processor wrote there. At the same
 * places each time, they don't. Where that can't be asked for, chance decides as before.
 */
static void at_fixed_places(char **arguments)
{
	int now = personality(0xffffffff);

	if (now >= 0 && !(now & ADDR_NO_RANDOMIZE) && personality((unsigned)now | ADDR_NO_RANDOMIZE) >= 0 &&
		personality(0xffffffff) & ADDR_NO_RANDOMIZE)
		execv("/proc/self/exe", arguments);
}

int main(int count, char **arguments)
{
	(void)count;
	at_fixed_places(arguments);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_processor_in_64_bit_mode),
		cmocka_unit_test(agrees_with_the_processor_in_32_bit_mode),
		cmocka_unit_test(agrees_with_the_processor_in_16_bit_mode),
	};
	return cmocka_run_group_tests(tests, children_start, NULL);
}
