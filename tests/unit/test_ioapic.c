/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O APIC. */
/* unit-sources: monitor/dev/ioapic.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/ioapic.h"
#include "gyre/errors.h"

static struct ioapic ioapic;

static uint32_t mmio_read(uint64_t offset)
{
	uint32_t value;
	bus_mmio_read(&bus, IOAPIC_BASE + offset, 4, &value);
	return value;
}

static void mmio_write(uint64_t offset, uint32_t value)
{
	bus_mmio_write(&bus, IOAPIC_BASE + offset, 4, &value);
}

static uint32_t get(unsigned index)
{
	mmio_write(0, index);
	return mmio_read(0x10);
}

static void set(unsigned index, uint32_t value)
{
	mmio_write(0, index);
	mmio_write(0x10, value);
}

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	ioapic_init(&ioapic, &bus);
	return 0;
}

static void it_says_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(get(1), 0x00170020);
	set(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	for (unsigned pin = 0; pin < 24; pin++)
		assert_int_equal(get(0x10 + 2 * pin), 0x10000); /* masked */
	assert_int_equal(get(0x40), 0);
	assert_int_equal(get(0xff), 0);
}

static void an_edge_becomes_a_message(void **state)
{
	(void)state;
	set(0x11 + 8, 0x03000000);
	set(0x10 + 8, 0x44);
	ioapic_set(&ioapic, 4, 1);
	ioapic_set(&ioapic, 4, 1);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message[0].address, 0xfee03000);
	assert_int_equal(fake.message[0].data, 0x44);
	ioapic_set(&ioapic, 4, 0), ioapic_set(&ioapic, 4, 1);
	assert_int_equal(fake.messages, 2);
}

static void logical_and_lowest_priority_go_into_the_address(void **state)
{
	(void)state;
	set(0x11, 0x81000000);
	set(0x10, 0x0955); /* logical, lowest priority */
	ioapic_set(&ioapic, 0, 1);
	assert_int_equal(fake.message[0].address, 0xfee8100c);
	assert_int_equal(fake.message[0].data, 0x155);
}

static void a_masked_edge_is_lost(void **state)
{
	(void)state;
	set(0x12, 0x10041);
	ioapic_set(&ioapic, 1, 1);
	set(0x12, 0x41);
	assert_int_equal(fake.messages, 0);
}

static void a_level_waits_for_its_eoi(void **state)
{
	(void)state;
	set(0x10 + 18, 0x8059);
	ioapic_set(&ioapic, 9, 1);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message[0].data, 0xc059);
	assert_int_equal(get(0x10 + 18), 0xc059); /* remote IRR */
	ioapic_set(&ioapic, 9, 0), ioapic_set(&ioapic, 9, 1);
	assert_int_equal(fake.messages, 1);
	ioapic_eoi(&ioapic, 0x58); /* another's */
	assert_int_equal(fake.messages, 1);
	ioapic_eoi(&ioapic, 0x59);
	assert_int_equal(fake.messages, 2); /* still asserted */
	ioapic_set(&ioapic, 9, 0);
	mmio_write(0x40, 0x59); /* the register of version 0x20 */
	assert_int_equal(fake.messages, 2);
	assert_int_equal(get(0x10 + 18), 0x8059);
}

static void a_masked_level_comes_when_it_is_unmasked(void **state)
{
	(void)state;
	set(0x10 + 20, 0x18061);
	ioapic_set(&ioapic, 10, 1);
	assert_int_equal(fake.messages, 0);
	set(0x10 + 20, 0x8061);
	assert_int_equal(fake.messages, 1);
}

static void edge_mode_clears_remote_irr(void **state)
{
	(void)state;
	set(0x10, 0x8070);
	ioapic_set(&ioapic, 0, 1);
	set(0x10, 0x10070), set(0x10, 0x18070);
	assert_int_equal(get(0x10), 0x18070);
}

static void a_level_that_nobody_takes_is_not_stuck(void **state)
{
	(void)state;
	fake.message_error = -GYRE_ENOENT;
	set(0x10, 0x8070);
	ioapic_set(&ioapic, 0, 1);
	assert_int_equal(get(0x10), 0x8070);
}

static void its_state_survives(void **state)
{
	(void)state;
	set(0x10, 0x8070), set(0x31, 0x12000000);
	ioapic_set(&ioapic, 0, 1);
	struct device device = ioapic_device(&ioapic);
	state_survives(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_says_what_it_is, setup),
		cmocka_unit_test_setup(an_edge_becomes_a_message, setup),
		cmocka_unit_test_setup(logical_and_lowest_priority_go_into_the_address, setup),
		cmocka_unit_test_setup(a_masked_edge_is_lost, setup),
		cmocka_unit_test_setup(a_level_waits_for_its_eoi, setup),
		cmocka_unit_test_setup(a_masked_level_comes_when_it_is_unmasked, setup),
		cmocka_unit_test_setup(edge_mode_clears_remote_irr, setup),
		cmocka_unit_test_setup(a_level_that_nobody_takes_is_not_stuck, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
