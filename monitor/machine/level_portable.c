/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/level_portable.c: the level portable-1: x86-64-v2 with FXSAVE, on any processor from Nehalem and Bulldozer on.
 *
 * The vendor is AMD and the family 15h, whatever the machine: guests choose their mitigations by that, and of this family they know the features that
 * the level has, expect no microcode to have been loaded, and take retpolines and untrained returns. What a guest cannot find out for itself is Gyre's
 * to do. Bits are listed in full: a feature that is not named here is hidden, also where it costs nothing to show it.
 */
#include "monitor/machine/level.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define PHYSICAL_BITS 39u
#define LINEAR_BITS   48u
#define FAMILY_MODEL  0x00600f20u /* family 15h, model 2, stepping 0 */

/* X(name for people, register of the leaf: 0 EAX to 3 EDX, bit) */
/* clang-format off */
#define LEAF_1(X) \
	X("fpu", 3, 0) X("de", 3, 2) X("pse", 3, 3) X("tsc", 3, 4) X("msr", 3, 5) X("pae", 3, 6) X("mce", 3, 7) X("cx8", 3, 8) \
	X("apic", 3, 9) X("sep", 3, 11) X("mtrr", 3, 12) X("pge", 3, 13) X("mca", 3, 14) X("cmov", 3, 15) X("pat", 3, 16) \
	X("pse36", 3, 17) X("clflush", 3, 19) X("mmx", 3, 23) X("fxsr", 3, 24) X("sse", 3, 25) X("sse2", 3, 26) \
	X("sse3", 2, 0) X("ssse3", 2, 9) X("cx16", 2, 13) X("sse4.1", 2, 19) X("sse4.2", 2, 20) X("popcnt", 2, 23)
#define LEAF_80000001(X) X("syscall", 3, 11) X("nx", 3, 20) X("rdtscp", 3, 27) X("lm", 3, 29) X("lahf", 2, 0)
/* clang-format on */

struct feature {
	uint32_t leaf;
	uint8_t reg, bit;
	char name[10];
};
#define FEATURE_1(name, reg, bit)	 {1, reg, bit, name},
#define FEATURE_80000001(name, reg, bit) {0x80000001, reg, bit, name},
static const struct feature features[] = {LEAF_1(FEATURE_1) LEAF_80000001(FEATURE_80000001)};

/* The bits of one register of one leaf. */
static uint32_t feature_bits(uint32_t leaf, uint8_t reg)
{
	uint32_t bits = 0;
	for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++)
		if (features[i].leaf == leaf && features[i].reg == reg)
			bits |= 1u << features[i].bit;
	return bits;
}

static void add_word(char *text, size_t bytes, const char *word)
{
	size_t length = strlen(text), more = strlen(word);
	if (length + more + 3 > bytes)
		return;
	if (length) {
		memcpy(text + length, ", ", 2);
		length += 2;
	}
	memcpy(text + length, word, more + 1);
}

static int lacks(const struct level_request *request, char *missing, size_t bytes)
{
	int count = 0;
	uint32_t out[4], highest[4];
	request->cpuid(0x80000000, 0, highest);
	for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++) {
		request->cpuid(features[i].leaf, 0, out);
		if (features[i].leaf > 0x80000000 && highest[0] < features[i].leaf)
			memset(out, 0, sizeof out);
		/* SYSCALL: Intel's processors show it in 64-bit mode only, where we are. */
		if (out[features[i].reg] >> features[i].bit & 1)
			continue;
		add_word(missing, bytes, features[i].name);
		count++;
	}
	if (request->physical_bits < 36) {
		add_word(missing, bytes, "36 physical address bits");
		count++;
	}
	return count;
}

static void brand(struct level *level, const char text[48])
{
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t word[4];
		memcpy(word, text + 16 * i, 16);
		level_add(level, 0x80000002 + i, 0, 0, word[0], word[1], word[2], word[3]);
	}
}

int level_portable_1(struct level *level, const struct level_request *request, char *missing, size_t bytes)
{
	static const char name[48] = "Gyre portable-1";
	uint32_t cpus = request->cpus;
	if (lacks(request, missing, bytes))
		return -GYRE_ENODEV;

	level_add(level, 0, 0, 0, 0x0d, 0x68747541, 0x444d4163, 0x69746e65); /* "AuthenticAMD" */
	level_add(level, 1, 0, GYRE_CPUID_APIC_ID, FAMILY_MODEL, 8 << 8 | cpus << 16,
		feature_bits(1, 2) | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR,
		feature_bits(1, 3) | (cpus > 1 ? 1u << 28 : 0));
	level_add(level, 6, 0, 0, 1u << 2, 0, 0, 0); /* the APIC timer never stops */
	level_topology(level, request, 0x0b);
	level_hypervisor(level, request);
	level_add(level, 0x80000000, 0, 0, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65);
	/* The bits that AMD's processors show in both leaves. */
	level_add(level, 0x80000001, 0, 0, FAMILY_MODEL, 0, feature_bits(0x80000001, 2) | (cpus > 1 ? 1u << 1 : 0),
		feature_bits(0x80000001, 3) | (feature_bits(1, 3) & 0x0183f3ffu));
	brand(level, name);
	level_add(
		level, 0x80000005, 0, 0, 0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140); /* L1: 32 KiB each, 8 ways */
	level_add(level, 0x80000006, 0, 0, 0x46004600, 0x66006600, 0x02006140, 0x00409140); /* L2: 512 KiB; L3: 8 MiB */
	level_add(level, 0x80000007, 0, 0, 0, 0, 0, 1u << 8);				    /* the TSC is invariant */
	level_add(level, 0x80000008, 0, 0, PHYSICAL_BITS | LINEAR_BITS << 8, 0, cpus - 1, 0);

	/* Another vendor's processor has no SYSCALL in compatibility mode: foreign.c. */
	uint32_t vendor[4];
	request->cpuid(0, 0, vendor);
	if (vendor[1] != 0x68747541)
		level->policy.flags |= GYRE_POLICY_UNDEFINED_EXIT;
	level->policy.cr0_allowed = 0xe005003f;
	level->policy.cr4_allowed = 0x6fc;  /* TSD to OSXMMEXCPT; no performance counters, so no PCE */
	level->policy.efer_allowed = 0xd01; /* SCE, LME, LMA, NXE */
	level->policy.xcr0_allowed = 0;
	level->policy.physical_bits = PHYSICAL_BITS;
	return 0;
}
