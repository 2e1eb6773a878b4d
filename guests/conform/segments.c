/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/segments.c: descriptors as LAR, LSL, VERR, VERW, LTR, LLDT and loads see them; bases and limits in 64-bit and compatibility mode. SDM vol. 2, 3. */
#include "guests/conform/conform.h"

#define ODD(attributes) gdt[SEL_ODD / 8] = 0x0000000000001234 | (uint64_t)(attributes) << 40

KERNEL(lar, "mov $0xdeadbeef, %%eax; lar %%edi, %%eax; setz %%cl; movzx %%cl, %%ecx; shl $32, %%rcx; or %%rcx, %%rax")
KERNEL(lsl, "mov $0xdeadbeef, %%eax; lsl %%edi, %%eax; setz %%cl; movzx %%cl, %%ecx; shl $32, %%rcx; or %%rcx, %%rax")
KERNEL(verr, "verr %%di; setz %%al; movzx %%al, %%eax")
KERNEL(verw, "verw %%di; setz %%al; movzx %%al, %%eax")
KERNEL(load_tr, "ltr %%di")
KERNEL(load_ldt, "lldt %%di")
KERNEL(store_tr, "str %%rax")
KERNEL(store_ldt, "sldt %%rax")
KERNEL(load_ds, "mov %%edi, %%ds")
KERNEL(load_fs, "mov %%edi, %%fs; mov %%fs, %%eax")
KERNEL(load_gs, "mov %%edi, %%gs; mov %%gs, %%eax")
KERNEL(load_cs, ".byte 0x8e, 0xcf")
KERNEL(far_call, "push %%rdi; lea 1f(%%rip), %%rcx; mov %%rcx, far_pointer(%%rip); mov %%edi, far_pointer + 8(%%rip); "
		 "rex.w lcall *far_pointer(%%rip); pop %%rdi;"
		 "jmp 2f; 1: mov %%cs, %%eax; rex.w lret; 2:")
KERNEL(far_return, "push %%rdi; lea 1f(%%rip), %%rcx; push %%rcx; rex.w lret; 1: mov %%cs, %%eax")
KERNEL(return_to, "mov %%ss, %%ecx; push %%rcx; lea 8(%%rsp), %%rcx; push %%rcx; pushfq; push %%rdi; lea 1f(%%rip), "
		  "%%rcx; push %%rcx; iretq; 1: mov %%cs, %%eax")
KERNEL(swap_gs, "swapgs")
USER(user_lar,
	"mov $0xdeadbeef, %%eax; lar %%edi, %%eax; setz %%cl; movzx %%cl, %%ecx; shl $32, %%rcx; or %%rcx, %%rax")
USER(user_verr, "verr %%di; setz %%al; movzx %%al, %%eax")
USER(user_load_fs, "mov %%edi, %%fs; mov %%fs, %%eax")
USER(user_load_ss, "mov %%edi, %%ss; mov %%ss, %%eax")
USER(user_far, "push %%rdi; lea 1f(%%rip), %%rcx; push %%rcx; rex.w lret; 1: mov %%cs, %%eax")
USER(user_ltr, "ltr %%di")
USER(user_lldt, "lldt %%di")
USER(user_swap_gs, "swapgs")
struct {
	uint64_t offset;
	uint32_t selector;
} far_pointer; /* assembly knows it */

static void value(const char *rule, attempt_function *what, uint64_t argument, uint64_t wanted)
{
	attempt(what, argument);
	if (what == lar && outcome.value >> 32)
		outcome.value &= 0x100f0ff00; /* bits 19:16 are not defined */
	if (!check(outcome.vector == NONE && outcome.value == wanted, "%s", rule))
		print("  exception %u, value %lx, wanted %lx\n", outcome.vector, outcome.value, wanted);
}

static void user_value(const char *rule, attempt_function *what, uint64_t argument, uint64_t wanted)
{
	attempt_user(what, argument, 0);
	if (what == user_lar && outcome.value >> 32)
		outcome.value &= 0x100f0ff00;
	if (!check(outcome.vector == NONE && outcome.value == wanted, "%s", rule))
		print("  exception %u, value %lx, wanted %lx\n", outcome.vector, outcome.value, wanted);
}

#define GOOD (1ull << 32)

static void access_rights(void)
{
	value("LAR of data gives its attributes", lar, SEL_DATA, GOOD | 0xc09300);
	value("LAR of 64-bit code gives its attributes", lar, SEL_CODE64, GOOD | 0xa09b00);
	value("LAR of a null selector clears ZF and keeps the register", lar, 0, 0xdeadbeef);
	value("LAR beyond the table clears ZF", lar, 0x1000, 0xdeadbeef);
	value("LAR of a busy TSS of 64 bits is allowed", lar, SEL_TSS, GOOD | 0x008b00);
	ODD(0x89);
	gdt[SEL_ODD / 8 + 1] = 0;
	value("LAR of an available TSS is allowed", lar, SEL_ODD, GOOD | 0x008900);
	ODD(0x82);
	value("LAR of an LDT is allowed", lar, SEL_ODD, GOOD | 0x008200);
	ODD(0x8c);
	value("LAR of a call gate is allowed", lar, SEL_ODD, GOOD | 0x008c00);
	ODD(0x8e);
	value("LAR of an interrupt gate clears ZF", lar, SEL_ODD, 0xdeadbeef);
	ODD(0x85);
	value("LAR of a task gate clears ZF in long mode", lar, SEL_ODD, 0xdeadbeef);
	ODD(0x13);
	value("LAR of an absent segment is allowed", lar, SEL_ODD, GOOD | 0x001300);
	user_value("LAR of a supervisor's data in ring 3 clears ZF", user_lar, SEL_DATA, 0xdeadbeef);
	user_value("LAR of a user's data in ring 3 is allowed", user_lar, SEL_USER_DATA, GOOD | 0xc0f300);
	value("LAR with an RPL above the DPL clears ZF", lar, SEL_DATA | 3, 0xdeadbeef);
	ODD(0x9e);
	user_value("LAR of conforming code in ring 3 is allowed", user_lar, SEL_ODD | 3, GOOD | 0x009e00);
	value("LSL of a segment in pages is in bytes", lsl, SEL_DATA, GOOD | 0xffffffff);
	value("LSL of the TSS is its limit", lsl, SEL_TSS, GOOD | (sizeof tss - 1));
	ODD(0x92);
	value("LSL of a segment in bytes is its limit", lsl, SEL_ODD, GOOD | 0x1234);
	ODD(0x8c);
	value("LSL of a call gate clears ZF", lsl, SEL_ODD, 0xdeadbeef);
	value("LSL of a null selector clears ZF", lsl, 0, 0xdeadbeef);
}

static void verify(void)
{
	value("VERR of data", verr, SEL_DATA, 1);
	value("VERW of data", verw, SEL_DATA, 1);
	value("VERR of readable code", verr, SEL_CODE64, 1);
	value("VERW of code is not", verw, SEL_CODE64, 0);
	value("VERR of a TSS is not", verr, SEL_TSS, 0);
	value("VERR of a null selector is not", verr, 3, 0);
	value("VERR beyond the table is not", verr, 0xfff8, 0);
	ODD(0x98);
	value("VERR of code that can only be executed is not", verr, SEL_ODD, 0);
	ODD(0x90);
	value("VERW of data that can only be read is not", verw, SEL_ODD, 0);
	user_value("VERR of a supervisor's data in ring 3 is not", user_verr, SEL_DATA | 3, 0);
	user_value("VERR of a user's data in ring 3", user_verr, SEL_USER_DATA, 1);
	ODD(0x9e);
	user_value("VERR of conforming code in ring 3", user_verr, SEL_ODD | 3, 1);
}

static void tables(void)
{
	if (lenient)
		skip("LTR of a null selector: this processor takes it, and cannot go on");
	else
		expect("LTR of a null selector is #GP(0)", load_tr, 0, GP, 0);
	expect("LTR of a busy TSS is #GP(selector)", load_tr, SEL_TSS, GP, SEL_TSS);
	expect("LTR of data is #GP(selector)", load_tr, SEL_DATA, GP, SEL_DATA);
	expect("LTR beyond the table is #GP(selector)", load_tr, 0x1000, GP, 0x1000);
	expect("LTR of a selector of the LDT is #GP(selector)", load_tr, 0x44, GP, 0x44);
	ODD(0x09);
	expect("LTR of an absent TSS is #NP(selector)", load_tr, SEL_ODD, NP, SEL_ODD);
	ODD(0x89);
	gdt[SEL_ODD / 8 + 1] = 0x00008000;
	if (!lenient)
		expect("LTR of a TSS with a non-canonical base is #GP(selector)", load_tr, SEL_ODD, GP, SEL_ODD);
	gdt[SEL_ODD / 8 + 1] = 0;
	expect_user("LTR in ring 3 is #GP(0)", user_ltr, SEL_ODD, GP, 0);
	value("STR gives the selector", store_tr, 0, SEL_TSS);
	check((gdt[SEL_TSS / 8] >> 40 & 0xff) == 0x8b, "the TSS is busy since its LTR");
	expect("LLDT of data is #GP(selector)", load_ldt, SEL_DATA, GP, SEL_DATA);
	ODD(0x02);
	expect("LLDT of an absent LDT is #NP(selector)", load_ldt, SEL_ODD, NP, SEL_ODD);
	expect_user("LLDT in ring 3 is #GP(0)", user_lldt, 0, GP, 0);
	/* One of two entries: data, and beyond it nothing. */
	static uint64_t ldt[2] = {0, 0x00cf93000000ffff};
	uint64_t base = (uint64_t)ldt;
	gdt[SEL_LDT / 8] = (sizeof ldt - 1) | base << 16 | 0x82ull << 40;
	gdt[SEL_LDT / 8 + 1] = base >> 32;
	expect("LLDT of an LDT is fine", load_ldt, SEL_LDT, NONE, -1);
	value("SLDT gives the selector", store_ldt, 0, SEL_LDT);
	value("a selector of the LDT is loaded", load_fs, 0x0c, 0x0c);
	expect("one beyond its limit is #GP(selector)", load_fs, 0x14, GP, 0x14);
	expect("LLDT of a null selector is fine", load_ldt, 3, NONE, -1);
	expect("and then there is none", load_fs, 0x0c, GP, 0x0c);
	attempt(load_ldt, 0);
}

static void loads(void)
{
	value("FS null with any RPL is fine", load_fs, 3, 3);
	expect("MOV to CS is #UD", load_cs, SEL_CODE64, UD, -1);
	expect("DS with an RPL above its DPL is #GP(selector)", load_ds, SEL_DATA | 3, GP, SEL_DATA);
	expect_user("a user's FS of a supervisor's data is #GP(selector)", user_load_fs, SEL_DATA, GP, SEL_DATA);
	user_value("a user's FS of a user's data", user_load_fs, SEL_USER_DATA, SEL_USER_DATA);
	expect_user("a user's SS null is #GP(0)", user_load_ss, 3, GP, 0);
	expect_user(
		"a user's SS with RPL 0 is #GP(selector)", user_load_ss, SEL_USER_DATA & ~3, GP, SEL_USER_DATA & ~3);
	gdt[SEL_ODD / 8] = 0x00cf92123456ffff | 0x78ull << 56;
	value("a load gives FS its base", load_fs, SEL_ODD, SEL_ODD);
	check(rdmsr(0xc0000100) == 0x78123456, "FS_BASE shows it");
	check(gdt[SEL_ODD / 8] >> 40 & 1, "a load sets the accessed bit");
	wrmsr(0xc0000100, 0x123456789a);
	attempt(load_fs, SEL_DATA);
	check(rdmsr(0xc0000100) == 0, "a load clears the base's upper half");
	attempt(load_fs, 0);
	wrmsr(0xc0000101, 0x1111);
	wrmsr(0xc0000102, 0x2222);
	expect("SWAPGS in ring 0 is fine", swap_gs, 0, NONE, -1);
	check(rdmsr(0xc0000101) == 0x2222 && rdmsr(0xc0000102) == 0x1111, "SWAPGS swaps the bases");
	expect_user("SWAPGS in ring 3 is #GP(0)", user_swap_gs, 0, GP, 0);
	attempt(load_gs, 0);
}

static void transfers(void)
{
	value("a far call to the same code", far_call, SEL_CODE64, SEL_CODE64);
	expect("a far call to a null selector is #GP(0)", far_call, 0, GP, 0);
	expect("a far call to data is #GP(selector)", far_call, SEL_DATA, GP, SEL_DATA);
	expect("a far call to a user's code is #GP(selector)", far_call, SEL_USER_CODE64 & ~3, GP,
		SEL_USER_CODE64 & ~3);
	gdt[SEL_ODD / 8] = 0x00af1b000000ffff;
	expect("a far call to absent code is #NP(selector)", far_call, SEL_ODD, NP, SEL_ODD);
	gdt[SEL_ODD / 8] = 0x00ef9b000000ffff;
	expect("a far call to code with L and D is #GP(selector)", far_call, SEL_ODD, GP, SEL_ODD);
	gdt[SEL_ODD / 8] = 0x00af9f000000ffff;
	value("a far call to conforming code", far_call, SEL_ODD, SEL_ODD);
	expect("a far call to a TSS is #GP(selector)", far_call, SEL_TSS, GP, SEL_TSS);
	gdt[SEL_ODD / 8] = 0x0000850000480000;
	expect("a task gate is #GP(selector) in long mode", far_call, SEL_ODD, GP, SEL_ODD);
	value("a far return to the same privilege", far_return, SEL_CODE64, SEL_CODE64);
	expect("a far return to a null selector is #GP(0)", far_return, 0, GP, 0);
	expect("a far return to data is #GP(selector)", far_return, SEL_DATA, GP, SEL_DATA);
	expect("a far return whose RPL is not the DPL is #GP(selector)", far_return, SEL_CODE64 | 3, GP, SEL_CODE64);
	expect_user("a user's far return to more privilege is #GP(selector)", user_far, SEL_CODE64, GP, SEL_CODE64);
	value("IRET to the same privilege", return_to, SEL_CODE64, SEL_CODE64);
	expect("IRET to a null selector is #GP(0)", return_to, 0, GP, 0);
	expect("IRET to data is #GP(selector)", return_to, SEL_DATA, GP, SEL_DATA);
}

/* A call gate of 64 bits to ring 0, from ring 3: APM vol. 2, "Call-Gate Descriptors". */
USER(user_through_gate, "mov %%rdi, %%rcx; push %%rcx; push $0; rex.w lcall *(%%rsp); ud2")

static void call_gates(void)
{
	extern uint8_t gate_entry[];
	uint64_t at = (uint64_t)gate_entry;
	gdt[SEL_ODD / 8] = (at & 0xffff) | (uint64_t)SEL_CODE64 << 16 | 0xecull << 40 | (at >> 16 & 0xffff) << 48;
	gdt[SEL_ODD / 8 + 1] = at >> 32;
	attempt_user(user_through_gate, SEL_ODD | 3, 0);
	check(outcome.vector == NONE && outcome.value == SEL_CODE64,
		"a user's far call through a call gate arrives in ring 0");
	gdt[SEL_ODD / 8] &= ~(0x60ull << 40);
	expect_user("one through a gate that is not for users is #GP(selector)", user_through_gate, SEL_ODD | 3, GP,
		SEL_ODD);
	gdt[SEL_ODD / 8] |= 0x60ull << 40;
	gdt[SEL_ODD / 8] &= ~(0x80ull << 40);
	expect_user("one through an absent gate is #NP(selector)", user_through_gate, SEL_ODD | 3, NP, SEL_ODD);
	gdt[SEL_ODD / 8] |= 0x80ull << 40;
	gdt[SEL_ODD / 8 + 1] |= 0x1f00ull << 32;
	expect_user("a type in the gate's upper half is #GP(selector)", user_through_gate, SEL_ODD | 3, GP, SEL_ODD);
	gdt[SEL_ODD / 8 + 1] = at >> 32;
	gdt[SEL_ODD / 8] = (gdt[SEL_ODD / 8] & ~0xffff0000ull) | (uint64_t)SEL_CODE32 << 16;
	expect_user("a gate to 32-bit code is #GP(its selector)", user_through_gate, SEL_ODD | 3, GP, SEL_CODE32);
	gdt[SEL_ODD / 8] = gdt[SEL_ODD / 8 + 1] = 0;
}

void segments(void)
{
	access_rights();
	verify();
	tables();
	loads();
	transfers();
	call_gates();
	gdt[SEL_ODD / 8] = gdt[SEL_ODD / 8 + 1] = 0;
}
