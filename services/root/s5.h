/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/s5.h: what ACPI tables say must be written to switch the machine off, and where. */
#ifndef ROOT_S5_H
#define ROOT_S5_H

#include <stdint.h>

/* What root makes use of in the Fixed ACPI Description Table; 0: there is none. A port that is none of an I/O space counts as none. */
struct fadt {
	uint16_t pm1a_control, pm1b_control, smi_command;
	uint8_t acpi_enable, century;
};
/* From a table whose length and checksum are right. */
struct fadt fadt_read(const uint8_t *table, uint32_t bytes);

/*
 * Finds the package \_S5 in AML: its first two numbers are the values of SLP_TYP in the control registers PM1a and PM1b (ACPI Specification,
 * "\_S5 (S5 Sleeping State)"; "AML Byte Stream Byte Values" has the encoding). AML is not run: a name that is followed by a package of
 * constants is what every firmware has. 0, or -GYRE_ENOENT.
 */
int s5_find(const uint8_t *aml, uint32_t bytes, uint8_t *type_a, uint8_t *type_b);

#endif
