/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_host.c: see acpi_host.h.
 */
#include "core/x86/acpi_host.h"
#include "core/boot/memory_map.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu_features.h"
#include "core/x86/format.h"
#include "core/x86/log.h"
#include "core/x86/window.h"

#define FIRST_MIB     0x100000
#define COMPLAINT_MAX 160

struct acpi_info acpi_info;

/* A table's address is firmware's word: only what the memory map lists is read, since reading a device's registers could do anything. */
static bool is_listed(const struct boot_info *boot, uint64_t start, uint64_t end)
{
	return end <= FIRST_MIB || memory_map_contains(&boot->firmware, start, end) ||
	       memory_map_contains(&boot->reserved, start, end) || memory_map_contains(&boot->memory, start, end);
}

static bool read(void *context, void *to, uint64_t physical, uint32_t bytes)
{
	uint64_t limit = 1ull << cpu_features.physical_bits;
	if (physical >= limit || bytes > limit - physical || !is_listed(context, physical, physical + bytes))
		return false;
	physical_read(cpu_current(), to, hpa(physical), bytes);
	return true;
}

static void complain(void *context, const char *format, ...)
{
	char text[COMPLAINT_MAX];
	va_list arguments;
	(void)context;
	va_start(arguments, format);
	format_va(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_warn("%s", text);
}

void acpi_init(struct boot_info *boot)
{
	const struct acpi_host host = {.read = read, .complain = complain, .context = boot};
	if (!acpi_parse(&acpi_info, &host, boot->rsdp_copy, boot->rsdp_bytes)) {
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
