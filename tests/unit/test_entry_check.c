/* SPDX-License-Identifier: Apache-2.0 */
/* Why an entry failed, in words: each rule is broken once, and is the one that is named; states that break none pass. */
/* unit-sources: monitor/machine/entry_check.c monitor/machine/entry_check_guest.c monitor/machine/entry_check_state.c monitor/machine/failed.c */
/* unit-sources: tests/entry/cases.c lib/format.c lib/string.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/machine/entry_check_inside.h"
#include "monitor/machine/failed.h"
#include "tests/entry/cases.h"

static const struct entry_processor processor = {.physical_bits = 40,
	.linear_bits = 48,
	.efer = 0xd01,
	.debugctl = 0xffc3,
	.performance = 0x70000000f,
	.cr4 = 0x7ff,
	.long_mode = 1};
static struct gyre_dump dump;
static struct entry_verdict verdict;
static uint8_t broken[ENTRY_RULE_COUNT];
static char text[240];

/* ---- a control block ---- */

static uint64_t *slot(enum entry_field field)
{
	uint32_t i;
	for (i = 0; i < dump.count; i++)
		if (dump.field[i].field == entry_number(field))
			return &dump.field[i].value;
	assert_true(i < GYRE_DUMP_FIELDS);
	dump.field[i].field = entry_number(field);
	dump.count++;
	return &dump.field[i].value;
}

static void limits(void)
{
	static const uint64_t values[GYRE_DUMP_MSRS] = {
		[LIMIT_BASIC] = 1ull << 55,
		[LIMIT_MISC] = 0x401c0,
		[LIMIT_CR0_FIXED0] = 0x80000021,
		[LIMIT_CR0_FIXED1] = 0xffffffff,
		[LIMIT_CR4_FIXED0] = 0x2000,
		[LIMIT_CR4_FIXED1] = 0x00ff7fff,
		[LIMIT_PROC2] = 0x03ffffffull << 32,
		[LIMIT_EPT_VPID] = 0x204140,
		[LIMIT_TRUE_PIN] = 0xff00000016,
		[LIMIT_TRUE_PROC] = 0xfff9fffe04006172,
		[LIMIT_TRUE_EXIT] = 0x3fffffff00036dfb,
		[LIMIT_TRUE_ENTRY] = 0x0077ffff000011fb,
		[LIMIT_FUNCTIONS] = 1,
	};
	memcpy(dump.limit, values, sizeof(values));
}

static void controls(enum entry_mode mode)
{
	*slot(ENTRY_FIELD_PIN) = 0x16 | PIN_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI | PIN_TIMER;
	*slot(ENTRY_FIELD_PROC) = 0x04006172 | PROC_MSR_BITMAPS | PROC_SECONDARY | 0x80;
	*slot(ENTRY_FIELD_PROC2) = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED;
	*slot(ENTRY_FIELD_EXIT) = 0x36dfb | EXIT_HOST_64 | EXIT_EFER | EXIT_PAT;
	*slot(ENTRY_FIELD_ENTRY) = 0x11fb | ENTRY_EFER | ENTRY_PAT | (mode == LONG ? ENTRY_LONG : 0);
	*slot(ENTRY_FIELD_EPTP) = 0x1234505e;
	*slot(ENTRY_FIELD_VPID) = 1;
	*slot(ENTRY_FIELD_MSR_BITMAP) = 0x5000;
	*slot(ENTRY_FIELD_LINK_POINTER) = ~0ull;
}

static void host(void)
{
	*slot(ENTRY_FIELD_HOST_CR0) = 0x8001003b;
	*slot(ENTRY_FIELD_HOST_CR3) = 0x1000;
	*slot(ENTRY_FIELD_HOST_CR4) = 0x26a0;
	*slot(ENTRY_FIELD_HOST_CS) = 8;
	*slot(ENTRY_FIELD_HOST_TR) = 0x28;
	*slot(ENTRY_FIELD_HOST_RIP) = 0xffffffff80100000;
	*slot(ENTRY_FIELD_HOST_EFER) = 0xd01;
	*slot(ENTRY_FIELD_HOST_PAT) = 0x0007040600070406;
}

static void segments(enum entry_mode mode)
{
	for (unsigned n = GYRE_ES; n <= GYRE_GS; n++) {
		const int flat = mode != REAL && mode != V86;
		*slot(ENTRY_FIELD_GUEST_ES + n) = flat ? 0x10 : 0x1000;
		*slot(ENTRY_FIELD_GUEST_ES_BASE + n) = flat ? 0 : 0x10000;
		*slot(ENTRY_FIELD_GUEST_ES_LIMIT + n) = flat ? 0xffffffff : 0xffff;
		*slot(ENTRY_FIELD_GUEST_ES_RIGHTS + n) = mode == V86 ? 0xf3 : flat ? 0xc093 : 0x93;
	}
	if (mode == PROTECTED || mode == PAE)
		*slot(ENTRY_FIELD_GUEST_CS_RIGHTS) = 0xc09b;
	if (mode == LONG)
		*slot(ENTRY_FIELD_GUEST_CS_RIGHTS) = 0xa09b;
	*slot(ENTRY_FIELD_GUEST_LDTR_RIGHTS) = 0x10000;
	*slot(ENTRY_FIELD_GUEST_TR) = 0x18;
	*slot(ENTRY_FIELD_GUEST_TR_LIMIT) = 0x67;
	*slot(ENTRY_FIELD_GUEST_TR_RIGHTS) = 0x8b;
}

static void valid(enum entry_mode mode)
{
	static const uint64_t cr0[] = {0x30, 0x31, 0x80000031, 0x80010031, 0x80000031};
	memset(&dump, 0, sizeof(dump));
	dump.kind = GYRE_DUMP_INTEL;
	limits();
	controls(mode);
	host();
	segments(mode);
	*slot(ENTRY_FIELD_GUEST_CR0) = cr0[mode];
	*slot(ENTRY_FIELD_GUEST_CR4) = mode == LONG || mode == PAE ? 0x2020 : 0x2000;
	*slot(ENTRY_FIELD_GUEST_CR3) = 0x3000;
	*slot(ENTRY_FIELD_GUEST_EFER) = mode == LONG ? 0x500 : 0;
	*slot(ENTRY_FIELD_GUEST_PAT) = 0x0007040600070406;
	*slot(ENTRY_FIELD_GUEST_DR7) = 0x400;
	*slot(ENTRY_FIELD_GUEST_RIP) = 0x1000;
	*slot(ENTRY_FIELD_GUEST_RFLAGS) = mode == V86 ? 0x20002 : 2;
	*slot(ENTRY_FIELD_GUEST_GDTR_LIMIT) = 0xffff;
	*slot(ENTRY_FIELD_GUEST_IDTR_LIMIT) = 0xffff;
}

static void check(void)
{
	entry_check(&dump, &processor, &verdict);
	for (uint32_t i = 0; i < verdict.faults && i < ENTRY_FAULTS; i++)
		broken[verdict.fault[i].rule] = 1;
}

static int named(unsigned rule, unsigned field)
{
	for (uint32_t i = 0; i < verdict.faults && i < ENTRY_FAULTS; i++)
		if (verdict.fault[i].rule == rule && verdict.fault[i].field == field)
			return 1;
	return 0;
}

static void print_faults(const char *why, unsigned number)
{
	print_error("case %u: %s\n", number, why);
	for (uint32_t i = 0; i < verdict.faults && i < ENTRY_FAULTS; i++) {
		entry_fault_words(&verdict.fault[i], text, sizeof(text));
		print_error("    %s\n", text);
	}
}

/* ---- tests ---- */

static void a_valid_state_of_each_mode_passes(void **state)
{
	(void)state;
	for (unsigned mode = REAL; mode < ENTRY_MODES; mode++) {
		valid(mode);
		check();
		if (verdict.faults != 0)
			print_faults("is valid", mode);
		assert_int_equal(verdict.faults, 0);
		assert_int_equal(verdict.areas, 0);
	}
}

static void each_case_is_judged_as_the_manual_has_it(void **state)
{
	unsigned wrong = 0;
	(void)state;
	for (unsigned i = 0; i < entry_case_count; i++) {
		const struct entry_case *entry = &entry_cases[i];
		valid(entry->mode);
		if (entry->rule == ENTRY_RULE_LINK_CONTENT) {
			*slot(ENTRY_FIELD_REASON) = 0x80000021;
			*slot(ENTRY_FIELD_QUALIFICATION) = 4;
		}
		for (unsigned j = 0; j < ENTRY_CHANGES && entry->change[j].how != CHANGE_NONE; j++) {
			const struct entry_change *change = &entry->change[j];
			const uint64_t same = change->how == CHANGE_SAME ? *slot(change->value) : 0;
			*slot(change->field) = entry_changed(
				change, *slot(change->field), same, processor.physical_bits);
		}
		check();
		if (entry->rule >= ENTRY_MSR_LOAD ? verdict.faults != 0 : !named(entry->rule, entry->field)) {
			print_faults(
				entry->rule >= ENTRY_MSR_LOAD ? "breaks none" : "breaks a rule that is not named", i);
			wrong++;
		}
		if (entry->rule < ENTRY_MSR_LOAD)
			assert_int_equal(verdict.areas & 1u << entry_area(entry->rule), 1u << entry_area(entry->rule));
	}
	assert_int_equal(wrong, 0);
}

static void what_depends_on_the_processor(void **state)
{
	(void)state;
	valid(LONG);
	dump.limit[LIMIT_EPT_VPID] = 0x4040;
	check();
	assert_true(named(ENTRY_RULE_EPT_DIRTY, ENTRY_FIELD_EPTP) && verdict.faults == 1);
	/* An event's length of 0, and error codes at will. */
	valid(LONG);
	*slot(ENTRY_FIELD_EVENT) = 0x80000480;
	dump.limit[LIMIT_MISC] |= 1u << 30;
	check();
	assert_int_equal(verdict.faults, 0);
	*slot(ENTRY_FIELD_EVENT) = 0x80000b15;
	check();
	assert_true(named(ENTRY_RULE_EVENT_HAS_ERROR, ENTRY_FIELD_EVENT));
	dump.limit[LIMIT_BASIC] |= 1ull << 56;
	check();
	assert_int_equal(verdict.faults, 0);
	/* Old ones have no true controls. */
	valid(LONG);
	dump.limit[LIMIT_BASIC] = 0;
	dump.limit[LIMIT_PIN] = 0x7f00000016;
	dump.limit[LIMIT_PROC] = 0xfff9fffe0401e172;
	dump.limit[LIMIT_EXIT] = dump.limit[LIMIT_TRUE_EXIT];
	dump.limit[LIMIT_ENTRY] = dump.limit[LIMIT_TRUE_ENTRY];
	check();
	assert_true(named(ENTRY_RULE_ALLOWED, ENTRY_FIELD_PROC) && verdict.faults == 1);
	assert_int_equal(verdict.fault[0].bits, 0x18000);
	/* An NMI while STI blocks: some mind. */
	valid(LONG);
	*slot(ENTRY_FIELD_EVENT) = 0x80000202;
	*slot(ENTRY_FIELD_INTERRUPTIBILITY) = 1;
	*slot(ENTRY_FIELD_GUEST_RFLAGS) = 0x202;
	check();
	assert_int_equal(verdict.faults, 0);
	*slot(ENTRY_FIELD_REASON) = 0x80000021;
	*slot(ENTRY_FIELD_QUALIFICATION) = 3;
	check();
	assert_true(named(ENTRY_RULE_BLOCK_STI_NMI, ENTRY_FIELD_INTERRUPTIBILITY) && verdict.faults == 1);
	/* Without a word of why: if there is no other reason. */
	*slot(ENTRY_FIELD_QUALIFICATION) = 0;
	check();
	assert_true(named(ENTRY_RULE_BLOCK_STI_NMI, ENTRY_FIELD_INTERRUPTIBILITY) && verdict.faults == 1);
	*slot(ENTRY_FIELD_GUEST_CR4) = 0;
	check();
	assert_false(named(ENTRY_RULE_BLOCK_STI_NMI, ENTRY_FIELD_INTERRUPTIBILITY));
}

static void a_failed_vmrun_has_words_too(void **state)
{
	static const struct {
		enum entry_rule rule;
		enum entry_field field;
		uint64_t cr0, cr3, cr4, efer, cs, dr6, dr7;
		uint32_t event;
	} cases[] = {
		{ENTRY_RULE_RUN_CR0_CACHE, ENTRY_FIELD_STATE_CR0, 0xa0000011, 0, 0x20, 0x500, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_HIGH, ENTRY_FIELD_STATE_CR0, 0x100000011, 0, 0x20, 0, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_PHYSICAL, ENTRY_FIELD_STATE_CR3, 0x11, 1ull << 40, 0, 0, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_RESERVED, ENTRY_FIELD_STATE_CR4, 0x11, 0, 0x800, 0, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_HIGH, ENTRY_FIELD_STATE_DR6, 0x11, 0, 0, 0, 0x29b, 1ull << 32, 0, 0},
		{ENTRY_RULE_RUN_HIGH, ENTRY_FIELD_STATE_DR7, 0x11, 0, 0, 0, 0x29b, 0, 1ull << 63, 0},
		{ENTRY_RULE_RUN_RESERVED, ENTRY_FIELD_STATE_EFER, 0x11, 0, 0, 0x2, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_LONG_PAE, ENTRY_FIELD_STATE_CR4, 0x80000011, 0, 0, 0x500, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_LONG_PE, ENTRY_FIELD_STATE_CR0, 0x80000010, 0, 0x20, 0x500, 0x29b, 0, 0, 0},
		{ENTRY_RULE_RUN_D_AND_L, ENTRY_FIELD_STATE_CS, 0x80000011, 0, 0x20, 0x500, 0x69b, 0, 0, 0},
		{ENTRY_RULE_RUN_EVENT, ENTRY_FIELD_STATE_EVENT, 0x11, 0, 0, 0, 0x29b, 0, 0, 0x80000302},
		{ENTRY_RULE_RUN_EVENT, ENTRY_FIELD_STATE_EVENT, 0x11, 0, 0, 0, 0x29b, 0, 0, 0x80000120},
	};
	struct entry_processor old = processor;
	struct gyre_vcpu_state neutral = {
		.cr0 = 0x80000011, .cr4 = 0x20, .efer = 0xd01, .dr6 = 0xffff0ff0, .dr7 = 0x400};
	(void)state;
	neutral.segment[GYRE_CS].attributes = 0x29b;
	entry_check_state(&neutral, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | 13, &processor, &verdict);
	assert_int_equal(verdict.faults, 0);
	old.long_mode = 0;
	entry_check_state(&neutral, 0, &old, &verdict);
	assert_true(named(ENTRY_RULE_RUN_LONG, ENTRY_FIELD_STATE_EFER) && verdict.faults == 1);
	broken[ENTRY_RULE_RUN_LONG] = 1;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		neutral = (struct gyre_vcpu_state){.cr0 = cases[i].cr0,
			.cr3 = cases[i].cr3,
			.cr4 = cases[i].cr4,
			.efer = cases[i].efer,
			.dr6 = cases[i].dr6,
			.dr7 = cases[i].dr7};
		neutral.segment[GYRE_CS].attributes = (uint16_t)cases[i].cs;
		entry_check_state(&neutral, cases[i].event, &processor, &verdict);
		assert_int_equal(verdict.faults, 1);
		assert_true(named(cases[i].rule, cases[i].field));
		broken[cases[i].rule] = 1;
	}
}

/* Last: what the tests before have broken. */
static void every_rule_was_broken_once(void **state)
{
#define RULE_NAME(name, area, words) #name,
	static const char *const names[] = {ENTRY_RULES(RULE_NAME)};
	unsigned missing = 0;
	(void)state;
	for (unsigned rule = 0; rule < ENTRY_RULE_COUNT; rule++) {
		if (!broken[rule]) {
			print_error("nothing breaks %s\n", names[rule]);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

static void words_name_field_value_and_rule(void **state)
{
	(void)state;
	valid(LONG);
	*slot(ENTRY_FIELD_GUEST_CR4) = 0x20;
	check();
	entry_fault_words(&verdict.fault[0], text, sizeof(text));
	assert_string_equal(text, "guest CR4 is 0x20 (bits 0x2000): a bit that is fixed in VMX operation is not so");
	valid(LONG);
	*slot(ENTRY_FIELD_HOST_TR) = 0;
	check();
	entry_fault_words(&verdict.fault[0], text, sizeof(text));
	assert_string_equal(text, "Gyre's fault, host TR selector is 0x0: must not be 0");
	assert_int_equal(verdict.areas, 1u << ENTRY_AREA_HOST);
	/* The longest of all, with the number of the instruction before it, is a line of the log. */
	for (unsigned rule = 0; rule < ENTRY_RULE_COUNT; rule++) {
		for (unsigned field = 0; field < ENTRY_FIELD_COUNT; field++) {
			const struct entry_fault fault = {rule, field, ~0ull, ~1ull};
			entry_fault_words(&fault, text, sizeof(text));
			assert_true(strlen(text) < 220);
		}
	}
}

static void the_processors_own_word_is_passed_on(void **state)
{
	(void)state;
	valid(LONG);
	*slot(ENTRY_FIELD_QUALIFICATION) = 2;
	entry_failure_words(&dump, 0x80000022, 2, text, sizeof(text));
	assert_string_equal(text, "entry 2 of the VM-entry MSR-load area cannot be loaded (exit reason 34)");
	entry_failure_words(&dump, 0x80000021, 0, text, sizeof(text));
	assert_string_equal(text, "the processor refuses the guest's state, its PDPTEs (exit reason 33)");
	entry_failure_words(&dump, 0, 7, text, sizeof(text));
	assert_string_equal(text, "the processor refuses its controls (error 7)");
	entry_failure_words(&dump, 0, 8, text, sizeof(text));
	assert_string_equal(text, "the processor refuses the host's state (error 8)");
	entry_failure_words(&dump, 0x80000029, 0, text, sizeof(text));
	assert_string_equal(text, "a machine check came during the entry (exit reason 41)");
	entry_failure_words(&dump, 0, 4, text, sizeof(text));
	assert_string_equal(text, "the processor refuses the entry (error 4)");
	entry_failure_words(&dump, 49, 0, text, sizeof(text));
	assert_string_equal(text, "its nested page tables are wrong (exit reason 49)");
	entry_failure_words(&dump, 37, 0, text, sizeof(text));
	assert_string_equal(text, "it left the processor for a reason that Gyre does not know (exit reason 37)");
}

/* Whoever shares the page may have written nonsense. */
static void a_broken_dump_does_no_harm(void **state)
{
	(void)state;
	valid(LONG);
	dump.count = 0xffffffff;
	entry_check(&dump, &processor, &verdict);
	memset(&dump, 0xff, sizeof(dump));
	entry_check(&dump, &processor, &verdict);
	assert_true(verdict.faults > 0);
	memset(&dump, 0, sizeof(dump));
	entry_check(&dump, &processor, &verdict);
	assert_true(verdict.faults > 0);
}

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	memset(out, 0, 16);
	switch (leaf) {
	case 0: out[0] = 13; break;
	case 1: out[2] = 1u << 26 | 1u << 17; break;
	case 7: out[1] = 1u << 20 | 1u << 7 | 1; break;
	case 10: out[0] = 0x07300404, out[3] = 0x603; break;
	case 0x80000001: out[3] = 0x2c100800; break;
	case 0x80000008: out[0] = 0x3027; break;
	}
}

static void cpuid_gives_the_limits(void **state)
{
	struct entry_processor found;
	(void)state;
	entry_processor(&found, cpuid);
	assert_int_equal(found.physical_bits, 39);
	assert_int_equal(found.linear_bits, 48);
	assert_int_equal(found.efer, 0xd01);
	assert_int_equal(found.performance, 0x70000000f);
	assert_int_equal(found.cr4, 0x3707ff);
	assert_true(found.long_mode && !found.sgx && !found.rtm);
}

/* ---- what the monitor makes of it ---- */

static char logged[4][240];
static unsigned log_lines;
static int state_error;

void engine_log(const char *line)
{
	snprintf(logged[log_lines++ & 3], sizeof(logged[0]), "%s", line);
}

void engine_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	cpuid(leaf, subleaf, out);
}

int engine_state_get(struct engine_vcpu *vcpu, uint32_t groups)
{
	(void)vcpu;
	(void)groups;
	return state_error;
}

static void the_monitor_tells_every_broken_rule(void **state)
{
	static uint8_t state_page[4096] __attribute__((aligned(8)));
	static struct gyre_vcpu_page page;
	struct gyre_dump *in_page = (struct gyre_dump *)(state_page + GYRE_DUMP_OFFSET);
	struct engine_vcpu vcpu = {.page = &page, .state = (struct gyre_vcpu_state *)state_page};
	(void)state;
	log_lines = 0;
	valid(LONG);
	*slot(ENTRY_FIELD_GUEST_IDTR_LIMIT) = 0x10000;
	*slot(ENTRY_FIELD_GUEST_DR7) = 0x400;
	*slot(ENTRY_FIELD_ACTIVITY) = 4;
	memcpy(in_page, &dump, sizeof(dump));
	page.d0 = 0x80000021;
	assert_true(failed_words(&vcpu, text, sizeof(text)));
	assert_string_equal(text, "guest IDTR limit is 0x10000: bits 31:16 must be 0");
	assert_int_equal(log_lines, 3);
	assert_string_equal(logged[0], "the processor refuses the guest's state (exit reason 33)");
	assert_string_equal(logged[1], text);
	assert_string_equal(logged[2], "guest activity state is 0x4: the processor has no such state");
	/* The dump has been read: the state it is, from now on. */
	assert_int_equal(in_page->kind, GYRE_DUMP_NONE);
	assert_false(failed_words(&vcpu, text, sizeof(text)));
	vcpu.state->cr0 = CR0_NW;
	assert_true(failed_words(&vcpu, text, sizeof(text)));
	assert_string_equal(text, "CR0 is 0x20000000: NW needs CD");
	state_error = -1;
	assert_false(failed_words(&vcpu, text, sizeof(text)));
	/* Not an entry: the rules say nothing. */
	valid(LONG);
	*slot(ENTRY_FIELD_ACTIVITY) = 4;
	memcpy(in_page, &dump, sizeof(dump));
	page.d0 = 49;
	assert_true(failed_words(&vcpu, text, sizeof(text)));
	assert_string_equal(text, "its nested page tables are wrong (exit reason 49)");
	/* Nothing of what the dump shows is wrong. */
	valid(LONG);
	*slot(ENTRY_FIELD_QUALIFICATION) = 1;
	memcpy(in_page, &dump, sizeof(dump));
	page.d0 = 0x80000022;
	assert_true(failed_words(&vcpu, text, sizeof(text)));
	assert_string_equal(text, "entry 1 of the VM-entry MSR-load area cannot be loaded (exit reason 34)");
	/* A task priority below its threshold is in memory. */
	memcpy(in_page, &dump, sizeof(dump));
	page.d0 = 0;
	page.d2 = 7;
	log_lines = 0;
	assert_true(failed_words(&vcpu, text, sizeof(text)));
	assert_string_equal(text, "the processor refuses its controls (error 7)");
	assert_int_equal(log_lines, 2);
	assert_non_null(strstr(logged[1], "no field breaks a rule"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_state_of_each_mode_passes),
		cmocka_unit_test(each_case_is_judged_as_the_manual_has_it),
		cmocka_unit_test(what_depends_on_the_processor),
		cmocka_unit_test(a_failed_vmrun_has_words_too),
		cmocka_unit_test(every_rule_was_broken_once),
		cmocka_unit_test(words_name_field_value_and_rule),
		cmocka_unit_test(the_processors_own_word_is_passed_on),
		cmocka_unit_test(a_broken_dump_does_no_harm),
		cmocka_unit_test(cpuid_gives_the_limits),
		cmocka_unit_test(the_monitor_tells_every_broken_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
