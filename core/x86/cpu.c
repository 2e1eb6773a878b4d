/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/cpu.c: sets a processor up for running the core: descriptor tables, control registers, system call entry.
 */
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/paging.h"
#include "core/x86/trap.h"
#include "lib/string.h"

#define GATE_INTERRUPT	0x8eul /* present, interrupt gate */
#define GATE_RING3	0x60ul
#define STUB_BYTES	16
#define XCR0_X87_SSE	0x3ul
#define SYSCALL_CLEARS	(RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC)
#define DESCRIPTOR_TSS	0x89ul
#define DESCRIPTOR_BUSY (2ul << 40)
#define STAR		((uint64_t)(SELECTOR_SYSRET | 3) << 48 | (uint64_t)SELECTOR_CORE_CODE << 32)

struct cpu boot_cpu __attribute__((aligned(64)));
SEALED struct cpu *cpus[CPU_MAX];
SEALED uint32_t cpu_count;

extern char trap_stubs[], syscall_entry[];

/* The interrupt descriptor table, the same for all processors. APM vol. 2, "64-Bit Gate Descriptors". */
SEALED static struct {
	uint64_t low, high;
} idt[256] __attribute__((aligned(PAGE_SIZE)));

void cpu_catch_faults(void)
{
	static const uint8_t ist[256] = {[TRAP_DEBUG] = TSS_IST_DEBUG,
		[TRAP_NMI] = TSS_IST_NMI,
		[TRAP_DOUBLE_FAULT] = TSS_IST_DOUBLE_FAULT,
		[TRAP_MACHINE_CHECK] = TSS_IST_MACHINE_CHECK};
	struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};
	for (uint32_t vector = 0; vector < 256; vector++) {
		uint64_t stub = (uint64_t)trap_stubs + STUB_BYTES * vector, gate = GATE_INTERRUPT;
		if (vector == TRAP_BREAKPOINT || vector == TRAP_OVERFLOW || vector == VECTOR_CALL)
			gate |= GATE_RING3; /* they have instructions of their own */
		idt[vector].low = (stub & 0xffff) | SELECTOR_CORE_CODE << 16 | (uint64_t)ist[vector] << 32 |
				  gate << 40 | (stub & 0xffff0000) << 32;
		idt[vector].high = stub >> 32;
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static void load_tables(struct cpu *cpu)
{
	uint64_t tss = (uint64_t)&cpu->tss, limit = sizeof(cpu->tss) - 1;
	cpu->gdt[SELECTOR_CORE_CODE / 8] = 0x00209b0000000000;
	cpu->gdt[SELECTOR_CORE_DATA / 8] = 0x0000930000000000;
	cpu->gdt[SELECTOR_USER_DATA / 8] = 0x0000f30000000000;
	cpu->gdt[SELECTOR_USER_CODE / 8] = 0x0020fb0000000000;
	cpu->gdt[SELECTOR_TSS / 8] = (limit & 0xffff) | (tss & 0xffffff) << 16 | DESCRIPTOR_TSS << 40 |
				     (limit >> 16 & 0xf) << 48 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;

	cpu->gdt_pointer = (struct table_pointer){sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 "lldt %%ax\n\t"
			 "movl %3, %%eax\n\t"
			 "ltr %%ax"
			 :
			 : "m"(cpu->gdt_pointer), "i"(SELECTOR_CORE_CODE), "i"(SELECTOR_CORE_DATA), "i"(SELECTOR_TSS)
			 : "rax", "memory");
}

static void make_stacks(struct cpu *cpu)
{
	cpu->stack_top = stack_make(cpu);
	for (uint32_t ist = TSS_IST_NMI; ist < TSS_IST_COUNT; ist++)
		cpu->tss.ist[ist] = stack_make(cpu);
	/* Until a thread is current, nothing comes from ring 3; what came all the same would find a stack. */
	cpu->tss.rsp[0] = cpu->stack_top;
	cpu->tss.ioport_offset = TSS_IOPORT_NONE;
	cpu->tss.ioports_end = 0xff;
}

static void control_registers(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	cr4 |= (f->pge ? CR4_PGE : 0) | (f->umip ? CR4_UMIP : 0) | (f->xsave ? CR4_OSXSAVE : 0) |
	       (f->smep ? CR4_SMEP : 0) | (f->smap ? CR4_SMAP : 0);
	msr_write(MSR_PAT, CORE_PAT);
	cr4_write(cr4);
	/* Nobody has the FPU yet: its first use faults. Caches on, writes to read-only pages fault in ring 0, too. */
	cr0_write(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE | CR0_TS);
	if (f->xsave)
		xcr_write(0, XCR0_X87_SSE);
}

static void system_call(struct cpu *cpu)
{
	msr_write(MSR_STAR, STAR);
	msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
	msr_write(MSR_SFMASK, SYSCALL_CLEARS);
	msr_write(MSR_KERNEL_GS_BASE, (uint64_t)cpu);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
}

void cpu_lend(struct cpu *cpu, struct cpu_lent *lent)
{
	cpu_take_back(cpu);
	/* An exit does it, too; an entry that is refused, or that something is due before, has none. */
	msr_write(MSR_EFER, msr_read(MSR_EFER) & ~EFER_SCE);
	msr_write(MSR_STAR, lent->star);
	msr_write(MSR_LSTAR, lent->lstar);
	msr_write(MSR_SFMASK, lent->sfmask);
	msr_write(MSR_KERNEL_GS_BASE, lent->kernel_gs_base);
	cpu->lent = lent;
}

bool cpu_ports_back(struct cpu *cpu)
{
	if (!cpu->tr_short || cpu->tss.ioport_offset == TSS_IOPORT_NONE)
		return false;
	cpu->tr_short = false;
	cpu->gdt[SELECTOR_TSS / 8] &= ~DESCRIPTOR_BUSY;
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
	return true;
}

bool cpu_take_back(struct cpu *cpu)
{
	if (cpu->lent == NULL)
		return false;
	cpu->lent->kernel_gs_base = msr_read(MSR_KERNEL_GS_BASE);
	cpu->lent = NULL;
	system_call(cpu);
	return true;
}

void cpu_init(struct cpu *cpu, uint32_t index)
{
	cpu->index = index;
	cpu->timer_deadline = UINT64_MAX;
	cpus[index] = cpu;
	if (cpu_count <= index)
		cpu_count = index + 1;
	make_stacks(cpu);
	control_registers();
	load_tables(cpu);
	dr7_write(0x400);
	dr6_write(DR6_RESET);
	msr_write(MSR_CSTAR, 0);
	msr_write(MSR_FS_BASE, 0);
	msr_write(MSR_GS_BASE, 0);
	system_call(cpu);
	mce_init();
}

void tss_ioports_set(struct cpu *cpu, const uint8_t *bitmap)
{
	if (bitmap == NULL) {
		cpu->tss.ioport_offset = TSS_IOPORT_NONE;
		return;
	}
	if (cpu->ioports_held != bitmap) {
		memcpy(cpu->tss.ioports, bitmap, TSS_IOPORT_BYTES);
		cpu->ioports_held = bitmap;
	}
	cpu->tss.ioport_offset = offsetof(struct tss, ioports);
}
