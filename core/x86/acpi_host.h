/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/acpi_host.h: this machine's ACPI tables, read through a window.
 */
#ifndef CORE_X86_ACPI_HOST_H
#define CORE_X86_ACPI_HOST_H

struct boot_info;

/* Fills acpi_info; notes where the tables are in boot->firmware. Warns when there is no ACPI, and leaves acpi_info empty. */
void acpi_init(struct boot_info *boot);

#endif
