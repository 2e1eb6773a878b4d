/* SPDX-License-Identifier: Apache-2.0 */
/* All devices together against a guest that does anything: every register in every size, then long random sequences (case A50). */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/pic8259.c monitor/dev/pit8254.c monitor/dev/ioapic.c monitor/dev/rtc.c */
/* unit-sources: monitor/dev/pci.c monitor/dev/acpi_pm.c monitor/dev/i8042.c monitor/dev/testdev.c monitor/dev/device.c */
/* unit-sources: monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/fuzz/devices.h"

#define SEQUENCES 1000
#define LENGTH	  3000

static uint64_t seed = 0x47797265;

static uint32_t next(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 32);
}

static void every_port_in_every_size(void **state)
{
	(void)state;
	struct devices devices;
	devices_make(&devices);
	for (uint32_t port = 0; port < 65536; port++)
		for (unsigned size = 1; size <= 4; size *= 2)
			for (unsigned i = 0; i < (devices.bus->port[port] ? 8u : 1u); i++) {
				uint32_t value = bus_port_read(devices.bus, (uint16_t)port, size);
				assert_int_equal(size < 4 ? value >> 8 * size : 0, 0); /* nothing above the size */
				bus_port_write(devices.bus, (uint16_t)port, size, next());
			}
	devices_free(&devices);
}

static void random_sequences(void **state)
{
	(void)state;
	static unsigned reached[BUS_PORT_HANDLERS];
	unsigned handlers = 0;
	for (unsigned i = 0; i < SEQUENCES; i++) {
		struct devices devices;
		devices_make(&devices);
		static uint16_t ports[65536];
		unsigned count = 0;
		for (uint32_t port = 0; port < 65536; port++)
			if (devices.bus->port[port])
				ports[count++] = (uint16_t)port;
		for (unsigned j = 0; j < LENGTH; j++) {
			uint8_t act = (uint8_t)next();
			uint16_t where = (act & 7) < 2 ? ports[next() % count] : (uint16_t)next();
			/* Half of all acts are accesses to ports. */
			if (next() & 1)
				act = (uint8_t)((act & ~7u) | (next() & 1)), where = ports[next() % count];
			if ((act & 7) < 2)
				reached[devices.bus->port[where]]++;
			devices_act(&devices, act, where, next() & 1 ? next() : next() & 0xff);
		}
		handlers = devices.bus->handlers;
		devices_free(&devices);
	}
	for (unsigned i = 1; i < handlers; i++)
		assert_true(reached[i] > 100); /* no device was left in peace */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_port_in_every_size),
		cmocka_unit_test(random_sequences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
