/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI's fixed hardware. */
/* unit-sources: monitor/dev/acpi_pm.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/acpi_pm.h"

static struct acpi_pm pm;

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct line sci = watch_line(9);
	acpi_pm_init(&pm, &bus, &machine_clock, &sci, &noted);
	return 0;
}

static void the_timer_runs_at_its_rate(void **state)
{
	(void)state;
	uint32_t start = in32(0x608);
	pass(1000000000);
	assert_in_range((in32(0x608) - start) & 0xffffff, ACPI_PM_HZ - 1, ACPI_PM_HZ + 1);
	pass(10000000000ull);
	assert_int_equal(in32(0x608) >> 24, 0);
	assert_int_equal(in16(0x60a), in32(0x608) >> 16);
}

static void sleep_5_powers_off(void **state)
{
	(void)state;
	assert_int_equal(in16(0x604) & 1, 1); /* ACPI mode */
	out16(0x604, 0x2000 | 3 << 10);	      /* S3 is not there */
	assert_int_equal(requests[MACHINE_POWER_OFF], 0);
	out16(0x604, 0x2000);
	assert_int_equal(requests[MACHINE_POWER_OFF], 1);
	assert_int_equal(in16(0x604) & 0x2000, 0); /* reads as zero */
}

static void a_byte_in_the_high_half_does_it_too(void **state)
{
	(void)state;
	out8(0x605, 0x20);
	assert_int_equal(requests[MACHINE_POWER_OFF], 1);
}

static void the_power_button_interrupts(void **state)
{
	(void)state;
	acpi_pm_power_button(&pm);
	assert_int_equal(watched[9].level, 0);
	out16(0x602, 0x0100);
	assert_int_equal(watched[9].level, 1);
	assert_int_equal(in32(0x600), 0x01000100);
	out16(0x600, 0x0100);
	assert_int_equal(watched[9].level, 0);
	assert_int_equal(in16(0x600), 0);
}

static void the_timer_says_when_bit_23_changes(void **state)
{
	(void)state;
	out16(0x600, 0xffff);
	pass(2300000000ull);
	assert_int_equal(in16(0x600) & 1, 0);
	pass(100000000);
	assert_int_equal(in16(0x600) & 1, 1);
	out16(0x600, 1);
	out16(0x602, 1);
	pass(2400000000ull);
	assert_int_equal(watched[9].level, 1);
}

static void its_state_survives(void **state)
{
	(void)state;
	acpi_pm_power_button(&pm);
	out16(0x602, 0x0101);
	struct device device = acpi_pm_device(&pm);
	state_survives(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_timer_runs_at_its_rate, setup),
		cmocka_unit_test_setup(sleep_5_powers_off, setup),
		cmocka_unit_test_setup(a_byte_in_the_high_half_does_it_too, setup),
		cmocka_unit_test_setup(the_power_button_interrupts, setup),
		cmocka_unit_test_setup(the_timer_says_when_bit_23_changes, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
