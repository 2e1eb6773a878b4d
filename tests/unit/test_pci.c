/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI bus and its chipset. */
/* unit-sources: monitor/dev/pci.c monitor/dev/device.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/unit/fixture_dev.h"
#include "monitor/dev/pci.h"

static struct pci pci;

static void select_register(unsigned bus_number, unsigned device, unsigned function, unsigned offset)
{
	out32(0xcf8, 0x80000000u | bus_number << 16 | device << 11 | function << 8 | offset);
}

static int setup(void **state)
{
	(void)state;
	fixture_reset();
	pci_init(&pci, &bus);
	pci_add_chipset(&pci);
	return 0;
}

static void the_chipset_is_there(void **state)
{
	(void)state;
	select_register(0, 0, 0, 0);
	assert_int_equal(in32(0xcfc), 0x12378086);
	assert_int_equal(in16(0xcfe), 0x1237);
	assert_int_equal(in8(0xcfd), 0x80);
	select_register(0, 0, 0, 8);
	assert_int_equal(in32(0xcfc) >> 16, 0x0600);
	select_register(0, 1, 0, 0x0c);
	assert_int_equal(in8(0xcfe), 0x80);
	select_register(0, 1, 3, 0x40);
	assert_int_equal(in32(0xcfc), 0x601);
}

static void nobody_answers_elsewhere(void **state)
{
	(void)state;
	select_register(0, 2, 0, 0);
	assert_int_equal(in32(0xcfc), 0xffffffff);
	select_register(1, 0, 0, 0);
	assert_int_equal(in32(0xcfc), 0xffffffff);
	select_register(0, 1, 1, 0);
	assert_int_equal(in16(0xcfc), 0xffff);
	out32(0xcf8, 0x00000000); /* not enabled */
	assert_int_equal(in32(0xcfc), 0xffffffff);
}

static void the_address_register_wants_four_bytes(void **state)
{
	(void)state;
	out32(0xcf8, 0xffffffff);
	assert_int_equal(in32(0xcf8), 0x80fffffc);
	out8(0xcf8, 0), out16(0xcf8, 0);
	assert_int_equal(in32(0xcf8), 0x80fffffc);
}

static void constants_stay(void **state)
{
	(void)state;
	select_register(0, 0, 0, 0);
	out32(0xcfc, 0);
	assert_int_equal(in32(0xcfc), 0x12378086);
	select_register(0, 1, 0, 0x60);
	out32(0xcfc, 0x0a0a0b0b);
	assert_int_equal(in32(0xcfc), 0x0a0a0b0b);
	out8(0xcfd, 0xff);
	assert_int_equal(in32(0xcfc), 0x0a0a8f0b);
	select_register(0, 0, 0, 0x10); /* no BARs: a sizing write reads back as 0 */
	out32(0xcfc, 0xffffffff);
	assert_int_equal(in32(0xcfc), 0);
}

static void accesses_end_with_their_register(void **state)
{
	(void)state;
	select_register(0, 0, 0, 0xfc);
	out32(0xcff, 0xffffffff); /* three bytes of it are beyond */
	out16(0xcff, 0xffff);
	assert_int_equal(in32(0xcff) & 0xff, 0);
}

static void its_state_survives(void **state)
{
	(void)state;
	select_register(0, 1, 0, 0x60);
	out32(0xcfc, 0x0a0a0b0b);
	struct device device = pci_device(&pci);
	state_survives(&device);
	struct pci_state other = pci.state;
	other.config[0][0] = 0x55; /* nobody could have written that */
	assert_int_equal(device_load(&device, &other, 0), 0);
	assert_int_equal(pci.state.config[0][0], 0x86);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_chipset_is_there, setup),
		cmocka_unit_test_setup(nobody_answers_elsewhere, setup),
		cmocka_unit_test_setup(the_address_register_wants_four_bytes, setup),
		cmocka_unit_test_setup(constants_stay, setup),
		cmocka_unit_test_setup(accesses_end_with_their_register, setup),
		cmocka_unit_test_setup(its_state_survives, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
