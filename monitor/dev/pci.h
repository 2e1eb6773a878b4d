/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_PCI_H
#define MONITOR_DEV_PCI_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define PCI_STATE_VERSION 1u
#define PCI_FUNCTIONS	  16u /* in all, on the one bus */

#define PCI_DEVFN(device, function) ((uint8_t)((device) << 3 | (function)))

/* What a function is, constant. Registers that are not named in config are 0; bits outside writable cannot be changed. */
struct pci_register {
	uint8_t offset, bytes; /* of a little-endian value of 1, 2 or 4 bytes */
	uint32_t value, writable;
};
struct pci_description {
	const char *name;
	const struct pci_register *registers;
	unsigned count;
	/* After a write to offset (and what follows) changed config[]; may be NULL. */
	void (*written)(void *device, uint8_t offset, unsigned size);
};

struct pci_function {
	const struct pci_description *description;
	void *device;
	uint8_t writable[256];
};

struct pci_state {
	uint32_t address; /* of port 0xcf8 */
	uint32_t reserved;
	uint8_t config[PCI_FUNCTIONS][256];
};

struct pci {
	struct pci_state state;
	uint8_t slot[256]; /* by device and function: index + 1 of function[], 0: none */
	struct pci_function function[PCI_FUNCTIONS];
	unsigned functions;
};

void pci_init(struct pci *pci, struct bus *bus);
struct device pci_device(struct pci *pci);
/* Its configuration space, or NULL when there is no room. */
uint8_t *pci_add(struct pci *pci, uint8_t devfn, const struct pci_description *description, void *device);
/* The host bridge, the ISA bridge and the power management function of a PC. */
void pci_add_chipset(struct pci *pci);

#endif
