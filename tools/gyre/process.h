/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/process.h: child processes and signals. Signals that end us are taken from a descriptor, so that children are stopped and
 * temporary files removed first; then the command dies of the same signal, as a shell expects it.
 */
#ifndef TOOLS_GYRE_PROCESS_H
#define TOOLS_GYRE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The newest bytes that a child wrote. */
struct tail {
	char text[8192];
	size_t length;
};
void tail_add(struct tail *tail, const char *bytes, size_t length);
/* As text: zero-terminated, no control characters but line ends, none at the end. Borrowed. */
const char *tail_text(struct tail *tail);

/* Readable when one of SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGTSTP or SIGCONT came: all of them are blocked from the first call on. */
int signals_fd(void);
/* The next signal of the descriptor, 0 for none. */
int signals_next(void);
bool signal_ends_us(int signal);
_Noreturn void die_of_signal(int signal);

/* Starts a program in a process group of its own that dies with us. Its standard input is `input`, or empty if that is -1; its output and errors
 * go to *output (a non-blocking pipe); `keep` are `kept` descriptors that it inherits under their numbers. -1: said why. */
pid_t child_start(char *const *argv, const int *keep, size_t kept, int input, int *output);
/* 0 to 255: exited with it; -N: killed by signal N. */
int child_result(int wait_status);

/* Runs a program to its end. Its result; what it wrote is in *output. A signal meanwhile stops it and is left in *interrupted. */
int run_to_end(char *const *argv, struct tail *output, int *interrupted);

/* A new folder for temporary files, and away with it and all inside. */
char *folder_make(void);
void folder_remove(const char *folder);

#endif
