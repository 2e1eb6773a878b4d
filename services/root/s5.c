/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/s5.c: see s5.h. ACPI Specification, "Fixed ACPI Description Table (FADT)", "AML Byte Stream Byte Values". */
#include "services/root/s5.h"
#include "lib/string.h"
#include "gyre/errors.h"

#define AML_ZERO    0x00u
#define AML_ONE	    0x01u
#define AML_NAME    0x08u
#define AML_BYTE    0x0au
#define AML_WORD    0x0bu
#define AML_DWORD   0x0cu
#define AML_PACKAGE 0x12u
#define AML_ONES    0xffu

#define FADT_BYTES 276 /* of them, those that are looked at */
#define GAS_PORT   1

static uint64_t little_endian(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, length);
	return value;
}

/* A generic address, or the older number of 32 bits where that is empty. */
static uint16_t fadt_port(const uint8_t *fadt, uint32_t gas, uint32_t old)
{
	uint64_t address = fadt[gas] == GAS_PORT ? little_endian(fadt, gas + 4, 8) : 0;
	if (address == 0)
		address = little_endian(fadt, old, 4);
	return address <= UINT16_MAX ? (uint16_t)address : 0;
}

struct fadt fadt_read(const uint8_t *table, uint32_t bytes)
{
	uint8_t fadt[FADT_BYTES] = {0}; /* what an older table has not, reads as nothing */
	memcpy(fadt, table, bytes < sizeof(fadt) ? bytes : sizeof(fadt));
	uint64_t smi_command = little_endian(fadt, 48, 4);
	return (struct fadt){.pm1a_control = fadt_port(fadt, 172, 64),
		.pm1b_control = fadt_port(fadt, 184, 68),
		.smi_command = smi_command <= UINT16_MAX ? (uint16_t)smi_command : 0,
		.acpi_enable = fadt[52],
		.century = fadt[108]};
}

struct cursor {
	const uint8_t *at, *end;
};

static int next(struct cursor *cursor, uint8_t *byte)
{
	if (cursor->at == cursor->end)
		return 0;
	*byte = *cursor->at++;
	return 1;
}

/* PkgLength: the two top bits of the first byte count the bytes that follow. What it says is not needed: the element count bounds. */
static int skip_package_length(struct cursor *cursor)
{
	uint8_t lead, byte;
	if (!next(cursor, &lead))
		return 0;
	for (unsigned follow = lead >> 6; follow > 0; follow--)
		if (!next(cursor, &byte))
			return 0;
	return 1;
}

static int number(struct cursor *cursor, uint8_t *value)
{
	uint8_t op, rest;
	if (!next(cursor, &op))
		return 0;
	unsigned more = 0;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
	case AML_ONES: *value = op; return 1;
	case AML_BYTE: break;
	case AML_WORD: more = 1; break;
	case AML_DWORD: more = 3; break;
	default: return 0;
	}
	if (!next(cursor, value))
		return 0;
	while (more-- > 0)
		if (!next(cursor, &rest))
			return 0;
	return 1;
}

static int package_values(struct cursor cursor, uint8_t *type_a, uint8_t *type_b)
{
	uint8_t op, elements, a, b;
	if (!next(&cursor, &op) || op != AML_PACKAGE || !skip_package_length(&cursor) || !next(&cursor, &elements) ||
		elements < 1 || !number(&cursor, &a))
		return 0;
	if (elements < 2 || !number(&cursor, &b))
		b = a;
	/* SLP_TYP has three bits. */
	*type_a = a & 7;
	*type_b = b & 7;
	return 1;
}

int s5_find(const uint8_t *aml, uint32_t bytes, uint8_t *type_a, uint8_t *type_b)
{
	for (uint32_t i = 1; bytes >= 4 && i <= bytes - 4; i++) {
		if (memcmp(aml + i, "_S5_", 4) != 0)
			continue;
		int named = aml[i - 1] == AML_NAME || (i > 1 && aml[i - 1] == '\\' && aml[i - 2] == AML_NAME);
		if (named && package_values((struct cursor){aml + i + 4, aml + bytes}, type_a, type_b))
			return 0;
	}
	return -GYRE_ENOENT;
}
