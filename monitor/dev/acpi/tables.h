/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_ACPI_TABLES_H
#define MONITOR_DEV_ACPI_TABLES_H

#include <stdint.h>

struct memory;

/* Writes the tables into guest memory from MEMORY_ACPI on. Returns the RSDP's address. */
uint64_t acpi_write(const struct memory *memory, uint32_t cpus);

/* dsdt.asl as iasl compiled it: a file that the build makes. */
extern const uint8_t acpi_dsdt[];
extern const uint32_t acpi_dsdt_bytes;

#endif
