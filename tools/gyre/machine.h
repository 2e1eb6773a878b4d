/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/machine.h: the emulated machine: which program runs it, with what arguments, and what its words and its end mean. Two
 * emulators are known, each in a file of its own behind one table; which of them runs a processor, machine.c knows.
 */
#ifndef TOOLS_GYRE_MACHINE_H
#define TOOLS_GYRE_MACHINE_H

#include "tools/gyre/util.h"

#include <sys/types.h>

struct machine_config {
	const char *cpu; /* the model as this emulator names it */
	uint64_t memory; /* bytes */
	bool uefi, icount;
	bool terminal;	   /* a person sits at it: its clock goes as theirs */
	int iso;	   /* the boot medium, open */
	double patience;   /* seconds until the emulator must be up; 0: a default */
	char *const *more; /* the user's own arguments or lines, NULL-ended; or NULL */
};

/* The last bytes of the words that an emulator says beside its frames, as far as something is looked for in them. */
#define MACHINE_HEARD 64u

struct machine {
	const struct emulator *emulator;
	pid_t process;
	int output;	/* what the emulator itself says; on Bochs frames of root's too */
	int com1, com2; /* our ends, non-blocking */
	int commands;	/* Bochs: its debugger's input; else -1 */
	bool stopped;	/* Bochs: the processor is shut down, after a triple fault that was no guest's */
	bool asked;	/* Bochs: the debugger has been asked whether it is */
	char heard[MACHINE_HEARD];
	unsigned heard_length;
};

struct emulator {
	const char *name; /* "QEMU" */
	uint64_t memory_most;
	bool has_uefi;
	const char *core_option; /* for a fault of its own, unless the user asks for another value; or NULL */
	bool output_has_frames;	 /* root's frames come on `output`, between the emulator's words */
	double megabyte_seconds; /* what a MiB of the image may take to be read, on a loaded computer */
	int (*check)(bool uefi); /* what is missing on this computer to run it. 0 or an exit code, said */
	int (*start)(struct machine *machine, const struct machine_config *config); /* 0 or an exit code, said */
	void (*listen)(struct machine *machine, const char *bytes, size_t length);  /* what it said; or NULL */
	/* Says why it ended by itself; the exit code for that, or -1: it was switched off from inside. */
	int (*failed)(int result, const char *words);
};
extern const struct emulator emulator_qemu, emulator_bochs;

void machine_kill(const struct machine *machine);

struct machine_model {
	const struct emulator *emulator;
	const char *cpu;
	const char *core_option; /* what the machine's name adds, or NULL */
};
/* The machine of a name, with a model of the user's or NULL. 0 or an exit code, said. */
int machine_model(struct machine_model *model, const char *machine, const char *cpu);

/* The machine's names: 0, or an exit code, said. */
int machine_name_check(const char *machine);

#endif
