/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/level_host.c: the level host: this machine's processor, less what Gyre does not give to guests. A VM that has it is pinned to
 * machines of the same model.
 *
 * Masks name what is passed on, not what is held back: a feature of a future processor stays hidden until somebody has looked at it.
 */
#include "monitor/machine/level.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define XCR0_SUPPORTED 0x7ull	/* x87, SSE, AVX */
#define CR4_ALWAYS     0x6fcull /* not PCE: the core lets no guest have performance counters */
#define CR4_VIRTUAL_86 0x003ull /* VME, PVI */

/* Leaf 1: not MONITOR, VMX, SMX, SpeedStep, thermal, PCID, DCA, debug store, PBE, and not the thermal and ACPI bits. */
#define ECX_1                                                                                                          \
	(0x00000001u | 1u << 1 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 |           \
		1u << 25 | 1u << 29 | 1u << 30)
#define ECX_1_XSAVE (1u << 26)
#define ECX_1_AVX   (1u << 28 | 1u << 12 | 1u << 29) /* AVX, FMA, F16C */
#define EDX_1	    0x0783fbffu
/* Leaf 7: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA. */
#define EBX_7                                                                                                          \
	(1u << 0 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 23 |       \
		1u << 24 | 1u << 29)
#define EBX_7_AVX      (1u << 5)
#define ECX_7	       (1u << 2)	    /* UMIP */
#define EDX_7	       (1u << 4 | 1u << 10) /* fast short REP MOVSB; VERW clears buffers */
#define EBX_7_SMEP     (1u << 7)
#define EBX_7_SMAP     (1u << 20)
#define EBX_7_FSGSBASE (1u << 0)
/* LAHF, ABM, SSE4A, misaligned SSE, 3DNow prefetch; SYSCALL, NX, MMX extensions, 1 GiB pages, RDTSCP, LM. */
#define ECX_80000001   (1u << 0 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8)
#define EDX_80000001   (1u << 11 | 1u << 20 | 1u << 22 | 1u << 26 | 1u << 27 | 1u << 29 | 0x0183f3ffu)

static void copy_leaf(struct level *level, const struct level_request *request, uint32_t leaf, const uint32_t mask[4])
{
	uint32_t out[4];
	request->cpuid(leaf, 0, out);
	level_add(level, leaf, 0, 0, out[0] & mask[0], out[1] & mask[1], out[2] & mask[2], out[3] & mask[3]);
}

/*
 * Deterministic cache parameters: leaf 4 of Intel (SDM vol. 2, CPUID). How many processors share each cache and how many there are in the package is the
 * machine's; here it is the VM's, which has one package of cores without threads: the last level is everybody's, the others are each core's own.
 */
static void caches(struct level *level, const struct level_request *request)
{
	uint32_t ids = 1;
	while (ids < request->cpus)
		ids *= 2;
	for (uint32_t index = 0; index < 8; index++) {
		uint32_t out[4];
		request->cpuid(4, index, out);
		if (!(out[0] & 0x1f)) {
			level_add(level, 4, index, GYRE_CPUID_SUBLEAF, 0, 0, 0, 0);
			return;
		}
		out[0] = (out[0] & 0x3fff) | (ids - 1) << 26;
		if ((out[0] >> 5 & 7) >= 3)
			out[0] |= (ids - 1) << 14;
		level_add(level, 4, index, GYRE_CPUID_SUBLEAF, out[0], out[1], out[2], out[3]);
	}
}

/* Leaves up to 0xd, whatever the machine has: 0xb belongs to x2APIC, which every guest has. Leaf 0x15, the TSC's ratio to a crystal that also drives the
 * local APIC's timer, and 0x16 are above it: that timer has a rate of Gyre's own, and the rates are in the hypervisor's leaf. */
static uint32_t highest_leaf(uint32_t host)
{
	return host < 0x0b ? 0x0b : host > 0x0d ? 0x0d : host;
}

/* The XSAVE leaf, of the states that Gyre switches. Its sizes are those of the standard form. */
static void xsave(struct level *level, const struct level_request *request, uint64_t xcr0)
{
	uint32_t out[4], size = 576;
	for (uint32_t state = 2; state < 3; state++) {
		request->cpuid(0x0d, state, out);
		if ((xcr0 >> state & 1) && out[1] + out[0] > size)
			size = out[1] + out[0];
	}
	level_add(level, 0x0d, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_XCR0, (uint32_t)xcr0, 576, size, 0);
	request->cpuid(0x0d, 1, out);
	level_add(level, 0x0d, 1, GYRE_CPUID_SUBLEAF, out[0] & 0x1, 0, 0, 0); /* XSAVEOPT */
	if (!(xcr0 & 4))
		return;
	request->cpuid(0x0d, 2, out);
	level_add(level, 0x0d, 2, GYRE_CPUID_SUBLEAF, out[0], out[1], 0, 0);
}

int level_host(struct level *level, const struct level_request *request, char *missing, size_t bytes)
{
	static const uint32_t all[4] = {~0u, ~0u, ~0u, ~0u};
	uint32_t zero[4], one[4], seven[4] = {0}, extended[4], out[4];
	(void)missing, (void)bytes;
	request->cpuid(0, 0, zero);
	request->cpuid(1, 0, one);
	request->cpuid(0x80000000, 0, extended);
	if (zero[0] >= 7)
		request->cpuid(7, 0, seven);
	int amd = zero[1] == 0x68747541;

	uint64_t xcr0 = 0;
	if ((one[2] & ECX_1_XSAVE) && zero[0] >= 0x0d) {
		request->cpuid(0x0d, 0, out);
		xcr0 = out[0] & XCR0_SUPPORTED;
		if (!(one[2] & 1u << 28))
			xcr0 &= 3;
	}
	uint32_t ecx = one[2] & ECX_1;
	if (xcr0)
		ecx |= ECX_1_XSAVE;
	if (xcr0 & 4)
		ecx |= one[2] & ECX_1_AVX;
	else
		ecx &= ~ECX_1_AVX;
	uint32_t ebx7 = seven[1] & EBX_7 & (xcr0 & 4 ? ~0u : ~EBX_7_AVX);
	uint32_t cpus = request->cpus;

	level_add(level, 0, 0, 0, highest_leaf(zero[0]), zero[1], zero[2], zero[3]);
	level_add(level, 1, 0, GYRE_CPUID_APIC_ID | GYRE_CPUID_OSXSAVE, one[0], (one[1] & 0xff00) | cpus << 16,
		ecx | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR,
		(one[3] & EDX_1) | (cpus > 1 ? 1u << 28 : 0));
	if (!amd && zero[0] >= 2)
		copy_leaf(level, request, 2, all);
	if (!amd && zero[0] >= 4)
		caches(level, request);
	level_add(level, 6, 0, 0, 1u << 2, 0, 0, 0);
	level_add(level, 7, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_OSXSAVE, 0, ebx7, seven[2] & ECX_7, seven[3] & EDX_7);
	level_topology(level, request, 0x0b);
	if (xcr0)
		xsave(level, request, xcr0);
	level_hypervisor(level, request);
	if (extended[0] < 0x80000008 || extended[0] > 0x8000ffff)
		extended[0] = 0x80000008; /* every processor with virtualization has them */
	level_add(level, 0x80000000, 0, 0, 0x80000008, extended[1], extended[2], extended[3]);
	request->cpuid(0x80000001, 0, out);
	level_add(level, 0x80000001, 0, 0, out[0], out[1] & 0xf0000000,
		(out[2] & ECX_80000001) | (amd && cpus > 1 ? 2 : 0),
		out[3] & (amd ? EDX_80000001 : EDX_80000001 & ~0x0183f3ffu));
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
		copy_leaf(level, request, leaf, all);
	level_add(level, 0x80000007, 0, 0, 0, 0, 0, 1u << 8);
	level_add(level, 0x80000008, 0, 0, request->physical_bits | 48u << 8, 0, cpus - 1, 0);

	level->policy.cr0_allowed = 0xe005003f;
	level->policy.cr4_allowed = CR4_ALWAYS | (one[3] & EDX_1 & 2 ? CR4_VIRTUAL_86 : 0) |
				    (ebx7 & EBX_7_SMEP ? 1ull << 20 : 0) | (ebx7 & EBX_7_SMAP ? 1ull << 21 : 0) |
				    (ebx7 & EBX_7_FSGSBASE ? 1ull << 16 : 0) | (seven[2] & ECX_7 ? 1ull << 11 : 0) |
				    (xcr0 ? 1ull << 18 : 0);
	level->policy.efer_allowed = 0xd01;
	level->policy.xcr0_allowed = xcr0;
	level->policy.physical_bits = request->physical_bits;
	return 0;
}
