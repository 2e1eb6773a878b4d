/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/syscall.c: SYSCALL, SYSRET, SYSENTER, SYSEXIT. APM vol. 3, "System Instruction Reference"; SDM vol. 2. */
#include "guests/conform/conform.h"

#define EFER   0xc0000080
#define STAR   0xc0000081
#define LSTAR  0xc0000082
#define CSTAR  0xc0000083
#define SFMASK 0xc0000084
#define NT     0x4000

/* STAR: SYSCALL's CS and SS, SYSRET's base: 32-bit code, data, 64-bit code. */
#define STAR_VALUE ((uint64_t)SEL_CODE64 << 32 | (uint64_t)(SEL_USER_CODE32) << 48)

USER(user_syscall, "syscall; ud2")
USER(user_sysret, "xor %%ecx, %%ecx; sysretq")
USER(user_sysenter, "sysenter; ud2")
KERNEL(sysret_to, "mov %%rdi, %%rcx; mov $2, %%r11d; sysretq")
KERNEL(sysenter_here, "sysenter")
/* In compatibility mode: SYSCALL is FE there, too. */
USER(user_syscall32, ".byte 0x0f, 0x05, 0x0f, 0x0b")
USER(user_sysenter32, ".byte 0x0f, 0x34, 0x0f, 0x0b")

static void calls(void)
{
	const uint64_t flags = 0x600; /* IF and DF */
	syscall_seen[5] = 0;
	wrmsr(SFMASK, 0x47300);
	attempt_user(user_syscall, 0, flags);
	check(syscall_seen[5] == 1, "SYSCALL arrives");
	check(syscall_seen[0] > (uint64_t)user_syscall && ((uint8_t *)syscall_seen[0])[-1] == 0x05, "RCX is behind it");
	check((syscall_seen[1] & 0x600) == flags, "R11 is RFLAGS");
	check((syscall_seen[2] & 0x200) == 0, "SFMASK's bits are clear");
	check((syscall_seen[2] & 0x400) == 0x400, "and the others are kept");
	check(syscall_seen[3] == SEL_CODE64 && syscall_seen[4] == SEL_CODE64 + 8, "CS and SS come from STAR");
	wrmsr(SFMASK, 0);
	syscall_seen[5] = 0;
	attempt_user(user_syscall, 0, flags);
	check(syscall_seen[5] == 1 && (syscall_seen[2] & 0x600) == flags, "with SFMASK 0 all flags are kept");
	check(!(syscall_seen[2] & 0x10000), "RF is clear behind SYSCALL");
	wrmsr(SFMASK, 0x47700);
	attempt_user(user_syscall, 0, NT);
	check(syscall_seen[5] == 2 && !(syscall_seen[2] & NT), "SFMASK clears NT");
}

static void returns(void)
{
	attempt(sysret_to, (uint64_t)user_return);
	check(outcome.vector == NONE && outcome.cs == SEL_USER_CODE64 && outcome.ss == SEL_USER_DATA,
		"SYSRET's CS and SS come from STAR, with RPL 3");
	expect_user("SYSRET in ring 3 is #GP(0)", user_sysret, 0, GP, 0);
	if (is_amd && !option("host"))
		skip("SYSRET to a non-canonical address: #GP(0) in ring 3 on AMD, in ring 0 on Intel "
		     "(docs/hardware.md)");
	else if (!is_amd)
		expect("SYSRET to a non-canonical address is #GP(0)", sysret_to, 0x0000800000000000, GP, 0);
	wrmsr(EFER, rdmsr(EFER) & ~1ull);
	expect_user("SYSCALL without EFER.SCE is #UD", user_syscall, 0, UD, -1);
	expect("SYSRET without EFER.SCE is #UD", sysret_to, (uint64_t)user_return, UD, -1);
	wrmsr(EFER, rdmsr(EFER) | 1);
}

static void compatibility(void)
{
	wrmsr(CSTAR, (uint64_t)syscall_entry);
	syscall_seen[5] = 0;
	user_code = SEL_USER_CODE32;
	attempt_user(user_syscall32, 0, 0);
	if (is_amd)
		check(syscall_seen[5] == 1, "SYSCALL in compatibility mode arrives at CSTAR on AMD");
	else
		check(outcome.vector == UD, "SYSCALL in compatibility mode is #UD on Intel");
	wrmsr(0x174, 0);
	attempt_user(user_sysenter32, 0, 0);
	check(outcome.vector == (is_amd ? UD : GP),
		"SYSENTER in compatibility mode is #UD on AMD, #GP(0) without SYSENTER_CS on Intel");
	user_code = SEL_USER_CODE64;
	attempt(sysenter_here, 0);
	check(outcome.vector == (is_amd ? UD : GP),
		"SYSENTER in 64-bit mode is #UD on AMD, #GP(0) without SYSENTER_CS on Intel");
	attempt_user(user_sysenter, 0, 0);
	check(outcome.vector == (is_amd ? UD : GP),
		"SYSENTER in ring 3 of 64-bit mode is #UD on AMD, #GP(0) without SYSENTER_CS on Intel");
}

void system_calls(void)
{
	wrmsr(STAR, STAR_VALUE);
	wrmsr(LSTAR, (uint64_t)syscall_entry);
	wrmsr(EFER, rdmsr(EFER) | 1);
	calls();
	returns();
	compatibility();
	wrmsr(EFER, rdmsr(EFER) & ~1ull);
}
