/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_host.c: this machine's ACPI tables, read through a window.
 */
#include "core/boot/boot.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/window.h"

#define FIRST_MIB 0x100000

struct acpi_info acpi_info;

/* A table's address is firmware's word: only what the memory map lists is read, since reading a device's registers could do anything. */
bool acpi_read(void *to, uint64_t physical, uint32_t bytes)
{
	uint64_t limit = 1ull << cpu_features.physical_bits, end = physical + bytes;
	if (physical >= limit || bytes > limit - physical)
		return false;
	if (end > FIRST_MIB && !memory_map_contains(&boot_info.firmware, physical, end) &&
		!memory_map_contains(&boot_info.reserved, physical, end) &&
		!memory_map_contains(&boot_info.memory, physical, end))
		return false;
	physical_read(cpu_current(), to, hpa(physical), bytes);
	return true;
}

void acpi_init(struct boot_info *boot)
{
	if (!acpi_parse(&acpi_info, boot->rsdp_copy, boot->rsdp_bytes)) {
		log_warn("no ACPI tables: interrupt lines, power-off and reset are not known");
		return;
	}
	for (uint32_t i = 0; i < acpi_info.table_count; i++)
		boot_firmware_add(boot, acpi_info.table[i].address, acpi_info.table[i].bytes);
	boot_firmware_add(boot, acpi_info.dsdt_address, acpi_info.dsdt_bytes);
	log_info("ACPI revision %u: %u tables, %u processors, %u I/O APICs%s%s%s", acpi_info.revision,
		acpi_info.table_count, acpi_info.cpu_count, acpi_info.ioapic_count, acpi_info.hpet ? ", HPET" : "",
		acpi_info.fadt ? ", FADT" : "", acpi_info.ecam_count ? ", ECAM" : "");
}
