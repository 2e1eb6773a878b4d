/* SPDX-License-Identifier: Apache-2.0 */
/* The device of test kernels. */
/* unit-sources: monitor/dev/testdev.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/testdev.h"

static struct testdev dev;
static uint64_t remapped;

static void remap(void *context, uint64_t gpa)
{
	(void)context;
	remapped = gpa;
}

static void dirty(void *context, uint32_t value)
{
	(void)context, (void)value;
}

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct testdev_host host = {watch_line(0), noted, remap, dirty, NULL, 0x12345678, 1};
	testdev_init(&dev, &bus, &host);
	remapped = 0;
	return 0;
}

static void the_debug_exit_takes_three_sizes(void **state)
{
	(void)state;
	out8(0xf4, 0x33);
	assert_int_equal(request_code, 0x33);
	out16(0xf4, 0x1234);
	assert_int_equal(request_code, 0x1234);
	out32(0xf4, 0x12345678);
	assert_int_equal(request_code, 0x12345678);
	assert_int_equal(requests[MACHINE_DEBUG_EXIT], 3);
}

static void scratch_reads_back_in_all_sizes(void **state)
{
	(void)state;
	out32(0xe0, 0x11223344);
	assert_int_equal(in32(0xe0), 0x11223344);
	assert_int_equal(in16(0xe2), 0x1122);
	out8(0xe1, 0xff);
	assert_int_equal(in32(0xe0), 0x1122ff44);
}

static void a_page_is_dropped(void **state)
{
	(void)state;
	out32(0xe4, 0x4000123);
	assert_int_equal(remapped, 0x4000000);
}

static void lines_follow(void **state)
{
	(void)state;
	out8(0x2000 + 5, 1);
	assert_int_equal(watched[5].level, 1);
	out32(0x2000 + 23, 1);
	assert_int_equal(watched[23].level, 1);
	out8(0x2000 + 5, 0);
	assert_int_equal(watched[5].level, 0);
}

static uint64_t item(uint16_t key, unsigned bytes)
{
	uint64_t value = 0;
	out16(0x510, key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)in8(0x511) << 8 * i;
	return value;
}

static void fw_cfg_has_what_kernels_ask(void **state)
{
	(void)state;
	assert_int_equal(item(0, 4), 0x554d4551);
	assert_int_equal(item(1, 4), 1);
	assert_int_equal(item(3, 8), 0x12345678);
	assert_int_equal(item(5, 2), 1);
	assert_int_equal(item(0x0f, 2), 1);
	assert_int_equal(item(0x19, 4), 0); /* no files */
	assert_int_equal(item(0xffff, 8), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(in8(0x511), 0);
}

static void text_becomes_lines_of_the_log(void **state)
{
	(void)state;
	assert_int_equal(in8(0xe9), 0xe9);
	for (const char *c = "hello\x1b\n"; *c; c++)
		out8(0xe9, (uint8_t)*c);
	assert_string_equal(fake.last_log, "hello.");
	for (unsigned i = 0; i < 1000; i++)
		out8(0xe9, 'x');
	assert_int_equal(fake.log_lines, 1 + 1000 / 120);
}

static void its_state_survives(void **state)
{
	(void)state;
	out8(0xe0, 3), out8(0xe9, 'a'), out16(0x510, 3), in8(0x511);
	struct device device = testdev_device(&dev);
	state_survives(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_debug_exit_takes_three_sizes, setup),
		cmocka_unit_test_setup(scratch_reads_back_in_all_sizes, setup),
		cmocka_unit_test_setup(a_page_is_dropped, setup),
		cmocka_unit_test_setup(lines_follow, setup),
		cmocka_unit_test_setup(fw_cfg_has_what_kernels_ask, setup),
		cmocka_unit_test_setup(text_becomes_lines_of_the_log, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
