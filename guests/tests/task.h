/* SPDX-License-Identifier: Apache-2.0 */
/* guests/tests/task.h: tasks of the test kernel: their descriptors and states, ways to leave the main one, and what was seen meanwhile. */
#ifndef GUESTS_TESTS_TASK_H
#define GUESTS_TESTS_TASK_H

#include <stdint.h>

/* The GDT. */
#define SEL_CODE      0x08u
#define SEL_DATA      0x10u
#define SEL_USER_CODE 0x1bu
#define SEL_USER_DATA 0x23u
#define SEL_MAIN      0x28u
#define SEL_A	      0x30u
#define SEL_B	      0x38u
#define SEL_GATE_A    0x40u /* a task gate to A */
#define SEL_16	      0x48u /* a task of the 16-bit form, */
#define SEL_16_CODE   0x50u /* its code */
#define SEL_16_STACK  0x58u
#define SEL_LDT	      0x60u
#define SEL_V86	      0x68u
#define SEL_HANDLER   0x70u /* answers interrupts */
#define SEL_ODD	      0x78u /* what a case makes of it */
#define SEL_FAULT     0x80u /* six tasks for #DF, #TS, #NP, #SS, #GP and #PF */
#define GDT_ENTRIES   22

#define FLAG_NT 0x4000u
#define FLAG_RF 0x10000u
#define FLAG_VM 0x20000u

struct tss {
	uint32_t link, esp0, ss0, unused[4], cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
};
struct tss16 {
	uint16_t link, unused[6], ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

extern uint64_t gdt[GDT_ENTRIES], idt[256], ldt[4];
extern struct tss tss_main, tss_a, tss_b, tss_v86, tss_handler, tss_fault[6];
extern struct tss16 tss_16;
extern uint8_t stack_16[256];

/* A descriptor: attributes as bits 47:40 and 55:52 in one word. */
uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes);
#define ATTR_CODE   0xc9bu
#define ATTR_DATA   0xc93u
#define ATTR_TSS    0x089u
#define ATTR_TSS_16 0x081u
#define ATTR_LDT    0x082u
uint64_t task_gate(uint32_t selector, uint32_t dpl);
uint64_t interrupt_gate(void (*handler)(void));
/* A state that begins at entry, on its own stack. */
void tss_init(struct tss *tss, void (*entry)(void), uint32_t *stack_top);
struct tss *tss_of(uint32_t selector);

/* Everything as before the first switch, but for the main task, which is the one that runs. */
void tasks_reset(void);
extern uint32_t page_table[1024],
	window_present; /* of the window: linear addresses from WINDOW on, pages of window_pages */
#define WINDOW 0x40000000u
extern uint8_t window_pages[2 * 4096];
void window_map(uint32_t page, uint32_t flags); /* 1 present, 2 writable */
int tasks_paging(void);
uint32_t second_cr3(void);

/* What tasks saw: the state at their start, and the main task as it was saved. */
struct seen {
	uint32_t times, selector, ldt, eflags, cr0, cr3, dr7, link, busy_main, busy_own;
	uint32_t old_eip, old_eflags;
};
extern struct seen seen_a, seen_b, seen_handler;
enum how { HOW_IRET, HOW_JUMP, HOW_CALL_B };
extern enum how how_a, how_b;
/* What the handler does with the task that it interrupted, beside noting it. */
extern uint32_t handler_skips, handler_to_main, handler_eoi, handler_nmis;
/* The last fault: 0 times if there was none. */
struct fault {
	uint32_t times, vector, error, link, eip, eflags, cs, ss, ds, cr2;
};
extern struct fault fault;
/* The single step that a task's T flag makes. */
extern uint32_t debug_times, debug_dr6, debug_eip;
extern uint32_t task16_seen[8], user_seen[4];

/* Entries of tasks. */
void task_a(void);
void task_b(void);
void task_16(void);
void task_user(void);
void task_user_int(void);
void task_user_int_forbidden(void);

/* Ways to leave the main task. Registers hold numbers meanwhile; go_registers is what they hold afterwards. */
extern uint32_t go_at, go_next, go_registers[7];
void go_call(void);
void go_call_memory(void);
void go_call_gate(void);
void go_jump(void);
void go_jump_gate(void);
void go_iret(void);
void go_call_16(void);
void go_call_v86(void);
void go_divide(void);
void go_undefined(void);
void go_int(void); /* 0x42 */
void go_breakpoint(void);
void go_nmi(void);
void go_interrupt(void); /* one from the timer */

/* task_cases.c */
void task_cases(void);

#endif
