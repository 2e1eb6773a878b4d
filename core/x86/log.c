/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/log.c: see log.h.
 */
#include "core/x86/log.h"
#include "core/boot/boot.h"
#include "core/x86/console.h"
#include "core/x86/spinlock.h"
#include "gyre/frame.h"
#include "lib/format.h"
#include "lib/string.h"

#define LINE_BYTES  256
#define PANIC_BYTES GYRE_FRAME_DATA

union log_memory log_memory __attribute__((aligned(PAGE_SIZE))) = {
	.ring = {.magic = GYRE_LOG_MAGIC, .bytes = LOG_RING_BYTES - sizeof(struct gyre_log_ring)}};

static struct spinlock lock = SPINLOCK_INIT;
static bool com1, com2_frames, frames_stopped, screen;

static struct {
	bool active;
	size_t bytes;
	char text[PANIC_BYTES];
} panic_log;

static void ring_write(const char *text, size_t bytes)
{
	struct gyre_log_ring *ring = &log_memory.ring;
	for (size_t i = 0; i < bytes; i++)
		ring->text[(ring->written + i) % ring->bytes] = text[i];
	/* A reader that sees the new count sees the text. */
	__atomic_store_n(&ring->written, ring->written + bytes, __ATOMIC_RELEASE);
}

static void consoles_write(const char *text, size_t bytes)
{
	if (screen)
		screen_write(text, bytes);
	if (com1)
		serial_text(SERIAL_COM1, text, bytes);
	if (com2_frames && !frames_stopped && !panic_log.active)
		serial_frame(SERIAL_COM2, GYRE_FRAME_LOG, text, bytes);
}

static void log_text(const char *text, size_t bytes)
{
	if (panic_log.active) {
		size_t room = PANIC_BYTES - panic_log.bytes;
		memcpy(panic_log.text + panic_log.bytes, text, bytes < room ? bytes : room);
		panic_log.bytes += bytes < room ? bytes : room;
	} else {
		spin_lock(&lock);
	}
	ring_write(text, bytes);
	consoles_write(text, bytes);
	if (!panic_log.active)
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
	struct gyre_log_ring *ring = &log_memory.ring;
	const char *console = core_option("console");
	if (console == NULL)
		console = "com1";
	screen_init(&boot->framebuffer);
	screen = true;
	com1 = strcmp(console, "com1") == 0 && serial_init(SERIAL_COM1);
	com2_frames = strcmp(console, "frames") == 0 && serial_init(SERIAL_COM2);
	/* What was said before there was anybody to say it to. */
	if (ring->written > 0 && ring->written <= ring->bytes)
		consoles_write(ring->text, ring->written);
	if (!com1 && !com2_frames && strcmp(console, "none") != 0)
		log_warn("console=%s: no such console here; com1, frames and none are known", console);
}

void log_frames_stop(void)
{
	spin_lock(&lock);
	frames_stopped = true;
	spin_unlock(&lock);
}

void log_panic_begin(void)
{
	panic_log.active = true;
	/* Before the consoles are there, whoever listens on COM1 is the only hope. */
	if (!screen && !com1)
		com1 = serial_init(SERIAL_COM1);
}

void log_panic_end(void)
{
	static const char padding[64];
	if (!com2_frames)
		return;
	/* Root may have been in the middle of a frame: the reader takes what follows for its rest, so give it that. */
	if (frames_stopped)
		for (size_t sent = 0; sent < GYRE_FRAME_DATA; sent += sizeof(padding))
			serial_write(SERIAL_COM2, padding, sizeof(padding));
	serial_frame(SERIAL_COM2, GYRE_FRAME_PANIC, panic_log.text, panic_log.bytes);
}
