/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/pit8254.c: the interval timer of a PC with what stands around it, as the data sheet of the 82C54 has it.
 *   Guest sees   ports 0x40 to 0x43, 0x61; channel 0 drives interrupt 0, channel 2 the speaker      Host gives   machine time, a timer
 *   Models       modes 0 to 5, BCD, latch and read-back, the gate of channel 2, port 0x61 with refresh toggle and OUT2
 *   Leaves out   sound; the one clock that a count needs to be loaded; ticks that were missed while nobody ran are not made up for
 *   State        struct pit_state, saved, version 1             Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_pit8254.c, fuzz_devices.c
 *
 * Nothing counts: a channel remembers when it began, and values are computed when somebody looks.
 */
#include "monitor/dev/pit8254.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define LEAST_TICKS 239u /* from one interrupt to the next: 0.2 ms */

static uint64_t pit_ticks(const struct pit8254 *pit)
{
	return rate_convert(pit->to_ticks, clock_now(pit->clock));
}

static int pit_periodic(const struct pit_channel_state *channel)
{
	return channel->mode == 2 || channel->mode == 3;
}

/* A low gate stops these; the others it only triggers. */
static int pit_held(const struct pit_channel_state *channel)
{
	return !channel->gate && channel->mode != 1 && channel->mode != 5;
}

static uint64_t pit_elapsed(const struct pit_channel_state *channel, uint64_t ticks)
{
	return pit_held(channel) ? channel->elapsed : ticks - channel->start;
}

static int pit_out(const struct pit_channel_state *channel, uint64_t ticks)
{
	if (!channel->running)
		return channel->mode != 0;
	uint64_t elapsed = pit_elapsed(channel, ticks);
	switch (channel->mode) {
	case 0:
	case 1: return elapsed >= channel->count;
	case 2: return pit_held(channel) || elapsed % channel->count != channel->count - 1;
	case 3: return pit_held(channel) || elapsed % channel->count < (channel->count + 1) / 2;
	default: return elapsed != channel->count;
	}
}

static uint16_t to_bcd(uint32_t value)
{
	value %= 10000;
	return (uint16_t)(value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10);
}

static uint16_t pit_value(const struct pit_channel_state *channel, uint64_t ticks)
{
	uint32_t value = channel->count;
	if (channel->running) {
		uint64_t elapsed = pit_elapsed(channel, ticks);
		if (channel->mode == 2)
			value = channel->count - (uint32_t)(elapsed % channel->count);
		else if (channel->mode == 3) /* by twos, twice a period */
			value = (channel->count - (uint32_t)(elapsed * 2 % channel->count)) & ~1u;
		else if (channel->bcd) /* below 0 comes 9999 */
			value = (uint32_t)((channel->count + 10000 - elapsed % 10000) % 10000);
		else
			value = (uint32_t)(channel->count - elapsed);
	}
	return channel->bcd ? to_bcd(value) : (uint16_t)value;
}

static void pit_line(struct pit8254 *pit, int level)
{
	pit->state.line = (uint8_t)level;
	line_set(&pit->irq, level);
}

/* The timer is set to the next rising edge of channel 0. */
static void pit_arm(struct pit8254 *pit, uint64_t ticks)
{
	struct pit_channel_state *channel = &pit->state.channel[0];
	uint64_t deadline = CLOCK_NEVER, elapsed = ticks - channel->start;
	if (channel->running && channel->mode != 1 && channel->mode != 5) {
		uint64_t next = channel->start + channel->count;
		if (pit_periodic(channel))
			next += elapsed - elapsed % channel->count;
		if (next > ticks)
			deadline = rate_convert(pit->to_time, next) + 1;
	}
	clock_timer_set(pit->clock, &pit->timer, deadline);
}

/* And its line as its output is. */
static void pit_schedule(struct pit8254 *pit, uint64_t ticks)
{
	pit_arm(pit, ticks);
	pit_line(pit, pit_out(&pit->state.channel[0], ticks));
}

static void pit_fire(void *device, uint64_t now)
{
	struct pit8254 *pit = device;
	(void)now;
	pit_line(pit, 0); /* one edge, however late */
	pit_line(pit, 1);
	/* Rounding may have made the timer early by a tick: that is this edge still. */
	uint64_t ticks = pit_ticks(pit) + 1;
	struct pit_channel_state *channel = &pit->state.channel[0];
	if (!channel->running || !pit_periodic(channel))
		return;
	uint64_t elapsed = ticks - channel->start;
	/* Edges that come faster than a monitor can count are one: else a guest that asks for a million a second never runs again. */
	uint64_t edges = channel->count < LEAST_TICKS ? (LEAST_TICKS + channel->count - 1) / channel->count : 1;
	uint64_t next = channel->start + elapsed - elapsed % channel->count + edges * channel->count;
	clock_timer_set(pit->clock, &pit->timer, rate_convert(pit->to_time, next) + 1);
}

static void pit_load(struct pit8254 *pit, unsigned number, uint32_t value)
{
	struct pit_channel_state *channel = &pit->state.channel[number];
	uint64_t ticks = pit_ticks(pit);
	uint32_t most = channel->bcd ? 10000 : 65536;
	if (channel->bcd) /* digits above 9 count as they stand, as far as there is room */
		value = (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
	if (value == 0 || value > most)
		value = most;
	/* A count of 1 is not allowed in modes 2 and 3: it would be an edge at every tick. */
	if (value == 1 && pit_periodic(channel))
		value = 2;
	channel->count = value;
	channel->loaded = 1;
	/* Modes 1 and 5 wait for the gate. A new count for a running periodic counter is taken at once. */
	if (channel->mode != 1 && channel->mode != 5) {
		channel->running = 1;
		channel->start = ticks;
		channel->elapsed = 0;
	}
	if (number == 0)
		pit_schedule(pit, ticks);
}

static void pit_latch(struct pit_channel_state *channel, uint64_t ticks)
{
	if (channel->latched)
		return; /* until it is read, another latch command changes nothing */
	channel->latch = pit_value(channel, ticks);
	channel->latched = channel->access == 3 ? 2 : 1;
}

static void pit_read_back(struct pit8254 *pit, uint8_t command)
{
	uint64_t ticks = pit_ticks(pit);
	for (unsigned i = 0; i < 3; i++) {
		struct pit_channel_state *channel = &pit->state.channel[i];
		if (!(command >> (i + 1) & 1))
			continue;
		if (!(command & 0x20))
			pit_latch(channel, ticks);
		if (!(command & 0x10) && !channel->status_latched) {
			channel->status_latched = 1;
			channel->status = (uint8_t)(pit_out(channel, ticks) << 7 | !channel->loaded << 6 |
						    channel->access << 4 | channel->mode << 1 | channel->bcd);
		}
	}
}

static void pit_control(struct pit8254 *pit, uint8_t value)
{
	unsigned number = value >> 6;
	if (number == 3) {
		pit_read_back(pit, value);
		return;
	}
	struct pit_channel_state *channel = &pit->state.channel[number];
	if (!(value & 0x30)) {
		pit_latch(channel, pit_ticks(pit));
		return;
	}
	channel->access = value >> 4 & 3;
	channel->mode = value >> 1 & 7;
	if (channel->mode > 5)
		channel->mode &= 3; /* bit 2 of modes 2 and 3 is not looked at */
	channel->bcd = value & 1;
	channel->running = channel->loaded = 0;
	channel->write_high = channel->read_high = channel->latched = channel->status_latched = 0;
	if (number == 0)
		pit_schedule(pit, pit_ticks(pit));
}

static void pit_write(void *device, uint16_t port, unsigned size, uint32_t data)
{
	struct pit8254 *pit = device;
	uint8_t value = (uint8_t)data;
	unsigned number = port & 3;
	(void)size;
	if (number == 3) {
		pit_control(pit, value);
		return;
	}
	struct pit_channel_state *channel = &pit->state.channel[number];
	switch (channel->access) {
	case 1: pit_load(pit, number, value); return;
	case 2: pit_load(pit, number, (uint32_t)value << 8); return;
	default:
		if (!channel->write_high) {
			channel->write_low = value;
			channel->write_high = 1;
			/* In mode 0 the first byte stops the count. */
			if (channel->mode == 0) {
				channel->running = 0;
				if (number == 0)
					pit_schedule(pit, pit_ticks(pit));
			}
			return;
		}
		channel->write_high = 0;
		pit_load(pit, number, (uint32_t)value << 8 | channel->write_low);
		return;
	}
}

static uint32_t pit_read(void *device, uint16_t port, unsigned size)
{
	struct pit8254 *pit = device;
	unsigned number = port & 3;
	(void)size;
	if (number == 3)
		return 0xff;
	struct pit_channel_state *channel = &pit->state.channel[number];
	if (channel->status_latched) {
		channel->status_latched = 0;
		return channel->status;
	}
	if (channel->latched) {
		int high = channel->access == 2 || (channel->access == 3 && channel->latched == 1);
		channel->latched--;
		return high ? channel->latch >> 8 : channel->latch & 0xff;
	}
	uint16_t value = pit_value(channel, pit_ticks(pit));
	if (channel->access == 3) {
		channel->read_high ^= 1;
		return channel->read_high ? value & 0xff : value >> 8;
	}
	return channel->access == 2 ? value >> 8 : value & 0xff;
}

static void pit_gate(struct pit8254 *pit, struct pit_channel_state *channel, int gate)
{
	uint64_t ticks = pit_ticks(pit);
	if (gate == channel->gate)
		return;
	if (!gate) {
		channel->elapsed = ticks - channel->start;
		channel->gate = 0;
		return;
	}
	channel->gate = 1;
	switch (channel->mode) {
	case 1:
	case 5: /* a rising gate triggers */
		channel->running = channel->loaded;
		channel->start = ticks;
		return;
	case 2:
	case 3: channel->start = ticks; return;
	default: channel->start = ticks - channel->elapsed; return;
	}
}

static uint32_t port61_read(void *device, uint16_t port, unsigned size)
{
	struct pit8254 *pit = device;
	uint64_t ticks = pit_ticks(pit);
	(void)port, (void)size;
	/* Bit 4 toggles with each refresh, every 18 ticks of channel 1. */
	return (uint32_t)(pit->state.port61 | (ticks / 18 & 1) << 4 |
			  (unsigned)pit_out(&pit->state.channel[2], ticks) << 5);
}

static void port61_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct pit8254 *pit = device;
	(void)port, (void)size;
	pit->state.port61 = value & 0x0f;
	pit_gate(pit, &pit->state.channel[2], value & 1);
}

static void pit_reset(void *device)
{
	struct pit8254 *pit = device;
	memset(&pit->state, 0, sizeof pit->state);
	for (unsigned i = 0; i < 3; i++) {
		struct pit_channel_state *channel = &pit->state.channel[i];
		channel->count = 65536;
		channel->access = 3;
		channel->gate = i != 2;
	}
	pit_schedule(pit, pit_ticks(pit));
}

static int pit_check(const void *state)
{
	const struct pit_state *pit = state;
	for (unsigned i = 0; i < 3; i++) {
		const struct pit_channel_state *channel = &pit->channel[i];
		uint32_t least = channel->running && pit_periodic(channel) ? 2 : 1;
		if (channel->count < least || channel->count > 65536 || channel->mode > 5 || channel->bcd > 1 ||
			channel->access < 1 || channel->access > 3 || channel->gate > 1 || channel->latched > 2 ||
			(i != 2 && !channel->gate) || channel->loaded > 1 || channel->running > 1 ||
			channel->status_latched > 1 || channel->read_high > 1)
			return -GYRE_EPROTO;
	}
	return pit->port61 > 0x0f || pit->line > 1 ? -GYRE_EPROTO : 0;
}

static void pit_resume(void *device, uint64_t now)
{
	struct pit8254 *pit = device;
	uint64_t ticks = rate_convert(pit->to_ticks, now);
	pit_arm(pit, ticks);
	/* The output falls without being looked at, and so does not here: an interrupt that is requested stays so. It may have risen. */
	pit_line(pit, pit->state.line | pit_out(&pit->state.channel[0], ticks));
}

static void pit_fields(struct save *save, void *state)
{
	struct pit_state *pit = state;
	for (int i = 0; i < 3; i++) {
		struct pit_channel_state *channel = &pit->channel[i];
		save_u64(save, &channel->start);
		save_u64(save, &channel->elapsed);
		save_u32(save, &channel->count);
		save_u16(save, &channel->latch);
		save_u8(save, &channel->mode);
		save_u8(save, &channel->bcd);
		save_u8(save, &channel->access);
		save_u8(save, &channel->running);
		save_u8(save, &channel->loaded);
		save_u8(save, &channel->gate);
		save_u8(save, &channel->write_high);
		save_u8(save, &channel->write_low);
		save_u8(save, &channel->read_high);
		save_u8(save, &channel->latched);
		save_u8(save, &channel->status_latched);
		save_u8(save, &channel->status);
	}
	save_u8(save, &pit->port61);
	save_u8(save, &pit->line);
}

static const struct device_ops pit_ops = {
	"pit8254", PIT_STATE_VERSION, sizeof(struct pit_state), pit_reset, pit_check, pit_resume, pit_fields};

struct device pit_device(struct pit8254 *pit)
{
	return (struct device){&pit_ops, pit, &pit->state};
}

void pit_init(struct pit8254 *pit, struct bus *bus, struct clock *clock, const struct line *irq)
{
	memset(pit, 0, sizeof *pit);
	pit->clock = clock;
	pit->irq = *irq;
	pit->to_ticks = rate_make(PIT_HZ, clock->khz * 1000);
	pit->to_time = rate_make(clock->khz * 1000, PIT_HZ);
	clock_timer_add(clock, &pit->timer, pit_fire, pit);
	const struct port_handler channels = {pit_read, pit_write, pit, BUS_SIZE_1};
	const struct port_handler port61 = {port61_read, port61_write, pit, BUS_SIZE_1};
	bus_ports(bus, 0x40, 4, &channels);
	bus_ports(bus, 0x61, 1, &port61);
	pit_reset(pit);
}
