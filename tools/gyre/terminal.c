/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/terminal.c: raw mode and its end, by return, exit or a signal that kills. */
#include "tools/gyre/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static volatile sig_atomic_t raw;
static bool prepared;

void terminal_restore(void)
{
	if (!raw)
		return;
	raw = 0;
	/* TCSANOW: output that a stopped terminal holds back would keep us here. */
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Signals of our own faults, which come by no descriptor. tcsetattr may be called here: signal-safety(7) lists it. */
static void restore_and_die(int number)
{
	terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void prepare(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS};
	struct sigaction action = {.sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND};

	if (prepared)
		return;
	prepared = true;
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
	atexit(terminal_restore);
}

bool terminal_raw(void)
{
	struct termios mode;

	/* In the background a change of mode would stop us, and the terminal is another's. */
	if (raw || !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &mode) < 0)
		return raw;
	prepare();
	before = mode;
	cfmakeraw(&mode);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) < 0)
		raw = 0;
	return raw;
}

bool terminal_is_raw(void)
{
	return raw;
}
