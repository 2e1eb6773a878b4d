/* SPDX-License-Identifier: Apache-2.0 */
/* The interval timer. */
/* unit-sources: monitor/dev/pit8254.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/pit8254.h"

static struct pit8254 pit;

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct line irq = watch_line(0);
	pit_init(&pit, &bus, &machine_clock, &irq);
	return 0;
}

static void load(unsigned channel, unsigned mode, unsigned count)
{
	out8(0x43, channel << 6 | 0x30 | mode << 1);
	out8(0x40 + channel, count & 0xff);
	out8(0x40 + channel, count >> 8);
}

static unsigned latched(unsigned channel)
{
	out8(0x43, channel << 6);
	unsigned low = in8(0x40 + channel);
	return low | in8(0x40 + channel) << 8;
}

static void after_power_on_it_does_not_tick(void **state)
{
	(void)state;
	pass(2000000000);
	assert_int_equal(watched[0].rises, 0);
	assert_int_equal(fake.timer, 0);
}

static void mode_2_ticks_at_its_rate(void **state)
{
	(void)state;
	load(0, 2, 11932); /* 100 Hz, nearly */
	watched[0].rises = 0;
	pass(1000000000);
	assert_in_range(watched[0].rises, 99, 101);
	pass(9000000000ull);
	assert_in_range(watched[0].rises, 998, 1001); /* no drift */
}

static void mode_3_counts_by_twos(void **state)
{
	(void)state;
	load(0, 3, 1000);
	pass(100000); /* 119 ticks */
	assert_in_range(latched(0), 1000 - 2 * 121, 1000 - 2 * 117);
	assert_int_equal(latched(0) & 1, 0);
}

static void mode_0_fires_once(void **state)
{
	(void)state;
	load(0, 0, 1193);
	assert_int_equal(watched[0].level, 0);
	pass(900000);
	assert_int_equal(watched[0].rises, 0);
	pass(200000);
	assert_int_equal(watched[0].rises, 1);
	pass(1000000000);
	assert_int_equal(watched[0].rises, 1);
	/* and counts on below zero */
	assert_true(latched(0) > 0);
}

static void late_ticks_are_one_tick(void **state)
{
	(void)state;
	load(0, 2, 1193);
	watched[0].rises = 0;
	fake_pass(50000000); /* 50 periods, nobody ran */
	clock_run(&machine_clock);
	assert_int_equal(watched[0].rises, 1);
	pass(1100000);
	assert_int_equal(watched[0].rises, 2);
}

/* How kernels measure their TSC: channel 2, gate by port 0x61, OUT2 read back there. */
static void channel_2_measures_50_ms(void **state)
{
	(void)state;
	out8(0x61, (in8(0x61) & ~0x02u) | 0x01);
	load(2, 0, PIT_HZ / 20);
	uint64_t start = fake.tsc;
	while (!(in8(0x61) & 0x20))
		pass(1000);
	assert_in_range(fake.tsc - start, 49990000, 50010000);
}

static void a_low_gate_holds_the_count(void **state)
{
	(void)state;
	out8(0x61, 0x01);
	load(2, 0, 50000);
	pass(10000000);
	out8(0x61, 0x00);
	unsigned held = latched(2);
	pass(10000000);
	assert_int_equal(latched(2), held);
	out8(0x61, 0x01);
	pass(1000000);
	assert_in_range(held - latched(2), 1190, 1196);
}

static void mode_1_waits_for_its_gate(void **state)
{
	(void)state;
	load(2, 1, 1193);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	out8(0x61, 0x01);
	assert_int_equal(in8(0x61) & 0x20, 0);
	pass(1100000);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
}

static void refresh_toggles(void **state)
{
	(void)state;
	unsigned before = in8(0x61) & 0x10, changes = 0;
	for (unsigned i = 0; i < 1000; i++) {
		pass(1000);
		unsigned now = in8(0x61) & 0x10;
		changes += now != before;
		before = now;
	}
	assert_in_range(changes, 65, 67); /* every 15.1 microseconds */
}

static void read_back_gives_status_then_count(void **state)
{
	(void)state;
	load(0, 2, 0x1234);
	out8(0x43, 0xc2); /* both, of channel 0 */
	assert_int_equal(in8(0x40), 0x80 | 0x30 | 2 << 1);
	unsigned count = in8(0x40);
	count |= in8(0x40) << 8;
	assert_int_equal(count, 0x1234);
	out8(0x43, 0x30);
	out8(0x43, 0xe2);
	assert_int_equal(in8(0x40) & 0x40, 0x40); /* null count: nothing loaded since the control word */
}

static void bcd_counts_in_tens(void **state)
{
	(void)state;
	out8(0x43, 0x31);
	out8(0x40, 0x00), out8(0x40, 0x10); /* 1000 */
	pass(10 * 1000000000ull / PIT_HZ + 1000);
	assert_in_range(latched(0), 0x0986, 0x0990);
}

static void every_count_of_every_mode_is_safe(void **state)
{
	(void)state;
	for (unsigned control = 0; control < 256; control++)
		for (unsigned count = 0; count < 4; count++) {
			out8(0x43, control);
			for (unsigned channel = 0; channel < 3; channel++) {
				out8(0x40 + channel, count), out8(0x40 + channel, count >> 1);
				in8(0x40 + channel), in8(0x61);
			}
			out8(0x61, count);
			fake_pass(100);
			clock_run(&machine_clock);
		}
}

static void its_state_survives(void **state)
{
	(void)state;
	load(0, 2, 1000), load(2, 3, 77);
	struct device device = pit_device(&pit);
	state_survives(&device);
	struct pit_state bad = pit.state;
	bad.channel[1].count = 0;
	assert_true(device_load(&device, &bad, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(after_power_on_it_does_not_tick, setup),
		cmocka_unit_test_setup(mode_2_ticks_at_its_rate, setup),
		cmocka_unit_test_setup(mode_3_counts_by_twos, setup),
		cmocka_unit_test_setup(mode_0_fires_once, setup),
		cmocka_unit_test_setup(late_ticks_are_one_tick, setup),
		cmocka_unit_test_setup(channel_2_measures_50_ms, setup),
		cmocka_unit_test_setup(a_low_gate_holds_the_count, setup),
		cmocka_unit_test_setup(mode_1_waits_for_its_gate, setup),
		cmocka_unit_test_setup(refresh_toggles, setup),
		cmocka_unit_test_setup(read_back_gives_status_then_count, setup),
		cmocka_unit_test_setup(bcd_counts_in_tens, setup),
		cmocka_unit_test_setup(every_count_of_every_mode_is_safe, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
