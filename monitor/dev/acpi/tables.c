/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/acpi/tables.c: the ACPI tables of the machine (ACPI specification, "ACPI Software Programming Model"): RSDP, XSDT, RSDT, FADT, FACS,
 * MADT, and the DSDT that iasl made of dsdt.asl. They describe what monitor/machine builds and nothing else.
 */
#include "monitor/dev/acpi/tables.h"
#include "monitor/dev/acpi_pm.h"
#include "monitor/dev/ioapic.h"
#include "monitor/machine/memory.h"
#include "lib/string.h"

#define PACKED __attribute__((packed))

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} PACKED;
_Static_assert(sizeof(struct header) == 36, "ACPI, System Description Table Header");

struct address { /* generic address structure */
	uint8_t space, width, offset, access;
	uint64_t address;
} PACKED;

struct fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length,
		gpe1_base, cst;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer, x_gpe0,
		x_gpe1;
} PACKED;
_Static_assert(sizeof(struct fadt) == 244, "ACPI, Fixed ACPI Description Table, revision 4");

#define FADT_WBINVD	  (1u << 0)
#define FADT_C1		  (1u << 2)
#define FADT_NO_SLEEP_KEY (1u << 5)
#define FADT_NO_RTC_WAKE  (1u << 6)
#define FADT_RESET_REG	  (1u << 10)
#define BOOT_LEGACY	  (1u << 0) /* there are devices of the ISA bus */
#define BOOT_NO_VGA	  (1u << 2)
#define BOOT_NO_ASPM	  (1u << 4)
/* Bit 1, "8042", stays clear: its reset works, but there is no keyboard to look for. */

struct area {
	uint8_t *host;
	uint64_t gpa, used;
};

static void *take(struct area *area, uint64_t bytes, uint64_t align, uint64_t *gpa)
{
	area->used = (area->used + align - 1) & ~(align - 1);
	*gpa = area->gpa + area->used;
	void *host = area->host + area->used;
	area->used += bytes;
	memset(host, 0, bytes);
	return host;
}

static uint8_t checksum(const void *data, uint64_t bytes)
{
	const uint8_t *at = data;
	uint8_t sum = 0;
	while (bytes--)
		sum = (uint8_t)(sum + *at++);
	return (uint8_t)-sum;
}

static void fill_header(struct header *header, const char *signature, uint32_t length, uint8_t revision)
{
	memcpy(header->signature, signature, 4);
	header->length = length;
	header->revision = revision;
	memcpy(header->oem, "GYRE  ", 6);
	memcpy(header->oem_table, "GYREPC  ", 8);
	header->oem_revision = 1;
	memcpy(header->creator, "GYRE", 4);
	header->creator_revision = 1;
}

static void seal(struct header *header)
{
	header->checksum = 0;
	header->checksum = checksum(header, header->length);
}

static struct address port(uint16_t number, uint8_t width)
{
	/* Access size: 1 byte, 2 word, 3 doubleword. */
	return (struct address){1, width, 0, width == 32 ? 3 : width == 16 ? 2 : 1, number};
}

static uint64_t write_fadt(struct area *area, uint64_t facs, uint64_t dsdt)
{
	uint64_t gpa;
	struct fadt *fadt = take(area, sizeof *fadt, 16, &gpa);
	fill_header(&fadt->header, "FACP", sizeof *fadt, 4);
	fadt->facs = (uint32_t)facs, fadt->dsdt = (uint32_t)dsdt;
	fadt->x_facs = 0, fadt->x_dsdt = dsdt; /* the 32-bit field names the FACS; both at once are an error */
	fadt->sci = ACPI_SCI;
	fadt->pm1a_event = ACPI_PM1_EVENT, fadt->pm1_event_length = 4;
	fadt->pm1a_control = ACPI_PM1_CONTROL, fadt->pm1_control_length = 2;
	fadt->pm_timer = ACPI_PM_TIMER, fadt->pm_timer_length = 4;
	fadt->x_pm1a_event = port(ACPI_PM1_EVENT, 32);
	fadt->x_pm1a_control = port(ACPI_PM1_CONTROL, 16);
	fadt->x_pm_timer = port(ACPI_PM_TIMER, 32);
	fadt->c2_latency = fadt->c3_latency = 0xffff; /* no C2, no C3 */
	fadt->century = 0x32;
	fadt->boot_flags = BOOT_LEGACY | BOOT_NO_VGA | BOOT_NO_ASPM;
	fadt->flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_KEY | FADT_NO_RTC_WAKE | FADT_RESET_REG;
	fadt->reset = port(ACPI_RESET_PORT, 8);
	fadt->reset_value = ACPI_RESET_VALUE;
	seal(&fadt->header);
	return gpa;
}

static uint8_t *put(uint8_t *at, const void *entry, unsigned bytes)
{
	memcpy(at, entry, bytes);
	return at + bytes;
}

/* ISA interrupt 0 arrives at pin 2, 9 is ACPI's: level, active high. */
static uint64_t write_madt(struct area *area, uint32_t cpus)
{
	uint64_t gpa;
	uint32_t length = sizeof(struct header) + 8 + 8 * cpus + 12 + 10 + 10 + 6;
	struct header *madt = take(area, length, 16, &gpa);
	fill_header(madt, "APIC", length, 3);
	uint8_t *at = (uint8_t *)(madt + 1);
	const uint32_t head[2] = {0xfee00000, 1}; /* there are PICs too */
	at = put(at, head, 8);
	for (uint32_t i = 0; i < cpus; i++) {
		const uint8_t lapic[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};
		at = put(at, lapic, 8);
	}
	const uint32_t base = (uint32_t)IOAPIC_BASE;
	const uint8_t ioapic[12] = {
		1, 12, 0, 0, (uint8_t)base, (uint8_t)(base >> 8), (uint8_t)(base >> 16), (uint8_t)(base >> 24)};
	const uint8_t timer[10] = {2, 10, 0, 0, 2, 0, 0, 0, 0, 0};
	const uint8_t sci[10] = {2, 10, 0, ACPI_SCI, ACPI_SCI, 0, 0, 0, 0x0d, 0};
	const uint8_t nmi[6] = {4, 6, 0xff, 0, 0, 1};
	at = put(at, ioapic, 12);
	at = put(at, timer, 10);
	at = put(at, sci, 10);
	put(at, nmi, 6);
	seal(madt);
	return gpa;
}

static uint64_t write_root(
	struct area *area, const char *signature, unsigned width, const uint64_t *table, unsigned count)
{
	uint64_t gpa;
	uint32_t length = sizeof(struct header) + width * count;
	struct header *root = take(area, length, 16, &gpa);
	fill_header(root, signature, length, 1);
	for (unsigned i = 0; i < count; i++)
		memcpy((uint8_t *)(root + 1) + width * i, &table[i], width);
	seal(root);
	return gpa;
}

uint64_t acpi_write(const struct memory *memory, uint32_t cpus)
{
	uint8_t *host = memory_at(memory, MEMORY_ACPI, MEMORY_HIGH - MEMORY_ACPI);
	struct area area = {host, MEMORY_ACPI, 0};
	uint64_t rsdp_gpa, facs_gpa, dsdt_gpa;
	memset(host, 0, MEMORY_HIGH - MEMORY_ACPI);
	uint8_t *rsdp = take(&area, 36, 16, &rsdp_gpa);
	uint8_t *facs = take(&area, 64, 64, &facs_gpa);
	memcpy(facs, "FACS", 4);
	facs[4] = 64;
	facs[32] = 1; /* version */
	memcpy(take(&area, acpi_dsdt_bytes, 16, &dsdt_gpa), acpi_dsdt, acpi_dsdt_bytes);
	const uint64_t table[2] = {write_fadt(&area, facs_gpa, dsdt_gpa), write_madt(&area, cpus)};
	uint64_t xsdt = write_root(&area, "XSDT", 8, table, 2);
	uint32_t rsdt = (uint32_t)write_root(&area, "RSDT", 4, table, 2);

	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "GYRE  ", 6);
	rsdp[15] = 2; /* revision: there is an XSDT */
	memcpy(rsdp + 16, &rsdt, 4);
	rsdp[20] = 36;
	memcpy(rsdp + 24, &xsdt, 8);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
	return rsdp_gpa;
}
