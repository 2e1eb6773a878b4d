/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.h: the static ACPI tables, checked. Plain code that touches memory only through acpi_read(): also built on Linux for its tests.
 * ACPI Specification, "ACPI Software Programming Model" and "System Description Table Header".
 */
#ifndef CORE_X86_ACPI_H
#define CORE_X86_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#define ACPI_TABLES_MAX	   128	   /* of an RSDT or XSDT */
#define ACPI_TABLE_BYTES   0x80000 /* more is taken for a broken length; a DSDT may have ACPI_DSDT_BYTES */
#define ACPI_DSDT_BYTES	   0x800000
#define ACPI_CPUS_MAX	   256
#define ACPI_IOAPICS_MAX   16
#define ACPI_OVERRIDES_MAX 32
#define ACPI_NMIS_MAX	   32
#define ACPI_ECAM_MAX	   16

struct acpi_table {
	char signature[5];
	uint64_t address;
	uint32_t bytes;
};

struct acpi_cpu {
	uint32_t apic_id, uid;
	bool enabled; /* or else it can be made so later */
};

struct acpi_ioapic {
	uint32_t id, gsi_base;
	uint64_t address;
};

struct acpi_override {
	uint8_t isa_irq;
	uint32_t gsi;
	bool level, low;
};

struct acpi_nmi {
	uint32_t uid; /* of a processor; all ones: of every one */
	uint8_t lint;
	bool level, low;
};

struct acpi_ecam {
	uint64_t address;
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

/* A register as the FADT names it: in ports or in memory. address 0: there is none. */
struct acpi_register {
	uint64_t address;
	bool memory;
};

/* 0: it is no port, or there is none. */
static inline uint16_t acpi_port(const struct acpi_register *reg)
{
	return reg->memory || reg->address > 0xffff ? 0 : (uint16_t)reg->address;
}

struct acpi_info {
	uint64_t rsdp_address;
	uint8_t revision;
	uint32_t table_count;
	struct acpi_table table[ACPI_TABLES_MAX];

	bool madt;  /* the rest of this group is from it */
	bool pc_at; /* a pair of 8259 PICs is there, too */
	uint32_t cpu_count, ioapic_count, override_count, nmi_count;
	struct acpi_cpu cpu[ACPI_CPUS_MAX];
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
	struct acpi_override override[ACPI_OVERRIDES_MAX];
	struct acpi_nmi nmi[ACPI_NMIS_MAX];

	uint32_t ecam_count;
	struct acpi_ecam ecam[ACPI_ECAM_MAX];

	bool hpet;
	uint64_t hpet_address;

	bool fadt;
	struct acpi_register pm1a_control, pm1b_control, pm_timer, reset;
	bool hardware_reduced;
	uint8_t reset_value, acpi_enable;
	uint32_t smi_command;
	uint8_t century; /* index in the RTC's memory, 0: none */
	uint64_t dsdt_address;
	uint32_t dsdt_bytes; /* 0: none that can be used */
};

extern struct acpi_info acpi_info; /* of this machine */

/* Fills acpi_info; notes where the tables are in boot->firmware. Warns when there is no ACPI, and leaves acpi_info empty. */
struct boot_info;
void acpi_init(struct boot_info *boot);

/*
 * Fills info from the RSDP (a copy of `rsdp_bytes` bytes as the loader gave it, or 0 bytes: the BIOS area is searched). False: there is no ACPI that can
 * be believed; a single bad table is warned of by name and left out.
 */
bool acpi_parse(struct acpi_info *info, const void *rsdp, uint32_t rsdp_bytes);

/* How acpi_parse() reads memory; false where there is none that a table may lie in. core/x86/acpi_host.c, or a test's. */
bool acpi_read(void *to, uint64_t physical, uint32_t bytes);

/* Plain BIOS-era defaults for a line that no override names: ISA lines are edge, high. */
struct acpi_override acpi_isa_line(const struct acpi_info *info, uint8_t isa_irq);

#endif
