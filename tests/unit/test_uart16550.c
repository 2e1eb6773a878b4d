/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port. */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/uart16550.h"

#define BASE 0x3f8
static struct uart16550 uart;

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	const struct uart_host host = {engine_console_write, engine_console_read};
	const struct line irq = watch_line(4);
	uart16550_init(&uart, &bus, BASE, &host, &irq);
	return 0;
}

static void bytes_come_out_unchanged(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++)
		out8(BASE, i);
	assert_int_equal(fake.output_bytes, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(fake.output[i], i);
	assert_int_equal(in8(BASE + 5), 0x60);
}

static void a_full_sink_is_felt_and_loses_nothing(void **state)
{
	(void)state;
	out8(BASE + 2, 0x01); /* FIFOs */
	fake.output_room = 3;
	for (unsigned i = 0; i < 3 + 16; i++)
		out8(BASE, 'a' + i);
	assert_int_equal(fake.output_bytes, 3);
	assert_int_equal(in8(BASE + 5) & 0x60, 0); /* not empty: a driver waits here */
	out8(BASE, '!');			   /* one that does not wait loses its byte, and only its byte */
	fake.output_room = 5;
	uart16550_poll(&uart);
	assert_int_equal(fake.output_bytes, 8);
	assert_int_equal(in8(BASE + 5) & 0x60, 0);
	fake.output_room = 100;
	uart16550_poll(&uart);
	assert_int_equal(in8(BASE + 5) & 0x60, 0x60);
	assert_memory_equal(fake.output, "abcdefghijklmnopqrs", 19);
	assert_int_equal(fake.output_bytes, 19);
}

static void a_reset_does_not_take_back_what_was_sent(void **state)
{
	(void)state;
	fake.output_room = 0;
	out8(BASE, 'x');
	struct device device = uart16550_device(&uart);
	device.ops->reset(device.self);
	fake.output_room = 10;
	uart16550_poll(&uart);
	assert_int_equal(fake.output_bytes, 1);
}

static void each_byte_raises_an_edge(void **state)
{
	(void)state;
	out8(BASE + 4, 0x08);
	out8(BASE + 1, 0x02);
	assert_int_equal(watched[4].rises, 1);
	assert_int_equal(in8(BASE + 2), 0x02); /* answered by being read */
	assert_int_equal(watched[4].level, 0);
	assert_int_equal(in8(BASE + 2), 0x01);
	out8(BASE, 'x');
	assert_int_equal(watched[4].rises, 2);
	out8(BASE, 'y');
	assert_int_equal(watched[4].rises, 3);
	out8(BASE + 4, 0); /* without OUT2 nothing leaves the card */
	assert_int_equal(watched[4].level, 0);
}

static void input_waits_where_there_is_no_room(void **state)
{
	(void)state;
	static const uint8_t text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	fake.input = text;
	fake.input_bytes = 36;
	out8(BASE + 4, 0x08);
	out8(BASE + 2, 0xc1); /* trigger at 14 */
	out8(BASE + 1, 0x01);
	uart16550_poll(&uart);
	assert_int_equal(watched[4].level, 1);
	assert_int_equal(in8(BASE + 2), 0xc4);
	assert_int_equal(fake.input_bytes, 20);
	for (unsigned i = 0; i < 36; i++) {
		assert_int_equal(in8(BASE + 5) & 1, 1);
		assert_int_equal(in8(BASE), text[i]);
	}
	assert_int_equal(in8(BASE + 5) & 3, 0); /* nothing left, nothing overrun */
	assert_int_equal(watched[4].level, 0);
}

/* A driver clears the FIFO and reads what lies in it when it starts: what was typed before must not be among that. */
static void input_waits_until_it_is_wanted(void **state)
{
	(void)state;
	static const uint8_t text[] = "typed early";
	fake.input = text;
	fake.input_bytes = 11;
	uart16550_poll(&uart);
	out8(BASE + 4, 0x0b), out8(BASE + 2, 0x07), in8(BASE + 5), in8(BASE), in8(BASE + 5), in8(BASE);
	assert_int_equal(fake.input_bytes, 11);
	out8(BASE + 1, 0x05);
	assert_int_equal(watched[4].level, 1);
	assert_int_equal(in8(BASE), 't');
}

static void a_guest_that_polls_gets_input(void **state)
{
	(void)state;
	static const uint8_t text[] = "xyz";
	fake.input = text;
	fake.input_bytes = 3;
	for (unsigned i = 0; i < 3; i++) {
		unsigned reads = 0;
		while (!(in8(BASE + 5) & 1))
			assert_true(reads++ < 100);
		assert_int_equal(in8(BASE), text[i]);
	}
}

static void few_bytes_come_as_a_timeout(void **state)
{
	(void)state;
	static const uint8_t text[] = "x";
	fake.input = text;
	fake.input_bytes = 1;
	out8(BASE + 2, 0xc1);
	out8(BASE + 1, 0x01);
	uart16550_poll(&uart);
	assert_int_equal(in8(BASE + 2), 0xcc);
}

/* What Linux's driver tries before it believes that there is a 16550A. */
static void a_driver_finds_a_16550a(void **state)
{
	(void)state;
	out8(BASE + 1, 0);
	out8(BASE + 4, 0x1a); /* loopback: RTS and OUT2 come back as CTS and DCD */
	assert_int_equal(in8(BASE + 6) & 0xf0, 0x90);
	out8(BASE + 4, 0);
	out8(BASE + 3, 0xbf); /* a later chip would show an EFR here */
	out8(BASE + 2, 0x00);
	out8(BASE + 3, 0x00);
	out8(BASE + 2, 0x01);
	assert_int_equal(in8(BASE + 2) >> 6, 3);
	out8(BASE + 2, 0x21); /* a 16750 would say 64 bytes */
	assert_int_equal(in8(BASE + 2) & 0x20, 0);
	out8(BASE + 3, 0x83);
	out8(BASE, 0x01), out8(BASE + 1, 0x00);
	assert_int_equal(in8(BASE), 1);
	assert_int_equal(in8(BASE + 1), 0);
	out8(BASE + 3, 0x03);
	out8(BASE + 7, 0x5a);
	assert_int_equal(in8(BASE + 7), 0x5a);
}

static void loopback_overruns_and_says_so(void **state)
{
	(void)state;
	out8(BASE + 2, 0x01);
	out8(BASE + 4, 0x10);
	for (unsigned i = 0; i < 17; i++)
		out8(BASE, i);
	assert_int_equal(fake.output_bytes, 0);
	assert_int_equal(in8(BASE + 5) & 0x03, 0x03);
	assert_int_equal(in8(BASE + 5) & 0x02, 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in8(BASE), i);
}

static void its_state_survives(void **state)
{
	(void)state;
	fake.output_room = 0;
	out8(BASE + 2, 0x81), out8(BASE + 1, 0x0f), out8(BASE, 'q'), out8(BASE + 7, 3);
	struct device device = uart16550_device(&uart);
	state_survives(&device);
	struct uart16550_state bad = uart.state;
	bad.receive.first = 16;
	assert_true(device_load(&device, &bad, 0) < 0);
	bad = uart.state;
	bad.transmit.count = 17;
	assert_true(device_load(&device, &bad, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bytes_come_out_unchanged, setup),
		cmocka_unit_test_setup(a_full_sink_is_felt_and_loses_nothing, setup),
		cmocka_unit_test_setup(a_reset_does_not_take_back_what_was_sent, setup),
		cmocka_unit_test_setup(each_byte_raises_an_edge, setup),
		cmocka_unit_test_setup(input_waits_where_there_is_no_room, setup),
		cmocka_unit_test_setup(input_waits_until_it_is_wanted, setup),
		cmocka_unit_test_setup(a_guest_that_polls_gets_input, setup),
		cmocka_unit_test_setup(few_bytes_come_as_a_timeout, setup),
		cmocka_unit_test_setup(a_driver_finds_a_16550a, setup),
		cmocka_unit_test_setup(loopback_overruns_and_says_so, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
