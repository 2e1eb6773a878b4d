/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/irq.c: see irq.h. Intel 82093AA (I/O APIC) data sheet. Lines go to the boot processor, physical and fixed.
 */
#include "core/x86/irq.h"
#include "core/obj/event.h"
#include "core/sched/deadline.h"
#include "core/sched/sched.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/io.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "core/x86/spinlock.h"
#include "gyre/errors.h"

#define LINES	    (VECTOR_TIMER - VECTOR_FREE)
#define IOAPICS_MAX 16

#define REGISTER_SELECT	 0x00
#define REGISTER_WINDOW	 0x10
#define REGISTER_VERSION 0x01
#define REGISTER_PIN(n)	 (0x10 + 2 * (n))
#define PIN_LOW		 0x2000
#define PIN_LEVEL	 0x8000
#define PIN_MASKED	 0x10000
#define PINS_MAX	 240

/* Of lines and I/O APICs: an access to one of those is two. */
static struct spinlock lock;

/* ---- I/O APICs ---- */

SEALED static struct ioapic {
	volatile uint8_t *page;
	uint32_t gsi_base, pins;
} ioapics[IOAPICS_MAX];
SEALED static uint32_t ioapic_count;

static uint32_t reg_read(const struct ioapic *ioapic, uint32_t reg)
{
	mmio_write32(ioapic->page + REGISTER_SELECT, reg);
	return mmio_read32(ioapic->page + REGISTER_WINDOW);
}

static void reg_write(const struct ioapic *ioapic, uint32_t reg, uint32_t value)
{
	mmio_write32(ioapic->page + REGISTER_SELECT, reg);
	mmio_write32(ioapic->page + REGISTER_WINDOW, value);
}

/* The first I/O APIC that has one of these lines, or NULL. */
static const struct ioapic *ioapic_of(uint32_t gsi, uint32_t count)
{
	for (uint32_t i = 0; i < ioapic_count; i++)
		if (gsi < ioapics[i].gsi_base + ioapics[i].pins && ioapics[i].gsi_base < gsi + count)
			return &ioapics[i];
	return NULL;
}

static void ioapic_add(const struct madt_entry *entry)
{
	struct ioapic *ioapic = &ioapics[ioapic_count];
	if (ioapic_count == IOAPICS_MAX)
		return;
	ioapic->page = mmio_map(hpa(entry->ioapic.address), PAGE_SIZE, MEMORY_UNCACHED);
	ioapic->gsi_base = entry->ioapic.gsi_base;
	uint32_t version = ioapic->page ? reg_read(ioapic, REGISTER_VERSION) : UINT32_MAX;
	ioapic->pins = (version >> 16 & 0xff) + 1;
	if (ioapic->pins > PINS_MAX || ioapic->gsi_base > UINT32_MAX - PINS_MAX ||
		ioapic_of(ioapic->gsi_base, ioapic->pins) != NULL) {
		log_warn("I/O APIC %u at 0x%x: version 0x%x, first line %u; left out", entry->ioapic.id,
			entry->ioapic.address, version, ioapic->gsi_base);
		return;
	}
	for (uint32_t pin = 0; pin < ioapic->pins; pin++)
		reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED);
	ioapic_count++;
}

void ioapic_init(void)
{
	for (const struct madt_entry *entry = madt_next(NULL); entry != NULL; entry = madt_next(entry))
		if (entry->type == MADT_IOAPIC)
			ioapic_add(entry);
	if (ioapic_count == 0)
		log_warn("no I/O APIC: devices' interrupt lines cannot be used");
}

/* ---- lines ---- */

/* By the vector that each has: its number, and VECTOR_FREE. */
static struct line {
	struct event_source *source; /* NULL: free */
	uint32_t gsi;
	uint32_t pin;	     /* as its pin's register has it, but for the mask */
	bool unacknowledged; /* masked, or an edge line whose further edges are only remembered */
	bool again;	     /* an edge came meanwhile */
} lines[LINES];

static void line_mask(const struct line *line, bool masked)
{
	const struct ioapic *ioapic = ioapic_of(line->gsi, 1);
	uint32_t reg = REGISTER_PIN(line->gsi - ioapic->gsi_base);
	reg_write(ioapic, reg + 1, boot_cpu.apic_id << 24);
	reg_write(ioapic, reg, line->pin | (masked ? PIN_MASKED : 0));
}

static void line_interrupt(struct cpu *cpu, struct line *line)
{
	spin_lock(&lock);
	bool first = !line->unacknowledged;
	struct event_source *source = first ? line->source : NULL;
	if (line->source != NULL) {
		/* The second edge, too: a line that flaps must not hold the machine up. */
		if ((line->pin & PIN_LEVEL) || !first)
			line_mask(line, true);
		line->again = !first;
		line->unacknowledged = true;
	}
	spin_unlock(&lock);
	if (source)
		event_source_signal(cpu, source);
}

void interrupt_dispatch(struct cpu *cpu, uint32_t vector)
{
	if (vector == VECTOR_SPURIOUS)
		return; /* takes no EOI. SDM vol. 3, "Spurious Interrupt" */
	if (vector == VECTOR_TIMER)
		deadline_interrupt(cpu);
	else if (vector == VECTOR_WAKE)
		hazard_set(cpu, HAZARD_RESCHEDULE);
	else if (vector - VECTOR_FREE < LINES)
		line_interrupt(cpu, &lines[vector - VECTOR_FREE]);
	lapic_write(APIC_EOI, 0);
}

struct irq_mode irq_isa_mode(uint32_t isa_irq)
{
	struct irq_mode mode = {.gsi = isa_irq}; /* edge and high */
	for (const struct madt_entry *entry = madt_next(NULL); entry != NULL; entry = madt_next(entry))
		if (entry->type == MADT_OVERRIDE && entry->override.bus == 0 && entry->override.irq == isa_irq)
			mode = (struct irq_mode){entry->override.gsi, MADT_IS_LEVEL(entry->override.flags),
				MADT_IS_LOW(entry->override.flags)};
	return mode;
}

int irq_claim(struct irq_mode mode, struct event_source *source)
{
	int number = -GYRE_EBUSY;
	bool taken = false;
	if (ioapic_of(mode.gsi, 1) == NULL)
		return -GYRE_ENODEV;
	spin_lock(&lock);
	for (int i = 0; i < LINES; i++) {
		if (lines[i].source == NULL)
			number = i;
		else
			taken |= lines[i].gsi == mode.gsi;
	}
	if (!taken && number >= 0) {
		uint32_t pin = VECTOR_FREE + (uint32_t)number;
		pin |= (mode.level ? PIN_LEVEL : 0) | (mode.low ? PIN_LOW : 0);
		lines[number] = (struct line){source, mode.gsi, pin, .unacknowledged = true};
		line_mask(&lines[number], true);
	}
	spin_unlock(&lock);
	return taken ? -GYRE_EBUSY : number;
}

void irq_release(int number)
{
	spin_lock(&lock);
	line_mask(&lines[number], true);
	lines[number].source = NULL;
	spin_unlock(&lock);
}

void irq_ack(int number)
{
	struct line *line = &lines[number];
	struct event_source *source = NULL;
	spin_lock(&lock);
	if (line->unacknowledged) {
		if (line->again)
			source = line->source; /* stays unacknowledged */
		line->unacknowledged = line->again;
		line->again = false;
		line_mask(line, false);
	}
	spin_unlock(&lock);
	if (source)
		event_source_signal(cpu_current(), source);
}
