/* SPDX-License-Identifier: Apache-2.0 */
/* Any sequence of accesses to any device leaves the monitor alive: case A50. */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/pic8259.c monitor/dev/pit8254.c monitor/dev/ioapic.c monitor/dev/rtc.c */
/* unit-sources: monitor/dev/pci.c monitor/dev/acpi_pm.c monitor/dev/i8042.c monitor/dev/testdev.c monitor/dev/device.c */
/* unit-sources: monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c lib/format.c */
#include "tests/fuzz/devices.h"

/* Ports that somebody answers at; most of the others are alike. */
static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70,
	0x71, 0x92, 0xcf8, 0xcf9, 0xcfc, 0xcfd, 0xcfe, 0xcff, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff,
	0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x608, 0x60a, 0xe0, 0xe4, 0xe9, 0xec, 0xf4, 0x510, 0x511, 0x2000,
	0x2017, 0xffff};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct devices devices;
	devices_make(&devices);
	for (; bytes >= 7; data += 7, bytes -= 7) {
		uint16_t where = (uint16_t)(data[1] | data[2] << 8);
		uint32_t value = (uint32_t)(data[3] | data[4] << 8 | data[5] << 16) | (uint32_t)data[6] << 24;
		if ((data[0] & 0x80) && (data[0] & 7) < 2)
			where = ports[where % (sizeof(ports) / sizeof(ports[0]))];
		devices_act(&devices, data[0], where, value);
	}
	devices_free(&devices);
	return 0;
}
