/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.c: see acpi.h. ACPI Specification, "Root System Description Pointer (RSDP)", "System Description Table Header", "Fixed ACPI Description
 * Table (FADT)"; IA-PC HPET specification, "ACPI HPET Table".
 */
#include "core/x86/acpi.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "lib/string.h"

#define RSDP_BYTES_1 20
#define RSDP_BYTES_2 36
#define HEADER_BYTES 36
#define CHUNK_BYTES  256

#define MADT_ENTRIES 44

#define FADT_BYTES 276
#define GAS_MEMORY 0
#define GAS_PORT   1
#define HPET_BYTES 56

SEALED struct acpi_info acpi_info;

/* Numbers in tables are little-endian and lie at any alignment. */
static uint64_t number(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, length);
	return value;
}

static uint8_t byte_sum(const uint8_t *bytes, uint32_t count)
{
	uint8_t sum = 0;
	for (uint32_t i = 0; i < count; i++)
		sum += bytes[i];
	return sum;
}

/* ---- any table ---- */

/* Warns by name; false. */
static bool refuse(const struct acpi_table *table, const char *why)
{
	log_warn("ACPI %s at 0x%lx, %u bytes: %s", table->signature, table->address, table->bytes, why);
	return false;
}

/* Length and checksum, and the signature if one is wanted, of what claims to be a table. */
static bool table_check(struct acpi_table *table, uint64_t address, const char *wanted, uint32_t limit)
{
	uint8_t chunk[CHUNK_BYTES], sum = 0;
	*table = (struct acpi_table){.signature = "?", .address = address};
	if (!firmware_read(chunk, address, HEADER_BYTES))
		return refuse(table, "not in memory");
	table->bytes = number(chunk, 4, 4);
	/* Signatures come from firmware and go to the log: letters only. */
	for (unsigned i = 0; i < 4; i++)
		table->signature[i] = chunk[i] > ' ' && chunk[i] < 0x7f ? (char)chunk[i] : '?';
	if (wanted && strcmp(table->signature, wanted) != 0)
		return refuse(table, "stands where another is wanted");
	if (table->bytes < HEADER_BYTES || table->bytes > limit)
		return refuse(table, "impossible length");
	for (uint32_t at = 0; at < table->bytes; at += CHUNK_BYTES) {
		uint32_t length = table->bytes - at < CHUNK_BYTES ? table->bytes - at : CHUNK_BYTES;
		if (!firmware_read(chunk, address + at, length))
			return refuse(table, "not in memory");
		sum += byte_sum(chunk, length);
	}
	return sum == 0 || refuse(table, "wrong checksum");
}

/* The start of a table that has been checked. What an older, shorter one has not, reads as nothing. */
static void table_read(const struct acpi_table *table, void *to, uint32_t bytes)
{
	memset(to, 0, bytes);
	firmware_read(to, table->address, table->bytes < bytes ? table->bytes : bytes);
}

/* ---- single tables ---- */

static void fadt_read(struct boot_info *boot, const struct acpi_table *table)
{
	struct acpi_table dsdt;
	uint8_t fadt[FADT_BYTES];
	table_read(table, fadt, sizeof(fadt));
	boot->told.fadt = table->address;
	boot->told.fadt_bytes = table->bytes;
	/* Both of them have an older form, of 32 bits. */
	uint64_t pm_timer = fadt[208] == GAS_PORT ? number(fadt, 212, 8) : 0;
	uint64_t dsdt_at = number(fadt, 140, 8);
	pm_timer = pm_timer != 0 ? pm_timer : number(fadt, 76, 4);
	dsdt_at = dsdt_at != 0 ? dsdt_at : number(fadt, 40, 4);
	acpi_info.pm_timer = pm_timer <= UINT16_MAX ? pm_timer : 0;
	if (dsdt_at == 0 || !table_check(&dsdt, dsdt_at, "DSDT", ACPI_DSDT_MAX))
		return;
	boot->told.dsdt = dsdt_at;
	boot->told.dsdt_bytes = dsdt.bytes;
	memory_map_cover(&boot->firmware, dsdt_at, dsdt_at + dsdt.bytes);
}

static void hpet_read(const struct acpi_table *table)
{
	uint8_t hpet[HPET_BYTES];
	table_read(table, hpet, sizeof(hpet));
	acpi_info.hpet = hpet[40] == GAS_MEMORY ? number(hpet, 44, 8) : 0;
}

/* The copy ends before an entry that is not whole. */
static void madt_read(const struct acpi_table *table)
{
	/* The least length of each type that is used. */
	static const uint8_t least[] = {[MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10};
	struct acpi_table *madt = &acpi_info.madt;
	uint32_t end = table->bytes < ACPI_MADT_MAX ? table->bytes : ACPI_MADT_MAX;
	*madt = *table;
	table_read(table, acpi_info.madt_copy, ACPI_MADT_MAX);
	for (madt->bytes = MADT_ENTRIES; madt->bytes + 2 <= end;) {
		const uint8_t *entry = acpi_info.madt_copy + madt->bytes;
		uint8_t wanted = entry[0] < sizeof(least) && least[entry[0]] > 2 ? least[entry[0]] : 2;
		if (entry[1] < wanted || entry[1] > end - madt->bytes) {
			log_warn("ACPI MADT: an entry of type %u has %u bytes; it and what follows is left out",
				entry[0], entry[1]);
			return;
		}
		madt->bytes += entry[1];
	}
	if (table->bytes > ACPI_MADT_MAX)
		refuse(table, "too long, the rest is left out");
}

const struct madt_entry *madt_next(const struct madt_entry *last)
{
	const uint8_t *next = last ? (const uint8_t *)last + last->bytes : acpi_info.madt_copy + MADT_ENTRIES;
	return next < acpi_info.madt_copy + acpi_info.madt.bytes ? (const struct madt_entry *)next : NULL;
}

/* ---- the list of tables ---- */

static void table_found(struct boot_info *boot, uint64_t address)
{
	struct acpi_table table;
	if (!table_check(&table, address, NULL, ACPI_TABLE_MAX))
		return;
	acpi_info.tables++;
	/* One in RAM that firmware calls free is root's to write: it is seen, but not protected. */
	memory_map_cover(&boot->firmware, address, address + table.bytes);
	/* The first of its kind counts. */
	if (strcmp(table.signature, "APIC") == 0 && acpi_info.madt.bytes == 0)
		madt_read(&table);
	else if (strcmp(table.signature, "FACP") == 0 && boot->told.fadt_bytes == 0)
		fadt_read(boot, &table);
	else if (strcmp(table.signature, "HPET") == 0 && acpi_info.hpet == 0)
		hpet_read(&table);
}

/* Follows RSDT (4 bytes an entry) or XSDT (8). Tables never point to tables of this kind, so there is nothing to loop on. */
static bool root_table(struct boot_info *boot, uint64_t address, const char *signature, uint32_t entry_bytes)
{
	struct acpi_table root;
	if (!table_check(&root, address, signature, ACPI_TABLE_MAX))
		return false;
	uint32_t count = (root.bytes - HEADER_BYTES) / entry_bytes;
	if (count > ACPI_TABLES_MAX) {
		refuse(&root, "names too many tables, the last are left out");
		count = ACPI_TABLES_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t entry = 0;
		if (firmware_read(&entry, address + HEADER_BYTES + i * entry_bytes, entry_bytes) && entry != 0)
			table_found(boot, entry);
	}
	return true;
}

static bool rsdp_is_good(const uint8_t *rsdp, uint32_t bytes)
{
	if (bytes < RSDP_BYTES_1 || memcmp(rsdp, "RSD PTR ", 8) != 0 || byte_sum(rsdp, RSDP_BYTES_1) != 0)
		return false;
	return rsdp[15] < 2 || (bytes >= RSDP_BYTES_2 && byte_sum(rsdp, RSDP_BYTES_2) == 0);
}

void acpi_init(struct boot_info *boot)
{
	const uint8_t *rsdp = boot->rsdp_copy;
	memset(&acpi_info, 0, sizeof(acpi_info));
	bool good = rsdp_is_good(rsdp, boot->rsdp_bytes);
	uint64_t xsdt = good && rsdp[15] >= 2 ? number(rsdp, 24, 8) : 0;
	if (!good || ((xsdt == 0 || !root_table(boot, xsdt, "XSDT", 8)) &&
			     !root_table(boot, number(rsdp, 16, 4), "RSDT", 4)))
		log_warn("no ACPI tables: interrupt lines and power-off are not known");
	log_info("ACPI: %u tables%s%s%s", acpi_info.tables, acpi_info.madt.bytes ? ", MADT" : "",
		boot->told.fadt_bytes ? ", FADT" : "", acpi_info.hpet ? ", HPET" : "");
}
