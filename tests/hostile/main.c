/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/hostile/main.c: rounds, in each of which two threads and a child process attack for a while and are ended wherever they stand. The VM's command
 * line says what to do: "seed=N rounds=N [ms=N: of each] [all] [exact] [timers] [flood] [end=fault|exit]", or "victim [beats=N] [gap=MS]" for a VM that
 * only watches that nobody changes its memory or keeps it waiting, or "worker ms=N" and "storm ms=N", which a test of root's share of the time compares.
 */
#include "lib/native.h"
#include "lib/string.h"
#include "tests/hostile/hostile.h"
#include "tests/native/words.h"

#define STACK_BYTES   16384u
#define CHILD_QUOTA   80u
#define ROUND_MS      4u
#define SWEEP_ROUNDS  2u
#define VICTIM_PAGES  256u
#define VICTIM_GAP_MS 2000u

struct hostile hostile;
struct worker workers[WORKERS];
static uint8_t stacks[WORKERS][STACK_BYTES] __attribute__((aligned(4096)));
static char data_segment[] = "first of all"; /* any variable with a value */

/* ---- workers ---- */

static void attack(void *argument)
{
	struct worker *w = argument;
	handles_make(w);
	if (random_below(w, 2) == 0)
		random_guest(w);
	for (;;) {
		uint64_t kind = random_below(w, 64);
		/* By either way into the core, whichever the machine asks for. */
		if (random_below(w, 8) == 0)
			call_by_interrupt = (uint8_t)random_below(w, 2);
		if (kind < 2)
			random_odd_thread(w, 0);
		else if (kind < 12)
			random_guest(w);
		else
			random_call(w);
	}
}

static uint64_t stack_of(unsigned number)
{
	return (uintptr_t)stacks[number] + STACK_BYTES - 8;
}

/* Only what it has counted stays. */
static void worker_reset(struct worker *w, uint64_t seed)
{
	w->seed = seed;
	w->vm = w->vcpu = 0;
	memset(w->recent, 0, sizeof(w->recent));
	memset(w->typed_next, 0, sizeof(w->typed_next));
}

static handle_t worker_begin(unsigned number, uint64_t seed)
{
	struct worker *w = &workers[number];
	w->number = number;
	worker_reset(w, seed);
	long thread = thread_create(
		0, (uintptr_t)attack, stack_of(number), (uintptr_t)w, random_fault_handle(w), random_below(w, 4) == 0);
	if (thread < 0)
		return 0;
	thread_schedule((handle_t)thread, (uint32_t)random_below(w, 31), 0, 0, 0, 0);
	thread_start((handle_t)thread);
	return (handle_t)thread;
}

/* The same program with the same data, in a process of its own, from pages of guest RAM. */
static handle_t child_begin(uint64_t seed)
{
	struct worker *w = &workers[WORKERS - 1];
	uint64_t text = ((uintptr_t)data_segment & ~4095ull) - (uintptr_t)native_image;
	uint64_t bytes = (uint64_t)(native_image_end - native_image);
	long process = process_create(CHILD_QUOTA);
	if (process < 0)
		return 0;
	w->number = WORKERS - 1;
	worker_reset(w, seed);
	memcpy((void *)(RAM_ADDRESS + IMAGE_COPY), native_image, text);
	memcpy((void *)(RAM_ADDRESS + IMAGE_COPY + text), native_image + text,
		(uintptr_t)native_stack - 4096 - (uintptr_t)native_image - text);
	const handle_t child = (handle_t)process, ram = hostile.start->ram;
	memory_map_all(
		child, ram, IMAGE_COPY / 4096, (uintptr_t)native_image, text / 4096, GYRE_RIGHT_READ | GYRE_RIGHT_EXEC);
	memory_map_all(child, ram, (IMAGE_COPY + text) / 4096, (uintptr_t)native_image + text,
		(bytes - text + 4095) / 4096, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	memory_map_all(child, hostile.start->ram, 0, RAM_ADDRESS, 512, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	memory_map_all(child, ram, START_COPY / 4096, GYRE_START_ADDRESS, 2, GYRE_RIGHT_READ);
	long thread = thread_create(child, (uintptr_t)attack, stack_of(WORKERS - 1), (uintptr_t)w, 0, 0);
	for (unsigned i = 0; i < 6; i++)
		handle_copy(child, random_handle(w), (uint32_t)random_below(w, 0x400) | GYRE_RIGHT_COPY, 0);
	handle_copy(child, (handle_t)thread, GYRE_RIGHT_MANAGE | GYRE_RIGHT_READ, 0);
	if (thread > 0) {
		thread_schedule((handle_t)thread, (uint32_t)random_below(w, 31), 0, 0, 0, 0);
		thread_start((handle_t)thread);
	}
	return child;
}

/* ---- what the command line says ---- */

static uint64_t number_after(const char *word, uint64_t otherwise)
{
	return number_in(hostile.start->text + hostile.start->append, word, otherwise);
}

static bool asked(const char *word)
{
	return strstr(hostile.start->text + hostile.start->append, word) != NULL;
}

/* ---- rounds ---- */

static bool is_kept(handle_t handle)
{
	const struct gyre_start *start = hostile.start;
	return handle == start->ram || handle == start->event || handle == start->event_root ||
	       handle == start->endpoint || handle == start->interrupt || handle == start->kernel.memory ||
	       handle == hostile.protect[0];
}

/* Whatever is left of earlier rounds: else the quota would soon be used up. */
static void sweep(void)
{
	for (handle_t handle = 1; handle < 4096; handle++)
		if (!is_kept(handle) && object_destroy(handle) != -GYRE_EHANDLE)
			handle_close(handle);
	memory_unmap_all(0, ARENA_ADDRESS, ARENA_PAGES);
}

static void sleep_ms(uint64_t ms)
{
	uint64_t bits, end = tsc() + ms * hostile.tsc_khz;
	while (tsc() < end) {
		long result = event_wait(hostile.protect[0], end, &bits);
		if (result < 0 && result != -GYRE_ETIMEOUT && result != -GYRE_EBUSY)
			hostile.protect[0] = (handle_t)event_create();
	}
}

static void round_play(uint64_t seed)
{
	handle_t thread[WORKERS];
	for (unsigned i = 0; i + 1 < WORKERS; i++)
		thread[i] = worker_begin(i, seed * 8 + i + 1);
	thread[WORKERS - 1] = child_begin(seed * 8 + WORKERS);
	for (unsigned i = 0; i < 2; i++) {
		struct gyre_thread_registers registers;
		sleep_ms(number_after("ms=", ROUND_MS) / 2);
		thread_stop(thread[i]);
		thread_registers(thread[i], 0, &registers);
		thread_start(thread[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		object_destroy(thread[i]);
	/* The child counted in its own copy, which the next one begins with. */
	const struct worker *child = (struct worker *)(RAM_ADDRESS + IMAGE_COPY +
						       ((uintptr_t)&workers[WORKERS - 1] - (uintptr_t)native_image));
	memcpy(workers[WORKERS - 1].seen, child->seen, sizeof(child->seen));
	workers[WORKERS - 1].calls = child->calls;
}

/* ---- what random calls find too seldom ---- */

/* A local APIC's register, as a monitor writes it for a guest. */
static void apic_write(handle_t vcpu, struct gyre_vcpu_page *page, uint32_t offset, uint32_t value)
{
	page->event = 0;
	page->apic_register = offset;
	page->apic_value = value;
	page->entry_flags = GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_NO_RUN;
	vcpu_run(vcpu);
}

/*
 * VCPUs whose timers run, ended piece by piece: a timer that came between the pieces counted in a page that was somebody else's by then. Page tables are
 * made meanwhile, which root has the core check.
 */
static void timers_of_the_dying(void)
{
	for (unsigned round = 0; round < 16; round++) {
		const uint64_t at = VCPU_ADDRESS + 0x100000;
		const long vm = vm_create(0), other = vm_create(0);
		handle_t dying = (handle_t)vm;
		for (unsigned i = 0; i < 6; i++) {
			struct gyre_vcpu_page *page = (struct gyre_vcpu_page *)(at + i * 0x8000ull);
			const long vcpu = vcpu_create(dying, i, page);
			if (vcpu < 0)
				break;
			guest_policy((handle_t)vcpu);
			/* Each costs a step of its end: so a piece ends elsewhere in every round. */
			for (unsigned n = 0; i == 0 && n < round * 7; n++)
				vcpu_kick_on((handle_t)vcpu, (handle_t)event_create());
			apic_write((handle_t)vcpu, page, 0xf0, 0x1ff);
			apic_write((handle_t)vcpu, page, 0x3e0, 0xb);
			apic_write((handle_t)vcpu, page, 0x320, 0x20040);
			apic_write((handle_t)vcpu, page, 0x380, 1000);
		}
		for (uint64_t page = 1; call1(GYRE_CALL_object_destroy, dying) == -GYRE_EAGAIN; page++) {
			for (uint64_t i = 0; i < 24; i++)
				vm_map((handle_t)other, hostile.start->ram, 0, page << 27 | i << 18, 1, 7);
			sleep_ms(1);
		}
		sleep_ms(300); /* root looks at the books */
		sweep();
	}
}

/* More lines for the core's log than the other end takes. */
static void flood_the_log(void)
{
	static char line[240] = "a flood of lines that nobody reads, as long as lines of the log can be";
	memset(line + strlen(line), '.', sizeof(line) - strlen(line));
	for (uint64_t end = tsc() + 4000ull * hostile.tsc_khz; tsc() < end;)
		log_write(line, sizeof(line));
}

static volatile bool waiter_is_back;

static void waiter(void *vcpu)
{
	vcpu_run((handle_t)(uintptr_t)vcpu);
	waiter_is_back = true;
	thread_exit();
}

/* A processor that waits to be started by another, whose vcpu ends meanwhile: its thread comes back. */
static bool end_of_a_halted_vcpu(void)
{
	const handle_t vm = (handle_t)vm_create(0);
	vcpu_create(vm, 0, (void *)(VCPU_ADDRESS + 0x100000));
	const long vcpu = vcpu_create(vm, 1, (void *)(VCPU_ADDRESS + 0x108000));
	guest_policy((handle_t)vcpu);
	const long thread = thread_create(0, (uintptr_t)waiter, stack_of(0), (uint64_t)vcpu, 0, 0);
	thread_start((handle_t)thread);
	sleep_ms(20);
	const bool early = waiter_is_back;
	object_destroy((handle_t)vcpu);
	sleep_ms(20);
	object_destroy((handle_t)thread);
	object_destroy(vm);
	return !early && waiter_is_back;
}

static void __attribute__((noreturn)) end(uint32_t code, const char *text)
{
	struct gyre_channel *channel = (struct gyre_channel *)GYRE_CHANNEL_ADDRESS;
	memcpy(channel->end_text, text, strlen(text) + 1);
	struct message message = {.word = {GYRE_ROOT_END, GYRE_END_DEBUG_EXIT, code}};
	if (endpoint_call(hostile.start->endpoint, &message) < 0)
		native_panic("hostile: root does not listen");
	thread_exit();
}

/* ---- the victim ---- */

static void victim(void)
{
	uint64_t *memory = (uint64_t *)RAM_ADDRESS, longest = 0, beats = number_after("beats=", 50), bits;
	const uint64_t words = VICTIM_PAGES * 512ull;
	for (uint64_t i = 0; i < words; i++)
		memory[i] = i * 0x9e3779b97f4a7c15ull;
	for (uint64_t beat = 0; beat < beats; beat++) {
		uint64_t due = tsc() + 10ull * hostile.tsc_khz;
		event_wait(hostile.protect[0], due, &bits);
		uint64_t late = tsc() - due;
		longest = late > longest ? late : longest;
		for (uint64_t i = 0; i < words; i++)
			if (memory[i] != i * 0x9e3779b97f4a7c15ull)
				end(11, "its memory was changed");
	}
	native_log("victim: %lu beats, at most %lu ms late", beats, longest / hostile.tsc_khz);
	/* Wall time on a loaded machine proves little: a test that counts instructions asks for less. */
	if (longest / hostile.tsc_khz > number_after("gap=", VICTIM_GAP_MS))
		end(12, "it was kept waiting");
	end(3, "all is well");
}

/* ---- root's time ---- */

/* What it can do to keep root busy, for so many ms: it wakes root, and fills the channel with the shortest packets there are. */
static void storm(uint64_t ms)
{
	struct gyre_channel *channel = (struct gyre_channel *)GYRE_CHANNEL_ADDRESS;
	static const struct gyre_packet empty = {.type = 1};
	for (uint32_t at = 0; at < GYRE_CHANNEL_TO_ROOT; at += sizeof(empty))
		memcpy(channel->to_root_data + at, &empty, sizeof(empty));
	for (uint64_t until = tsc() + ms * hostile.tsc_khz; tsc() < until;) {
		uint32_t taken = __atomic_load_n(&channel->to_root.taken, __ATOMIC_ACQUIRE);
		__atomic_store_n(&channel->to_root.written, taken + GYRE_CHANNEL_TO_ROOT, __ATOMIC_RELEASE);
		event_signal(hostile.start->event_root, ~0ull);
	}
}

/* How far it comes beside others in that time. */
static void work(uint64_t ms)
{
	uint64_t rounds = 0;
	for (uint64_t until = tsc() + ms * hostile.tsc_khz; tsc() < until; rounds++)
		for (unsigned i = 0; i < 1000; i++)
			__asm__ volatile("");
	native_log("worker: %lu rounds", rounds);
}

void native_main(void *argument)
{
	struct gyre_machine_info machine;
	hostile.start = argument;
	machine_info(&machine);
	hostile.tsc_khz = (uint32_t)machine.tsc_khz;
	hostile.protect[0] = (handle_t)event_create();
	hostile.protect[1] = hostile.start->endpoint;
	hostile.protect[2] = hostile.start->event_root;
	hostile.protect[3] = hostile.start->ram;
	/* Closed by chance it would be gone for all rounds: a second one can't be made. Its copies are closed like anything else. */
	hostile.protect[4] = hostile.start->interrupt;
	if (memory_map_all(0, hostile.start->ram, 0, RAM_ADDRESS, hostile.start->memory / 4096,
		    GYRE_RIGHT_READ | GYRE_RIGHT_WRITE) < 0)
		end(10, "its memory cannot be mapped");
	/* What is refused whatever happens. */
	if (thread_schedule(0, GYRE_PRIORITIES - 1, 0, 0, 0, 0) != -GYRE_EACCES)
		end(20, "it got a priority above root's");
	if (thread_schedule(0, 32, 3600000000, 0, 0, 0) != -GYRE_EINVAL)
		end(21, "it got a slice of an hour");
	if (object_destroy(hostile.start->event) != -GYRE_EPERM)
		end(22, "it ended an object of root's");
	if (memory_map(0, hostile.start->ram, 0, GYRE_USER_END, 1, GYRE_RIGHT_READ) != -GYRE_EINVAL)
		end(23, "it mapped the page whose end is not canonical");
	const long vm = vm_create(0);
	if (vm_map((handle_t)vm, hostile.start->ram, 0, 1ull << 36, 1, GYRE_RIGHT_READ) != -GYRE_EINVAL)
		end(24, "it mapped a page that no guest can reach, at the place of another");
	object_destroy((handle_t)vm);
	if (asked("victim"))
		victim();
	if (asked("storm"))
		storm(number_after("ms=", 100));
	if (asked("worker"))
		work(number_after("ms=", 100));
	if (asked("storm") || asked("worker"))
		end(3, "done");
	memcpy((void *)(RAM_ADDRESS + START_COPY), hostile.start, 8192);
	uint64_t seed = number_after("seed=", 1), rounds = number_after("rounds=", 100), calls = 0;
	native_log("hostile: seed %lu, %lu rounds", seed, rounds);
	if (!end_of_a_halted_vcpu())
		end(25, "a thread stayed in a vcpu that has ended, or never waited in it");
	const char *failed = asked("exact") ? exact_guests() : NULL;
	if (failed != NULL)
		end(26, failed);
	if (asked("timers")) {
		timers_of_the_dying();
		if (vcpus_that_outlive_their_vm() == 0)
			end(27, "no vcpu ended in pieces");
	}
	if (asked("flood"))
		flood_the_log();
	/* Where a call has not been made yet, or not with success, more rounds than were asked for. */
	for (uint64_t i = 0; i < rounds || (asked("all") && seen_missing() > 0 && i < 4 * rounds); i++) {
		round_play(seed + i);
		if (i % SWEEP_ROUNDS == SWEEP_ROUNDS - 1)
			sweep();
	}
	for (unsigned i = 0; i < WORKERS; i++)
		calls += workers[i].calls;
	native_log("hostile: %lu calls, %lu runs of guests", calls, workers[0].runs + workers[1].runs);
	if (rounds > 0)
		seen_report();
	if (asked("end=fault"))
		memory_unmap(0, (uintptr_t)native_image & ~4095ull, 1024);
	for (unsigned i = 0; i + 1 < WORKERS; i++)
		worker_begin(i, seed + i); /* root ends them in the middle of it */
	sleep_ms(1);
	if (asked("end=exit"))
		thread_exit();
	end(3, "done");
}
