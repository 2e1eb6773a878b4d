/* SPDX-License-Identifier: Apache-2.0 */
/* guests/bench/start.h: what start.S gives, and what it calls. */
#ifndef GUESTS_BENCH_START_H
#define GUESTS_BENCH_START_H

#include <stdint.h>
#include "guests/common/idt.h"

/* The guest's own; multiboot is the address of Multiboot's information. */
void bench_main(uint32_t multiboot);
void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1);

/* Handlers that do their EOI and count, one that does nothing, and one of EXCEPTION_STUB bytes for each exception, which calls bench_exception(). */
extern uint8_t interrupt_x2apic[], interrupt_xapic[], interrupt_ignored[], exception_stubs[];
extern uint64_t interrupts_seen;
#define EXCEPTION_STUB 32
#define EXCEPTIONS     32

static inline void exceptions_to_stubs(struct gate idt[EXCEPTIONS])
{
	for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
		idt[vector] = gate_to(exception_stubs + EXCEPTION_STUB * vector, GATE_INTERRUPT, 0);
}

/* Multiboot's command line. */
static inline const char *start_line(uint32_t multiboot)
{
	const uint32_t *information = (const uint32_t *)(uintptr_t)multiboot;

	return information[0] & 4 ? (const char *)(uintptr_t)information[4] : "";
}

#endif
