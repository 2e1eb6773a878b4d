/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/rtc.h: the date that a PC's clock shows (MC146818A data sheet; the century register is the FADT's). */
#ifndef ROOT_RTC_H
#define ROOT_RTC_H

#include <stdint.h>

/* Registers as read; century 0: there is none. */
struct rtc_registers {
	uint8_t second, minute, hour, day, month, year, century, status_b;
};

/* Seconds since 1970, or 0 if that is no date. */
uint64_t rtc_seconds(const struct rtc_registers *registers);

/* Reads the clock through ports 0x70 and 0x71, which the process must have been granted. Seconds since 1970, or 0. */
uint64_t rtc_read(uint8_t century_register);

#endif
