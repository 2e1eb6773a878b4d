/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/process.c: child processes, signals by descriptor, temporary folders. */
#include "tools/gyre/process.h"
#include "tools/gyre/util.h"
#include "include/gyre/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int signal_fd = -1;
static sigset_t signal_before;

void tail_add(struct tail *tail, const char *bytes, size_t length)
{
	size_t room = sizeof(tail->text) - 1;

	if (length > room) {
		bytes += length - room;
		length = room;
	}
	if (tail->length + length > room) {
		size_t away = tail->length + length - room;
		memmove(tail->text, tail->text + away, tail->length - away);
		tail->length -= away;
	}
	memcpy(tail->text + tail->length, bytes, length);
	tail->length += length;
}

const char *tail_text(struct tail *tail)
{
	size_t out = 0;

	for (size_t i = 0; i < tail->length; i++) {
		unsigned char c = (unsigned char)tail->text[i];
		/* A terminal's sequences: ESC [ digits letter. */
		if (c == 27 && i + 1 < tail->length && tail->text[i + 1] == '[') {
			for (i += 2; i < tail->length && (unsigned char)tail->text[i] < '@';)
				i++;
			continue;
		}
		if (c == '\n' || c == '\t' || (c >= ' ' && c != 127))
			tail->text[out++] = (char)c;
	}
	while (out && (tail->text[out - 1] == '\n' || tail->text[out - 1] == ' '))
		out--;
	tail->length = out;
	tail->text[out] = 0;
	return tail->text;
}

int signals_fd(void)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGTSTP, SIGCONT};
	struct sigaction now;
	sigset_t set;

	if (signal_fd >= 0)
		return signal_fd;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		/* What our caller ignores stays ignored (nohup), children excepted: they must be waited for. */
		if (taken[i] == SIGCHLD)
			signal(SIGCHLD, SIG_DFL);
		else if (sigaction(taken[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, taken[i]);
	}
	sigprocmask(SIG_BLOCK, &set, &signal_before);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		exit(fail(GYRE_STATUS_FAILED, "signalfd: %s", strerror(errno)));
	return signal_fd;
}

int signals_next(void)
{
	struct signalfd_siginfo info;

	return read(signals_fd(), &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

bool signal_ends_us(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

void die_of_signal(int number)
{
	sigset_t set;

	fflush(NULL);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Reached only if it was SIGQUIT's like with another meaning. */
	_exit(GYRE_STATUS_FAILED);
}

/* In the child, until it is another program. */
static _Noreturn void child_become(char *const *argv, const int *keep, size_t kept, int input, int output, pid_t parent)
{
	if (input < 0)
		input = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0);
	dup2(input, 0);
	dup2(output, 1);
	dup2(output, 2);
	for (size_t i = 0; i < kept; i++)
		fcntl(keep[i], F_SETFD, 0);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &signal_before, NULL);
	execv(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t child_start(char *const *argv, const int *keep, size_t kept, int input, int *output)
{
	int ends[2];
	pid_t parent = getpid();

	signals_fd();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(-1, "pipe: %s", strerror(errno));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	pid_t child = fork();
	if (child == 0)
		child_become(argv, keep, kept, input, ends[1], parent);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return fail(-1, "fork: %s", strerror(errno));
	}
	*output = ends[0];
	return child;
}

int child_result(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int run_to_end(char *const *argv, struct tail *tail, int *interrupted)
{
	char bytes[4096];
	int output, status, number;
	ssize_t got = 1;
	pid_t child = child_start(argv, NULL, 0, -1, &output);

	*interrupted = 0;
	tail->length = 0;
	if (child < 0)
		return 127;
	/* The pipe ends with the last process that has it; a helper that stays behind does not count. */
	for (bool ended = false; !ended && got != 0;) {
		struct pollfd wait[] = {{.fd = output, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
		poll(wait, 2, -1);
		while ((number = signals_next())) {
			if (number == SIGCHLD) {
				siginfo_t info = {0};
				waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
				ended |= info.si_pid == child;
			} else if (signal_ends_us(number)) {
				*interrupted = number;
				kill(-child, SIGKILL);
				kill(child, SIGKILL);
			}
		}
		while ((got = read(output, bytes, sizeof(bytes))) > 0)
			tail_add(tail, bytes, (size_t)got);
	}
	close(output);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child_result(status);
}

char *folder_make(void)
{
	const char *place = getenv("TMPDIR");
	char *folder = text_format("%s/gyre.XXXXXX", place && *place ? place : "/tmp");

	if (mkdtemp(folder))
		return folder;
	fail(GYRE_STATUS_FAILED, "%s: %s (TMPDIR names another place for temporary files)", folder, strerror(errno));
	free(folder);
	return NULL;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path), 0;
}

void folder_remove(const char *folder)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
