/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/legacy/legacy.c: a test kernel for what long mode has not: 32-bit protected mode without paging, its segments' limits and types, call gates, real mode,
 * "unreal" mode, virtual-8086 mode. Each rule a line, PASS or FAIL, and SUMMARY at the end. (guests/tests has switches of tasks.) SDM vol. 3; APM vol. 2.
 */
#include <stdbool.h>
#include <stdint.h>
#include "guests/common/console.h"
#include "guests/common/debug_exit.h"

#define SEL_CODE      0x08
#define SEL_DATA      0x10
#define SEL_USER_DATA 0x33
#define SEL_TSS	      0x38
#define SEL_ODD	      0x40
#define SEL_GATE      0x48
#define SEL_LDT	      0x50
#define FLAG_VM	      0x20000u
#define FLAG_IF	      0x200u

enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, AC = 17, NONE = 256 };

struct frame {
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, user_esp, user_ss, v86_es,
		v86_ds;
};
struct v86 {
	uint32_t cs, eflags, esp, ss, data, ebx;
};
struct tss {
	uint32_t link, esp0, ss0, rest[22];
	uint16_t trap, map;
	uint8_t interrupts[32], bits[32], end;
} __attribute__((packed));

extern uint8_t stubs[], attempt_end[], trap_top[], gate_entry[];
extern uint32_t attempt_stack, attempt_value;
void attempt_call(void (*what)(void));
void user_enter(void (*what)(void), uint32_t eflags);
void v86_enter(const struct v86 *v86);
uint32_t real_call(const uint8_t *code, uint32_t length);
void trapped(struct frame *frame);
void legacy_main(uint32_t magic, uint32_t info);

static uint64_t gdt[16] __attribute__((aligned(8))) = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00009b000000ffff,
	0x000093000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff};
static uint64_t idt[64] __attribute__((aligned(8)));
static struct tss tss __attribute__((aligned(64)));
static struct frame seen;
static uint32_t vector, error;
static unsigned checks, failures;

static void check(bool good, const char *rule)
{
	checks++;
	failures += !good;
	say(good ? "PASS: legacy: " : "FAIL: legacy: ");
	say(rule);
	say("\n");
	if (good)
		return;
	say("  vector ");
	say_number(vector);
	say(", error ");
	say_hex(error, 1);
	say(", eip ");
	say_hex(seen.eip, 1);
	say(", value ");
	say_hex(attempt_value, 1);
	say("\n");
}

/* The monitor of virtual-8086 mode: what it asks for by INT 30h, or by a fault, ends the attempt. */
void trapped(struct frame *frame)
{
	if (!attempt_stack) {
		say("FAIL: legacy: unexpected exception ");
		say_number(frame->vector);
		say(" at ");
		say_hex(frame->eip, 1);
		say("\nSUMMARY: 1 tests, 1 unexpected failures\n");
		debug_exit(1);
	}
	bool outer = (frame->cs & 3) != 0 || frame->eflags & FLAG_VM;
	seen = *frame;
	if (!outer)
		seen.user_ss = seen.user_esp = 0;
	vector = frame->vector == 0x30 ? NONE : frame->vector;
	error = frame->error;
	/* Back by a frame of the same privilege, on the stack that the attempt left: attempt_end takes it from there. */
	__asm__ volatile("jmp attempt_end");
	__builtin_unreachable();
}

static void attempt(void (*what)(void))
{
	vector = NONE;
	attempt_call(what);
}
static void expect(const char *rule, void (*what)(void), uint32_t wanted, uint32_t code)
{
	attempt(what);
	check(vector == wanted && (wanted == NONE || error == code), rule);
}
static void expect_user(const char *rule, void (*what)(void), uint32_t wanted, uint32_t code)
{
	vector = NONE;
	user_enter(what, 2);
	check(vector == wanted && (wanted == NONE || error == code), rule);
}

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
	       (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attributes >> 8 & 15) << 52 |
	       (uint64_t)(base >> 24) << 56;
}

#define CODE(name, text)                                                                                               \
	static __attribute__((noinline)) void name(void)                                                               \
	{                                                                                                              \
		__asm__ volatile(text : : : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");                 \
	}

uint32_t odd_selector = SEL_ODD;
uint32_t bounds[2] = {10, 20};
CODE(into, "movb $0x7f, %%al; addb $1, %%al; into")
CODE(into_not, "xor %%eax, %%eax; into")
CODE(bound_in, "mov $15, %%eax; bound %%eax, bounds")
CODE(bound_low, "mov $9, %%eax; bound %%eax, bounds")
CODE(bound_high, "mov $21, %%eax; bound %%eax, bounds")
CODE(load_odd, "movl odd_selector, %%eax; mov %%eax, %%fs")
CODE(read_at_limit, "mov %%fs:0xfff, %%al")
CODE(read_over_limit, "mov %%fs:0xffd, %%eax")
CODE(read_beyond, "mov %%fs:0x1000, %%al")
CODE(read_0, "mov %%fs:0, %%al")
CODE(write_0, "mov %%al, %%fs:0")
CODE(read_null, "xor %%eax, %%eax; mov %%eax, %%gs; mov %%gs:0, %%al")
CODE(aaa, "mov $0x0f, %%eax; aaa")
CODE(aam_0, ".byte 0xd4, 0x00")
CODE(user_gate, "push $0x1111; push $0x2222; lcall $0x4b, $0; mov %%eax, %%ebx; mov $0, %%eax; int $0x30")
CODE(user_gate_arpl, "mov $0x13, %%eax; mov $0x20, %%ebx; arpl %%ax, %%bx; setz %%cl; movzx %%bx, %%ebx; int $0x30")
CODE(arpl_not,
	"mov $0x10, %%eax; mov $0x23, %%ebx; arpl %%ax, %%bx; setz %%al; movzx %%al, %%eax; mov %%eax, attempt_value")
CODE(far_odd, "lcall $0x40, $0")
CODE(int_31, "int $0x31")
CODE(user_int_31, "int $0x31")
CODE(lock_invalid, ".byte 0xf0, 0x90")
CODE(jump_beyond, "ljmp $0x40, $0x2000")

static void limits(void)
{
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x493);
	expect("a segment of 4 KiB is loaded", load_odd, NONE, 0);
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x493);
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	attempt(read_at_limit);
	check(vector == NONE, "the last byte can be read");
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("a read over the limit is #GP(0)", read_over_limit, GP, 0);
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("a read beyond the limit is #GP(0)", read_beyond, GP, 0);
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x497); /* expands down */
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("a segment that expands down begins above its limit", read_beyond, NONE, 0);
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("and not below", read_0, GP, 0);
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x491);
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("a write to a read-only segment is #GP(0)", write_0, GP, 0);
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x49b);
	__asm__ volatile("mov %0, %%fs" : : "r"(SEL_ODD));
	expect("a write to code is #GP(0)", write_0, GP, 0);
	expect("a read by a null selector is #GP(0)", read_null, GP, 0);
	gdt[SEL_ODD / 8] = descriptor(0x100000, 0xfff, 0x49b);
	expect("a jump beyond the limit of code is #GP(0)", jump_beyond, GP, 0);
}

static void instructions(void)
{
	expect("INTO with OF is #OF", into, OF, 0);
	expect("INTO without OF is nothing", into_not, NONE, 0);
	expect("BOUND within is nothing", bound_in, NONE, 0);
	expect("BOUND below is #BR", bound_low, BR, 0);
	expect("BOUND above is #BR", bound_high, BR, 0);
	expect("AAM by 0 is #DE", aam_0, DE, 0);
	expect("AAA exists", aaa, NONE, 0);
	expect("LOCK before what cannot be locked is #UD", lock_invalid, UD, 0);
	vector = NONE;
	user_enter(user_gate_arpl, 2);
	check(vector == NONE && seen.ebx == 0x23 && (seen.ecx & 1), "ARPL raises the RPL, and says so by ZF");
	attempt(arpl_not);
	check(vector == NONE, "ARPL of a selector that has it already");
	idt[0x31] &= ~(0x80ull << 40);
	expect("INT n through an absent gate is #NP(vector, IDT)", int_31, NP, 0x31 << 3 | 2);
	idt[0x31] |= 0x80ull << 40;
	expect_user("INT n in ring 3 through a supervisor's gate is #GP(vector, IDT)", user_int_31, GP, 0x31 << 3 | 2);
}

static void gates(void)
{
	uint32_t at = (uint32_t)gate_entry;
	gdt[SEL_GATE / 8] = (at & 0xffff) | (uint64_t)SEL_CODE << 16 | 2ull << 32 | 0xecull << 40 |
			    (uint64_t)(at >> 16) << 48;
	vector = NONE;
	user_enter(user_gate, 2);
	check(vector == NONE && seen.ebx == (SEL_CODE << 16 | 0x2222),
		"a call gate leads to ring 0, and brings two parameters along");
	check(vector == NONE && (seen.cs & 3) == 3, "and LRET leads back");
	gdt[SEL_GATE / 8] &= ~(0x60ull << 40);
	expect_user("a gate that is not for users is #GP(selector)", user_gate, GP, SEL_GATE);
	gdt[SEL_GATE / 8] |= 0x60ull << 40;
	gdt[SEL_GATE / 8] &= ~(0x80ull << 40);
	expect_user("an absent gate is #NP(selector)", user_gate, NP, SEL_GATE);
	gdt[SEL_GATE / 8] = (gdt[SEL_GATE / 8] | 0x80ull << 40) & ~0xffff0000ull;
	expect_user("a gate to a null selector is #GP(0)", user_gate, GP, 0);
	gdt[SEL_ODD / 8] = descriptor(0, 0xfffff, 0xc93);
	expect("a far call to data is #GP(selector)", far_odd, GP, SEL_ODD);
}

#define REAL(name) extern const uint8_t name[], name##_end[]
#define RUN(name)  real_call(name, (uint32_t)(name##_end - name))
REAL(code16_add);
REAL(code16_int);
REAL(code16_big);
REAL(code16_stack);
REAL(code16_string);
REAL(code16_far);
REAL(code16_div);
REAL(code16_edge);

static void real_is(uint32_t value, uint32_t wanted, const char *rule)
{
	attempt_value = value;
	check(value == wanted, rule);
}

static void real_mode(void)
{
	real_is(RUN(code16_add) & 0xff, 1, "real mode: 32-bit operands");
	real_is(RUN(code16_int) & 0xffff, 0x1234, "real mode: INT n and IRET, with IF and stack as before");
	real_is(RUN(code16_stack), 0x33442222, "real mode: pushes and pops of both sizes");
	real_is(RUN(code16_string), 0x41424344, "real mode: strings");
	real_is(RUN(code16_far) & 0xffff, 0x900, "real mode: far calls");
	real_is(RUN(code16_div), 0x5a5a5a5a, "real mode: #DE comes by vector 0, without an error code");
	real_is(RUN(code16_edge), 0x600d600d, "real mode: an access over 64 KiB is #GP, without an error code");
	real_is(RUN(code16_big), 0xcafe1234, "real mode: a limit of 4 GiB stays in DS");
}

/* Code at 0x9000 in virtual-8086 mode. */
static void v86(const uint8_t *code, uint32_t length, uint32_t eflags)
{
	static struct v86 state = {.cs = 0x900, .esp = 0x7f00, .ss = 0, .data = 0x900, .ebx = 0x5555};
	volatile uint8_t *to = (volatile uint8_t *)0x9000;
	__asm__("" : "+r"(to));
	for (uint32_t i = 0; i < length; i++)
		to[i] = code[i];
	state.eflags = eflags | FLAG_VM | 2;
	vector = NONE;
	v86_enter(&state);
}
#define V86(eflags, ...)                                                                                               \
	do {                                                                                                           \
		static const uint8_t code[] = {__VA_ARGS__};                                                           \
		v86(code, sizeof code, eflags);                                                                        \
	} while (0)

static void virtual_8086(void)
{
	V86(0x3000, 0x8c, 0xc8, 0xcd, 0x30); /* mov ax, cs; int 30h */
	check(vector == NONE && (seen.eax & 0xffff) == 0x900 && seen.eflags & FLAG_VM,
		"v86: INT n with IOPL 3 leads to the monitor");
	check((seen.cs & 0xffff) == 0x900 && seen.eip == 4, "v86: CS and IP are pushed as they are");
	check((seen.v86_ds & 0xffff) == 0x900 && (seen.v86_es & 0xffff) == 0x900, "v86: DS and ES are pushed");
	V86(0, 0xcd, 0x30);
	check(vector == GP && error == 0, "v86: INT n with IOPL 0 is #GP(0)");
	V86(0, 0xfa);
	check(vector == GP && error == 0, "v86: CLI with IOPL 0 is #GP(0)");
	V86(0, 0x9c);
	check(vector == GP && error == 0, "v86: PUSHF with IOPL 0 is #GP(0)");
	V86(0, 0xcf);
	check(vector == GP && error == 0, "v86: IRET with IOPL 0 is #GP(0)");
	V86(0x3000, 0xfa, 0x9c, 0x58, 0xcd, 0x30); /* cli; pushf; pop ax */
	check(vector == NONE && !(seen.eax & FLAG_IF) && (seen.eax & 0x3000) == 0x3000,
		"v86: with IOPL 3 flags are the task's own");
	V86(0x3000, 0xf4);
	check(vector == GP && error == 0, "v86: HLT is #GP(0)");
	V86(0x3000, 0x0f, 0x20, 0xc0);
	check(vector == GP && error == 0, "v86: MOV from CR0 is #GP(0)");
	V86(0x3000, 0x0f, 0x00, 0xc0);
	check(vector == UD, "v86: SLDT is #UD");
	V86(0x3000, 0x63, 0xc0);
	check(vector == UD, "v86: ARPL is #UD");
	V86(0x3000, 0xe4, 0x80, 0xcd, 0x30);
	check(vector == GP && error == 0, "v86: IN without the task's permission is #GP(0), whatever IOPL is");
	tss.bits[0x10] = 0xfe;
	V86(0, 0xe4, 0x80, 0xfa);
	check(vector == GP && seen.eip == 2, "v86: IN with it is fine, whatever IOPL is");
	tss.bits[0x10] = 0xff;
	V86(0x3000, 0xbb, 0xff, 0xff, 0x8b, 0x07, 0xcd, 0x30);
	check(vector == GP && error == 0, "v86: an access over 64 KiB is #GP(0)");
	V86(0x3000, 0xb8, 0x34, 0x12, 0x8e, 0xd8, 0x8c, 0xdb, 0xcd, 0x30); /* mov ax, 1234h; mov ds, ax; mov bx, ds */
	check(vector == NONE && (seen.ebx & 0xffff) == 0x1234, "v86: any value is a segment");
	V86(0x3000, 0xcc);
	check(vector == GP || vector == BP, "v86: INT3 comes out");
	V86(0x3000, 0x0f, 0x0b);
	check(vector == UD && seen.eip == 0, "v86: UD2 is #UD");
}

static void set_up(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) gdtr = {sizeof gdt - 1, (uint32_t)gdt}, idtr = {sizeof idt - 1, (uint32_t)idt};
	for (unsigned i = 0; i < 64; i++) {
		uint32_t at = (uint32_t)stubs + 16 * i;
		uint64_t type = i == 0x30 || i == BP || i == OF ? 0xee : 0x8e;
		idt[i] = (at & 0xffff) | SEL_CODE << 16 | type << 40 | (uint64_t)(at >> 16) << 48;
	}
	tss.esp0 = (uint32_t)trap_top;
	tss.ss0 = SEL_DATA;
	tss.map = __builtin_offsetof(struct tss, bits);
	for (unsigned i = 0; i < sizeof tss.bits; i++)
		tss.bits[i] = 0xff;
	tss.end = 0xff;
	gdt[SEL_TSS / 8] = descriptor((uint32_t)&tss, sizeof tss - 1, 0x089);
	pics_mask();
	__asm__ volatile("lgdt %0; lidt %1; ljmp $0x08, $1f; 1: mov %w2, %%ds; mov %w2, %%es; mov %w2, %%fs; mov %w2, "
			 "%%gs; mov %w2, %%ss; ltr %w3;"
			 "lldt %w4"
			 :
			 : "m"(gdtr), "m"(idtr), "r"(SEL_DATA), "r"(SEL_TSS), "r"(0)
			 : "memory");
}

void legacy_main(uint32_t magic, uint32_t info)
{
	(void)magic, (void)info;
	console_start();
	say("legacy\n");
	set_up();
	instructions();
	limits();
	gates();
	virtual_8086();
	real_mode();
	say("SUMMARY: ");
	say_number(checks);
	say(" tests");
	if (failures) {
		say(", ");
		say_number(failures);
		say(" unexpected failures");
	}
	say("\n");
	debug_exit(failures != 0);
}
