/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/devices.h: all devices of a machine on one bus, driven by bytes: the hostile guest of case A50. Used by the fuzzer, which finds sequences,
 * and by a unit test, which visits every register in every size.
 */
#ifndef TESTS_FUZZ_DEVICES_H
#define TESTS_FUZZ_DEVICES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "monitor/dev/acpi_pm.h"
#include "monitor/dev/i8042.h"
#include "monitor/dev/ioapic.h"
#include "monitor/dev/pci.h"
#include "monitor/dev/pic8259.h"
#include "monitor/dev/pit8254.h"
#include "monitor/dev/rtc.h"
#include "monitor/dev/testdev.h"
#include "monitor/dev/uart16550.h"
#include "monitor/engine/fake.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"
#include "monitor/machine/lines.h"

/* Each device is an allocation of its own, so that an access outside its state is an error that the sanitizer sees. */
struct devices {
	struct bus *bus;
	struct clock clock;
	struct lines lines;
	struct pic8259 *pic;
	struct ioapic *ioapic;
	struct device all[9];
	unsigned requests;
};

static inline void devices_request(void *context, enum machine_request request, uint32_t code)
{
	(void)request, (void)code;
	((struct devices *)context)->requests++;
}

static inline void devices_ignore_line(void *context, unsigned number, int level)
{
	(void)context, (void)number, (void)level;
}

static inline void devices_ignore_page(void *context, uint64_t gpa)
{
	(void)context, (void)gpa;
}

static inline void devices_ignore_log(void *context, uint32_t value)
{
	(void)context, (void)value;
}

static inline void devices_make(struct devices *d)
{
	fake_reset();
	memset(d, 0, sizeof(*d));
	d->bus = malloc(sizeof(*d->bus));
	bus_init(d->bus);
	clock_init(&d->clock, fake.khz);
	struct pit8254 *pit = malloc(sizeof(*pit));
	struct rtc *rtc = malloc(sizeof(*rtc));
	struct uart16550 *uart = malloc(sizeof(*uart));
	struct pci *pci = malloc(sizeof(*pci));
	struct acpi_pm *pm = malloc(sizeof(*pm));
	struct i8042 *kbc = malloc(sizeof(*kbc));
	struct testdev *test = malloc(sizeof(*test));
	d->pic = malloc(sizeof(*d->pic));
	d->ioapic = malloc(sizeof(*d->ioapic));
	d->lines = (struct lines){d->pic, d->ioapic, 0};
	struct line irq[16];
	for (unsigned i = 0; i < 16; i++)
		irq[i] = (struct line){lines_set, &d->lines, i};
	const struct control control = {devices_request, d};
	const struct line out = {devices_ignore_line, NULL, 0};
	const struct uart_host console = {engine_console_write, engine_console_read};
	const struct testdev_host host = {
		{lines_set, &d->lines, 0}, control, devices_ignore_page, devices_ignore_log, NULL, 1 << 28, 1};
	ioapic_init(d->ioapic, d->bus);
	pic_init(d->pic, d->bus, &out);
	pit_init(pit, d->bus, &d->clock, &irq[0]);
	rtc_init(rtc, d->bus, &d->clock, &irq[8]);
	uart16550_init(uart, d->bus, 0x3f8, &console, &irq[4]);
	pci_init(pci, d->bus);
	pci_add_chipset(pci);
	acpi_pm_init(pm, d->bus, &d->clock, &irq[9], &control);
	i8042_init(kbc, d->bus, &irq[1], &irq[12], &control);
	testdev_init(test, d->bus, &host);
	const struct device all[9] = {pic_device(d->pic), pit_device(pit), ioapic_device(d->ioapic), rtc_device(rtc),
		uart16550_device(uart), pci_device(pci), acpi_pm_device(pm), i8042_device(kbc), testdev_device(test)};
	memcpy(d->all, all, sizeof(all));
}

static inline void devices_free(struct devices *d)
{
	for (unsigned i = 0; i < 9; i++)
		free(d->all[i].self);
	free(d->bus);
}

/* Saves, resets, restores; what was saved is what is there. */
static inline void devices_save_and_load(struct devices *d, unsigned index)
{
	const struct device *device = &d->all[index % 9];
	uint8_t *state = malloc(device->ops->state_bytes);
	device_save(device, state);
	device->ops->reset(device->self);
	/* A state that the device itself was in is never refused. */

	if (device_load(device, state, clock_now(&d->clock)) < 0) {
		fprintf(stderr, "%s refuses its own state\n", device->ops->name);
		abort();
	}
	free(state);
}

/* One act of a hostile guest (or of a hostile state, value bit 31 of act 6). */
static inline void devices_act(struct devices *d, uint8_t act, uint16_t where, uint32_t value)
{
	unsigned size = 1u << (act >> 4 & 3) % 3;
	uint64_t gpa = IOAPIC_BASE + (where & 0xfff);
	uint8_t data[64];
	switch (act & 7) {
	case 0: bus_port_read(d->bus, where, size); return;
	case 1: bus_port_write(d->bus, where, size, value); return;
	case 2: bus_mmio_read(d->bus, gpa, 1 + value % 64, data); return;
	case 3:
		memset(data, (int)value, sizeof(data));
		memcpy(data, &value, 4);
		bus_mmio_write(d->bus, gpa, 1 + (value >> 8) % 16, data);
		return;
	case 4:
		fake_pass((uint64_t)where * (value & 0xfffff));
		if (fake.events & ENGINE_EVENT_TIMER)
			fake.events = 0, clock_run(&d->clock);
		return;
	case 5:
		lines_set(&d->lines, where & 31, value & 1);
		pic_acknowledge(d->pic);
		ioapic_eoi(d->ioapic, (uint8_t)value);
		return;
	case 6: {
		const struct device *device = &d->all[where % 9];
		if (!(value >> 31)) {
			devices_save_and_load(d, where);
			return;
		}
		/* A damaged state: taken or refused, and safe to use in both cases. */
		uint8_t *state = malloc(device->ops->state_bytes);
		device_save(device, state);
		state[value % device->ops->state_bytes] = (uint8_t)(value >> 16);
		device_load(device, state, clock_now(&d->clock));
		free(state);
		return;
	}
	default:
		fake.output_room = value & 31;
		fake.input = (const uint8_t *)"some input that is long enough for a FIFO and more";
		fake.input_bytes = where % 50;
		for (unsigned i = 0; i < 9; i++)
			if (!strcmp(d->all[i].ops->name, "uart16550"))
				uart16550_poll(d->all[i].self);
		return;
	}
}

#endif
