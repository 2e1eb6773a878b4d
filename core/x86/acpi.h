/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.h: the static ACPI tables: each checked, and of their contents what the core itself needs. The rest is root's to read. ACPI
 * Specification, "ACPI Software Programming Model". Plain code that touches memory only through firmware_read(): also built on Linux for its tests.
 */
#ifndef CORE_X86_ACPI_H
#define CORE_X86_ACPI_H

#include "core/boot/boot.h"

#define ACPI_TABLES_MAX 128	/* of an RSDT or XSDT */
#define ACPI_TABLE_MAX	0x80000 /* bytes: more is taken for a broken length; a DSDT may have ACPI_DSDT_MAX */
#define ACPI_DSDT_MAX	0x800000
#define ACPI_MADT_MAX	0x4000

struct acpi_table {
	uint64_t address;
	uint32_t bytes; /* 0: there is none that can be used */
	char signature[5];
};

extern struct acpi_info {
	uint32_t tables;
	struct acpi_table madt;
	uint64_t hpet;	   /* 0: there is none */
	uint16_t pm_timer; /* a port; 0: there is none */
	uint8_t madt_copy[ACPI_MADT_MAX];
} acpi_info; /* of this machine */

/*
 * Fills acpi_info, from the RSDP that the loader gave, and notes where the tables are in boot->firmware. A table that cannot be believed is warned of by
 * name and left out.
 */
void acpi_init(struct boot_info *boot);

/* Entries of the MADT that the core makes use of, as they lie. ACPI Specification, "Multiple APIC Description Table (MADT)". */
enum madt_type { MADT_CPU = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_NMI = 4, MADT_CPU_X2 = 9, MADT_NMI_X2 = 10 };
#define MADT_IS_LOW(f)	 (((f)&3) == 3) /* MPS INTI flags: 0 is what the bus has, 1 high or edge, 3 low or level */
#define MADT_IS_LEVEL(f) (((f) >> 2 & 3) == 3)

struct madt_entry {
	uint8_t type, bytes;
	union {
		struct {
			uint8_t id, reserved;
			uint32_t address, gsi_base;
		} __attribute__((packed)) ioapic;
		struct {
			uint8_t bus, irq;
			uint32_t gsi;
			uint16_t flags;
		} __attribute__((packed)) override;
	};
} __attribute__((packed));

/* The entry after `last`, the first after NULL; each is whole. NULL: there are no more. */
const struct madt_entry *madt_next(const struct madt_entry *last);

#endif
