/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/output.c: see output.h. */
#include "services/root/output.h"
#include "services/root/root.h"
#include "lib/format.h"
#include "lib/frame.h"
#include "lib/native.h"
#include "lib/string.h"
#include "lib/uart.h"

#define OUTPUT_BYTES  65536u /* a power of two */
#define OWN_BYTES     32768u /* of them, kept for root's own words: a list of all VMs, whatever its bytes are (frame.h) */
#define COM2_ISA_LINE 3u
#define PORT_E9	      0xe9u
#define LINE_BYTES    512u
#define FLUSH_SECONDS 5u

static struct {
	struct uart uart;
	int frames, e9;
	handle_t interrupt;
	uint8_t sequence;
	uint32_t written, sent; /* counts modulo 2^32 */
	uint8_t waiting[OUTPUT_BYTES];
	struct frame_decoder decoder;
	const struct gyre_log_ring *log;
	uint64_t log_seen;
} out;

/* ---- COM2 ---- */

static int com2_take(void)
{
	long ports = ioports_create(GYRE_ROOT_MACHINE, UART_COM2, 8);
	long interrupt = interrupt_create(GYRE_ROOT_MACHINE, COM2_ISA_LINE, GYRE_INTERRUPT_ISA);
	/* Bound before the UART's interrupts are enabled: its first edge would be lost. */
	if (ports < 0 || ioports_grant(0, (handle_t)ports) < 0 || interrupt < 0 ||
		interrupt_bind((handle_t)interrupt, root.event, ROOT_EVENT_UART) < 0 ||
		!uart_init(&out.uart, UART_COM2))
		return 0;
	out.interrupt = (handle_t)interrupt;
	return 1;
}

void output_quick(void)
{
	long port = ioports_create(GYRE_ROOT_MACHINE, PORT_E9, 1);
	if (port < 0 || ioports_grant(0, (handle_t)port) < 0 || port_in8(PORT_E9) != PORT_E9)
		return;
	output_flush(); /* in order */
	out.e9 = 1;
}

static void log_map(void)
{
	uint64_t badge, pages;
	if (handle_info(GYRE_ROOT_LOG, &badge, &pages) < 0 ||
		memory_map_all(0, GYRE_ROOT_LOG, 0, WINDOW_LOG, pages, GYRE_RIGHT_READ) < 0)
		return;
	const struct gyre_log_ring *log = (const struct gyre_log_ring *)WINDOW_LOG;
	if (log->magic == GYRE_LOG_MAGIC && log->bytes > 0 && log->bytes <= pages * 4096 - sizeof(*log))
		out.log = log;
}

void output_init(void)
{
	frame_decoder_init(&out.decoder);
	out.frames = com2_take();
	log_map();
}

void output_no_frames(void)
{
	out.frames = 0;
}

int output_has_frames(void)
{
	return out.frames;
}

/* ---- out ---- */

void output_pump(void)
{
	if (!out.frames)
		return;
	while (out.e9 && out.written != out.sent)
		port_out8(PORT_E9, out.waiting[out.sent++ % OUTPUT_BYTES]);
	while (out.written != out.sent) {
		uint32_t at = out.sent % OUTPUT_BYTES, length = out.written - out.sent;
		if (length > OUTPUT_BYTES - at)
			length = OUTPUT_BYTES - at;
		size_t sent = uart_send(&out.uart, out.waiting + at, length);
		out.sent += (uint32_t)sent;
		if (sent < length)
			break;
	}
	uart_send_interrupt(&out.uart, out.written != out.sent);
}

int output_fits(size_t bytes)
{
	return !out.frames || OUTPUT_BYTES - (out.written - out.sent) >= bytes;
}

int output_spare(size_t bytes)
{
	return output_fits(GYRE_FRAME_LINE(bytes < GYRE_FRAME_DATA ? bytes : GYRE_FRAME_DATA) + OWN_BYTES);
}

static void wait_put(const void *data, size_t bytes)
{
	const uint8_t *from = data;
	uint8_t line[2];
	for (size_t i = 0; i < bytes; i++)
		for (unsigned k = 0, count = gyre_frame_byte(from[i], line); k < count; k++)
			out.waiting[out.written++ % OUTPUT_BYTES] = line[k];
}

void output_frame(uint8_t type, uint8_t vm, const void *head, size_t head_bytes, const void *data, size_t bytes)
{
	if (!out.frames || head_bytes + bytes > GYRE_FRAME_DATA)
		return;
	while (!output_fits(GYRE_FRAME_LINE(head_bytes + bytes)))
		output_pump();
	struct gyre_frame_header header = gyre_frame_header(type, vm, (uint16_t)(head_bytes + bytes), out.sequence++);
	out.waiting[out.written++ % OUTPUT_BYTES] = header.magic0;
	wait_put((const uint8_t *)&header + 1, sizeof(header) - 1);
	wait_put(head, head_bytes);
	wait_put(data, bytes);
	output_pump();
}

/* ---- lines ---- */

void output_text(uint8_t vm, const char *name, const char *text, size_t bytes)
{
	if (out.frames) {
		output_frame(GYRE_FRAME_LOG, vm, text, bytes, "\n", bytes == 0 || text[bytes - 1] != '\n');
		return;
	}
	char line[LOG_WRITE_BYTES];
	while (bytes > 0 && text[bytes - 1] == '\n')
		bytes--;
	size_t length = gyre_snprintf(line, sizeof(line), "%s: %.*s", name, (int)bytes, text);
	log_write(line, length < sizeof(line) ? length : sizeof(line) - 1);
}

void root_log(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	/* A frame says only that it is the machine's, as those of the core are. */
	size_t length = out.frames ? gyre_snprintf(line, sizeof(line), "root: ") : 0;
	length += gyre_vsnprintf(line + length, sizeof(line) - length, format, arguments);
	va_end(arguments);
	output_core_log(OUTPUT_ROOM); /* what happened before comes before */
	output_text(GYRE_FRAME_MACHINE, "root", line, length < sizeof(line) ? length : sizeof(line) - 1);
}

/* From log_seen on, up to the end of a line, or all if there is none: how many bytes. */
static size_t log_piece(char *piece, size_t most, uint64_t written)
{
	size_t length = 0, lines = 0;
	while (length < most && out.log_seen + length < written) {
		piece[length] = out.log->text[(out.log_seen + length) % out.log->bytes];
		length++;
		if (piece[length - 1] == '\n')
			lines = length;
	}
	return lines > 0 ? lines : length == most ? length : 0;
}

void output_core_log(int how)
{
	static char piece[1024];
	if (!out.frames || out.log == NULL)
		return;
	/* Waiting at root's priority would keep all VMs waiting, as long as one of them writes more than the other end takes. */
	while (how == OUTPUT_ALL || output_spare(sizeof(piece))) {
		uint64_t written = __atomic_load_n(&out.log->written, __ATOMIC_ACQUIRE);
		if (written - out.log_seen > out.log->bytes) {
			static const char lost[] = "(lines of the core's log were lost)\n";
			out.log_seen = written - out.log->bytes;
			output_frame(GYRE_FRAME_LOG, GYRE_FRAME_MACHINE, lost, sizeof(lost) - 1, NULL, 0);
		}
		size_t length = log_piece(piece, sizeof(piece), written);
		if (length == 0)
			return;
		out.log_seen += length;
		output_frame(GYRE_FRAME_LOG, GYRE_FRAME_MACHINE, piece, length, NULL, 0);
	}
}

/* ---- in ---- */

static void receive(void)
{
	uint8_t bytes[64];
	size_t got;
	/* A frame's handler may write frames, which never come back here. */
	while ((got = uart_receive(&out.uart, bytes, sizeof(bytes))) > 0)
		for (size_t at = 0; at < got;) {
			int complete;
			at += frame_decode(&out.decoder, bytes + at, got - at, &complete);
			if (complete)
				frame_received(out.decoder.header.type, out.decoder.header.vm, frame_data(&out.decoder),
					out.decoder.header.length);
		}
}

void output_interrupt(void)
{
	if (out.interrupt == 0)
		return;
	interrupt_ack(out.interrupt); /* first: lib/uart.h says why */
	uart_interrupt(&out.uart);
	receive();
	output_pump();
}

void output_flush(void)
{
	if (!out.frames)
		return;
	uint64_t deadline = tsc() + root.machine.tsc_khz * 1000 * FLUSH_SECONDS;
	while ((out.written != out.sent || !uart_sent(&out.uart)) && tsc() < deadline)
		output_pump();
}
