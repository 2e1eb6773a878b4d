/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/session.h: an emulated machine from its start to its end, seen from the command: consoles between it and the person, frames,
 * deadlines, and what the end means.
 */
#ifndef TOOLS_GYRE_SESSION_H
#define TOOLS_GYRE_SESSION_H

#include "tools/gyre/debug.h"
#include "tools/gyre/description.h"
#include "tools/gyre/machine.h"

#include <stdio.h>

struct session_config {
	const struct description *description;
	double timeout; /* seconds; 0: none */
	double silence; /* seconds from the start to the first word of the core, firmware on a loaded computer included */
	bool tight;	/* so little memory that a machine which says nothing has lacked it */
	bool uefi;	/* firmware that talks on the serial ports before Gyre has them */
	FILE *trace;	/* or NULL; its header is written */
	const char *counters;	  /* a file, or NULL */
	struct control *control;  /* or NULL */
	struct debug_port *debug; /* --gdb, or NULL */
};

/* Until the machine has ended, which it has when this returns. The command's exit code; a signal that ended it is in *interrupted. */
int session_run(const struct session_config *config, struct machine *machine, int *interrupted);

#endif
