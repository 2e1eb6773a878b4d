/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock. */
/* unit-sources: monitor/dev/rtc.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/rtc.h"

static struct rtc rtc;

static uint8_t get(uint8_t index)
{
	out8(0x70, index);
	return (uint8_t)in8(0x71);
}

static void set(uint8_t index, uint8_t value)
{
	out8(0x70, index);
	out8(0x71, value);
}

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	fake.wall = 1700000000ull * 1000000000; /* 2023-11-14 22:13:20, a Tuesday */
	const struct line irq = watch_line(8);
	rtc_init(&rtc, &bus, &machine_clock, &irq);
	return 0;
}

static void it_shows_the_wall_clock(void **state)
{
	(void)state;
	assert_int_equal(get(0), 0x20);
	assert_int_equal(get(2), 0x13);
	assert_int_equal(get(4), 0x22);
	assert_int_equal(get(6), 3);
	assert_int_equal(get(7), 0x14);
	assert_int_equal(get(8), 0x11);
	assert_int_equal(get(9), 0x23);
	assert_int_equal(get(0x32), 0x20);
	assert_int_equal(get(0x0d), 0x80);
	pass(1000000000);
	assert_int_equal(get(0), 0x21);
}

static void binary_and_12_hours_are_other_words_for_it(void **state)
{
	(void)state;
	set(0x0b, 0x82),
		set(0x0b, 0x04); /* the registers keep their digits: a clock that changes its form is set anew */
	set(0x0b, 0x84), set(0, 20), set(2, 13), set(4, 0x8a), set(7, 14), set(8, 11), set(9, 23), set(0x32, 20);
	set(0x0b, 0x04);
	assert_int_equal(get(0), 20);
	assert_int_equal(get(4), 0x80 | 10);
	assert_int_equal(get(9), 23);
}

static void midnight_carries_to_the_century(void **state)
{
	(void)state;
	set(0x0b, 0x82);
	set(0, 0x58), set(2, 0x59), set(4, 0x23), set(7, 0x31), set(8, 0x12), set(9, 0x99), set(0x32, 0x20);
	set(0x0b, 0x02);
	pass(3000000000ull);
	assert_int_equal(get(9), 0x00);
	assert_int_equal(get(0x32), 0x21);
	assert_int_equal(get(8), 0x01);
	assert_int_equal(get(7), 0x01);
}

static void set_stops_the_clock(void **state)
{
	(void)state;
	set(0x0b, 0x82);
	uint8_t before = get(0);
	pass(5000000000ull);
	assert_int_equal(get(0), before);
	set(0x0b, 0x02);
	pass(600000000);
	assert_int_equal(get(0), before + 1); /* the first update comes half a second later */
}

static void uip_announces_an_update(void **state)
{
	(void)state;
	uint8_t second = get(0);
	unsigned seen = 0;
	while (get(0) == second) {
		seen += get(0x0a) >> 7;
		pass(10000);
	}
	assert_in_range(seen, 23, 26); /* 244 microseconds */
	assert_int_equal(get(0x0a), 0x26);
}

static void update_interrupts_come_each_second(void **state)
{
	(void)state;
	set(0x0b, 0x12);
	for (unsigned i = 0; i < 5; i++) {
		pass(1000000000);
		assert_int_equal(get(0x0c) & 0x90, 0x90);
		assert_int_equal(watched[8].level, 0);
	}
	assert_int_equal(watched[8].rises, 5);
	set(0x0b, 0x02);
	assert_int_equal(fake.timer, 0); /* and none is awake for nothing */
}

static void periodic_interrupts_have_their_rate(void **state)
{
	(void)state;
	set(0x0a, 0x26); /* 1024 Hz */
	set(0x0b, 0x42);
	for (unsigned i = 0; i < 2000; i++) {
		pass(500000);
		get(0x0c);
	}
	assert_in_range(watched[8].rises, 1020, 1025);
}

static void an_alarm_rings_at_its_time(void **state)
{
	(void)state;
	set(1, 0x25), set(3, 0xff), set(5, 0xff);
	set(0x0b, 0x22);
	pass(4500000000ull);
	assert_int_equal(watched[8].rises, 0);
	pass(1000000000);
	assert_int_equal(watched[8].rises, 1);
	assert_int_equal(get(0x0c) & 0x20, 0x20);
}

static void firmware_left_the_amount_of_memory(void **state)
{
	(void)state;
	rtc_memory(&rtc, 0x10000000, 0, 1);
	assert_int_equal(get(0x34) | get(0x35) << 8, (0x10000000 - 0x1000000) >> 16);
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	set(0x40, 0x77);
	struct device device = rtc_device(&rtc);
	device.ops->reset(device.self);
	assert_int_equal(get(0x40), 0x77); /* the battery keeps it */
}

static void dates_are_right_for_400_years(void **state)
{
	(void)state;
	int64_t days = rtc_days(1800, 1, 1);
	static const unsigned length[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	for (int64_t year = 1800; year < 2400; year++)
		for (unsigned month = 1; month <= 12; month++) {
			int leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
			for (unsigned day = 1; day <= length[month - 1] + leap; day++, days++) {
				int64_t y;
				unsigned m, d;
				assert_true(rtc_days(year, month, day) == days);
				rtc_date(days, &y, &m, &d);
				assert_true(y == year && m == month && d == day);
			}
		}
	assert_int_equal(rtc_days(1970, 1, 1), 0);
}

static void every_register_takes_every_value(void **state)
{
	(void)state;
	for (unsigned index = 0; index < 128; index++)
		for (unsigned value = 0; value < 256; value++) {
			set(0x0b, (uint8_t)(value * 7));
			set((uint8_t)index, (uint8_t)value);
			get((uint8_t)index), get(0), get(9), get(0x0c);
			fake_pass(1000000);
			clock_run(&machine_clock);
		}
}

static void its_state_survives(void **state)
{
	(void)state;
	set(0x0b, 0x62), set(0x33, 9);
	struct device device = rtc_device(&rtc);
	state_survives(&device);
	struct rtc_state bad = rtc.state;
	bad.offset = INT64_MAX;
	assert_true(device_load(&device, &bad, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_shows_the_wall_clock, setup),
		cmocka_unit_test_setup(binary_and_12_hours_are_other_words_for_it, setup),
		cmocka_unit_test_setup(midnight_carries_to_the_century, setup),
		cmocka_unit_test_setup(set_stops_the_clock, setup),
		cmocka_unit_test_setup(uip_announces_an_update, setup),
		cmocka_unit_test_setup(update_interrupts_come_each_second, setup),
		cmocka_unit_test_setup(periodic_interrupts_have_their_rate, setup),
		cmocka_unit_test_setup(an_alarm_rings_at_its_time, setup),
		cmocka_unit_test_setup(firmware_left_the_amount_of_memory, setup),
		cmocka_unit_test_setup(dates_are_right_for_400_years, setup),
		cmocka_unit_test_setup(every_register_takes_every_value, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
