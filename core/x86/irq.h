/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/irq.h: vectors and interrupt lines of the host.
 *
 * A line is masked from its delivery until irq_ack(); an edge that comes in between is remembered and delivered by the acknowledgement, so none is
 * lost.
 */
#ifndef CORE_X86_IRQ_H
#define CORE_X86_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_FREE	0x21 /* the first that lines get: VECTOR_CALL is before */
#define VECTOR_TIMER	0xf0
#define VECTOR_WAKE	0xf1 /* between processors: look at your queues */
#define VECTOR_ERROR	0xfe
#define VECTOR_SPURIOUS 0xff

struct cpu;
struct event_source;

/* Called by entry.S for vectors 32 to 255, from ring 3, from the idle loop, or from a window that was opened for it. */
void interrupt_dispatch(struct cpu *cpu, uint32_t vector);

struct irq_mode {
	uint32_t gsi;
	bool level, low; /* or else edge, high */
};
/* How an ISA interrupt arrives: as the bus has it, or as the MADT says. */
struct irq_mode irq_isa_mode(uint32_t isa_irq);

/* Takes a line, whose interrupts signal the source: a number for the calls below, or -GYRE_ENODEV (no I/O APIC has it), -GYRE_EBUSY. It is masked until the first irq_ack(). */
int irq_claim(struct irq_mode mode, struct event_source *source);
void irq_release(int number);
void irq_ack(int number);

void ioapic_init(void);

#endif
