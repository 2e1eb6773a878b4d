/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/debug/rsp.c: see rsp.h. */
#include "monitor/debug/rsp.h"
#include "gyre/errors.h"
#include "gyre/frame.h"
#include "lib/string.h"

enum state { BETWEEN, INSIDE, SUM_HIGH, SUM_LOW };

#define INTERRUPT 0x03u

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool rsp_number(const char **text, uint64_t *number)
{
	const char *at = *text;
	*number = 0;
	for (; digit_of(*at) >= 0; at++) {
		if (*number >> 60 != 0)
			return false;
		*number = *number << 4 | (unsigned)digit_of(*at);
	}
	bool some = at != *text;
	*text = at;
	return some;
}

/* `count` bytes from twice as many digits: false where there are fewer. */
static bool bytes_of(const char **text, uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = digit_of((*text)[0]), low = high < 0 ? -1 : digit_of((*text)[1]);
		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
		*text += 2;
	}
	return true;
}

/* "NAME" at *text, which moves behind it. */
static bool word(const char **text, const char *name)
{
	size_t length = strlen(name);
	if (strncmp(*text, name, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool next_is(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

/* ---- what goes out: $ text # sum ---- */

static void begin(struct rsp *rsp)
{
	rsp->out[0] = '$';
	rsp->out_bytes = 1;
}

static void put(struct rsp *rsp, char c)
{
	if (rsp->out_bytes < RSP_MOST)
		rsp->out[rsp->out_bytes++] = c;
}

static void put_text(struct rsp *rsp, const char *text)
{
	while (*text != 0)
		put(rsp, *text++);
}

static void put_byte(struct rsp *rsp, uint8_t byte)
{
	put(rsp, "0123456789abcdef"[byte >> 4]);
	put(rsp, "0123456789abcdef"[byte & 15]);
}

static void put_bytes(struct rsp *rsp, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_byte(rsp, bytes[i]);
}

static void finish(struct rsp *rsp)
{
	uint8_t sum = 0;
	for (size_t i = 1; i < rsp->out_bytes; i++)
		sum = (uint8_t)(sum + (uint8_t)rsp->out[i]);
	/* put() has left room for these. */
	rsp->out[rsp->out_bytes++] = '#';
	rsp->out[rsp->out_bytes++] = "0123456789abcdef"[sum >> 4];
	rsp->out[rsp->out_bytes++] = "0123456789abcdef"[sum & 15];
	rsp->ops->send(rsp->context, rsp->out, rsp->out_bytes);
}

static void answer(struct rsp *rsp, const char *text)
{
	begin(rsp);
	put_text(rsp, text);
	finish(rsp);
}

static void answer_bytes(struct rsp *rsp, const uint8_t *bytes, size_t count)
{
	begin(rsp);
	put_bytes(rsp, bytes, count);
	finish(rsp);
}

/* The numbers mean nothing to gdb. They are errno's, for people. */
static void answer_error(struct rsp *rsp, int error)
{
	answer(rsp, error == -GYRE_ENOTSUP ? "" : "E0e");
}

void rsp_say(struct rsp *rsp, const char *text)
{
	begin(rsp);
	put(rsp, 'O');
	while (*text != 0)
		put_byte(rsp, (uint8_t)*text++);
	finish(rsp);
}

static void answer_stop(struct rsp *rsp)
{
	begin(rsp);
	put(rsp, 'T');
	put_byte(rsp, (uint8_t)rsp->signal);
	put_text(rsp, "thread:1;");
	if (rsp->at_breakpoint && rsp->knows_swbreak)
		put_text(rsp, "swbreak:;");
	finish(rsp);
}

void rsp_stopped(struct rsp *rsp, unsigned signal, bool at_breakpoint)
{
	rsp->signal = signal;
	rsp->at_breakpoint = at_breakpoint;
	answer_stop(rsp);
}

void rsp_ended(struct rsp *rsp, unsigned code)
{
	begin(rsp);
	put(rsp, 'W');
	put_byte(rsp, (uint8_t)code);
	finish(rsp);
}

/* ---- what comes in ---- */

void rsp_init(struct rsp *rsp, const struct rsp_ops *ops, void *context)
{
	*rsp = (struct rsp){.ops = ops, .context = context, .acknowledges = true, .signal = RSP_SIGTRAP};
}

static enum rsp_event packet_ends(struct rsp *rsp, int low)
{
	bool good = low >= 0 && rsp->given != 0xff && rsp->in_bytes <= RSP_MOST &&
		    (uint8_t)(rsp->given << 4 | low) == rsp->sum;
	rsp->state = BETWEEN;
	/* Once gdb has asked for no acknowledgements, it does not send again either. */
	if (rsp->acknowledges)
		rsp->ops->send(rsp->context, good ? "+" : "-", 1);
	else if (!good)
		return RSP_NOTHING;
	if (!good)
		return RSP_NOTHING;
	rsp->in[rsp->in_bytes] = 0;
	return RSP_PACKET;
}

static enum rsp_event between(struct rsp *rsp, uint8_t byte)
{
	switch (byte) {
	case '$':
		rsp->state = INSIDE;
		rsp->sum = 0;
		rsp->in_bytes = 0;
		return RSP_NOTHING;
	case '-':
		if (rsp->acknowledges && rsp->out_bytes != 0)
			rsp->ops->send(rsp->context, rsp->out, rsp->out_bytes);
		return RSP_NOTHING;
	case INTERRUPT: return RSP_INTERRUPT;
	default: return RSP_NOTHING;
	}
}

enum rsp_event rsp_input(struct rsp *rsp, uint8_t byte)
{
	if (byte == GYRE_DEBUG_GONE) {
		rsp_init(rsp, rsp->ops, rsp->context);
		return RSP_GONE;
	}
	switch (rsp->state) {
	case INSIDE:
		if (byte == '#') {
			rsp->state = SUM_HIGH;
		} else if (byte == '$') {
			return between(rsp, byte); /* the one before was broken off */
		} else {
			rsp->sum = (uint8_t)(rsp->sum + byte);
			/* What is too long is counted as such, and refused at its end. */
			if (rsp->in_bytes < RSP_MOST)
				rsp->in[rsp->in_bytes] = (char)byte;
			if (rsp->in_bytes <= RSP_MOST)
				rsp->in_bytes++;
		}
		return RSP_NOTHING;
	case SUM_HIGH:
		rsp->given = (uint8_t)digit_of((char)byte);
		rsp->state = SUM_LOW;
		return RSP_NOTHING;
	case SUM_LOW: return packet_ends(rsp, digit_of((char)byte));
	default: return between(rsp, byte);
	}
}

/* ---- registers and memory ---- */

static void registers_read(struct rsp *rsp)
{
	uint8_t value[RSP_REGISTER_BYTES];
	unsigned bytes;
	begin(rsp);
	for (unsigned number = 0; (bytes = rsp->ops->register_read(rsp->context, number, value)) != 0; number++)
		put_bytes(rsp, value, bytes);
	finish(rsp);
}

/* As many as the packet has. */
static void registers_write(struct rsp *rsp, const char *text)
{
	uint8_t value[RSP_REGISTER_BYTES];
	unsigned bytes;
	for (unsigned number = 0; *text != 0; number++) {
		bytes = rsp->ops->register_read(rsp->context, number, value);
		if (bytes == 0 || !bytes_of(&text, value, bytes) ||
			rsp->ops->register_write(rsp->context, number, value, bytes) < 0)
			return answer(rsp, "E16");
	}
	answer(rsp, "OK");
}

#define REGISTERS_MOST 0x1000u

/* The register that *text names, which moves behind its number, and its value: its bytes; 0: there is none. */
static unsigned register_named(struct rsp *rsp, const char **text, unsigned *number, uint8_t *value)
{
	uint64_t given;
	if (!rsp_number(text, &given) || given >= REGISTERS_MOST)
		return 0;
	*number = (unsigned)given;
	return rsp->ops->register_read(rsp->context, *number, value);
}

static void register_read(struct rsp *rsp, const char *text)
{
	uint8_t value[RSP_REGISTER_BYTES];
	unsigned number, bytes = register_named(rsp, &text, &number, value);
	if (bytes == 0 || *text != 0)
		return answer(rsp, "E16");
	answer_bytes(rsp, value, bytes);
}

static void register_write(struct rsp *rsp, const char *text)
{
	uint8_t value[RSP_REGISTER_BYTES];
	unsigned number, bytes = register_named(rsp, &text, &number, value);
	if (bytes == 0 || !next_is(&text, '=') || !bytes_of(&text, value, bytes) || *text != 0 ||
		rsp->ops->register_write(rsp->context, number, value, bytes) < 0)
		return answer(rsp, "E16");
	answer(rsp, "OK");
}

static bool range_of(const char **text, uint64_t *address, uint64_t *bytes)
{
	return rsp_number(text, address) && next_is(text, ',') && rsp_number(text, bytes);
}

static void memory_read(struct rsp *rsp, const char *text)
{
	uint8_t data[(RSP_MOST - 8) / 2];
	uint64_t address, bytes;
	if (!range_of(&text, &address, &bytes))
		return answer(rsp, "E16");
	size_t got = rsp->ops->memory_read(rsp->context, address, data, bytes < sizeof(data) ? bytes : sizeof(data));
	if (got == 0 && bytes != 0)
		return answer(rsp, "E0e");
	answer_bytes(rsp, data, got);
}

static void memory_write(struct rsp *rsp, const char *text)
{
	uint8_t data[RSP_MOST / 2];
	uint64_t address, bytes;
	if (!range_of(&text, &address, &bytes) || !next_is(&text, ':') || bytes > sizeof(data) ||
		!bytes_of(&text, data, bytes) || *text != 0)
		return answer(rsp, "E16");
	answer(rsp, rsp->ops->memory_write(rsp->context, address, data, bytes) == bytes ? "OK" : "E0e");
}

static void breakpoint(struct rsp *rsp, bool set, const char *text)
{
	uint64_t kind, address;
	if (!rsp_number(&text, &kind) || !next_is(&text, ',') || !rsp_number(&text, &address) || kind > 4)
		return answer(rsp, "E16");
	int error = rsp->ops->breakpoint(rsp->context, set, (unsigned)kind, address);
	if (error < 0)
		return answer_error(rsp, error);
	answer(rsp, "OK");
}

/* ---- going on ---- */

/* "c", "s" with an address; "C", "S" with a signal before it, of which this guest knows nothing. */
static void go_on(struct rsp *rsp, bool step, bool has_signal, const char *text)
{
	uint64_t address, signal;
	if (has_signal && !(rsp_number(&text, &signal) && (*text == 0 || next_is(&text, ';'))))
		return answer(rsp, "E16");
	bool given = *text != 0;
	if (given && (!rsp_number(&text, &address) || *text != 0))
		return answer(rsp, "E16");
	if (rsp->ops->resume(rsp->context, step, given ? &address : NULL) < 0)
		answer(rsp, "E16");
}

/* vCont;s:1;c: the first action counts for the one thread that there is. */
static void go_on_threads(struct rsp *rsp, const char *text)
{
	if (next_is(&text, '?'))
		return answer(rsp, "vCont;c;C;s;S");
	if (!next_is(&text, ';'))
		return answer(rsp, "");
	switch (*text) {
	case 'c':
	case 'C': rsp->ops->resume(rsp->context, false, NULL); return;
	case 's':
	case 'S': rsp->ops->resume(rsp->context, true, NULL); return;
	default: answer(rsp, "E16"); return;
	}
}

/* ---- questions ---- */

static void offer(struct rsp *rsp, const char *text)
{
	rsp->knows_swbreak = strstr(text, "swbreak+") != NULL;
	begin(rsp);
	put_text(rsp, "PacketSize=");
	put_byte(rsp, RSP_OFFERED >> 8);
	put_byte(rsp, RSP_OFFERED & 0xff);
	put_text(rsp, ";qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+");
	finish(rsp);
}

static void description(struct rsp *rsp, const char *text)
{
	char part[RSP_OFFERED / 2];
	uint64_t offset, room;
	bool more = false;
	if (!range_of(&text, &offset, &room))
		return answer(rsp, "E16");
	size_t got = rsp->ops->description(
		rsp->context, offset, part, room < sizeof(part) ? room : sizeof(part), &more);
	begin(rsp);
	put(rsp, more ? 'm' : 'l');
	for (size_t i = 0; i < got; i++) {
		char c = part[i];
		if (c == '$' || c == '#' || c == '}' || c == '*') {
			put(rsp, '}');
			c ^= 0x20;
		}
		put(rsp, c);
	}
	finish(rsp);
}

static void command(struct rsp *rsp, const char *text)
{
	char line[128];
	size_t length = strlen(text) / 2;
	if (length >= sizeof(line) || !bytes_of(&text, (uint8_t *)line, length) || *text != 0)
		return answer(rsp, "E16");
	line[length] = 0;
	rsp->ops->command(rsp->context, line);
	answer(rsp, "OK");
}

static void question(struct rsp *rsp, const char *text)
{
	if (word(&text, "Supported"))
		offer(rsp, text);
	else if (word(&text, "Xfer:features:read:target.xml:"))
		description(rsp, text);
	else if (word(&text, "Xfer:features:read:"))
		answer(rsp, "E00");
	else if (word(&text, "Rcmd,"))
		command(rsp, text);
	else if (word(&text, "fThreadInfo"))
		answer(rsp, "m1");
	else if (word(&text, "sThreadInfo"))
		answer(rsp, "l");
	else if (word(&text, "Attached"))
		answer(rsp, "1"); /* so gdb's end leaves the guest alive */
	else if (strcmp(text, "C") == 0)
		answer(rsp, "QC1");
	else
		answer(rsp, "");
}

static void verbose(struct rsp *rsp, const char *text)
{
	if (word(&text, "Cont"))
		return go_on_threads(rsp, text);
	if (word(&text, "Kill")) {
		answer(rsp, "OK");
		rsp->ops->kill(rsp->context);
		return;
	}
	answer(rsp, "");
}

void rsp_packet(struct rsp *rsp)
{
	const char *text = rsp->in + 1;
	switch (rsp->in[0]) {
	case '?': answer_stop(rsp); return;
	case 'g': registers_read(rsp); return;
	case 'G': registers_write(rsp, text); return;
	case 'p': register_read(rsp, text); return;
	case 'P': register_write(rsp, text); return;
	case 'm': memory_read(rsp, text); return;
	case 'M': memory_write(rsp, text); return;
	case 'Z': breakpoint(rsp, true, text); return;
	case 'z': breakpoint(rsp, false, text); return;
	case 'c': go_on(rsp, false, false, text); return;
	case 's': go_on(rsp, true, false, text); return;
	case 'C': go_on(rsp, false, true, text); return;
	case 'S': go_on(rsp, true, true, text); return;
	case 'v': verbose(rsp, text); return;
	case 'q': question(rsp, text); return;
	case 'H':
	case 'T': answer(rsp, "OK"); return; /* any thread is the one */
	case 'Q':
		if (strcmp(text, "StartNoAckMode") != 0)
			return answer(rsp, "");
		answer(rsp, "OK");
		rsp->acknowledges = false;
		return;
	case 'D':
		answer(rsp, "OK");
		rsp->ops->detach(rsp->context);
		return;
	case 'k': rsp->ops->kill(rsp->context); return;
	default: answer(rsp, ""); return;
	}
}
