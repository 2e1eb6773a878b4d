/* SPDX-License-Identifier: Apache-2.0 */
/* lib/uart.c: see lib/uart.h. Register names as in the data sheet of the PC16550D. */
#include "lib/uart.h"

#define RBR_THR 0
#define IER	1
#define IIR_FCR 2
#define LCR	3
#define MCR	4
#define LSR	5
#define MSR	6
#define SCR	7

#define IER_RECEIVED 0x01u
#define IER_THR	     0x02u
#define IIR_NONE     0x01u
#define IIR_ID	     0x0eu
#define IIR_RECEIVED 0x04u
#define IIR_PAUSE    0x0cu /* fewer bytes than the FIFO's trigger, and no more came */
#define FCR_ON	     0x87u /* FIFOs on and emptied, interrupt at 8 bytes or a pause */
#define LCR_8N1	     0x03u
#define LCR_DLAB     0x80u
#define MCR_ON	     0x0bu /* DTR, RTS; OUT2 lets the interrupt through on a PC */
#define LSR_READY    0x01u
#define LSR_THRE     0x20u
#define LSR_TEMT     0x40u
#define FIFO_BYTES   16u

int uart_init(struct uart *uart, uint16_t port)
{
	uart->port = port;
	uart->enabled = 0;
	static const uint8_t probes[2] = {0x5a, 0xa5};
	for (unsigned i = 0; i < 2; i++) {
		port_out8(port + SCR, probes[i]);
		if (port_in8(port + SCR) != probes[i])
			return 0;
	}
	port_out8(port + IER, 0);
	port_out8(port + LCR, LCR_DLAB);
	port_out8(port + RBR_THR, 1); /* the divisor of 115,200 baud */
	port_out8(port + IER, 0);
	port_out8(port + LCR, LCR_8N1);
	port_out8(port + IIR_FCR, FCR_ON);
	port_out8(port + MCR, MCR_ON);
	uart->enabled = IER_RECEIVED;
	port_out8(port + IER, uart->enabled);
	return 1;
}

void uart_adopt(struct uart *uart, uint16_t port)
{
	uart->port = port;
	uart->enabled = port_in8(port + IER) & (IER_RECEIVED | IER_THR);
}

size_t uart_send(struct uart *uart, const uint8_t *data, size_t bytes)
{
	size_t sent = 0;
	while (sent < bytes && (port_in8(uart->port + LSR) & LSR_THRE) != 0)
		for (size_t end = sent + FIFO_BYTES; sent < bytes && sent < end; sent++)
			port_out8(uart->port + RBR_THR, data[sent]);
	return sent;
}

static void enable(struct uart *uart, uint8_t wanted)
{
	if (wanted != uart->enabled) {
		uart->enabled = wanted;
		port_out8(uart->port + IER, wanted);
	}
}

void uart_send_interrupt(struct uart *uart, int on)
{
	enable(uart, (uint8_t)((uart->enabled & ~IER_THR) | (on ? IER_THR : 0)));
}

size_t uart_receive(struct uart *uart, uint8_t *data, size_t bytes)
{
	size_t got = 0;
	while (got < bytes && (port_in8(uart->port + LSR) & LSR_READY) != 0)
		data[got++] = port_in8(uart->port + RBR_THR);
	if (got < bytes)
		enable(uart, uart->enabled | IER_RECEIVED);
	return got;
}

int uart_sent(const struct uart *uart)
{
	return (port_in8(uart->port + LSR) & LSR_TEMT) != 0;
}

void uart_interrupt(struct uart *uart)
{
	/* Reading the IIR ends the transmitter's interrupt, the LSR the line's, the MSR the modem's. Bounded: hardware may be broken. */
	for (int i = 0; i < 16; i++) {
		uint8_t iir = port_in8(uart->port + IIR_FCR);
		if ((iir & IIR_NONE) != 0)
			return;
		/* Bytes that nobody takes yet would keep the line high, and the transmitter's interrupt would make no edge. */
		if ((iir & IIR_ID) == IIR_RECEIVED || (iir & IIR_ID) == IIR_PAUSE)
			enable(uart, uart->enabled & (uint8_t)~IER_RECEIVED);
		port_in8(uart->port + LSR);
		port_in8(uart->port + MSR);
	}
}
