/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/tests/task_cases.c: a line for each way to switch tasks, and for each thing that can be wrong with it. The same lines come from a processor
 * that does it by itself: that is what tests/system/test_task_switch.py compares them with.
 */
#include "guests/tests/kernel.h"
#include "guests/tests/task.h"

static void field(const char *name, uint32_t value)
{
	say(" ");
	say(name);
	say(" ");
	say_hex(value, 1);
}

static void place(const char *name, uint32_t eip, uint32_t start)
{
	say(" ");
	say(name);
	if (eip == go_at)
		say(" at the instruction");
	else if (eip == go_next)
		say(" behind it");
	else if (eip == start)
		say(" at its start");
	else if (eip > start && eip < start + 64)
		field("start +", eip - start);
	else
		field("elsewhere", eip);
}

static void registers(void)
{
	static const uint32_t expected[7] = {
		0x1a1a1a1a, 0x2c2c2c2c, 0x3d3d3d3d, 0x4b4b4b4b, 0x5e5e5e5e, 0x6a6a6a6a, 0x7d7d7d7d};
	int same = 1;

	for (int i = 0; i < 7; i++)
		same &= go_registers[i] == expected[i];
	say(same ? " registers kept" : " registers lost");
}

static uint32_t flags_now(void)
{
	uint32_t flags;
	__asm__ volatile("pushfl; popl %0" : "=r"(flags));
	return flags;
}

static void say_seen(const char *name, const struct seen *seen)
{
	uint32_t cr3;

	say("; ");
	say(name);
	field("ran", seen->times);
	if (!seen->times)
		return;
	field("tr", seen->selector);
	field("link", seen->link);
	field("ldt", seen->ldt);
	field("flags", seen->eflags & 0x3f7f00);
	field("ts", seen->cr0 >> 3 & 1);
	field("busy", seen->busy_main << 1 | seen->busy_own);
	field("dr7", seen->dr7);
	__asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
	say(seen->cr3 == cr3				      ? " cr3 main's"
		: tasks_paging() && seen->cr3 == second_cr3() ? " cr3 its own"
							      : " cr3 wrong");
}

static void say_main(const struct seen *seen, uint32_t start)
{
	say("; main saved");
	place("", seen->old_eip, start);
	field("flags", seen->old_eflags & 0x3e7f00);
}

static uint32_t busy_now(uint32_t selector)
{
	return (uint32_t)(gdt[selector >> 3] >> 41) & 1;
}

static void end(void)
{
	uint32_t selector = 0, cr0;

	__asm__ volatile("str %w0" : "+r"(selector));
	__asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
	say("; now");
	field("tr", selector);
	field("busy", busy_now(SEL_MAIN) << 1 | busy_now(SEL_A));
	field("nt", flags_now() >> 14 & 1);
	field("ts", cr0 >> 3 & 1);
	registers();
	if (fault.times) {
		say("; FAULT");
		field("vector", fault.vector);
		field("error", fault.error);
		field("in", fault.link);
		field("eip", fault.eip);
	}
	say("\n");
}

static void begin(const char *name)
{
	say("tasks: ");
	say(name);
	__asm__ volatile("clts");
	for (int i = 0; i < 7; i++)
		go_registers[i] = 0;
}

static void simple(const char *name, void (*go)(void))
{
	begin(name);
	go();
	say_seen("A", &seen_a);
	say_main(&seen_a, 0);
	end();
	tasks_reset();
}

static void ways_there_and_back(void)
{
	simple("call", go_call);
	simple("call through memory", go_call_memory);
	simple("call through a gate", go_call_gate);
	how_a = HOW_JUMP;
	simple("jump there and back", go_jump);
	how_a = HOW_JUMP;
	simple("jump through a gate", go_jump_gate);
	how_a = HOW_JUMP;
	simple("call, and jump back to what is busy", go_call);
	begin("call twice");
	go_call();
	go_call();
	say_seen("A", &seen_a);
	end();
	tasks_reset();
	begin("nested calls");
	how_a = HOW_CALL_B;
	go_call();
	say_seen("A", &seen_a);
	say_seen("B", &seen_b);
	end();
	tasks_reset();
	begin("a return that was no call");
	tss_main.link = SEL_B;
	gdt[SEL_B >> 3] |= 1ull << 41;
	how_b = HOW_JUMP;
	go_iret();
	say_seen("B", &seen_b);
	say_main(&seen_b, 0);
	end();
	tasks_reset();
	begin("debug registers");
	__asm__ volatile("movl %0, %%dr7" : : "r"(0x700));
	go_call();
	say_seen("A", &seen_a);
	__asm__ volatile("movl %0, %%dr7" : : "r"(0x400));
	end();
	tasks_reset();
}

static void other_forms(void)
{
	begin("16 bits");
	tss_16 = (struct tss16){.flags = 2,
		.ax = 0x1111,
		.di = 0x2222,
		.sp = 0x80,
		.es = SEL_DATA,
		.cs = SEL_16_CODE,
		.ss = SEL_16_STACK,
		.ds = SEL_DATA};
	go_call_16();
	for (int i = 0; i < 7; i++)
		field("", task16_seen[i]);
	field("saved ip", tss_16.ip);
	field("flags", tss_16.flags);
	field("sp", tss_16.sp);
	field("link", tss_16.link);
	end();
	tasks_reset();

	begin("its own segments");
	ldt[1] = descriptor(0, 0xfffff, ATTR_DATA & ~1u);
	tss_a.ldt = SEL_LDT;
	tss_a.es = 0x0c;
	tss_a.fs = 0;
	go_call();
	say_seen("A", &seen_a);
	field("accessed", (uint32_t)(ldt[1] >> 40) & 1);
	field("es", tss_a.es);
	field("fs", tss_a.fs);
	end();
	tasks_reset();

	begin("less privilege");
	tss_a.cs = SEL_USER_CODE;
	tss_a.ss = tss_a.ds = tss_a.es = tss_a.fs = tss_a.gs = SEL_USER_DATA;
	tss_a.eip = (uint32_t)task_user;
	go_call();
	field("cs", user_seen[0]);
	field("ss", user_seen[1]);
	field("flags", user_seen[2] & 0x3f7f00);
	end();
	tasks_reset();

	begin("trap");
	tss_a.trap = 1;
	go_call();
	say_seen("A", &seen_a);
	field("traps", debug_times);
	field("dr6", debug_dr6);
	place("", debug_eip, (uint32_t)task_a);
	end();
	tasks_reset();
}

/* mov ax, cs; mov bx, ss; pushf; pop cx; int 0x40; hlt */
static const uint8_t v86_code[] = {0x8c, 0xc8, 0x8c, 0xd3, 0x9c, 0x59, 0xcd, 0x40, 0xf4};

static void virtual_8086(void)
{
	volatile uint8_t *to = (volatile uint8_t *)0x8000;

	__asm__("" : "+r"(to));
	for (unsigned i = 0; i < sizeof(v86_code); i++)
		to[i] = v86_code[i];
	tss_init(&tss_v86, 0, (uint32_t *)0x100);
	tss_v86.eflags = FLAG_VM | 0x3002;
	tss_v86.cs = 0x800;
	tss_v86.ss = 0x900;
	tss_v86.ds = tss_v86.es = 0x1234;
	tss_v86.esp0 = tss_a.esp;
	begin("virtual-8086 mode");
	idt[0x40] = task_gate(SEL_HANDLER, 3);
	go_call_v86();
	field("handler's link", seen_handler.link);
	field("ip", seen_handler.old_eip);
	field("flags", seen_handler.old_eflags & 0x3e7f00);
	field("cs", tss_v86.cs);
	field("ss", tss_v86.ss);
	field("ds", tss_v86.ds);
	field("ax", tss_v86.eax);
	field("bx", tss_v86.ebx & 0xffff);
	field("cx", tss_v86.ecx & 0xffff);
	say_seen("handler", &seen_handler);
	if (fault.times) {
		field("then vector", fault.vector);
		field("in", fault.link);
		field("ip", fault.eip);
		field("flags", fault.eflags & 0x3e7f00);
		fault.times = 0;
	}
	end();
	idt[0x40] = 0;
	tasks_reset();
}

static void event(const char *name, uint32_t vector, uint32_t skips, void (*go)(void))
{
	begin(name);
	idt[vector] = task_gate(SEL_HANDLER, 3);
	handler_skips = skips;
	go();
	say_seen("handler", &seen_handler);
	say_main(&seen_handler, 0);
	end();
	tasks_reset();
}

/* The PIC's interrupts from 0x20 on, and of those the timer's alone, once. */
static void timer_once(void)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11}, {0xa1, 0x28},
		{0xa1, 2}, {0xa1, 1}, {0x21, 0xfe}, {0xa1, 0xff}, {0x43, 0x30}, {0x40, 0x00}, {0x40, 0x08}};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		out8(words[i][0], words[i][1]);
}

static void events(void)
{
	event("division by zero", 0, 2, go_divide);
	event("undefined opcode", 6, 2, go_undefined);
	event("INT", 0x42, 0, go_int);
	event("INT3", 3, 0, go_breakpoint);
	event("NMI", 2, 0, go_nmi);
	handler_nmis = 1;
	event("NMI, and another in its handler", 2, 0, go_nmi);
	handler_eoi = 1;
	timer_once();
	event("interrupt", 0x20, 0, go_interrupt);

	begin("INT in a task of less privilege");
	tss_a.cs = SEL_USER_CODE;
	tss_a.ss = tss_a.ds = tss_a.es = tss_a.fs = tss_a.gs = SEL_USER_DATA;
	tss_a.eip = (uint32_t)task_user_int;
	idt[0x42] = task_gate(SEL_HANDLER, 3);
	go_call();
	say_seen("handler", &seen_handler);
	place("A", seen_handler.old_eip, (uint32_t)task_user_int);
	end();
	tasks_reset();
}

/* ---- what is wrong ---- */

static void say_fault(void)
{
	if (!fault.times) {
		say(" NO FAULT");
		return;
	}
	field("vector", fault.vector);
	field("error", fault.error);
	if (fault.link == SEL_MAIN) {
		place("main", fault.eip, 0);
	} else {
		field("in", fault.link);
		place("", fault.eip, (uint32_t)task_a);
		field("cs", fault.cs);
		field("ss", fault.ss & ~3u); /* the RPL of one that was refused is not the same on Gyre */
		field("ds", fault.ds);
	}
	if (fault.vector == 14)
		field("page", fault.cr2 & ~0xfffu); /* which byte of it a processor looks for first is its own affair */
	fault.times = 0;
}

static void wrong(const char *name, void (*go)(void))
{
	begin(name);
	go();
	say_fault();
	if (seen_a.times)
		say(" and A ran");
	end();
	tasks_reset();
}

static void wrong_before(void)
{
	gdt[SEL_A >> 3] &= ~(1ull << 47);
	wrong("absent", go_call);
	gdt[SEL_A >> 3] |= 1ull << 41;
	wrong("busy", go_call);
	gdt[SEL_A >> 3] |= 1ull << 41;
	wrong("busy, jump", go_jump);
	gdt[SEL_A >> 3] = descriptor((uint32_t)&tss_a, 0x66, ATTR_TSS);
	wrong("short", go_call);
	gdt[SEL_GATE_A >> 3] = task_gate(SEL_LDT, 0);
	wrong("gate to an LDT", go_call_gate);
	gdt[SEL_GATE_A >> 3] = task_gate(0, 0);
	wrong("gate to nothing", go_call_gate);
	gdt[SEL_GATE_A >> 3] = task_gate(0x1000, 0);
	wrong("gate beyond the table", go_call_gate);
	tss_main.link = 0;
	wrong("return to nothing", go_iret);
	tss_main.link = SEL_A;
	wrong("return to an idle task", go_iret);
	tss_main.link = SEL_A | 4;
	wrong("return into the LDT", go_iret);
	tss_main.link = SEL_DATA;
	wrong("return to data", go_iret);
	idt[0] = task_gate(SEL_A, 0);
	gdt[SEL_A >> 3] |= 1ull << 41;
	wrong("a handler that is busy", go_divide);
	idt[6] = task_gate(SEL_A, 0);
	gdt[SEL_A >> 3] |= 1ull << 41;
	wrong("a busy handler of a benign fault", go_undefined);
	idt[0] = 0;
	wrong("no handler: double fault", go_divide);
}

#define WRONG(name, what)                                                                                              \
	do {                                                                                                           \
		what;                                                                                                  \
		wrong(name, go_call);                                                                                  \
	} while (0)
#define ODD(attributes) gdt[SEL_ODD >> 3] = descriptor(0, 0xfffff, attributes)

static void wrong_after(void)
{
	WRONG("ldt beyond the table", tss_a.ldt = 0x1000);
	WRONG("ldt in an ldt", tss_a.ldt = SEL_LDT | 4);
	WRONG("ldt that is none", tss_a.ldt = SEL_DATA);
	WRONG("ldt absent", (tss_a.ldt = SEL_LDT, gdt[SEL_LDT >> 3] &= ~(1ull << 47)));
	WRONG("cs null", tss_a.cs = 0);
	WRONG("cs beyond the table", tss_a.cs = 0x1000);
	WRONG("cs in no ldt", tss_a.cs = 0x0c);
	WRONG("cs data", tss_a.cs = SEL_DATA);
	WRONG("cs of another privilege", tss_a.cs = SEL_USER_CODE & ~3u);
	WRONG("cs absent", (tss_a.cs = SEL_ODD, ODD(ATTR_CODE & ~0x80u)));
	WRONG("ss null", tss_a.ss = 0);
	WRONG("ss beyond the table", tss_a.ss = 0x1000);
	WRONG("ss read-only", (tss_a.ss = SEL_ODD, ODD(0xc91)));
	WRONG("ss of another privilege", tss_a.ss = SEL_USER_DATA);
	WRONG("ss asked by another privilege", tss_a.ss = SEL_DATA | 3);
	WRONG("ss absent", (tss_a.ss = SEL_ODD, ODD(ATTR_DATA & ~0x80u)));
	WRONG("ds beyond the table", tss_a.ds = 0x1000);
	WRONG("ds not readable", (tss_a.ds = SEL_ODD, ODD(0xc99)));
	WRONG("ds system", tss_a.ds = SEL_LDT);
	WRONG("ds asked by less privilege", tss_a.ds = SEL_DATA | 3);
	WRONG("ds absent", (tss_a.ds = SEL_ODD, ODD(ATTR_DATA & ~0x80u)));
	WRONG("es absent", (tss_a.es = SEL_ODD, ODD(ATTR_DATA & ~0x80u)));
	WRONG("fs system", tss_a.fs = SEL_LDT);
	WRONG("gs beyond the table", tss_a.gs = 0x1000);
	WRONG("eip beyond the limit",
		(tss_a.cs = SEL_ODD, gdt[SEL_ODD >> 3] = descriptor(0, 0xfff, ATTR_CODE & ~0x800u)));

	tss_a.ds = SEL_DATA | 3;
	idt[6] = task_gate(SEL_A, 0);
	wrong("after a benign fault", go_undefined);
	tss_a.ds = SEL_DATA | 3;
	idt[0] = task_gate(SEL_A, 0);
	wrong("after a fault: double fault", go_divide);
	tss_a.ds = SEL_DATA | 3;
	idt[0x42] = task_gate(SEL_A, 0);
	wrong("after INT", go_int);
	tss_a.ds = SEL_DATA | 3;
	idt[0x20] = task_gate(SEL_A, 0);
	timer_once();
	wrong("after an interrupt", go_interrupt);
	out8(0x20, 0x20);
	tss_a.cs = SEL_USER_CODE;
	tss_a.ss = tss_a.ds = tss_a.es = tss_a.fs = tss_a.gs = SEL_USER_DATA;
	tss_a.eip = (uint32_t)task_user_int_forbidden;
	idt[0x43] = task_gate(SEL_HANDLER, 0);
	wrong("a gate that is not for users", go_call);
}

/* The state of A in the window, from the offset on. */
static void windowed(uint32_t offset)
{
	uint8_t *to = window_pages + offset;
	const uint8_t *from = (const uint8_t *)&tss_a;

	for (unsigned i = 0; i < sizeof(tss_a); i++)
		to[i] = from[i];
	gdt[SEL_A >> 3] = descriptor(WINDOW + offset, sizeof(tss_a) - 1, ATTR_TSS);
}

static void pages(void)
{
	windowed(0xfc0);
	simple("a state on two pages", go_call);
	windowed(0);
	window_map(0, 0);
	wrong("a state that is not there", go_call);
	windowed(0xfc0);
	window_map(1, 0);
	wrong("half a state that is not there", go_call);
	windowed(0);
	window_map(0, 1);
	wrong("a state that cannot be linked", go_call);
	windowed(0);
	window_map(0, 0);
	idt[0x42] = task_gate(SEL_A, 0);
	wrong("a handler that is not there", go_int);
}

void task_cases(void)
{
	ways_there_and_back();
	other_forms();
	virtual_8086();
	events();
	wrong_before();
	wrong_after();
	if (tasks_paging())
		pages();
}
