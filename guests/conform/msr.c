/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/msr.c: model-specific registers: what is kept, what is refused. APM vol. 2, "MSR Cross-Reference"; SDM vol. 4. */
#include "guests/conform/conform.h"

#define EFER	       0xc0000080
#define STAR	       0xc0000081
#define LSTAR	       0xc0000082
#define CSTAR	       0xc0000083
#define SFMASK	       0xc0000084
#define FS_BASE	       0xc0000100
#define GS_BASE	       0xc0000101
#define KERNEL_GS_BASE 0xc0000102
#define TSC_AUX	       0xc0000103
#define APIC_BASE      0x1b
#define TSC_ADJUST     0x3b
#define SYSENTER_CS    0x174
#define SYSENTER_ESP   0x175
#define SYSENTER_EIP   0x176
#define DEBUGCTL       0x1d9
#define PAT	       0x277

uint32_t msr_index; /* assembly knows it */
KERNEL(read_msr, "mov %%edi, %%ecx; rdmsr; shl $32, %%rdx; or %%rdx, %%rax")
KERNEL(write_msr, "mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx; mov msr_index(%%rip), %%ecx; wrmsr")
USER(user_rdmsr, "mov %%edi, %%ecx; rdmsr")
USER(user_wrmsr, "mov %%edi, %%ecx; xor %%edx, %%edx; wrmsr")

static void refuses(const char *rule, uint32_t index, uint64_t value)
{
	attempt(read_msr, index);
	uint64_t old = outcome.value;
	msr_index = index;
	expect(rule, write_msr, value, GP, 0);
	if (outcome.vector == NONE)
		attempt(write_msr, old); /* it stays as it was for what follows */
}

/* It takes the value and gives it back; then it is as before. */
static void keeps(const char *name, uint32_t index, uint64_t value)
{
	attempt(read_msr, index);
	uint64_t old = outcome.value;
	if (outcome.vector != NONE) {
		check(false, "%s can be read", name);
		return;
	}
	msr_index = index;
	attempt(write_msr, value);
	bool wrote = outcome.vector == NONE;
	attempt(read_msr, index);
	uint64_t now = outcome.value;
	attempt(write_msr, old);
	check(wrote && now == value, "%s keeps %lx", name, value);
	if (!wrote || now != value)
		print("  %s, it reads %lx\n", wrote ? "written" : "refused", now);
}

static void canonical_addresses(void)
{
	static const struct {
		const char *name, *rule;
		uint32_t index;
	} bases[] = {{"LSTAR", "LSTAR: a non-canonical value is #GP(0)", LSTAR},
		{"CSTAR", "CSTAR: a non-canonical value is #GP(0)", CSTAR},
		{"FS_BASE", "FS_BASE: a non-canonical value is #GP(0)", FS_BASE},
		{"GS_BASE", "GS_BASE: a non-canonical value is #GP(0)", GS_BASE},
		{"KERNEL_GS_BASE", "KERNEL_GS_BASE: a non-canonical value is #GP(0)", KERNEL_GS_BASE}};
	for (unsigned i = 0; i < sizeof bases / sizeof bases[0]; i++) {
		keeps(bases[i].name, bases[i].index, 0xffff800000001230);
		keeps(bases[i].name, bases[i].index, 0x00007ffffffffff8);
		refuses(bases[i].rule, bases[i].index, 0x0000800000000000);
		refuses(bases[i].rule, bases[i].index, 0x1234567800001000);
	}
}

static void efer(void)
{
	uint64_t old = rdmsr(EFER);
	keeps("EFER", EFER, old ^ 1);
	check(rdmsr(EFER) & 1u << 10, "EFER.LMA is set in long mode");
	refuses("EFER: a reserved bit is #GP(0)", EFER, old | 1ull << 9);
	refuses("EFER: bit 63 is #GP(0)", EFER, old | 1ull << 63);
	refuses("EFER: clearing LME while there is paging is #GP(0)", EFER, old & ~(1ull << 8));
	if (is_amd && !has(0x80000001, 2, 2))
		refuses("EFER.SVME without SVM is #GP(0)", EFER, old | 1ull << 12);
	else
		skip("EFER.SVME: the processor has SVM, or is not AMD's");
	msr_index = EFER;
	attempt(write_msr, old & ~(1ull << 10));
	check(is_amd ? outcome.vector == NONE || outcome.vector == GP : outcome.vector == NONE,
		"EFER: a write of LMA changes nothing, or is #GP");
	check(rdmsr(EFER) == old, "EFER is as before");
}

static void tables(void)
{
	uint64_t old = rdmsr(PAT);
	check(old == 0x0007040600070406, "PAT is as after reset");
	keeps("PAT", PAT, 0x0606060606060606);
	keeps("PAT", PAT, 0x0001040500070406);
	for (unsigned type = 2; type < 4; type++)
		refuses("PAT: types 2 and 3 are #GP(0)", PAT, (old & ~0xff00ull) | (uint64_t)type << 8);
	refuses("PAT: type 8 is #GP(0)", PAT, old | 8ull << 56);
	refuses("PAT: a reserved bit of a type is #GP(0)", PAT, old | 0x80);
	if (!has(1, 3, 12)) {
		skip("MTRRs: there are none");
		return;
	}
	uint64_t cap = rdmsr(0xfe), def = rdmsr(0x2ff);
	refuses("MTRRcap cannot be written", 0xfe, cap);
	keeps("MTRRdefType", 0x2ff, (def & ~0xffull) | (def & 0xff ? 0 : 6));
	refuses("MTRRdefType: type 2 is #GP(0)", 0x2ff, 2);
	refuses("MTRRdefType: a reserved bit is #GP(0)", 0x2ff, def | 1u << 9);
	if (cap >> 8 & 1) {
		keeps("MTRRfix64K", 0x250, 0x0606060606060606);
		refuses("MTRRfix64K: type 3 is #GP(0)", 0x250, 0x0606060306060606);
	}
	if (cap & 0xff) {
		keeps("MTRRphysBase0", 0x200, 0xc0000000);
		keeps("MTRRphysMask0", 0x201, 0xfc0000800);
		refuses("MTRRphysBase0: type 7 is #GP(0)", 0x200, 7);
		refuses("MTRRphysMask0: bits 10:0 are reserved", 0x201, 1);
		refuses("MTRRphysBase0: bits beyond the width are reserved", 0x200, 1ull << 52);
	}
}

static void system_calls_registers(void)
{
	keeps("STAR", STAR, 0x0023001000000000);
	keeps("SFMASK", SFMASK, 0x47700);
	keeps("SYSENTER_CS", SYSENTER_CS, 0x1234);
	keeps("SYSENTER_ESP", SYSENTER_ESP, 0x12345678);
	keeps("SYSENTER_EIP", SYSENTER_EIP, 0x12345678);
	if (is_amd) {
		skip("SYSENTER_ESP, SYSENTER_EIP beyond 32 bits: AMD's hold 32 by the manual, 64 by some models");
		return;
	}
	keeps("SYSENTER_EIP", SYSENTER_EIP, 0xffff800012345678);
	refuses("SYSENTER_EIP: a non-canonical value is #GP(0)", SYSENTER_EIP, 0x0000800000000000);
	refuses("SYSENTER_ESP: a non-canonical value is #GP(0)", SYSENTER_ESP, 0x0000800000000000);
}

static void features(void)
{
	if (has(0x80000001, 3, 27)) {
		keeps("TSC_AUX", TSC_AUX, 0x12345678);
		refuses("TSC_AUX: bits 63:32 are reserved", TSC_AUX, 1ull << 32);
	} else {
		expect("TSC_AUX without RDTSCP is #GP(0)", read_msr, TSC_AUX, GP, 0);
	}
	if (has(7, 1, 1))
		keeps("TSC_ADJUST", TSC_ADJUST, rdmsr(TSC_ADJUST) + 0x1000);
	else
		expect("TSC_ADJUST without its feature is #GP(0)", read_msr, TSC_ADJUST, GP, 0);
	if (!has(7, 3, 26) && !has(0x80000008, 1, 14))
		expect("SPEC_CTRL without its feature is #GP(0)", read_msr, 0x48, GP, 0);
	if (!has(7, 3, 26) && !has(0x80000008, 1, 12))
		refuses("PRED_CMD without its feature is #GP(0)", 0x49, 1);
	if (!has(0x0d, 0, 0))
		expect("XSS without XSAVES is #GP(0)", read_msr, 0xda0, GP, 0);
	expect("an MSR that nobody has cannot be read", read_msr, 0x12345, GP, 0);
	refuses("an MSR that nobody has cannot be written", 0x12345, 0);
	expect("an extended MSR that nobody has cannot be read", read_msr, 0xc000ffff, GP, 0);
	expect("an MSR outside all ranges cannot be read", read_msr, 0x40000123, GP, 0);
	expect_user("RDMSR in ring 3 is #GP(0)", user_rdmsr, EFER, GP, 0);
	expect_user("WRMSR in ring 3 is #GP(0)", user_wrmsr, EFER, GP, 0);
	uint64_t debugctl = rdmsr(DEBUGCTL);
	refuses("DEBUGCTL: a reserved bit is #GP(0)", DEBUGCTL, debugctl | 1ull << 40);
	if (has(1, 3, 14)) {
		attempt(read_msr, 0x179);
		check(outcome.vector == NONE, "MCG_CAP can be read");
		refuses("MCG_STATUS: a reserved bit is #GP(0)", 0x17a, 1ull << 20);
	}
}

static void apic_base(void)
{
	uint64_t old = rdmsr(APIC_BASE), width = 1ull << 36;
	uint32_t out[4];
	cpuid(0x80000008, 0, out);
	width = 1ull << (out[0] & 0xff);
	check((old & 0xfffff000) == 0xfee00000 && old & 0x800, "APIC_BASE: at its place, and on");
	check(old & 0x100, "APIC_BASE: this is the bootstrap processor");
	refuses("APIC_BASE: bits beyond the width are reserved", APIC_BASE, old | width);
	refuses("APIC_BASE: bits 7:0 are reserved", APIC_BASE, old | 1);
	refuses("APIC_BASE: bit 9 is reserved", APIC_BASE, old | 1u << 9);
	refuses("APIC_BASE: x2APIC without EN is #GP(0)", APIC_BASE, (old & ~0x800ull) | 0x400);
	if (!has(1, 2, 21))
		refuses("APIC_BASE: x2APIC without the feature is #GP(0)", APIC_BASE, old | 0x400);
	if (!(old & 0x400))
		expect("an x2APIC register in xAPIC mode is #GP(0)", read_msr, 0x802, GP, 0);
}

void model_specific(void)
{
	canonical_addresses();
	efer();
	tables();
	system_calls_registers();
	features();
	apic_base();
}
