/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/serial.c: a 16550 that is only written to, by polling. National Semiconductor, PC16550D data sheet.
 */
#include "core/x86/log.h"
#include "core/x86/io.h"

#define UART_DATA	 0
#define UART_INTERRUPTS	 1
#define UART_FIFO	 2
#define UART_LINE	 3
#define UART_MODEM	 4
#define UART_LINE_STATUS 5
#define UART_SCRATCH	 7
#define LINE_8N1	 0x03
#define LINE_DIVISOR	 0x80
#define STATUS_EMPTY	 0x20
#define PATIENCE	 200000 /* polls: a stuck line costs a moment, not the machine */

bool serial_init(uint16_t port)
{
	io_write8(port + UART_SCRATCH, 0x5a);
	if (io_read8(port + UART_SCRATCH) != 0x5a)
		return false;
	io_write8(port + UART_INTERRUPTS, 0);
	io_write8(port + UART_LINE, LINE_DIVISOR | LINE_8N1);
	io_write8(port + UART_DATA, 1); /* 115,200 bits a second */
	io_write8(port + UART_INTERRUPTS, 0);
	io_write8(port + UART_LINE, LINE_8N1);
	io_write8(port + UART_FIFO, 0x07);
	io_write8(port + UART_MODEM, 0x03);
	return true;
}

void serial_write(uint16_t port, uint8_t byte)
{
	unsigned polls = 0;
	while (!(io_read8(port + UART_LINE_STATUS) & STATUS_EMPTY) && polls < PATIENCE)
		polls++;
	io_write8(port + UART_DATA, byte);
}
