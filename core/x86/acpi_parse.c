/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_parse.c: what the core reads in single tables. ACPI Specification, "Multiple APIC Description Table (MADT)", "Fixed ACPI Description
 * Table (FADT)"; PCI Firmware Specification, "MCFG"; IA-PC HPET specification, "ACPI HPET Table".
 */
#include "core/x86/acpi_tables.h"

#define MADT_LAPIC_ADDRESS 36
#define MADT_FLAGS	   40
#define MADT_ENTRIES	   44
#define MADT_PC_AT	   0x1
#define ENTRY_BYTES_MAX	   255

#define FADT_BYTES_MIN 116 /* that of ACPI 1.0 */
#define FADT_BYTES_MAX 276
#define FADT_TIMER_32  (1u << 8)
#define FADT_RESET     (1u << 10)
#define FADT_REDUCED   (1u << 20)
#define GAS_BYTES      12
#define GAS_MEMORY     0
#define GAS_PORT       1

#define MCFG_ENTRIES 44
#define MCFG_ENTRY   16
#define HPET_BYTES   56
#define HPET_ADDRESS 40

#define COMPLAIN(reader, ...) (reader)->host->complain((reader)->host->context, __VA_ARGS__)

/* A list in a table is full: said once for each entry that is left out. */
static bool room(const struct acpi_reader *reader, uint32_t count, uint32_t max, const char *what)
{
	if (count < max)
		return true;
	COMPLAIN(reader, "ACPI %s: more than %u, the rest is left out", what, max);
	return false;
}

static void madt_cpu(const struct acpi_reader *reader, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	struct acpi_info *info = reader->info;
	/* Neither enabled nor able to become so: a place that firmware did not fill. */
	if (!(flags & 3) || !room(reader, info->cpu_count, ACPI_CPUS_MAX, "MADT processors"))
		return;
	for (uint32_t i = 0; i < info->cpu_count; i++)
		if (info->cpu[i].apic_id == apic_id)
			return;
	info->cpu[info->cpu_count++] = (struct acpi_cpu){.apic_id = apic_id, .uid = uid, .enabled = flags & 1};
}

static void madt_nmi(const struct acpi_reader *reader, uint32_t uid, uint16_t flags, uint8_t lint)
{
	struct acpi_info *info = reader->info;
	if (room(reader, info->nmi_count, ACPI_NMIS_MAX, "MADT NMIs"))
		info->nmi[info->nmi_count++] = (struct acpi_nmi){.uid = uid, .flags = flags, .lint = lint};
}

static void madt_ioapic(const struct acpi_reader *reader, const uint8_t *entry)
{
	struct acpi_info *info = reader->info;
	if (room(reader, info->ioapic_count, ACPI_IOAPICS_MAX, "MADT I/O APICs"))
		info->ioapic[info->ioapic_count++] = (struct acpi_ioapic){
			.id = entry[2], .address = acpi_number(entry, 4, 4), .gsi_base = acpi_number(entry, 8, 4)};
}

static void madt_override(const struct acpi_reader *reader, const uint8_t *entry)
{
	struct acpi_info *info = reader->info;
	if (entry[2] != 0 || entry[3] > 15) {
		COMPLAIN(reader, "ACPI MADT: override of bus %u, interrupt %u is left out", entry[2], entry[3]);
		return;
	}
	if (room(reader, info->override_count, ACPI_OVERRIDES_MAX, "MADT overrides"))
		info->override[info->override_count++] = (struct acpi_override){
			.isa_irq = entry[3], .gsi = acpi_number(entry, 4, 4), .flags = acpi_number(entry, 8, 2)};
}

static void madt_entry(const struct acpi_reader *reader, const uint8_t *entry)
{
	/* The least length of each type that is read; 0: not read. */
	static const uint8_t bytes_min[] = {[0] = 8, [1] = 12, [2] = 10, [4] = 6, [5] = 12, [9] = 16, [10] = 12};
	uint8_t type = entry[0];
	if (type >= sizeof(bytes_min) || bytes_min[type] == 0)
		return;
	if (entry[1] < bytes_min[type]) {
		COMPLAIN(reader, "ACPI MADT: an entry of type %u has %u bytes and is left out", type, entry[1]);
		return;
	}
	switch (type) {
	case 0: madt_cpu(reader, entry[3], entry[2], acpi_number(entry, 4, 4)); break;
	case 1: madt_ioapic(reader, entry); break;
	case 2: madt_override(reader, entry); break;
	case 4: madt_nmi(reader, entry[2] == 0xff ? UINT32_MAX : entry[2], acpi_number(entry, 3, 2), entry[5]); break;
	case 5: reader->info->lapic_address = acpi_number(entry, 4, 8); break;
	case 9: madt_cpu(reader, acpi_number(entry, 4, 4), acpi_number(entry, 12, 4), acpi_number(entry, 8, 4)); break;
	case 10: madt_nmi(reader, acpi_number(entry, 4, 4), acpi_number(entry, 2, 2), entry[8]); break;
	}
}

void acpi_madt_parse(const struct acpi_reader *reader, const struct acpi_table *table)
{
	uint8_t head[8], entry[ENTRY_BYTES_MAX];
	if (!acpi_table_read(reader, table, head, MADT_LAPIC_ADDRESS, sizeof(head)))
		return;
	reader->info->madt = true;
	reader->info->lapic_address = acpi_number(head, 0, 4);
	reader->info->pc_at = acpi_number(head, MADT_FLAGS - MADT_LAPIC_ADDRESS, 4) & MADT_PC_AT;
	for (uint32_t at = MADT_ENTRIES; at + 2 <= table->bytes;) {
		if (!acpi_table_read(reader, table, entry, at, 2))
			return;
		if (entry[1] < 2 || entry[1] > table->bytes - at) {
			COMPLAIN(reader, "ACPI MADT: an entry of %u bytes at %u; what follows is left out", entry[1],
				at);
			return;
		}
		if (!acpi_table_read(reader, table, entry, at, entry[1]))
			return;
		madt_entry(reader, entry);
		at += entry[1];
	}
}

/* A generic address, or the older 32-bit port number where that is empty. */
static struct acpi_register fadt_register(const uint8_t *fadt, uint32_t gas_offset, uint32_t port_offset)
{
	const uint8_t *gas = fadt + gas_offset;
	struct acpi_register result = {
		.address = acpi_number(gas, 4, 8), .memory = gas[0] == GAS_MEMORY, .bits = gas[1]};
	if (result.address == 0 || gas[0] > GAS_PORT)
		result = (struct acpi_register){.address = port_offset ? acpi_number(fadt, port_offset, 4) : 0};
	return result;
}

static void fadt_dsdt(const struct acpi_reader *reader, const uint8_t *fadt)
{
	struct acpi_table dsdt;
	uint64_t address = acpi_number(fadt, 140, 8);
	if (address == 0)
		address = acpi_number(fadt, 40, 4);
	if (address == 0 || !acpi_table_check(reader, address, "DSDT", ACPI_DSDT_BYTES, &dsdt))
		return;
	reader->info->dsdt_address = dsdt.address;
	reader->info->dsdt_bytes = dsdt.bytes;
}

void acpi_fadt_parse(const struct acpi_reader *reader, const struct acpi_table *table)
{
	struct acpi_info *info = reader->info;
	uint8_t fadt[FADT_BYTES_MAX] = {0}; /* what an older table has not, reads as nothing */
	if (table->bytes < FADT_BYTES_MIN) {
		COMPLAIN(reader, "ACPI FACP: %u bytes are too few", table->bytes);
		return;
	}
	if (!acpi_table_read(reader, table, fadt, 0, table->bytes < FADT_BYTES_MAX ? table->bytes : FADT_BYTES_MAX))
		return;
	uint32_t flags = acpi_number(fadt, 112, 4);
	info->fadt = true;
	info->sci_irq = acpi_number(fadt, 46, 2);
	info->smi_command = acpi_number(fadt, 48, 4);
	info->acpi_enable = fadt[52];
	info->acpi_disable = fadt[53];
	info->century = fadt[108];
	info->pm1a_control = fadt_register(fadt, 172, 64);
	info->pm1b_control = fadt_register(fadt, 184, 68);
	info->pm_timer = fadt_register(fadt, 208, 76);
	info->pm_timer_32 = flags & FADT_TIMER_32;
	info->hardware_reduced = flags & FADT_REDUCED;
	if (flags & FADT_RESET) {
		info->reset = fadt_register(fadt, 116, 0);
		info->reset_value = fadt[128];
	}
	fadt_dsdt(reader, fadt);
}

void acpi_mcfg_parse(const struct acpi_reader *reader, const struct acpi_table *table)
{
	struct acpi_info *info = reader->info;
	uint8_t entry[MCFG_ENTRY];
	for (uint32_t at = MCFG_ENTRIES; at + MCFG_ENTRY <= table->bytes; at += MCFG_ENTRY) {
		if (!acpi_table_read(reader, table, entry, at, MCFG_ENTRY))
			return;
		struct acpi_ecam ecam = {.address = acpi_number(entry, 0, 8),
			.segment = acpi_number(entry, 8, 2),
			.bus_first = entry[10],
			.bus_last = entry[11]};
		if (ecam.address == 0 || ecam.address % 0x100000 != 0 || ecam.bus_first > ecam.bus_last) {
			COMPLAIN(reader, "ACPI MCFG: 0x%lx for buses %u to %u is left out", (unsigned long)ecam.address,
				ecam.bus_first, ecam.bus_last);
			continue;
		}
		if (!room(reader, info->ecam_count, ACPI_ECAM_MAX, "MCFG ranges"))
			return;
		info->ecam[info->ecam_count++] = ecam;
	}
}

void acpi_hpet_parse(const struct acpi_reader *reader, const struct acpi_table *table)
{
	uint8_t gas[GAS_BYTES];
	if (table->bytes < HPET_BYTES) {
		COMPLAIN(reader, "ACPI HPET: %u bytes are too few", table->bytes);
		return;
	}
	if (!acpi_table_read(reader, table, gas, HPET_ADDRESS, sizeof(gas)))
		return;
	reader->info->hpet_address = acpi_number(gas, 4, 8);
	reader->info->hpet = gas[0] == GAS_MEMORY && reader->info->hpet_address != 0;
}
