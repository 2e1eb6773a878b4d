/* SPDX-License-Identifier: Apache-2.0 */
/* The loop around a guest under a debugger, with a guest that is a function here: what is planted when it runs, whatever the debugger says and when. */
/* unit-sources: monitor/debug/debug.c monitor/debug/rsp.c monitor/debug/target.c monitor/debug/breaks.c monitor/debug/command.c */
/* unit-sources: monitor/machine/memory.c monitor/engine/fake.c lib/format.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/debug/debug.h"
#include "monitor/debug/inside.h"
#include "monitor/engine/fake.h"

#define INT3  0xccu
#define RUNS  8
#define PLACE 0x1000u

static struct engine_vm vm = {.flags = GYRE_VM_DEBUG | GYRE_VM_DEBUG_RUN};
static struct gyre_vcpu_page page;
static struct gyre_vcpu_state state_page;
static uint8_t ram[0x200000], fpu[4096];
static struct machine *machine;
static jmp_buf enough;

/* What the debugger says in the guest's runs, one after the other, and what lay at PLACE in each. */
static const char *says[RUNS];
static uint8_t seen[RUNS];
static unsigned runs, steps, crashes; /* crashes: in which run, from 1 on */

void machine_start(struct machine *m, const struct engine_vm *of)
{
	machine = m;
	memset(m, 0, sizeof(*m));
	m->vm = of;
	m->vcpu = (struct engine_vcpu){.page = &page, .state = &state_page, .fpu = fpu};
	m->memory.range[0] = (struct memory_range){0, sizeof(ram), ram};
	m->memory.ranges = 1;
}

void machine_take_events(struct machine *m, uint64_t events)
{
	(void)m, (void)events;
	if (fake.debug_bytes == 0)
		longjmp(enough, 1); /* it waits for a debugger who says nothing more */
}

static void say(const char *text)
{
	fake.debug = (const uint8_t *)text;
	fake.debug_bytes = strlen(text);
}

void machine_step(struct machine *m)
{
	page.exit = GYRE_EXIT_KICK;
	if (page.entry_flags & GYRE_ENTRY_NO_RUN) {
		page.entry_flags = 0;
		return;
	}
	seen[runs] = ram[PLACE];
	const char *text = says[runs++];
	if (text == NULL)
		longjmp(enough, 1);
	say(text);
	if (runs == crashes)
		m->debug(m, MACHINE_DEBUG_CRASH, 0);
}

void debug_step(struct debug *debug)
{
	(void)debug;
	steps++;
}

void debug_own_trap(struct debug *debug)
{
	(void)debug;
}

/* Packets, separated by spaces, as gdb frames them. */
static const char *packets(const char *text)
{
	static char lines[2][256], *line = lines[0];
	size_t used = 0;
	line = line == lines[0] ? lines[1] : lines[0];
	while (*text != 0) {
		size_t length = strcspn(text, " ");
		uint8_t sum = 0;
		for (size_t i = 0; i < length; i++)
			sum = (uint8_t)(sum + (uint8_t)text[i]);
		used += (size_t)snprintf(line + used, sizeof(lines[0]) - used, "$%.*s#%02x", (int)length, text, sum);
		text += length + (text[length] == ' ');
	}
	return line;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	memset(&page, 0, sizeof(page));
	memset(ram, 0, sizeof(ram));
	memset(says, 0, sizeof(says));
	runs = steps = crashes = 0;
	return 0;
}

static void run(void)
{
	if (setjmp(enough) == 0)
		debug_main(&vm);
}

/* A debugger that waits for no answer: what it sets holds from the next instruction on. */
static void who_stops_the_guest_and_lets_it_go_at_once_has_his_breakpoints(void **state)
{
	(void)state;
	says[0] = packets("Z0,1000,1 vCont;c");
	run();
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], INT3);
	assert_int_equal(runs, 2);
}

static void who_stops_the_guest_and_steps_it_at_once_gets_a_step(void **state)
{
	(void)state;
	says[0] = packets("Z0,1000,1 vCont;s c");
	run();
	assert_int_equal(steps, 1);
	assert_int_equal(seen[1], INT3);
	fake.debugged[fake.debugged_bytes] = 0;
	assert_non_null(strstr((char *)fake.debugged, "T05thread"));
}

/* A crash stops the guest in the middle of a run: what is asked for there holds from the reset on. */
static void a_step_asked_for_at_a_crash_is_a_step(void **state)
{
	(void)state;
	says[0] = packets("Z0,1000,1 vCont;c");
	says[1] = packets("vCont;s c");
	crashes = 2;
	run();
	assert_int_equal(steps, 1);
	assert_int_equal(runs, 3);
	assert_int_equal(seen[2], INT3);
}

static void who_goes_leaves_nothing(void **state)
{
	(void)state;
	says[0] = packets("Z0,1000,1 D");
	run();
	assert_int_equal(runs, 2);
	assert_int_equal(seen[1], 0);
	assert_int_equal(ram[PLACE], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_stops_the_guest_and_lets_it_go_at_once_has_his_breakpoints, setup),
		cmocka_unit_test_setup(who_stops_the_guest_and_steps_it_at_once_gets_a_step, setup),
		cmocka_unit_test_setup(a_step_asked_for_at_a_crash_is_a_step, setup),
		cmocka_unit_test_setup(who_goes_leaves_nothing, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
