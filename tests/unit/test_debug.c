/* SPDX-License-Identifier: Apache-2.0 */
/* The debugger's protocol against a machine that stands still: packets, registers, memory by page tables, breakpoints. */
/* unit-sources: monitor/debug/rsp.c monitor/debug/target.c monitor/debug/breaks.c monitor/debug/command.c monitor/machine/memory.c */
/* unit-sources: monitor/engine/fake.c monitor/save/stream.c lib/format.c lib/crc32.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/unit/debug_fixture.h"
#include "gyre/frame.h"

static int setup(void **state)
{
	(void)state;
	fixture_make();
	return 0;
}

static int free_ram(void **state)
{
	(void)state;
	free(fixture.ram);
	fixture.ram = NULL;
	return 0;
}

static void feed(const char *text)
{
	fixture_feed((const uint8_t *)text, strlen(text));
}

/* The answer to a packet, without its frame; "" for none. */
static const char *ask(const char *text)
{
	static char packet[8192];
	uint8_t sum = 0;
	for (const char *at = text; *at != 0; at++)
		sum = (uint8_t)(sum + (uint8_t)*at);
	snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	fake.debugged_bytes = 0;
	feed(packet);
	assert_in_range(fake.debugged_bytes, 1, FAKE_OUTPUT - 1);
	fake.debugged[fake.debugged_bytes] = 0;
	char *answer = strrchr((char *)fake.debugged, '$');
	if (answer == NULL)
		return "";
	*strchr(answer, '#') = 0;
	return answer + 1;
}

static void said(const char *text)
{
	fake.debugged[fake.debugged_bytes] = 0;
	assert_string_equal((char *)fake.debugged, text);
	fake.debugged_bytes = 0;
}

/* ---- packets ---- */

static void a_packet_is_taken_once_its_sum_is_right(void **state)
{
	(void)state;
	feed("$qC#b4");
	said("+$QC1#c5");
	feed("$qC#b5");
	said("-");
	feed("$qC#zz");
	said("-");
	feed("-");
	said("$QC1#c5");
	feed("rubbish $half of one$qC#b4");
	said("+$QC1#c5");
}

static void what_is_too_long_is_refused_whole(void **state)
{
	static char packet[RSP_MOST + 8];
	uint8_t sum = 0;
	(void)state;
	for (size_t i = 0; i < RSP_MOST + 1; i++)
		sum = (uint8_t)(sum + (uint8_t)(packet[i + 1] = 'a'));
	packet[0] = '$';
	snprintf(packet + RSP_MOST + 2, 4, "#%02x", sum);
	feed(packet);
	said("-");
	/* One byte less is a packet, of a kind that nobody knows. */
	packet[RSP_MOST + 1] = '#';
	snprintf(packet + RSP_MOST + 2, 3, "%02x", (uint8_t)(sum - 'a'));
	feed(packet);
	said("+$#00");
}

static void without_acknowledgements_none_are_sent(void **state)
{
	(void)state;
	assert_string_equal(ask("QStartNoAckMode"), "OK");
	fake.debugged_bytes = 0;
	feed("$qC#b4$qC#b5-");
	said("$QC1#c5");
	/* The next debugger begins anew. */
	feed((const char[]){GYRE_DEBUG_GONE, 0});
	assert_int_equal(fixture.let_go, 1);
	feed("$qC#b4");
	said("+$QC1#c5");
}

static void unknown_packets_get_an_empty_answer(void **state)
{
	(void)state;
	assert_string_equal(ask("X0,1:a"), "");
	assert_string_equal(ask("vMustReplyEmpty"), "");
	assert_string_equal(ask("qXfer:auxv:read::0,100"), "");
	assert_string_equal(ask("Z2,1000,4"), "");
	assert_string_equal(ask(""), "");
}

/* ---- registers ---- */

static void registers_have_their_places(void **state)
{
	(void)state;
	fixture.page.gpr[GYRE_RBX] = 0x1122334455667788;
	fixture.page.rip = 0xffffffff81000000;
	fixture.state.segment[GYRE_GS].base = 0xffff888000000000;
	fixture.state.cr3 = 0x1234000;
	assert_memory_equal(ask("g"),
		"0000000000000000"
		"8877665544332211",
		32);
	assert_string_equal(ask("p1"), "8877665544332211");
	assert_string_equal(ask("p10"), "00000081ffffffff");
	assert_string_equal(ask("p3a"), "0000000080"
					"88ffff");
	assert_string_equal(ask("p3e"), "0040230100000000");
	assert_string_equal(ask("P1=0100000000000000"), "OK");
	assert_int_equal(fixture.page.gpr[GYRE_RBX], 1);
	assert_string_equal(ask("P3e=0050230100000000"), "OK");
	assert_int_equal(fixture.state.cr3, 0x1235000);
	assert_int_equal(fake.groups_set, GYRE_STATE_CONTROL);
	assert_int_equal(fixture.settled, 1);
}

static void all_registers_can_be_written_back(void **state)
{
	static char packet[RSP_MOST];
	(void)state;
	fixture.page.gpr[GYRE_R15] = 77;
	snprintf(packet, sizeof(packet), "G%s", ask("g"));
	assert_string_equal(ask(packet), "OK");
	assert_int_equal(fixture.page.gpr[GYRE_R15], 77);
}

static void what_is_no_register_or_no_value_is_refused(void **state)
{
	(void)state;
	const char *wrong[] = {"p", "p42", "pfff", "pffffffffffffffff", "p1ffffffffffffffff", "P1", "P1=", "P1=01",
		"P1=010000000000000g", "P1=010000000000000000", "P42=00", "G00", "Gzz"};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_string_equal(ask(wrong[i]), "E16");
	/* A selector without its descriptor would be half a segment. */
	assert_string_equal(ask("P12=08000000"), "E16");
	assert_string_equal(ask("P12=00000000"), "OK");
}

/* An entry with it would fail, and that is no way to end a guest. */
static void an_instruction_pointer_that_cannot_be_is_refused(void **state)
{
	(void)state;
	fixture.page.rip = 0x1000;
	assert_string_equal(ask("P10=0000000000800000"), "E16");
	assert_string_equal(ask("c800000000000"), "E16");
	assert_string_equal(ask("S05;ffff7fffffffffff"), "E16");
	assert_int_equal(fixture.page.rip, 0x1000);
	assert_int_equal(fixture.continues + fixture.steps, 0);
	assert_string_equal(ask("P10=000000000080ffff"), "OK");
	assert_int_equal(fixture.page.rip, FIXTURE_WIDE);
	fixture.page.mode &= ~GYRE_MODE_CS_L;
	assert_string_equal(ask("P10=0000000001000000"), "E16");
	assert_string_equal(ask("P10=ffffffff00000000"), "OK");
	assert_int_equal(fixture.page.rip, 0xffffffff);
}

static void flags_that_do_not_exist_stay_as_they_are(void **state)
{
	(void)state;
	fixture.page.rflags = 0x20002;
	assert_string_equal(ask("P11=ffffffff"), "OK");
	assert_int_equal(fixture.page.rflags, 0x257fd5 | 0x20002);
}

static void the_tag_word_is_made_from_what_is_in_use(void **state)
{
	(void)state;
	/* ST0 is the physical register 6: 1.0, in use; ST1, register 7, is zero and in use. */
	fixture.fpu[3] = 6 << 3;
	fixture.fpu[4] = 0xc0;
	fixture.fpu[32 + 7] = 0x80, fixture.fpu[32 + 8] = 0xff, fixture.fpu[32 + 9] = 0x3f;
	assert_string_equal(ask("p22"), "ff4f0000");
	assert_string_equal(ask("P22=ffff0000"), "OK");
	assert_int_equal(fixture.fpu[4], 0);
}

static void the_description_fits_the_kernel(void **state)
{
	static const uint8_t plain[64] = "\177ELF\1",
			     enters[64] = "\177ELF\1........\xb9\x80\0\0\xc0\x0f\x32\x0f\xba\xe8\x08\x0f\x30";
	static char all[16384];
	size_t length = 0;
	(void)state;
	for (const char *part = "m"; *part == 'm';) {
		char packet[64];
		snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,3b8", length);
		part = ask(packet);
		strcpy(all + length, part + 1);
		length += strlen(part + 1);
	}
	assert_non_null(strstr(all, "<architecture>i386:x86-64</architecture>"));
	assert_non_null(strstr(all, "\"efer\" bitsize=\"64\""));
	assert_string_equal(all + length - 9, "</target>");
	for (const char *at = all; (at = strstr(at, "<feature")) != NULL; at++)
		assert_non_null(strstr(at, "</feature>"));
	fixture.page.mode = GYRE_MODE_PE;
	fixture.vm.kernel = (struct engine_file){.data = plain, .bytes = sizeof(plain)};
	debug_choose_width(&fixture.debug);
	assert_false(fixture.debug.wide);
	assert_non_null(strstr(ask("qXfer:features:read:target.xml:0,200"), "<architecture>i386</architecture>"));
	fixture.vm.kernel.data = enters;
	debug_choose_width(&fixture.debug);
	assert_true(fixture.debug.wide);
}

/* ---- memory ---- */

static void memory_is_found_by_the_guests_tables(void **state)
{
	(void)state;
	memcpy(fixture.ram + 0x5ffe, "ab", 2);
	memcpy(fixture.ram + 0x1ff0, "pq", 2);
	assert_string_equal(ask("mffff800000001ff0,2"), "7071");
	assert_string_equal(ask("mffff800000200ffe,2"), "6162");
	/* The next page is not there: what is before it is told. */
	assert_string_equal(ask("mffff800000200ffe,4"), "6162");
	assert_string_equal(ask("mffff800000201000,1"), "E0e");
	assert_string_equal(ask("m1000,1"), "E0e");
	assert_string_equal(ask("m8000000000000000,1"), "E0e");
	assert_string_equal(ask("Mffff800000200ffe,2:7a79"), "OK");
	assert_memory_equal(fixture.ram + 0x5ffe, "zy", 2);
	assert_string_equal(ask("Mffff800000200ffe,3:7a7978"), "E0e");
	assert_string_equal(ask("Mffff800000200ffe,2:7a"), "E16");
	assert_string_equal(ask("mffff800000000000"), "E16");
	/* No bit of the tables was set. */
	assert_int_equal(fixture.ram[0x13000], 3);
}

static void tables_of_32_bits_are_walked_too(void **state)
{
	uint32_t entry;
	(void)state;
	fixture.page.cr3 = 0x20000;
	fixture.page.mode = GYRE_MODE_PE | GYRE_MODE_PG | GYRE_MODE_PSE;
	entry = 0x21001, memcpy(fixture.ram + 0x20000 + 4 * 0x300, &entry, 4);
	entry = 0x81, memcpy(fixture.ram + 0x20000 + 4 * 0x301, &entry, 4);
	entry = 0x7001, memcpy(fixture.ram + 0x21000 + 4 * 5, &entry, 4);
	fixture.ram[0x7123] = 0x99;
	assert_string_equal(ask("mc0005123,1"), "99");
	assert_string_equal(ask("mc0407123,1"), "99");
	assert_string_equal(ask("mc0006000,1"), "E0e");
	fixture.page.mode = GYRE_MODE_PE | GYRE_MODE_PG | GYRE_MODE_PAE;
	entry_put(0x20000, 3, 0x12001);
	assert_string_equal(ask("mc0007123,1"), "99");
	fixture.page.mode = GYRE_MODE_PE;
	assert_string_equal(ask("m7123,1"), "99");
}

static void tables_that_lead_nowhere_are_no_memory(void **state)
{
	(void)state;
	entry_put(FIXTURE_PML4, 256, 0xffffffffff003);
	assert_string_equal(ask("mffff800000000000,1"), "E0e");
	fixture.page.cr3 = 0xffffffffffffffff;
	assert_string_equal(ask("mffff800000000000,1"), "E0e");
	fixture.page.mode = GYRE_MODE_PG;
	assert_string_equal(ask("mffff800000000000,1"), "E0e");
}

/* ---- breakpoints ---- */

static void a_breakpoint_lies_in_memory_only_while_the_guest_runs(void **state)
{
	(void)state;
	fixture.ram[0x5010] = 0x55;
	assert_string_equal(ask("Z0,ffff800000200010,1"), "OK");
	assert_string_equal(ask("Z0,ffff800000200010,1"), "OK");
	assert_string_equal(ask("mffff800000200010,1"), "55");
	breaks_plant(&fixture.debug, false);
	assert_int_equal(fixture.ram[0x5010], 0xcc);
	fixture.page.rip = 0xffff800000200010;
	assert_true(breaks_at(&fixture.debug));
	fixture.page.rip++;
	assert_false(breaks_at(&fixture.debug));
	breaks_lift(&fixture.debug);
	assert_int_equal(fixture.ram[0x5010], 0x55);
	assert_string_equal(ask("z0,ffff800000200010,1"), "OK");
	breaks_plant(&fixture.debug, false);
	assert_int_equal(fixture.ram[0x5010], 0x55);
}

static void one_for_a_step_goes_when_it_is_reached_and_the_others_stay_out(void **state)
{
	(void)state;
	fixture.ram[0x5010] = 0x55, fixture.ram[0x5020] = 0x66;
	ask("Z0,ffff800000200010,1");
	assert_int_equal(breaks_set(&fixture.debug, 0xffff800000200020, true), 0);
	breaks_plant(&fixture.debug, true);
	assert_int_equal(fixture.ram[0x5010], 0x55);
	assert_int_equal(fixture.ram[0x5020], 0xcc);
	breaks_lift(&fixture.debug);
	breaks_plant(&fixture.debug, true);
	assert_int_equal(fixture.ram[0x5020], 0x66);
	breaks_lift(&fixture.debug);
	breaks_plant(&fixture.debug, false);
	assert_int_equal(fixture.ram[0x5010], 0xcc);
	/* Who goes leaves nothing behind. */
	debug_let_go(&fixture.debug);
	assert_int_equal(fixture.ram[0x5010], 0x55);
}

static void what_the_guest_wrote_over_a_breakpoint_stays(void **state)
{
	(void)state;
	fixture.ram[0x5010] = 0x55;
	ask("Z1,ffff800000200010,1");
	breaks_plant(&fixture.debug, false);
	fixture.ram[0x5010] = 0x90;
	breaks_lift(&fixture.debug);
	assert_int_equal(fixture.ram[0x5010], 0x90);
}

static void breakpoints_are_bounded(void **state)
{
	char packet[64];
	(void)state;
	for (unsigned i = 0; i < DEBUG_BREAKS; i++) {
		snprintf(packet, sizeof(packet), "Z0,%llx,1", FIXTURE_SMALL + i);
		assert_string_equal(ask(packet), "OK");
	}
	assert_string_equal(ask("Z0,ffff800000200800,1"), "E0e");
	assert_string_equal(ask("Z0,ffff800000201000,1"), "E0e");
	assert_string_equal(ask("Z0"), "E16");
	assert_string_equal(ask("Z7,0,1"), "E16");
}

/* ---- going on, and words ---- */

static void every_way_to_go_on_is_known(void **state)
{
	(void)state;
	assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
	assert_string_equal(ask("c"), "");
	assert_string_equal(ask("C05"), "");
	assert_string_equal(ask("vCont;c"), "");
	assert_int_equal(fixture.continues, 3);
	assert_string_equal(ask("s"), "");
	assert_string_equal(ask("S05;1234"), "");
	assert_int_equal(fixture.page.rip, 0x1234);
	assert_string_equal(ask("vCont;s:1;c"), "");
	assert_string_equal(ask("vCont;S05:1"), "");
	assert_int_equal(fixture.steps, 4);
	assert_string_equal(ask("cx"), "E16");
	assert_string_equal(ask("vCont;t"), "E16");
	fake.debugged_bytes = 0;
	rsp_stopped(&fixture.debug.rsp, RSP_SIGINT, false);
	said("$T02thread:1;#d4");
	assert_string_equal(ask("?"), "T02thread:1;");
	ask("qSupported:swbreak+");
	rsp_stopped(&fixture.debug.rsp, RSP_SIGTRAP, true);
	assert_string_equal(ask("?"), "T05thread:1;swbreak:;");
	assert_string_equal(ask("D"), "OK");
	assert_int_equal(fixture.let_go, 1);
}

static void a_kill_ends_the_vm(void **state)
{
	jmp_buf at_end;
	(void)state;
	fake.at_end = &at_end;
	if (setjmp(at_end) == 0) {
		ask("vKill;1");
		fail();
	}
	assert_int_equal(fake.reason, GYRE_END_KILLED);
}

static void monitor_commands_answer_in_words(void **state)
{
	(void)state;
	memcpy(fixture.ram + 0x5000, "AB", 2);
	/* "physical 5000 2" */
	assert_string_equal(ask("qRcmd,706879736963616c20353030302032"), "OK");
	assert_non_null(strstr((char *)fake.debugged, "$O3030303030303030353030303a2034312034320a#"));
	/* "translate ffff800000200000", "physical fffffffffffffff0", "segments", "arch i386", and what is none */
	const char *good[] = {"7472616e736c6174652066666666383030303030323030303030",
		"706879736963616c2066666666666666666666666666666630", "7365676d656e7473", "617263682069333836",
		"787878", ""};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char packet[128];
		snprintf(packet, sizeof(packet), "qRcmd,%s", good[i]);
		assert_string_equal(ask(packet), "OK");
		assert_int_equal(fake.debugged[2], 'O');
	}
	assert_true(fixture.debug.width_chosen && !fixture.debug.next_wide);
	assert_string_equal(ask("qRcmd,7"), "E16");
	assert_string_equal(ask("qRcmd,7g"), "E16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_packet_is_taken_once_its_sum_is_right, setup),
		cmocka_unit_test_setup(what_is_too_long_is_refused_whole, setup),
		cmocka_unit_test_setup(without_acknowledgements_none_are_sent, setup),
		cmocka_unit_test_setup(unknown_packets_get_an_empty_answer, setup),
		cmocka_unit_test_setup(registers_have_their_places, setup),
		cmocka_unit_test_setup(all_registers_can_be_written_back, setup),
		cmocka_unit_test_setup(what_is_no_register_or_no_value_is_refused, setup),
		cmocka_unit_test_setup(an_instruction_pointer_that_cannot_be_is_refused, setup),
		cmocka_unit_test_setup(flags_that_do_not_exist_stay_as_they_are, setup),
		cmocka_unit_test_setup(the_tag_word_is_made_from_what_is_in_use, setup),
		cmocka_unit_test_setup(the_description_fits_the_kernel, setup),
		cmocka_unit_test_setup(memory_is_found_by_the_guests_tables, setup),
		cmocka_unit_test_setup(tables_of_32_bits_are_walked_too, setup),
		cmocka_unit_test_setup(tables_that_lead_nowhere_are_no_memory, setup),
		cmocka_unit_test_setup(a_breakpoint_lies_in_memory_only_while_the_guest_runs, setup),
		cmocka_unit_test_setup(one_for_a_step_goes_when_it_is_reached_and_the_others_stay_out, setup),
		cmocka_unit_test_setup(what_the_guest_wrote_over_a_breakpoint_stays, setup),
		cmocka_unit_test_setup(breakpoints_are_bounded, setup),
		cmocka_unit_test_setup(every_way_to_go_on_is_known, setup),
		cmocka_unit_test_setup(a_kill_ends_the_vm, setup),
		cmocka_unit_test_setup_teardown(monitor_commands_answer_in_words, setup, free_ram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
