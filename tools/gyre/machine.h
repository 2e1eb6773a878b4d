/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/machine.h: the emulated machine: which program runs it and with what arguments. So far QEMU.
 */
#ifndef TOOLS_GYRE_MACHINE_H
#define TOOLS_GYRE_MACHINE_H

#include "tools/gyre/util.h"

#include <sys/types.h>

struct machine_config {
	const char *cpu; /* QEMU's -cpu */
	uint64_t memory; /* bytes */
	bool uefi, icount;
	int iso;	   /* the boot medium, open */
	char *const *more; /* QEMU arguments of the user's, NULL-ended; or NULL */
};

struct machine {
	pid_t process;
	int output;	/* what QEMU itself says */
	int com1, com2; /* our ends, non-blocking */
};

/* What is missing on this computer to run it. 0 or an exit code, said. */
int machine_check(bool uefi);
int machine_start(struct machine *machine, const struct machine_config *config);
void machine_kill(const struct machine *machine);

/* Says why QEMU ended by itself, from its words, and returns the exit code for that. */
int machine_failed(int result, const char *words);

/* Bochs's models run on Bochs, which this version doesn't use. */
bool machine_is_bochs_model(const char *name);

#endif
