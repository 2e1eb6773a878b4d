/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/entry/main.c: runs in root's place, on a core built with TEST_CORE=1. Enters a guest in each of the states of cases.c, and compares what the processor
 * says with what the checker says of the same control block. Each difference is a line of the log, and the last line counts. Words of the core's command line:
 *   pairs=N seed=N    that many pairs of changes at random as well
 */
#include <stdbool.h>
#include "lib/calls.h"
#include "lib/format.h"
#include "lib/native.h"
#include "lib/string.h"
#include "monitor/machine/entry_check_inside.h"
#include "tests/core/entry.h"
#include "tests/entry/cases.h"
#include "tests/native/words.h"

#define VCPU_ADDRESS 0x20000000ull
#define RAM_PAGES    16u
#define WORD_BYTES   160u

/* What came of an entry. */
enum outcome { ENTERED, CONTROLS, HOST, GUEST, MSRS, OTHER };
static const char *const outcome_words[] = {
	"enters", "refuses controls", "refuses host", "refuses guest", "refuses MSRs", "?"};

#define FIELD_NAME(name, number, words) #name,
#define RULE_NAME(name, area, words)	#name,
static const char *const field_names[] = {ENTRY_FIELDS(FIELD_NAME)};
static const char *const rule_names[] = {ENTRY_RULES(RULE_NAME)};
static const char *const mode_names[] = {"REAL", "PROTECTED", "PAE", "LONG", "V86"};

static const struct gyre_boot_info *boot;
static handle_t vm, vcpu;
static struct entry_processor processor;
static struct gyre_dump base[ENTRY_MODES];
static bool different[1024];		 /* cases: what differs alone differs in pairs, too */
static bool lax[ENTRY_RULE_COUNT];	 /* rules that this processor does not always keep */
static bool confirmed[ENTRY_RULE_COUNT]; /* refused by the processor with this rule alone broken */
static struct {
	unsigned tried, entered, refused, differ;
} count;

static struct gyre_vcpu_page *run_page(void)
{
	return (struct gyre_vcpu_page *)VCPU_ADDRESS;
}

static struct gyre_vcpu_state *state_page(void)
{
	return (struct gyre_vcpu_state *)(VCPU_ADDRESS + GYRE_VCPU_PAGE_STATE * 4096);
}

static struct gyre_dump *dump_page(void)
{
	return (struct gyre_dump *)((uint8_t *)state_page() + GYRE_DUMP_OFFSET);
}

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

/* ---- a guest that can be entered ---- */

static void vm_begin(void)
{
	uint64_t first = 0, most = 0;
	for (unsigned i = 0; i < boot->ranges; i++) {
		if (boot->range[i].pages <= most)
			continue;
		most = boot->range[i].pages;
		first = boot->range[i].first_page + 4096;
	}
	const handle_t memory = (handle_t)memory_create(RAM_PAGES, 0);
	vm = (handle_t)vm_create(0);
	if (memory_move_all(memory, 0, GYRE_ROOT_RAM, first, RAM_PAGES) != 0 ||
		vm_map_all(vm, memory, 0, 0, RAM_PAGES, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC) != 0)
		native_panic("entry: no VM");
}

static void vcpu_begin(void)
{
	struct gyre_machine_info machine;
	machine_info(&machine);
	const struct gyre_vcpu_policy policy = {.abi = GYRE_VCPU_ABI,
		.flags = GYRE_POLICY_HALT_EXIT,
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = 0x6f0,
		.efer_allowed = 0xd01,
		.physical_bits = machine.physical_bits,
		.apic_timer_khz = 1000000,
		.tsc_khz = (uint32_t)machine.tsc_khz};
	const long made = vcpu_create(vm, 0, (void *)VCPU_ADDRESS);
	vcpu = (handle_t)made;
	const long error = made < 0 ? made : vcpu_policy(vcpu, &policy, NULL, 0);
	if (error != 0)
		native_panic("entry: no vcpu (error %ld)", error);
}

static void vcpu_finish(void)
{
	object_destroy(vcpu);
	memory_unmap(0, VCPU_ADDRESS, GYRE_VCPU_PAGES);
}

static void segments(struct gyre_vcpu_state *state, enum entry_mode mode)
{
	const bool flat = mode != REAL && mode != V86;
	const struct gyre_segment data = {flat ? 0x10 : 0x1000,
		mode == V86 ? 0xf3
		: flat	    ? 0xc93
			    : 0x93,
		flat ? 0xffffffff : 0xffff, flat ? 0 : 0x10000};
	for (unsigned n = GYRE_ES; n <= GYRE_GS; n++)
		state->segment[n] = data;
	state->segment[GYRE_CS].attributes = mode == LONG ? 0xa9b : mode == V86 ? 0xf3 : flat ? 0xc9b : 0x93;
	state->segment[GYRE_LDTR] = (struct gyre_segment){0, GYRE_SEGMENT_UNUSABLE, 0, 0};
	state->segment[GYRE_TR] = (struct gyre_segment){0x18, 0x8b, 0x67, 0};
	state->gdtr.limit = state->idtr.limit = 0xffff;
}

static void state_begin(enum entry_mode mode)
{
	static const uint32_t cr0[] = {0x30, 0x31, 0x80000031, 0x80010031, 0x80000031};
	struct gyre_vcpu_state *state = state_page();
	vcpu_state_get(vcpu, GYRE_STATE_ALL);
	segments(state, mode);
	state->cr0 = cr0[mode];
	state->cr3 = 0x3000;
	state->cr4 = mode == LONG || mode == PAE ? 0x20 : 0;
	state->efer = mode == LONG ? 0x500 : 0;
	state->activity = 0;
	const long error = vcpu_state_set(vcpu, GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL | GYRE_STATE_ACTIVITY);
	if (error != 0)
		native_panic("entry: the state of mode %s is refused (error %ld)", mode_names[mode], error);
	run_page()->rip = 0x1000;
	run_page()->rflags = mode == V86 ? 0x20002 : 2;
}

/* ---- an entry ---- */

static enum outcome enter_again(const struct gyre_dump *changes)
{
	memcpy(dump_page()->field, changes->field, changes->count * sizeof(changes->field[0]));
	dump_page()->count = changes->count;
	dump_page()->kind = TEST_ENTRY;
	long exit;
	do { /* a refused entry has left a kick */
		exit = vcpu_run(vcpu);
	} while (exit == GYRE_EXIT_KICK && dump_page()->kind == TEST_ENTRY);
	const struct gyre_vcpu_page *page = run_page();
	if (exit < 0)
		native_panic("entry: the run gave %ld", exit);
	if (dump_page()->kind != GYRE_DUMP_INTEL)
		native_panic("entry: no dump: not a core for tests?");
	if (exit != GYRE_EXIT_FAILED || !entry_failed(page->d0))
		return ENTERED;
	if (page->d0 == 0)
		return page->d2 == 7 ? CONTROLS : page->d2 == 8 ? HOST : OTHER;
	return (uint32_t)page->d0 == 0x80000021 ? GUEST : (uint32_t)page->d0 == 0x80000022 ? MSRS : OTHER;
}

static enum outcome enter(enum entry_mode mode, const struct gyre_dump *changes)
{
	vcpu_begin();
	state_begin(mode);
	return enter_again(changes);
}

static enum outcome checked(struct entry_verdict *verdict)
{
	entry_check(dump_page(), &processor, verdict);
	if ((verdict->areas & 1u << ENTRY_AREA_CONTROLS) != 0)
		return CONTROLS;
	if ((verdict->areas & 1u << ENTRY_AREA_HOST) != 0)
		return HOST;
	return verdict->areas != 0 ? GUEST : ENTERED;
}

/* Where the guest's state is refused, the exit qualification says a little. SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". */
static bool qualified(const struct entry_verdict *verdict)
{
	const enum entry_rule rule = verdict->fault[0].rule;
	const uint64_t said = run_page()->d2;
	if (rule == ENTRY_RULE_LINK_ALIGNED || rule == ENTRY_RULE_LINK_PHYSICAL || rule == ENTRY_RULE_LINK_CONTENT)
		return said == 4;
	return said == (rule == ENTRY_RULE_PDPTE ? 2 : rule == ENTRY_RULE_BLOCK_STI_NMI ? 3 : 0);
}

static void differ(const char *what, enum outcome said, const struct entry_verdict *verdict, enum outcome judged)
{
	char text[WORD_BYTES] = "";
	if (verdict->faults > 0)
		gyre_snprintf(text, sizeof(text), ": %s %s is 0x%llx", rule_names[verdict->fault[0].rule],
			field_names[verdict->fault[0].field], (unsigned long long)verdict->fault[0].value);
	count.differ++;
	native_log("differs: %s: the processor %s, the checker %s%s", what, outcome_words[said], outcome_words[judged],
		text);
}

/* ---- changes ---- */

static uint64_t base_value(const struct gyre_dump *dump, uint32_t field)
{
	for (uint32_t i = dump->count; i > 0; i--)
		if (dump->field[i - 1].field == field)
			return dump->field[i - 1].value;
	return 0;
}

static bool has_field(const struct gyre_dump *dump, uint32_t field)
{
	for (uint32_t i = 0; i < dump->count; i++)
		if (dump->field[i].field == field)
			return true;
	return false;
}

/* One after the other: a later change of a field sees what an earlier one has made of it. */
static void changes_make(struct gyre_dump *changes, const struct entry_case *entry)
{
	const struct gyre_dump *from = &base[entry->mode];
	for (unsigned i = 0; i < ENTRY_CHANGES && entry->change[i].how != CHANGE_NONE; i++) {
		const struct entry_change *change = &entry->change[i];
		const uint32_t field = entry_number(change->field);
		const uint64_t old = has_field(changes, field) ? base_value(changes, field) : base_value(from, field);
		const uint64_t same = change->how == CHANGE_SAME
					      ? base_value(from, entry_number((uint32_t)change->value))
					      : 0;
		changes->field[changes->count++] = (struct gyre_dump_field){
			field, 0, entry_changed(change, old, same, processor.physical_bits)};
	}
}

static void case_words(const struct entry_case *entry, char *text)
{
	static const char how[] = " =|~ftc";
	size_t at = 0;
	if (entry->rule < ENTRY_RULE_COUNT)
		at = (size_t)gyre_snprintf(text, WORD_BYTES, "%s %s %s", mode_names[entry->mode],
			rule_names[entry->rule], field_names[entry->field]);
	else
		at = (size_t)gyre_snprintf(text, WORD_BYTES, "%s edge", mode_names[entry->mode]);
	for (unsigned i = 0; i < ENTRY_CHANGES && entry->change[i].how != CHANGE_NONE && at < WORD_BYTES - 60; i++)
		at += (size_t)gyre_snprintf(text + at, WORD_BYTES - at, " %s%c%llx",
			field_names[entry->change[i].field], how[entry->change[i].how],
			(unsigned long long)entry->change[i].value);
}

static void try_case(const struct entry_case *entry)
{
	static struct gyre_dump changes;
	struct entry_verdict verdict;
	char text[WORD_BYTES];
	call_by_interrupt = count.tried & 1;
	changes.count = 0;
	changes_make(&changes, entry);
	const enum outcome said = enter(entry->mode, &changes), judged = checked(&verdict);
	count.tried++;
	if (said == ENTERED)
		count.entered++;
	else
		count.refused++;
	if (said == judged && verdict.faults == 1)
		confirmed[verdict.fault[0].rule] = true;
	const enum outcome wanted = entry->rule == ENTRY_MSR_LOAD && judged == ENTERED ? MSRS : judged;
	if (said != wanted || (said == GUEST && !qualified(&verdict))) {
		different[entry - entry_cases] = true;
		if (said == ENTERED)
			lax[verdict.fault[0].rule] = true;
		case_words(entry, text);
		differ(text, said, &verdict, wanted);
	}
	vcpu_finish();
}

/* A refused entry does no harm to the next one, be it the first of its vcpu or not. */
static void try_again_after_refusals(void)
{
	static const struct entry_case refused[] = {{LONG, 0, 0, {{ENTRY_FIELD_GUEST_CR4, CHANGE_OFF, 0x2000}}},
		{LONG, 0, 0, {{ENTRY_FIELD_VPID, CHANGE_SET, 0}}},
		{LONG, 0, 0, {{ENTRY_FIELD_HOST_TR, CHANGE_SET, 0}}}};
	static const enum outcome wanted[] = {GUEST, CONTROLS, HOST};
	static struct gyre_dump bad, good;
	bool right = true;
	vcpu_begin();
	state_begin(LONG);
	for (unsigned i = 0; i < 6; i++) {
		bad.count = 0;
		changes_make(&bad, &refused[i % 3]);
		good = bad;
		good.field[0].value = base_value(&base[LONG], bad.field[0].field);
		right = right && enter_again(&bad) == wanted[i % 3] && enter_again(&bad) == wanted[i % 3];
		right = right && enter_again(&good) == ENTERED && (i % 2 == 0 || enter_again(&good) == ENTERED);
	}
	native_log("entry: %s", right ? "a vcpu goes on after refused entries" : "a vcpu is broken by a refused entry");
	vcpu_finish();
}

/* ---- calls by SYSCALL and by interrupt, around a guest ---- */

static handle_t asked, answered;

static void beside(void *unused)
{
	uint64_t bits;
	(void)unused;
	for (;;) {
		event_wait(asked, GYRE_FOREVER, &bits);
		event_signal(answered, 1);
	}
}

/* A thread of the same process waits in a SYSCALL meanwhile, and goes on while the registers of SYSCALL are the guest's. */
static void try_threads(void)
{
	static uint8_t stack[8192] __attribute__((aligned(16)));
	static const struct gyre_dump none;
	uint64_t bits;
	bool right = true;
	asked = (handle_t)event_create();
	answered = (handle_t)event_create();
	call_by_interrupt = 0;
	const long thread = thread_create(0, (uintptr_t)beside, (uintptr_t)stack + sizeof(stack) - 8, 0, 0, 0);
	thread_start((handle_t)thread);
	vcpu_begin();
	state_begin(LONG);
	for (unsigned i = 0; i < 8; i++) {
		/* It waits, by SYSCALL. */
		call_by_interrupt = 0;
		event_signal(asked, 1);
		event_wait(answered, GYRE_FOREVER, &bits);
		event_wait(answered, 0, &bits);
		call_by_interrupt = i & 1;
		right = right && enter_again(&none) == ENTERED;
		call_by_interrupt = i >> 1 & 1;
		event_signal(asked, 1);
		right = right && event_wait(answered, GYRE_FOREVER, &bits) == 0;
	}
	call_by_interrupt = 0;
	native_log("entry: %s", right ? "threads go on beside a guest" : "threads beside a guest are broken");
	vcpu_finish();
	object_destroy((handle_t)thread);
}

/* ---- pairs at random ---- */

static uint64_t seed;

static uint64_t dice(uint64_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return ((seed * 0x2545f4914f6cdd1dull) >> 16) % n;
}

/* The host's state, and what would keep it from coming back, only where the processor is sure to refuse: not here. */
static bool spared(const struct entry_case *entry)
{
	if (different[entry - entry_cases])
		return true;
	if (entry->rule < ENTRY_RULE_COUNT && entry_area(entry->rule) == ENTRY_AREA_HOST)
		return true;
	for (unsigned i = 0; i < ENTRY_CHANGES && entry->change[i].how != CHANGE_NONE; i++)
		if (entry->change[i].field == ENTRY_FIELD_EXIT ||
			entry->change[i].field == ENTRY_FIELD_EXIT_STORE_COUNT ||
			entry->change[i].field == ENTRY_FIELD_EXIT_LOAD_COUNT ||
			/* Nothing ends the wait for a SIPI. */
			(entry->change[i].field == ENTRY_FIELD_ACTIVITY && entry->change[i].value == 3))
			return true;
	return false;
}

/* Only rules are broken that the processor is known not to keep. */
static bool excused(enum outcome said, const struct entry_verdict *verdict)
{
	for (uint32_t i = 0; i < verdict->faults && i < ENTRY_FAULTS; i++)
		if (!lax[verdict->fault[i].rule])
			return false;
	return said == ENTERED;
}

static void try_pair(void)
{
	static struct gyre_dump changes;
	const struct entry_case *one, *other;
	struct entry_verdict verdict;
	char text[2 * WORD_BYTES], more[WORD_BYTES];
	do {
		one = &entry_cases[dice(entry_case_count)];
		other = &entry_cases[dice(entry_case_count)];
	} while (one->mode != other->mode || spared(one) || spared(other));
	changes.count = 0;
	changes_make(&changes, one);
	changes_make(&changes, other);
	const enum outcome said = enter(one->mode, &changes), judged = checked(&verdict);
	count.tried++;
	/* Of several areas the processor may name any; the rules of MSR areas are in memory. */
	if ((said == ENTERED) != (judged == ENTERED) && said != MSRS && !excused(said, &verdict)) {
		case_words(one, text);
		case_words(other, more);
		const size_t at = strlen(text);
		gyre_snprintf(text + at, sizeof(text) - at, " and %s", more);
		text[WORD_BYTES - 1] = 0;
		differ(text, said, &verdict, judged);
	}
	vcpu_finish();
}

/* ---- all of it ---- */

/* Bochs enters, and gives the host CET without write protection back, which is the end of it. */
static bool ends_the_host(const struct entry_case *entry)
{
	return entry->rule == ENTRY_RULE_HOST_CET && (base[LONG].limit[LIMIT_CR4_FIXED1] & CR4_CET) != 0;
}

/* Those of AMD's are another test's. */
static void tell_unconfirmed(void)
{
	for (unsigned rule = 0; rule < ENTRY_RULE_COUNT; rule++)
		if (!confirmed[rule] && entry_area(rule) != ENTRY_AREA_RUN)
			native_log("unconfirmed: %s", rule_names[rule]);
}

/* ACPI's power-off, as Bochs has it. */
static void __attribute__((noreturn)) power_off(void)
{
	ioports_grant(0, (handle_t)ioports_create(GYRE_ROOT_MACHINE, 0xb004, 2));
	__asm__ volatile("outw %0, %1" : : "a"((uint16_t)0x2000), "Nd"((uint16_t)0xb004));
	native_panic("entry: the machine is still on");
}

void native_main(void *argument)
{
	static const struct gyre_dump none;
	struct entry_verdict verdict;
	boot = argument;
	if (entry_case_count > sizeof(different))
		native_panic("entry: too many cases");
	entry_processor(&processor, cpuid);
	vm_begin();
	for (unsigned mode = 0; mode < ENTRY_MODES; mode++) {
		if (enter(mode, &none) != ENTERED)
			native_log("entry: mode %s does not enter", mode_names[mode]);
		if (checked(&verdict) != ENTERED)
			differ(mode_names[mode], ENTERED, &verdict, GUEST);
		memcpy(&base[mode], dump_page(), sizeof(base[mode]));
		vcpu_finish();
	}
	for (unsigned i = 0; i < entry_case_count; i++)
		if (!ends_the_host(&entry_cases[i]))
			try_case(&entry_cases[i]);
	native_log("entry: %u cases, %u entered, %u refused, %u differ", count.tried, count.entered, count.refused,
		count.differ);
	tell_unconfirmed();
	try_again_after_refusals();
	try_threads();
	seed = number_in(boot->command_line, "seed=", 1) * 2 + 1;
	const uint64_t pairs = number_in(boot->command_line, "pairs=", 0);
	count.tried = count.differ = 0;
	for (uint64_t i = 0; i < pairs; i++)
		try_pair();
	if (pairs > 0)
		native_log("entry: %u pairs, %u differ", count.tried, count.differ);
	native_log("entry: done");
	power_off();
}
