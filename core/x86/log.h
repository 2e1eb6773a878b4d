/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/log.h: what the core tells people: into a ring in memory, to the screen, and to a serial port as the command line has it.
 *
 *   console=com1     text on COM1 (the default)     console=frames   COM2 is root's, which sends what is in the ring; a panic's text goes there
 *   console=none     the ring and the screen only
 */
#ifndef CORE_X86_LOG_H
#define CORE_X86_LOG_H

#include "core/x86/address.h"
#include "gyre/boot.h"
#include <stdarg.h>

#define LOG_RING_BYTES 65536

/* include/gyre/boot.h describes it. Whole pages of the image, so that root can be given it to read: image_physical(&log_memory). */
union log_memory {
	struct gyre_log_ring ring;
	char bytes[LOG_RING_BYTES];
};
extern union log_memory log_memory;

/* A line each; the formats of lib/format.h. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The ring works from the first instruction; this adds the consoles. `framebuffer` may be absent. */
struct boot_info;
struct boot_framebuffer;
void log_init(const struct boot_info *boot);

/* Root runs, and sends what is in the ring on: a panic's frame then has only what came after that. */
extern bool log_root_reads;

/* For the panic alone: no lock from here on, and the text goes out as one PANIC frame at the end, too. False: it is not the first panic. */
bool log_panic_begin(void);
void log_panic_end(void);

/* Says why and ends the machine: the core is wrong about itself. Never for a value that a caller or guest chose. core/x86/panic.c */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct regs;
void log_registers(const struct regs *regs);
_Noreturn void panic_regs(const struct regs *regs, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CORE_ASSERT(condition)                                                                                         \
	do {                                                                                                           \
		if (__builtin_expect(!(condition), 0))                                                                 \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition);                          \
	} while (0)

/* ---- where text goes besides the ring. Nothing here waits longer than a stuck port is worth ---- */

#define SERIAL_COM1 0x3f8
#define SERIAL_COM2 0x2f8

/* core/x86/serial.c. False: no UART is there. */
bool serial_init(uint16_t port);
void serial_write(uint16_t port, uint8_t byte);

/* core/x86/screen.c */
void screen_init(const struct boot_framebuffer *framebuffer);
void screen_write(char c);

/* tools/build/font.py makes it: 256 glyphs of 16 rows, the leftmost pixel is the highest bit. */
extern const uint8_t console_font[256][16];

#endif
