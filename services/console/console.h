/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/console.h: one terminal, all VMs' serial consoles: which one is shown, what each has said, the keys. The same source serves the gyre
 * command, at the end of an emulated machine's frames, and the console service on a machine that has COM1 alone.
 *
 * What the shown VM writes goes to the terminal as it is, as by a serial line. What others write goes to their histories and nowhere else. On a switch the terminal
 * is set back and the last screenful of the VM is shown, made harmless (plain.h).
 *
 * Trust    VMs' bytes and names' users are hostile; so is the terminal, as far as answers go that a VM has asked it for (answers.h).
 * Memory   none of its own: who uses it gives the histories.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "services/console/answers.h"
#include "services/console/history.h"
#include "services/console/keys.h"
#include "services/console/look.h"

#define CONSOLE_TEXT	112u
#define CONSOLE_IDLE_MS 50u

/* What the console asks of its user. */
struct console_user {
	rows_put *show;		       /* bytes to the terminal */
	void (*forget)(void *context); /* drops what the terminal has not taken: it is out of date */
	void (*send)(void *context, unsigned vm, const uint8_t *bytes, size_t length); /* typed for that VM */
	void (*quit)(void *context);
	struct look_screen (*screen)(void *context); /* its size now */
};

struct console_vm {
	const char *name;
	struct history history;
	int ended;
	char text[CONSOLE_TEXT]; /* how */
};

struct console {
	const struct console_user *user;
	void *context;
	struct console_vm *vm;
	unsigned vms, shown;
	uint64_t upto; /* what the terminal has got of the history of the one that is shown */
	uint64_t now;  /* milliseconds, as last told */
	struct keys keys;
	struct answers answers;
	struct look look;
	uint8_t typed[256]; /* for the VM, not sent yet */
	size_t length;
};

/* The VMs' names and histories are filled in. The first is shown. */
void console_init(
	struct console *console, const struct console_user *user, void *context, struct console_vm *vm, unsigned vms);

/* A VM wrote that; it ended, with words for people. One that writes again runs again. */
void console_output(struct console *console, unsigned vm, const uint8_t *bytes, size_t length);
void console_ended(struct console *console, unsigned vm, const char *text);

/* Shows at most so much of what the shown VM has written. */
void console_pump(struct console *console, size_t most);

/* What it has written that was not shown yet. */
size_t console_pending(const struct console *console, unsigned vm);

/* Typed. The time counts milliseconds from anywhere. */
void console_input(struct console *console, const uint8_t *bytes, size_t length, uint64_t now);

/* Nothing was typed for CONSOLE_IDLE_MS; wanted while console_waiting(). */
void console_idle(struct console *console);
int console_waiting(const struct console *console);

/* Shows all of it again: the terminal's size has changed. */
void console_again(struct console *console);

#endif
