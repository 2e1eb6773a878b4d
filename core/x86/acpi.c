/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.c: finds the tables and checks each. ACPI Specification, "Root System Description Pointer (RSDP)", "System Description Table Header".
 */
#include "core/x86/acpi.h"
#include "core/x86/acpi_tables.h"
#include "core/x86/log.h"

#define RSDP_BYTES_1   20
#define RSDP_BYTES_2   36
#define CHUNK_BYTES    256
#define EBDA_POINTER   0x40e
#define EBDA_BYTES     1024
#define BIOS_AREA      0xe0000
#define BIOS_AREA_END  0x100000
#define RSDP_ALIGNMENT 16

static uint8_t byte_sum(const uint8_t *bytes, uint32_t count)
{
	uint8_t sum = 0;
	for (uint32_t i = 0; i < count; i++)
		sum += bytes[i];
	return sum;
}

bool acpi_table_refuse(const struct acpi_table *table, const char *why)
{
	log_warn("ACPI %s at 0x%lx, %u bytes: %s", table->signature, table->address, table->bytes, why);
	return false;
}

bool acpi_table_read(const struct acpi_table *table, void *to, uint32_t offset, uint32_t bytes)
{
	if (offset > table->bytes || bytes > table->bytes - offset)
		return acpi_table_refuse(table, "too short");
	return acpi_read(to, table->address + offset, bytes) || acpi_table_refuse(table, "not in memory");
}

bool acpi_table_check(struct acpi_table *table, uint64_t address, const char *wanted, uint32_t limit)
{
	uint8_t chunk[CHUNK_BYTES], sum = 0;
	*table = (struct acpi_table){.signature = "?", .address = address, .bytes = ACPI_HEADER_BYTES};
	if (address > UINT64_MAX - limit)
		return acpi_table_refuse(table, "not in memory");
	if (!acpi_table_read(table, chunk, 0, ACPI_HEADER_BYTES))
		return false;
	table->bytes = acpi_number(chunk, 4, 4);
	/* Signatures come from firmware and go to the log: letters only. */
	for (unsigned i = 0; i < 4; i++)
		table->signature[i] = chunk[i] > ' ' && chunk[i] < 0x7f ? (char)chunk[i] : '?';
	if (wanted && strcmp(table->signature, wanted) != 0)
		return acpi_table_refuse(table, "stands where another is wanted");
	if (table->bytes < ACPI_HEADER_BYTES || table->bytes > limit)
		return acpi_table_refuse(table, "impossible length");
	for (uint32_t at = 0; at < table->bytes; at += CHUNK_BYTES) {
		uint32_t length = table->bytes - at < CHUNK_BYTES ? table->bytes - at : CHUNK_BYTES;
		if (!acpi_table_read(table, chunk, at, length))
			return false;
		sum += byte_sum(chunk, length);
	}
	return sum == 0 || acpi_table_refuse(table, "wrong checksum");
}

static bool rsdp_is_good(const uint8_t *rsdp, uint32_t bytes)
{
	if (bytes < RSDP_BYTES_1 || memcmp(rsdp, "RSD PTR ", 8) != 0 || byte_sum(rsdp, RSDP_BYTES_1) != 0)
		return false;
	return rsdp[15] < 2 || (bytes >= RSDP_BYTES_2 && byte_sum(rsdp, RSDP_BYTES_2) == 0);
}

/* Searches one area; fills rsdp with what it finds, and says where, or 0. */
static uint64_t rsdp_search(uint64_t from, uint64_t to, uint8_t *rsdp)
{
	for (uint64_t at = from; at + RSDP_BYTES_2 <= to && acpi_read(rsdp, at, RSDP_BYTES_2); at += RSDP_ALIGNMENT)
		if (rsdp_is_good(rsdp, RSDP_BYTES_2))
			return at;
	return 0;
}

static uint64_t rsdp_find(uint8_t *rsdp)
{
	uint16_t segment = 0;
	uint64_t found = 0;
	if (acpi_read(&segment, EBDA_POINTER, sizeof(segment)) && segment >= 0x400)
		found = rsdp_search((uint64_t)segment << 4, ((uint64_t)segment << 4) + EBDA_BYTES, rsdp);
	return found ? found : rsdp_search(BIOS_AREA, BIOS_AREA_END, rsdp);
}

static bool is_known(const struct acpi_info *info, uint64_t address)
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->table[i].address == address)
			return true;
	return false;
}

/* Follows RSDT (4 bytes an entry) or XSDT (8). Tables never point to tables of this kind, so there is nothing to loop on. */
static bool root_table(struct acpi_info *info, uint64_t address, const char *signature, uint32_t entry_bytes)
{
	struct acpi_table root;
	if (!acpi_table_check(&root, address, signature, ACPI_TABLE_BYTES))
		return false;
	uint32_t count = (root.bytes - ACPI_HEADER_BYTES) / entry_bytes;
	if (count > ACPI_TABLES_MAX) {
		acpi_table_refuse(&root, "names too many tables, the last are left out");
		count = ACPI_TABLES_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t entry = 0;
		if (!acpi_table_read(&root, &entry, ACPI_HEADER_BYTES + i * entry_bytes, entry_bytes))
			return false;
		/* Firmware leaves entries empty; a table that is named twice, the root itself too, counts once. */
		if (entry != 0 && entry != address && !is_known(info, entry) &&
			acpi_table_check(&info->table[info->table_count], entry, NULL, ACPI_TABLE_BYTES))
			info->table_count++;
	}
	return true;
}

static void parse_tables(struct acpi_info *info)
{
	static const struct {
		char signature[5];
		void (*parse)(struct acpi_info *info, const struct acpi_table *table);
	} parsers[] = {{"APIC", acpi_madt_parse}, {"FACP", acpi_fadt_parse}, {"MCFG", acpi_mcfg_parse},
		{"HPET", acpi_hpet_parse}};
	for (unsigned i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
		uint32_t table = 0;
		while (table < info->table_count && strcmp(info->table[table].signature, parsers[i].signature) != 0)
			table++;
		if (table < info->table_count)
			parsers[i].parse(info, &info->table[table]);
	}
}

bool acpi_parse(struct acpi_info *info, const void *rsdp, uint32_t rsdp_bytes)
{
	uint8_t found[RSDP_BYTES_2] = {0};
	memset(info, 0, sizeof(*info));
	memcpy(found, rsdp, rsdp_bytes < sizeof(found) ? rsdp_bytes : sizeof(found));
	if (!rsdp_is_good(found, rsdp_bytes)) {
		if (rsdp_bytes > 0)
			log_warn("ACPI RSDP: the boot loader's copy is wrong, so it is searched for");
		info->rsdp_address = rsdp_find(found);
		if (info->rsdp_address == 0) {
			log_warn("ACPI RSDP: not found");
			return false;
		}
	}
	info->revision = found[15];
	uint64_t xsdt = info->revision >= 2 ? acpi_number(found, 24, 8) : 0;
	if ((xsdt == 0 || !root_table(info, xsdt, "XSDT", 8)) &&
		!root_table(info, acpi_number(found, 16, 4), "RSDT", 4))
		return false;
	parse_tables(info);
	return true;
}

struct acpi_override acpi_isa_line(const struct acpi_info *info, uint8_t isa_irq)
{
	struct acpi_override line = {.isa_irq = isa_irq, .gsi = isa_irq};
	for (uint32_t i = 0; i < info->override_count; i++)
		if (info->override[i].isa_irq == isa_irq)
			line = info->override[i];
	return line;
}
