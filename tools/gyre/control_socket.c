/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/control_socket.c: see control.h. One request at a time for each client; what it writes meanwhile waits in its socket. */
#include "tools/gyre/control.h"
#include "include/gyre/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 20.0 /* root's time for an answer, and a killed VM's to be gone */
#define STOP_SECONDS   60.0 /* a guest's time to power off, unless the request has another */
#define STOP_MOST      86400.0

enum client_state { CLIENT_IDLE, CLIENT_ASKED, CLIENT_ENDING }; /* ENDING: waits for the end of its VM */

struct client {
	int fd; /* -1: none */
	enum client_state state;
	char in[CONTROL_LINE_BYTES];
	size_t in_length;
	bool in_ended; /* nothing more comes */
	char *out;
	size_t out_length, out_done;
	json_t *id, *vms; /* of the request; the list so far */
	uint32_t wire_id, what;
	unsigned vm;
	double deadline, timeout, active;
};

struct control {
	int fd;
	char *path;
	const struct description *description;
	uint32_t last_id;
	struct client client[CONTROL_CLIENTS];
};

static const char *const command_name[] = {
	[GYRE_CONTROL_LIST] = "list",
	[GYRE_CONTROL_START] = "start",
	[GYRE_CONTROL_STOP] = "stop",
	[GYRE_CONTROL_KILL] = "kill",
	[GYRE_CONTROL_ACCOUNTS] = "accounts",
};
#define COMMANDS (sizeof(command_name) / sizeof(command_name[0]))

static const char *const state_name[GYRE_STATES] = {
	[GYRE_STATE_NEW] = "new",
	[GYRE_STATE_RUNNING] = "running",
	[GYRE_STATE_STOPPING] = "stopping",
	[GYRE_STATE_ENDING] = "ending",
	[GYRE_STATE_RESTARTING] = "restarting",
	[GYRE_STATE_ENDED] = "ended",
};

/* ---- the socket --------------------------------------------------------------------------------------------------------- */

/* A socket that an emulate left behind which was killed: nobody answers on it. */
static void remove_stale(const struct sockaddr_un *address)
{
	struct stat about;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && lstat(address->sun_path, &about) == 0 && S_ISSOCK(about.st_mode) &&
		connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED)
		unlink(address->sun_path);
	if (fd >= 0)
		close(fd);
}

int control_open(struct control **control, const char *path, const struct description *description)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(GYRE_STATUS_USAGE, "--control %s: a socket's name has %zu bytes at most", path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	remove_stale(&address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177);
	int error = fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
				    listen(fd, CONTROL_CLIENTS) < 0
			    ? errno
			    : 0;
	umask(mask);
	if (error) {
		if (fd >= 0)
			close(fd);
		return error == EADDRINUSE ? fail(GYRE_STATUS_STATE,
						     "--control %s is there already, and in use: name another", path)
					   : fail(GYRE_STATUS_FAILED, "--control %s: %s", path, strerror(error));
	}
	*control = allocate(sizeof(**control));
	(*control)->fd = fd;
	(*control)->path = text_copy(path);
	(*control)->description = description;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		(*control)->client[i].fd = -1;
	return 0;
}

static void request_done(struct client *client)
{
	client->state = CLIENT_IDLE;
	json_decref(client->id);
	json_decref(client->vms);
	client->id = client->vms = NULL;
}

static void client_drop(struct client *client)
{
	close(client->fd);
	request_done(client);
	free(client->out);
	*client = (struct client){.fd = -1};
}

static void client_accept(struct control *control)
{
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *place = NULL, *silent = &control->client[0];

	if (fd < 0)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];
		if (client->fd < 0)
			place = client;
		else if (client->active < silent->active)
			silent = client;
	}
	if (!place) {
		client_drop(silent);
		place = silent;
	}
	place->fd = fd;
	place->active = seconds_now();
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

static void client_write(struct client *client)
{
	ssize_t done = send(
		client->fd, client->out + client->out_done, client->out_length - client->out_done, MSG_NOSIGNAL);

	if (done < 0 && errno != EAGAIN && errno != EINTR)
		return client_drop(client);
	client->out_done += done > 0 ? (size_t)done : 0;
	if (client->out_done == client->out_length) {
		free(client->out);
		client->out = NULL;
	}
}

/* `more`, under its name, or NULL; it is taken. Only an idle client without an answer on its way comes here again. */
static void answer(struct client *client, int code, const char *text, const char *name, json_t *more)
{
	json_t *json = json_object();

	if (client->id)
		json_object_set(json, "id", client->id);
	json_object_set_new(json, "code", json_integer(code));
	json_object_set_new(json, "text", json_string(text));
	if (more)
		json_object_set_new(json, name, more);
	char *line = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	request_done(client);
	if (!line)
		return client_drop(client);
	client->out = text_format("%s\n", line);
	client->out_length = strlen(client->out);
	client->out_done = 0;
	client->active = seconds_now();
	free(line);
	client_write(client);
}

static void answer_words(struct client *client, int code, char *text)
{
	answer(client, code, text, NULL, NULL);
	free(text);
}

/* What the machine says is foreign: printable characters of it, up to its zero. */
static json_t *foreign_text(const char *text, size_t bytes)
{
	char clean[128];
	size_t length = 0;

	for (; length < bytes && length + 1 < sizeof(clean) && text[length]; length++)
		clean[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
	clean[length] = 0;
	return json_string(clean);
}

static const char *vm_name(const struct control *control, const struct client *client)
{
	return control->description->vm[client->vm].name;
}

static json_t *vm_json(const struct gyre_control_vm *vm)
{
	json_t *json = json_object();
	bool ended = vm->starts && (vm->state == GYRE_STATE_ENDED || vm->state == GYRE_STATE_RESTARTING);

	json_object_set_new(json, "name", foreign_text(vm->name, sizeof(vm->name)));
	json_object_set_new(json, "state", json_string(vm->state < GYRE_STATES ? state_name[vm->state] : "unknown"));
	json_object_set_new(json, "starts", json_integer(vm->starts));
	json_object_set_new(json, "restarts", json_integer(vm->restarts));
	json_object_set_new(json, "memory", json_integer((json_int_t)vm->memory));
	json_object_set_new(json, "frames", json_integer(vm->frames));
	json_object_set_new(json, "code", ended ? json_integer(vm->code) : json_null());
	json_object_set_new(json, "reason", ended ? foreign_text(vm->text, sizeof(vm->text)) : json_null());
	return json;
}

static void take_list(struct client *client, const struct gyre_control_reply *reply, const uint8_t *data)
{
	if (!client->vms)
		client->vms = json_array();
	if (json_array_size(client->vms) + reply->count > GYRE_CONFIG_VMS)
		return answer(client, GYRE_STATUS_FAILED, "the machine's list makes no sense", NULL, NULL);
	for (uint32_t i = 0; i < reply->count; i++) {
		struct gyre_control_vm vm;
		memcpy(&vm, data + i * sizeof(vm), sizeof(vm));
		json_array_append_new(client->vms, vm_json(&vm));
	}
	if (!reply->more)
		answer(client, 0, "", "vms", json_incref(client->vms));
}

static json_t *accounts_json(const uint8_t *data)
{
	struct gyre_control_accounts accounts;

	memcpy(&accounts, data, sizeof(accounts));
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i}", "pages_free", (json_int_t)accounts.pages_free,
		"frames", (json_int_t)accounts.frames, "objects", (json_int_t)accounts.objects, "handles",
		(json_int_t)accounts.handles, "root_frames", (json_int_t)accounts.root_frames, "root_handles",
		(json_int_t)accounts.root_handles, "compared", (json_int_t)accounts.compared, "differed",
		(json_int_t)accounts.differed, "running", (int)accounts.running);
}

static void take_reply(
	struct control *control, struct client *client, const struct gyre_control_reply *reply, const uint8_t *data)
{
	char text[sizeof(reply->text) + 1] = {0};

	memcpy(text, reply->text, sizeof(reply->text));
	if (client->what == GYRE_CONTROL_LIST && !reply->code)
		return take_list(client, reply, data);
	if (client->what == GYRE_CONTROL_ACCOUNTS && !reply->code && reply->count)
		return answer(client, 0, "", "accounts", accounts_json(data));
	/* Asked to end, it ends a while later; words say that it has already. */
	if (!reply->code && !*text && (client->what == GYRE_CONTROL_STOP || client->what == GYRE_CONTROL_KILL)) {
		client->state = CLIENT_ENDING;
		client->deadline = seconds_now() +
				   (client->what == GYRE_CONTROL_STOP ? client->timeout : ANSWER_SECONDS);
		return;
	}
	json_t *clean = foreign_text(text, sizeof(text));
	answer_words(client, reply->code,
		text_format("%s%s%s", vm_name(control, client), *text ? ": " : "", json_string_value(clean)));
	json_decref(clean);
}

void control_reply(struct control *control, const uint8_t *data, size_t length)
{
	struct gyre_control_reply reply;

	if (!control || length < sizeof(reply))
		return;
	memcpy(&reply, data, sizeof(reply));
	size_t each = reply.what == GYRE_CONTROL_LIST	    ? sizeof(struct gyre_control_vm)
		      : reply.what == GYRE_CONTROL_ACCOUNTS ? sizeof(struct gyre_control_accounts)
							    : 0;
	if (reply.count > (each ? GYRE_FRAME_DATA : 0) || length != sizeof(reply) + reply.count * each)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];
		if (client->fd >= 0 && client->state == CLIENT_ASKED && client->wire_id == reply.id &&
			client->what == reply.what)
			return take_reply(control, client, &reply, data + sizeof(reply));
	}
}

void control_ended(struct control *control, unsigned vm)
{
	for (unsigned i = 0; control && i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];
		if (client->fd >= 0 && client->state == CLIENT_ENDING && client->vm == vm)
			answer_words(client, 0, text_format("%s has ended", vm_name(control, client)));
	}
}

static void client_late(struct control *control, struct client *client)
{
	if (client->state == CLIENT_ASKED || client->what == GYRE_CONTROL_KILL)
		return answer_words(client, GYRE_STATUS_TIMEOUT, text_copy("the machine does not answer"));
	answer_words(client, GYRE_STATUS_TIMEOUT,
		text_format("%s has not powered off within %g seconds, and runs on: kill ends it",
			vm_name(control, client), client->timeout));
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];
		if (client->fd >= 0 && client->state != CLIENT_IDLE)
			answer_words(client, GYRE_STATUS_STATE, text_copy("the machine has ended"));
		if (client->fd >= 0)
			client_drop(client);
	}
	close(control->fd);
	unlink(control->path);
	free(control->path);
	free(control);
}

/* ---- requests ----------------------------------------------------------------------------------------------------------- */

static int find_vm(const struct control *control, const json_t *name, unsigned *vm)
{
	for (*vm = 0; json_is_string(name) && *vm < control->description->vms; (*vm)++)
		if (!strcmp(json_string_value(name), control->description->vm[*vm].name))
			return 0;
	return json_is_string(name) ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_USAGE;
}

/* NULL, or what is wrong with it; *code says how. The id, if there is one, is the client's from here on. */
static const char *request_check(struct control *control, struct client *client, json_t *json, int *code)
{
	json_t *command = json_object_get(json, "command"), *timeout = json_object_get(json, "timeout"), *value;
	const char *key;

	*code = GYRE_STATUS_USAGE;
	if (!json_is_object(json))
		return "a request is a JSON object on one line";
	json_t *id = json_object_get(json, "id");
	if (id && !json_is_integer(id) && !json_is_string(id))
		return "id is a number or a text";
	client->id = json_incref(id);
	json_object_foreach(json, key, value)
	{
		if (strcmp(key, "id") && strcmp(key, "command") && strcmp(key, "vm") && strcmp(key, "timeout"))
			return "the keys are id, command, vm and timeout";
	}
	for (client->what = 1; json_is_string(command) && client->what < COMMANDS; client->what++)
		if (!strcmp(json_string_value(command), command_name[client->what]))
			break;
	if (!json_is_string(command) || client->what == COMMANDS)
		return "the commands are list, start, stop, kill and accounts";
	client->timeout = timeout ? json_number_value(timeout) : STOP_SECONDS;
	if (!(client->timeout > 0) || client->timeout > STOP_MOST)
		return "timeout is a number of seconds, a day at most";
	if (client->what == GYRE_CONTROL_LIST || client->what == GYRE_CONTROL_ACCOUNTS) {
		client->vm = GYRE_FRAME_MACHINE;
		return json_object_get(json, "vm") ? "this command takes no vm" : NULL;
	}
	*code = find_vm(control, json_object_get(json, "vm"), &client->vm);
	return *code == GYRE_STATUS_USAGE ? "vm is the name of one" : *code ? "there is no VM of this name" : NULL;
}

static void request_take(struct control *control, struct client *client, const char *line, size_t length,
	control_send *send, void *session)
{
	json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	int code = GYRE_STATUS_USAGE;
	const char *wrong = json ? request_check(control, client, json, &code) : "this is no JSON";

	json_decref(json);
	if (wrong)
		return answer(client, code, wrong, NULL, NULL);
	struct gyre_control_request request = {.id = ++control->last_id, .what = client->what};
	client->wire_id = request.id;
	client->state = CLIENT_ASKED;
	client->deadline = seconds_now() + ANSWER_SECONDS;
	send(session, (uint8_t)client->vm, &request, sizeof(request));
}

/* The next line, if it is whole. A client that went on writing a line without end is told and goes. */
static void line_take(struct control *control, struct client *client, control_send *send, void *session)
{
	char *end = memchr(client->in, '\n', client->in_length);
	size_t length = end ? (size_t)(end - client->in) : client->in_length;

	if (!end && client->in_length < sizeof(client->in)) {
		if (client->in_ended)
			client_drop(client);
		return;
	}
	if (!end) {
		answer(client, GYRE_STATUS_USAGE, "the line is too long", NULL, NULL);
		if (client->fd >= 0)
			client_drop(client);
		return;
	}
	request_take(control, client, client->in, length, send, session);
	if (client->fd < 0)
		return;
	client->in_length -= length + 1;
	memmove(client->in, end + 1, client->in_length);
}

static void client_read(struct client *client)
{
	ssize_t got = recv(client->fd, client->in + client->in_length, sizeof(client->in) - client->in_length, 0);

	if (got > 0) {
		client->in_length += (size_t)got;
		client->active = seconds_now();
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		client->in_ended = true;
	}
}

static bool wants_request(const struct client *client)
{
	return client->state == CLIENT_IDLE && !client->out;
}

/* ---- the loop ----------------------------------------------------------------------------------------------------------- */

void control_watch(struct control *control, bool ready, struct pollfd *polls, double *wait)
{
	double now = seconds_now();

	for (unsigned i = 0; i < CONTROL_POLLS; i++)
		polls[i] = (struct pollfd){.fd = -1};
	if (!control)
		return;
	polls[0] = (struct pollfd){.fd = control->fd, .events = POLLIN};
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *client = &control->client[i];
		bool reads = ready && wants_request(client) && !client->in_ended;
		polls[1 + i].fd = ready ? client->fd : -1;
		polls[1 + i].events = (short)((reads ? POLLIN : 0) | (client->out ? POLLOUT : 0));
		if (client->fd >= 0 && client->state != CLIENT_IDLE && client->deadline - now < *wait)
			*wait = client->deadline > now ? client->deadline - now : 0;
		/* A second request may have come with the first. */
		if (client->fd >= 0 && ready && wants_request(client) &&
			(client->in_ended || memchr(client->in, '\n', client->in_length)))
			*wait = 0;
	}
}

void control_step(struct control *control, bool ready, const struct pollfd *polls, control_send *send, void *session)
{
	for (unsigned i = 0; control && i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];
		short came = client->fd >= 0 && polls[1 + i].fd == client->fd ? polls[1 + i].revents : 0;
		if (came & POLLOUT && client->out)
			client_write(client);
		if (client->fd >= 0 && came & (POLLHUP | POLLERR) && !(came & POLLIN) && client->state != CLIENT_IDLE)
			client_drop(client); /* nobody is there for the answer */
		if (client->fd >= 0 && ready && came & (POLLIN | POLLHUP | POLLERR) && wants_request(client))
			client_read(client);
		if (client->fd >= 0 && ready && wants_request(client) && (client->in_length || client->in_ended))
			line_take(control, client, send, session);
		if (client->fd >= 0 && client->state != CLIENT_IDLE && seconds_now() >= client->deadline)
			client_late(control, client);
	}
	if (control && polls[0].revents & POLLIN)
		client_accept(control);
}
