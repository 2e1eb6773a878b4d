/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/power.c: switches the machine off by ACPI: SLP_TYP of \_S5 and SLP_EN into the PM1 control registers (ACPI Specification,
 * "PM1 Control Registers", "Transitioning from the Working to the Soft Off State").
 */
#include "services/root/root.h"
#include "services/root/output.h"
#include "lib/uart.h"
#include "gyre/errors.h"

#define PM1_SCI_EN	  0x0001u
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP	  0x1c00u
#define PM1_SLP_EN	  0x2000u
#define ACPI_ENABLE_MS	  3000u
#define OFF_MS		  1000u
#define AML_HEADER	  36u

static int ports_take(uint16_t first, uint16_t count)
{
	long ports = ioports_create(GYRE_ROOT_MACHINE, first, count);
	return ports > 0 && ioports_grant(0, (handle_t)ports) == 0;
}

static void wait_ms(uint32_t milliseconds)
{
	uint64_t deadline = tsc() + root.machine.tsc_khz * milliseconds;
	while (tsc() < deadline)
		__asm__ volatile("pause");
}

/* An ACPI table of the core's boot information; NULL: there is none. One at a time. */
static const uint8_t *table_map(uint64_t address, uint32_t bytes)
{
	uint64_t offset = address % 4096;
	if (bytes == 0 || memory_map_all(0, GYRE_ROOT_FIRMWARE, address / 4096, WINDOW_FIRMWARE,
				  (offset + bytes + 4095) / 4096, GYRE_RIGHT_READ) < 0)
		return NULL;
	return (const uint8_t *)WINDOW_FIRMWARE + offset;
}

static void table_unmap(uint64_t address, uint32_t bytes)
{
	memory_unmap_all(0, WINDOW_FIRMWARE, (address % 4096 + bytes + 4095) / 4096);
}

void power_init(void)
{
	const struct gyre_boot_info *boot = root.boot;
	const uint8_t *table = table_map(boot->fadt, boot->fadt_bytes);
	if (table == NULL)
		return;
	root.fadt = fadt_read(table, boot->fadt_bytes);
	table_unmap(boot->fadt, boot->fadt_bytes);
}

static int sleep_types(uint8_t *type_a, uint8_t *type_b)
{
	uint32_t bytes = root.boot->dsdt_bytes;
	const uint8_t *table = bytes > AML_HEADER ? table_map(root.boot->dsdt, bytes) : NULL;
	return table != NULL ? s5_find(table + AML_HEADER, bytes - AML_HEADER, type_a, type_b) : -GYRE_ENOENT;
}

/* Firmware may still own the registers: it hands them over when told so. */
static void acpi_enable(void)
{
	if ((port_in16(root.fadt.pm1a_control) & PM1_SCI_EN) != 0 || root.fadt.smi_command == 0 ||
		root.fadt.acpi_enable == 0 || !ports_take(root.fadt.smi_command, 1))
		return;
	port_out8(root.fadt.smi_command, root.fadt.acpi_enable);
	for (uint32_t i = 0; i < ACPI_ENABLE_MS && (port_in16(root.fadt.pm1a_control) & PM1_SCI_EN) == 0; i++)
		wait_ms(1);
}

static void control_write(uint16_t port, uint8_t type)
{
	uint16_t value = (uint16_t)(port_in16(port) & ~PM1_SLP_TYP) | (uint16_t)(type << PM1_SLP_TYP_SHIFT);
	port_out16(port, value);
	port_out16(port, value | PM1_SLP_EN);
}

static int acpi_off(void)
{
	uint8_t type_a, type_b;
	if (root.fadt.pm1a_control == 0 || sleep_types(&type_a, &type_b) < 0 || !ports_take(root.fadt.pm1a_control, 2))
		return 0;
	int has_b = root.fadt.pm1b_control != 0 && ports_take(root.fadt.pm1b_control, 2);
	acpi_enable();
	control_write(root.fadt.pm1a_control, type_a);
	if (has_b)
		control_write(root.fadt.pm1b_control, type_b);
	wait_ms(OFF_MS);
	return 1;
}

/* Emulators have doors of their own; a real machine may have anything at these ports. */
static void emulator_off(void)
{
	static const uint16_t pm1[2] = {0x604, 0xb004};
	for (unsigned i = 0; i < 2; i++)
		if (ports_take(pm1[i], 2))
			port_out16(pm1[i], PM1_SLP_EN);
	if (ports_take(0x8900, 1))
		for (const char *c = "Shutdown"; *c != 0; c++)
			port_out8(0x8900, (uint8_t)*c);
}

void power_off(void)
{
	output_flush();
	int tried = acpi_off();
	if (root.emulated)
		emulator_off();
	root_log(tried ? "the machine did not switch itself off: switch it off now"
		       : "this machine's ACPI tables do not say how to switch it off: switch it off now");
	output_flush();
	for (;;) {
		uint64_t bits;
		event_wait(root.event, GYRE_FOREVER, &bits);
	}
}
