/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/pci.c: a PCI bus with its configuration mechanism 1 (PCI Local Bus Specification, "Configuration Space Decoding").
 *   Guest sees   ports 0xcf8 (4 bytes only) and 0xcfc to 0xcff; bus 0             Host gives   nothing
 *   Models       configuration space as a table of values and of bits that can be written
 *   Leaves out   other buses, special cycles
 *   State        struct pci_state, saved, version 1             Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_pci.c, fuzz_devices.c
 */
#include "monitor/dev/pci.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define ADDRESS_ENABLE	 0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu

/* The function that the address names, or -1. */
static int pci_target(const struct pci *pci)
{
	uint32_t address = pci->state.address;
	if (!(address & ADDRESS_ENABLE) || (address >> 16 & 0xff))
		return -1;
	return pci->slot[address >> 8 & 0xff] - 1;
}

static uint32_t address_read(void *device, uint16_t port, unsigned size)
{
	struct pci *pci = device;
	(void)port, (void)size;
	return pci->state.address;
}

static void address_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct pci *pci = device;
	(void)port, (void)size;
	pci->state.address = value & ADDRESS_WRITABLE;
}

/* An access that would cross a register's four bytes sees only what lies in them. */
static uint32_t data_read(void *device, uint16_t port, unsigned size)
{
	struct pci *pci = device;
	int target = pci_target(pci);
	uint32_t value = 0xffffffff;
	if (target >= 0)
		memcpy(&value, &pci->state.config[target][pci->state.address & 0xfc], 4);
	value >>= 8 * (port & 3);
	return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

static void data_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct pci *pci = device;
	int target = pci_target(pci);
	if (target < 0)
		return;
	struct pci_function *function = &pci->function[target];
	unsigned offset = (pci->state.address & 0xfc) + (port & 3), end = (pci->state.address & 0xfc) + 4;
	uint8_t *config = pci->state.config[target];
	for (unsigned i = 0; i < size && offset + i < end; i++) {
		uint8_t writable = function->writable[offset + i];
		config[offset + i] = (uint8_t)((config[offset + i] & ~writable) | (value >> 8 * i & writable));
	}
	if (function->description->written)
		function->description->written(function->device, (uint8_t)offset, size);
}

static void function_defaults(struct pci *pci, unsigned index)
{
	const struct pci_description *description = pci->function[index].description;
	uint8_t *config = pci->state.config[index], *writable = pci->function[index].writable;
	memset(config, 0, 256);
	memset(writable, 0, 256);
	for (unsigned i = 0; i < description->count; i++) {
		const struct pci_register *reg = &description->registers[i];
		memcpy(config + reg->offset, &reg->value, reg->bytes);
		memcpy(writable + reg->offset, &reg->writable, reg->bytes);
	}
}

uint8_t *pci_add(struct pci *pci, uint8_t devfn, const struct pci_description *description, void *device)
{
	if (pci->functions == PCI_FUNCTIONS || pci->slot[devfn])
		return NULL;
	unsigned index = pci->functions++;
	pci->slot[devfn] = (uint8_t)(index + 1);
	pci->function[index].description = description;
	pci->function[index].device = device;
	function_defaults(pci, index);
	return pci->state.config[index];
}

static void pci_reset(void *device)
{
	struct pci *pci = device;
	pci->state.address = 0;
	for (unsigned i = 0; i < pci->functions; i++)
		function_defaults(pci, i);
}

static int pci_check(const void *state)
{
	const struct pci_state *pci = state;
	return pci->address & ~ADDRESS_WRITABLE ? -GYRE_EPROTO : 0;
}

/* Bits that no guest can have changed come from the descriptions, not from the saved state. */
static void pci_resume(void *device, uint64_t now)
{
	struct pci *pci = device;
	(void)now;
	for (unsigned i = 0; i < pci->functions; i++) {
		uint8_t saved[256];
		memcpy(saved, pci->state.config[i], 256);
		function_defaults(pci, i);
		for (unsigned at = 0; at < 256; at++) {
			uint8_t writable = pci->function[i].writable[at];
			pci->state.config[i][at] = (uint8_t)((pci->state.config[i][at] & ~writable) |
							     (saved[at] & writable));
		}
		if (pci->function[i].description->written)
			pci->function[i].description->written(pci->function[i].device, 0, 255);
	}
}

static const uint8_t none[256];
static void pci_fields(struct save *save, void *state)
{
	struct pci_state *pci = state;
	uint8_t functions = PCI_FUNCTIONS;
	save_u32(save, &pci->address);
	/* Those that there are: in the machine's order, and the first bytes of each are not 0. */
	while (!save_loading(save) && functions > 0 && memcmp(pci->config[functions - 1], none, sizeof none) == 0)
		functions--;
	save_u8(save, &functions);
	if (functions > PCI_FUNCTIONS)
		functions = 0, save->failed = 1;
	for (unsigned i = 0; i < functions; i++)
		save_bytes(save, pci->config[i], sizeof(pci->config[i]));
}

static const struct device_ops pci_ops = {
	"pci", PCI_STATE_VERSION, sizeof(struct pci_state), pci_reset, pci_check, pci_resume, pci_fields};

struct device pci_device(struct pci *pci)
{
	return (struct device){&pci_ops, pci, &pci->state};
}

/*
 * The chipset that most systems know: Intel 440FX with PIIX3 and the PIIX4's power management. Its registers say where the ports are that
 * monitor/dev/acpi_pm.c has; nothing here moves them.
 */
static const struct pci_register host_bridge[] = {
	{0x00, 4, 0x12378086, 0},      /* 82441FX */
	{0x04, 4, 0x02800006, 0x0102}, /* memory and bus master on; SERR, memory can be written */
	{0x08, 4, 0x06000002, 0},      /* host bridge */
	{0x59, 1, 0x30, 0x30}, {0x5a, 4, 0x33333333, 0x33333333},
	{0x5e, 2, 0x3333, 0x3333}, /* PAM: shadow RAM, always on */
	{0x72, 1, 0x02, 0x00},	   /* no SMRAM */
};
static const struct pci_register isa_bridge[] = {
	{0x00, 4, 0x70008086, 0}, /* 82371SB */
	{0x04, 4, 0x02800007, 0x0008},
	{0x08, 4, 0x06010000, 0},
	{0x0e, 1, 0x80, 0}, /* several functions */
	{0x4c, 1, 0x4d, 0x7f},
	{0x4e, 2, 0x0003, 0xffff},
	{0x60, 4, 0x80808080, 0x8f8f8f8f}, /* PIRQ routes */
	{0x69, 1, 0x02, 0xfe},
	{0xa0, 1, 0x08, 0x1f},
};
static const struct pci_register power_management[] = {
	{0x00, 4, 0x71138086, 0},			    /* 82371AB */
	{0x04, 4, 0x02800001, 0}, {0x08, 4, 0x06800003, 0}, /* other bridge */
	{0x3c, 2, 0x0109, 0x00ff},			    /* interrupt 9 by INTA */
	{0x40, 4, 0x00000601, 0},			    /* power management ports at 0x600 */
	{0x80, 1, 0x01, 0},				    /* and they are on */
	{0x90, 4, 0x00000701, 0},			    /* SMBus ports at 0x700, which are off: 0xd2 */
};
#define DESCRIPTION(registers, name)                                                                                   \
	{                                                                                                              \
		name, registers, sizeof(registers) / sizeof((registers)[0]), NULL                                      \
	}
static const struct pci_description chipset[] = {
	DESCRIPTION(host_bridge, "host bridge"),
	DESCRIPTION(isa_bridge, "ISA bridge"),
	DESCRIPTION(power_management, "power management"),
};

void pci_add_chipset(struct pci *pci)
{
	pci_add(pci, PCI_DEVFN(0, 0), &chipset[0], NULL);
	pci_add(pci, PCI_DEVFN(1, 0), &chipset[1], NULL);
	pci_add(pci, PCI_DEVFN(1, 3), &chipset[2], NULL);
}

void pci_init(struct pci *pci, struct bus *bus)
{
	memset(pci, 0, sizeof *pci);
	bus_ports(bus, 0xcf8, 1, &(struct port_handler){address_read, address_write, pci, BUS_SIZE_4});
	bus_ports(bus, 0xcfc, 4,
		&(struct port_handler){data_read, data_write, pci, BUS_SIZE_1 | BUS_SIZE_2 | BUS_SIZE_4});
}
