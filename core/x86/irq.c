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
	irq_handler handler; /* NULL: free */
	void *context;
} vectors[256];

static struct line {
	irq_handler handler; /* NULL: free */
	void *context;
	uint32_t vector;
	bool level;
	bool unacknowledged; /* masked, or an edge line whose further edges are only remembered */
	bool again;	     /* an edge came meanwhile */
} lines[LINES_MAX];

static struct spinlock lock = SPINLOCK_INIT;

void interrupt_dispatch(struct cpu *cpu, uint32_t vector)
{
	if (vector == VECTOR_SPURIOUS)
		return; /* takes no EOI. SDM vol. 3, "Spurious Interrupt" */
	irq_handler handler = __atomic_load_n(&vectors[vector].handler, __ATOMIC_ACQUIRE);
	if (handler)
		handler(cpu, vector, vectors[vector].context);
	/* The PICs are masked, so what comes on their vectors is spurious, too, and not from the local APIC. */
	if (vector >= VECTOR_FREE)
		lapic_write(LAPIC_EOI, 0);
}

void irq_vector_set(uint32_t vector, irq_handler handler, void *context)
{
	CORE_ASSERT(vector >= VECTOR_PIC && vector <= VECTOR_SPURIOUS);
	vectors[vector].context = context;
	__atomic_store_n(&vectors[vector].handler, handler, __ATOMIC_RELEASE);
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
		if (line->level)
			ioapic_mask(gsi, true);
		handler = line->handler;
	}
	spin_unlock(&lock);
	if (handler)
		handler(cpu, vector, line->context);
}

/* A vector that nobody has, or VECTOR_TIMER: none. */
static uint32_t vector_find(void)
{
	uint32_t vector = VECTOR_FREE;
	while (vector < VECTOR_TIMER && vectors[vector].handler != NULL)
		vector++;
	return vector;
}

int irq_gsi_claim(uint32_t gsi, irq_handler handler, void *context)
{
	if (gsi >= LINES_MAX || !irq_gsi_exists(gsi))
		return -1;
	spin_lock(&lock);
	uint32_t vector = vector_find();
	bool free = lines[gsi].handler == NULL && vector < VECTOR_TIMER;
	if (free) {
		lines[gsi] = (struct line){.handler = handler, .context = context, .vector = vector};
		irq_vector_set(vector, line_interrupt, &lines[gsi]);
	}
	spin_unlock(&lock);
	if (!free)
		return -1;
	struct acpi_override bus = {.level = true, .low = true};
	for (uint8_t isa = 0; isa < 16; isa++) {
		struct acpi_override line = acpi_isa_line(&acpi_info, isa);
		if (line.gsi == gsi)
			bus = line;
	}
	irq_gsi_mode(gsi, bus.level ? IRQ_LEVEL : IRQ_EDGE, bus.low ? IRQ_ACTIVE_LOW : IRQ_ACTIVE_HIGH);
	return 0;
}

void irq_gsi_mode(uint32_t gsi, enum irq_trigger trigger, enum irq_polarity polarity)
{
	CORE_ASSERT(gsi < LINES_MAX && lines[gsi].handler != NULL);
	lines[gsi].level = trigger == IRQ_LEVEL;
	lines[gsi].unacknowledged = true; /* masked */
	ioapic_route(gsi, lines[gsi].vector, lines[gsi].level, polarity == IRQ_ACTIVE_LOW);
}

void irq_gsi_release(uint32_t gsi)
{
	CORE_ASSERT(gsi < LINES_MAX && lines[gsi].handler != NULL);
	ioapic_mask(gsi, true);
	spin_lock(&lock);
	lines[gsi].handler = NULL;
	irq_vector_set(lines[gsi].vector, NULL, NULL);
	spin_unlock(&lock);
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
	return acpi_isa_line(&acpi_info, (uint8_t)isa_irq).gsi;
}

/* The PICs get vectors of their own, so that a spurious one is nobody else's, and are masked for good. Intel 8259A data sheet. */
void pic_init(const struct acpi_info *acpi)
{
	/* The four words of their initialization, and the mask. */
	static const uint8_t master[] = {VECTOR_PIC, 1 << PIC_CASCADE, PIC_8086, 0xff};
	static const uint8_t slave[] = {VECTOR_PIC + 8, PIC_CASCADE, PIC_8086, 0xff};
	if (acpi->madt && !acpi->pc_at)
		return;
	io_write8(PIC_MASTER, PIC_INIT);
	io_write8(PIC_SLAVE, PIC_INIT);
	for (unsigned i = 0; i < sizeof(master); i++) {
		io_write8(PIC_MASTER + 1, master[i]);
		io_write8(PIC_SLAVE + 1, slave[i]);
	}
}
