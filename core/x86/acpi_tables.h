/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_tables.h: between the files of the ACPI parser. Numbers in tables are little-endian and lie at any alignment.
 */
#ifndef CORE_X86_ACPI_TABLES_H
#define CORE_X86_ACPI_TABLES_H

#include "core/x86/acpi.h"
#include "lib/string.h"

#define ACPI_HEADER_BYTES 36

static inline uint64_t acpi_number(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, length);
	return value;
}

/* Warns by name; false. */
bool acpi_table_refuse(const struct acpi_table *table, const char *why);
/* Reads from a table that has been checked; false (and a warning) where it is shorter. */
bool acpi_table_read(const struct acpi_table *table, void *to, uint32_t offset, uint32_t bytes);
/* Length and checksum, and the signature if one is wanted, of what claims to be a table. */
bool acpi_table_check(struct acpi_table *table, uint64_t address, const char *wanted, uint32_t limit);

void acpi_madt_parse(struct acpi_info *info, const struct acpi_table *table);
void acpi_fadt_parse(struct acpi_info *info, const struct acpi_table *table);
void acpi_mcfg_parse(struct acpi_info *info, const struct acpi_table *table);
void acpi_hpet_parse(struct acpi_info *info, const struct acpi_table *table);

#endif
