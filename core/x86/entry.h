/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/entry.h: the ways into the core and out of it. core/x86/entry.S
 *
 *   SYSCALL                      core_call(cpu, number)          }
 *   SYSCALL vcpu_run             vcpu_run_call(cpu, handle)      }
 *   exception in ring 3          trap_from_user(cpu, regs)       } then core_leave(cpu), then the registers at cpu->regs, and ring 3
 *   interrupt in ring 3          interrupt_dispatch(cpu, vector) }
 *   interrupt in idle, window    interrupt_dispatch(cpu, vector)   then on where it came
 *   exception in ring 0          a guarded access is resumed at its recovery, anything else is a panic
 *   NMI, #MC                     from anywhere, on stacks of their own; nothing but the log is touched
 *
 * Each C function runs on the processor's one stack from its top, with interrupts off, and returns before anything else is let in.
 */
#ifndef CORE_X86_ENTRY_H
#define CORE_X86_ENTRY_H

#include "core/x86/cpu.h"
#include "core/x86/regs.h"

/* Others' functions that the entry code calls. Number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; the results are written to regs. */
void core_call(struct cpu *cpu, uint64_t number); /* core/obj/call.c */
void trap_from_user(struct cpu *cpu,
	struct regs *regs);	  /* core/sched: regs->trap is a vector below 32; #PF: cr2_read() still holds */
void core_leave(struct cpu *cpu); /* core/sched: cpu->regs is what to resume, a process's page tables are loaded */

/* Leaves for ring 3 for the first time, or from a place from which there is no return. Runs core_leave first, on an empty stack. */
_Noreturn void core_enter(struct cpu *cpu);
/* The same without core_leave, for who has seen that it has nothing to do. */
static inline __attribute__((always_inline)) _Noreturn void core_resume(
	struct cpu *cpu, uint64_t result) /* of vcpu_run */
{
#ifndef GYRE_UNIT_TEST
	/* A jump: the compiler would make a frame for a call. */
	__asm__ volatile("jmp core_resume" : : "D"(cpu), "S"(result) : "memory");
#endif
	__builtin_unreachable();
}

/* For the idle loop: until an interrupt has been dispatched. Interrupts are off again afterwards. */
static inline void cpu_idle_wait(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Lets in what is pending. */
static inline void cpu_interrupt_window(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

#endif
