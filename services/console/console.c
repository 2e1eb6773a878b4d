/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/console.c: see console.h. */
#include "services/console/console.h"
#include "lib/format.h"
#include "lib/string.h"

/*
 * Whatever a VM has done to the terminal: CAN and ST end a sequence that it began, ESC < the modes of a VT52, DECSTR most others. Then one by one what that
 * leaves or what not every terminal knows: answers of 8 bits, keys in other forms (three ways), the other screen, the mouse, focus and paste,
 * wrapping, the cursor, margins, character sets, the keypad; colours; and the screen is clear.
 */
static const char set_back[] =
	"\x18\x1b\\\x1b<\x1b[!p\x1b "
	"F\x1b[>4m\x1b[=0u\x1b[?9001l\x1b[?1049l\x1b[?47l\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?"
	"1006l"
	"\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1l\x1b[?5l\x1b[?6l\x1b[4l\x1b[20l\x1b[r\x1b(B\x0f\x1b>\x1b[0m\x1b[H\x1b[2J";

static void show(struct console *console, const void *bytes, size_t length)
{
	if (length > 0)
		console->user->show(console->context, bytes, length);
}

static void show_text(struct console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void show_text(struct console *console, const char *format, ...)
{
	char text[320];
	va_list arguments;
	va_start(arguments, format);
	size_t length = gyre_vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	show(console, text, length < sizeof(text) ? length : sizeof(text) - 1);
}

static struct look_screen screen(const struct console *console)
{
	struct look_screen size = console->user->screen(console->context);
	size.rows = size.rows < 4 ? 4 : size.rows > ROWS_MOST ? ROWS_MOST : size.rows;
	size.columns = size.columns < COLUMNS_LEAST  ? COLUMNS_LEAST
		       : size.columns > COLUMNS_MOST ? COLUMNS_MOST
						     : size.columns;
	return size;
}

static struct history *history(const struct console *console)
{
	return &console->vm[console->shown].history;
}

void console_init(
	struct console *console, const struct console_user *user, void *context, struct console_vm *vm, unsigned vms)
{
	*console = (struct console){.user = user, .context = context, .vm = vm, .vms = vms};
}

/* ---- what is shown ---- */

/* The last rows, one fewer than the screen has and one for the line that says whose they are. */
static void paint(struct console *console)
{
	struct look_screen size = screen(console);
	const struct console_vm *vm = &console->vm[console->shown];
	int open = 1;
	console->user->forget(console->context);
	show(console, set_back, sizeof(set_back) - 1);
	if (console->look.on) {
		look_show(&console->look, &vm->history, size, vm->name, console->user->show, console->context);
		return;
	}
	show_text(console, "\x1b[7mgyre: this is %s, %u of %u, %s%s; Ctrl-] ? has the keys\x1b[0m\r\n", vm->name,
		console->shown + 1, console->vms, vm->ended ? "ended: " : "running", vm->ended ? vm->text : "");
	uint64_t at = rows_back(&vm->history, vm->history.total, size.rows - 2, size.columns);
	while (at < vm->history.total) {
		at = rows_next(&vm->history, at, size.columns, &open, console->user->show, console->context);
		if (!open)
			show(console, "\r\n", 2);
	}
	console->upto = vm->history.total;
}

void console_again(struct console *console)
{
	paint(console);
}

void console_pump(struct console *console, size_t most)
{
	const struct history *shown = history(console);
	size_t length;
	if (console->look.on)
		return;
	uint64_t oldest = history_oldest(shown);
	if (console->upto < oldest) {
		show_text(console, "\x18\x1b[0m\r\ngyre: %lu bytes were not shown\r\n",
			(unsigned long)(oldest - console->upto));
		console->upto = oldest;
	}
	for (; most > 0 && console->upto < shown->total; most -= length) {
		const uint8_t *piece = history_piece(shown, console->upto, most, &length);
		show(console, piece, length);
		console->upto += length;
	}
}

size_t console_pending(const struct console *console, unsigned vm)
{
	return vm == console->shown && !console->look.on ? (size_t)(history(console)->total - console->upto) : 0;
}

void console_output(struct console *console, unsigned vm, const uint8_t *bytes, size_t length)
{
	if (vm >= console->vms)
		return;
	console->vm[vm].ended = 0;
	history_add(&console->vm[vm].history, bytes, length);
}

void console_ended(struct console *console, unsigned vm, const char *text)
{
	size_t i;
	if (vm >= console->vms)
		return;
	struct console_vm *one = &console->vm[vm];
	one->ended = 1;
	for (i = 0; i + 1 < sizeof(one->text) && text[i] != 0; i++)
		one->text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	one->text[i] = 0;
}

/* ---- keys ---- */

static void typed_send(struct console *console)
{
	if (console->length > 0)
		console->user->send(console->context, console->shown, console->typed, console->length);
	console->length = 0;
}

static void view(struct console *console, unsigned vm)
{
	if (vm >= console->vms) {
		show_text(console, "\r\ngyre: there is no VM %u: 1 to %u are\r\n", vm + 1, console->vms);
		return;
	}
	if (vm != console->shown)
		answers_expect(&console->answers, console->now);
	console->shown = vm;
	console->look.on = 0;
	paint(console);
}

static void look(struct console *console)
{
	if (console->look.on)
		look_page_up(&console->look, history(console), screen(console));
	else
		look_begin(&console->look, history(console), screen(console));
	paint(console);
}

static void type(struct console *console, uint8_t byte)
{
	if (console->look.on) {
		look_key(&console->look, history(console), screen(console), byte);
		paint(console);
		return;
	}
	console->typed[console->length++] = byte;
	if (console->length == sizeof(console->typed))
		typed_send(console);
}

static void key(struct console *console, uint8_t byte)
{
	/* An answer must not come between it and the key behind it. */
	if (byte == KEY_ESCAPE)
		answers_expect(&console->answers, console->now);
	enum key_action action = keys_next(&console->keys, byte);
	if (action == KEY_SEND) {
		type(console, byte);
		return;
	}
	typed_send(console);
	switch (action) {
	case KEY_VIEW: view(console, byte - '1'); break;
	case KEY_NEXT: view(console, (console->shown + 1) % console->vms); break;
	case KEY_PREVIOUS: view(console, (console->shown + console->vms - 1) % console->vms); break;
	case KEY_LOOK: look(console); break;
	case KEY_QUIT: console->user->quit(console->context); break;
	case KEY_HELP:
		show_text(console, "\r\ngyre: Ctrl-] then: 1 to 9 shows that VM, n the next, p the one before, [ or "
				   "PageUp looks back, "
				   "q quits, Ctrl-] sends Ctrl-]\r\n");
		break;
	default: break;
	}
}

void console_input(struct console *console, const uint8_t *bytes, size_t length, uint64_t now)
{
	uint8_t taken[ANSWERS_HELD + 1];
	console->now = now;
	for (size_t i = 0; i < length; i++) {
		int inside = answers_inside(&console->answers);
		size_t count = answers_next(&console->answers, bytes[i], now, taken);
		for (size_t k = 0; k < count; k++)
			if (inside)
				type(console, taken[k]);
			else
				key(console, taken[k]);
	}
	typed_send(console);
}

int console_waiting(const struct console *console)
{
	return keys_waiting(&console->keys) || answers_waiting(&console->answers) ||
	       (console->look.on && look_waiting(&console->look));
}

void console_idle(struct console *console)
{
	uint8_t taken[ANSWERS_HELD + 1];
	size_t count = answers_idle(&console->answers, taken);
	for (size_t i = 0; i < count; i++)
		key(console, taken[i]);
	keys_idle(&console->keys);
	if (console->look.on && look_waiting(&console->look)) {
		look_idle(&console->look);
		paint(console);
	}
	typed_send(console);
}
