/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/arguments.h: the command line of the forms that take VMs. A command declares its own options; those of an inline VM are the
 * same everywhere, come from the table of keys, and belong to the --vm before them.
 */
#ifndef TOOLS_GYRE_ARGUMENTS_H
#define TOOLS_GYRE_ARGUMENTS_H

#include "tools/gyre/description.h"

struct option_spec {
	const char *name; /* "--machine"; the end of a table: NULL */
	bool takes_value;
	bool later; /* known, and not in this version */
	/* 0 or an exit code, said. `value` is "" where none is taken. */
	int (*set)(void *command, const char *value);
};

/* `rest` gets what stands behind "--", or NULL where the command takes none of that. `help` is printed for --help. */
struct arguments {
	const struct option_spec *options;
	void *command;
	const char *help;
	struct description *description;
	char ***rest;
	/* What an argument that is no option means; NULL: a description to read. */
	int (*word)(void *command, const char *word);
};

/* -1: go on. Else the command ends with this code (0 after --help). */
int arguments_parse(const struct arguments *arguments, char **argv);

#endif
