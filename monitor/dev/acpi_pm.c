/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/acpi_pm.c: ACPI's fixed hardware (ACPI specification, "ACPI Register Model"): PM1 event and control registers, the timer.
 *   Guest sees   ports 0x600 to 0x605 and 0x608 to 0x60b, interrupt 9           Host gives   machine time, power-off
 *   Models       the power button, the timer with its carry flag, power-off by S5; ACPI mode is always on
 *   Leaves out   other sleeping states, general-purpose events, the bus-master and global-lock bits
 *   State        struct acpi_pm_state, saved, version 1         Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_acpi_pm.c, fuzz_devices.c
 */
#include "monitor/dev/acpi_pm.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define STATUS_TIMER  0x0001u
#define STATUS_BUTTON 0x0100u
#define STATUS_ALL    0x8731u /* what can be set at all, written as one to clear */
#define ENABLE_ALL    0x0721u
#define CONTROL_SCI   0x0001u
#define CONTROL_WRITE 0x1c06u
#define CONTROL_SLEEP 0x2000u
#define TIMER_MASK    0xffffffu

static uint64_t pm_ticks(const struct acpi_pm *pm)
{
	return rate_convert(pm->to_ticks, clock_now(pm->clock));
}

/* The carry flag: bit 23 has changed since somebody looked. */
static void pm_catch_up(struct acpi_pm *pm)
{
	uint64_t half = pm_ticks(pm) >> 23;
	if (half != pm->state.half)
		pm->state.status |= STATUS_TIMER;
	pm->state.half = half;
}

static void pm_update(struct acpi_pm *pm)
{
	line_set(&pm->sci, (pm->state.status & pm->state.enable & ENABLE_ALL) != 0);
	/* The timer runs only while its carry is to interrupt. */
	uint64_t deadline = CLOCK_NEVER;
	if ((pm->state.enable & STATUS_TIMER) && !(pm->state.status & STATUS_TIMER))
		deadline = rate_convert(pm->to_time, (pm->state.half + 1) << 23) + 1;
	clock_timer_set(pm->clock, &pm->timer, deadline);
}

static void pm_fire(void *device, uint64_t now)
{
	(void)now;
	pm_catch_up(device);
	pm_update(device);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
	pm->state.status |= STATUS_BUTTON;
	pm_update(pm);
}

static uint32_t timer_read(void *device, uint16_t port, unsigned size)
{
	struct acpi_pm *pm = device;
	uint32_t ticks = (uint32_t)pm_ticks(pm) & TIMER_MASK;
	if (size == 4) /* nothing is shifted on the path that matters */
		return ticks;
	ticks >>= 8 * (port & 3);
	return size == 2 ? ticks & 0xffff : ticks & 0xff;
}

static void timer_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	(void)device, (void)port, (void)size, (void)value;
}

static uint16_t pm_register(struct acpi_pm *pm, unsigned index)
{
	if (index == 0)
		pm_catch_up(pm);
	return index == 0   ? pm->state.status
	       : index == 1 ? pm->state.enable
	       : index == 2 ? pm->state.control | CONTROL_SCI
			    : 0;
}

/* Registers of 16 bits at 0, 2 and 4; reads of any size take what they cover. */
static uint32_t pm_read(void *device, uint16_t port, unsigned size)
{
	struct acpi_pm *pm = device;
	unsigned offset = port - ACPI_PM1_EVENT;
	uint64_t value = 0;
	for (unsigned i = 0; i < 3; i++)
		value |= (uint64_t)pm_register(pm, offset / 2 + i) << 16 * i;
	value >>= 8 * (offset & 1);
	return (uint32_t)value & (0xffffffffu >> (32 - 8 * size));
}

static void pm_control(struct acpi_pm *pm, uint16_t value, uint16_t mask)
{
	uint16_t writable = CONTROL_WRITE & mask;
	pm->state.control = (uint16_t)((pm->state.control & ~writable) | (value & writable));
	if ((value & mask & CONTROL_SLEEP) && (pm->state.control >> 10 & 7) == ACPI_S5_TYPE)
		pm->control.request(pm->control.context, MACHINE_POWER_OFF, 0);
}

static void pm_write(void *device, uint16_t port, unsigned size, uint32_t data)
{
	struct acpi_pm *pm = device;
	unsigned offset = port - ACPI_PM1_EVENT, shift = 8 * (offset & 1);
	/* Up to three registers are touched by an odd access of four bytes. */
	uint64_t value = (uint64_t)data << shift, mask = (uint64_t)(0xffffffffu >> (32 - 8 * size)) << shift;
	for (unsigned i = offset / 2; mask; i++, value >>= 16, mask >>= 16) {
		uint16_t v = (uint16_t)value, m = (uint16_t)mask;
		switch (i) {
		case 0:
			pm_catch_up(pm);
			pm->state.status &= (uint16_t) ~(v & m & STATUS_ALL);
			break;
		case 1:
			pm_catch_up(pm);
			pm->state.enable = (uint16_t)(((pm->state.enable & ~m) | (v & m)) & ENABLE_ALL);
			break;
		case 2: pm_control(pm, v, m); break;
		default: break;
		}
	}
	pm_update(pm);
}

static void pm_reset(void *device)
{
	struct acpi_pm *pm = device;
	memset(&pm->state, 0, sizeof pm->state);
	pm->state.half = pm_ticks(pm) >> 23;
	pm_update(pm);
}

static int pm_check(const void *state)
{
	const struct acpi_pm_state *pm = state;
	if ((pm->status & ~STATUS_ALL) || (pm->enable & ~ENABLE_ALL) || (pm->control & ~CONTROL_WRITE) ||
		pm->half >> 40)
		return -GYRE_EPROTO;
	return 0;
}

static void pm_resume(void *device, uint64_t now)
{
	(void)now;
	pm_catch_up(device);
	pm_update(device);
}

static void pm_fields(struct save *save, void *state)
{
	struct acpi_pm_state *pm = state;
	save_u64(save, &pm->half);
	save_u16(save, &pm->status);
	save_u16(save, &pm->enable);
	save_u16(save, &pm->control);
}

static const struct device_ops pm_ops = {
	"acpi-pm", ACPI_PM_STATE_VERSION, sizeof(struct acpi_pm_state), pm_reset, pm_check, pm_resume, pm_fields};

struct device acpi_pm_device(struct acpi_pm *pm)
{
	return (struct device){&pm_ops, pm, &pm->state};
}

void acpi_pm_init(
	struct acpi_pm *pm, struct bus *bus, struct clock *clock, const struct line *sci, const struct control *control)
{
	memset(pm, 0, sizeof *pm);
	pm->clock = clock;
	pm->sci = *sci;
	pm->control = *control;
	pm->to_ticks = rate_make(ACPI_PM_HZ, clock->khz * 1000);
	pm->to_time = rate_make(clock->khz * 1000, ACPI_PM_HZ);
	clock_timer_add(clock, &pm->timer, pm_fire, pm);
	const uint32_t sizes = BUS_SIZE_1 | BUS_SIZE_2 | BUS_SIZE_4;
	bus_ports(bus, ACPI_PM1_EVENT, 8, &(struct port_handler){pm_read, pm_write, pm, sizes});
	bus_ports(bus, ACPI_PM_TIMER, 4, &(struct port_handler){timer_read, timer_write, pm, sizes});
	pm_reset(pm);
}
