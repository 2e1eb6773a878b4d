/* SPDX-License-Identifier: Apache-2.0 */
/* guests/tests/kernel.h: what the test kernel's parts share: ports, and its one way to say something. */
#ifndef GUESTS_TESTS_KERNEL_H
#define GUESTS_TESTS_KERNEL_H

#include <stdint.h>

static inline void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void say(const char *text);
void say_number(uint32_t number);
void say_hex(uint32_t number, int digits); /* at least so many */

/* task.c: hardware task switches. paging: 0 none, 1 of 32-bit entries, 2 PAE. */
void task_tests(int paging);

#endif
