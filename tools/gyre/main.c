/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/main.c: the gyre command: one program, one word that says what to do. */
#include "include/gyre/config.h"
#include "tools/gyre/commands.h"
#include "tools/gyre/util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: gyre COMMAND ...\n"
	"\n"
	"Gyre is a hypervisor for x86-64. This command boots it, with VMs, and makes what it boots from.\n"
	"\n"
	"  gyre emulate --machine M VM...      boots Gyre on an emulated machine, amd or intel, with these VMs\n"
	"  gyre control SOCKET list|start|stop|kill  the VMs of a machine that gyre emulate --control SOCKET runs\n"
	"  gyre image -o FILE.iso VM...        the same machine as an ISO that boots under BIOS and UEFI\n"
	"  gyre show VM...                     checks descriptions of VMs and prints them in full\n"
	"  gyre trace FILE                     prints a trace that gyre emulate --trace FILE made\n"
	"  gyre --version\n"
	"\n"
	"gyre COMMAND --help has the options. A VM is a file NAME.yaml, or inline: --vm NAME --kernel FILE ...\n"
	"\n"
	"Exit codes: an odd one is the guest's own, (2 * value + 1) & 255 of what it wrote to its debug-exit port. "
	"Gyre's are even:\n"
	"  0 powered off             2 wrong usage or description, or not in this version\n"
	"  4 failed                  6 a file is not there           8 wrong state\n"
	"  10 refused                12 the machine lacks something  14 time-out\n"
	"  16 the guest crashed      18 the core stopped\n";

struct command {
	const char *name;
	int (*run)(char **argv); /* NULL: not in this version */
};
static const struct command commands[] = {
	{"emulate", command_emulate},
	{"control", command_control},
	{"image", command_image},
	{"show", command_show},
	{"trace", command_trace},
	{"run", NULL},
	{"create", NULL},
	{"start", NULL},
	{"stop", NULL},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int unknown_command(const char *name)
{
	const char *names[COMMANDS];

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *nearest = nearest_name(name, names, COMMANDS);
	return nearest ? fail(GYRE_STATUS_USAGE, "unknown command \"%s\": did you mean %s?", name, nearest)
		       : fail(GYRE_STATUS_USAGE, "unknown command \"%s\": gyre --help lists the commands", name);
}

int main(int argc, char **argv)
{
	/* Streams that the caller closed must not become the files that are opened next. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) < 0)
			return GYRE_STATUS_FAILED;
	/* A reader that went away is an error of write(), not the end of us. */
	signal(SIGPIPE, SIG_IGN);

	if (argc < 2)
		return fail(GYRE_STATUS_USAGE, "say what to do: gyre --help lists the commands");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return GYRE_STATUS_OFF;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("gyre " GYRE_TOOL_VERSION);
		return GYRE_STATUS_OFF;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		if (!commands[i].run)
			return fail(GYRE_STATUS_USAGE, "%s: this version of Gyre has not got it yet", argv[1]);
		return commands[i].run(argv + 2);
	}
	return unknown_command(argv[1]);
}
