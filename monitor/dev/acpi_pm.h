/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_ACPI_PM_H
#define MONITOR_DEV_ACPI_PM_H

#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"

#define ACPI_PM_STATE_VERSION 1u

/* Where the tables, the PCI function and this device agree that it is. */
#define ACPI_PM1_EVENT	 0x600
#define ACPI_PM1_CONTROL 0x604
#define ACPI_PM_TIMER	 0x608
#define ACPI_PM_HZ	 3579545u
#define ACPI_SCI	 9
#define ACPI_RESET_PORT	 0xcf9
#define ACPI_RESET_VALUE 0x06
#define ACPI_S5_TYPE	 0 /* SLP_TYP of \_S5 in dsdt.asl */

struct acpi_pm_state {
	uint64_t half; /* half period of bit 23 of the timer in which its flag was last looked at */
	uint16_t status, enable, control;
	uint16_t reserved;
};

struct acpi_pm {
	struct acpi_pm_state state;
	struct clock *clock;
	struct rate to_ticks, to_time;
	struct clock_timer timer;
	struct line sci;
	struct control control;
};

void acpi_pm_init(struct acpi_pm *pm, struct bus *bus, struct clock *clock, const struct line *sci,
	const struct control *control);
struct device acpi_pm_device(struct acpi_pm *pm);
/* The power button is pressed: an operating system that listens shuts down. */
void acpi_pm_power_button(struct acpi_pm *pm);

#endif
