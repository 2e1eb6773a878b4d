/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.c: finds the tables and checks each. ACPI Specification, "Root System Description Pointer (RSDP)", "System Description Table Header".
 */
#include "core/x86/acpi.h"
#include "core/x86/acpi_tables.h"
#include <stddef.h>

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

/* Signatures come from firmware and go to the log: letters only. */
static void copy_signature(char to[5], const uint8_t *from)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? (char)from[i] : '?';
	to[4] = 0;
}

bool acpi_table_read(
	const struct acpi_reader *reader, const struct acpi_table *table, void *to, uint32_t offset, uint32_t bytes)
{
	if (offset > table->bytes || bytes > table->bytes - offset) {
		reader->host->complain(
			reader->host->context, "ACPI %s: ends before byte %u", table->signature, offset + bytes);
		return false;
	}
	if (!reader->host->read(reader->host->context, to, table->address + offset, bytes)) {
		reader->host->complain(reader->host->context, "ACPI %s: cannot be read at 0x%lx", table->signature,
			(unsigned long)(table->address + offset));
		return false;
	}
	return true;
}

bool acpi_table_check(const struct acpi_reader *reader, uint64_t address, const char *wanted, uint32_t limit,
	struct acpi_table *table)
{
	const struct acpi_host *host = reader->host;
	const char *name = wanted ? wanted : "table";
	uint8_t chunk[CHUNK_BYTES], sum = 0;
	if (address == 0 || address > UINT64_MAX - limit ||
		!host->read(host->context, chunk, address, ACPI_HEADER_BYTES)) {
		host->complain(host->context, "ACPI %s: no memory at 0x%lx", name, (unsigned long)address);
		return false;
	}
	copy_signature(table->signature, chunk);
	table->address = address;
	table->bytes = acpi_number(chunk, 4, 4);
	if (wanted && strcmp(table->signature, wanted) != 0) {
		host->complain(host->context, "ACPI %s: a table of signature %s is at 0x%lx", wanted, table->signature,
			(unsigned long)address);
		return false;
	}
	if (table->bytes < ACPI_HEADER_BYTES || table->bytes > limit) {
		host->complain(
			host->context, "ACPI %s: its length of %u bytes is refused", table->signature, table->bytes);
		return false;
	}
	for (uint32_t at = 0; at < table->bytes; at += CHUNK_BYTES) {
		uint32_t length = table->bytes - at < CHUNK_BYTES ? table->bytes - at : CHUNK_BYTES;
		if (!acpi_table_read(reader, table, chunk, at, length))
			return false;
		sum += byte_sum(chunk, length);
	}
	if (sum != 0) {
		host->complain(host->context, "ACPI %s: wrong checksum", table->signature);
		return false;
	}
	return true;
}

static bool rsdp_is_good(const uint8_t *rsdp, uint32_t bytes)
{
	if (bytes < RSDP_BYTES_1 || memcmp(rsdp, "RSD PTR ", 8) != 0 || byte_sum(rsdp, RSDP_BYTES_1) != 0)
		return false;
	return rsdp[15] < 2 || (bytes >= RSDP_BYTES_2 && byte_sum(rsdp, RSDP_BYTES_2) == 0);
}

/* Searches one area; fills rsdp with what it finds. */
static bool rsdp_search(const struct acpi_host *host, uint64_t from, uint64_t to, uint8_t *rsdp, uint64_t *address)
{
	for (uint64_t at = from; at + RSDP_BYTES_2 <= to; at += RSDP_ALIGNMENT) {
		if (!host->read(host->context, rsdp, at, RSDP_BYTES_2))
			return false;
		if (rsdp_is_good(rsdp, RSDP_BYTES_2)) {
			*address = at;
			return true;
		}
	}
	return false;
}

static bool rsdp_find(const struct acpi_host *host, uint8_t *rsdp, uint64_t *address)
{
	uint16_t segment = 0;
	if (host->read(host->context, &segment, EBDA_POINTER, sizeof(segment)) && segment >= 0x400) {
		uint64_t ebda = (uint64_t)segment << 4;
		if (rsdp_search(host, ebda, ebda + EBDA_BYTES, rsdp, address))
			return true;
	}
	return rsdp_search(host, BIOS_AREA, BIOS_AREA_END, rsdp, address);
}

static bool is_known(const struct acpi_info *info, uint64_t address)
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->table[i].address == address)
			return true;
	return false;
}

/* Follows RSDT (4 bytes an entry) or XSDT (8). Tables never point to tables of this kind, so there is nothing to loop on. */
static bool root_table(const struct acpi_reader *reader, uint64_t address, const char *signature, uint32_t entry_bytes)
{
	struct acpi_info *info = reader->info;
	struct acpi_table root;
	if (!acpi_table_check(reader, address, signature, ACPI_TABLE_BYTES, &root))
		return false;
	uint32_t count = (root.bytes - ACPI_HEADER_BYTES) / entry_bytes;
	if (count > ACPI_TABLES_MAX) {
		reader->host->complain(reader->host->context, "ACPI %s: %u tables, of which the first %u are looked at",
			signature, count, ACPI_TABLES_MAX);
		count = ACPI_TABLES_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint8_t raw[8];
		struct acpi_table table;
		if (!acpi_table_read(reader, &root, raw, ACPI_HEADER_BYTES + i * entry_bytes, entry_bytes))
			return false;
		uint64_t entry = acpi_number(raw, 0, entry_bytes);
		/* Firmware leaves entries empty; a table that is named twice, the root itself too, counts once. */
		if (entry == 0 || entry == address || is_known(info, entry))
			continue;
		if (acpi_table_check(reader, entry, NULL, ACPI_TABLE_BYTES, &table))
			info->table[info->table_count++] = table;
	}
	return true;
}

const struct acpi_table *acpi_find(const struct acpi_info *info, const char *signature)
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (strcmp(info->table[i].signature, signature) == 0)
			return &info->table[i];
	return NULL;
}

static void parse_tables(const struct acpi_reader *reader)
{
	static const struct {
		const char *signature;
		void (*parse)(const struct acpi_reader *reader, const struct acpi_table *table);
	} parsers[] = {{"APIC", acpi_madt_parse}, {"FACP", acpi_fadt_parse}, {"MCFG", acpi_mcfg_parse},
		{"HPET", acpi_hpet_parse}};
	for (unsigned i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
		const struct acpi_table *table = acpi_find(reader->info, parsers[i].signature);
		if (table)
			parsers[i].parse(reader, table);
	}
}

bool acpi_parse(struct acpi_info *info, const struct acpi_host *host, const void *rsdp, uint32_t rsdp_bytes)
{
	const struct acpi_reader reader = {info, host};
	uint8_t found[RSDP_BYTES_2] = {0};
	uint64_t searched = 0;
	*info = (struct acpi_info){0};
	if (rsdp_bytes > 0)
		memcpy(found, rsdp, rsdp_bytes < sizeof(found) ? rsdp_bytes : sizeof(found));
	if (rsdp_bytes > 0 && !rsdp_is_good(found, rsdp_bytes)) {
		host->complain(host->context, "ACPI RSDP: the boot loader's copy is wrong, so it is searched for");
		rsdp_bytes = 0;
	}
	if (rsdp_bytes == 0 && !rsdp_find(host, found, &searched)) {
		host->complain(host->context, "ACPI RSDP: not found");
		return false;
	}
	info->rsdp_address = searched;
	info->revision = found[15];
	bool good = false;
	uint64_t xsdt = info->revision >= 2 ? acpi_number(found, 24, 8) : 0, rsdt = acpi_number(found, 16, 4);
	if (xsdt != 0)
		good = root_table(&reader, xsdt, "XSDT", 8);
	if (!good)
		good = root_table(&reader, rsdt, "RSDT", 4);
	if (good)
		parse_tables(&reader);
	return good;
}

void acpi_isa_line(const struct acpi_info *info, uint8_t isa_irq, uint32_t *gsi, bool *level, bool *low)
{
	*gsi = isa_irq;
	*level = false;
	*low = false;
	for (uint32_t i = 0; i < info->override_count; i++) {
		const struct acpi_override *override = &info->override[i];
		if (override->isa_irq != isa_irq)
			continue;
		*gsi = override->gsi;
		*low = (override->flags & 3) == 3;
		*level = (override->flags >> 2 & 3) == 3;
	}
}
