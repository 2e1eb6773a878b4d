/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi.c: finds the tables, checks each, and reads what the core wants to know. ACPI Specification, "Root System Description Pointer (RSDP)",
 * "System Description Table Header", "Multiple APIC Description Table (MADT)", "Fixed ACPI Description Table (FADT)"; PCI Firmware Specification, "MCFG";
 * IA-PC HPET specification, "ACPI HPET Table".
 */
#include "core/x86/acpi.h"
#include "core/x86/log.h"
#include "lib/string.h"

#define RSDP_BYTES_1   20
#define RSDP_BYTES_2   36
#define CHUNK_BYTES    256
#define EBDA_POINTER   0x40e
#define EBDA_BYTES     1024
#define BIOS_AREA      0xe0000
#define BIOS_AREA_END  0x100000
#define RSDP_ALIGNMENT 16

#define HEADER_BYTES 36

#define MADT_FLAGS   40
#define MADT_ENTRIES 44
#define MADT_PC_AT   0x1

#define FADT_BYTES_MIN 116 /* that of ACPI 1.0 */
#define FADT_BYTES_MAX 276
#define FADT_RESET     (1u << 10)
#define FADT_REDUCED   (1u << 20)
#define GAS_BYTES      12
#define GAS_MEMORY     0
#define GAS_PORT       1

#define MCFG_ENTRIES 44
#define MCFG_ENTRY   16
#define HPET_BYTES   56
#define HPET_ADDRESS 40

/* Numbers in tables are little-endian and lie at any alignment. */
static uint64_t number(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, length);
	return value;
}

/* ---- any table ---- */

static uint8_t byte_sum(const uint8_t *bytes, uint32_t count)
{
	uint8_t sum = 0;
	for (uint32_t i = 0; i < count; i++)
		sum += bytes[i];
	return sum;
}

/* Warns by name; false. */
static bool refuse(const struct acpi_table *table, const char *why)
{
	log_warn("ACPI %s at 0x%lx, %u bytes: %s", table->signature, table->address, table->bytes, why);
	return false;
}

/* Reads from a table that has been checked; false (and a warning) where it is shorter. */
static bool table_read(const struct acpi_table *table, void *to, uint32_t offset, uint32_t bytes)
{
	if (offset > table->bytes || bytes > table->bytes - offset)
		return refuse(table, "too short");
	return acpi_read(to, table->address + offset, bytes) || refuse(table, "not in memory");
}

/* Length and checksum, and the signature if one is wanted, of what claims to be a table. */
static bool table_check(struct acpi_table *table, uint64_t address, const char *wanted, uint32_t limit)
{
	uint8_t chunk[CHUNK_BYTES], sum = 0;
	*table = (struct acpi_table){.signature = "?", .address = address, .bytes = HEADER_BYTES};
	if (address > UINT64_MAX - limit)
		return refuse(table, "not in memory");
	if (!table_read(table, chunk, 0, HEADER_BYTES))
		return false;
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
		if (!table_read(table, chunk, at, length))
			return false;
		sum += byte_sum(chunk, length);
	}
	return sum == 0 || refuse(table, "wrong checksum");
}

/* ---- single tables ---- */

/* The next place of a list, or NULL and a warning: it is full. */
#define NEXT(info, list, max, what)                                                                                    \
	((info)->list##_count < (max) ? &(info)->list[(info)->list##_count++] : (list_is_full(what, max), NULL))

static void list_is_full(const char *what, uint32_t max)
{
	log_warn("ACPI %s: more than %u, the rest is left out", what, max);
}

/* MPS INTI flags: bits 1:0 polarity, 3:2 trigger: 0 as the bus has it, 1 high or edge, 3 low or level. */
static bool is_low(uint64_t flags)
{
	return (flags & 3) == 3;
}

static bool is_level(uint64_t flags)
{
	return (flags >> 2 & 3) == 3;
}

static void madt_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	/* Neither enabled nor able to become so: a place that firmware did not fill. */
	if (!(flags & 3))
		return;
	for (uint32_t i = 0; i < info->cpu_count; i++)
		if (info->cpu[i].apic_id == apic_id)
			return;
	struct acpi_cpu *cpu = NEXT(info, cpu, ACPI_CPUS_MAX, "MADT processors");
	if (cpu)
		*cpu = (struct acpi_cpu){.apic_id = apic_id, .uid = uid, .enabled = flags & 1};
}

static void madt_nmi(struct acpi_info *info, uint32_t uid, uint64_t flags, uint8_t lint)
{
	struct acpi_nmi *nmi = NEXT(info, nmi, ACPI_NMIS_MAX, "MADT NMIs");
	if (nmi)
		*nmi = (struct acpi_nmi){.uid = uid, .lint = lint, .low = is_low(flags), .level = is_level(flags)};
}

static void madt_ioapic(struct acpi_info *info, const uint8_t *entry)
{
	struct acpi_ioapic *ioapic = NEXT(info, ioapic, ACPI_IOAPICS_MAX, "MADT I/O APICs");
	if (ioapic)
		*ioapic = (struct acpi_ioapic){
			.id = entry[2], .address = number(entry, 4, 4), .gsi_base = number(entry, 8, 4)};
}

static void madt_override(struct acpi_info *info, const uint8_t *entry)
{
	uint64_t flags = number(entry, 8, 2);
	if (entry[2] != 0 || entry[3] > 15) {
		log_warn("ACPI MADT: override of bus %u, interrupt %u is left out", entry[2], entry[3]);
		return;
	}
	struct acpi_override *override = NEXT(info, override, ACPI_OVERRIDES_MAX, "MADT overrides");
	if (override)
		*override = (struct acpi_override){.isa_irq = entry[3],
			.gsi = number(entry, 4, 4),
			.low = is_low(flags),
			.level = is_level(flags)};
}

static void madt_entry(struct acpi_info *info, const uint8_t *entry)
{
	/* The least length of each type that is read; 0: not read. */
	static const uint8_t bytes_min[] = {[0] = 8, [1] = 12, [2] = 10, [4] = 6, [9] = 16, [10] = 12};
	uint8_t type = entry[0];
	if (type >= sizeof(bytes_min) || bytes_min[type] == 0)
		return;
	if (entry[1] < bytes_min[type]) {
		log_warn("ACPI MADT: an entry of type %u has %u bytes and is left out", type, entry[1]);
		return;
	}
	switch (type) {
	case 0: madt_cpu(info, entry[3], entry[2], number(entry, 4, 4)); break;
	case 1: madt_ioapic(info, entry); break;
	case 2: madt_override(info, entry); break;
	case 4: madt_nmi(info, entry[2] == 0xff ? UINT32_MAX : entry[2], number(entry, 3, 2), entry[5]); break;
	case 9: madt_cpu(info, number(entry, 4, 4), number(entry, 12, 4), number(entry, 8, 4)); break;
	case 10: madt_nmi(info, number(entry, 4, 4), number(entry, 2, 2), entry[8]); break;
	}
}

static void madt_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t flags, entry[UINT8_MAX];
	if (!table_read(table, &flags, MADT_FLAGS, 1))
		return;
	info->madt = true;
	info->pc_at = flags & MADT_PC_AT;
	for (uint32_t at = MADT_ENTRIES; at + 2 <= table->bytes; at += entry[1]) {
		if (!table_read(table, entry, at, 2))
			return;
		if (entry[1] < 2 || entry[1] > table->bytes - at) {
			log_warn("ACPI MADT: an entry of %u bytes at %u; what follows is left out", entry[1], at);
			return;
		}
		if (!table_read(table, entry, at, entry[1]))
			return;
		madt_entry(info, entry);
	}
}

/* A generic address, or the older 32-bit port number where that is empty. */
static struct acpi_register fadt_register(const uint8_t *fadt, uint32_t gas_offset, uint32_t port_offset)
{
	const uint8_t *gas = fadt + gas_offset;
	struct acpi_register result = {.address = number(gas, 4, 8), .memory = gas[0] == GAS_MEMORY};
	if (result.address == 0 || gas[0] > GAS_PORT)
		result = (struct acpi_register){.address = port_offset ? number(fadt, port_offset, 4) : 0};
	return result;
}

static void fadt_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t fadt[FADT_BYTES_MAX] = {0}; /* what an older table has not, reads as nothing */
	struct acpi_table dsdt;
	if (table->bytes < FADT_BYTES_MIN) {
		refuse(table, "too short");
		return;
	}
	if (!table_read(table, fadt, 0, table->bytes < FADT_BYTES_MAX ? table->bytes : FADT_BYTES_MAX))
		return;
	uint32_t flags = number(fadt, 112, 4);
	info->fadt = true;
	info->smi_command = number(fadt, 48, 4);
	info->acpi_enable = fadt[52];
	info->century = fadt[108];
	info->pm1a_control = fadt_register(fadt, 172, 64);
	info->pm1b_control = fadt_register(fadt, 184, 68);
	info->pm_timer = fadt_register(fadt, 208, 76);
	info->hardware_reduced = flags & FADT_REDUCED;
	if (flags & FADT_RESET) {
		info->reset = fadt_register(fadt, 116, 0);
		info->reset_value = fadt[128];
	}
	uint64_t address = number(fadt, 140, 8);
	if (address == 0)
		address = number(fadt, 40, 4);
	if (address != 0 && table_check(&dsdt, address, "DSDT", ACPI_DSDT_BYTES)) {
		info->dsdt_address = dsdt.address;
		info->dsdt_bytes = dsdt.bytes;
	}
}

static void mcfg_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t entry[MCFG_ENTRY];
	for (uint32_t at = MCFG_ENTRIES; at + MCFG_ENTRY <= table->bytes; at += MCFG_ENTRY) {
		if (!table_read(table, entry, at, MCFG_ENTRY))
			return;
		struct acpi_ecam *to, ecam = {.address = number(entry, 0, 8),
					      .segment = number(entry, 8, 2),
					      .bus_first = entry[10],
					      .bus_last = entry[11]};
		if (ecam.address == 0 || ecam.address % 0x100000 != 0 || ecam.bus_first > ecam.bus_last) {
			log_warn("ACPI MCFG: 0x%lx for buses %u to %u is left out", ecam.address, ecam.bus_first,
				ecam.bus_last);
			continue;
		}
		if ((to = NEXT(info, ecam, ACPI_ECAM_MAX, "MCFG ranges")) == NULL)
			return;
		*to = ecam;
	}
}

static void hpet_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t gas[GAS_BYTES];
	if (table->bytes < HPET_BYTES) {
		refuse(table, "too short");
		return;
	}
	if (!table_read(table, gas, HPET_ADDRESS, sizeof(gas)))
		return;
	info->hpet_address = number(gas, 4, 8);
	info->hpet = gas[0] == GAS_MEMORY && info->hpet_address != 0;
}

/* ---- the list of tables ---- */

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
	if (!table_check(&root, address, signature, ACPI_TABLE_BYTES))
		return false;
	uint32_t count = (root.bytes - HEADER_BYTES) / entry_bytes;
	if (count > ACPI_TABLES_MAX) {
		refuse(&root, "names too many tables, the last are left out");
		count = ACPI_TABLES_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t entry = 0;
		if (!table_read(&root, &entry, HEADER_BYTES + i * entry_bytes, entry_bytes))
			return false;
		/* Firmware leaves entries empty; a table that is named twice, the root itself too, counts once. */
		if (entry != 0 && entry != address && !is_known(info, entry) &&
			table_check(&info->table[info->table_count], entry, NULL, ACPI_TABLE_BYTES))
			info->table_count++;
	}
	return true;
}

static void parse_tables(struct acpi_info *info)
{
	static const struct {
		char signature[5];
		void (*parse)(struct acpi_info *info, const struct acpi_table *table);
	} parsers[] = {{"APIC", madt_parse}, {"FACP", fadt_parse}, {"MCFG", mcfg_parse}, {"HPET", hpet_parse}};
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
	uint64_t xsdt = info->revision >= 2 ? number(found, 24, 8) : 0;
	if ((xsdt == 0 || !root_table(info, xsdt, "XSDT", 8)) && !root_table(info, number(found, 16, 4), "RSDT", 4))
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
