/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/rtc.c: see rtc.h. */
#include "services/root/rtc.h"
#include "lib/string.h"
#include "lib/uart.h"

#define RTC_INDEX	 0x70u
#define RTC_DATA	 0x71u
#define RTC_UPDATING	 0x80u /* register A, UIP */
#define RTC_BINARY	 0x04u /* register B, DM */
#define RTC_24_HOURS	 0x02u /* register B, 24/12 */
#define RTC_AFTERNOON	 0x80u
#define RTC_NMI_DISABLED 0x80u /* written with the index: stays as it is at reset, enabled */

static int decode(uint8_t value, int binary, uint32_t *number)
{
	if (!binary && ((value & 15) > 9 || value >> 4 > 9))
		return 0;
	*number = binary ? value : (value >> 4) * 10u + (value & 15);
	return 1;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: years begin in March here, so that leap days come last. */
static uint64_t days(uint64_t year, uint32_t month, uint32_t day)
{
	year -= month <= 2;
	uint64_t shifted = (month + 9) % 12;
	return year * 365 + year / 4 - year / 100 + year / 400 + (shifted * 153 + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_seconds(const struct rtc_registers *registers)
{
	int binary = (registers->status_b & RTC_BINARY) != 0;
	int afternoon = 0;
	uint8_t hour_register = registers->hour;
	uint32_t second, minute, hour, day, month, year, century = 20;
	if ((registers->status_b & RTC_24_HOURS) == 0) {
		afternoon = (hour_register & RTC_AFTERNOON) != 0;
		hour_register &= (uint8_t)~RTC_AFTERNOON;
	}
	if (!decode(registers->second, binary, &second) || !decode(registers->minute, binary, &minute) ||
		!decode(hour_register, binary, &hour) || !decode(registers->day, binary, &day) ||
		!decode(registers->month, binary, &month) || !decode(registers->year, binary, &year))
		return 0;
	if (registers->century != 0 && (!decode(registers->century, binary, &century) || century < 19 || century > 29))
		century = 20;
	if ((registers->status_b & RTC_24_HOURS) == 0)
		hour = hour % 12 + (afternoon ? 12 : 0);
	if (second > 59 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 || month > 12 || year > 99 ||
		century * 100 + year < 1970)
		return 0;
	return days(century * 100 + year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

static uint8_t rtc_register(uint8_t index)
{
	port_out8(RTC_INDEX, index & (uint8_t)~RTC_NMI_DISABLED);
	return port_in8(RTC_DATA);
}

static void rtc_registers_read(struct rtc_registers *registers, uint8_t century_register)
{
	registers->second = rtc_register(0x00);
	registers->minute = rtc_register(0x02);
	registers->hour = rtc_register(0x04);
	registers->day = rtc_register(0x07);
	registers->month = rtc_register(0x08);
	registers->year = rtc_register(0x09);
	registers->century = century_register != 0 ? rtc_register(century_register) : 0;
	registers->status_b = rtc_register(0x0b);
}

uint64_t rtc_read(uint8_t century_register)
{
	struct rtc_registers first, second;
	/* An update takes 2 ms a second: two equal readings outside one are a date. */
	for (int i = 0; i < 100000; i++) {
		if ((rtc_register(0x0a) & RTC_UPDATING) != 0)
			continue;
		rtc_registers_read(&first, century_register);
		rtc_registers_read(&second, century_register);
		if (memcmp(&first, &second, sizeof(first)) == 0)
			return rtc_seconds(&first);
	}
	return 0;
}
