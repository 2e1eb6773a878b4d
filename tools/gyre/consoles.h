/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/consoles.h: the consoles of all VMs on the person's terminal: services/console with this process's memory, streams and terminal.
 * Without a terminal there is none of it: then standard output carries the first VM's bytes alone.
 */
#ifndef TOOLS_GYRE_CONSOLES_H
#define TOOLS_GYRE_CONSOLES_H

#include "services/console/console.h"
#include "tools/gyre/description.h"
#include "tools/gyre/stream.h"

struct consoles {
	struct console console;
	void (*send)(void *context, unsigned vm, const uint8_t *bytes, size_t length);
	void (*quit)(void *context);
	void *context;
	struct stream *out;
	double typed; /* when the person last did */
	struct console_vm vm[GYRE_CONFIG_VMS];
};

struct consoles *consoles_make(const struct description *description, struct stream *out,
	void (*send)(void *context, unsigned vm, const uint8_t *bytes, size_t length), void (*quit)(void *context),
	void *context);

void consoles_output(struct consoles *consoles, unsigned vm, const void *bytes, size_t length);
void consoles_input(struct consoles *consoles, const uint8_t *bytes, size_t length);
/* Whether it is what the terminal shows now, as it comes. */
bool consoles_shows(const struct consoles *consoles, unsigned vm);
/* What is due by time; the seconds until something is, at most *wait. */
void consoles_time(struct consoles *consoles, double *wait);
/* The terminal has another size, or was another's meanwhile. */
void consoles_again(struct consoles *consoles);
/* The machine is gone: its last words are on the screen. */
void consoles_end(struct consoles *consoles);

#endif
