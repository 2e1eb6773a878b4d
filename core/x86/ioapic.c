/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/ioapic.c: the machine's I/O APICs. Intel 82093AA data sheet. Interrupts go to the boot processor, physical and fixed.
 */
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/io.h"
#include "core/x86/irq.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "core/x86/spinlock.h"

#define REGISTER_SELECT	 0x00
#define REGISTER_WINDOW	 0x10
#define REGISTER_VERSION 0x01
#define REGISTER_PIN(n)	 (0x10 + 2 * (n))
#define PIN_LOW		 0x2000
#define PIN_LEVEL	 0x8000
#define PIN_MASKED	 0x10000
#define PINS_MAX	 240

static struct ioapic {
	volatile uint8_t *page;
	uint32_t gsi_base, pins;
} ioapics[ACPI_IOAPICS_MAX];
static uint32_t ioapic_count;
static struct spinlock lock = SPINLOCK_INIT;

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

void ioapic_init(const struct acpi_info *acpi)
{
	for (uint32_t i = 0; i < acpi->ioapic_count; i++) {
		const struct acpi_ioapic *listed = &acpi->ioapic[i];
		struct ioapic *ioapic = &ioapics[ioapic_count];
		ioapic->page = mmio_map(hpa(listed->address), PAGE_SIZE, CORE_UNCACHED);
		ioapic->gsi_base = listed->gsi_base;
		uint32_t version = ioapic->page ? reg_read(ioapic, REGISTER_VERSION) : UINT32_MAX;
		ioapic->pins = (version >> 16 & 0xff) + 1;
		if (ioapic->pins > PINS_MAX || ioapic->gsi_base > UINT32_MAX - PINS_MAX ||
			ioapic_of(ioapic->gsi_base, ioapic->pins) != NULL) {
			log_warn("I/O APIC %u at 0x%lx: version 0x%x, first line %u; left out", listed->id,
				listed->address, version, ioapic->gsi_base);
			continue;
		}
		for (uint32_t pin = 0; pin < ioapic->pins; pin++)
			reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED);
		ioapic_count++;
	}
	if (ioapic_count == 0)
		log_warn("no I/O APIC: devices' interrupt lines cannot be used");
}

bool irq_gsi_exists(uint32_t gsi)
{
	return ioapic_of(gsi, 1) != NULL;
}

uint32_t irq_gsi_limit(void)
{
	uint32_t limit = 0;
	for (uint32_t i = 0; i < ioapic_count; i++)
		if (ioapics[i].gsi_base + ioapics[i].pins > limit)
			limit = ioapics[i].gsi_base + ioapics[i].pins;
	return limit;
}

void ioapic_route(uint32_t gsi, uint32_t vector, bool level, bool low)
{
	const struct ioapic *ioapic = ioapic_of(gsi, 1);
	uint32_t pin = gsi - ioapic->gsi_base;
	spin_lock(&lock);
	reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED);
	reg_write(ioapic, REGISTER_PIN(pin) + 1, boot_cpu.apic_id << 24);
	reg_write(ioapic, REGISTER_PIN(pin), PIN_MASKED | vector | (level ? PIN_LEVEL : 0) | (low ? PIN_LOW : 0));
	spin_unlock(&lock);
}

void ioapic_mask(uint32_t gsi, bool masked)
{
	const struct ioapic *ioapic = ioapic_of(gsi, 1);
	uint32_t pin = gsi - ioapic->gsi_base;
	spin_lock(&lock);
	uint32_t entry = reg_read(ioapic, REGISTER_PIN(pin));
	reg_write(ioapic, REGISTER_PIN(pin), masked ? entry | PIN_MASKED : entry & ~(uint32_t)PIN_MASKED);
	spin_unlock(&lock);
}
