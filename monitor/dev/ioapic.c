/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/ioapic.c: the I/O APIC, as the data sheet of the 82093AA has it, with the EOI register of version 0x20.
 *   Guest sees   a page at 0xfec00000: IOREGSEL, IOWIN, EOI; 24 inputs           Host gives   interrupt messages to local APICs
 *   Models       redirection, edge and level, remote IRR, delivery again on EOI
 *   Leaves out   polarity (a line is asserted or not, whatever its voltage); ExtINT delivery: PICs have a line to the processor
 *   State        struct ioapic_state, saved, version 1          Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_ioapic.c, fuzz_devices.c
 */
#include "monitor/dev/ioapic.h"
#include "monitor/engine/engine.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define RTE_DELIVERY   0x700ull
#define RTE_LOGICAL    0x800ull
#define RTE_STATUS     0x1000ull /* read-only: never pending, messages leave at once */
#define RTE_REMOTE_IRR 0x4000ull /* read-only */
#define RTE_LEVEL      0x8000ull
#define RTE_MASKED     0x10000ull
#define RTE_WRITABLE   (0xff00000000000000ull | 0x1afffull)

#define DELIVERY_LOWEST (1ull << 8)
#define DELIVERY_SMI	(2ull << 8)
#define DELIVERY_EXTINT (7ull << 8)

/* Sends the message of a pin. SDM vol. 3, "Message Signalled Interrupts", has the form. */
static void ioapic_send(struct ioapic *ioapic, unsigned pin)
{
	uint64_t *entry = &ioapic->state.redirection[pin];
	uint64_t delivery = *entry & RTE_DELIVERY;
	if (delivery == DELIVERY_EXTINT || delivery == DELIVERY_SMI)
		return;
	uint64_t address = 0xfee00000ull | (*entry >> 56) << 12;
	if (*entry & RTE_LOGICAL)
		address |= 0x4;
	if (delivery == DELIVERY_LOWEST)
		address |= 0x8;
	uint32_t data = (uint32_t)(*entry & 0x7ff);
	if (*entry & RTE_LEVEL) {
		data |= 0xc000;
		*entry |= RTE_REMOTE_IRR;
	}
	/* Nobody there to take it: lost, as on the bus. A level would never see its EOI. */
	if (engine_msi(address, data) < 0)
		*entry &= ~RTE_REMOTE_IRR;
}

/* A level that is asserted, unmasked and not in service is sent. */
static void ioapic_level(struct ioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->state.redirection[pin];
	if ((entry & (RTE_LEVEL | RTE_MASKED | RTE_REMOTE_IRR)) == RTE_LEVEL && (ioapic->state.lines >> pin & 1))
		ioapic_send(ioapic, pin);
}

void ioapic_set(void *context, unsigned pin, int level)
{
	struct ioapic *ioapic = context;
	if (pin >= IOAPIC_PINS)
		return;
	uint32_t bit = 1u << pin, was = ioapic->state.lines & bit;
	uint64_t entry = ioapic->state.redirection[pin];
	if (!level) {
		ioapic->state.lines &= ~bit;
		return;
	}
	ioapic->state.lines |= bit;
	if (entry & RTE_LEVEL)
		ioapic_level(ioapic, pin);
	else if (!was && !(entry & RTE_MASKED)) /* the edge of a masked pin is ignored */
		ioapic_send(ioapic, pin);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->state.redirection[pin];
		if ((*entry & 0xff) != vector || !(*entry & RTE_LEVEL))
			continue;
		*entry &= ~RTE_REMOTE_IRR;
		ioapic_level(ioapic, pin);
	}
}

static uint32_t ioapic_register(const struct ioapic *ioapic)
{
	unsigned index = ioapic->state.select;
	if (index == 0 || index == 2)
		return (uint32_t)ioapic->state.id << 24;
	if (index == 1)
		return 0x20 | (IOAPIC_PINS - 1) << 16;
	if (index < 0x10 || index >= 0x10 + 2 * IOAPIC_PINS)
		return 0;
	uint64_t entry = ioapic->state.redirection[(index - 0x10) / 2];
	return (uint32_t)(index & 1 ? entry >> 32 : entry);
}

static void ioapic_redirect(struct ioapic *ioapic, unsigned pin, int high, uint32_t value)
{
	uint64_t *entry = &ioapic->state.redirection[pin];
	uint64_t written = high ? (uint64_t)value << 32 | (uint32_t)*entry : (*entry & ~0xffffffffull) | value;
	*entry = (written & RTE_WRITABLE) | (*entry & RTE_REMOTE_IRR);
	/* Edge mode has no remote IRR: systems clear it by switching there and back. */
	if (!(*entry & RTE_LEVEL))
		*entry &= ~RTE_REMOTE_IRR;
	ioapic_level(ioapic, pin);
}

static uint64_t ioapic_read(void *device, uint64_t offset, unsigned size)
{
	struct ioapic *ioapic = device;
	uint64_t value = 0;
	if ((offset & 0xf0) == 0x00)
		value = ioapic->state.select;
	else if ((offset & 0xf0) == 0x10)
		value = ioapic_register(ioapic);
	(void)size;
	/* Registers are 32 bits at multiples of 16: parts of them, and nothing beside them. */
	return (offset & 0xf) < 4 ? value >> 8 * (offset & 3) : 0;
}

static void ioapic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct ioapic *ioapic = device;
	unsigned index = ioapic->state.select;
	(void)size;
	if (offset & 0xf)
		return;
	switch (offset & 0xff) {
	case 0x00: ioapic->state.select = (uint8_t)value; return;
	case 0x10:
		if (index == 0)
			ioapic->state.id = value >> 24 & 0x0f;
		else if (index >= 0x10 && index < 0x10 + 2 * IOAPIC_PINS)
			ioapic_redirect(ioapic, (index - 0x10) / 2, index & 1, (uint32_t)value);
		return;
	case 0x40: ioapic_eoi(ioapic, (uint8_t)value); return;
	default: return;
	}
}

static void ioapic_reset(void *device)
{
	struct ioapic *ioapic = device;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->state.redirection[pin] = RTE_MASKED;
	ioapic->state.id = ioapic->state.select = 0;
}

static int ioapic_check(const void *state)
{
	const struct ioapic_state *ioapic = state;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t entry = ioapic->redirection[pin];
		if ((entry & ~(RTE_WRITABLE | RTE_REMOTE_IRR)) ||
			(entry & (RTE_LEVEL | RTE_REMOTE_IRR)) == RTE_REMOTE_IRR)
			return -GYRE_EPROTO;
	}
	return ioapic->lines >> IOAPIC_PINS || ioapic->id > 15 ? -GYRE_EPROTO : 0;
}

static void ioapic_resume(void *device, uint64_t now)
{
	(void)now;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic_level(device, pin);
}

static void ioapic_fields(struct save *save, void *state)
{
	struct ioapic_state *ioapic = state;
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		save_u64(save, &ioapic->redirection[i]);
	save_u32(save, &ioapic->lines);
	save_u8(save, &ioapic->id);
	save_u8(save, &ioapic->select);
}

static const struct device_ops ioapic_ops = {"ioapic", IOAPIC_STATE_VERSION, sizeof(struct ioapic_state), ioapic_reset,
	ioapic_check, ioapic_resume, ioapic_fields};

struct device ioapic_device(struct ioapic *ioapic)
{
	return (struct device){&ioapic_ops, ioapic, &ioapic->state};
}

void ioapic_init(struct ioapic *ioapic, struct bus *bus)
{
	memset(ioapic, 0, sizeof *ioapic);
	bus_mmio(bus, &(struct mmio_region){IOAPIC_BASE, 0x1000, ioapic_read, ioapic_write, ioapic});
	ioapic_reset(ioapic);
}
