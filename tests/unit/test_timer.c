/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_timer.c: which rate of the TSC is believed, when CPUID and a measurement may differ.
 */
/* unit-sources: core/x86/timer.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/x86/acpi.h"
#include "core/x86/cpu_features.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "core/x86/timer.h"

#define MEASURED 3000000000ull

struct acpi_info acpi_info;
struct cpu_features cpu_features;
uint64_t unit_tsc;
static char warning[256];

void log_warn(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(warning, sizeof(warning), format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	(void)format;
}

void panic(const char *format, ...)
{
	(void)format;
	abort();
}

uint32_t lapic_read(enum lapic_register reg)
{
	(void)reg;
	return 0;
}

void lapic_write(enum lapic_register reg, uint32_t value)
{
	(void)reg;
	(void)value;
}

void *mmio_map(hpa_t address, size_t bytes, enum memory_cache cache)
{
	(void)address;
	(void)bytes;
	(void)cache;
	return NULL;
}

static uint64_t choose(uint32_t denominator, uint32_t numerator, uint32_t crystal)
{
	const struct cpuid_result stated = {.eax = denominator, .ebx = numerator, .ecx = crystal};
	warning[0] = 0;
	return tsc_choose(MEASURED, &stated);
}

static void a_statement_that_the_measurement_confirms_is_exact(void **state)
{
	(void)state;
	assert_int_equal(choose(2, 250, 24000000), MEASURED);
	assert_int_equal(choose(2, 250, 24001000), 3000125000);
	assert_int_equal(choose(2, 250, 23999000), 2999875000);
	assert_string_equal(warning, "");
}

static void a_statement_with_a_zero_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(choose(0, 250, 24000000), MEASURED);
	assert_int_equal(choose(2, 0, 24000000), MEASURED);
	assert_int_equal(choose(2, 250, 0), MEASURED);
	assert_int_equal(choose(0, 0, 0), MEASURED);
	assert_string_equal(warning, "");
}

static void a_statement_that_the_measurement_contradicts_is_warned_of(void **state)
{
	(void)state;
	/* More than one in a hundred apart, above and below; a crystal of 25 MHz that is one of 24; a spread spectrum. */
	static const uint32_t crystals[] = {24300000, 23700000, 25000000, 24060000, 23940000, 1};
	for (unsigned i = 0; i < sizeof(crystals) / sizeof(crystals[0]); i++) {
		assert_int_equal(choose(2, 250, crystals[i]), MEASURED);
		assert_non_null(strstr(warning, "it runs at 3000000 kHz"));
	}
	assert_int_equal(choose(2, 292, 24000000), MEASURED);
	assert_non_null(strstr(warning, "states a TSC of 3504000 kHz"));
}

static void huge_numbers_overflow_nothing(void **state)
{
	(void)state;
	assert_int_equal(choose(1, UINT32_MAX, UINT32_MAX), MEASURED);
	assert_non_null(strstr(warning, "states a TSC of 18446744065119617 kHz"));
	assert_int_equal(choose(UINT32_MAX, UINT32_MAX, UINT32_MAX), MEASURED);
	assert_int_equal(choose(UINT32_MAX, 1, 1), MEASURED);
	assert_non_null(strstr(warning, "states a TSC of 0 kHz"));
	/* The product alone is more than 32 bits hold, and right. */
	assert_int_equal(choose(1000000, 750000000, 4000000), MEASURED);
	assert_string_equal(warning, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_statement_that_the_measurement_confirms_is_exact),
		cmocka_unit_test(a_statement_with_a_zero_says_nothing),
		cmocka_unit_test(a_statement_that_the_measurement_contradicts_is_warned_of),
		cmocka_unit_test(huge_numbers_overflow_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
