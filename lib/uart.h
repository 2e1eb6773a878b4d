/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/uart.h: driver of a PC16550D, as its data sheet has it, for a process that has been granted the port's eight I/O ports. It never waits.
 * An ISA interrupt is edge-triggered and lost while it is masked: so acknowledge the interrupt object first, then call uart_interrupt().
 */
#ifndef LIB_UART_H
#define LIB_UART_H

#include <stddef.h>
#include <stdint.h>

#define UART_COM1 0x3f8u
#define UART_COM2 0x2f8u

static inline void port_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t port_in8(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
static inline void port_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint16_t port_in16(uint16_t port)
{
	uint16_t value;
	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

struct uart {
	uint16_t port;
	uint8_t enabled; /* interrupts: the IER as last written */
};

/* Sets up 115,200 baud, 8n1, FIFOs, receive interrupts. 0: there is no UART at the port. */
int uart_init(struct uart *uart, uint16_t port);

/* One that is set up and at work: goes on with it as it is. */
void uart_adopt(struct uart *uart, uint16_t port);

/* What the transmitter takes now. */
size_t uart_send(struct uart *uart, const uint8_t *data, size_t bytes);

/* Whether an interrupt is wanted when the transmitter has room. */
void uart_send_interrupt(struct uart *uart, int on);

/* What has arrived. Less than asked for: there is no more, and the next byte interrupts again. */
size_t uart_receive(struct uart *uart, uint8_t *data, size_t bytes);

/* Nothing is left in FIFO and shift register. */
int uart_sent(const struct uart *uart);

/* Answers what the UART interrupts for, except arrived bytes: those uart_receive() takes, and until then they interrupt no more. */
void uart_interrupt(struct uart *uart);

#endif
