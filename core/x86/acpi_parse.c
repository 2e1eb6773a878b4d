/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_parse.c: what the core reads in single tables. ACPI Specification, "Multiple APIC Description Table (MADT)", "Fixed ACPI Description
 * Table (FADT)"; PCI Firmware Specification, "MCFG"; IA-PC HPET specification, "ACPI HPET Table".
 */
#include "core/x86/acpi_tables.h"
#include "core/x86/log.h"

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
			.id = entry[2], .address = acpi_number(entry, 4, 4), .gsi_base = acpi_number(entry, 8, 4)};
}

static void madt_override(struct acpi_info *info, const uint8_t *entry)
{
	uint64_t flags = acpi_number(entry, 8, 2);
	if (entry[2] != 0 || entry[3] > 15) {
		log_warn("ACPI MADT: override of bus %u, interrupt %u is left out", entry[2], entry[3]);
		return;
	}
	struct acpi_override *override = NEXT(info, override, ACPI_OVERRIDES_MAX, "MADT overrides");
	if (override)
		*override = (struct acpi_override){.isa_irq = entry[3],
			.gsi = acpi_number(entry, 4, 4),
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
	case 0: madt_cpu(info, entry[3], entry[2], acpi_number(entry, 4, 4)); break;
	case 1: madt_ioapic(info, entry); break;
	case 2: madt_override(info, entry); break;
	case 4: madt_nmi(info, entry[2] == 0xff ? UINT32_MAX : entry[2], acpi_number(entry, 3, 2), entry[5]); break;
	case 9: madt_cpu(info, acpi_number(entry, 4, 4), acpi_number(entry, 12, 4), acpi_number(entry, 8, 4)); break;
	case 10: madt_nmi(info, acpi_number(entry, 4, 4), acpi_number(entry, 2, 2), entry[8]); break;
	}
}

void acpi_madt_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t flags, entry[UINT8_MAX];
	if (!acpi_table_read(table, &flags, MADT_FLAGS, 1))
		return;
	info->madt = true;
	info->pc_at = flags & MADT_PC_AT;
	for (uint32_t at = MADT_ENTRIES; at + 2 <= table->bytes; at += entry[1]) {
		if (!acpi_table_read(table, entry, at, 2))
			return;
		if (entry[1] < 2 || entry[1] > table->bytes - at) {
			log_warn("ACPI MADT: an entry of %u bytes at %u; what follows is left out", entry[1], at);
			return;
		}
		if (!acpi_table_read(table, entry, at, entry[1]))
			return;
		madt_entry(info, entry);
	}
}

/* A generic address, or the older 32-bit port number where that is empty. */
static struct acpi_register fadt_register(const uint8_t *fadt, uint32_t gas_offset, uint32_t port_offset)
{
	const uint8_t *gas = fadt + gas_offset;
	struct acpi_register result = {.address = acpi_number(gas, 4, 8), .memory = gas[0] == GAS_MEMORY};
	if (result.address == 0 || gas[0] > GAS_PORT)
		result = (struct acpi_register){.address = port_offset ? acpi_number(fadt, port_offset, 4) : 0};
	return result;
}

void acpi_fadt_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t fadt[FADT_BYTES_MAX] = {0}; /* what an older table has not, reads as nothing */
	struct acpi_table dsdt;
	if (table->bytes < FADT_BYTES_MIN) {
		acpi_table_refuse(table, "too short");
		return;
	}
	if (!acpi_table_read(table, fadt, 0, table->bytes < FADT_BYTES_MAX ? table->bytes : FADT_BYTES_MAX))
		return;
	uint32_t flags = acpi_number(fadt, 112, 4);
	info->fadt = true;
	info->smi_command = acpi_number(fadt, 48, 4);
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
	uint64_t address = acpi_number(fadt, 140, 8);
	if (address == 0)
		address = acpi_number(fadt, 40, 4);
	if (address != 0 && acpi_table_check(&dsdt, address, "DSDT", ACPI_DSDT_BYTES)) {
		info->dsdt_address = dsdt.address;
		info->dsdt_bytes = dsdt.bytes;
	}
}

void acpi_mcfg_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t entry[MCFG_ENTRY];
	for (uint32_t at = MCFG_ENTRIES; at + MCFG_ENTRY <= table->bytes; at += MCFG_ENTRY) {
		if (!acpi_table_read(table, entry, at, MCFG_ENTRY))
			return;
		struct acpi_ecam *to, ecam = {.address = acpi_number(entry, 0, 8),
					      .segment = acpi_number(entry, 8, 2),
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

void acpi_hpet_parse(struct acpi_info *info, const struct acpi_table *table)
{
	uint8_t gas[GAS_BYTES];
	if (table->bytes < HPET_BYTES) {
		acpi_table_refuse(table, "too short");
		return;
	}
	if (!acpi_table_read(table, gas, HPET_ADDRESS, sizeof(gas)))
		return;
	info->hpet_address = acpi_number(gas, 4, 8);
	info->hpet = gas[0] == GAS_MEMORY && info->hpet_address != 0;
}
