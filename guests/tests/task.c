/* SPDX-License-Identifier: Apache-2.0 */
/* guests/tests/task.c: tasks, their tables, paging, and what they do when they run: note what they find, and go back. */
#include "guests/tests/task.h"
#include "guests/tests/kernel.h"

#define CR0_PG	 0x80000000u
#define CR0_WP	 0x10000u
#define CR4_PSE	 0x10u
#define CR4_PAE	 0x20u
#define APIC	 0xfee00000u
#define APIC_ICR 0xfee00300u

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(8))), idt[256] __attribute__((aligned(8))), ldt[4];
struct tss tss_main, tss_a, tss_b, tss_v86, tss_handler, tss_fault[6];
struct tss16 tss_16;
uint8_t stack_16[256];
static uint32_t stacks[10][512];
struct seen seen_a, seen_b, seen_handler;
enum how how_a, how_b;
uint32_t handler_skips, handler_to_main, handler_eoi, handler_nmis;
struct fault fault;
uint32_t debug_times, debug_dr6, debug_eip, task16_seen[8], user_seen[4];
uint32_t go_at, go_next, go_registers[7];
uint8_t window_pages[2 * 4096] __attribute__((aligned(4096)));
uint32_t page_table[1024] __attribute__((aligned(4096)));
static uint64_t pae_table[512] __attribute__((aligned(4096)));
/* Two sets of the upper tables, so that a task can have its own. */
static uint32_t directory[2][1024] __attribute__((aligned(4096)));
static uint64_t pae_directory[2][4][512] __attribute__((aligned(4096)));
static uint64_t pae_top[2][4] __attribute__((aligned(32)));
static int paging;

uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
	       (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attributes >> 8 & 15) << 52 |
	       (uint64_t)(base >> 24) << 56;
}

uint64_t task_gate(uint32_t selector, uint32_t dpl)
{
	return (uint64_t)selector << 16 | (uint64_t)(0x85 | dpl << 5) << 40;
}

uint64_t interrupt_gate(void (*handler)(void))
{
	uint32_t address = (uint32_t)handler;
	return (address & 0xffff) | SEL_CODE << 16 | (uint64_t)0x8e << 40 | (uint64_t)(address >> 16) << 48;
}

void tss_init(struct tss *tss, void (*entry)(void), uint32_t *stack_top)
{
	*tss = (struct tss){.esp0 = (uint32_t)stack_top,
		.ss0 = SEL_DATA,
		.cr3 = paging ? second_cr3() : 0,
		.eip = (uint32_t)entry,
		.eflags = 2,
		.eax = 0xa0a0a0a0,
		.esp = (uint32_t)stack_top,
		.es = SEL_DATA,
		.cs = SEL_CODE,
		.ss = SEL_DATA,
		.ds = SEL_DATA,
		.fs = SEL_DATA,
		.gs = SEL_DATA,
		.iomap = sizeof(struct tss)};
}

struct tss *tss_of(uint32_t selector)
{
	switch (selector & 0xfff8) {
	case SEL_MAIN: return &tss_main;
	case SEL_A: return &tss_a;
	case SEL_B: return &tss_b;
	case SEL_V86: return &tss_v86;
	default: return &tss_handler;
	}
}

static uint32_t busy(uint32_t selector)
{
	return (uint32_t)(gdt[selector >> 3] >> 41) & 1;
}

static uint32_t link_of(const struct tss *tss)
{
	return tss->link & 0xffff;
}

/* ---- what runs in tasks ---- */

static void note(struct seen *seen, const struct tss *own)
{
	uint32_t selector = 0, own_ldt = 0, flags, cr0, cr3, dr7;

	__asm__ volatile("pushfl; popl %0" : "=r"(flags));
	__asm__ volatile("str %w0; sldt %w1" : "+r"(selector), "+r"(own_ldt));
	__asm__ volatile("movl %%cr0, %0; movl %%cr3, %1; movl %%dr7, %2" : "=r"(cr0), "=r"(cr3), "=r"(dr7));
	*seen = (struct seen){seen->times + 1, selector, own_ldt, flags, cr0, cr3, dr7, link_of(own), busy(SEL_MAIN),
		busy(selector), tss_main.eip, tss_main.eflags};
}

void task_a_runs(void);
void task_a_runs(void)
{
	note(&seen_a, &tss_a);
	if (how_a == HOW_JUMP)
		__asm__ volatile("ljmp $0x28, $0");
	else if (how_a == HOW_CALL_B)
		__asm__ volatile("lcall $0x38, $0");
}

void task_b_runs(void);
void task_b_runs(void)
{
	note(&seen_b, &tss_b);
	if (how_b == HOW_JUMP)
		__asm__ volatile("ljmp $0x28, $0");
}

/* Sets the interrupted task right, by its state. */
void handler_runs(void);
void handler_runs(void)
{
	struct tss *interrupted = tss_of(link_of(&tss_handler));

	note(&seen_handler, &tss_handler);
	seen_handler.old_eip = interrupted->eip;
	seen_handler.old_eflags = interrupted->eflags;
	interrupted->eip += handler_skips;
	if (handler_eoi)
		out8(0x20, 0x20);
	if (handler_to_main)
		tss_handler.link = SEL_MAIN;
	if (handler_nmis) {
		handler_nmis--;
		*(volatile uint32_t *)APIC_ICR = 0x4400; /* to itself: it waits until the task has returned */
	}
}

/* A fault's task is entered by a gate: its link says in which task the fault was. Only the main one goes on after it. */
void fault_runs(uint32_t vector, uint32_t error);
void fault_runs(uint32_t vector, uint32_t error)
{
	struct tss *own = &tss_fault[vector == 8 ? 0 : vector - 9];
	uint32_t link = link_of(own), cr2;
	struct tss *from = tss_of(link);

	__asm__ volatile("movl %%cr2, %0" : "=r"(cr2));
	fault = (struct fault){fault.times + 1, vector, error, link, from->eip, from->eflags, from->cs & 0xffff,
		from->ss & 0xffff, from->ds & 0xffff, cr2};
	if (link == SEL_MAIN)
		tss_main.eip = go_next;
	tss_main.eflags &= ~FLAG_NT;
	own->link = SEL_MAIN;
}

void debug_runs(uint32_t eip);
void debug_runs(uint32_t eip)
{
	__asm__ volatile("movl %%dr6, %0; movl %1, %%dr6" : "=&r"(debug_dr6) : "r"(0xffff0ff0));
	debug_times++;
	debug_eip = eip;
}

void debug_entry(void);
#define FAULT_TASK(name, vector)                                                                                       \
	void name(void);                                                                                               \
	__asm__(".globl " #name "\n" #name ":\n"                                                                       \
		"	pushl $" #vector "\n"                                                                          \
		"	call fault_runs\n"                                                                                   \
		"	addl $8, %esp\n"                                                                                     \
		"	iret\n"                                                                                              \
		"	jmp " #name);
FAULT_TASK(fault_8, 8)
FAULT_TASK(fault_10, 10)
FAULT_TASK(fault_11, 11)
FAULT_TASK(fault_12, 12)
FAULT_TASK(fault_13, 13)
FAULT_TASK(fault_14, 14)
void task_handler(void);
/* A task that returns by IRET is found behind it when it runs again. */
__asm__("	.globl task_a, task_b, task_16, task_user, task_user_int, task_user_int_forbidden\n"
	"task_a:	call task_a_runs\n"
	"	iret\n"
	"	jmp task_a\n"
	"task_b:	call task_b_runs\n"
	"	iret\n"
	"	jmp task_b\n"
	"task_handler:	call handler_runs\n"
	"	iret\n"
	"	jmp task_handler\n"
	/* Its code segment begins here, and its stack pointer has 16 bits. */
	"	.balign 16\n"
	"task_16:	pushfl\n"
	"	popl task16_seen\n"
	"	movl %esp, task16_seen+4\n"
	"	movl %eax, task16_seen+8\n"
	"	movl %edi, task16_seen+12\n"
	"	str task16_seen+16\n"
	"	movw %fs, task16_seen+20\n"
	"	movw %es, task16_seen+24\n"
	"	iret\n"
	"task_user:	movw %cs, user_seen\n"
	"	movw %ss, user_seen+4\n"
	"	pushfl\n"
	"	popl user_seen+8\n"
	"	iret\n"
	"	jmp task_user\n"
	"task_user_int:	int $0x42\n"
	"	jmp task_user\n"
	"task_user_int_forbidden: int $0x43\n"
	"	jmp task_user\n"
	"debug_entry:	pushal\n"
	"	pushl 32(%esp)\n"
	"	call debug_runs\n"
	"	addl $4, %esp\n"
	"	popal\n"
	"	iret\n");

/* ---- ways to leave the main task ---- */

#define GO(name, before, instruction)                                                                                  \
	__asm__(".globl " #name "\n" #name ":	pushal\n"                                                                \
		"	movl $1f, go_at\n"                                                                                   \
		"	movl $2f, go_next\n" before "	movl $0x1a1a1a1a, %eax\n"                                        \
		"	movl $0x2c2c2c2c, %ecx\n"                                                                            \
		"	movl $0x3d3d3d3d, %edx\n"                                                                            \
		"	movl $0x4b4b4b4b, %ebx\n"                                                                            \
		"	movl $0x5e5e5e5e, %ebp\n"                                                                            \
		"	movl $0x6a6a6a6a, %esi\n"                                                                            \
		"	movl $0x7d7d7d7d, %edi\n"                                                                            \
		"1:	" instruction "\n"                                                                             \
		"2:	movl %eax, go_registers\n"                                                                         \
		"	movl %ecx, go_registers+4\n"                                                                         \
		"	movl %edx, go_registers+8\n"                                                                         \
		"	movl %ebx, go_registers+12\n"                                                                        \
		"	movl %ebp, go_registers+16\n"                                                                        \
		"	movl %esi, go_registers+20\n"                                                                        \
		"	movl %edi, go_registers+24\n"                                                                        \
		"	cli\n"                                                                                               \
		"	cld\n"                                                                                               \
		"	popal\n"                                                                                             \
		"	ret");
const struct {
	uint32_t offset;
	uint16_t selector;
} far_to_a = {0x12345678, SEL_A};
GO(go_call, "", "lcall $0x30, $0x55")
GO(go_call_memory, "", "lcall *%cs:far_to_a")
GO(go_call_gate, "", "lcall $0x40, $0")
GO(go_jump, "", "ljmp $0x30, $0")
GO(go_jump_gate, "", "ljmp $0x40, $0")
GO(go_iret, "	pushfl\n	orl $0x4000, (%esp)\n	popfl\n", "iret")
GO(go_call_16, "", "lcall $0x48, $0")
GO(go_call_v86, "", "lcall $0x68, $0")
GO(go_divide, "", "divb %ah")
GO(go_undefined, "", "ud2")
GO(go_int, "", "int $0x42")
GO(go_breakpoint, "", "int3")
GO(go_nmi, "", "movl $0x4400, 0xfee00300")
GO(go_interrupt, "", "sti; hlt") /* side by side: the interrupt may have come already */

/* ---- tables ---- */

int tasks_paging(void)
{
	return paging;
}

uint32_t second_cr3(void)
{
	return paging == 2 ? (uint32_t)pae_top[1] : (uint32_t)directory[1];
}

void window_map(uint32_t page, uint32_t flags)
{
	uint32_t address = (uint32_t)window_pages + page * 4096;

	page_table[page] = address | flags;
	pae_table[page] = address | flags;
	__asm__ volatile("invlpg (%0)" : : "r"(WINDOW + page * 4096) : "memory");
}

/* 16 MiB as they are, the local APIC, the window, and all of it for ring 3 too. */
static void make_tables(void)
{
	for (uint32_t i = 0; i < 4; i++)
		directory[0][i] = i << 22 | 0x87;
	directory[0][WINDOW >> 22] = (uint32_t)page_table | 7;
	directory[0][APIC >> 22] = (APIC & 0xffc00000) | 0x93;
	for (uint32_t i = 0; i < 8; i++)
		pae_directory[0][0][i] = i << 21 | 0x87;
	pae_directory[0][1][0] = (uint32_t)pae_table | 7;
	pae_directory[0][APIC >> 30][APIC >> 21 & 511] = (APIC & 0xffe00000) | 0x93;
	for (uint32_t i = 0; i < 2048; i++) {
		directory[1][i & 1023] = directory[0][i & 1023];
		pae_directory[1][i >> 9][i & 511] = pae_directory[0][i >> 9][i & 511];
	}
	for (uint32_t i = 0; i < 8; i++)
		pae_top[i >> 2][i & 3] = (uint32_t)pae_directory[i >> 2][i & 3] | 1;
}

static void start_paging(void)
{
	uint32_t cr0, cr3 = paging == 2 ? (uint32_t)pae_top[0] : (uint32_t)directory[0];

	make_tables();
	window_map(0, 3);
	window_map(1, 3);
	__asm__ volatile("movl %%cr4, %0; orl %1, %0; movl %0, %%cr4"
			 : "=&r"(cr0)
			 : "r"(paging == 2 ? CR4_PAE : CR4_PSE));
	__asm__ volatile("movl %0, %%cr3" : : "r"(cr3));
	__asm__ volatile("movl %%cr0, %0; orl %1, %0; movl %0, %%cr0" : "=&r"(cr0) : "r"(CR0_PG | CR0_WP));
	tss_main.cr3 = cr3;
}

static uint64_t tss_descriptor(const struct tss *tss)
{
	return descriptor((uint32_t)tss, sizeof(*tss) - 1, ATTR_TSS);
}

void tasks_reset(void)
{
	static void (*const faults[6])(void) = {fault_8, fault_10, fault_11, fault_12, fault_13, fault_14};

	gdt[SEL_A >> 3] = tss_descriptor(&tss_a);
	gdt[SEL_B >> 3] = tss_descriptor(&tss_b);
	gdt[SEL_GATE_A >> 3] = task_gate(SEL_A, 0);
	gdt[SEL_16 >> 3] = descriptor((uint32_t)&tss_16, sizeof(tss_16) - 1, ATTR_TSS_16);
	gdt[SEL_16_CODE >> 3] = descriptor((uint32_t)task_16, 0xffff, 0x49a);
	gdt[SEL_16_STACK >> 3] = descriptor((uint32_t)stack_16, 0xffff, 0x092);
	gdt[SEL_LDT >> 3] = descriptor((uint32_t)ldt, sizeof(ldt) - 1, ATTR_LDT);
	gdt[SEL_V86 >> 3] = tss_descriptor(&tss_v86);
	gdt[SEL_HANDLER >> 3] = tss_descriptor(&tss_handler);
	gdt[SEL_ODD >> 3] = 0;
	tss_init(&tss_a, task_a, stacks[1]);
	tss_init(&tss_b, task_b, stacks[2]);
	tss_init(&tss_handler, task_handler, stacks[3]);
	for (uint32_t i = 0; i < 6; i++) {
		gdt[(SEL_FAULT >> 3) + i] = tss_descriptor(&tss_fault[i]);
		tss_init(&tss_fault[i], faults[i], stacks[4 + i]);
		idt[i == 0 ? 8 : 9 + i] = task_gate(SEL_FAULT + 8 * i, 0);
	}
	idt[1] = interrupt_gate(debug_entry);
	idt[0] = idt[2] = idt[3] = idt[6] = idt[0x20] = idt[0x42] = idt[0x43] = 0;
	seen_a = seen_b = seen_handler = (struct seen){0};
	how_a = how_b = HOW_IRET;
	handler_skips = handler_to_main = handler_eoi = handler_nmis = 0;
	fault.times = debug_times = 0;
	if (paging) {
		window_map(0, 3);
		window_map(1, 3);
	}
}

static void load_tables(void)
{
	const struct {
		uint16_t limit;
		const void *base;
	} __attribute__((packed)) g = {sizeof(gdt) - 1, gdt}, i = {sizeof(idt) - 1, idt};

	gdt[1] = descriptor(0, 0xfffff, ATTR_CODE);
	gdt[2] = descriptor(0, 0xfffff, ATTR_DATA);
	gdt[3] = descriptor(0, 0xfffff, ATTR_CODE | 0x60);
	gdt[4] = descriptor(0, 0xfffff, ATTR_DATA | 0x60);
	gdt[5] = tss_descriptor(&tss_main);
	__asm__ volatile("lgdt %0; lidt %1\n"
			 "	ljmp $0x08, $1f\n"
			 "1:	movw %w2, %%ds; movw %w2, %%es; movw %w2, %%fs; movw %w2, %%gs; movw %w2, %%ss\n"
			 "	lldt %w3\n"
			 "	ltr %w4"
			 :
			 : "m"(g), "m"(i), "r"(SEL_DATA), "r"(0), "r"(SEL_MAIN)
			 : "memory");
}

void task_tests(int kind)
{
	paging = kind;
	tss_main.iomap = sizeof(tss_main);
	tasks_reset();
	load_tables();
	if (paging)
		start_paging();
	task_cases();
	say("tasks: done\n");
}
