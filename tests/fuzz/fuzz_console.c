/* SPDX-License-Identifier: Apache-2.0 */
/* Consoles: whatever VMs write and a person or a terminal types, nothing outside of the histories is touched, every call comes to its end, and what is repainted holds
 * no sequence but those that are let through. */
/* unit-sources: services/console/console.c services/console/history.c services/console/plain.c services/console/rows.c services/console/keys.c */
/* unit-sources: services/console/answers.c services/console/look.c lib/format.c lib/string.c */
#include <stdlib.h>
#include <string.h>
#include "services/console/console.h"

#define VMS 3u

static struct {
	struct console console;
	struct console_vm vm[VMS];
	uint8_t *history[VMS];
	int raw;
	int painting; /* behind the sequence that clears the screen */
	uint8_t last[4], sequence, follow;
	struct look_screen screen;
	uint64_t now;
} fuzz;

/* Whole characters of UTF-8, none of them a control of 8 bits. */
static void check_character(uint8_t byte)
{
	if ((byte & 0xc0) == 0x80) {
		if (fuzz.follow == 0 || (fuzz.last[3] == 0xc2 && byte < 0xa0))
			abort();
		fuzz.follow--;
		return;
	}
	if (fuzz.follow != 0)
		abort();
	fuzz.follow = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
}

/* ESC [ numbers and one of these letters; no other control but those of a line. */
static void check(uint8_t byte)
{
	static const char finals[] = "mKJCDH";
	check_character(byte);
	if (fuzz.sequence == 1) {
		if (byte != '[')
			abort();
		fuzz.sequence = 2;
	} else if (fuzz.sequence == 2) {
		if ((byte >= '0' && byte <= '9') || byte == ';')
			return;
		if (byte == 0 || strchr(finals, byte) == NULL)
			abort();
		fuzz.sequence = 0;
	} else if (byte == 0x1b) {
		fuzz.sequence = 1;
	} else if ((byte < ' ' && byte != '\n' && byte != '\r' && byte != '\t' && byte != '\b') || byte == 0x7f) {
		abort();
	}
}

static void show(void *context, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	(void)context;
	for (size_t i = 0; i < length && !fuzz.raw; i++) {
		if (fuzz.painting)
			check(from[i]);
		memmove(fuzz.last, fuzz.last + 1, 3);
		fuzz.last[3] = from[i];
		fuzz.painting |= memcmp(fuzz.last, "\x1b[2J", 4) == 0;
	}
}

static void forget(void *context)
{
	(void)context;
	fuzz.painting = fuzz.sequence = fuzz.follow = 0;
	memset(fuzz.last, 0, sizeof(fuzz.last));
}

static void typed(void *context, unsigned vm, const uint8_t *bytes, size_t length)
{
	(void)context;
	(void)bytes;
	if (vm >= VMS || length > 256)
		abort();
}

static void quit(void *context)
{
	(void)context;
}

static struct look_screen screen(void *context)
{
	(void)context;
	return fuzz.screen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct console_user user = {show, forget, typed, quit, screen};
	static const char *const names[VMS] = {"one", "two", "three"};
	memset(&fuzz, 0, sizeof(fuzz));
	for (unsigned i = 0; i < VMS; i++) {
		fuzz.vm[i].name = names[i];
		fuzz.vm[i].history.bytes = 512u << i;
		/* Of their own: an access beside one is seen. */
		fuzz.history[i] = calloc(1, fuzz.vm[i].history.bytes);
		fuzz.vm[i].history.data = fuzz.history[i];
	}
	fuzz.screen = (struct look_screen){24, 80};
	console_init(&fuzz.console, &user, NULL, fuzz.vm, VMS);
	while (size >= 2) {
		uint8_t what = data[0];
		size_t length = data[1];
		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		switch (what % 8) {
		case 0:
		case 1:
		case 2: console_output(&fuzz.console, what / 8 % 4, data, length); break;
		case 3:
			fuzz.raw = 1; /* the shown VM's bytes come as they are */
			console_pump(&fuzz.console, what / 8);
			fuzz.raw = 0;
			break;
		case 4:
			fuzz.screen = (struct look_screen){what / 8u * 3, (unsigned)length};
			length = 0;
			console_again(&fuzz.console);
			break;
		case 5:
			console_idle(&fuzz.console);
			length = 0;
			break;
		default:
			fuzz.now += what;
			console_input(&fuzz.console, data, length, fuzz.now);
			break;
		}
		data += length;
		size -= length;
	}
	for (unsigned i = 0; i < VMS; i++)
		free(fuzz.history[i]);
	return 0;
}
