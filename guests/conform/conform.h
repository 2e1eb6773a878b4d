/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/conform/conform.h: what the groups of checks share. A check is a sentence of a manual and what the processor did; each says PASS, FAIL or SKIP in a
 * line of its own, as kvm-unit-tests do, and the last line sums up.
 */
#ifndef GUESTS_CONFORM_CONFORM_H
#define GUESTS_CONFORM_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guests/common/cpu.h"
#include "guests/common/idt.h"
#include "guests/common/ports.h"
#include "guests/conform/layout.h"

enum vector { DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, MC, XM, NONE = 256 };

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* What came of an attempt. */
struct outcome {
	uint32_t vector; /* NONE: it returned, with value */
	uint32_t error;
	uint64_t rip, cs, rflags, rsp, ss, cr2, dr6, value;
};

typedef uint64_t attempt_function(uint64_t argument);

struct tss64 {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, map;
	uint8_t bits[0x100 / 8 * 3 + 1];
} __attribute__((packed));

/* ---- main.c ---- */
extern struct outcome outcome;
extern struct gate idt[IDT_VECTORS];
extern struct tss64 tss;
extern uint64_t gdt[GDT_ENTRIES], user_code, syscall_seen[8];
extern uint64_t window_pointers[512], window_directory[512], window_table[512];
extern const char *command_line;
extern uint8_t syscall_entry[], user_return[], user_return32[], user_stack_top[];
extern bool is_amd;
extern bool on_tcg;  /* on QEMU, with nothing between */
extern bool lenient; /* a processor of QEMU's: what it should refuse it takes, and goes wrong */
/* An interrupt's or a trap's: true, if it is dealt with. */
extern bool (*on_trap)(struct frame *frame);

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void group(const char *name);
/* The manual's sentence, then what was seen. */
bool check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void attempt(attempt_function *what, uint64_t argument);
void attempt_user(attempt_function *what, uint64_t argument, uint64_t flags);
/* error: -1 where it does not matter. */
void expect(const char *rule, attempt_function *what, uint64_t argument, uint32_t vector, int64_t error);
void expect_user(const char *rule, attempt_function *what, uint64_t argument, uint32_t vector, int64_t error);
/* Writes DR6 as it was at the last exception. */
void gate_set(unsigned vector, uint8_t type, uint8_t ist);
/* The page at WINDOW + 4096 * index. */
void window_map(unsigned index, uint64_t entry);
bool option(const char *word);

/* ---- the groups ---- */
void exceptions(void);
void model_specific(void);
void control_registers(void);
void segments(void);
void protection(void);
void debugging(void);
void system_calls(void);
void time_stamps(void);
void extended_state(void);
void local_apic(void);
void io_apic(void);
void devices(void);
void events(void);
bool has_test_device(void);

/* ---- code to be tried: what assembly leaves in RAX is the value; the argument is RDI ---- */
#define CODE(text)                                                                                                     \
	{                                                                                                              \
		uint64_t value = 0;                                                                                    \
		__asm__ volatile(text                                                                                  \
				 : "+a"(value), "+D"(argument)                                                         \
				 :                                                                                     \
				 : "rcx", "rdx", "rbx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");              \
		return value;                                                                                          \
	}
#define KERNEL(name, text) static __attribute__((noinline)) uint64_t name(uint64_t argument) CODE(text)
#define USER(name, text)   static __attribute__((noinline, section(".utext"))) uint64_t name(uint64_t argument) CODE(text)

/* Bit of a register (0 EAX to 3 EDX) of a leaf that may not be there. */
static inline bool has(uint32_t leaf, unsigned reg, unsigned bit)
{
	uint32_t out[4];
	cpuid(leaf & 0x80000000, 0, out);
	if (out[0] < leaf)
		return false;
	cpuid(leaf, 0, out);
	return out[reg] >> bit & 1;
}
static inline uint64_t tsc(void)
{
	__asm__ volatile("lfence" : : : "memory");
	return rdtsc();
}

#endif
