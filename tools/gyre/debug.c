/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/debug.c: see debug.h. */
#include "tools/gyre/debug.h"
#include "include/gyre/config.h"
#include "include/gyre/frame.h"
#include "tools/gyre/util.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MOST (4u * STREAM_FULL) /* a debugger that does not read is let go */

int debug_open(struct debug_port *port, uint16_t number)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(number), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int on = 1;

	*port = (struct debug_port){.number = number, .client = -1, .out = {.fd = -1}};
	port->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->listener < 0 || setsockopt(port->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(port->listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(GYRE_STATUS_FAILED, "--gdb %u: %s", number, strerror(errno));
	return 0;
}

/* Once: without a listener nobody is waited for. */
static void open_port(struct debug_port *port, struct stream *err)
{
	int error = listen(port->listener, 1) < 0 ? errno : 0;
	char *text = error ? text_format("gyre: no debugger can come to port %u: %s\n", port->number, strerror(error))
			   : text_format("gyre: a debugger may come: target remote :%u\n", port->number);

	stream_add(err, text, strlen(text));
	free(text);
	port->open = true;
	if (error) {
		close(port->listener);
		port->listener = -1;
	}
}

static void let_go(struct debug_port *port)
{
	close(port->client);
	free(port->out.bytes);
	port->out = (struct stream){.fd = -1};
	port->client = -1;
	port->gone = true;
}

void debug_take(struct debug_port *port, const uint8_t *bytes, size_t length, struct stream *err)
{
	if (!port->open)
		open_port(port, err);
	if (port->client < 0)
		return;
	stream_add(&port->out, bytes, length);
	if (stream_pending(&port->out) > OUT_MOST)
		let_go(port);
}

static void ask(struct pollfd *poll, int fd, bool in, bool out)
{
	poll->events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
	poll->fd = poll->events ? fd : -1;
	poll->revents = 0;
}

void debug_watch(struct debug_port *port, struct pollfd *listener, struct pollfd *client, bool take)
{
	ask(listener, port ? port->listener : -1, port && port->open && port->client < 0, false);
	ask(client, port ? port->client : -1, port && port->client >= 0 && take,
		port && port->client >= 0 && stream_pending(&port->out));
}

static void welcome(struct debug_port *port)
{
	int on = 1;

	port->client = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (port->client < 0)
		return;
	setsockopt(port->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	port->out = (struct stream){.fd = port->client};
}

/* What it says, without the byte that says that it went. */
static size_t hear(struct debug_port *port, uint8_t *bytes, size_t room)
{
	ssize_t got = read(port->client, bytes, room);
	size_t kept = 0;

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		let_go(port);
	for (ssize_t i = 0; i < got; i++)
		if (bytes[i] != GYRE_DEBUG_GONE)
			bytes[kept++] = bytes[i];
	return kept;
}

size_t debug_step(struct debug_port *port, const struct pollfd *listener, const struct pollfd *client, uint8_t *bytes,
	size_t room)
{
	size_t said = 0;

	if (!port)
		return 0;
	if (port->client >= 0 && (client->revents & (POLLIN | POLLHUP | POLLERR)))
		said = hear(port, bytes, room - 1);
	if (port->client >= 0 && (client->revents & POLLOUT))
		stream_write(&port->out);
	if (port->client >= 0 && port->out.broken)
		let_go(port);
	/* The machine hears of it before the next one can say anything. */
	if (port->gone)
		bytes[said++] = GYRE_DEBUG_GONE;
	port->gone = false;
	if (listener->revents & POLLIN)
		welcome(port);
	return said;
}
