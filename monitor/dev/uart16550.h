/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_DEV_UART16550_H
#define MONITOR_DEV_UART16550_H

#include <stddef.h>
#include "monitor/dev/device.h"
#include "monitor/machine/bus.h"

#define UART_STATE_VERSION 1u
#define UART_FIFO	   16u

struct uart_fifo {
	uint8_t data[UART_FIFO];
	uint8_t first, count;
};

struct uart16550_state {
	struct uart_fifo receive, transmit; /* transmit: what the host had no room for */
	uint8_t ier, fcr, lcr, mcr, scratch;
	uint8_t lsr;	   /* the error bits that are sticky: overrun */
	uint8_t msr;	   /* the delta bits */
	uint8_t thr_empty; /* the transmitter's interrupt is pending */
	uint16_t divisor;
	uint8_t more;  /* the host may have input that has not been taken */
	uint8_t polls; /* reads of the line status one after the other */
};

/* Where bytes go to and come from; each returns how many it took or gave, and never blocks. */
struct uart_host {
	size_t (*write)(const uint8_t *data, size_t bytes);
	size_t (*read)(uint8_t *data, size_t bytes);
};

struct uart16550 {
	struct uart16550_state state;
	struct uart_host host;
	struct line irq;
	uint16_t base;
	int irq_level;
};

void uart16550_init(
	struct uart16550 *uart, struct bus *bus, uint16_t base, const struct uart_host *host, const struct line *irq);
struct device uart16550_device(struct uart16550 *uart);
/* There may be input, or room for output again. */
void uart16550_poll(struct uart16550 *uart);

#endif
