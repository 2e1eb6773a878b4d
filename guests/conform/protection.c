/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/protection.c: SMEP, SMAP, UMIP, FSGSBASE, where the level has them; and what follows where it has not. SDM vol. 3, "Access Rights". */
#include "guests/conform/conform.h"

#define CR4_UMIP     (1ull << 11)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_SMEP     (1ull << 20)
#define CR4_SMAP     (1ull << 21)

KERNEL(read8, "mov (%%rdi), %%rax")
KERNEL(write8, "mov %%rax, (%%rdi)")
KERNEL(execute, "call *%%rdi")
KERNEL(read8_ac, "stac; mov (%%rdi), %%rax; clac")
KERNEL(write8_ac, "stac; mov %%rax, (%%rdi); clac")
KERNEL(stac, "stac; clac")
KERNEL(sgdt, "sgdt -16(%%rsp)")
KERNEL(rdfsbase, "rdfsbase %%rax")
KERNEL(wrfsbase, "wrfsbase %%rdi; rdfsbase %%rax; xor %%ecx, %%ecx; wrfsbase %%rcx")
KERNEL(wrgsbase, "wrgsbase %%rdi")
KERNEL(push_user, "mov %%rsp, %%rcx; mov %%rdi, %%rsp; push %%rax; mov %%rcx, %%rsp")
USER(user_stac, "stac")
USER(user_sgdt, "sgdt -16(%%rsp)")
USER(user_sidt, "sidt -16(%%rsp)")
USER(user_sldt, "sldt %%rax")
USER(user_str, "str %%rax")
USER(user_smsw, "smsw %%rax")
USER(user_smsw_memory, "smsw -16(%%rsp)")
USER(user_rdgsbase, "rdgsbase %%rax")
USER(user_read8, "mov (%%rdi), %%rax")

static uint8_t page[4096] __attribute__((aligned(4096)));

static void smep(void)
{
	uint64_t old = cr4();
	page[0] = 0xc3;
	window_map(0, (uint64_t)page | 7);
	expect("without SMEP a supervisor executes a user's page", execute, WINDOW, NONE, -1);
	if (!has(7, 1, 7)) {
		skip("SMEP: CPUID has it not");
		return;
	}
	set_cr4(old | CR4_SMEP);
	expect("SMEP: a supervisor's fetch from a user's page: #PF(P, I)", execute, WINDOW, PF, 0x11);
	expect("SMEP: a read of it is fine", read8, WINDOW, NONE, -1);
	window_map(0, (uint64_t)page | 3);
	expect("SMEP: a fetch from a supervisor's page is fine", execute, WINDOW, NONE, -1);
	set_cr4(old);
}

static void smap(void)
{
	uint64_t old = cr4(), old0 = cr0();
	window_map(0, (uint64_t)page | 7);
	if (!has(7, 1, 20)) {
		expect("STAC without SMAP is #UD", stac, 0, UD, -1);
		skip("SMAP: CPUID has it not");
		return;
	}
	set_cr4(old | CR4_SMAP);
	expect("SMAP: a supervisor's read of a user's page: #PF(P)", read8, WINDOW, PF, 1);
	expect("SMAP: its write: #PF(P, W)", write8, WINDOW, PF, 3);
	gate_set(PF, 0x8e, 1); /* that stack cannot take it */
	expect("SMAP: its push: #PF(P, W)", push_user, WINDOW + 64, PF, 3);
	gate_set(PF, 0x8e, 0);
	expect("SMAP: its read with AC is fine", read8_ac, WINDOW, NONE, -1);
	expect("SMAP: its write with AC is fine", write8_ac, WINDOW, NONE, -1);
	window_map(0, (uint64_t)page | 5);
	set_cr0(old0 & ~(1ull << 16));
	expect("SMAP: without CR0.WP, too: #PF(P, W)", write8, WINDOW, PF, 3);
	set_cr0(old0);
	window_map(0, (uint64_t)page | 3);
	expect("SMAP: a supervisor's page is fine", read8, WINDOW, NONE, -1);
	window_map(0, 0);
	expect("SMAP: what is not there: #PF(0)", read8, WINDOW, PF, 0);
	window_map(0, (uint64_t)page | 7);
	expect_user("SMAP: a user's read of its page is fine", user_read8, WINDOW, NONE, -1);
	expect_user("STAC in ring 3 is #UD", user_stac, 0, UD, -1);
	set_cr4(old);
	expect("STAC works without CR4.SMAP", stac, 0, NONE, -1);
}

static void umip(void)
{
	static const struct {
		const char *off, *on;
		attempt_function *what;
	} all[] = {{"SGDT in ring 3 without UMIP is fine", "UMIP: SGDT in ring 3 is #GP(0)", user_sgdt},
		{"SIDT in ring 3 without UMIP is fine", "UMIP: SIDT in ring 3 is #GP(0)", user_sidt},
		{"SLDT in ring 3 without UMIP is fine", "UMIP: SLDT in ring 3 is #GP(0)", user_sldt},
		{"STR in ring 3 without UMIP is fine", "UMIP: STR in ring 3 is #GP(0)", user_str},
		{"SMSW in ring 3 without UMIP is fine", "UMIP: SMSW in ring 3 is #GP(0)", user_smsw},
		{"SMSW to memory without UMIP is fine", "UMIP: SMSW to memory in ring 3 is #GP(0)", user_smsw_memory}};
	uint64_t old = cr4();
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		expect_user(all[i].off, all[i].what, 0, NONE, -1);
	if (!has(7, 2, 2)) {
		skip("UMIP: CPUID has it not");
		return;
	}
	set_cr4(old | CR4_UMIP);
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		expect_user(all[i].on, all[i].what, 0, GP, 0);
	expect("UMIP: SGDT in ring 0 is fine", sgdt, 0, NONE, -1);
	set_cr4(old);
}

static void bases(void)
{
	uint64_t old = cr4();
	expect("RDFSBASE without CR4.FSGSBASE is #UD", rdfsbase, 0, UD, -1);
	if (!has(7, 1, 0)) {
		skip("FSGSBASE: CPUID has it not");
		return;
	}
	set_cr4(old | CR4_FSGSBASE);
	attempt(wrfsbase, 0x123456789abc);
	check(outcome.vector == NONE && outcome.value == 0x123456789abc, "FSGSBASE: the base is kept");
	if (lenient)
		skip("FSGSBASE: a non-canonical base: this processor takes it");
	else
		expect("FSGSBASE: a non-canonical base is #GP(0)", wrgsbase, 0x0000800000000000, GP, 0);
	expect_user("FSGSBASE: in ring 3 it is fine", user_rdgsbase, 0, NONE, -1);
	set_cr4(old);
}

void protection(void)
{
	smep();
	smap();
	umip();
	bases();
	window_map(0, 0);
}
