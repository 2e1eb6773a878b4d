/* SPDX-License-Identifier: Apache-2.0 */
/* No device model without its saved form: every device of a machine, after a guest that does anything, goes through a stream into a fresh one. */
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

#define DEVICES	     9
#define SEQUENCES    150
#define LENGTH	     1500
/* That devices drive: whoever else sets them (the test device) has them set again by their owner when it is restored. */
#define DEVICE_LINES 0x1313u

static uint64_t seed = 0x73617665;
static uint8_t stream_bytes[2][16384];

static uint32_t next(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 32);
}

static size_t save_device(const struct device_ops *ops, void *state, uint8_t *out)
{
	struct save save;
	save_begin(&save, out, sizeof(stream_bytes[0]));
	save_section(&save, ops->name, ops->version);
	ops->fields(&save, state);
	return save_end(&save);
}

static int load_state(const struct device_ops *ops, const uint8_t *in, size_t bytes, void *state)
{
	struct save_stream stream;
	struct save save;
	memset(state, 0, ops->state_bytes);
	if (save_open(&stream, in, bytes) < 0 || save_take(&stream, ops->name, ops->version, &save) < 0)
		return -1;
	ops->fields(&save, state);
	return save_close(&stream, ops->name, &save);
}

/* Half of all acts are accesses to ports that somebody answers at; none changes a state but by the guest's ways. */
static void act_some(struct devices *devices, unsigned count)
{
	static uint16_t ports[65536];
	unsigned there = 0;
	for (uint32_t port = 0; port < 65536; port++)
		if (devices->bus->port[port] && !(port - 0x2000 < 16 && DEVICE_LINES >> (port - 0x2000) & 1))
			ports[there++] = (uint16_t)port;
	for (unsigned i = 0; i < count; i++) {
		uint8_t act = (uint8_t)next();
		uint16_t where = (uint16_t)next();
		if ((act & 7) == 6)
			act ^= 4;
		if ((act & 7) == 5)
			where = (uint16_t)(16 + where % 8); /* the others are the devices' own */
		if ((next() & 1) || (act & 7) < 2)
			act = (uint8_t)((act & ~7u) | (next() & 1)), where = ports[next() % there];
		devices_act(devices, act, where, next() & 1 ? next() : next() & 0xff);
	}
}

static void each_device_has_a_saved_form(void **state)
{
	(void)state;
	struct devices devices;
	devices_make(&devices);
	for (unsigned i = 0; i < DEVICES; i++) {
		const struct device_ops *ops = devices.all[i].ops;
		if (!ops->fields)
			fail_msg("%s cannot be saved", ops->name);
		assert_true(ops->version >= 1);
		assert_true(save_device(ops, devices.all[i].state, stream_bytes[0]) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(ops->name, devices.all[j].ops->name);
	}
	devices_free(&devices);
}

/* A byte of the state that changes changes the stream, or it is reserved: a field that was forgotten is found here. */
static void every_byte_of_a_state_is_saved(void **state)
{
	(void)state;
	struct devices devices;
	devices_make(&devices);
	static const struct {
		const char *name;
		unsigned reserved;
	} known[DEVICES] = {
		{"pit8254", 24}, {"ioapic", 2}, {"rtc", 7}, {"pci", 4}, {"acpi-pm", 2}, {"i8042", 1}, {"testdev", 4}};
	for (unsigned i = 0; i < DEVICES; i++) {
		const struct device *device = &devices.all[i];
		unsigned lost = 0, reserved = 0;
		size_t bytes = save_device(device->ops, device->state, stream_bytes[0]);
		for (unsigned at = 0; at < device->ops->state_bytes; at++) {
			((uint8_t *)device->state)[at] ^= 0xff;
			size_t changed = save_device(device->ops, device->state, stream_bytes[1]);
			((uint8_t *)device->state)[at] ^= 0xff;
			assert_true(changed > 0);
			lost += changed == bytes && memcmp(stream_bytes[0], stream_bytes[1], bytes) == 0;
		}
		for (unsigned j = 0; j < DEVICES; j++)
			if (known[j].name && !strcmp(known[j].name, device->ops->name))
				reserved = known[j].reserved; /* or lie between fields */
		if (lost != reserved)
			fail_msg("%s: %u bytes of its state are not saved, %u are reserved", device->ops->name, lost,
				reserved);
	}
	devices_free(&devices);
}

static void what_was_saved_is_what_is_restored(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEQUENCES; i++) {
		struct devices devices;
		devices_make(&devices);
		act_some(&devices, LENGTH);
		for (unsigned j = 0; j < DEVICES; j++) {
			const struct device *device = &devices.all[j];
			void *copy = malloc(device->ops->state_bytes);
			size_t bytes = save_device(device->ops, device->state, stream_bytes[0]);
			assert_int_equal(load_state(device->ops, stream_bytes[0], bytes, copy), 0);
			assert_memory_equal(copy, device->state, device->ops->state_bytes);
			assert_int_equal(device->ops->check(copy), 0);
			free(copy);
		}
		devices_free(&devices);
	}
}

/* What all devices answer from now on, in one number; time stands still, or passes in the same steps. */
static uint64_t answers(struct devices *devices, uint64_t from)
{
	uint64_t sum = 14695981039346656037ull;
	seed = from;
	for (unsigned i = 0; i < 400; i++) {
		uint32_t port = next() & 1 ? 0x3f8 + next() % 8 : next() % 0x700;
		if (!devices->bus->port[port])
			continue;
		if (next() & 1)
			bus_port_write(devices->bus, (uint16_t)port, 1, next() & 0xff);
		sum = (sum ^ bus_port_read(devices->bus, (uint16_t)port, 1)) * 1099511628211ull;
		sum = (sum ^ (uint64_t)devices->lines.level) * 1099511628211ull;
		fake_pass(next() % 2000000);
		if (fake.events & ENGINE_EVENT_TIMER)
			fake.events = 0, clock_run(&devices->clock);
	}
	return sum;
}

/* A machine that was restored is the machine: whatever the guest does next, both answer alike. */
static void a_restored_machine_goes_on_as_the_other(void **state)
{
	(void)state;
	static uint8_t saved[DEVICES][16384];
	size_t bytes[DEVICES];
	for (unsigned i = 0; i < SEQUENCES; i++) {
		struct devices one, other;
		devices_make(&one);
		act_some(&one, LENGTH);
		/* What was there to be read is read, or given to both. */
		fake.input_bytes = 0;
		fake.output_room = FAKE_OUTPUT;
		fake.output_bytes = 0;
		fake.events = 0;
		clock_run(&one.clock);
		uint64_t tsc = fake.tsc, offset = one.clock.offset, from = seed;
		uint32_t level = one.lines.level;
		for (unsigned j = 0; j < DEVICES; j++)
			bytes[j] = save_device(one.all[j].ops, one.all[j].state, saved[j]);
		uint64_t first = answers(&one, from);
		devices_make(&other);
		fake.tsc = tsc;
		other.clock.offset = offset;
		other.lines.level = level;
		for (unsigned j = 0; j < DEVICES; j++) {
			const struct device *device = &other.all[j];
			void *copy = malloc(device->ops->state_bytes);
			assert_int_equal(load_state(device->ops, saved[j], bytes[j], copy), 0);
			assert_int_equal(device_load(device, copy, clock_now(&other.clock)), 0);
			free(copy);
		}
		assert_int_equal(other.lines.level, level);
		assert_int_equal(answers(&other, from), first);
		devices_free(&one);
		devices_free(&other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_device_has_a_saved_form),
		cmocka_unit_test(every_byte_of_a_state_is_saved),
		cmocka_unit_test(what_was_saved_is_what_is_restored),
		cmocka_unit_test(a_restored_machine_goes_on_as_the_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
