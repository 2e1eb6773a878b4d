/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/exceptions.c: each exception, its error code and where it points. SDM vol. 3, "Interrupt and Exception Handling"; APM vol. 2, "Vectors". */
#include "guests/conform/conform.h"

KERNEL(divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx")
KERNEL(divide_overflow, "mov $1, %%edx; mov $1, %%ecx; div %%ecx")
KERNEL(breakpoint, "int3")
KERNEL(ud2, "ud2")
KERNEL(lock_nop, ".byte 0xf0, 0x90")
KERNEL(long_instruction, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90,0x90")
KERNEL(longer_instruction, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90")
KERNEL(push_es, ".byte 0x06")
KERNEL(into, ".byte 0xce")
KERNEL(x87, "fnop")
KERNEL(wait, "fwait")
KERNEL(sse, "movaps %%xmm0, %%xmm0")
KERNEL(int_n, "int $0x42")
KERNEL(read8, "mov (%%rdi), %%rax")
KERNEL(write8, "mov %%rax, (%%rdi)")
KERNEL(push_at, "mov %%rsp, %%rcx; mov %%rdi, %%rsp; push %%rax; mov %%rcx, %%rsp")
KERNEL(jump_to, "jmp *%%rdi")
KERNEL(movaps, "movaps (%%rdi), %%xmm0")
KERNEL(load_fs, "mov %%edi, %%fs")
KERNEL(load_ss, "mov %%edi, %%ss")
KERNEL(execute, "call *%%rdi")
USER(user_int_n, "int $0x42")
USER(user_int_db, "int $1")
USER(user_read8, "mov (%%rdi), %%rax")
USER(user_write8, "mov %%rax, (%%rdi)")
USER(user_read_odd, "mov (%%rdi), %%eax")
USER(user_jump, "jmp *%%rdi")
USER(user_cli, "cli")
USER(user_hlt, "hlt")
USER(user_in, "in $0x80, %%al")
USER(user_int3, "int3")
USER(user_lidt, "lidt (%%rdi)")
USER(user_invlpg, "invlpg (%%rdi)")
USER(user_wbinvd, "wbinvd")
USER(user_clts, "clts")
USER(user_cr0, "mov %%cr0, %%rax")
USER(user_dr7, "mov %%dr7, %%rax")
USER(user_rdpmc, "xor %%ecx, %%ecx; rdpmc")

static uint8_t odd_bytes[64] __attribute__((section(".udata"), aligned(64)));
static uint8_t page[4096] __attribute__((aligned(4096)));

static void simple(void)
{
	expect("division by zero is #DE", divide, 0, DE, -1);
	check(*(uint8_t *)outcome.rip == 0xf7, "#DE is a fault: RIP is at the instruction");
	expect("a quotient that is too large is #DE", divide_overflow, 0, DE, -1);
	expect("INT3 is #BP", breakpoint, 0, BP, -1);
	check(*(uint8_t *)(outcome.rip - 1) == 0xcc, "#BP is a trap: RIP is behind the instruction");
	expect("UD2 is #UD", ud2, 0, UD, -1);
	check(*(uint8_t *)outcome.rip == 0x0f, "#UD is a fault: RIP is at the instruction");
	check(outcome.rflags & 1u << 16, "a fault's image of RFLAGS has RF set");
	expect("LOCK before what cannot be locked is #UD", lock_nop, 0, UD, -1);
	expect("an instruction of 15 bytes is fine", long_instruction, 0, NONE, -1);
	expect("an instruction of 16 bytes is #GP(0)", longer_instruction, 0, GP, 0);
	expect("PUSH ES is #UD in 64-bit mode", push_es, 0, UD, -1);
	expect("INTO is #UD in 64-bit mode", into, 0, UD, -1);
	expect("INT n through a present gate arrives", int_n, 0, 0x42, -1);
	idt[0x42].type = 0x0e;
	expect("INT n through an absent gate is #NP(vector, IDT)", int_n, 0, NP, 0x42 << 3 | 2);
	idt[0x42].type = 0x85;
	expect("INT n through a gate of a wrong type is #GP(vector, IDT)", int_n, 0, GP, 0x42 << 3 | 2);
	gate_set(0x42, 0x8e, 0);
	idt[0x42].selector = 0;
	expect("a gate to a null selector is #GP(0)", int_n, 0, GP, 0);
	idt[0x42].selector = SEL_DATA;
	expect("a gate to a data segment is #GP(selector)", int_n, 0, GP, SEL_DATA);
	idt[0x42].selector = SEL_CODE32;
	expect("a gate of long mode to 32-bit code is #GP(selector)", int_n, 0, GP, SEL_CODE32);
	gate_set(0x42, 0x8e, 0);
}

KERNEL(x87_error, "fninit; movw $0x37b, -8(%%rsp); fldcw -8(%%rsp); fldz; fld1; fdivp; fwait; fninit")
KERNEL(sse_error, "movl $0x1d80, -8(%%rsp); ldmxcsr -8(%%rsp); xorps %%xmm0, %%xmm0; movl $0x3f800000, -16(%%rsp);"
		  "movss -16(%%rsp), %%xmm1; divss %%xmm0, %%xmm1")
KERNEL(mxcsr_odd, "movl $0xffff0000, -8(%%rsp); ldmxcsr -8(%%rsp)")

static void floating_point(void)
{
	uint64_t old0 = cr0(), old4 = cr4();
	uint32_t mxcsr = 0x1f80;
	set_cr0((old0 & ~4ull) | 8);
	expect("x87 with CR0.TS is #NM", x87, 0, NM, -1);
	set_cr0((old0 & ~6ull) | 8);
	expect("WAIT with CR0.TS alone is fine", wait, 0, NONE, -1);
	set_cr0((old0 & ~4ull) | 10);
	expect("WAIT with CR0.TS and MP is #NM", wait, 0, NM, -1);
	__asm__ volatile("clts");
	check(!(cr0() & 8), "CLTS clears CR0.TS");
	set_cr0((old0 & ~8ull) | 4);
	expect("x87 with CR0.EM is #NM", x87, 0, NM, -1);
	set_cr4(old4 | 0x600);
	expect("SSE with CR0.EM is #UD", sse, 0, UD, -1);
	set_cr0((old0 & ~12ull) | 0x20);
	set_cr4(old4 & ~0x600ull);
	expect("SSE without CR4.OSFXSR is #UD", sse, 0, UD, -1);
	set_cr4(old4 | 0x600);
	expect("SSE with CR4.OSFXSR is fine", sse, 0, NONE, -1);
	expect("MOVAPS of what is not aligned is #GP(0)", movaps, (uint64_t)page + 1, GP, 0);
	expect("an x87 error with CR0.NE is #MF", x87_error, 0, MF, -1);
	__asm__ volatile("fnclex; fninit");
	expect("an SSE error is #XM", sse_error, 0, XM, -1);
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	set_cr4((old4 & ~0x600ull) | 0x200);
	expect("an SSE error without CR4.OSXMMEXCPT is #UD", sse_error, 0, UD, -1);
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	expect("a reserved bit of MXCSR is #GP(0)", mxcsr_odd, 0, GP, 0);
	set_cr4(old4);
	set_cr0(old0);
}

/* The page-fault error code: P, W/R, U/S, RSVD, I/D. */
static void page_faults(void)
{
	uint64_t efer = rdmsr(0xc0000080), frame = (uint64_t)page, old = cr0();
	window_map(0, 0);
	expect("a read of what is not there is #PF(0)", read8, WINDOW, PF, 0);
	check(outcome.cr2 == WINDOW, "CR2 has the address");
	expect("a write: #PF(W)", write8, WINDOW + 8, PF, 2);
	check(outcome.cr2 == WINDOW + 8, "CR2 has the address of the byte");
	expect_user("a user's read: #PF(U)", user_read8, WINDOW, PF, 4);
	expect_user("a user's write: #PF(U, W)", user_write8, WINDOW, PF, 6);
	window_map(0, frame | 1);
	set_cr0(old | 1u << 16);
	expect("a write to a read-only page with CR0.WP: #PF(P, W)", write8, WINDOW, PF, 3);
	set_cr0(old & ~(1ull << 16));
	expect("a write to a read-only page without CR0.WP is fine", write8, WINDOW, NONE, -1);
	check((window_table[0] & 0x60) == 0x60, "the walk set A and D");
	set_cr0(old);
	expect_user("a user's read of a supervisor's page: #PF(P, U)", user_read8, WINDOW, PF, 5);
	window_map(0, frame | 5);
	expect_user("a user's write to a read-only page: #PF(P, U, W)", user_write8, WINDOW, PF, 7);
	window_map(0, frame | 7);
	expect_user("a user's write to a user's page is fine", user_write8, WINDOW, NONE, -1);
	expect("a read over the edge to a page that is not there: #PF(0)", read8, WINDOW + 4092, PF, 0);
	check(outcome.cr2 == WINDOW + 4096, "CR2 has the first byte of the second page");
	window_map(0, frame | 1ull << 51 | 7);
	expect("a reserved address bit: #PF(P, RSVD)", read8, WINDOW, PF, 9);
	expect_user("a reserved address bit, user: #PF(P, U, RSVD)", user_read8, WINDOW, PF, 13);
	wrmsr(0xc0000080, efer & ~(1ull << 11));
	window_map(0, frame | 1ull << 63 | 7);
	expect("NX without EFER.NXE is reserved: #PF(P, RSVD)", read8, WINDOW, PF, 9);
	page[0] = 0xc3;
	window_map(0, frame | 7);
	expect("without NX a page can be executed", execute, WINDOW, NONE, -1);
	window_map(0, 0);
	expect("a fetch of what is not there without NXE: #PF(0)", execute, WINDOW, PF, 0);
	wrmsr(0xc0000080, efer | 1ull << 11);
	window_map(0, frame | 1ull << 63 | 7);
	expect("a read of an NX page is fine", read8, WINDOW, NONE, -1);
	expect("a fetch from an NX page: #PF(P, I)", execute, WINDOW, PF, 0x11);
	check(outcome.rip == WINDOW, "RIP is at what was fetched");
	expect_user("a user's fetch from an NX page: #PF(P, U, I)", user_jump, WINDOW, PF, 0x15);
	window_map(0, 0);
	expect("a fetch of what is not there: #PF(I)", execute, WINDOW, PF, 0x10);
	window_directory[1] = frame | 0x2087;
	expect("a large page with a reserved bit: #PF(P, RSVD)", read8, WINDOW + 0x200000, PF, 9);
	window_directory[1] = 0;
	invlpg(WINDOW + 0x200000);
	wrmsr(0xc0000080, efer);
}

static void canonical(void)
{
	const uint64_t odd = 0x0000800000000000;
	expect("a read at a non-canonical address is #GP(0)", read8, odd, GP, 0);
	gate_set(SS, 0x8e, 1); /* that stack cannot take it */
	expect("a push at a non-canonical address is #SS(0)", push_at, odd + 64, SS, 0);
	gate_set(SS, 0x8e, 0);
	expect("a read over the edge of the canonical ones is #GP(0)", read8, odd - 4, GP, 0);
	expect("a jump to a non-canonical address is #GP(0)", jump_to, odd, GP, 0);
	/* Beyond the edge of the address space is its beginning. */
	expect("the last byte of the address space is canonical", read8, ~0ull - 7, PF, 0);
}

static void selectors(void)
{
	expect("a selector beyond the table is #GP(selector)", load_fs, 0x1003, GP, 0x1000);
	expect("a selector of an LDT that is not there is #GP(selector)", load_fs, 0x0c, GP, 0x0c);
	gdt[SEL_ODD / 8] = 0x00cf13000000ffff;
	expect("an absent data segment is #NP(selector)", load_fs, SEL_ODD, NP, SEL_ODD);
	expect("an absent stack segment is #SS(selector)", load_ss, SEL_ODD, SS, SEL_ODD);
	gdt[SEL_ODD / 8] = 0x00cf91000000ffff;
	expect("a read-only stack segment is #GP(selector)", load_ss, SEL_ODD, GP, SEL_ODD);
	gdt[SEL_ODD / 8] = 0x00cf99000000ffff;
	expect("code that cannot be read as data is #GP(selector)", load_fs, SEL_ODD, GP, SEL_ODD);
	expect("a system segment as data is #GP(selector)", load_fs, SEL_TSS, GP, SEL_TSS);
	expect("SS with another RPL is #GP(selector)", load_ss, SEL_DATA | 3, GP, SEL_DATA);
	expect("SS null in ring 0 of 64-bit mode is fine", load_ss, 0, NONE, -1);
	expect("SS null with RPL 3 in ring 0 is #GP(0)", load_ss, 3, GP, 0);
	__asm__ volatile("mov %0, %%ss; mov %1, %%fs" : : "r"(SEL_DATA), "r"(0));
}

static void of_users(void)
{
	uint64_t old = cr0();
	expect_user("CLI with IOPL 0 is #GP(0)", user_cli, 0, GP, 0);
	expect_user("HLT in ring 3 is #GP(0)", user_hlt, 0, GP, 0);
	expect_user("IN without permission is #GP(0)", user_in, 0, GP, 0);
	expect_user("LIDT in ring 3 is #GP(0)", user_lidt, (uint64_t)odd_bytes, GP, 0);
	expect_user("INVLPG in ring 3 is #GP(0)", user_invlpg, 0, GP, 0);
	expect_user("WBINVD in ring 3 is #GP(0)", user_wbinvd, 0, GP, 0);
	expect_user("CLTS in ring 3 is #GP(0)", user_clts, 0, GP, 0);
	expect_user("MOV from CR0 in ring 3 is #GP(0)", user_cr0, 0, GP, 0);
	expect_user("MOV from DR7 in ring 3 is #GP(0)", user_dr7, 0, GP, 0);
	expect_user("RDPMC in ring 3 without CR4.PCE is #GP(0)", user_rdpmc, 0, GP, 0);
	expect_user(
		"INT n in ring 3 through a supervisor's gate is #GP(vector, IDT)", user_int_n, 0, GP, 0x42 << 3 | 2);
	expect_user("INT 1 in ring 3 through a supervisor's gate is #GP(vector, IDT)", user_int_db, 0, GP, 1 << 3 | 2);
	expect_user("INT3 through a user's gate arrives", user_int3, 0, BP, -1);
	check(outcome.cs == SEL_USER_CODE64 && outcome.ss == SEL_USER_DATA, "with the user's CS and SS");
	attempt_user(user_in, 0, 0x3000);
	check(outcome.vector == NONE, "IN with IOPL 3 is fine");
	set_cr0(old | 1u << 18);
	attempt_user(user_read_odd, (uint64_t)odd_bytes + 1, 1u << 18);
	check(outcome.vector == AC && outcome.error == 0, "an unaligned read with AC and CR0.AM is #AC(0)");
	attempt_user(user_read_odd, (uint64_t)odd_bytes + 1, 0);
	check(outcome.vector == NONE, "an unaligned read without AC is fine");
	attempt_user(user_read_odd, (uint64_t)odd_bytes + 4, 1u << 18);
	check(outcome.vector == NONE, "an aligned read with AC is fine");
	set_cr0(old & ~(1ull << 18));
	attempt_user(user_read_odd, (uint64_t)odd_bytes + 1, 1u << 18);
	check(outcome.vector == NONE, "an unaligned read without CR0.AM is fine");
	set_cr0(old);
	/* One port by the task's map. */
	tss.map = offsetof(struct tss64, bits);
	for (unsigned i = 0; i < sizeof tss.bits; i++)
		tss.bits[i] = 0xff;
	tss.bits[0x10] = 0xfe;
	expect_user("IN of a port that the task's map allows is fine", user_in, 0, NONE, -1);
	tss.bits[0x10] = 0xff;
	expect_user("IN of a port that it does not is #GP(0)", user_in, 0, GP, 0);
	tss.map = sizeof tss;
}

static void doubles(void)
{
	/* A contributory exception while one is delivered. */
	idt[GP].type = 0x0e;
	expect("#GP whose gate is absent is a double fault", read8, 0x0000800000000000, DF, 0);
	gate_set(GP, 0x8e, 0);
	window_map(0, 0);
	idt[PF].type = 0x0e;
	expect("#PF whose gate is absent is a double fault", read8, WINDOW, DF, 0);
	gate_set(PF, 0x8e, 0);
	idt[UD].type = 0x0e;
	expect("#UD, which is benign, whose gate is absent is #NP(vector, IDT, EXT)", ud2, 0, NP, UD << 3 | 3);
	gate_set(UD, 0x8e, 0);
	idt[DE].type = 0x0e;
	expect("#DE whose gate is absent is a double fault", divide, 0, DF, 0);
	gate_set(DE, 0x8e, 0);
	/* Interrupt stacks of the table. */
	gate_set(UD, 0x8e, 1);
	expect("a gate with an interrupt stack arrives", ud2, 0, UD, -1);
	gate_set(UD, 0x8e, 0);
}

void exceptions(void)
{
	simple();
	floating_point();
	page_faults();
	canonical();
	selectors();
	of_users();
	doubles();
}
