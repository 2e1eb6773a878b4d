/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/hostile.h: what the parts of the hostile guest share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guests/common/cpu.h"
#include "guests/common/idt.h"
#include "guests/common/ports.h"
#include "guests/common/words.h"
#include "guests/hostile/layout.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TRAP_NMI     (1 + 2)

/* ---- device registers ---- */
static inline void mmio_write(uint64_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}
static inline uint32_t mmio_read(uint64_t address)
{
	return *(volatile uint32_t *)address;
}

/* ---- start.S, modes.S ---- */
extern uint32_t attempt(void (*function)(uint64_t), uint64_t argument);
extern uint32_t enter_long(void);
extern uint32_t enter_legacy(void);
extern uint64_t enter_regs[16], enter_frame[5];
extern uint32_t enter_efer, enter_cr0, enter_cr3, enter_cr4, enter_real, enter_data, enter_stack[2];
extern uint64_t home_map[512], home_pointers[512], home_directories[2048], sandbox_map[512];
extern uint64_t gdt[GDT_ENTRIES], idt[512];

/* ---- machine.c ---- */
void console_reset(void);
void tables_load(void);
void descriptors_reset(void);
void memory_set(void *to, int byte, size_t bytes);
void memory_copy(void *to, const void *from, size_t bytes);
void repair_cpu(void);	  /* MSRs, local APIC, FPU, descriptor tables: as they were at the start */
void watchdog_init(void); /* what both use, and off */
void watchdog_on(void);	  /* an NMI in 10 ms; a reset in an eighth of a second */
void watchdog_off(void);

/* ---- the byte code: main.c ---- */
void random_start(uint64_t seed, uint64_t step);
uint64_t random64(void);
static inline uint32_t random32(void)
{
	return (uint32_t)(random64() >> 32);
}
static inline uint32_t below(uint32_t limit)
{
	return (uint32_t)((random64() >> 32) * limit >> 32);
}
uint64_t odd(void);	    /* values at edges, or any */
uint64_t odd_address(void); /* addresses at edges: of RAM, device pages, canonical ones */

/* ---- what is counted ---- */
/* Calls function at home. */
uint32_t try(void (*function)(uint64_t), uint64_t argument);
void count(uint32_t outcome);

/* What a run must not do, because the emulator below would end: words of the command line, "without=breakpoints,cr". */
extern struct without {
	bool breakpoints; /* DR7 enables none; DR6 and DR7 have no upper halves */
	bool cr;  /* no write to CR8, no bits of CR3 beyond the width, no MOV to a control register in random code */
	bool ltr; /* no LTR of a null selector */
	bool sysenter; /* none in random code: in compatibility mode it leaves a CS with both L and D */
	bool tf;       /* no single steps */
} without;

/* Registers that were read and written, in the kept page: bit n of [0] and [1]. Ports have a place of their own: see seen_port(). */
struct windows {
	uint64_t ioapic_page[2]; /* by offset / 16 */
	uint64_t ioapic[2];	 /* behind its window, by index */
	uint64_t cmos[2][2];	 /* [0] is the lower half of each */
	uint64_t apic[2], x2apic[2];
	uint64_t pci_functions, pci_registers;
};
void seen_port(uint32_t port, uint32_t bytes, bool write);
struct windows *windows(void);

/* An operation of the byte code. */
struct op {
	const char *name;
	void (*function)(void);
	uint8_t weight; /* of 256 or so */
	uint8_t flags;
};
#define OP_WATCH 1 /* may not come back: the watchdog is on */
#define OP_CPU	 2 /* leaves the processor in any state */
#define OP_CLOCK 4 /* changes what the watchdogs use */

#define OPS_DEVICE(X)                                                                                                  \
	X(port_in, 20, 0)                                                                                              \
	X(port_out, 20, OP_CLOCK)                                                                                      \
	X(port_string, 8, OP_CLOCK)                                                                                    \
	X(mmio, 20, OP_CLOCK)                                                                                          \
	X(mmio_string, 8, OP_CLOCK)                                                                                    \
	X(mmio_wide, 6, OP_CLOCK | OP_CPU)                                                                             \
	X(pci, 6, 0)                                                                                                   \
	X(cmos, 6, OP_CLOCK)                                                                                           \
	X(ioapic, 8, OP_CLOCK)                                                                                         \
	X(pic, 6, OP_WATCH | OP_CLOCK | OP_CPU)                                                                        \
	X(level, 4, OP_WATCH | OP_CLOCK | OP_CPU)                                                                      \
	X(testdev, 6, 0)
#define OPS_APIC(X)                                                                                                    \
	X(apic, 12, OP_CPU | OP_CLOCK)                                                                                 \
	X(x2apic, 12, OP_CPU)                                                                                          \
	X(ipi, 10, OP_WATCH | OP_CPU)                                                                                  \
	X(timer, 10, OP_WATCH | OP_CPU)                                                                                \
	X(halt, 3, OP_WATCH | OP_CPU)
#define OPS_CPU(X)                                                                                                     \
	X(msr_read, 8, 0)                                                                                              \
	X(msr_write, 12, OP_CPU | OP_WATCH)                                                                            \
	X(cpuid, 6, 0)                                                                                                 \
	X(hypercall, 8, OP_WATCH)                                                                                      \
	X(control, 10, OP_WATCH | OP_CPU)                                                                              \
	X(debug, 6, OP_WATCH | OP_CPU)                                                                                 \
	X(fpu, 8, OP_WATCH | OP_CPU)                                                                                   \
	X(segments, 8, OP_WATCH | OP_CPU)                                                                              \
	X(paging, 10, OP_WATCH | OP_CPU)                                                                               \
	X(reset, 1, OP_WATCH | OP_CPU)
#define OPS_CODE(X)                                                                                                    \
	X(code_ring0, 12, OP_WATCH | OP_CPU)                                                                           \
	X(code_ring3, 12, OP_WATCH | OP_CPU)                                                                           \
	X(code_compat, 8, OP_WATCH | OP_CPU)                                                                           \
	X(code_protected, 10, OP_WATCH | OP_CPU)                                                                       \
	X(code_v86, 6, OP_WATCH | OP_CPU)                                                                              \
	X(code_real, 6, OP_WATCH | OP_CPU)                                                                             \
	X(code_changing, 5, OP_WATCH | OP_CPU)                                                                         \
	X(code_system, 8, OP_WATCH | OP_CPU)
#define OPS(X)				OPS_DEVICE(X) OPS_APIC(X) OPS_CPU(X) OPS_CODE(X)
#define OP_DECLARE(name, weight, flags) void op_##name(void);
OPS(OP_DECLARE)

/* Sweeps come first, one step each: registers by the row, so that none is left to chance. */
void sweep(unsigned step);
extern const unsigned sweep_count;
void sweep_msrs(unsigned part), sweep_cpuid(unsigned part), sweep_apic(unsigned part), sweep_x2apic(unsigned part);
#define MSR_PARTS 10

void code_touch(uint64_t address);

#endif
