/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/log.c: see log.h.
 */
#include "core/x86/log.h"
#include "core/boot/boot.h"
#include "core/x86/spinlock.h"
#include "gyre/frame.h"
#include "lib/format.h"
#include "lib/string.h"

#define LINE_BYTES 256

union log_memory log_memory __attribute__((aligned(PAGE_SIZE))) = {
	.ring = {.magic = GYRE_LOG_MAGIC, .bytes = LOG_RING_BYTES - sizeof(struct gyre_log_ring)}};

static struct spinlock lock;
static bool com1, com2, screen, panicking;
bool log_root_reads;
static uint64_t panic_start; /* in the ring */

static void consoles_write(char c)
{
	if (screen)
		screen_write(c);
	if (com1 && c == '\n')
		serial_write(SERIAL_COM1, '\r');
	if (com1)
		serial_write(SERIAL_COM1, (uint8_t)c);
}

static void log_text(const char *text, size_t bytes)
{
	struct gyre_log_ring *ring = &log_memory.ring;
	if (!panicking)
		spin_lock(&lock);
	for (size_t i = 0; i < bytes; i++) {
		ring->text[(ring->written + i) % ring->bytes] = text[i];
		consoles_write(text[i]);
	}
	/* A reader that sees the new count sees the text. */
	__atomic_store_n(&ring->written, ring->written + bytes, __ATOMIC_RELEASE);
	if (!panicking)
		spin_unlock(&lock);
}

static void log_line(const char *prefix, const char *format, va_list arguments)
{
	char line[LINE_BYTES];
	size_t start = strlen(prefix);
	memcpy(line, prefix, start);
	size_t length = start + gyre_vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	log_text(line, length + 1);
}

#define LOG_FUNCTION(name, prefix)                                                                                     \
	void name(const char *format, ...)                                                                             \
	{                                                                                                              \
		va_list arguments;                                                                                     \
		va_start(arguments, format);                                                                           \
		log_line(prefix, format, arguments);                                                                   \
		va_end(arguments);                                                                                     \
	}
LOG_FUNCTION(log_info, "")
LOG_FUNCTION(log_warn, "warning: ")
LOG_FUNCTION(log_error, "error: ")

void log_init(const struct boot_info *boot)
{
	const struct gyre_log_ring *ring = &log_memory.ring;
	const char *console = core_option("console");
	if (console == NULL)
		console = "com1";
	screen_init(&boot->framebuffer);
	screen = true;
	com1 = strcmp(console, "com1") == 0 && serial_init(SERIAL_COM1);
	com2 = strcmp(console, "frames") == 0 && serial_init(SERIAL_COM2);
	/* What was said before there was anybody to say it to. */
	for (uint64_t i = 0; i < ring->written && i < ring->bytes; i++)
		consoles_write(ring->text[i]);
	if (!com1 && !com2 && strcmp(console, "none") != 0)
		log_warn("console=%s: no such console here; com1, frames and none are known", console);
}

static void frame_write(uint8_t byte)
{
	uint8_t line[2];
	for (unsigned i = 0, count = gyre_frame_byte(byte, line); i < count; i++)
		serial_write(SERIAL_COM2, line[i]);
}

bool log_panic_begin(void)
{
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_ACQ_REL))
		return false;
	panic_start = log_root_reads ? log_memory.ring.written : 0;
	/* Before the consoles are there, whoever listens on COM1 is the only hope. */
	if (!screen)
		com1 = serial_init(SERIAL_COM1);
	return true;
}

void log_panic_end(void)
{
	const struct gyre_log_ring *ring = &log_memory.ring;
	uint64_t length = ring->written - panic_start;
	if (length > GYRE_FRAME_DATA)
		length = GYRE_FRAME_DATA;
	struct gyre_frame_header header = gyre_frame_header(GYRE_FRAME_PANIC, GYRE_FRAME_MACHINE, (uint16_t)length, 0);
	if (!com2)
		return;
	/* What root was in the middle of is broken off by this. */
	serial_write(SERIAL_COM2, header.magic0);
	for (unsigned i = 1; i < sizeof(header); i++)
		frame_write(((const uint8_t *)&header)[i]);
	for (uint64_t i = ring->written - length; i < ring->written; i++)
		frame_write((uint8_t)ring->text[i % ring->bytes]);
}
