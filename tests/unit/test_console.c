/* SPDX-License-Identifier: Apache-2.0 */
/* One terminal, several consoles: what is shown of which VM, what is typed for whom, and that nothing hostile passes. */
/* unit-sources: services/console/console.c services/console/history.c services/console/plain.c services/console/rows.c services/console/keys.c */
/* unit-sources: services/console/answers.c services/console/look.c lib/format.c lib/string.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "services/console/console.h"
#include "services/console/plain.h"

#define VMS	3u
#define HISTORY 4096u

static struct {
	struct console console;
	struct console_vm vm[VMS];
	uint8_t history[VMS][HISTORY];
	char shown[262144], typed[VMS][1024];
	size_t length, typed_length[VMS];
	int quits;
	uint64_t now;
	struct look_screen screen;
} test;

static void show(void *context, const void *bytes, size_t length)
{
	(void)context;
	assert_true(test.length + length < sizeof(test.shown));
	memcpy(test.shown + test.length, bytes, length);
	test.length += length;
	test.shown[test.length] = 0;
}

static void forget(void *context)
{
	(void)context;
	test.length = 0;
	test.shown[0] = 0;
}

static void send(void *context, unsigned vm, const uint8_t *bytes, size_t length)
{
	(void)context;
	memcpy(test.typed[vm] + test.typed_length[vm], bytes, length);
	test.typed_length[vm] += length;
	test.typed[vm][test.typed_length[vm]] = 0;
}

static void quit(void *context)
{
	(void)context;
	test.quits++;
}

static struct look_screen screen(void *context)
{
	(void)context;
	return test.screen;
}

static int setup(void **state)
{
	static const struct console_user user = {show, forget, send, quit, screen};
	static const char *const names[VMS] = {"one", "two", "three"};
	(void)state;
	memset(&test, 0, sizeof(test));
	for (unsigned i = 0; i < VMS; i++) {
		test.vm[i].name = names[i];
		test.vm[i].history.data = test.history[i];
		test.vm[i].history.bytes = HISTORY;
	}
	test.screen = (struct look_screen){24, 80};
	console_init(&test.console, &user, NULL, test.vm, VMS);
	return 0;
}

static void says(unsigned vm, const char *text)
{
	console_output(&test.console, vm, (const uint8_t *)text, strlen(text));
	console_pump(&test.console, SIZE_MAX);
}

static void type(const char *text)
{
	console_input(&test.console, (const uint8_t *)text, strlen(text), test.now);
}

static int on_screen(const char *text)
{
	return strstr(test.shown, text) != NULL;
}

/* ---- which VM ---- */

static void the_shown_one_is_seen_as_it_is_and_no_other(void **state)
{
	(void)state;
	says(0, "a \x1b[6n\x1b]0;title\x07 b");
	says(1, "hidden \x1b[c");
	assert_string_equal(test.shown, "a \x1b[6n\x1b]0;title\x07 b");
}

static void a_switch_shows_what_was_said_and_made_harmless(void **state)
{
	(void)state;
	says(1, "first\r\n\x1b[31mred\x1b[0m \x1b[6n\x1b[c\x1bP$q\"p\x1b\\\x1b]11;?\x07\x05\x1b[?1000h\x1b[21t\xc2\x9b"
		"6n last");
	type("\x1d"
	     "2");
	assert_true(on_screen("this is two, 2 of 3, running"));
	assert_true(on_screen("first\r\r\n\x1b[31mred\x1b[0m ?6n last"));
	assert_false(on_screen("\x1b[6n"));
	assert_false(on_screen("\x1b[c"));
	assert_false(on_screen("\x1bP"));
	assert_false(on_screen("\x1b]"));
	assert_false(on_screen("\x05"));
	assert_false(on_screen("1000h"));
	assert_false(on_screen("21t"));
	/* From here on it is shown as it comes. */
	size_t before = test.length;
	says(1, "\x1b[6n");
	assert_string_equal(test.shown + before, "\x1b[6n");
}

static void only_the_last_screenful_is_shown(void **state)
{
	char line[32];
	(void)state;
	for (int i = 0; i < 60; i++) {
		snprintf(line, sizeof(line), "line %d.\r\n", i);
		says(1, line);
	}
	type("\x1d"
	     "2");
	assert_true(on_screen("line 59."));
	assert_true(on_screen("line 38."));
	assert_false(on_screen("line 37."));
}

static void long_lines_take_several_rows(void **state)
{
	char line[401];
	(void)state;
	says(1, "above\r\n");
	memset(line, 'x', 400);
	line[400] = 0;
	for (int i = 0; i < 5; i++) {
		says(1, line);
		says(1, "\r\n");
	}
	type("\x1d"
	     "2");
	/* 5 lines of 5 rows: the last 22 are shown. */
	size_t count = 0;
	for (size_t i = 0; i < test.length; i++)
		count += test.shown[i] == 'x';
	assert_int_equal(count, 22 * 80);
	assert_false(on_screen("above"));
}

static void what_is_typed_goes_to_the_one_that_is_shown(void **state)
{
	(void)state;
	type("to one\x1d"
	     "2to two\x1d\x1d\x1dnto three\x1dn!\x1dp?");
	assert_string_equal(test.typed[0], "to one!");
	assert_string_equal(test.typed[1], "to two\x1d");
	assert_string_equal(test.typed[2], "to three?");
	type("\x1d"
	     "9");
	assert_true(on_screen("there is no VM 9: 1 to 3 are"));
	type("\x1dx");
	assert_true(on_screen("Ctrl-] then:"));
	assert_int_equal(test.quits, 0);
	type("\x1dq");
	assert_int_equal(test.quits, 1);
}

static void one_that_has_ended_can_be_looked_at(void **state)
{
	(void)state;
	says(2, "last words");
	console_ended(&test.console, 2, "powered off\x1b[6n");
	type("\x1d"
	     "3");
	assert_true(on_screen("three, 3 of 3, ended: powered off?[6n"));
	assert_true(on_screen("last words"));
	says(2, "again");
	assert_int_equal(test.vm[2].ended, 0);
}

static void a_full_line_holds_back_the_shown_one_alone(void **state)
{
	(void)state;
	console_output(&test.console, 0, (const uint8_t *)"0123456789", 10);
	console_output(&test.console, 1, (const uint8_t *)"0123456789", 10);
	console_pump(&test.console, 4);
	assert_string_equal(test.shown, "0123");
	assert_int_equal(console_pending(&test.console, 0), 6);
	assert_int_equal(console_pending(&test.console, 1), 0);
	console_pump(&test.console, 100);
	assert_string_equal(test.shown, "0123456789");
}

static void endless_output_costs_its_history_and_no_more(void **state)
{
	static uint8_t block[10000];
	(void)state;
	memset(block, 0x1b, sizeof(block));
	for (int i = 0; i < 200; i++)
		console_output(&test.console, 1, block, sizeof(block));
	memset(block, '[', sizeof(block));
	console_output(&test.console, 1, block, sizeof(block));
	type("\x1d"
	     "2\x1d[kkkkbbbbgG  q");
	/* Shown, but not in time. */
	console_output(&test.console, 1, block, sizeof(block));
	console_pump(&test.console, SIZE_MAX);
	assert_true(on_screen("bytes were not shown"));
}

/* ---- answers ---- */

static void an_answer_that_another_vm_asked_for_is_not_typed(void **state)
{
	(void)state;
	type("\x1b[1;1R");
	assert_string_equal(test.typed[0], "\x1b[1;1R");
	type("\x1d"
	     "2");
	type("\x1b[12;40Rl\x1b[?62;22cs\x1bP1$r0m\x1b\\\x1b]11;rgb:0/0/0\x07 -l\x1b[A\x1b[15~\x1bOP");
	assert_string_equal(test.typed[1], "ls -l\x1b[A\x1b[15~\x1bOP");
	/* An Esc is only held back. */
	type("\x1b");
	assert_true(console_waiting(&test.console));
	console_idle(&test.console);
	assert_string_equal(test.typed[1], "ls -l\x1b[A\x1b[15~\x1bOP\x1b");
	test.now += ANSWERS_MS;
	type("\x1b[1;1R");
	assert_string_equal(test.typed[1], "ls -l\x1b[A\x1b[15~\x1bOP\x1b\x1b[1;1R");
}

/* As the terminal of a guest that has set its title, or asked for it, might say it. */
static void a_switch_key_inside_an_answer_is_none(void **state)
{
	static const char *const begins[] = {
		"\x1b]l", "\x1bP>|", "\x1b[\x1b_", "\x1b\x1b^", "\x1bX", "\xc2\x9d", "\x90"};
	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		char text[64];
		setup(state);
		snprintf(text, sizeof(text),
			"%s\x1d"
			"2rm\x1dq%s",
			begins[i], i % 2 ? "\x1b\\" : "\x07");
		type(text);
		assert_string_equal(test.typed[0], text);
		assert_int_equal(test.quits + (int)test.typed_length[1], 0);
		type("\x1d"
		     "2x");
		assert_string_equal(test.typed[1], "x");
	}
	/* One that has no end ends with a pause. */
	type("\x1d"
	     "1");
	test.now += ANSWERS_MS;
	type("\x1b]");
	assert_true(console_waiting(&test.console));
	console_idle(&test.console);
	assert_false(console_waiting(&test.console));
	type("\x1d"
	     "3y");
	assert_string_equal(test.typed[2], "y");
}

static void answers_do_not_come_between_the_switch_key_and_the_next(void **state)
{
	(void)state;
	type("\x1d");
	type("\x1b[24;80R");
	type("\x1b]11;rgb:0/0/0\x07");
	type("2x");
	assert_string_equal(test.typed[1], "x");
	assert_int_equal(test.typed_length[0], 0);
}

static void answers_of_8_bits_are_known_and_text_is_none(void **state)
{
	(void)state;
	type("\x1d"
	     "2");
	type("\x9b"
	     "12;40Ra\x90"
	     "1$r0m\x9c"
	     "b");
	assert_string_equal(test.typed[1], "ab");
	/* As UTF-8 the first byte alone comes through; characters whose bytes look like one come whole. */
	type("\xc2\x9b"
	     "1;1Rc \xc5\x9b\xe2\x80\x9d\xf0\x9f\x98\x9b d");
	assert_string_equal(test.typed[1], "ab\xc2"
					   "c \xc5\x9b\xe2\x80\x9d\xf0\x9f\x98\x9b d");
}

static void one_without_an_end_is_held_no_longer_than_its_place(void **state)
{
	char text[128] = "\x1b[", expected[160];
	(void)state;
	memset(text + 2, '1', 100);
	type("\x1d"
	     "2");
	type(text);
	type("R\x1b[\x1b[A\x1b");
	console_idle(&test.console);
	snprintf(expected, sizeof(expected), "%sR\x1b[\x1b[A\x1b", text);
	assert_string_equal(test.typed[1], expected);
}

/* ---- what is harmless ---- */

static void made_plain(const char *text, const char *expected)
{
	struct plain plain = {0};
	struct plain_out out;
	char got[64] = "";
	for (; *text != 0; text++) {
		plain_next(&plain, (uint8_t)*text, &out);
		strncat(got, (const char *)out.bytes, out.length);
	}
	assert_string_equal(got, expected);
}

static void what_is_no_utf8_is_a_question_mark(void **state)
{
	(void)state;
	made_plain("\xc2\xa0 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbd \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf.",
		"\xc2\xa0 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbd \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf.");
	/* Longer than they need be: Esc, and U+009B. */
	made_plain("\xc0\x9b.", "??.");
	made_plain("\xe0\x80\x9b[6n \xe0\x82\x9b.", "?[6n ?.");
	made_plain("\xf0\x80\x80\x9b \xf0\x80\x82\x9b \xf0\x8f\xbf\xbf.", "? ? ?.");
	/* Half a pair, beyond the last one, bytes that are none. */
	made_plain("\xed\xa0\x80 \xed\xbf\xbf \xf4\x90\x80\x80 \xf5 \xff \x80.", "? ? ? ? ? ?.");
	made_plain("\xc2\x80 \xc2\x9b"
		   "6n.",
		"? ?6n.");
	made_plain("\xe2\x82z \xc3\n", "z \n");
}

/* ---- looking back ---- */

static void lines(unsigned vm, int count)
{
	char line[32];
	for (int i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "line %d.\r\n", i);
		says(vm, line);
	}
}

static void one_can_look_back(void **state)
{
	(void)state;
	lines(0, 100);
	type("\x1d[");
	assert_true(on_screen("one, looking back"));
	assert_true(on_screen("line 54.") && on_screen("line 76.") && !on_screen("line 53.") && !on_screen("line 77."));
	type("\x1b[5~");
	assert_true(on_screen("line 31.") && on_screen("line 53.") && !on_screen("line 54."));
	type("\x1b[A");
	assert_true(on_screen("line 30.") && !on_screen("line 53."));
	type("g");
	assert_true(on_screen("line 0.") && on_screen("line 22.") && !on_screen("line 23."));
	/* What comes meanwhile waits, and nothing is typed. */
	says(0, "meanwhile \x1b[6n");
	assert_false(on_screen("meanwhile"));
	type("/line 6\r");
	assert_true(on_screen("not found further up"));
	type("N");
	assert_true(on_screen("line 6."));
	type("G/line 6");
	assert_true(on_screen("find further up: line 6"));
	type("\r");
	assert_true(on_screen("line 69.") && !on_screen("line 68."));
	type("q");
	assert_true(on_screen("this is one") && on_screen("meanwhile ") && !on_screen("\x1b[6n"));
	assert_int_equal(test.typed_length[0], 0);
	type("x");
	assert_string_equal(test.typed[0], "x");
}

static void escape_alone_leaves_it_and_page_up_begins_it(void **state)
{
	(void)state;
	lines(0, 100);
	type("\x1d\x1b[5~");
	assert_true(on_screen("looking back"));
	type("\x1b");
	assert_true(on_screen("looking back"));
	console_idle(&test.console);
	assert_true(on_screen("this is one"));
	type("\x1d[\x1d"
	     "2");
	assert_true(on_screen("this is two"));
	type("k");
	assert_string_equal(test.typed[1], "k");
}

static void what_was_overwritten_meanwhile_is_gone(void **state)
{
	(void)state;
	lines(0, 100);
	type("\x1d[g");
	lines(0, 1000);
	type("kkjj");
	assert_true(on_screen("looking back, "));
	assert_false(on_screen("line 0."));
	for (int i = 0; i < 1000 && test.console.look.on; i++)
		type("\x1b[6~");
	assert_false(test.console.look.on);
	assert_true(on_screen("line 999."));
}

/* ---- all of it, with anything ---- */

/* Of sequences only those that plain.h lets through, and ours. */
static void check_harmless(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t c = (uint8_t)text[i];
		if (c != 0x1b) {
			assert_true(c >= ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\b');
			assert_true(c != 0x7f);
			assert_false(c == 0xc2 && (uint8_t)text[i + 1] < 0xa0);
			continue;
		}
		assert_int_equal(text[++i], '[');
		while ((text[i + 1] >= '0' && text[i + 1] <= '9') || text[i + 1] == ';')
			i++;
		i++;
		assert_non_null(strchr("mKJCDH", text[i]));
	}
}

static void whatever_is_said_what_is_repainted_is_harmless(void **state)
{
	static const char pieces[] =
		"\x1b\x1b[[]]P?;0123456789mnhlcRtKJ\\\x07\r\n\b\t \x9b\xc2\xe2\x82\xac\x80XYZabc\x18";
	(void)state;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		uint8_t bytes[200];
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(rand() % 4 ? pieces[(size_t)rand() % (sizeof(pieces) - 1)] : rand());
		console_output(&test.console, 1, bytes, sizeof(bytes));
		test.screen = (struct look_screen){(unsigned)rand() % 60, (unsigned)rand() % 120};
		type("\x1d"
		     "1\x1d"
		     "2");
		char *begin = strstr(test.shown, "\x1b[2J");
		assert_non_null(begin);
		check_harmless(begin + 4, test.length - (size_t)(begin + 4 - test.shown));
		type(rand() % 2 ? "\x1d[k" : "\x1d[bbj");
		begin = strstr(test.shown, "\x1b[2J");
		check_harmless(begin + 4, test.length - (size_t)(begin + 4 - test.shown));
		/* Any key, but those that end a VM's view. */
		for (int i = 0; i < 20; i++) {
			char key[2] = {(char)(1 + rand() % 255), 0};
			type(key);
			if (rand() % 8 == 0)
				console_idle(&test.console);
		}
		memset(test.typed_length, 0, sizeof(test.typed_length));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(the_shown_one_is_seen_as_it_is_and_no_other),
		TEST(a_switch_shows_what_was_said_and_made_harmless),
		TEST(only_the_last_screenful_is_shown),
		TEST(long_lines_take_several_rows),
		TEST(what_is_typed_goes_to_the_one_that_is_shown),
		TEST(one_that_has_ended_can_be_looked_at),
		TEST(a_full_line_holds_back_the_shown_one_alone),
		TEST(endless_output_costs_its_history_and_no_more),
		TEST(an_answer_that_another_vm_asked_for_is_not_typed),
		TEST(a_switch_key_inside_an_answer_is_none),
		TEST(answers_do_not_come_between_the_switch_key_and_the_next),
		TEST(answers_of_8_bits_are_known_and_text_is_none),
		TEST(one_without_an_end_is_held_no_longer_than_its_place),
		TEST(what_is_no_utf8_is_a_question_mark),
		TEST(one_can_look_back),
		TEST(escape_alone_leaves_it_and_page_up_begins_it),
		TEST(what_was_overwritten_meanwhile_is_gone),
		TEST(whatever_is_said_what_is_repainted_is_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
