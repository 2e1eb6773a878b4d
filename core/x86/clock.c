/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/clock.c: HPET (IA-PC HPET specification), ACPI PM timer (ACPI, "Power Management Timer"), PIT (Intel 8254 data sheet).
 */
#include "core/x86/clock.h"
#include "core/x86/acpi.h"
#include "core/x86/io.h"
#include "core/x86/paging.h"

#define HPET_PERIOD	0x004 /* femtoseconds */
#define HPET_CONFIG	0x010
#define HPET_ENABLE	0x1
#define HPET_COUNTER	0x0f0
#define HPET_PERIOD_MAX 100000000u
#define FEMTOSECONDS	1000000000000000ull

#define PM_TIMER_HZ 3579545

#define PIT_HZ	     1193182
#define PIT_COUNT2   0x42
#define PIT_CONTROL  0x43
#define PIT_MODE     0xb0 /* channel 2, both bytes, mode 0: counts down once, then on through 0 */
#define PIT_LATCH    0x80
#define PORT_GATE    0x61
#define GATE_COUNT   0x01
#define GATE_SPEAKER 0x02

static volatile uint8_t *hpet;
static uint16_t pm_timer;

static bool hpet_start(struct clock *clock)
{
	if (!acpi_info.hpet || (hpet = mmio_map(hpa(acpi_info.hpet_address), PAGE_SIZE, CORE_UNCACHED)) == NULL)
		return false;
	uint32_t period = mmio_read32(hpet + HPET_PERIOD);
	if (period == 0 || period > HPET_PERIOD_MAX)
		return false;
	mmio_write32(hpet + HPET_CONFIG, mmio_read32(hpet + HPET_CONFIG) | HPET_ENABLE);
	clock->hz = FEMTOSECONDS / period;
	return true;
}

static uint64_t hpet_read(void)
{
	return mmio_read32(hpet + HPET_COUNTER);
}

static bool pm_timer_start(struct clock *clock)
{
	(void)clock;
	const struct acpi_register *timer = &acpi_info.pm_timer;
	if (!acpi_info.fadt || timer->memory || timer->address == 0 || timer->address > 0xfffc)
		return false;
	pm_timer = timer->address;
	return true;
}

static uint64_t pm_timer_read(void)
{
	return io_read32(pm_timer) & 0xffffff;
}

static bool pit_start(struct clock *clock)
{
	(void)clock;
	if (acpi_info.fadt && acpi_info.hardware_reduced)
		return false;
	io_write8(PORT_GATE, (io_read8(PORT_GATE) & ~GATE_SPEAKER) | GATE_COUNT);
	io_write8(PIT_CONTROL, PIT_MODE);
	io_write8(PIT_COUNT2, 0xff);
	io_write8(PIT_COUNT2, 0xff);
	return true;
}

static uint64_t pit_read(void)
{
	io_write8(PIT_CONTROL, PIT_LATCH);
	uint32_t low = io_read8(PIT_COUNT2);
	return ~(low | (uint32_t)io_read8(PIT_COUNT2) << 8) & 0xffff;
}

struct clock clocks[CLOCK_COUNT] = {{"HPET", hpet_start, hpet_read, 0, 0xffffffff},
	{"PM timer", pm_timer_start, pm_timer_read, PM_TIMER_HZ, 0xffffff},
	{"PIT", pit_start, pit_read, PIT_HZ, 0xffff}};
