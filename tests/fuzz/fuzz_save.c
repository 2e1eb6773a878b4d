/* SPDX-License-Identifier: Apache-2.0 */
/* Any stream, with a checksum that is right, is refused in words or makes a machine that is safe to use: restored state is hostile. */
/* unit-sources: tests/unit/machine_fixture.c */
/* unit-sources: monitor/machine/machine.c monitor/machine/memory_exit.c monitor/machine/memory_fast.c monitor/machine/processor.c monitor/machine/msr.c */
/* unit-sources: monitor/machine/pvclock.c monitor/machine/level.c monitor/machine/level_portable.c monitor/machine/level_host.c */
/* unit-sources: monitor/machine/failed.c monitor/machine/foreign.c monitor/machine/entry_check.c monitor/machine/entry_check_guest.c monitor/machine/entry_check_state.c */
/* unit-sources: monitor/machine/memory.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/pic8259.c monitor/dev/pit8254.c monitor/dev/ioapic.c monitor/dev/rtc.c */
/* unit-sources: monitor/dev/pci.c monitor/dev/acpi_pm.c monitor/dev/i8042.c monitor/dev/testdev.c monitor/dev/device.c */
/* unit-sources: monitor/dev/acpi/tables.c */
/* unit-sources: monitor/boot/boot.c monitor/boot/firmware.c monitor/boot/linux.c monitor/boot/multiboot.c monitor/boot/pvh.c monitor/boot/elf.c */
/* unit-sources: monitor/emu/decode.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_flow.c monitor/emu/exec_move.c */
/* unit-sources: monitor/emu/exec_segment.c monitor/emu/exec_string.c monitor/emu/exec_system.c monitor/emu/exec_vector.c */
/* unit-sources: monitor/machine/task.c monitor/emu/task.c */
/* unit-sources: monitor/emu/mem.c monitor/emu/step.c monitor/emu/table.c monitor/emu/walk.c lib/format.c lib/string.c lib/string_more.c */
/* unit-sources: monitor/save/machine.c monitor/save/processor.c monitor/save/same.c monitor/save/recreate.c monitor/save/stream.c lib/crc32.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/crc32.h"
#include "monitor/dev/acpi/tables.h"
#include "monitor/save/machine.h"
#include "tests/unit/machine_fixture.h"

/* Of the tables that a kernel would read, the one that is compiled elsewhere: a header alone. */
const uint8_t acpi_dsdt[] = {'D', 'S', 'D', 'T', 36, 0, 0, 0, 2, [35] = 0};
const uint32_t acpi_dsdt_bytes = sizeof(acpi_dsdt);

static struct gyre_recreation recreation;
static uint8_t good[16384];
static size_t good_bytes;

static void build(void)
{
	machine_describe();
	fake.tsc = 1000000;
	vm.recreation = &recreation;
}

/* A machine without a kernel, as it is saved. */
static void good_make(void)
{
	build();
	if (setjmp(ended) == 0)
		machine_start(&machine, &vm);
	msr_reset(&machine);
	good_bytes = machine_save(&machine, good, sizeof(good));
	if (good_bytes == 0)
		abort();
}

/* The first byte: what is done to a stream that is right, or that the rest is one itself. */
static size_t stream_make(uint8_t *stream, const uint8_t *data, size_t bytes)
{
	if (data[0] & 1) {
		memcpy(stream, data + 1, bytes - 1);
		bytes -= 1;
		if (bytes >= 16)
			memcpy(stream + 12, &bytes, 4);
	} else {
		memcpy(stream, good, good_bytes);
		for (data++, bytes--; bytes >= 3; data += 3, bytes -= 3)
			stream[(size_t)(data[0] | data[1] << 8) % good_bytes] = data[2];
		bytes = good_bytes;
	}
	if (bytes >= 24) {
		memset(stream + 20, 0, 4);
		uint32_t crc = gyre_crc32(0, stream, bytes);
		memcpy(stream + 20, &crc, 4);
	}
	return bytes;
}

/* The machine is used: ports of all devices, time, the next save. */
static void use(void)
{
	static uint8_t again[16384];
	for (uint32_t port = 0; port < 0x700; port++) {
		bus_port_write(&machine.bus, (uint16_t)port, 1, port & 0xff);
		bus_port_read(&machine.bus, (uint16_t)port, 1);
	}
	fake_pass(50000000);
	clock_run(&machine.clock);
	pic_acknowledge(&machine.pic);
	ioapic_eoi(&machine.ioapic, 0x30);
	if (machine_save(&machine, again, sizeof(again)) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2 || bytes > 8192)
		return 0;
	if (good_bytes == 0)
		good_make();
	build();
	memset(&recreation, 0, sizeof(recreation));
	recreation.bytes = (uint32_t)stream_make(recreation.stream, data, bytes);
	recreation.clock_offset = (uint64_t)-500;
	if (recreation.bytes == 0)
		return 0;
	if (setjmp(ended) == 0) {
		machine_start(&machine, &vm);
		use();
	} else if (fake.text[0] == 0) {
		abort(); /* refused, and nobody is told why */
	}
	return 0;
}
