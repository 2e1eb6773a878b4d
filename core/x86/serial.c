/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/serial.c: a 16550 that is only written to, by polling. National Semiconductor, PC16550D data sheet.
 */
#include "core/x86/console.h"
#include "core/x86/io.h"
#include "gyre/frame.h"

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
#define FIFO_BYTES	 16
#define PATIENCE	 200000 /* polls for one FIFO: a stuck line costs a moment, not the machine */

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

void serial_write(uint16_t port, const void *data, size_t bytes)
{
	const uint8_t *next = data;
	while (bytes > 0) {
		unsigned polls = 0;
		while (!(io_read8(port + UART_LINE_STATUS) & STATUS_EMPTY) && polls < PATIENCE)
			polls++;
		for (unsigned i = 0; i < FIFO_BYTES && bytes > 0; i++, bytes--)
			io_write8(port + UART_DATA, *next++);
	}
}

void serial_text(uint16_t port, const char *text, size_t bytes)
{
	for (; bytes > 0; bytes--, text++) {
		if (*text == '\n')
			serial_write(port, "\r", 1);
		serial_write(port, text, 1);
	}
}

void serial_frame(uint16_t port, uint8_t type, const void *data, size_t bytes)
{
	static uint8_t sequence;
	const uint8_t *next = data;
	do {
		uint16_t length = bytes < GYRE_FRAME_DATA ? bytes : GYRE_FRAME_DATA;
		struct gyre_frame_header header = {.magic0 = GYRE_FRAME_MAGIC0,
			.magic1 = GYRE_FRAME_MAGIC1,
			.type = type,
			.vm = GYRE_FRAME_MACHINE,
			.length = length,
			.sequence = sequence++};
		const uint8_t *raw = (const uint8_t *)&header;
		for (unsigned i = 0; i < 7; i++)
			header.check ^= raw[i];
		serial_write(port, &header, sizeof(header));
		serial_write(port, next, length);
		next += length;
		bytes -= length;
	} while (bytes > 0);
}
