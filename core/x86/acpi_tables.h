/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_tables.h: between the files of the ACPI parser: reading tables piecemeal, and what each reader is called. Numbers in tables are
 * little-endian and lie at any alignment.
 */
#ifndef CORE_X86_ACPI_TABLES_H
#define CORE_X86_ACPI_TABLES_H

#include "core/x86/acpi.h"
#include "core/x86/string.h"

#define ACPI_HEADER_BYTES 36

struct acpi_reader {
	struct acpi_info *info;
	const struct acpi_host *host;
};

static inline uint64_t acpi_number(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, length);
	return value;
}

/* Reads from a table that has been checked; false (and a complaint) where it is shorter. */
bool acpi_table_read(
	const struct acpi_reader *reader, const struct acpi_table *table, void *to, uint32_t offset, uint32_t bytes);
/* Length and checksum of what claims to be a table; complains by name. */
bool acpi_table_check(const struct acpi_reader *reader, uint64_t address, const char *wanted, uint32_t limit,
	struct acpi_table *table);

void acpi_madt_parse(const struct acpi_reader *reader, const struct acpi_table *table);
void acpi_fadt_parse(const struct acpi_reader *reader, const struct acpi_table *table);
void acpi_mcfg_parse(const struct acpi_reader *reader, const struct acpi_table *table);
void acpi_hpet_parse(const struct acpi_reader *reader, const struct acpi_table *table);

#endif
