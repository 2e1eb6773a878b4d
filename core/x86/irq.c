/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/irq.c: see irq.h.
 */
#include "core/x86/irq.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/io.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/spinlock.h"

#define LINES_MAX   256
#define PIC_MASTER  0x20
#define PIC_SLAVE   0xa0
#define PIC_INIT    0x11 /* ICW1: a fourth word follows */
#define PIC_CASCADE 2
#define PIC_8086    0x01

static struct vector {
	irq_handler handler;
	void *context;
	bool taken;
} vectors[256];

static struct line {
	irq_handler handler; /* NULL: free */
	void *context;
	uint32_t vector;
	enum irq_trigger trigger;
	enum irq_polarity polarity;
	bool unacknowledged; /* masked, or an edge line whose further edges are only remembered */
	bool again;	     /* an edge came meanwhile */
} lines[LINES_MAX];

static struct spinlock lock = SPINLOCK_INIT;
static uint64_t stray_count; /* interrupts that nobody had asked for */

void interrupt_dispatch(struct cpu *cpu, uint32_t vector)
{
	if (vector == VECTOR_SPURIOUS)
		return; /* takes no EOI. SDM vol. 3, "Spurious Interrupt" */
	struct vector *entry = &vectors[vector];
	irq_handler handler = __atomic_load_n(&entry->handler, __ATOMIC_ACQUIRE);
	if (handler)
		handler(cpu, vector, entry->context);
	else
		__atomic_fetch_add(&stray_count, 1, __ATOMIC_RELAXED);
	/* The PICs are masked, so what comes on their vectors is spurious, too, and not from the local APIC. */
	if (vector >= VECTOR_FREE)
		lapic_eoi();
}

void irq_vector_set(uint32_t vector, irq_handler handler, void *context)
{
	CORE_ASSERT(vector >= VECTOR_PIC && vector <= VECTOR_SPURIOUS);
	vectors[vector].context = context;
	vectors[vector].taken = true;
	__atomic_store_n(&vectors[vector].handler, handler, __ATOMIC_RELEASE);
}

int irq_vector_alloc(irq_handler handler, void *context)
{
	int found = -1;
	spin_lock(&lock);
	for (uint32_t vector = VECTOR_FREE; vector < VECTOR_TIMER && found < 0; vector++) {
		if (vectors[vector].taken)
			continue;
		irq_vector_set(vector, handler, context);
		found = (int)vector;
	}
	spin_unlock(&lock);
	return found;
}

void irq_vector_free(uint32_t vector)
{
	spin_lock(&lock);
	__atomic_store_n(&vectors[vector].handler, NULL, __ATOMIC_RELEASE);
	vectors[vector].taken = false;
	spin_unlock(&lock);
}

static void line_interrupt(struct cpu *cpu, uint32_t vector, void *context)
{
	struct line *line = context;
	uint32_t gsi = (uint32_t)(line - lines);
	irq_handler handler = NULL;
	spin_lock(&lock);
	if (line->handler == NULL) {
		ioapic_mask(gsi, true); /* released since */
	} else if (line->unacknowledged) {
		line->again = true; /* and no more of them: a line that flaps must not hold the machine up */
		ioapic_mask(gsi, true);
	} else {
		line->unacknowledged = true;
		if (line->trigger == IRQ_LEVEL)
			ioapic_mask(gsi, true);
		handler = line->handler;
	}
	spin_unlock(&lock);
	if (handler)
		handler(cpu, vector, line->context);
}

int irq_gsi_claim(uint32_t gsi, irq_handler handler, void *context)
{
	bool level = true, low = true;
	if (gsi >= LINES_MAX || !irq_gsi_exists(gsi))
		return -1;
	for (uint8_t isa = 0; isa < 16; isa++) {
		uint32_t isa_gsi;
		bool isa_level, isa_low;
		acpi_isa_line(&acpi_info, isa, &isa_gsi, &isa_level, &isa_low);
		if (isa_gsi == gsi) {
			level = isa_level;
			low = isa_low;
		}
	}
	int vector = irq_vector_alloc(line_interrupt, &lines[gsi]);
	if (vector < 0)
		return -1;
	spin_lock(&lock);
	bool taken = lines[gsi].handler != NULL;
	if (!taken)
		lines[gsi] = (struct line){.handler = handler,
			.context = context,
			.vector = (uint32_t)vector,
			.trigger = level ? IRQ_LEVEL : IRQ_EDGE,
			.polarity = low ? IRQ_ACTIVE_LOW : IRQ_ACTIVE_HIGH,
			.unacknowledged = true};
	spin_unlock(&lock);
	if (taken) {
		irq_vector_free((uint32_t)vector);
		return -1;
	}
	return ioapic_route(gsi, (uint32_t)vector, lines[gsi].trigger, lines[gsi].polarity);
}

int irq_gsi_mode(uint32_t gsi, enum irq_trigger trigger, enum irq_polarity polarity)
{
	if (gsi >= LINES_MAX || lines[gsi].handler == NULL)
		return -1;
	lines[gsi].trigger = trigger;
	lines[gsi].polarity = polarity;
	lines[gsi].unacknowledged = true; /* masked again */
	return ioapic_route(gsi, lines[gsi].vector, trigger, polarity);
}

void irq_gsi_release(uint32_t gsi)
{
	CORE_ASSERT(gsi < LINES_MAX && lines[gsi].handler != NULL);
	ioapic_mask(gsi, true);
	spin_lock(&lock);
	lines[gsi].handler = NULL;
	spin_unlock(&lock);
	irq_vector_free(lines[gsi].vector);
}

void irq_gsi_ack(uint32_t gsi)
{
	CORE_ASSERT(gsi < LINES_MAX);
	struct line *line = &lines[gsi];
	irq_handler handler = NULL;
	spin_lock(&lock);
	if (line->handler != NULL && line->unacknowledged) {
		if (line->again)
			handler = line->handler; /* stays unacknowledged */
		line->unacknowledged = line->again;
		line->again = false;
		ioapic_mask(gsi, false);
	}
	spin_unlock(&lock);
	if (handler)
		handler(cpu_current(), line->vector, line->context);
}

uint32_t irq_isa_gsi(uint32_t isa_irq)
{
	uint32_t gsi;
	bool level, low;
	acpi_isa_line(&acpi_info, (uint8_t)isa_irq, &gsi, &level, &low);
	return gsi;
}

/* The PICs get vectors of their own, so that a spurious one is nobody else's, and are masked for good. Intel 8259A data sheet. */
void pic_init(const struct acpi_info *acpi)
{
	if (acpi->madt && !acpi->pc_at)
		return;
	io_write8(PIC_MASTER, PIC_INIT);
	io_write8(PIC_SLAVE, PIC_INIT);
	io_write8(PIC_MASTER + 1, VECTOR_PIC);
	io_write8(PIC_SLAVE + 1, VECTOR_PIC + 8);
	io_write8(PIC_MASTER + 1, 1 << PIC_CASCADE);
	io_write8(PIC_SLAVE + 1, PIC_CASCADE);
	io_write8(PIC_MASTER + 1, PIC_8086);
	io_write8(PIC_SLAVE + 1, PIC_8086);
	io_write8(PIC_MASTER + 1, 0xff);
	io_write8(PIC_SLAVE + 1, 0xff);
}

void irq_init(const struct acpi_info *acpi)
{
	if (!ioapic_init(acpi))
		log_warn("no I/O APIC: devices' interrupt lines cannot be used");
}
