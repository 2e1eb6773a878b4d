/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/irq.h: vectors and interrupt lines of the host.
 *
 * A vector has one handler, which runs with interrupts off. A line (GSI) is masked from its delivery until irq_gsi_ack(); an edge that comes in between
 * is remembered and delivered by the acknowledgement, so none is lost.
 */
#ifndef CORE_X86_IRQ_H
#define CORE_X86_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_PIC	0x20 /* 16 vectors on which a masked PIC may still report a spurious interrupt */
#define VECTOR_FREE	0x30 /* the first that lines get */
#define VECTOR_TIMER	0xf0
#define VECTOR_WAKE	0xf1 /* between processors: look at your queues */
#define VECTOR_ERROR	0xfe
#define VECTOR_SPURIOUS 0xff

struct cpu;
typedef void (*irq_handler)(struct cpu *cpu, uint32_t vector, void *context);

/* Called by entry.S for vectors 32 to 255, from ring 3, from the idle loop, or from a window that was opened for it. */
void interrupt_dispatch(struct cpu *cpu, uint32_t vector);

/* Gives a fixed vector (VECTOR_TIMER, VECTOR_WAKE) its handler. */
void irq_vector_set(uint32_t vector, irq_handler handler, void *context);

enum irq_trigger { IRQ_EDGE, IRQ_LEVEL };
enum irq_polarity { IRQ_ACTIVE_HIGH, IRQ_ACTIVE_LOW };

/*
 * Takes a line: 0, or -1 where no I/O APIC has it, somebody has taken it, or vectors ran out. It is masked until the first irq_gsi_ack(). Lines below
 * 16 start with the trigger and polarity of the bus they belong to (ISA, or the MADT's override), others level and low; irq_gsi_mode() changes that.
 */
int irq_gsi_claim(uint32_t gsi, irq_handler handler, void *context);
void irq_gsi_release(uint32_t gsi);
void irq_gsi_mode(uint32_t gsi, enum irq_trigger trigger, enum irq_polarity polarity);
void irq_gsi_ack(uint32_t gsi);
bool irq_gsi_exists(uint32_t gsi);
uint32_t irq_isa_gsi(uint32_t isa_irq); /* where an ISA interrupt arrives */

/*
 * The PICs first, before lapic_init() closes the way by which their interrupts come: one that waits there would be announced for ever, and never taken.
 */
void pic_init(void);

void ioapic_init(void);

#endif
