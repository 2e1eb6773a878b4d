/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard controller, and the ports that reset the machine. */
/* unit-sources: monitor/dev/i8042.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/i8042.h"

static struct i8042 kbc;

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct line keyboard = watch_line(1), mouse = watch_line(12);
	i8042_init(&kbc, &bus, &keyboard, &mouse, &noted);
	return 0;
}

static void the_self_test_answers(void **state)
{
	(void)state;
	out8(0x64, 0xaa);
	assert_int_equal(in8(0x64) & 1, 1);
	assert_int_equal(in8(0x60), 0x55);
	assert_int_equal(in8(0x64) & 1, 0);
	out8(0x64, 0xab);
	assert_int_equal(in8(0x60), 0);
}

static void the_command_byte_reads_back(void **state)
{
	(void)state;
	out8(0x64, 0x60), out8(0x60, 0x47);
	out8(0x64, 0x20);
	assert_int_equal(watched[1].level, 1); /* interrupt 1 is on now */
	assert_int_equal(in8(0x60), 0x47);
	assert_int_equal(watched[1].level, 0);
}

static void there_is_no_keyboard(void **state)
{
	(void)state;
	out8(0x60, 0xf2); /* identify */
	assert_int_equal(in8(0x64) & 0x41, 0x41);
	assert_int_equal(in8(0x60), 0xfe);
	out8(0x64, 0xd4), out8(0x60, 0xf2);
	assert_int_equal(in8(0x64) & 0x61, 0x61);
}

static void four_ways_to_reset(void **state)
{
	(void)state;
	out8(0x64, 0xfe);
	assert_int_equal(requests[MACHINE_RESET], 1);
	out8(0x64, 0xd1), out8(0x60, 0x02);
	assert_int_equal(requests[MACHINE_RESET], 2);
	out8(0x92, 0x01), out8(0x92, 0x01); /* by its rising */
	assert_int_equal(requests[MACHINE_RESET], 3);
	out8(0xcf9, 0x02);
	assert_int_equal(requests[MACHINE_RESET], 3);
	out8(0xcf9, 0x06);
	assert_int_equal(requests[MACHINE_RESET], 4);
}

static void a20_is_one_bit_with_two_names(void **state)
{
	(void)state;
	assert_int_equal(in8(0x92) & 2, 2);
	out8(0x92, 0x00);
	out8(0x64, 0xd0);
	assert_int_equal(in8(0x60) & 2, 0);
	out8(0x64, 0xd1), out8(0x60, 0xdf);
	assert_int_equal(in8(0x92) & 2, 2);
}

static void its_state_survives(void **state)
{
	(void)state;
	out8(0x64, 0x60), out8(0x60, 0x03), out8(0x64, 0xd3), out8(0x60, 0x11), out8(0x64, 0xd1);
	struct device device = i8042_device(&kbc);
	state_survives(&device);
	assert_int_equal(watched[12].level, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_self_test_answers, setup),
		cmocka_unit_test_setup(the_command_byte_reads_back, setup),
		cmocka_unit_test_setup(there_is_no_keyboard, setup),
		cmocka_unit_test_setup(four_ways_to_reset, setup),
		cmocka_unit_test_setup(a20_is_one_bit_with_two_names, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
