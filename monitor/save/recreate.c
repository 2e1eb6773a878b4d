/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/recreate.c: see recreate.h. What has to outlive the process is in struct gyre_recreation. */
#include "monitor/save/recreate.h"
#include "monitor/machine/machine.h"
#include "monitor/save/machine.h"
#include "lib/format.h"

/* Marsaglia's xorshift: never 0 again once it is not. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Kinds whose instruction has had no effect, so that the exit is made again: gyre/vcpu.h. Those that only tell something are answered first. */
static int made_again(int exit)
{
	switch (exit) {
	case GYRE_EXIT_IO:
	case GYRE_EXIT_MEMORY:
	case GYRE_EXIT_MSR:
	case GYRE_EXIT_HYPERCALL:
	case GYRE_EXIT_UNDEFINED:
	case GYRE_EXIT_CONTROL:
	case GYRE_EXIT_TASK_SWITCH:
	case GYRE_EXIT_EXTINT:
	case GYRE_EXIT_KICK: return 1;
	default: return 0; /* INSTRUCTION: the core may have done it (GYRE_INSTRUCTION_SKIP) */
	}
}

static void fail(const char *what, const char *section) __attribute__((noreturn));
static void fail(const char *what, const char *section)
{
	char text[120];
	gyre_snprintf(text, sizeof text, "recreation: %s%s", what, section);
	engine_end(GYRE_END_MONITOR, GYRE_STATUS_FAILED, text);
}

static void leave(struct machine *machine) __attribute__((noreturn));
static void leave(struct machine *machine)
{
	struct gyre_recreation *recreation = machine->vm->recreation;
	recreation->began = engine_tsc();
	recreation->clock_offset = machine->clock.offset;
	recreation->bytes = (uint32_t)machine_save(machine, recreation->stream, sizeof recreation->stream);
	if (recreation->bytes == 0)
		fail("the state cannot be saved", "");
	if (recreation->bytes > recreation->stream_most)
		recreation->stream_most = recreation->bytes;
	engine_recreate();
}

static const char *saved_again(struct machine *machine, const char *(*same)(const void *, size_t, const void *, size_t))
{
	static uint8_t again[sizeof(((struct gyre_recreation *)NULL)->stream)];
	const struct gyre_recreation *recreation = machine->vm->recreation;
	size_t bytes = machine_save_quick(machine, again, sizeof again);
	return same(recreation->stream, recreation->bytes, again, bytes);
}

int recreate_restore(struct machine *machine, const char **why)
{
	struct gyre_recreation *recreation = machine->vm->recreation;
	int error = machine_restore(machine, why);
	if (error < 0)
		return error;
	const char *section = saved_again(machine, machine_same);
	if (section)
		fail("saved again, it differs in section ", section);
	machine_resume(machine);
	section = saved_again(machine, machine_same_resumed);
	if (section && *section)
		fail("resumed and saved again, it differs in section ", section);
	recreation->moved += section != NULL;
	uint64_t ticks = engine_tsc() - recreation->began;
	recreation->recreations++;
	recreation->ticks += ticks;
	if (ticks > recreation->most)
		recreation->most = ticks;
	return 0;
}

static int due(const struct engine_vm *vm)
{
	struct gyre_recreation *recreation = vm->recreation;
	if (recreation->exits <= vm->recreate_first)
		return 1;
	return vm->recreate_every != 0 && random_next(&recreation->random) % vm->recreate_every == 0;
}

void recreate_run(struct machine *machine)
{
	const struct engine_vm *vm = machine->vm;
	struct gyre_recreation *recreation = vm->recreation;
	int fresh = recreation->bytes != 0;
	if (!fresh) {
		recreation->random = 0x9e3779b97f4a7c15ull ^ vm->recreate_seed;
		engine_mark();
	}
	for (;;) {
		int exit = engine_run(&machine->vcpu);
		/* A new vcpu's first run returns at once, for events that may have come: no exit of the guest's. */
		int counts = !(fresh && exit == GYRE_EXIT_KICK);
		fresh = 0;
		recreation->exits += (uint64_t)counts;
		int now = counts && exit >= 0 && due(vm);
		if (now && (recreation->recreations & 1) && made_again(exit))
			leave(machine);
		machine_answer(machine, exit);
		if (now)
			leave(machine);
	}
}

void recreate_report(const struct machine *machine)
{
	const struct gyre_recreation *recreation = machine->vm->recreation;
	char text[200];
	if (!recreation)
		return;
	uint64_t count = recreation->recreations ? recreation->recreations : 1, mhz = machine->vm->tsc_khz / 1000;
	gyre_snprintf(text, sizeof text,
		"recreated %llu times in %llu exits, %llu us each on average, %llu us at most; %llu bytes of state; "
		"lines moved %llu times",
		(unsigned long long)recreation->recreations, (unsigned long long)recreation->exits,
		(unsigned long long)(recreation->ticks / count / mhz), (unsigned long long)(recreation->most / mhz),
		(unsigned long long)recreation->stream_most, (unsigned long long)recreation->moved);
	engine_log(text);
}
