/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_emu_decode.c: the decoder against Zydis: which bytes are an instruction, and how long it is, in 64-bit, 32-bit, 16-bit and real mode,
 * over random bytes and over structured ones (prefixes, an opcode of a chosen map, ModRM, random rest). Where the two differ on
 * purpose, disagreements[] says so by name, and each name must be met: one that no longer occurs is a line to strike.
 *
 * GYRE_TEST_SCALE multiplies the number of strings.
 */
/* unit-sources: monitor/emu/decode.c monitor/emu/table.c */
/* unit-libs: -lZydis */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "monitor/emu/table.h"

#define STRINGS 800000u

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

struct mode {
	const char *name;
	enum emu_mode emu;
	ZydisMachineMode zydis;
	ZydisStackWidth width;
};
static const struct mode modes[] = {
	{"64", EMU_MODE_LONG, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
	{"32", EMU_MODE_PROT32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32},
	{"16", EMU_MODE_PROT16, ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16},
	{"real", EMU_MODE_REAL, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16},
};

struct outcome {
	const uint8_t *code;
	enum emu_decoded ours;
	struct emu_insn insn;
	ZyanStatus status;
	ZydisDecodedInstruction theirs;
	const struct mode *mode;
};

static bool zydis_valid(const struct outcome *o)
{
	return ZYAN_SUCCESS(o->status);
}

/* Where the two differ on purpose. */
struct disagreement {
	const char *name;
	bool (*applies)(const struct outcome *);
};
static bool vex_validity(const struct outcome *o)
{
	return o->insn.encoding != EMU_ENC_LEGACY && o->ours == EMU_DECODE_OK && !zydis_valid(o);
}
static bool suffix_3dnow(const struct outcome *o)
{
	return o->insn.map == 1 && o->insn.opcode == 0x0f && o->ours == EMU_DECODE_OK && !zydis_valid(o);
}
static bool knc_jump(const struct outcome *o)
{
	return o->insn.encoding == EMU_ENC_VEX && zydis_valid(o) && o->theirs.meta.category == ZYDIS_CATEGORY_COND_BR;
}
static bool via_padlock(const struct outcome *o)
{
	return zydis_valid(o) && o->theirs.meta.isa_set >= ZYDIS_ISA_SET_PADLOCK_ACE &&
	       o->theirs.meta.isa_set <= ZYDIS_ISA_SET_PADLOCK_RNG;
}
static bool knc_mvex(const struct outcome *o)
{
	return zydis_valid(o) && o->theirs.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX;
}
static bool only_in_64_bit_mode(const struct outcome *o)
{
	unsigned modrm = o->insn.modrm;

	return o->mode->emu != EMU_MODE_LONG && o->insn.map == 1 && o->insn.opcode == 0x01 &&
	       (modrm >= 0xfe || modrm == 0xee || modrm == 0xef || modrm == 0xcf) && o->ours == EMU_DECODE_OK &&
	       !zydis_valid(o);
}
static bool system_in_real_mode(const struct outcome *o)
{
	return o->mode->emu == EMU_MODE_REAL && o->insn.op == OP_SYSTEM && o->ours == EMU_DECODE_OK && !zydis_valid(o);
}
static bool locked_cr0(const struct outcome *o)
{
	return o->insn.map == 1 && (o->insn.opcode & 0xfd) == 0x20 && o->insn.prefixes & EMU_PREFIX_LOCK &&
	       o->insn.reg == 8 && !zydis_valid(o);
}
static const struct disagreement disagreements[] = {
	{"VEX, EVEX and XOP: all opcodes count as valid", vex_validity},
	{"3DNow!: all suffixes count as valid", suffix_3dnow},
	{"Knights Corner: conditional jumps by VEX", knc_jump},
	{"Knights Corner: MVEX, an older form of EVEX", knc_mvex},
	{"forms of 0F 01 by prefix that exist in 64-bit mode only (SNP, user interrupts, SEAMCALL)",
		only_in_64_bit_mode},
	{"VIA's PadLock", via_padlock},
	{"AMD: LOCK MOV CR0 is MOV CR8", locked_cr0},
	{"the system's instructions without semantics count as valid in real mode, too", system_in_real_mode},
};

static unsigned long met[sizeof disagreements / sizeof disagreements[0]];

static void report(const struct outcome *o)
{
	fprintf(stderr, "mode %s:", o->mode->name);
	for (unsigned i = 0; i < 15; i++)
		fprintf(stderr, " %02x", o->code[i]);
	fprintf(stderr, "\n  ours: %d length %u op %s map %u opcode %02x\n", o->ours, o->insn.length,
		emu_op_name(o->insn.op), o->insn.map, o->insn.opcode);
	fprintf(stderr, "  Zydis: %08x length %u %s\n", o->status, o->theirs.length,
		zydis_valid(o) ? ZydisMnemonicGetString(o->theirs.mnemonic) : "-");
}

/* 1 if the two differ and no line explains it. */
static unsigned compare(const struct mode *mode, const ZydisDecoder *decoder, const uint8_t *code)
{
	struct outcome o = {.code = code, .mode = mode};
	bool ours_valid;

	o.ours = emu_decode(mode->emu, 0, code, EMU_INSN_MAX, &o.insn);
	o.status = ZydisDecoderDecodeInstruction(decoder, NULL, code, EMU_INSN_MAX, &o.theirs);
	ours_valid = o.ours == EMU_DECODE_OK;
	if (ours_valid == zydis_valid(&o) && (!ours_valid || o.insn.length == o.theirs.length))
		return 0;
	for (unsigned i = 0; i < sizeof disagreements / sizeof disagreements[0]; i++) {
		if (disagreements[i].applies(&o)) {
			met[i]++;
			return 0;
		}
	}
	report(&o);
	return 1;
}

static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x48, 0x41, 0x4f};

/* A string that is likely to be an instruction: opcode is a number in map. */
static void structured(uint8_t *code, unsigned map, unsigned opcode)
{
	unsigned at = 0, count = rnd() % 4 ? rnd() % 3 : rnd() % 15;

	for (unsigned i = 0; i < EMU_INSN_MAX; i++)
		code[i] = (uint8_t)rnd();
	for (unsigned i = 0; i < count && at < 12; i++)
		code[at++] = prefixes[rnd() % sizeof prefixes];
	if (map > 0 && at < EMU_INSN_MAX)
		code[at++] = 0x0f;
	if (map > 1 && at < EMU_INSN_MAX)
		code[at++] = map == 2 ? 0x38 : 0x3a;
	if (at < EMU_INSN_MAX)
		code[at++] = (uint8_t)opcode;
}

static unsigned scale(void)
{
	const char *text = getenv("GYRE_TEST_SCALE");
	int value = text ? atoi(text) : 1;

	return value > 0 ? (unsigned)value : 1;
}

static void decoder_agrees_with_zydis(void **state)
{
	unsigned failures = 0;

	(void)state;
	for (unsigned m = 0; m < sizeof modes / sizeof modes[0]; m++) {
		ZydisDecoder decoder;
		uint8_t code[EMU_INSN_MAX];

		assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&decoder, modes[m].zydis, modes[m].width)));
		assert_true(ZYAN_SUCCESS(ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE)));
		assert_true(ZYAN_SUCCESS(ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE)));
		assert_true(ZYAN_SUCCESS(ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE)));
		for (unsigned i = 0; i < STRINGS * scale() && failures < 40; i++) {
			if (i % 8 == 0) {
				for (unsigned j = 0; j < EMU_INSN_MAX; j++)
					code[j] = (uint8_t)rnd();
			} else if (i % 8 == 1) { /* VEX, EVEX, XOP */
				structured(code, 0, (const uint8_t[]){0xc4, 0xc5, 0x62, 0x8f}[i >> 3 & 3]);
			} else {
				structured(code, i >> 3 & 3, i >> 5 & 0xff);
			}
			failures += compare(&modes[m], &decoder, code);
		}
	}
	assert_int_equal(failures, 0);
	for (unsigned i = 0; i < sizeof disagreements / sizeof disagreements[0]; i++) {
		if (!met[i])
			fprintf(stderr, "not met: %s\n", disagreements[i].name);
		assert_true(met[i]);
	}
}

/* Each count of bytes below the length is "more"; the length itself and all above give the same answer. */
static void short_input_asks_for_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t code[EMU_INSN_MAX];
		struct emu_insn insn, again;

		structured(code, i & 3, i >> 2 & 0xff);
		if (emu_decode(modes[i % 3].emu, 0, code, EMU_INSN_MAX, &insn) != EMU_DECODE_OK)
			continue;
		for (unsigned count = 0; count <= EMU_INSN_MAX; count++) {
			enum emu_decoded result = emu_decode(modes[i % 3].emu, 0, code, count, &again);
			assert_int_equal(result, count < insn.length ? EMU_DECODE_MORE : EMU_DECODE_OK);
			if (result == EMU_DECODE_OK)
				assert_int_equal(again.length, insn.length);
		}
	}
}

/* A19: fifteen bytes are the most, whatever they are made of. */
static void sixteen_bytes_are_too_long(void **state)
{
	uint8_t code[16];
	struct emu_insn insn;

	(void)state;
	memset(code, 0x66, sizeof code);
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, 15, &insn), EMU_DECODE_LONG);
	code[14] = 0x90;
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, 15, &insn), EMU_DECODE_OK);
	assert_int_equal(insn.length, 15);
	code[14] = 0x04; /* ADD AL, imm8: its immediate would be the sixteenth */
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, 15, &insn), EMU_DECODE_LONG);
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, 16, &insn), EMU_DECODE_LONG);
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, 14, &insn), EMU_DECODE_MORE);
}

/* Intel's processors ignore 66 before a near branch in 64-bit mode, AMD's do not. */
static void near_branches_follow_the_vendor(void **state)
{
	static const uint8_t code[] = {0x66, 0xe9, 0x11, 0x22, 0x33, 0x44, 0x90, 0x90};
	struct emu_insn insn;

	(void)state;
	assert_int_equal(emu_decode(EMU_MODE_LONG, 0, code, sizeof code, &insn), EMU_DECODE_OK);
	assert_int_equal(insn.length, 4);
	assert_int_equal(insn.size, 2);
	assert_int_equal(emu_decode(EMU_MODE_LONG, EMU_CONFIG_INTEL, code, sizeof code, &insn), EMU_DECODE_OK);
	assert_int_equal(insn.length, 6);
	assert_int_equal(insn.size, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoder_agrees_with_zydis),
		cmocka_unit_test(short_input_asks_for_more),
		cmocka_unit_test(sixteen_bytes_are_too_long),
		cmocka_unit_test(near_branches_follow_the_vendor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
