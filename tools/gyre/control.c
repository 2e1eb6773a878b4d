/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/control.c: `gyre control`: one request to the socket of a `gyre emulate --control`, and its answer for a person or as JSON. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char help[] = "usage: gyre control SOCKET list|accounts [--json]\n"
			   "       gyre control SOCKET start|stop|kill VM [--json]\n"
			   "\n"
			   "Speaks to a machine that runs under gyre emulate --control SOCKET.\n"
			   "\n"
			   "  list               the VMs, and how each ended\n"
			   "  start VM           starts one that is new or has ended\n"
			   "  stop VM            presses its power button and waits for its end; where the guest does "
			   "not react, nothing else is done\n"
			   "  kill VM            ends it at once\n"
			   "  accounts           what is held of the machine; with --core-option accounts=on\n"
			   "  --timeout SECONDS  how long stop waits; left out: 60\n"
			   "  --json             the answer as JSON, one line, as docs/control.md has it\n"
			   "\n"
			   "Exit codes: 0 done, 6 no such socket or VM, 8 wrong state (it runs already, or does not "
			   "run), 12 the machine lacks something, 14 time-out.\n";

#define ANSWER_SECONDS 30.0 /* beside what stop may take */
#define STOP_SECONDS   60.0
#define ANSWER_MOST    (256 * KIB)

struct request {
	const char *word[3]; /* socket, command, VM */
	unsigned words;
	double timeout;
	bool json;
};

static int take_word(void *command, const char *word)
{
	struct request *request = command;

	if (request->words == 3)
		return fail(GYRE_STATUS_USAGE, "\"%s\" is one word too many: gyre control --help", word);
	request->word[request->words++] = word;
	return 0;
}

static int set_json(void *command, const char *value)
{
	(void)value;
	((struct request *)command)->json = true;
	return 0;
}

static int set_timeout(void *command, const char *value)
{
	if (!seconds_parse(value, 86400, &((struct request *)command)->timeout))
		return fail(GYRE_STATUS_USAGE, "--timeout %s: write a number of seconds, a day at most", value);
	return 0;
}

static const struct option_spec options[] = {
	{.name = "--json", .set = set_json},
	{.name = "--timeout", .takes_value = true, .set = set_timeout},
	{.name = NULL},
};

static int check(const struct request *request)
{
	static const char *const names[] = {"list", "accounts", "start", "stop", "kill"};
	unsigned known = 0;

	if (request->words < 2)
		return fail(GYRE_STATUS_USAGE, "control: name the socket and what to do: gyre control --help");
	while (known < 5 && strcmp(request->word[1], names[known]))
		known++;
	if (known == 5) {
		const char *nearest = nearest_name(request->word[1], names, 5);
		return nearest ? fail(GYRE_STATUS_USAGE, "control: unknown command \"%s\": did you mean %s?",
					 request->word[1], nearest)
			       : fail(GYRE_STATUS_USAGE, "control: unknown command \"%s\": gyre control --help",
					 request->word[1]);
	}
	if ((request->words == 3) != (known >= 2))
		return fail(GYRE_STATUS_USAGE, known >= 2 ? "control: %s which VM?" : "control: %s takes no VM",
			request->word[1]);
	return 0;
}

/* ---- the socket --------------------------------------------------------------------------------------------------------- */

static int connect_to(const char *path, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(GYRE_STATUS_USAGE, "%s: a socket's name has %zu bytes at most", path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		return fail(error == ENOENT || error == ENOTDIR ? GYRE_STATUS_NOT_FOUND
			    : error == ECONNREFUSED		? GYRE_STATUS_STATE
								: GYRE_STATUS_FAILED,
			"%s: %s", path, error == ECONNREFUSED ? "no machine listens there any more" : strerror(error));
	}
	return 0;
}

static char *request_line(const struct request *request)
{
	json_t *json = json_object();

	json_object_set_new(json, "command", json_string(request->word[1]));
	if (request->words == 3)
		json_object_set_new(json, "vm", json_string(request->word[2]));
	if (!strcmp(request->word[1], "stop"))
		json_object_set_new(json, "timeout", json_real(request->timeout));
	char *line = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return line;
}

/* A line of the machine's, or NULL: *status says why. */
static char *line_read(int fd, double seconds, int *status)
{
	double end = seconds_now() + seconds;
	char *line = allocate(ANSWER_MOST);
	size_t length = 0;

	while (!memchr(line, '\n', length)) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		double left = end - seconds_now();
		if (left <= 0 || length == ANSWER_MOST) {
			*status = left <= 0 ? fail(GYRE_STATUS_TIMEOUT, "the machine does not answer")
					    : fail(GYRE_STATUS_FAILED, "what answers there is no gyre");
			free(line);
			return NULL;
		}
		if (poll(&wait, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		ssize_t got = recv(fd, line + length, ANSWER_MOST - length, 0);
		if (got <= 0) {
			*status = fail(GYRE_STATUS_STATE, "the machine has ended");
			free(line);
			return NULL;
		}
		length += (size_t)got;
	}
	*(char *)memchr(line, '\n', length) = 0;
	return line;
}

/* ---- the answer --------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void print_list(const json_t *list)
{
	const json_t *vm;
	size_t index;

	printf("%-16s %-10s %6s %8s %8s %7s  %s\n", "NAME", "STATE", "STARTS", "RESTARTS", "MEMORY", "CODE",
		"LAST END");
	json_array_foreach(list, index, vm)
	{
		char *size = size_text((uint64_t)json_integer_value(json_object_get(vm, "memory")));
		char *code = json_is_integer(json_object_get(vm, "code"))
				     ? text_format("%d", (int)json_integer_value(json_object_get(vm, "code")))
				     : text_copy("");
		printf("%-16s %-10s %6d %8d %8s %7s  %s\n", text_of(vm, "name"), text_of(vm, "state"),
			(int)json_integer_value(json_object_get(vm, "starts")),
			(int)json_integer_value(json_object_get(vm, "restarts")), size, code, text_of(vm, "reason"));
		free(size);
		free(code);
	}
}

static void print_accounts(const json_t *accounts)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)accounts, key, value)
	{
		printf("%-12s %lld\n", key, (long long)json_integer_value(value));
	}
}

static int print_answer(const struct request *request, const char *line)
{
	json_t *json = json_loads(line, 0, NULL), *code = json_object_get(json, "code");

	if (!json_is_integer(code))
		return fail(GYRE_STATUS_FAILED, "%s: what answers there is no gyre", request->word[0]);
	int status = (int)json_integer_value(code) & 255;
	if (request->json)
		puts(line);
	else if (status)
		fail(status, "%s", text_of(json, "text"));
	else if (json_object_get(json, "vms"))
		print_list(json_object_get(json, "vms"));
	else if (json_object_get(json, "accounts"))
		print_accounts(json_object_get(json, "accounts"));
	else if (*text_of(json, "text") && strcmp(request->word[1], "start"))
		puts(text_of(json, "text"));
	json_decref(json);
	return fflush(stdout) ? fail(GYRE_STATUS_FAILED, "standard output cannot be written") : status;
}

int command_control(char **argv)
{
	struct request request = {.timeout = STOP_SECONDS};
	struct arguments arguments = {.options = options, .command = &request, .help = help, .word = take_word};
	int fd = -1, status = arguments_parse(&arguments, argv);

	if (status >= 0)
		return status;
	if ((status = check(&request)) || (status = connect_to(request.word[0], &fd)))
		return status;
	char *line = request_line(&request), *whole = line ? text_format("%s\n", line) : NULL;
	if (!whole)
		return fail(GYRE_STATUS_USAGE, "%s is no name of a VM", request.word[2]);
	if (send(fd, whole, strlen(whole), MSG_NOSIGNAL) != (ssize_t)strlen(whole))
		return fail(GYRE_STATUS_STATE, "%s: %s", request.word[0], strerror(errno));
	char *got = line_read(fd, request.timeout + ANSWER_SECONDS, &status);
	if (got)
		status = print_answer(&request, got);
	free(got);
	free(whole);
	free(line);
	close(fd);
	return status;
}
