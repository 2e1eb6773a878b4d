/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/control.c: control registers: what may be in them, and what leads from one state to another. SDM vol. 3, "Control Registers"; APM vol. 2. */
#include "guests/conform/conform.h"

KERNEL(write_cr0, "mov %%rdi, %%cr0")
KERNEL(write_cr3, "mov %%rdi, %%cr3")
KERNEL(write_cr4, "mov %%rdi, %%cr4")
KERNEL(write_cr8, "mov %%rdi, %%cr8")
KERNEL(read_cr1, ".byte 0x0f, 0x20, 0xc8")
KERNEL(read_cr5, ".byte 0x0f, 0x20, 0xe8")
KERNEL(read_cr7, ".byte 0x0f, 0x20, 0xf8")
KERNEL(lmsw, "lmsw %%di")
KERNEL(xgetbv, "xor %%ecx, %%ecx; xgetbv")
USER(user_smsw, "smsw %%rax")
USER(user_cr8, "mov %%cr8, %%rax")

static void register_0(void)
{
	uint64_t old = cr0();
	expect("CR0: a bit of the upper half is #GP(0)", write_cr0, old | 1ull << 32, GP, 0);
	expect("CR0: PG without PE is #GP(0)", write_cr0, old & ~1ull, GP, 0);
	expect("CR0: NW without CD is #GP(0)", write_cr0, (old & ~(1ull << 30)) | 1u << 29, GP, 0);
	if (on_tcg)
		skip("CR0: clearing PG in 64-bit mode: QEMU alone goes on to nowhere");
	else
		expect("CR0: clearing PG in 64-bit mode is #GP(0)", write_cr0, old & ~(1ull << 31), GP, 0);
	expect("CR0: CD and NW together are fine", write_cr0, old | 3u << 29, NONE, -1);
	check((cr0() >> 29 & 3) == 3, "CR0: CD and NW are kept");
	set_cr0(old);
	expect("CR0: WP, AM, NE, MP, EM, TS can be set", write_cr0, old | 0x5002e, NONE, -1);
	check((cr0() & 0x5002e) == 0x5002e, "CR0: WP, AM, NE, MP, EM, TS are kept");
	set_cr0(old);
	attempt(write_cr0, old & ~0x10ull);
	check(outcome.vector == NONE && cr0() & 0x10, "CR0: ET cannot be cleared");
	attempt(write_cr0, old | 1u << 10);
	check(outcome.vector == NONE && !(cr0() & 1u << 10), "CR0: a reserved bit of the lower half is ignored");
	set_cr0(old);
	attempt(lmsw, 0);
	check(outcome.vector == NONE && cr0() & 1, "LMSW cannot clear PE");
	attempt(lmsw, 0x0f);
	check((cr0() & 0xe) == 0xe, "LMSW sets MP, EM, TS");
	set_cr0(old);
	attempt_user(user_smsw, 0, 0);
	check(outcome.vector == NONE && (uint32_t)outcome.value == (uint32_t)cr0(), "SMSW in ring 3 reads CR0");
}

static void register_3(void)
{
	uint64_t old = cr3();
	/* Between the level's width and the machine's no interception is possible: docs/hardware.md. */
	if (lenient) {
		skip("CR3's reserved bits: this processor does not look at those of CR0 either, and cannot go on with "
		     "such a CR3");
		return;
	}
	expect("CR3: bit 52 is #GP(0)", write_cr3, old | 1ull << 52, GP, 0);
	expect("CR3: bit 62 is #GP(0)", write_cr3, old | 1ull << 62, GP, 0);
	expect("CR3: bit 63 without PCID is #GP(0)", write_cr3, old | 1ull << 63, GP, 0);
	expect("CR3: PCD, PWT are fine", write_cr3, old | 0x18, NONE, -1);
	check(cr3() == (old | 0x18), "CR3: PCD, PWT are kept");
	set_cr3(old);
}

static void register_4(void)
{
	static const struct {
		const char *name;
		uint8_t bit;
		uint32_t leaf;
		uint8_t reg, feature;
	} bits[] = {{"VME", 0, 1, 3, 1}, {"PVI", 1, 1, 3, 1}, {"TSD", 2, 1, 3, 4}, {"DE", 3, 1, 3, 2},
		{"PSE", 4, 1, 3, 3}, {"MCE", 6, 1, 3, 7}, {"PGE", 7, 1, 3, 13}, {"OSFXSR", 9, 1, 3, 24},
		{"OSXMMEXCPT", 10, 1, 3, 25}, {"UMIP", 11, 7, 2, 2}, {"LA57", 12, 7, 2, 16}, {"VMXE", 13, 1, 2, 5},
		{"SMXE", 14, 1, 2, 6}, {"FSGSBASE", 16, 7, 1, 0}, {"PCIDE", 17, 1, 2, 17}, {"OSXSAVE", 18, 1, 2, 26},
		{"SMEP", 20, 7, 1, 7}, {"SMAP", 21, 7, 1, 20}, {"PKE", 22, 7, 2, 3}, {"CET", 23, 7, 2, 7},
		{"PKS", 24, 7, 2, 31}};
	uint64_t old = cr4();
	for (unsigned i = 0; i < sizeof bits / sizeof bits[0]; i++) {
		uint64_t bit = 1ull << bits[i].bit;
		if (on_tcg && !has(bits[i].leaf, bits[i].reg, bits[i].feature))
			continue; /* QEMU alone takes it, and cannot go on */
		/* Those that change what this code stands on, or want more than the bit. */
		if (bits[i].bit == 12 || bits[i].bit == 13 || bits[i].bit == 14 || bits[i].bit == 17 ||
			bits[i].bit == 23)
			if (has(bits[i].leaf, bits[i].reg, bits[i].feature))
				continue;
		attempt(write_cr4, old ^ bit);
		if (has(bits[i].leaf, bits[i].reg, bits[i].feature))
			check(outcome.vector == NONE && cr4() == (old ^ bit), "CR4.%s can be set: CPUID has it",
				bits[i].name);
		else
			check(outcome.vector == GP && cr4() == old, "CR4.%s is #GP(0): CPUID has it not", bits[i].name);
		set_cr4(old);
	}
	if (on_tcg) {
		skip("CR4's reserved bits: QEMU alone takes them, and cannot go on");
		return;
	}
	expect("CR4: a reserved bit is #GP(0)", write_cr4, old | 1ull << 30, GP, 0);
	expect("CR4: a bit of the upper half is #GP(0)", write_cr4, old | 1ull << 40, GP, 0);
	expect("CR4: clearing PAE in long mode is #GP(0)", write_cr4, old & ~0x20ull, GP, 0);
	if (has(1, 2, 17)) {
		set_cr3(cr3() | 0x18);
		expect("CR4: PCIDE with bits 11:0 of CR3 is #GP(0)", write_cr4, old | 1ull << 17, GP, 0);
		set_cr3(cr3() & ~0xfffull);
		expect("CR4: PCIDE can be set", write_cr4, old | 1ull << 17, NONE, -1);
		expect("CR3: bit 63 with PCID is fine", write_cr3, cr3() | 1ull << 63, NONE, -1);
		check(!(cr3() >> 63), "CR3: and is not kept");
		set_cr4(old);
	} else {
		skip("PCID: CPUID has it not");
	}
}

static void others(void)
{
	uint64_t old = cr8();
	for (uint64_t priority = 0; priority < 16; priority += 5) {
		set_cr8(priority);
		check(cr8() == priority, "CR8 keeps %lu", priority);
	}
	set_cr8(old);
	expect("CR8: 16 is #GP(0)", write_cr8, 16, GP, 0);
	expect("CR8: a bit of the upper half is #GP(0)", write_cr8, 1ull << 60, GP, 0);
	expect_user("MOV from CR8 in ring 3 is #GP(0)", user_cr8, 0, GP, 0);
	expect("CR1 does not exist", read_cr1, 0, UD, -1);
	expect("CR5 does not exist", read_cr5, 0, UD, -1);
	expect("CR7 does not exist", read_cr7, 0, UD, -1);
	set_cr2(0xfedcba9876543210);
	check(cr2() == 0xfedcba9876543210, "CR2 keeps all 64 bits");
	if (!has(1, 2, 26) || !(cr4() & 1u << 18))
		expect("XGETBV without CR4.OSXSAVE is #UD", xgetbv, 0, UD, -1);
}

void control_registers(void)
{
	register_0();
	register_3();
	register_4();
	others();
}
