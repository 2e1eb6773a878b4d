/* SPDX-License-Identifier: Apache-2.0 */
/* The pair of interrupt controllers. */
/* unit-sources: monitor/dev/pic8259.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/pic8259.h"

static struct pic8259 pic;
#define OUT 23

static void initialize(uint8_t icw4)
{
	out8(0x20, 0x11), out8(0x21, 0x30), out8(0x21, 0x04), out8(0x21, icw4);
	out8(0xa0, 0x11), out8(0xa1, 0x38), out8(0xa1, 0x02), out8(0xa1, icw4);
}

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct line out = watch_line(OUT);
	pic_init(&pic, &bus, &out);
	initialize(0x01);
	return 0;
}

static void after_power_on_nothing_asks(void **state)
{
	(void)state;
	const struct line out = watch_line(OUT);
	pic_init(&pic, &bus, &out);
	pic_set(&pic, 0, 1), pic_set(&pic, 12, 1);
	assert_int_equal(watched[OUT].level, 0);
}

static void an_edge_asks_once(void **state)
{
	(void)state;
	pic_set(&pic, 4, 1);
	assert_int_equal(watched[OUT].level, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	assert_int_equal(watched[OUT].level, 0);
	out8(0x20, 0x20);
	assert_int_equal(watched[OUT].level, 0); /* the line is still high: no new edge */
	pic_set(&pic, 4, 0), pic_set(&pic, 4, 1);
	assert_int_equal(watched[OUT].level, 1);
}

static void a_level_asks_again(void **state)
{
	(void)state;
	out8(0x4d0, 0xff);
	assert_int_equal(in8(0x4d0), 0xf8); /* not all inputs can be levels */
	out8(0x4d1, 0x02);
	pic_set(&pic, 9, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x39);
	out8(0xa0, 0x20), out8(0x20, 0x20);
	assert_int_equal(watched[OUT].level, 1);
	pic_set(&pic, 9, 0);
	assert_int_equal(watched[OUT].level, 0);
}

static void priorities_hold(void **state)
{
	(void)state;
	pic_set(&pic, 3, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
	pic_set(&pic, 5, 1); /* lower: waits */
	assert_int_equal(watched[OUT].level, 0);
	pic_set(&pic, 8, 1); /* the slave is at 2: higher */
	assert_int_equal(watched[OUT].level, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x38);
	out8(0x20, 0x0b);
	assert_int_equal(in8(0x20), 0x0c); /* in service: 2 and 3 */
	out8(0xa0, 0x20), out8(0x20, 0x20), out8(0x20, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
}

static void what_went_away_is_spurious(void **state)
{
	(void)state;
	out8(0x4d0, 0x20);
	pic_set(&pic, 5, 1), pic_set(&pic, 5, 0);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	out8(0x20, 0x0b);
	assert_int_equal(in8(0x20), 0); /* and nothing is in service */
}

static void masks_hold_back_and_remember(void **state)
{
	(void)state;
	out8(0x21, 0x10);
	pic_set(&pic, 4, 1), pic_set(&pic, 4, 0);
	assert_int_equal(watched[OUT].level, 0);
	assert_int_equal(in8(0x21), 0x10);
	out8(0x20, 0x0a);
	assert_int_equal(in8(0x20), 0x10);
	out8(0x21, 0x00);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
	(void)state;
	initialize(0x03);
	pic_set(&pic, 1, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	out8(0x20, 0x0b);
	assert_int_equal(in8(0x20), 0);
}

static void rotation_moves_the_lowest(void **state)
{
	(void)state;
	pic_set(&pic, 4, 1);
	pic_acknowledge(&pic);
	out8(0x20, 0xa0); /* EOI with rotation: 4 is the lowest now */
	pic_set(&pic, 4, 0), pic_set(&pic, 4, 1), pic_set(&pic, 6, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
}

static void poll_acknowledges(void **state)
{
	(void)state;
	pic_set(&pic, 6, 1);
	out8(0x20, 0x0c);
	assert_int_equal(in8(0x20), 0x86);
	assert_int_equal(watched[OUT].level, 0);
	out8(0x20, 0x0c);
	assert_int_equal(in8(0x20) & 0x80, 0);
}

static void special_mask_mode_lets_lower_ones_through(void **state)
{
	(void)state;
	pic_set(&pic, 1, 1);
	pic_acknowledge(&pic);
	pic_set(&pic, 5, 1);
	assert_int_equal(watched[OUT].level, 0);
	out8(0x20, 0x68), out8(0x21, 0x02);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
}

static void its_state_survives(void **state)
{
	(void)state;
	pic_set(&pic, 3, 1), pic_set(&pic, 9, 1);
	pic_acknowledge(&pic);
	struct device device = pic_device(&pic);
	state_survives(&device);
	struct pic_state bad = pic.state;
	bad.chip[1].lowest = 8;
	assert_true(device_load(&device, &bad, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(after_power_on_nothing_asks, setup),
		cmocka_unit_test_setup(an_edge_asks_once, setup),
		cmocka_unit_test_setup(a_level_asks_again, setup),
		cmocka_unit_test_setup(priorities_hold, setup),
		cmocka_unit_test_setup(what_went_away_is_spurious, setup),
		cmocka_unit_test_setup(masks_hold_back_and_remember, setup),
		cmocka_unit_test_setup(automatic_eoi_leaves_nothing_in_service, setup),
		cmocka_unit_test_setup(rotation_moves_the_lowest, setup),
		cmocka_unit_test_setup(poll_acknowledges, setup),
		cmocka_unit_test_setup(special_mask_mode_lets_lower_ones_through, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
