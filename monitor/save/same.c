/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/same.c: whether two streams of one VM say the same: machine_same() in machine.h. */
#include "monitor/save/machine.h"
#include "monitor/save/processor.h"
#include "lib/format.h"
#include "lib/string.h"

#define LVT_TIMER     0x32
#define LVT_MASKED    0x10000u
#define TMR	      0x18
#define IRR	      0x20
#define ERROR_VECTOR  0x40u /* an illegal vector was received */
#define MODE(lvt)     ((lvt) >> 17 & 3)
#define MODE_PERIODIC 1u
#define MODE_DEADLINE 2u

static struct save_stream one, two;
static struct saved_processor before, after;
static char difference[48];

/* What the timer does when it has run out, done to the state that was saved before. */
static void timer_runs_out(struct gyre_vcpu_state *state)
{
	uint32_t lvt = state->apic[LVT_TIMER], vector = lvt & 0xff;
	if (MODE(lvt) != MODE_PERIODIC)
		state->tsc_deadline = state->apic_timer_left = 0;
	if (lvt & LVT_MASKED)
		return;
	if (vector < 16) {
		state->apic_errors |= ERROR_VECTOR;
		return;
	}
	state->apic[IRR + vector / 32] |= 1u << vector % 32;
	state->apic[TMR + vector / 32] &= ~(1u << vector % 32);
}

static int apic_same(struct save *first, struct save *second)
{
	apic_fields(first, &before);
	apic_fields(second, &after);
	struct gyre_vcpu_state *a = &before.state, *b = &after.state;
	uint32_t lvt = a->apic[LVT_TIMER], vector = lvt & 0xff;
	if (MODE(lvt) == MODE_DEADLINE ? a->tsc_deadline != 0 && b->tsc_deadline == 0
				       : a->apic_timer_left != 0 && b->apic_timer_left == 0)
		timer_runs_out(a);
	else if (MODE(lvt) == MODE_PERIODIC && a->apic_timer_left != 0 &&
		 (vector < 16 ? b->apic_errors & ERROR_VECTOR : b->apic[IRR + vector / 32] >> vector % 32 & 1))
		timer_runs_out(a);
	else if (MODE(lvt) != MODE_PERIODIC && b->apic_timer_left > a->apic_timer_left)
		return 0;
	return a->apic_base == b->apic_base && a->tsc_deadline == b->tsc_deadline && a->apic_errors == b->apic_errors &&
	       a->apic_eoi == b->apic_eoi && a->apic_lint0 == b->apic_lint0 &&
	       memcmp(a->apic, b->apic, sizeof(a->apic)) == 0;
}

static int section_same(uint32_t index, const char *name)
{
	struct save first, second;
	if (save_take(&one, name, one.section[index].version, &first) < 0 ||
		save_take(&two, name, one.section[index].version, &second) < 0 || first.bytes != second.bytes)
		return 0;
	if (strcmp(name, "time") == 0)
		return 1;
	if (strcmp(name, "apic0") == 0)
		return apic_same(&first, &second);
	size_t at = 0;
	while (at < first.bytes && first.in[at] == second.in[at])
		at++;
	gyre_snprintf(difference, sizeof(difference), "%s from byte %u on", name, (unsigned)at);
	return at == first.bytes;
}

static int is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

/* Of the last comparison. */
static int lines_differ(void)
{
	struct save first, second;
	return save_take(&one, "machine", MACHINE_VERSION, &first) < 0 ||
	       save_take(&two, "machine", MACHINE_VERSION, &second) < 0 || first.bytes != second.bytes ||
	       memcmp(first.in, second.in, first.bytes) != 0;
}

static const char *same(
	const void *first, size_t first_bytes, const void *second, size_t second_bytes, const char *const *but)
{
	if (save_open_own(&one, first, first_bytes) < 0 || save_open_own(&two, second, second_bytes) < 0 ||
		one.sections != two.sections)
		return "header";
	for (uint32_t i = 0; i < one.sections; i++) {
		const char *name = (const char *)one.data + one.section[i].at;
		gyre_snprintf(difference, sizeof(difference), "%s", name);
		if (!is_one_of(name, but) && !section_same(i, name))
			return difference;
	}
	return NULL;
}

const char *machine_same(const void *first, size_t first_bytes, const void *second, size_t second_bytes)
{
	static const char *const but[] = {NULL};
	return same(first, first_bytes, second, second_bytes, but);
}

const char *machine_same_resumed(const void *first, size_t first_bytes, const void *second, size_t second_bytes)
{
	/* Their states catch up with the clock, or with input that has come. */
	static const char *const late[] = {"rtc", "acpi-pm", "pit8254", "uart16550", "console", NULL};
	/* Where that moved a line, the interrupt controllers have seen it. */
	static const char *const moved[] = {"rtc", "acpi-pm", "pit8254", "uart16550", "console", "machine", "pic8259",
		"ioapic", "apic0", "processor0", NULL};
	const char *section = same(first, first_bytes, second, second_bytes, late);
	if (!section)
		return NULL;
	const char *other = same(first, first_bytes, second, second_bytes, moved);
	return other ? other : lines_differ() ? "" : same(first, first_bytes, second, second_bytes, late);
}
