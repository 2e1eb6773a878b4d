/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/bochs.c: Bochs, its configuration, its debugger, and what its last words mean. Found out on version 2.7 (docs/testing.md):
 *   - The serial ports are TCP clients of ours: blocking, so that nothing is lost. On a terminal's device it would drop what does not fit.
 *   - Its debugger cannot be left out. It stops at the start and at triple faults; on AMD's models at a guest's too, before the exit.
 *   - Its display is a VNC server for everybody. So it runs in a network of its own, unless the user's lines may want to use the real one.
 */
#include "tools/gyre/machine.h"
#include "tools/gyre/process.h"
#include "include/gyre/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIOS	       "/usr/share/bochs/BIOS-bochs-latest"
/* Bochs's own VGA BIOS hangs GRUB. */
#define VGA_BIOS       "/usr/share/seabios/vgabios-stdvga.bin"
#define UP_SECONDS     60.0 /* until it has connected its serial ports */
/* Instructions in a second of the machine's time. A character takes 87 us of that at the serial port: few instructions make consoles cheap.
 * Before a person the clock is not let run ahead of theirs: more instructions, or it would hold up the boot. */
#define SPEED	       30000000u
#define SPEED_TERMINAL 100000000u
#define FIXED_DATE     "1767225600" /* 2026-01-01 */

static const char prompt[] = "<bochs:", answer[] = "activity_state = 0x", shut_down[] = "activity_state = 0x00000002";
static const char last_words[] = "Bochs is exiting with the following message:\n";

/* GYRE_BOCHS names another program in Bochs's place. */
static char *bochs_path(void)
{
	const char *other = getenv("GYRE_BOCHS");

	return program_path(other && *other ? other : "bochs-bin");
}

static int bochs_check(bool uefi)
{
	static const char *const files[][2] = {{BIOS, "bochsbios"}, {VGA_BIOS, "seabios"}};
	char *program = bochs_path();

	(void)uefi;
	if (!program)
		return fail(GYRE_STATUS_FAILED,
			"bochs-bin is missing: install the Debian packages bochs, bochsbios and seabios (apt-get "
			"install bochs bochsbios seabios)");
	free(program);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!file_exists(files[i][0]))
			return fail(GYRE_STATUS_FAILED,
				"%s is missing: install the Debian package %s (apt-get install %s)", files[i][0],
				files[i][1], files[i][1]);
	return 0;
}

/* ---- its network --------------------------------------------------------------------------------------------------------- */

/* A network that only we and our children are in. Where that may not be, the computer's own serves. */
static void network_apart(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return;
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any >= 0) {
		ioctl(any, SIOCSIFFLAGS, &loopback);
		close(any);
	}
}

static int listen_locally(int *listener, uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*listener < 0 || bind(*listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(*listener, 1) < 0 || getsockname(*listener, (struct sockaddr *)&address, &length) < 0)
		return fail(GYRE_STATUS_FAILED, "a socket for a serial port: %s", strerror(errno));
	*port = ntohs(address.sin_port);
	return 0;
}

/* The other end of a local connection is a process of ours: the kernel's table says whose it is. */
static bool peer_is_ours(int fd)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	unsigned address, port, uid;
	char line[512];
	bool ours = false;
	FILE *table = fopen("/proc/self/net/tcp", "re");

	if (!table)
		return false;
	if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0)
		while (!ours && fgets(line, sizeof(line), table))
			ours = sscanf(line, " %*u: %x:%x %*x:%*x %*x %*x:%*x %*x:%*x %*x %u", &address, &port, &uid) ==
				       3 &&
			       address == peer.sin_addr.s_addr && port == ntohs(peer.sin_port) && uid == geteuid();
	fclose(table);
	return ours;
}

/* A connection that is Bochs's: its descriptor, or -1. */
static int take_connection(int listener)
{
	int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -1;
	if (!peer_is_ours(fd)) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* ---- its configuration --------------------------------------------------------------------------------------------------- */

static int write_settings(const struct machine_config *config, const uint16_t port[2], int *settings)
{
	unsigned long long megabytes = config->memory / MIB;
	bool slow = config->terminal && !config->icount;

	*settings = memfd_create("bochs", MFD_CLOEXEC);
	int copy = *settings < 0 ? -1 : dup(*settings);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
	if (!out)
		return fail(GYRE_STATUS_FAILED, "Bochs's configuration: %s", strerror(errno));
	/* A panic ends it, power-off being one; the processor's own is a triple fault, after which a guest's goes on with its exit. */
	fputs("display_library: rfb, options=\"timeout=0\"\n"
	      "log: /dev/null\ninfo: action=ignore\nerror: action=ignore\n"
	      "panic: action=fatal, cpu0=report\n"
	      "plugin_ctrl: speaker=0, parallel=0, gameport=0, usb_uhci=0\n"
	      "port_e9_hack: enabled=1\n"
	      "romimage: file=" BIOS "\nvgaromimage: file=" VGA_BIOS "\nboot: cdrom\n",
		out);
	fprintf(out, "memory: guest=%llu, host=%llu\n", megabytes, megabytes);
	fprintf(out, "cpu: model=%s, count=1, ips=%u, reset_on_triple_fault=0, ignore_bad_msrs=0\n", config->cpu,
		slow ? SPEED_TERMINAL : SPEED);
	fprintf(out, "clock: sync=%s, time0=%s\n", slow ? "slowdown" : "none", config->icount ? FIXED_DATE : "utc");
	fprintf(out, "ata0-master: type=cdrom, path=/proc/self/fd/%d, status=inserted\n", config->iso);
	for (unsigned i = 0; i < 2; i++)
		fprintf(out, "com%u: enabled=1, mode=socket-client, dev=127.0.0.1:%u\n", i + 1, port[i]);
	for (char *const *line = config->more; line && *line; line++)
		fprintf(out, "%s\n", *line);
	return fclose(out) ? fail(GYRE_STATUS_FAILED, "Bochs's configuration: %s", strerror(errno)) : 0;
}

/* ---- its end -------------------------------------------------------------------------------------------------------------- */

static int bochs_failed(int result, const char *words)
{
	const char *said = strstr(words, last_words);

	if (said) {
		said += strlen(last_words);
		int length = (int)strcspn(said, "\n");
		if (!strncmp(said, "[ACPI  ] ", 9) || strstr(said, "Shutdown port"))
			return -1;
		/* "[SIM   ] what is wrong": its configuration's lines are numbered, as the file's name and number say. */
		if (!strncmp(said, "[SIM ", 5) || strstr(said, "/proc/self/fd/"))
			return fail(GYRE_STATUS_USAGE,
				"Bochs refuses what the lines behind -- or --cpu-model ask for: %.*s", length, said);
		if (strstr(said, "allocate"))
			return fail(GYRE_STATUS_LACKS,
				"this computer has not the memory for the emulated machine: %.*s", length, said);
		return fail(GYRE_STATUS_FAILED, "Bochs panicked: %.*s", length, said);
	}
	if (result < 0)
		return fail(GYRE_STATUS_FAILED, "Bochs died of signal %d (%s)%s%s", -result, strsignal(-result),
			*words ? ":\n" : "", words);
	return fail(GYRE_STATUS_FAILED, "Bochs ended with exit code %d%s%s", result, *words ? ":\n" : "", words);
}

/* ---- its start -------------------------------------------------------------------------------------------------------------- */

/* It ended, or we end, before the machine was up. */
static int start_over(struct machine *machine, struct tail *words, int interrupted, bool late)
{
	char bytes[4096];
	int result;
	ssize_t got;

	machine_kill(machine);
	while (waitpid(machine->process, &result, 0) < 0 && errno == EINTR)
		;
	while ((got = read(machine->output, bytes, sizeof(bytes))) > 0)
		tail_add(words, bytes, (size_t)got);
	if (interrupted)
		die_of_signal(interrupted);
	if (late)
		return fail(GYRE_STATUS_TIMEOUT, "time-out: Bochs has not come up\n%s", tail_text(words));
	return bochs_failed(child_result(result), tail_text(words));
}

static bool has_ended(const struct machine *machine)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)machine->process, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == machine->process;
}

/* Until both serial ports are connected. What is said meanwhile is heard, since the debugger may ask. */
static int await_ports(struct machine *machine, const int listener[2], double patience)
{
	struct tail *words = allocate(sizeof(*words));
	double end = seconds_now() + (patience > 0 && patience < UP_SECONDS ? patience : UP_SECONDS);
	int *com[2] = {&machine->com1, &machine->com2}, number, status = 0;
	char bytes[4096];
	ssize_t got;

	*com[0] = *com[1] = -1;
	while (!status && (*com[0] < 0 || *com[1] < 0)) {
		struct pollfd polls[] = {{.fd = *com[0] < 0 ? listener[0] : -1, .events = POLLIN},
			{.fd = *com[1] < 0 ? listener[1] : -1, .events = POLLIN},
			{.fd = machine->output, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
		int interrupted = 0;
		poll(polls, 4, 100);
		while ((number = signals_next()))
			if (signal_ends_us(number))
				interrupted = number;
		for (unsigned i = 0; i < 2; i++)
			if (*com[i] < 0)
				*com[i] = take_connection(listener[i]);
		/* From then on the session listens, to frames too. */
		if (!interrupted && *com[0] >= 0 && *com[1] >= 0)
			break;
		while ((got = read(machine->output, bytes, sizeof(bytes))) > 0) {
			tail_add(words, bytes, (size_t)got);
			emulator_bochs.listen(machine, bytes, (size_t)got);
		}
		if (interrupted || has_ended(machine) || seconds_now() > end)
			status = start_over(machine, words, interrupted, !interrupted && seconds_now() > end);
	}
	free(words);
	return status;
}

static int bochs_start(struct machine *machine, const struct machine_config *config)
{
	char *program = bochs_path();
	int listener[2], settings, input[2];
	uint16_t port[2];

	if (!config->more || !*config->more)
		network_apart();
	int status = listen_locally(&listener[0], &port[0]);
	if (!status)
		status = listen_locally(&listener[1], &port[1]);
	if (!status)
		status = write_settings(config, port, &settings);
	if (!status && pipe2(input, O_CLOEXEC) < 0)
		status = fail(GYRE_STATUS_FAILED, "pipe: %s", strerror(errno));
	if (status)
		return status;
	char *file = text_format("/proc/self/fd/%d", settings);
	char *const argv[] = {program, "-q", "-f", file, NULL};
	int keep[] = {config->iso, settings};
	machine->process = child_start(argv, keep, 2, input[0], &machine->output);
	close(input[0]);
	close(settings);
	/* It never ends: the debugger would end the machine. */
	machine->commands = input[1];
	fcntl(machine->commands, F_SETFL, O_NONBLOCK);
	free(file);
	free(program);
	status = machine->process < 0 ? GYRE_STATUS_FAILED : await_ports(machine, listener, config->patience);
	close(listener[0]);
	close(listener[1]);
	return status;
}

/* ---- its debugger ------------------------------------------------------------------------------------------------------------ */

static void command(struct machine *machine, const char *line)
{
	/* A pipe that is full has commands enough. */
	ssize_t done = write(machine->commands, line, strlen(line));
	(void)done;
}

/* A line is heard up to where it is understood. The debugger is asked why it stopped, once, and then told to go on: a guest's triple fault is an exit
 * by then, and the processor runs; another has shut the processor down, for ever. */
static void heard_more(struct machine *machine)
{
	const char *heard = machine->heard;
	size_t end = strlen(heard);

	if (!strncmp(heard, answer, strlen(answer)) && end >= sizeof(shut_down) - 1) {
		machine->stopped = machine->stopped || !strncmp(heard, shut_down, sizeof(shut_down) - 1);
	} else if (end > sizeof(prompt) && !strcmp(heard + end - 2, "> ") && strstr(heard, prompt)) {
		command(machine, machine->asked ? "c\n" : "show \"cpu0.activity_state\"\n");
		machine->asked = !machine->asked;
		machine->heard_length = 0;
	}
}

static void bochs_listen(struct machine *machine, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n') {
			machine->heard_length = 0;
		} else if (machine->heard_length < sizeof(machine->heard) - 1) {
			machine->heard[machine->heard_length++] = bytes[i];
			machine->heard[machine->heard_length] = 0;
			heard_more(machine);
		}
	}
}

const struct emulator emulator_bochs = {
	.name = "Bochs",
	.memory_most = 2048 * MIB,
	.output_has_frames = true,
	.megabyte_seconds = 2,
	/* It delivers a virtual interrupt to a guest with IF clear: docs/testing.md. */
	.core_option = "apicv=off",
	.check = bochs_check,
	.start = bochs_start,
	.listen = bochs_listen,
	.failed = bochs_failed,
};
