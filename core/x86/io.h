/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/io.h: port and device memory access.
 */
#ifndef CORE_X86_IO_H
#define CORE_X86_IO_H

#include <stdint.h>

#define IO_ACCESSORS(bits, letter)                                                                                     \
	static inline uint##bits##_t io_read##bits(uint16_t port)                                                      \
	{                                                                                                              \
		uint##bits##_t value;                                                                                  \
		__asm__ volatile("in" letter " %1, %0" : "=a"(value) : "Nd"(port) : "memory");                         \
		return value;                                                                                          \
	}                                                                                                              \
	static inline void io_write##bits(uint16_t port, uint##bits##_t value)                                         \
	{                                                                                                              \
		__asm__ volatile("out" letter " %0, %1" : : "a"(value), "Nd"(port) : "memory");                        \
	}                                                                                                              \
	static inline uint##bits##_t mmio_read##bits(const volatile void *address)                                     \
	{                                                                                                              \
		return *(const volatile uint##bits##_t *)address;                                                      \
	}                                                                                                              \
	static inline void mmio_write##bits(volatile void *address, uint##bits##_t value)                              \
	{                                                                                                              \
		*(volatile uint##bits##_t *)address = value;                                                           \
	}
IO_ACCESSORS(8, "b")
IO_ACCESSORS(16, "w")
IO_ACCESSORS(32, "l")

#endif
