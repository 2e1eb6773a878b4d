/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/irq.c: see irq.h. Intel 82093AA (I/O APIC) and 8259A (PIC) data sheets. Lines go to the boot processor, physical and fixed.
 */
#include "core/x86/irq.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/io.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "core/x86/spinlock.h"

#define LINES_MAX   256
#define IOAPICS_MAX 16
#define PIC_MASTER  0x20
#define PIC_SLAVE   0xa0
#define PIC_INIT    0x11 /* ICW1: a fourth word follows */
#define PIC_CASCADE 2
#define PIC_8086    0x01

#define REGISTER_SELECT	 0x00
#define REGISTER_WINDOW	 0x10
#define REGISTER_VERSION 0x01
#define REGISTER_PIN(n)	 (0x10 + 2 * (n))
#define PIN_LOW		 0x2000
#define PIN_LEVEL	 0x8000
#define PIN_MASKED	 0x10000
#define PINS_MAX	 240

/* Of lines, vectors and I/O APICs: an access to one of those is two. */
static struct spinlock lock = SPINLOCK_INIT;

/* ---- I/O APICs ---- */

static struct ioapic {
	volatile uint8_t *page;
	uint32_t gsi_base, pins;
} ioapics[IOAPICS_MAX];
static uint32_t ioapic_count;

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

/* Masked. */
static void route(uint32_t gsi, uint32_t vector, bool level, bool low)
{
	const struct ioapic *ioapic = ioapic_of(gsi, 1);
	uint32_t pin = gsi - ioapic->gsi_base;
	reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED);
	reg_write(ioapic, REGISTER_PIN(pin) + 1, boot_cpu.apic_id << 24);
	reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED | vector | (level ? PIN_LEVEL : 0) | (low ? PIN_LOW : 0));
}

static void mask(uint32_t gsi, bool masked)
{
	const struct ioapic *ioapic = ioapic_of(gsi, 1);
	uint32_t pin = gsi - ioapic->gsi_base;
	uint32_t entry = reg_read(ioapic, REGISTER_PIN(pin));
	reg_write(ioapic, REGISTER_PIN(pin), masked ? entry | PIN_MASKED : entry & ~(uint32_t)PIN_MASKED);
}

static void ioapic_add(const struct madt_entry *entry)
{
	struct ioapic *ioapic = &ioapics[ioapic_count];
	if (ioapic_count == IOAPICS_MAX)
		return;
	ioapic->page = mmio_map(hpa(entry->ioapic.address), PAGE_SIZE, CORE_UNCACHED);
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

bool irq_gsi_exists(uint32_t gsi)
{
	return ioapic_of(gsi, 1) != NULL;
}

/* ---- vectors and lines ---- */

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
		mask(gsi, true); /* released since */
	} else if (line->unacknowledged) {
		line->again = true; /* and no more of them: a line that flaps must not hold the machine up */
		mask(gsi, true);
	} else {
		line->unacknowledged = true;
		if (line->level)
			mask(gsi, true);
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

struct bus_line {
	uint32_t gsi;
	bool level, low;
};

/* Edge and high, at the line of the same number, unless the MADT overrides it. */
static struct bus_line isa_line(uint32_t isa_irq)
{
	struct bus_line line = {.gsi = isa_irq};
	for (const struct madt_entry *entry = madt_next(NULL); entry != NULL; entry = madt_next(entry))
		if (entry->type == MADT_OVERRIDE && entry->override.bus == 0 && entry->override.irq == isa_irq)
			line = (struct bus_line){entry->override.gsi, MADT_IS_LEVEL(entry->override.flags),
				MADT_IS_LOW(entry->override.flags)};
	return line;
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
	struct bus_line bus = {.level = true, .low = true};
	for (uint32_t isa = 0; isa < 16; isa++) {
		struct bus_line line = isa_line(isa);
		if (line.gsi == gsi)
			bus = line;
	}
	irq_gsi_mode(gsi, bus.level ? IRQ_LEVEL : IRQ_EDGE, bus.low ? IRQ_ACTIVE_LOW : IRQ_ACTIVE_HIGH);
	return 0;
}

void irq_gsi_mode(uint32_t gsi, enum irq_trigger trigger, enum irq_polarity polarity)
{
	CORE_ASSERT(gsi < LINES_MAX && lines[gsi].handler != NULL);
	spin_lock(&lock);
	lines[gsi].level = trigger == IRQ_LEVEL;
	lines[gsi].unacknowledged = true; /* masked */
	route(gsi, lines[gsi].vector, lines[gsi].level, polarity == IRQ_ACTIVE_LOW);
	spin_unlock(&lock);
}

void irq_gsi_release(uint32_t gsi)
{
	CORE_ASSERT(gsi < LINES_MAX && lines[gsi].handler != NULL);
	spin_lock(&lock);
	mask(gsi, true);
	lines[gsi].handler = NULL;
	/* An interrupt that is on its way finds no handler, or line_interrupt() with a line that has none. */
	__atomic_store_n(&vectors[lines[gsi].vector].handler, NULL, __ATOMIC_RELEASE);
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
		mask(gsi, false);
	}
	spin_unlock(&lock);
	if (handler)
		handler(cpu_current(), line->vector, line->context);
}

uint32_t irq_isa_gsi(uint32_t isa_irq)
{
	return isa_line(isa_irq).gsi;
}

/* ---- the PICs ---- */

/* The PICs get vectors of their own, so that a spurious one is nobody else's, and are masked for good. Intel 8259A data sheet. */
void pic_init(void)
{
	/* What their initialization asks for after the first word, and the mask. */
	static const uint8_t master[] = {VECTOR_PIC, 1 << PIC_CASCADE, PIC_8086, 0xff};
	static const uint8_t slave[] = {VECTOR_PIC + 8, PIC_CASCADE, PIC_8086, 0xff};
	if (!acpi_info.pic)
		return;
	io_write8(PIC_MASTER, PIC_INIT);
	io_write8(PIC_SLAVE, PIC_INIT);
	for (unsigned i = 0; i < sizeof(master); i++) {
		io_write8(PIC_MASTER + 1, master[i]);
		io_write8(PIC_SLAVE + 1, slave[i]);
	}
}
