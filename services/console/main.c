/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/main.c: the console service as a process of Gyre: COM1 on one side, root's rings on the other (include/gyre/console.h), and console.c between.
 * It takes all that comes at once, but what the shown VM is ahead of the line stays in its history until that has taken it.
 */
#include "services/console/console.h"
#include "lib/calls.h"
#include "lib/native.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "lib/uart.h"
#include "gyre/console.h"
#include "gyre/frame.h"

#define OUT_BYTES     65536u /* a power of two; a page of text and what sets the terminal back fit */
#define ACKNOWLEDGE   2048u  /* taken bytes of the shown VM, before root is told of them */
#define RECEIVE_BYTES 64u

static struct {
	const struct gyre_console_start *start;
	struct gyre_console_channel *channel;
	struct ring from_root, to_root;
	struct uart uart;
	struct console console;
	struct console_vm vm[GYRE_CONFIG_VMS];
	uint32_t received[GYRE_CONFIG_VMS]; /* of each VM, modulo 2^32 */
	uint64_t tsc_khz;
	uint32_t written, sent;
	uint8_t out[OUT_BYTES];
} service;

static uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void root_wake(void)
{
	event_signal(service.start->event_root, 1ull << GYRE_ROOT_EVENT_CHANNEL);
}

/* ---- what console.c asks for ---- */

static size_t room(void)
{
	return OUT_BYTES - (service.written - service.sent);
}

/* The shown VM gives no more than there is room for. A page that is too long is cut: only sequences without text make one. */
static void show(void *context, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	(void)context;
	if (length > room())
		length = room();
	for (size_t i = 0; i < length; i++)
		service.out[service.written++ % OUT_BYTES] = from[i];
}

static void forget(void *context)
{
	(void)context;
	service.written = service.sent;
}

/* What root does not take is lost, as on a serial line. */
static void send(void *context, unsigned vm, const uint8_t *bytes, size_t length)
{
	struct gyre_console_packet packet = {.type = GYRE_FRAME_CONSOLE, .vm = (uint8_t)vm, .length = (uint16_t)length};
	(void)context;
	if (ring_room(&service.to_root) < (int64_t)(sizeof(packet) + length))
		return;
	ring_put(&service.to_root, 0, &packet, sizeof(packet));
	ring_put(&service.to_root, sizeof(packet), bytes, (uint32_t)length);
	ring_commit(&service.to_root, (uint32_t)(sizeof(packet) + length));
	root_wake();
}

/* To end the machine is not this process's to do. */
static void quit(void *context)
{
	static const char text[] = "\r\ngyre: the machine is off when its VMs are\r\n";
	show(context, text, sizeof(text) - 1);
}

/* A serial line does not tell. */
static struct look_screen screen(void *context)
{
	(void)context;
	return (struct look_screen){24, 80};
}

/* ---- from root ---- */

/* One packet: 1; 0: none, or root makes no sense, which it never does. */
static int packet_take(void)
{
	static uint8_t data[GYRE_FRAME_DATA];
	struct gyre_console_packet packet;
	int64_t used = ring_used(&service.from_root);
	if (used < (int64_t)sizeof(packet))
		return 0;
	ring_peek(&service.from_root, 0, &packet, sizeof(packet));
	if (packet.length > sizeof(data) || packet.vm >= service.console.vms ||
		used < (int64_t)(sizeof(packet) + packet.length))
		return 0;
	ring_peek(&service.from_root, sizeof(packet), data, packet.length);
	ring_take(&service.from_root, (uint32_t)(sizeof(packet) + packet.length));
	if (packet.type == GYRE_FRAME_CONSOLE) {
		console_output(&service.console, packet.vm, data, packet.length);
		service.received[packet.vm] += packet.length;
	} else if (packet.type == GYRE_FRAME_EXIT) {
		data[packet.length < sizeof(data) ? packet.length : sizeof(data) - 1] = 0;
		console_ended(&service.console, packet.vm, (const char *)data);
	}
	return 1;
}

/* Root is told at once of what others than the shown VM said, and of that one's bytes now and then, and when the last of them are out. */
static void taken_tell(void)
{
	int tell = 0;
	for (uint32_t i = 0; i < service.console.vms; i++) {
		uint32_t pending = (uint32_t)console_pending(&service.console, i);
		/* What was shown counts when the line has it: words of our own among it make it later, never sooner. */
		if (i == service.console.shown)
			pending += service.written - service.sent;
		uint32_t before = service.channel->taken[i], taken = service.received[i] - pending;
		if (pending > GYRE_CONSOLE_WINDOW || (int32_t)(taken - before) <= 0)
			continue;
		if (i == service.console.shown && pending > 0 && taken - before < ACKNOWLEDGE)
			continue;
		__atomic_store_n(&service.channel->taken[i], taken, __ATOMIC_RELEASE);
		tell = 1;
	}
	if (tell)
		root_wake();
}

/* ---- the line ---- */

static void line_out(void)
{
	/* Not far ahead of the line: what is on its way can't be taken back when another VM is to be shown. */
	for (;;) {
		if (service.written - service.sent < GYRE_CONSOLE_WINDOW)
			console_pump(&service.console, GYRE_CONSOLE_WINDOW);
		uint32_t at = service.sent % OUT_BYTES, length = service.written - service.sent;
		if (length == 0)
			break;
		if (length > OUT_BYTES - at)
			length = OUT_BYTES - at;
		uint32_t sent = (uint32_t)uart_send(&service.uart, service.out + at, length);
		service.sent += sent;
		if (sent < length)
			break;
	}
	uart_send_interrupt(&service.uart, service.written != service.sent);
}

static void line_in(void)
{
	uint8_t bytes[RECEIVE_BYTES];
	size_t got;
	do {
		got = uart_receive(&service.uart, bytes, sizeof(bytes));
		console_input(&service.console, bytes, got, tsc() / service.tsc_khz);
	} while (got == sizeof(bytes));
}

static void loop(void)
{
	uint64_t typed = 0, idle = CONSOLE_IDLE_MS * service.tsc_khz;
	for (;;) {
		uint64_t bits;
		if (console_waiting(&service.console))
			event_timer(service.start->event, GYRE_CONSOLE_TIMER, typed + idle);
		if (event_wait(service.start->event, GYRE_FOREVER, &bits) < 0)
			continue;
		if ((bits & 1ull << GYRE_CONSOLE_COM1) != 0) {
			interrupt_ack(service.start->interrupt); /* first: lib/uart.h says why */
			uart_interrupt(&service.uart);
			line_in();
			typed = tsc();
		}
		if (console_waiting(&service.console) && tsc() >= typed + idle)
			console_idle(&service.console);
		while (packet_take())
			;
		line_out();
		taken_tell();
	}
}

static void init(const struct gyre_console_start *start)
{
	static const struct console_user user = {show, forget, send, quit, screen};
	struct gyre_machine_info machine;
	if (start->magic != GYRE_CONSOLE_MAGIC || start->vms == 0 || start->vms > GYRE_CONFIG_VMS)
		native_panic("root and the console service are of different versions");
	if (machine_info(&machine) < 0 || machine.tsc_khz == 0)
		native_panic("the clock's rate is not known");
	service.start = start;
	service.tsc_khz = machine.tsc_khz;
	service.channel = (struct gyre_console_channel *)GYRE_CHANNEL_ADDRESS;
	_Static_assert(sizeof(struct ring_shared) == sizeof(struct gyre_channel_counts), "one layout");
	ring_init(&service.from_root, (struct ring_shared *)&service.channel->to_service,
		service.channel->to_service_data, sizeof(service.channel->to_service_data));
	ring_init(&service.to_root, (struct ring_shared *)&service.channel->to_root, service.channel->to_root_data,
		sizeof(service.channel->to_root_data));
	for (uint32_t i = 0; i < start->vms; i++) {
		service.vm[i].name = start->name[i];
		service.vm[i].history.data = (uint8_t *)GYRE_CONSOLE_HISTORY_ADDRESS + (size_t)i * GYRE_CONSOLE_HISTORY;
		service.vm[i].history.bytes = GYRE_CONSOLE_HISTORY;
	}
	console_init(&service.console, &user, NULL, service.vm, start->vms);
}

void native_main(void *argument)
{
	init(argument);
	/* Bound before the UART's interrupts are enabled: its first edge would be lost. */
	if (interrupt_bind(service.start->interrupt, service.start->event, GYRE_CONSOLE_COM1) < 0 ||
		!uart_init(&service.uart, UART_COM1))
		native_panic("COM1 does not answer");
	loop();
}
