/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/consoles.c: see consoles.h. */
#include "tools/gyre/consoles.h"
#include "tools/gyre/util.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* Of each VM. The service at COM1 has the same (include/gyre/console.h). */
#define CONSOLE_HISTORY_BYTES (256u * 1024u)

static void show(void *context, const void *bytes, size_t length)
{
	stream_add(((struct consoles *)context)->out, bytes, length);
}

static void forget(void *context)
{
	stream_forget(((struct consoles *)context)->out);
}

static struct look_screen screen(void *context)
{
	struct winsize size;

	(void)context;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return (struct look_screen){24, 80};
	return (struct look_screen){size.ws_row, size.ws_col};
}

static void send(void *context, unsigned vm, const uint8_t *bytes, size_t length)
{
	struct consoles *consoles = context;

	consoles->send(consoles->context, vm, bytes, length);
}

static void quit(void *context)
{
	struct consoles *consoles = context;

	consoles->quit(consoles->context);
}

struct consoles *consoles_make(const struct description *description, struct stream *out,
	void (*send_typed)(void *, unsigned, const uint8_t *, size_t), void (*quit_machine)(void *), void *context)
{
	static const struct console_user user = {show, forget, send, quit, screen};
	struct consoles *consoles = allocate(sizeof(*consoles));

	consoles->out = out;
	consoles->send = send_typed;
	consoles->quit = quit_machine;
	consoles->context = context;
	for (unsigned i = 0; i < description->vms; i++) {
		consoles->vm[i].name = description->vm[i].name;
		consoles->vm[i].history.data = allocate(CONSOLE_HISTORY_BYTES);
		consoles->vm[i].history.bytes = CONSOLE_HISTORY_BYTES;
	}
	console_init(&consoles->console, &user, consoles, consoles->vm, description->vms);
	return consoles;
}

void consoles_output(struct consoles *consoles, unsigned vm, const void *bytes, size_t length)
{
	console_output(&consoles->console, vm, bytes, length);
	console_pump(&consoles->console, SIZE_MAX);
}

void consoles_input(struct consoles *consoles, const uint8_t *bytes, size_t length)
{
	consoles->typed = seconds_now();
	console_input(&consoles->console, bytes, length, (uint64_t)(consoles->typed * 1000));
}

bool consoles_shows(const struct consoles *consoles, unsigned vm)
{
	return consoles->console.shown == vm && !consoles->console.look.on;
}

void consoles_time(struct consoles *consoles, double *wait)
{
	double left = consoles->typed + CONSOLE_IDLE_MS / 1000.0 - seconds_now();

	if (!console_waiting(&consoles->console))
		return;
	if (left <= 0)
		console_idle(&consoles->console);
	else if (left < *wait)
		*wait = left;
}

void consoles_again(struct consoles *consoles)
{
	console_again(&consoles->console);
}

void consoles_end(struct consoles *consoles)
{
	if (consoles->console.look.on) {
		consoles->console.look.on = 0;
		console_again(&consoles->console);
	}
}
