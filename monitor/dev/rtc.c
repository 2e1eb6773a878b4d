/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/rtc.c: the real-time clock and CMOS memory of a PC, as the data sheet of the MC146818A has it.
 *   Guest sees   ports 0x70 and 0x71, interrupt 8               Host gives   wall-clock time at the start, machine time from then on
 *   Models       date and time in BCD and binary, 12 and 24 hours, century at 0x32, UIP, the periodic, alarm and update interrupts
 *   Leaves out   daylight saving, the square wave, divider chains other than 32768 Hz (others stop the clock)
 *   State        struct rtc_state, saved, version 1             Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_rtc.c, fuzz_devices.c
 *
 * Time is computed when it is looked at. A timer runs only while an interrupt is enabled.
 */
#include "monitor/dev/rtc.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define NS	  1000000000ull
#define REG_A	  0x0a
#define REG_B	  0x0b
#define REG_C	  0x0c
#define REG_D	  0x0d
#define CENTURY	  0x32
#define A_UIP	  0x80u
#define B_SET	  0x80u
#define B_PIE	  0x40u
#define B_AIE	  0x20u
#define B_UIE	  0x10u
#define B_BINARY  0x04u
#define B_24H	  0x02u
#define C_IRQ	  0x80u
#define UIP_NS	  244000ull /* the update-in-progress bit comes that much before an update */
#define YEAR_LAST 9999

int64_t rtc_days(int64_t year, unsigned month, unsigned day)
{
	/* Years begin with March, so that the leap day is the last one; 400 years have 146,097 days. */
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void rtc_date(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * of_year + 2) / 153;
	*day = (unsigned)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

/* SET, or a divider that holds the chain: the time stands still and lies in cmos[]. */
static int rtc_stopped(const struct rtc_state *state)
{
	return (state->cmos[REG_B] & B_SET) || (state->cmos[REG_A] & 0x70) != 0x20;
}

/* Seconds since 1970; the nanoseconds within this one. */
static int64_t rtc_now(const struct rtc *rtc, uint64_t *ns)
{
	uint64_t total = clock_ns(rtc->clock, clock_now(rtc->clock)) + rtc->state.offset_ns;
	*ns = total % NS;
	return rtc->state.offset + (int64_t)(total / NS);
}

static void rtc_set(struct rtc *rtc, int64_t second, uint64_t ns)
{
	uint64_t machine = clock_ns(rtc->clock, clock_now(rtc->clock));
	rtc->state.offset_ns = (ns + NS - machine % NS) % NS;
	rtc->state.offset = second - (int64_t)((machine + rtc->state.offset_ns) / NS);
	rtc->state.update_seen = second;
}

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static uint8_t encode(const struct rtc_state *state, unsigned value)
{
	return (uint8_t)(state->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc_state *state, uint8_t value)
{
	return state->cmos[REG_B] & B_BINARY ? value : (unsigned)(value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc_state *state, unsigned hour)
{
	if (state->cmos[REG_B] & B_24H)
		return encode(state, hour);
	return (uint8_t)(encode(state, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

static unsigned decode_hour(const struct rtc_state *state, uint8_t value)
{
	if (state->cmos[REG_B] & B_24H)
		return decode(state, value);
	return decode(state, value & 0x7f) % 12 + (value & 0x80 ? 12 : 0);
}

/* The time's ten registers as of a second since 1970. */
static void rtc_fill(const struct rtc_state *state, int64_t second, uint8_t cmos[128])
{
	int64_t days = floor_div(second, 86400), year;
	unsigned of_day = (unsigned)(second - days * 86400), month, day;
	rtc_date(days, &year, &month, &day);
	if (year < 0 || year > YEAR_LAST)
		year = YEAR_LAST;
	cmos[0] = encode(state, of_day % 60);
	cmos[2] = encode(state, of_day / 60 % 60);
	cmos[4] = encode_hour(state, of_day / 3600);
	cmos[6] = encode(state, (unsigned)((days % 7 + 11) % 7 + 1)); /* Sunday is 1; 1970 began with a Thursday */
	cmos[7] = encode(state, day);
	cmos[8] = encode(state, month);
	cmos[9] = encode(state, (unsigned)(year % 100));
	cmos[CENTURY] = encode(state, (unsigned)(year / 100));
}

/* The second that the registers name. Whatever they hold, the result is a time: values out of range carry over. */
static int64_t rtc_second(const struct rtc_state *state)
{
	const uint8_t *cmos = state->cmos;
	unsigned month = decode(state, cmos[8]), day = decode(state, cmos[7]);
	int64_t year = (int64_t)decode(state, cmos[CENTURY]) * 100 + decode(state, cmos[9]);
	if (month < 1 || month > 12)
		month = 1;
	return rtc_days(year, month, day) * 86400 + (int64_t)decode_hour(state, cmos[4]) * 3600 +
	       (int64_t)decode(state, cmos[2]) * 60 + decode(state, cmos[0]);
}

static int alarm_matches(const struct rtc_state *state, int64_t second)
{
	unsigned of_day = (unsigned)(second - floor_div(second, 86400) * 86400);
	const uint8_t *cmos = state->cmos;
	/* Two ones at the top mean "any". */
	return ((cmos[1] & 0xc0) == 0xc0 || cmos[1] == encode(state, of_day % 60)) &&
	       ((cmos[3] & 0xc0) == 0xc0 || cmos[3] == encode(state, of_day / 60 % 60)) &&
	       ((cmos[5] & 0xc0) == 0xc0 || cmos[5] == encode_hour(state, of_day / 3600));
}

/* The periodic interrupt's interval in ticks of 32768 Hz, 0: off. */
static uint64_t periodic_ticks(const struct rtc_state *state)
{
	unsigned select = state->cmos[REG_A] & 15;
	if (select == 0)
		return 0;
	return 1u << ((select <= 2 ? select + 7 : select) - 1);
}

static void rtc_line(struct rtc *rtc)
{
	uint8_t *cmos = rtc->state.cmos;
	if (cmos[REG_C] & cmos[REG_B] & (B_PIE | B_AIE | B_UIE))
		cmos[REG_C] |= C_IRQ;
	else
		cmos[REG_C] &= (uint8_t)~C_IRQ;
	line_set(&rtc->irq, cmos[REG_C] >> 7);
}

/* Brings the flags of register C up to now. */
static void rtc_catch_up(struct rtc *rtc)
{
	struct rtc_state *state = &rtc->state;
	uint64_t ticks = rate_convert(rtc->to_ticks, clock_now(rtc->clock));
	uint64_t period = periodic_ticks(state);
	if (period && ticks / period != state->periodic_seen / period)
		state->cmos[REG_C] |= B_PIE;
	state->periodic_seen = ticks;
	if (rtc_stopped(state))
		return;
	uint64_t ns;
	int64_t second = rtc_now(rtc, &ns);
	if (second == state->update_seen)
		return;
	state->cmos[REG_C] |= B_UIE;
	/* An alarm that passed while nobody looked: the last minute is looked through, older ones were lost to everybody. */
	int64_t from = second - state->update_seen > 60 || second < state->update_seen ? second - 60
										       : state->update_seen;
	for (int64_t at = from + 1; at <= second; at++)
		if (alarm_matches(state, at))
			state->cmos[REG_C] |= B_AIE;
	state->update_seen = second;
}

static void rtc_schedule(struct rtc *rtc)
{
	struct rtc_state *state = &rtc->state;
	uint64_t now = clock_now(rtc->clock), deadline = CLOCK_NEVER;
	uint64_t period = periodic_ticks(state);
	if ((state->cmos[REG_B] & B_PIE) && period) {
		uint64_t next = (state->periodic_seen / period + 1) * period;
		deadline = rate_convert(rtc->to_time, next) + 1;
	}
	if ((state->cmos[REG_B] & (B_AIE | B_UIE)) && !rtc_stopped(state)) {
		uint64_t ns;
		rtc_now(rtc, &ns);
		uint64_t update = now + (NS - ns) * rtc->clock->khz / 1000000 + 1;
		if (update < deadline)
			deadline = update;
	}
	clock_timer_set(rtc->clock, &rtc->timer, deadline);
}

static void rtc_fire(void *device, uint64_t now)
{
	struct rtc *rtc = device;
	(void)now;
	rtc_catch_up(rtc);
	rtc_line(rtc);
	rtc_schedule(rtc);
}

static int is_time(uint8_t index)
{
	return index <= 9 ? index != 1 && index != 3 && index != 5 : index == CENTURY;
}

static uint32_t rtc_read(void *device, uint16_t port, unsigned size)
{
	struct rtc *rtc = device;
	struct rtc_state *state = &rtc->state;
	uint8_t index = state->index & 0x7f, value;
	uint64_t ns;
	(void)size;
	if (!(port & 1))
		return 0xff; /* the index cannot be read back */
	if (index == REG_C) {
		rtc_catch_up(rtc);
		rtc_line(rtc);
		value = state->cmos[REG_C];
		state->cmos[REG_C] = 0;
		rtc_line(rtc);
		return value;
	}
	if (rtc_stopped(state))
		return state->cmos[index];
	if (index == REG_A) {
		rtc_now(rtc, &ns);
		return state->cmos[REG_A] | (NS - ns <= UIP_NS ? A_UIP : 0);
	}
	if (is_time(index)) {
		uint8_t cmos[128];
		rtc_fill(state, rtc_now(rtc, &ns), cmos);
		return cmos[index];
	}
	return state->cmos[index];
}

/* Stops the clock with the time in its registers, or starts it from there. */
static void rtc_change(struct rtc *rtc, uint8_t index, uint8_t value)
{
	struct rtc_state *state = &rtc->state;
	int was_stopped = rtc_stopped(state);
	uint64_t ns;
	int64_t second = rtc_now(rtc, &ns);
	if (!was_stopped)
		rtc_fill(state, second, state->cmos);
	state->cmos[index] = value;
	if (rtc_stopped(state))
		return;
	/* A running clock keeps its place within the second; one that starts has half a second before its first update. */
	rtc_set(rtc, rtc_second(state), was_stopped ? NS / 2 : ns);
}

static void rtc_write(void *device, uint16_t port, unsigned size, uint32_t data)
{
	struct rtc *rtc = device;
	struct rtc_state *state = &rtc->state;
	uint8_t value = (uint8_t)data, index = state->index & 0x7f;
	(void)size;
	if (!(port & 1)) {
		state->index = value;
		return;
	}
	if (index == REG_C || index == REG_D)
		return;
	rtc_catch_up(rtc);
	if (index == REG_A)
		rtc_change(rtc, index, value & 0x7f);
	else if (index == REG_B) /* SET ends the update interrupt's permission */
		rtc_change(rtc, index, value & B_SET ? value & (uint8_t)~B_UIE : value);
	else if (is_time(index))
		rtc_change(rtc, index, value);
	else
		state->cmos[index] = value;
	if (index <= REG_B)
		rtc_line(rtc), rtc_schedule(rtc);
}

static void rtc_reset(void *device)
{
	struct rtc *rtc = device;
	/* The battery keeps time and memory; interrupts go off. */
	rtc->state.cmos[REG_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | 0x08);
	rtc->state.cmos[REG_C] = 0;
	rtc->state.cmos[0x0f] = 0;
	rtc->state.index = 0;
	rtc_line(rtc);
	rtc_schedule(rtc);
}

static int rtc_check(const void *state)
{
	const struct rtc_state *rtc = state;
	/* Times that later arithmetic cannot overflow with. */
	const int64_t most = 1ll << 50;
	if (rtc->offset > most || rtc->offset < -most || rtc->update_seen > most || rtc->update_seen < -most ||
		rtc->offset_ns >= NS || (rtc->cmos[REG_A] & 0x80))
		return -GYRE_EPROTO;
	return 0;
}

static void rtc_resume(void *device, uint64_t now)
{
	struct rtc *rtc = device;
	(void)now;
	rtc_catch_up(rtc);
	rtc_line(rtc);
	rtc_schedule(rtc);
}

static void rtc_fields(struct save *save, void *state)
{
	struct rtc_state *rtc = state;
	save_i64(save, &rtc->offset);
	save_u64(save, &rtc->offset_ns);
	save_u64(save, &rtc->periodic_seen);
	save_i64(save, &rtc->update_seen);
	save_bytes(save, rtc->cmos, sizeof(rtc->cmos));
	save_u8(save, &rtc->index);
}

static const struct device_ops rtc_ops = {
	"rtc", RTC_STATE_VERSION, sizeof(struct rtc_state), rtc_reset, rtc_check, rtc_resume, rtc_fields};

struct device rtc_device(struct rtc *rtc)
{
	return (struct device){&rtc_ops, rtc, &rtc->state};
}

void rtc_memory(struct rtc *rtc, uint64_t below_4g, uint64_t above_4g, uint32_t cpus)
{
	uint8_t *cmos = rtc->state.cmos;
	uint64_t extended = below_4g > 0x100000 ? (below_4g - 0x100000) >> 10 : 0;
	uint64_t high = below_4g > 0x1000000 ? (below_4g - 0x1000000) >> 16 : 0;
	if (extended > 0xffff)
		extended = 0xffff;
	above_4g >>= 16;
	cmos[0x14] = 0x02; /* an FPU */
	cmos[0x15] = 640 & 0xff, cmos[0x16] = 640 >> 8;
	cmos[0x17] = cmos[0x30] = (uint8_t)extended, cmos[0x18] = cmos[0x31] = (uint8_t)(extended >> 8);
	cmos[0x34] = (uint8_t)high, cmos[0x35] = (uint8_t)(high >> 8);
	cmos[0x5b] = (uint8_t)above_4g, cmos[0x5c] = (uint8_t)(above_4g >> 8), cmos[0x5d] = (uint8_t)(above_4g >> 16);
	cmos[0x5f] = (uint8_t)(cpus - 1);
}

void rtc_init(struct rtc *rtc, struct bus *bus, struct clock *clock, const struct line *irq)
{
	memset(rtc, 0, sizeof *rtc);
	rtc->clock = clock;
	rtc->irq = *irq;
	rtc->to_ticks = rate_make(32768, clock->khz * 1000);
	rtc->to_time = rate_make(clock->khz * 1000, 32768);
	clock_timer_add(clock, &rtc->timer, rtc_fire, rtc);
	rtc->state.cmos[REG_A] = 0x26;
	rtc->state.cmos[REG_B] = B_24H;
	rtc->state.cmos[REG_D] = 0x80; /* the battery is good */
	uint64_t wall = engine_wall_clock();
	rtc_set(rtc, (int64_t)(wall / NS), wall % NS);
	bus_ports(bus, 0x70, 2, &(struct port_handler){rtc_read, rtc_write, rtc, BUS_SIZE_1});
	rtc_reset(rtc);
}
