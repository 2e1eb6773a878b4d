/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/main.c: a guest that tries every interface of its machine with values that make no sense: a small operating system that interprets a
 * random byte code. "seed=N steps=N": each step's bytes come from the seed and its number, so a step is the same whatever came before it.
 *
 * After each step the machine is put right. A step that does not end is ended by a watchdog; one that loses the processor, by a reset: the machine starts
 * again, finds in the kept page how far it was, and goes on behind it. At the end it says what each operation did.
 *
 *   without=W,...   leaves out what would end the emulator below: breakpoints, cr, ltr, sysenter, tf
 *   first=N         begins at step N: with steps=1, one step alone
 *   tell            says each step
 */
#include "guests/common/debug_exit.h"
#include "guests/hostile/hostile.h"

#define MAGIC	   0x68c7a3d15e920b4full
#define RESETS_ALL 400 /* more than that is no way to go on */

struct multiboot_info {
	uint32_t flags, memory_lower, memory_upper, boot_device, command_line;
};

#define OP_ENTRY(name, weight, flags) {#name, op_##name, weight, flags},
static const struct op ops[] = {{"sweep", 0, 0, OP_CPU | OP_CLOCK}, OPS(OP_ENTRY)};

static struct kept {
	uint64_t magic, seed, step, end;
	uint32_t op, running, resets;
	struct {
		uint32_t steps, tries, faults, stuck, resets;
	} count[COUNT(ops)];
	uint32_t vector[34]; /* outcomes: 0 fine, 1 + exception; all interrupts are one */
	struct windows windows;
	uint64_t sum;
} kept;

struct without without;
static bool tell;

/* ---- the byte code: one stream of bytes a step ---- */
static uint64_t stream;

void random_start(uint64_t seed, uint64_t step)
{
	stream = (seed * 0x9e3779b97f4a7c15ull) ^ (step * 0xbf58476d1ce4e5b9ull) ^ 0x94d049bb133111ebull;
	if (stream == 0)
		stream = 1;
	random64();
	random64();
}

uint64_t random64(void)
{
	stream ^= stream >> 12;
	stream ^= stream << 25;
	stream ^= stream >> 27;
	return stream * 0x2545f4914f6cdd1dull;
}

uint64_t odd(void)
{
	static const uint64_t values[] = {0, 1, ~0ull, 1ull << 31, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 63,
		0xffff, 0x10000, 0x100, 0xff, 0x80, 0x1f, 0x20, 0x7fffffffffff, 0x800000000000, 0xffff800000000000,
		1ull << 39, 1ull << 40, 1ull << 52, 0xfee00000};
	switch (below(4)) {
	case 0: return values[below(COUNT(values))];
	case 1: return 1ull << below(64);
	case 2: return random32();
	default: return random64();
	}
}

uint64_t odd_address(void)
{
	static const uint64_t places[] = {APIC + 0x400, APIC + 0x1000, RAM_END, RAM_END, 0xa0000, 0xc0000, 0xd0000000,
		0xfffffff8, SANDBOX + 0x1000, SANDBOX + 0x80000, TEST_RAM + 8, TEST_RAM + 0x10000, 0x7ffffffffff8,
		0xffff800000000000, 1ull << 39, 0xffffff8000000000, 0x40000000, 0x100000, 0xfffffffffffffff8,
		SANDBOX + SANDBOX_BYTES};
	uint32_t which = below(COUNT(places) + 8);
	if (which < COUNT(places))
		return places[which] + below(64) - 32;
	return which % 8 ? SANDBOX + below(SANDBOX_BYTES) : odd();
}

/* ---- what is kept, twice: random code may have hit one ---- */
static uint64_t kept_sum(const struct kept *from)
{
	const uint64_t *word = (const uint64_t *)from;
	uint64_t sum = 0;
	for (size_t i = 0; i < offsetof(struct kept, sum) / 8; i++)
		sum = (sum << 7 | sum >> 57) ^ word[i];
	return sum;
}

static void keep(void)
{
	kept.sum = kept_sum(&kept);
	memory_copy((void *)KEPT, &kept, sizeof(kept));
	memory_copy((void *)KEPT_COPY, &kept, sizeof(kept));
}

static bool take(uint64_t from)
{
	const struct kept *there = (const struct kept *)from;
	if (there->magic != MAGIC || there->sum != kept_sum(there))
		return false;
	memory_copy(&kept, there, sizeof(kept));
	return true;
}

static uint8_t *const ports_seen = (uint8_t *)KEPT_PORTS;

void seen_port(uint32_t port, uint32_t bytes, bool write)
{
	for (uint32_t at = port; at < port + bytes && at < 0x10000; at++)
		ports_seen[(write ? 0x2000 : 0) + at / 8] |= (uint8_t)(1u << at % 8);
}

static bool both_seen(uint32_t port)
{
	return (ports_seen[port / 8] & ports_seen[0x2000 + port / 8] & 1u << port % 8) != 0;
}

struct windows *windows(void)
{
	return &kept.windows;
}

/* ---- steps ---- */
void count(uint32_t outcome)
{
	kept.count[kept.op].tries++;
	if (outcome == TRAP_NMI)
		kept.count[kept.op].stuck++;
	else if (outcome)
		kept.count[kept.op].faults++;
	kept.vector[outcome < 33 ? outcome : 33]++;
}

uint32_t try(void (*function)(uint64_t), uint64_t argument)
{
	uint32_t outcome = attempt(function, argument);
	count(outcome);
	return outcome;
}

static unsigned choose(void)
{
	uint32_t total = 0, at;
	for (unsigned i = 0; i < COUNT(ops); i++)
		total += ops[i].weight;
	at = below(total);
	for (unsigned i = 0; i < COUNT(ops); at -= ops[i++].weight)
		if (at < ops[i].weight)
			return i;
	return 1;
}

static void step(void)
{
	random_start(kept.seed, kept.step);
	kept.op = kept.step < sweep_count ? 0 : choose();
	const struct op *op = &ops[kept.op];
	kept.running = 1;
	kept.count[kept.op].steps++;
	keep();
	if (tell) {
		say("hostile: step ");
		say_number(kept.step);
		say(" ");
		say(op->name);
		say("\n");
	}
	if (op->flags & OP_WATCH)
		watchdog_on();
	if (kept.op == 0)
		sweep((unsigned)kept.step);
	else
		op->function();
	if (op->flags & OP_WATCH)
		watchdog_off();
	if (op->flags & OP_CPU)
		repair_cpu();
	if (op->flags & OP_CLOCK)
		watchdog_init();
	kept.running = 0;
	kept.step++;
}

static void report(void)
{
	const struct windows *seen = &kept.windows;
	console_reset();
	for (unsigned i = 0; i < COUNT(ops); i++) {
		say("hostile: ");
		say(ops[i].name);
		static const char *const names[] = {" steps, ", " tries, ", " faults, ", " stuck, ", " resets\n"};
		const uint32_t *number = &kept.count[i].steps;
		for (unsigned n = 0; n < COUNT(names); n++) {
			say(n ? "" : " ");
			say_number(number[n]);
			say(names[n]);
		}
	}
	say("hostile: outcomes");
	for (unsigned i = 0; i < COUNT(kept.vector); i++) {
		say(" ");
		say_number(kept.vector[i]);
	}
	say("\nhostile: registers");
	for (unsigned i = 0; i < sizeof(*seen) / 8; i++) {
		say(" ");
		say_hex(((const uint64_t *)seen)[i], 16);
	}
	say("\nhostile: ports");
	/* Where the sweeps were: elsewhere the list would be long. */
	for (uint32_t port = 0; port < 0x2100; port++)
		if ((port < 0x800 || port >= 0x2000 || (port >= 0xc00 && port < 0xd00)) && both_seen(port) &&
			(port == 0 || port == 0xc00 || port == 0x2000 || !both_seen(port - 1))) {
			uint32_t last = port;
			while (both_seen(last + 1))
				last++;
			say(" ");
			say_number(port);
			say("-");
			say_number(last);
		}
	say("\nhostile: done\n");
	*(uint64_t *)KEPT = *(uint64_t *)KEPT_COPY = 0;
	debug_exit(2);
}

/* ---- the start ---- */
/* Again after a reset, or for the first time. */
static void begin(const char *line)
{
	if (take(KEPT) || take(KEPT_COPY)) {
		kept.count[kept.op].resets += kept.running;
		kept.step += kept.running;
		kept.running = 0;
		if (++kept.resets > RESETS_ALL) {
			say("hostile: too many resets\n");
			report();
		}
		return;
	}
	kept = (struct kept){.magic = MAGIC, .seed = number_after(line, "seed=", 1)};
	memory_set(ports_seen, 0, 0x4000);
	kept.step = number_after(line, "first=", 0);
	kept.end = kept.step + number_after(line, "steps=", 1000);
	say("hostile: seed ");
	say_number(kept.seed);
	say("\n");
}

void kernel_main(const struct multiboot_info *info)
{
	const char *line = (const char *)(uint64_t)info->command_line;
	console_reset();
	tables_load();
	const char *words = word_after(line, "without=");
	if (words)
		without = (struct without){word_after(words, "breakpoints") != NULL, word_after(words, "cr") != NULL,
			word_after(words, "ltr") != NULL, word_after(words, "sysenter") != NULL,
			word_after(words, "tf") != NULL};
	tell = word_after(line, "tell") != NULL;
	begin(line);
	pics_mask();
	/* Wherever random code goes, an INT3 is near. */
	memory_set((void *)LOW_CODE, 0xcc, LOW_END - LOW_CODE);
	memory_set((void *)SANDBOX, 0xcc, SANDBOX_BYTES);
	repair_cpu();
	watchdog_init();
	while (kept.step < kept.end)
		step();
	report();
}
