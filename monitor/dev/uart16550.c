/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/uart16550.c: the serial port of a PC, as the data sheet of the PC16550D has it.
 *   Guest sees   8 ports, one interrupt line                    Host gives   a byte sink and a byte source
 *   Models       FIFOs, loopback, modem lines and their changes; what the host has no room for stays in the transmitter, which then is not empty
 *                Input stays with the host until the guest wants it (its interrupt is on, or it polls): a driver that clears the FIFO when it starts
 *                would lose what was typed before.
 *   Leaves out   time on the wire: a byte is gone at once; parity and framing errors
 *   State        struct uart16550_state, saved, version 1       Runs on      the monitor's thread; never blocks
 *   Trust        every register value is hostile                Tests        test_uart16550.c, fuzz_devices.c
 */
#include "monitor/dev/uart16550.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define IER_RECEIVE  0x01u
#define IER_TRANSMIT 0x02u
#define IER_LINE     0x04u
#define IER_MODEM    0x08u
#define IIR_NONE     0x01u
#define IIR_MODEM    0x00u
#define IIR_TRANSMIT 0x02u
#define IIR_RECEIVE  0x04u
#define IIR_LINE     0x06u
#define IIR_TIMEOUT  0x0cu
#define IIR_FIFO     0xc0u
#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_CLEAR_TX 0x04u
#define LCR_DLAB     0x80u
#define MCR_OUT2     0x08u
#define MCR_LOOP     0x10u
#define LSR_DATA     0x01u
#define LSR_OVERRUN  0x02u
#define LSR_THRE     0x20u
#define LSR_EMPTY    0x40u
#define POLLS	     16u
#define MSR_LINES    0xb0u /* CTS, DSR and DCD: there is always somebody at the other end */

static void fifo_put(struct uart_fifo *fifo, uint8_t byte)
{
	fifo->data[(fifo->first + fifo->count) % UART_FIFO] = byte;
	fifo->count++;
}

static uint8_t fifo_get(struct uart_fifo *fifo)
{
	uint8_t byte = fifo->data[fifo->first];
	fifo->first = (fifo->first + 1) % UART_FIFO;
	fifo->count--;
	return byte;
}

/* Without FIFOs there is one holding register each way. */
static unsigned uart_room(const struct uart16550_state *state, const struct uart_fifo *fifo)
{
	unsigned size = state->fcr & FCR_ENABLE ? UART_FIFO : 1;
	return fifo->count < size ? size - fifo->count : 0;
}

static unsigned uart_trigger(const struct uart16550_state *state)
{
	static const uint8_t level[4] = {1, 4, 8, 14};
	return state->fcr & FCR_ENABLE ? level[state->fcr >> 6] : 1;
}

static uint8_t uart_modem_lines(const struct uart16550_state *state)
{
	if (!(state->mcr & MCR_LOOP))
		return MSR_LINES;
	/* RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
	return (uint8_t)((state->mcr & 2) << 3 | (state->mcr & 1) << 5 | (state->mcr & 4) << 4 | (state->mcr & 8) << 4);
}

/* The interrupt of highest priority. */
static uint8_t uart_source(const struct uart16550_state *state)
{
	if ((state->ier & IER_LINE) && (state->lsr & LSR_OVERRUN))
		return IIR_LINE;
	if ((state->ier & IER_RECEIVE) && state->receive.count)
		/* Less than the trigger waits for four characters' time, which has passed at once. */
		return state->receive.count >= uart_trigger(state) ? IIR_RECEIVE : IIR_TIMEOUT;
	if ((state->ier & IER_TRANSMIT) && state->thr_empty)
		return IIR_TRANSMIT;
	if ((state->ier & IER_MODEM) && (state->msr & 0x0f))
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC the OUT2 line lets the interrupt through; in loopback that line is held high, and nothing gets out. */
static void uart_line(struct uart16550 *uart)
{
	const struct uart16550_state *state = &uart->state;
	int level = uart_source(state) != IIR_NONE && (state->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
	if (level == uart->irq_level)
		return;
	uart->irq_level = level;
	line_set(&uart->irq, level);
}

/* Sends what waits. When nothing is left, the transmitter's interrupt comes. */
static void uart_drain(struct uart16550 *uart)
{
	struct uart16550_state *state = &uart->state;
	if (!state->transmit.count)
		return;
	while (state->transmit.count) {
		unsigned first = state->transmit.first, piece = state->transmit.count;
		if (piece > UART_FIFO - first)
			piece = UART_FIFO - first;
		unsigned took = (unsigned)uart->host.write(state->transmit.data + first, piece);
		state->transmit.first = (uint8_t)((first + took) % UART_FIFO);
		state->transmit.count = (uint8_t)(state->transmit.count - took);
		if (took < piece)
			return;
	}
	state->thr_empty = 1;
}

static void uart_fill(struct uart16550 *uart)
{
	struct uart16550_state *state = &uart->state;
	uint8_t data[UART_FIFO];
	unsigned room = uart_room(state, &state->receive);
	/* In loopback the input line is cut. */
	if (!state->more || !room || (state->mcr & MCR_LOOP) || (!(state->ier & IER_RECEIVE) && state->polls < POLLS))
		return;
	unsigned count = (unsigned)uart->host.read(data, room);
	for (unsigned i = 0; i < count; i++)
		fifo_put(&state->receive, data[i]);
	state->more = count == room;
}

void uart16550_poll(struct uart16550 *uart)
{
	uart_drain(uart);
	uart->state.more = 1;
	uart_fill(uart);
	uart_line(uart);
}

static void uart_loop(struct uart16550_state *state, uint8_t byte)
{
	if (uart_room(state, &state->receive))
		fifo_put(&state->receive, byte);
	else
		state->lsr |= LSR_OVERRUN;
	state->thr_empty = 1;
}

static void uart_transmit(struct uart16550 *uart, uint8_t byte)
{
	struct uart16550_state *state = &uart->state;
	state->thr_empty = 0;
	/* The request goes away and comes again: for an edge-triggered input that is an edge. */
	uart_line(uart);
	if (state->mcr & MCR_LOOP) {
		uart_loop(state, byte);
		return;
	}
	if (!state->transmit.count && uart->host.write(&byte, 1) == 1) {
		state->thr_empty = 1;
		return;
	}
	if (uart_room(state, &state->transmit))
		fifo_put(&state->transmit,
			byte); /* else it is lost, as in a transmitter that is written to while it is full */
}

static void uart_fifo_control(struct uart16550_state *state, uint8_t value)
{
	/* Turning FIFOs on or off empties them. */
	if ((value ^ state->fcr) & FCR_ENABLE)
		value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
	if (value & FCR_CLEAR_RX)
		state->receive.count = 0;
	if ((value & FCR_CLEAR_TX) && state->transmit.count) {
		state->transmit.count = 0;
		state->thr_empty = 1;
	}
	state->fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
}

static void uart_modem_control(struct uart16550_state *state, uint8_t value)
{
	uint8_t before = uart_modem_lines(state);
	state->mcr = value & 0x1f;
	uint8_t after = uart_modem_lines(state), changed = before ^ after;
	state->msr |= (changed >> 4 & 0x0b) | (before & ~after & 0x40) >> 4; /* of RI only the trailing edge counts */
}

static void uart_write(void *device, uint16_t port, unsigned size, uint32_t data)
{
	struct uart16550 *uart = device;
	struct uart16550_state *state = &uart->state;
	uint8_t value = (uint8_t)data;
	(void)size;
	state->polls = 0;
	switch (port & 7) {
	case 0:
		if (state->lcr & LCR_DLAB)
			state->divisor = (uint16_t)((state->divisor & 0xff00) | value);
		else
			uart_transmit(uart, value);
		break;
	case 1:
		if (state->lcr & LCR_DLAB) {
			state->divisor = (uint16_t)((state->divisor & 0x00ff) | value << 8);
			break;
		}
		/* Enabling the transmitter's interrupt while it is empty raises it. */
		if ((value & ~state->ier & IER_TRANSMIT) && !state->transmit.count)
			state->thr_empty = 1;
		state->ier = value & 0x0f;
		uart_fill(uart);
		break;
	case 2:
		uart_fifo_control(state, value);
		uart_fill(uart);
		break;
	case 3: state->lcr = value; break;
	case 4:
		uart_modem_control(state, value);
		uart_fill(uart);
		break;
	case 7: state->scratch = value; break;
	default: return; /* the status registers: writes are for factory tests */
	}
	uart_line(uart);
}

static uint8_t uart_receive(struct uart16550 *uart)
{
	struct uart16550_state *state = &uart->state;
	if (!state->receive.count)
		return 0;
	uint8_t byte = fifo_get(&state->receive);
	if (!state->receive.count)
		uart_fill(uart);
	return byte;
}

static uint32_t uart_read(void *device, uint16_t port, unsigned size)
{
	struct uart16550 *uart = device;
	struct uart16550_state *state = &uart->state;
	uint8_t value;
	(void)size;
	switch (port & 7) {
	case 0:
		if (state->lcr & LCR_DLAB)
			return state->divisor & 0xff;
		value = uart_receive(uart);
		break;
	case 1: return state->lcr & LCR_DLAB ? state->divisor >> 8 : state->ier;
	case 2:
		value = uart_source(state);
		if (value == IIR_TRANSMIT)
			state->thr_empty = 0; /* reading it here answers it */
		if (state->fcr & FCR_ENABLE)
			value |= IIR_FIFO;
		break;
	case 3: return state->lcr;
	case 4: return state->mcr;
	case 5:
		/* Nothing but this again and again: somebody waits for input without its interrupt. */
		if (state->polls < POLLS)
			state->polls++;
		if (!state->receive.count)
			uart_fill(uart);
		value = (uint8_t)(state->lsr | (state->receive.count ? LSR_DATA : 0) |
				  (state->transmit.count ? 0 : LSR_THRE | LSR_EMPTY));
		state->lsr = 0;
		break;
	case 6:
		value = uart_modem_lines(state) | state->msr;
		state->msr = 0;
		break;
	default: return state->scratch;
	}
	uart_line(uart);
	return value;
}

static void uart_reset(void *device)
{
	struct uart16550 *uart = device;
	struct uart16550_state *state = &uart->state;
	struct uart_fifo waiting = state->transmit; /* it was sent: a reset of the guest takes nothing back */
	uint8_t more = state->more;
	memset(state, 0, sizeof *state);
	state->transmit = waiting;
	state->more = more;
	state->divisor = 12;
	uart_line(uart);
}

static int uart_check(const void *state)
{
	const struct uart16550_state *uart = state;
	if (uart->receive.first >= UART_FIFO || uart->receive.count > UART_FIFO || uart->transmit.first >= UART_FIFO ||
		uart->transmit.count > UART_FIFO || uart->ier > 0x0f || uart->mcr > 0x1f || (uart->msr & 0xf0) ||
		(uart->lsr & ~LSR_OVERRUN) || uart->thr_empty > 1 || uart->polls > POLLS || (uart->fcr & ~0xc9u))
		return -GYRE_EPROTO;
	return 0;
}

static void uart_resume(void *device, uint64_t now)
{
	struct uart16550 *uart = device;
	(void)now;
	uart->irq_level = -1;
	uart16550_poll(uart);
}

static void fifo_fields(struct save *save, struct uart_fifo *fifo)
{
	save_bytes(save, fifo->data, sizeof(fifo->data));
	save_u8(save, &fifo->first);
	save_u8(save, &fifo->count);
}

static void uart_fields(struct save *save, void *state)
{
	struct uart16550_state *uart = state;
	fifo_fields(save, &uart->receive);
	fifo_fields(save, &uart->transmit);
	save_u8(save, &uart->ier);
	save_u8(save, &uart->fcr);
	save_u8(save, &uart->lcr);
	save_u8(save, &uart->mcr);
	save_u8(save, &uart->scratch);
	save_u8(save, &uart->lsr);
	save_u8(save, &uart->msr);
	save_u8(save, &uart->thr_empty);
	save_u16(save, &uart->divisor);
	save_u8(save, &uart->more);
	save_u8(save, &uart->polls);
}

static const struct device_ops uart_ops = {"uart16550", UART_STATE_VERSION, sizeof(struct uart16550_state), uart_reset,
	uart_check, uart_resume, uart_fields};

struct device uart16550_device(struct uart16550 *uart)
{
	return (struct device){&uart_ops, uart, &uart->state};
}

void uart16550_init(
	struct uart16550 *uart, struct bus *bus, uint16_t base, const struct uart_host *host, const struct line *irq)
{
	memset(uart, 0, sizeof *uart);
	uart->base = base;
	uart->host = *host;
	uart->irq = *irq;
	bus_ports(bus, base, 8, &(struct port_handler){uart_read, uart_write, uart, BUS_SIZE_1});
	uart_reset(uart);
	uart->state.more = 1; /* input may have come before */
}
