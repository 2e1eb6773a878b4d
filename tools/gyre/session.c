/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/session.c: one loop over all that can happen; every wait has an end. */
#include "tools/gyre/session.h"
#include "tools/gyre/control.h"
#include "tools/gyre/consoles.h"
#include "tools/gyre/counters.h"
#include "tools/gyre/lines.h"
#include "tools/gyre/process.h"
#include "tools/gyre/stream.h"
#include "tools/gyre/terminal.h"
#include "tools/gyre/trace_file.h"
#include "lib/frame.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PANIC_SECONDS 1.0   /* after the last piece of a panic's text */
#define OFF_SECONDS   5.0   /* from "the machine powers off" to the emulator's end */
#define QUIT_SECONDS  1.5   /* root's time to end the VMs */
#define IDLE_SECONDS  0.25  /* text without a line end is shown after this */
#define INPUT_MOST    4096u /* typed and not yet taken by the machine */

struct vm_view {
	struct lines log, console;
	bool ended;
	struct gyre_frame_exit end;
};

/* Where frames come from. */
struct channel {
	struct frame_decoder decoder;
	uint64_t gaps; /* known of */
};

struct session {
	const struct session_config *config;
	struct machine *machine;
	unsigned vms;
	struct vm_view vm[GYRE_CONFIG_VMS];
	struct lines core;
	struct stream out, err;
	struct stream to_com1, to_com2;
	struct channel port, between; /* COM2, and the emulator's own output */
	uint8_t sequence;
	struct tail emulator, early, last_log, panic;
	struct consoles *consoles; /* on a terminal, both ways; else NULL, and only the next four serve */
	struct keys keys;
	struct answers answers;
	double typed; /* when something was, last */
	unsigned view;
	struct stream aside; /* lines on their way to a history */
	bool input_open, output_tty, error_tty, com1_open, com2_open, emulator_open;
	bool heard, ready, machine_ended, panicked, quit, timed_out, silent, no_reader;
	int32_t machine_code;
	double started, panic_since, off_since, quit_since;
	bool exited;
	int result;
	int interrupted;
	bool trace_failed;
};

/* ---- to the machine -------------------------------------------------------------------------------------------------- */

static void add_frame_bytes(struct stream *stream, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	uint8_t line[2];

	for (size_t i = 0; i < bytes; i++)
		stream_add(stream, line, gyre_frame_byte(from[i], line));
}

static void send_frame(struct session *session, uint8_t type, uint8_t vm, const void *data, uint16_t length)
{
	struct gyre_frame_header header = gyre_frame_header(type, vm, length, session->sequence++);

	stream_add(&session->to_com2, &header.magic0, 1);
	add_frame_bytes(&session->to_com2, (const uint8_t *)&header + 1, sizeof(header) - 1);
	add_frame_bytes(&session->to_com2, data, length);
}

static void send_request(void *session, uint8_t vm, const void *data, uint16_t length)
{
	send_frame(session, GYRE_FRAME_CONTROL, vm, data, length);
}

static size_t input_pending(const struct session *session)
{
	return stream_pending(&session->to_com1) + stream_pending(&session->to_com2);
}

static void send_input(void *context, unsigned vm, const uint8_t *bytes, size_t length)
{
	struct session *session = context;

	/* What the machine does not take is lost: waiting would keep Ctrl-] q from us. Only a terminal comes here with more. */
	if (!length || input_pending(session) + length > INPUT_MOST)
		return;
	if (vm == 0)
		stream_add(&session->to_com1, bytes, length);
	else
		send_frame(session, GYRE_FRAME_CONSOLE, (uint8_t)vm, bytes, (uint16_t)length);
}

/* ---- to the person ------------------------------------------------------------------------------------------------------ */

static void say_line(struct session *session, const char *text)
{
	struct lines words = {.name = "gyre", .out = &session->err};

	lines_add(&words, text, strlen(text));
	lines_flush(&words, 0);
}

static void show_view(struct session *session, unsigned view)
{
	if (view >= session->vms) {
		char *text = text_format("there is no VM %u: 1 to %u are", view + 1, session->vms);
		say_line(session, text);
		free(text);
		return;
	}
	lines_flush(&session->vm[view].console, 0);
	session->view = view;
	char *text = text_format("this is %s", session->config->description->vm[view].name);
	say_line(session, text);
	free(text);
}

/* A VM's console. Where there is no terminal the first one's is standard output, whatever is shown. */
static void put_console(struct session *session, unsigned vm, const void *bytes, size_t length)
{
	bool viewed = session->view == vm;

	if (session->consoles)
		consoles_output(session->consoles, vm, bytes, length);
	else if (vm == 0 && (viewed || !session->output_tty))
		stream_add(&session->out, bytes, length);
	else if (viewed)
		stream_add(&session->err, bytes, length);
	else
		lines_add(&session->vm[vm].console, bytes, length);
}

/* Whether lines about this VM go to its history, and so to whoever looks at it, and not into what the terminal shows. */
static bool is_aside(const struct session *session, unsigned vm)
{
	return session->consoles && session->error_tty && vm < session->vms && !consoles_shows(session->consoles, vm);
}

static void quit(void *context)
{
	struct session *session = context;

	if (session->quit)
		machine_kill(session->machine);
	session->quit = true;
	session->quit_since = seconds_now();
	if (session->ready)
		send_frame(session, GYRE_FRAME_QUIT, GYRE_FRAME_MACHINE, NULL, 0);
	else
		machine_kill(session->machine);
}

/* Where only the input is a terminal, or standard error too: then a VM that is viewed can ask it for answers. */
static void key_pressed(struct session *session, uint8_t byte, uint8_t *send, size_t *count)
{
	switch (keys_next(&session->keys, byte)) {
	case KEY_SEND: send[(*count)++] = byte; break;
	case KEY_QUIT: quit(session); break;
	case KEY_VIEW:
		send_input(session, session->view, send, *count);
		*count = 0;
		show_view(session, byte - '1');
		break;
	case KEY_NONE: break;
	default: say_line(session, "Ctrl-] then: 1 to 9 shows that VM, q quits, Ctrl-] sends Ctrl-]"); break;
	}
}

static bool wants_input(const struct session *session)
{
	return session->input_open && (terminal_is_raw() || input_pending(session) < INPUT_MOST / 2);
}

static void read_input(struct session *session)
{
	uint8_t bytes[1024], send[1024], held[ANSWERS_HELD + 1];
	size_t count = 0;
	ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (got <= 0) {
		/* The end of the input changes nothing for the guest. */
		if (got == 0 || (errno != EINTR && errno != EAGAIN))
			session->input_open = false;
		return;
	}
	if (!terminal_is_raw())
		return send_input(session, session->view, bytes, (size_t)got);
	if (session->consoles)
		return consoles_input(session->consoles, bytes, (size_t)got);
	if (seconds_now() - session->typed >= CONSOLE_IDLE_MS / 1000.0)
		answers_idle(&session->answers, held);
	session->typed = seconds_now();
	for (ssize_t i = 0; i < got; i++) {
		bool inside = answers_inside(&session->answers);
		/* No time: none is taken out, so there is no more than this byte. */
		answers_next(&session->answers, bytes[i], 0, held);
		if (inside)
			send[count++] = bytes[i];
		else
			key_pressed(session, bytes[i], send, &count);
	}
	send_input(session, session->view, send, count);
}

/* ---- frames from the machine ------------------------------------------------------------------------------------------ */

/* Lines of a VM's log: to standard error; aside, into its history. */
static struct lines *log_of(struct session *session, unsigned vm)
{
	session->vm[vm].log.out = is_aside(session, vm) ? &session->aside : &session->err;
	return &session->vm[vm].log;
}

static void put_aside(struct session *session, unsigned vm)
{
	if (stream_pending(&session->aside))
		consoles_output(session->consoles, vm, session->aside.bytes, stream_pending(&session->aside));
	stream_forget(&session->aside);
}

static void log_add(struct session *session, unsigned vm, const void *bytes, size_t length)
{
	lines_add(log_of(session, vm), bytes, length);
	put_aside(session, vm);
}

static void log_flush(struct session *session, unsigned vm, double seconds)
{
	lines_flush(log_of(session, vm), seconds);
	put_aside(session, vm);
}

static void take_exit(struct session *session, unsigned vm, const uint8_t *data, size_t length)
{
	struct vm_view *view = &session->vm[vm];
	struct gyre_frame_exit end = {0};

	if (vm >= session->vms || length != sizeof(end))
		return say_line(session, "the machine sent an exit frame that makes no sense");
	memcpy(&end, data, sizeof(end));
	end.text[sizeof(end.text) - 1] = 0;
	lines_flush(&view->console, 0);
	view->ended = true;
	view->end = end;
	/* A text that the frame had no room for was logged whole before. */
	log_flush(session, vm, 0);
	/* Who sits at a terminal is told in any case. */
	if (session->consoles && !*end.text)
		snprintf(end.text, sizeof(end.text), "exit code %d", end.code & 255);
	if (session->consoles)
		console_ended(&session->consoles->console, vm, end.text);
	if (is_aside(session, vm) || !lines_begin_last(&view->log, end.text)) {
		view->log.out = &session->err;
		lines_add(&view->log, end.text, strlen(end.text));
		lines_flush(&view->log, 0);
	}
}

static void take_trace(struct session *session, unsigned vm, const uint8_t *data, size_t length)
{
	struct trace_file_piece piece = {.vm = vm, .records = (uint32_t)(length / sizeof(struct gyre_trace_record))};
	FILE *file = session->config->trace;

	if (!file || session->trace_failed || vm >= session->vms)
		return;
	if (fwrite(&piece, sizeof(piece), 1, file) != 1 ||
		fwrite(data, sizeof(struct gyre_trace_record), piece.records, file) != piece.records) {
		say_line(session, "the trace file cannot be written: the trace ends here");
		session->trace_failed = true;
	}
}

static void take_log(struct session *session, unsigned vm, const uint8_t *data, size_t length)
{
	session->last_log.length = 0;
	tail_add(&session->last_log, (const char *)data, length);
	if (vm < session->vms)
		log_add(session, vm, data, length);
	else
		lines_add(&session->core, data, length);
}

/* Who takes the channel over counts from 0 again; a panic comes from the core, whose count has been another since. */
static void count_lost(struct session *session, struct channel *channel)
{
	const struct gyre_frame_header *header = &channel->decoder.header;

	if (channel->gaps == channel->decoder.gaps)
		return;
	channel->gaps = channel->decoder.gaps;
	if (header->sequence != 0 && header->type != GYRE_FRAME_PANIC && !session->panicked)
		say_line(session, "something that the machine said was lost (frames are missing)");
}

static void take_frame(struct session *session, struct channel *channel)
{
	const struct gyre_frame_header *header = &channel->decoder.header;
	const uint8_t *data = frame_data(&channel->decoder);

	session->heard = true;
	count_lost(session, channel);
	switch (header->type) {
	case GYRE_FRAME_LOG: take_log(session, header->vm, data, header->length); break;
	case GYRE_FRAME_CONSOLE:
		if (header->vm < session->vms)
			put_console(session, header->vm, data, header->length);
		break;
	case GYRE_FRAME_EXIT:
		take_exit(session, header->vm, data, header->length);
		control_ended(session->config->control, header->vm);
		break;
	case GYRE_FRAME_MACHINE_END:
		if (header->length == sizeof(session->machine_code))
			memcpy(&session->machine_code, data, sizeof(session->machine_code));
		session->machine_ended = true;
		session->off_since = seconds_now();
		break;
	case GYRE_FRAME_PANIC:
		lines_add(&session->core, data, header->length);
		tail_add(&session->panic, (const char *)data, header->length);
		session->panicked = true;
		session->panic_since = seconds_now();
		break;
	case GYRE_FRAME_TRACE: take_trace(session, header->vm, data, header->length); break;
	case GYRE_FRAME_COUNTERS:
		if (session->config->counters && header->vm < session->vms)
			counters_add(session->config->description->vm[header->vm].name, data, header->length);
		break;
	case GYRE_FRAME_DEBUG:
		if (session->config->debug && header->vm == 0)
			debug_take(session->config->debug, data, header->length, &session->err);
		break;
	case GYRE_FRAME_READY: session->ready = true; break;
	case GYRE_FRAME_CONTROL: control_reply(session->config->control, data, header->length); break;
	default: break; /* a later Gyre's */
	}
}

static bool is_unfinished(const struct channel *channel)
{
	return channel->decoder.have && !channel->decoder.complete;
}

static void feed_frames(struct session *session, struct channel *channel, const uint8_t *bytes, size_t length)
{
	/* Before the core's first frame it is GRUB and the firmware that speak. */
	if (!session->heard)
		tail_add(&session->early, (const char *)bytes, length);
	while (length) {
		int complete;
		size_t taken = frame_decode(&channel->decoder, bytes, length, &complete);
		if (complete)
			take_frame(session, channel);
		bytes += taken;
		length -= taken;
	}
}

/* What the emulator says, and frames between its words: it begins none of them with a frame's first byte. */
static void feed_emulator(struct session *session, const char *bytes, size_t length)
{
	struct channel *channel = &session->between;

	while (length) {
		const char *frame = memchr(bytes, GYRE_FRAME_MAGIC0, length);
		size_t words = frame ? (size_t)(frame - bytes) : length, taken;
		int complete;
		if (!session->machine->emulator->output_has_frames)
			words = length;
		if (words && !is_unfinished(channel)) {
			tail_add(&session->emulator, bytes, words);
			if (session->machine->emulator->listen)
				session->machine->emulator->listen(session->machine, bytes, words);
			taken = words;
		} else {
			taken = frame_decode(&channel->decoder, bytes, length, &complete);
			if (complete)
				take_frame(session, channel);
		}
		bytes += taken;
		length -= taken;
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------- */

/* Who reads what the person's side writes is behind: what comes by frames waits. A console that only goes to a history fills nothing. */
static bool is_full(const struct session *session)
{
	return stream_pending(&session->err) >= STREAM_FULL ||
	       (session->consoles && stream_pending(&session->out) >= STREAM_FULL);
}

static bool read_com2(struct session *session, bool all)
{
	uint8_t bytes[16384];
	ssize_t got;

	do {
		got = read(session->machine->com2, bytes, sizeof(bytes));
		if (got > 0)
			feed_frames(session, &session->port, bytes, (size_t)got);
	} while (got > 0 && (all || !is_full(session)));
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool read_com1(struct session *session, bool all)
{
	uint8_t bytes[16384];
	ssize_t got;

	do {
		got = read(session->machine->com1, bytes, sizeof(bytes));
		/* OVMF writes its screen to the serial ports too. Nothing of the guest's can come before the core's first frame. */
		if (got > 0 && !(session->config->uefi && !session->heard))
			put_console(session, 0, bytes, (size_t)got);
	} while (got > 0 && (all || stream_pending(&session->out) < STREAM_FULL));
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void read_machine(struct session *session, bool com1_ready, bool com2_ready)
{
	bool heard = session->heard;

	if (com1_ready && !heard && session->com1_open)
		session->com1_open = read_com1(session, false);
	if (com2_ready)
		session->com2_open = read_com2(session, false);
	if (!heard && session->heard && session->config->uefi) {
		/* What the firmware still had in the pipe. */
		uint8_t bytes[4096];
		while (read(session->machine->com1, bytes, sizeof(bytes)) > 0)
			;
	}
	if (com1_ready && heard && session->com1_open)
		session->com1_open = read_com1(session, false);
}

static void read_emulator(struct session *session)
{
	char bytes[16384];
	ssize_t got;

	while ((got = read(session->machine->output, bytes, sizeof(bytes))) > 0)
		feed_emulator(session, bytes, (size_t)got);
	if (got == 0)
		session->emulator_open = false;
	if (session->machine->stopped)
		machine_kill(session->machine);
}

static void take_signals(struct session *session)
{
	int number, status;

	while ((number = signals_next())) {
		if (signal_ends_us(number)) {
			session->interrupted = number;
			machine_kill(session->machine);
		} else if (number == SIGTSTP) {
			terminal_restore();
			raise(SIGSTOP);
		} else if (number == SIGCONT && session->input_open) {
			terminal_raw();
			if (session->consoles)
				consoles_again(session->consoles);
		}
	}
	if (!session->exited && waitpid(session->machine->process, &status, WNOHANG) == session->machine->process) {
		session->exited = true;
		session->result = child_result(status);
	}
}

/* The least of the times that are due; kills the machine where one has passed. */
static double check_deadlines(struct session *session)
{
	double now = seconds_now(), least = 60;
	struct {
		bool armed, *passed;
		double since, after;
	} deadline[] = {
		{session->config->timeout > 0, &session->timed_out, session->started, session->config->timeout},
		{!session->heard, &session->silent, session->started, session->config->silence},
		{session->panicked, NULL, session->panic_since, PANIC_SECONDS},
		{session->machine_ended, NULL, session->off_since, OFF_SECONDS},
		{session->quit, NULL, session->quit_since, QUIT_SECONDS},
	};
	for (size_t i = 0; i < sizeof(deadline) / sizeof(deadline[0]); i++) {
		double left = deadline[i].since + deadline[i].after - now;
		if (!deadline[i].armed)
			continue;
		if (left <= 0) {
			/* The end that came first counts. */
			if (deadline[i].passed && !session->panicked && !session->machine_ended && !session->quit)
				*deadline[i].passed = true;
			machine_kill(session->machine);
			left = 0.1;
		}
		least = left < least ? left : least;
	}
	return least;
}

static void flush_idle(struct session *session, double seconds, double *wait)
{
	bool waiting = session->core.length > 0;

	lines_flush(&session->core, seconds);
	for (unsigned i = 0; i < session->vms; i++) {
		lines_flush(&session->vm[i].console, seconds);
		log_flush(session, i, seconds);
		waiting |= session->vm[i].console.length || session->vm[i].log.length;
	}
	if (waiting && *wait > seconds)
		*wait = seconds;
}

enum {
	POLL_SIGNALS,
	POLL_EMULATOR,
	POLL_COM1,
	POLL_COM2,
	POLL_STDIN,
	POLL_STDOUT,
	POLL_STDERR,
	POLL_DEBUG,
	POLL_DEBUGGER,
	POLL_CONTROL,
	POLL_COUNT = POLL_CONTROL + CONTROL_POLLS
};

static void watch(struct pollfd *poll, int fd, bool in, bool out)
{
	poll->events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
	poll->fd = poll->events ? fd : -1;
	poll->revents = 0;
}

static void step(struct session *session)
{
	struct pollfd polls[POLL_COUNT];
	uint8_t from_debugger[DEBUG_MOST];
	double wait = check_deadlines(session);

	flush_idle(session, IDLE_SECONDS, &wait);
	if (session->consoles)
		consoles_time(session->consoles, &wait);
	watch(&polls[POLL_SIGNALS], signals_fd(), true, false);
	watch(&polls[POLL_EMULATOR], session->machine->output, session->emulator_open && !is_full(session), false);
	watch(&polls[POLL_COM1], session->machine->com1,
		session->com1_open && stream_pending(&session->out) < STREAM_FULL,
		session->com1_open && session->ready && stream_pending(&session->to_com1));
	watch(&polls[POLL_COM2], session->machine->com2, session->com2_open && !is_full(session),
		session->com2_open && session->ready && stream_pending(&session->to_com2));
	watch(&polls[POLL_STDIN], STDIN_FILENO, wants_input(session), false);
	watch(&polls[POLL_STDOUT], STDOUT_FILENO, false, stream_pending(&session->out));
	watch(&polls[POLL_STDERR], STDERR_FILENO, false, stream_pending(&session->err));
	bool listens = session->ready && input_pending(session) < INPUT_MOST / 2;
	control_watch(session->config->control, listens, &polls[POLL_CONTROL], &wait);
	debug_watch(session->config->debug, &polls[POLL_DEBUG], &polls[POLL_DEBUGGER],
		stream_pending(&session->to_com2) < INPUT_MOST);
	if (poll(polls, POLL_COUNT, (int)(wait * 1000) + 1) < 0)
		return;

	read_machine(session, polls[POLL_COM1].revents & (POLLIN | POLLHUP | POLLERR),
		polls[POLL_COM2].revents & (POLLIN | POLLHUP | POLLERR));
	/* What root said on COM2, it said before it took the other way. */
	if (polls[POLL_EMULATOR].revents)
		read_emulator(session);
	if (polls[POLL_COM1].revents & POLLOUT)
		stream_write(&session->to_com1);
	if (polls[POLL_COM2].revents & POLLOUT)
		stream_write(&session->to_com2);
	control_step(session->config->control, listens, &polls[POLL_CONTROL], send_request, session);
	size_t said = debug_step(session->config->debug, &polls[POLL_DEBUG], &polls[POLL_DEBUGGER], from_debugger,
		sizeof(from_debugger));
	if (said)
		send_frame(session, GYRE_FRAME_DEBUG, 0, from_debugger, (uint16_t)said);
	if (polls[POLL_STDIN].revents)
		read_input(session);
	if (polls[POLL_STDOUT].revents)
		stream_write(&session->out);
	if (polls[POLL_STDERR].revents)
		stream_write(&session->err);
	if (session->out.broken && !session->no_reader) {
		session->no_reader = true;
		machine_kill(session->machine);
	}
	take_signals(session);
}

/* What was on the way when the emulator ended. */
static void drain(struct session *session)
{
	double none = 0;

	read_com2(session, true);
	read_emulator(session);
	read_com1(session, true);
	flush_idle(session, 0, &none);
	if (session->consoles)
		consoles_end(session->consoles);
	if (!session->interrupted)
		session->interrupted = stream_finish(&session->out);
	if (!session->interrupted)
		session->interrupted = stream_finish(&session->err);
}

/* The machine ended and no frame says why. */
static int silent_end(struct session *session)
{
	const char *early = tail_text(&session->early), *log = tail_text(&session->last_log);

	if (session->heard)
		return fail(GYRE_STATUS_CORE, "the machine stopped without a reason%s%s%s",
			*log ? "; its last words were:\n" : "", log, "");
	if (strstr(early, "out of memory") || session->config->tight)
		return fail(GYRE_STATUS_LACKS,
			"the machine has too little memory to load Gyre and its files: give it more by "
			"--host-memory\n%s",
			early);
	return fail(GYRE_STATUS_FAILED, "the machine stopped before Gyre's core said a word%s%s", *early ? ":\n" : "",
		early);
}

static int end_status(struct session *session)
{
	if (session->panicked && strstr(tail_text(&session->panic), "too little memory"))
		return fail(
			GYRE_STATUS_LACKS, "the machine has too little memory for Gyre: give it more by --host-memory");
	if (session->panicked)
		return fail(GYRE_STATUS_CORE, "the core stopped");
	if (session->machine->stopped)
		return fail(GYRE_STATUS_CORE, "the core stopped: a triple fault shut the processor down");
	if (session->no_reader)
		return fail(GYRE_STATUS_FAILED, "nobody reads standard output any more: the machine was switched off");
	if (session->timed_out)
		return fail(GYRE_STATUS_TIMEOUT, "time-out: the machine ran for %g seconds and was switched off",
			session->config->timeout);
	if (session->quit)
		return GYRE_STATUS_OFF;
	if (session->silent)
		return fail(GYRE_STATUS_FAILED,
			"nothing was heard of Gyre's core for %g seconds: the machine was switched off\n%s",
			session->config->silence, tail_text(&session->early));
	if (session->vm[0].ended)
		return session->vm[0].end.code & 255;
	if (session->machine_ended)
		return session->machine_code & 255;
	int status = session->result
			     ? session->machine->emulator->failed(session->result, tail_text(&session->emulator))
			     : -1;
	return status >= 0 ? status : silent_end(session);
}

int session_run(const struct session_config *config, struct machine *machine, int *interrupted)
{
	static const char *const own_names[] = {"core: ", "root: ", NULL};
	struct session *session = allocate(sizeof(*session));

	session->config = config;
	session->machine = machine;
	session->vms = config->description->vms;
	session->out.fd = STDOUT_FILENO;
	session->err.fd = STDERR_FILENO;
	session->to_com1.fd = machine->com1;
	session->to_com2.fd = machine->com2;
	session->core = (struct lines){.name = "core", .out = &session->err, .own = own_names};
	for (unsigned i = 0; i < session->vms; i++) {
		const char *name = config->description->vm[i].name;
		session->vm[i].log = (struct lines){.name = name, .out = &session->err};
		session->vm[i].console = (struct lines){.name = name, .out = &session->err};
	}
	frame_decoder_init(&session->port.decoder);
	frame_decoder_init(&session->between.decoder);
	session->started = seconds_now();
	session->com1_open = session->com2_open = session->emulator_open = true;
	session->output_tty = isatty(STDOUT_FILENO);
	session->error_tty = isatty(STDERR_FILENO);
	/* A terminal that another job has is not read: that would stop us. */
	session->input_open = terminal_raw() || !isatty(STDIN_FILENO);
	if (terminal_is_raw() && session->output_tty)
		session->consoles = consoles_make(config->description, &session->out, send_input, quit, session);

	while (!session->exited)
		step(session);
	drain(session);
	terminal_restore();
	*interrupted = session->interrupted;
	int status = session->interrupted ? GYRE_STATUS_FAILED : end_status(session);
	if (config->counters && !session->interrupted) {
		int written = counters_write(config->counters);
		status = written ? written : status;
	}
	return status;
}
