/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/power.c: the end of the machine after a panic. Otherwise root sees to it.
 */
#include "core/boot/boot.h"
#include "core/x86/acpi.h"
#include "core/x86/io.h"
#include "core/x86/log.h"
#include "lib/string.h"

#define PM1_SLEEP_ENABLE   0x2000
#define PORT_RESET_CONTROL 0xcf9
#define PORT_BOCHS_END	   0x8900

/* Sleep type 0 is S5 on the chip sets that emulators have. On a real machine the AML knows it, which only root can ask: there nothing happens. */
static void power_off_emulated(void)
{
	const struct acpi_register *control = &acpi_info.pm1a_control;
	for (const char *end = "Shutdown"; *end != 0; end++)
		io_write8(PORT_BOCHS_END, *end);
	if (acpi_info.fadt && !control->memory && control->address != 0 && control->address <= 0xffff)
		io_write16(control->address, PM1_SLEEP_ENABLE);
}

static void reset(void)
{
	const struct acpi_register *reset_register = &acpi_info.reset;
	if (acpi_info.fadt && !reset_register->memory && reset_register->address != 0 &&
		reset_register->address <= 0xffff)
		io_write8(reset_register->address, acpi_info.reset_value);
	io_write8(PORT_RESET_CONTROL, 0x02);
	io_write8(PORT_RESET_CONTROL, 0x06);
}

void power_end(void)
{
	const char *how = core_option("panic");
	if (how && strcmp(how, "reset") == 0)
		reset();
	else if (how && strcmp(how, "exit") == 0)
		power_off_emulated();
	for (;;)
		__asm__ volatile("cli; hlt");
}
