/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/engine/native_console.c: the serial line. The first VM's is COM1 itself, at whose ports this process may do I/O; the others' goes to root in
 * packets. Input stays in COM1's FIFO, or in the ring, until the guest takes it: so the other end is slowed down, and nothing is lost.
 */
#include "monitor/engine/native.h"
#include "lib/string.h"
#include "lib/uart.h"
#include "gyre/frame.h"

#define WAITING_BYTES ENGINE_WAITING_BYTES /* a power of two */
#define FLUSH_MS      4u
#define END_SECONDS   5u

static struct {
	struct uart uart;
	int com1;
	int refused; /* the guest offered more than was taken: it waits for ENGINE_EVENT_OUTPUT */
	int timer;   /* NATIVE_BIT_FLUSH is armed */
	uint32_t written, sent;
	uint8_t waiting[WAITING_BYTES];
} console;

void console_init(void)
{
	if ((native.start->flags & GYRE_START_COM1) == 0)
		return;
	if ((native.start->flags & GYRE_START_SAVED) != 0) {
		uart_adopt(&console.uart, UART_COM1); /* and its interrupt is bound */
		console.com1 = 1;
		return;
	}
	/* Bound first: bytes may have arrived, whose only edge comes when the UART's interrupts are enabled. */
	console.com1 = interrupt_bind(native.start->interrupt, native.start->event, NATIVE_BIT_COM1) == 0 &&
		       uart_init(&console.uart, UART_COM1);
}

static uint32_t waiting(void)
{
	return console.written - console.sent;
}

/* The longest piece that lies in one. */
static const uint8_t *piece(uint32_t *length)
{
	uint32_t at = console.sent % WAITING_BYTES;
	*length = waiting() < WAITING_BYTES - at ? waiting() : WAITING_BYTES - at;
	return console.waiting + at;
}

static void com1_pump(void)
{
	while (waiting() > 0) {
		uint32_t length;
		const uint8_t *data = piece(&length);
		uint32_t sent = (uint32_t)uart_send(&console.uart, data, length);
		console.sent += sent;
		if (sent < length)
			break;
	}
	uart_send_interrupt(&console.uart, waiting() > 0);
}

static void channel_pump(void)
{
	while (waiting() > 0) {
		uint32_t length;
		const uint8_t *data = piece(&length);
		if (!channel_room(length))
			break;
		channel_send(GYRE_FRAME_CONSOLE, data, length, NULL, 0);
		console.sent += length;
	}
}

/* Bytes of a line of text come one by one: they are collected for some milliseconds, or until half the buffer is full. */
static void channel_later(void)
{
	if (waiting() >= WAITING_BYTES / 2) {
		channel_pump();
	} else if (waiting() > 0 && !console.timer) {
		console.timer = 1;
		event_timer(native.start->event, NATIVE_BIT_FLUSH, engine_tsc() + native.machine.tsc_khz * FLUSH_MS);
	}
}

size_t engine_console_write(const uint8_t *data, size_t bytes)
{
	size_t taken = 0;
	if (console.com1 && waiting() == 0)
		taken = uart_send(&console.uart, data, bytes);
	/* What is refused is asked for again when something has gone out: so something waits then, or nobody would ever say so. */
	do {
		for (; taken < bytes && waiting() < WAITING_BYTES; taken++)
			console.waiting[console.written++ % WAITING_BYTES] = data[taken];
		if (!console.com1)
			channel_later();
		else if (waiting() > 0)
			com1_pump();
	} while (taken < bytes && waiting() < WAITING_BYTES);
	if (taken < bytes)
		console.refused = 1;
	return taken;
}

size_t engine_console_read(uint8_t *data, size_t bytes)
{
	if (console.com1)
		return uart_receive(&console.uart, data, bytes);
	int64_t got = ring_read(&native.to_monitor, data, (uint32_t)bytes);
	return got > 0 ? (size_t)got : 0;
}

static void com1_interrupt(void)
{
	interrupt_ack(native.start->interrupt); /* first: lib/uart.h says why */
	uart_interrupt(&console.uart);
	com1_pump();
}

uint64_t console_events(uint64_t bits)
{
	uint64_t events = 0;
	if ((bits & 1ull << NATIVE_BIT_COM1) != 0) {
		com1_interrupt();
		events |= ENGINE_EVENT_INPUT;
	}
	if ((bits & 1ull << NATIVE_BIT_FLUSH) != 0)
		console.timer = 0;
	if (!console.com1 && (bits & (1ull << NATIVE_BIT_FLUSH | 1ull << GYRE_CHANNEL_ROOM)) != 0)
		channel_pump();
	if ((bits & 1ull << GYRE_CHANNEL_INPUT) != 0)
		events |= ENGINE_EVENT_INPUT;
	if (console.refused && waiting() < WAITING_BYTES) {
		console.refused = 0;
		events |= ENGINE_EVENT_OUTPUT;
	}
	return events;
}

void engine_console_get(struct engine_console *saved)
{
	saved->refused = console.refused != 0;
	saved->count = waiting();
	for (uint32_t i = 0; i < saved->count; i++)
		saved->waiting[i] = console.waiting[(console.sent + i) % WAITING_BYTES];
}

void engine_console_set(const struct engine_console *saved)
{
	console.refused = saved->refused;
	console.sent = 0;
	console.written = saved->count;
	memcpy(console.waiting, saved->waiting, saved->count);
	/* They go out with the first look at the events. */
	if (saved->count > 0 && !console.com1)
		event_signal(native.start->event, 1ull << NATIVE_BIT_FLUSH);
}

void console_flush(void)
{
	uint64_t deadline = engine_tsc() + native.machine.tsc_khz * 1000 * END_SECONDS;
	if (!console.com1) {
		while (waiting() > 0) {
			uint32_t length;
			const uint8_t *data = piece(&length);
			channel_send(GYRE_FRAME_CONSOLE, data, length, NULL, 0);
			console.sent += length;
		}
		return;
	}
	while ((waiting() > 0 || !uart_sent(&console.uart)) && engine_tsc() < deadline)
		com1_pump();
}
