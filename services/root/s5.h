/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/s5.h: what the DSDT says must be written to switch the machine off. */
#ifndef ROOT_S5_H
#define ROOT_S5_H

#include <stdint.h>

/*
 * Finds the package \_S5 in AML: its first two numbers are the values of SLP_TYP in the control registers PM1a and PM1b (ACPI Specification,
 * "\_S5 (S5 Sleeping State)"; "AML Byte Stream Byte Values" has the encoding). AML is not run: a name that is followed by a package of
 * constants is what every firmware has. 0, or -GYRE_ENOENT.
 */
int s5_find(const uint8_t *aml, uint32_t bytes, uint8_t *type_a, uint8_t *type_b);

#endif
