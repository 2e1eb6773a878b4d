/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/qemu.c: QEMU, its arguments, and what its complaints mean. */
#include "tools/gyre/machine.h"
#include "tools/gyre/process.h"
#include "include/gyre/config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QEMU_ARGUMENTS 256
/* A burst of output must not wait for us: QEMU's UART gives up on a byte after some tries. */
#define SOCKET_BYTES   (1024 * 1024)

static const char *const ovmf_places[] = {
	"/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/qemu/OVMF.fd"};

/* GYRE_QEMU names another program in QEMU's place. */
static char *qemu_path(void)
{
	const char *other = getenv("GYRE_QEMU");

	return program_path(other && *other ? other : "qemu-system-x86_64");
}

static const char *ovmf_path(void)
{
	for (size_t i = 0; i < sizeof(ovmf_places) / sizeof(ovmf_places[0]); i++)
		if (file_exists(ovmf_places[i]))
			return ovmf_places[i];
	return NULL;
}

static int qemu_check(bool uefi)
{
	char *qemu = qemu_path();

	if (!qemu)
		return fail(GYRE_STATUS_FAILED,
			"qemu-system-x86_64 is missing: install the Debian package qemu-system-x86 (apt-get install "
			"qemu-system-x86)");
	free(qemu);
	if (uefi && !ovmf_path())
		return fail(GYRE_STATUS_FAILED, "%s is missing: install the Debian package ovmf (apt-get install ovmf)",
			ovmf_places[0]);
	return 0;
}

static int socket_pair(int *ours, int *theirs)
{
	int ends[2], bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(GYRE_STATUS_FAILED, "socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

struct line {
	char *word[QEMU_ARGUMENTS + 1];
	unsigned words;
};

static void line_add(struct line *line, char *word)
{
	if (line->words < QEMU_ARGUMENTS)
		line->word[line->words++] = word;
}

static void line_add_text(struct line *line, const char *words)
{
	char *copy = text_copy(words), *rest = copy;

	for (char *word; (word = strsep(&rest, " "));)
		line_add(line, text_copy(word));
	free(copy);
}

static void qemu_line(struct line *line, const struct machine_config *config, int com1, int com2)
{
	line_add(line, qemu_path());
	line_add_text(
		line, "-name gyre -no-user-config -nodefaults -display none -machine q35 -accel tcg -smp 1 -no-reboot");
	line_add(line, text_copy("-cpu"));
	line_add(line, text_copy(config->cpu));
	line_add(line, text_copy("-m"));
	line_add(line, text_format("%lluM", (unsigned long long)(config->memory / MIB)));
	if (config->uefi) {
		line_add(line, text_copy("-bios"));
		line_add(line, text_copy(ovmf_path()));
	}
	/* The same on every run: time by instructions, one date, RDRAND by a seed. */
	if (config->icount)
		line_add_text(line, "-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01T00:00:00,clock=vm");
	/* The image has no name any more; QEMU opens it by the descriptor that it inherits. */
	line_add(line, text_copy("-drive"));
	line_add(line,
		text_format("if=none,id=iso,media=cdrom,format=raw,readonly=on,file=/proc/self/fd/%d", config->iso));
	line_add_text(line, "-device ide-cd,drive=iso,bootindex=0");
	int com[2] = {com1, com2};
	for (int i = 0; i < 2; i++) {
		line_add(line, text_copy("-chardev"));
		line_add(line, text_format("socket,id=com%d,fd=%d", i + 1, com[i]));
		line_add(line, text_copy("-serial"));
		line_add(line, text_format("chardev:com%d", i + 1));
	}
	for (char *const *word = config->more; word && *word; word++)
		line_add(line, text_copy(*word));
	line->word[line->words] = NULL;
}

static int qemu_start(struct machine *machine, const struct machine_config *config)
{
	struct line *line = allocate(sizeof(*line));
	int com1, com2;
	int status = socket_pair(&machine->com1, &com1);

	if (!status)
		status = socket_pair(&machine->com2, &com2);
	if (status)
		return status;
	qemu_line(line, config, com1, com2);
	int keep[] = {config->iso, com1, com2};
	machine->commands = -1;
	machine->process = child_start(line->word, keep, 3, -1, &machine->output);
	close(com1);
	close(com2);
	for (unsigned i = 0; i < line->words; i++)
		free(line->word[i]);
	free(line);
	return machine->process < 0 ? GYRE_STATUS_FAILED : 0;
}

static int qemu_failed(int result, const char *words)
{
	if (strstr(words, "unable to find CPU model") || strstr(words, "Property '") ||
		strstr(words, "invalid option") || strstr(words, "Expected key=value format"))
		return fail(GYRE_STATUS_USAGE, "QEMU refuses what --cpu-model or the arguments behind -- ask for:\n%s",
			words);
	if (strstr(words, "cannot set up guest memory") || strstr(words, "Cannot allocate memory"))
		return fail(GYRE_STATUS_LACKS, "this computer has not the memory for the emulated machine:\n%s", words);
	if (result < 0)
		return fail(GYRE_STATUS_FAILED, "QEMU died of signal %d (%s)%s%s", -result, strsignal(-result),
			*words ? ":\n" : "", words);
	return fail(GYRE_STATUS_FAILED, "QEMU failed with exit code %d%s%s", result, *words ? ":\n" : "", words);
}

const struct emulator emulator_qemu = {
	.name = "QEMU",
	.memory_most = 1024 * GIB,
	.has_uefi = true,
	.check = qemu_check,
	.start = qemu_start,
	.failed = qemu_failed,
};
