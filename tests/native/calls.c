/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/native/calls.c: runs in root's place and makes the core's calls: as they are meant, then as an attacker would (docs/testing.md, A01, A36, A45, A57,
 * A58). After each part the core checks its own books, and everything that was made must have returned. The last line of its log says how it went.
 */
#include <stdbool.h>
#include "lib/calls.h"
#include "lib/native.h"

static unsigned int checks, failures;
static const struct gyre_boot_info *boot;
static uint64_t ram; /* a page number in the largest range, with plenty after it */

static void fail(int line, const char *what, long got, long wanted)
{
	failures++;
	native_log("FAILED line %d: %s is %ld, not %ld", line, what, got, wanted);
}

#define EQUAL(call, wanted)                                                                                            \
	do {                                                                                                           \
		long got_ = (long)(call), wanted_ = (long)(wanted);                                                    \
		checks++;                                                                                              \
		if (got_ != wanted_)                                                                                   \
			fail(__LINE__, #call, got_, wanted_);                                                          \
	} while (0)

static uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* A handle that the caller goes on with: a failure to make one shows in what follows. */
static handle_t made(long result, int line)
{
	checks++;
	if (result <= 0)
		fail(line, "a new handle", result, 1);
	return result > 0 ? (handle_t)result : 0;
}
#define MADE(call) made(call, __LINE__)

/* ---- books ---- */

static struct gyre_process_info before;

static void books_open(void)
{
	EQUAL(process_info(0, &before), 0);
}

static void books_close(int line)
{
	struct gyre_process_info after;
	EQUAL(machine_check(GYRE_ROOT_MACHINE), 0);
	EQUAL(process_info(0, &after), 0);
	if (after.used_frames != before.used_frames)
		fail(line, "frames in use", (long)after.used_frames, (long)before.used_frames);
	if (after.quota_frames != before.quota_frames)
		fail(line, "frames of the quota", (long)after.quota_frames, (long)before.quota_frames);
	if (after.handles != before.handles)
		fail(line, "handles", after.handles, before.handles);
	if (after.objects != before.objects)
		fail(line, "objects", after.objects, before.objects);
}

/* ---- memory ---- */

#define WINDOW ((volatile uint64_t *)0x10000000)
#define WORDS  512 /* of a page */

static void memory_calls(void)
{
	uint64_t badge, pages;
	books_open();
	handle_t memory = MADE(memory_create(2048, 0));
	EQUAL(memory_map(0, memory, 0, (uint64_t)WINDOW, 1, GYRE_RIGHT_READ), -GYRE_ENOENT);
	EQUAL(memory_move_all(memory, 0, GYRE_ROOT_RAM, ram, 2048), 0);
	EQUAL(memory_map(0, memory, 0, (uint64_t)WINDOW, 2048, 3), 2048);
	for (unsigned int page = 0; page < 2048; page++)
		WINDOW[page * WORDS] = page + 1;
	for (unsigned int page = 0; page < 2048; page++)
		EQUAL(WINDOW[page * WORDS], page + 1);
	EQUAL(memory_map(0, memory, 0, (uint64_t)WINDOW, 1, 3), -GYRE_EEXIST);
	EQUAL(memory_map(0, memory, 0, 0x20000000, 1, 7), -GYRE_EINVAL);
	EQUAL(memory_clear_all(memory, 0, 1000), 0);
	EQUAL(WINDOW[0], 0);
	EQUAL(WINDOW[999 * WORDS + 511], 0);
	EQUAL(WINDOW[1000 * WORDS], 1001);

	/* Windows, and what a revocation leaves. */
	handle_t window = MADE(memory_derive(memory, 100, 50, GYRE_RIGHT_READ));
	handle_t inner = MADE(memory_derive(window, 10, 10, GYRE_RIGHT_READ));
	EQUAL(memory_derive(window, 10, 10, 3), -GYRE_EACCES);
	EQUAL(memory_map(0, inner, 0, 0x30000000, 10, GYRE_RIGHT_READ), 10);
	WINDOW[110 * WORDS] = 4711;
	EQUAL(*(volatile uint64_t *)0x30000000, 4711);
	EQUAL(memory_punch(window, 15, 2), 2);
	EQUAL(memory_map(0, inner, 5, 0x32000000, 1, GYRE_RIGHT_READ), -GYRE_ENOENT);
	EQUAL(memory_revoke(memory), 0);
	EQUAL(handle_info(window, &badge, &pages), -GYRE_EHANDLE);
	EQUAL(handle_info(inner, &badge, &pages), -GYRE_EHANDLE);
	EQUAL(memory_map(0, memory, 0, (uint64_t)WINDOW, 2048, 3), 2048);

	/* A hole in a large page, and a page of another object shown there. */
	handle_t shown = MADE(memory_create(4, 0));
	EQUAL(memory_move_all(shown, 0, GYRE_ROOT_RAM, ram + 2048, 4), 0);
	EQUAL(memory_map(0, shown, 3, 0x40000000, 1, 3), 1);
	*(volatile uint64_t *)0x40000000 = 77;
	EQUAL(memory_punch(memory, 1200, 1), 1);
	EQUAL(memory_replace(memory, 1200, memory, 3), -GYRE_EINVAL);
	EQUAL(memory_replace(memory, 1200, shown, 3), 0);
	EQUAL(memory_map(0, memory, 1200, 0x41000000, 1, 3), 1);
	EQUAL(*(volatile uint64_t *)0x41000000, 77);
	EQUAL(memory_punch(shown, 3, 1), 1);
	EQUAL(memory_map(0, memory, 1200, 0x42000000, 1, GYRE_RIGHT_READ), -GYRE_ENOENT);
	EQUAL(object_destroy(shown), 0);
	EQUAL(object_destroy(memory), 0);
	EQUAL(object_destroy(GYRE_ROOT_RAM), -GYRE_EPERM);
	EQUAL(object_destroy(GYRE_ROOT_PROCESS), -GYRE_EPERM);
	books_close(__LINE__);
}

/* ---- threads ---- */

struct job {
	void (*run)(struct job *job); /* first: the assembly below calls it */
	uint64_t number;
};
static struct job jobs[8];
static char stacks[8][8192] __attribute__((aligned(16)));
static volatile unsigned int counted[8];
static handle_t event, endpoint;

void job_begin(void);
__asm__(".text\njob_begin:\n\tand $-16, %rsp\n\tcall *(%rdi)\n\tud2\n");

static handle_t job_start(unsigned int number, void (*run)(struct job *job), handle_t fault)
{
	jobs[number] = (struct job){run, number};
	handle_t thread = MADE(
		thread_create(0, (uint64_t)job_begin, (uint64_t)stacks[number + 1], (uint64_t)&jobs[number], fault, 0));
	EQUAL(thread_start(thread), 0);
	return thread;
}

static void job_counts(struct job *job)
{
	for (unsigned int i = 0; i < 1000; i++) {
		counted[job->number]++;
		thread_yield();
	}
	event_signal(event, 1ul << job->number);
	thread_exit();
}

static void thread_calls(void)
{
	uint64_t bits, all = 0, start;
	handle_t thread[4];
	books_open();
	event = MADE(event_create());
	for (unsigned int i = 0; i < 4; i++)
		thread[i] = job_start(i, job_counts, 0);
	while (all != 15) {
		EQUAL(event_wait(event, GYRE_FOREVER, &bits), 0);
		all |= bits;
	}
	for (unsigned int i = 0; i < 4; i++) {
		EQUAL(counted[i], 1000);
		EQUAL(thread_start(thread[i]), -GYRE_EDEAD);
		EQUAL(object_destroy(thread[i]), 0);
	}
	EQUAL(event_wait(event, 0, &bits), -GYRE_ETIMEOUT);
	start = tsc();
	EQUAL(event_wait(event, start + 10000000, &bits), -GYRE_ETIMEOUT);
	EQUAL(tsc() - start >= 10000000, 1);
	EQUAL(event_timer(event, 5, tsc() + 1000000), 0);
	EQUAL(event_wait(event, GYRE_FOREVER, &bits), 0);
	EQUAL(bits, 32);
	EQUAL(event_timer(event, 5, ~0ul - 1), 0);
	EQUAL(object_destroy(event), 0);
	books_close(__LINE__);
}

/* ---- calls of endpoints, faults ---- */

static void job_serves(struct job *job)
{
	struct message message = {0};
	long badge = endpoint_reply_wait(endpoint, 0, &message);
	(void)job;
	while (badge >= 0) {
		if (message.word[0] == 0xdead)
			__asm__ volatile("ud2");
		message.word[0] += (uint64_t)badge;
		message.word[1] *= 2;
		badge = endpoint_reply_wait(endpoint, 7, &message);
	}
	thread_exit();
}

static void endpoint_calls(void)
{
	struct message message = {.word = {1, 2, 3, 4}};
	books_open();
	endpoint = MADE(endpoint_create());
	EQUAL(endpoint_call(endpoint, &message), -GYRE_EDEAD);
	handle_t server = job_start(0, job_serves, 0);
	thread_yield();
	handle_t badged = MADE(handle_copy(0, endpoint, GYRE_RIGHT_CALL, 1000));
	EQUAL(handle_copy(0, badged, GYRE_RIGHT_CALL, 1000), -GYRE_EACCES);
	EQUAL(handle_copy(0, endpoint, GYRE_RIGHT_WAIT, 0), -GYRE_EACCES);
	message = (struct message){.word = {1, 2, 3, 4}};
	EQUAL(endpoint_call(badged, &message), 7);
	EQUAL(message.word[0], 1001);
	EQUAL(message.word[1], 4);
	EQUAL(message.word[2], 3);
	EQUAL(message.word[3], 0);
	uint64_t start = tsc();
	for (unsigned int i = 0; i < 1000; i++)
		endpoint_call(endpoint, &message);
	native_log("a call and its reply: %lu ticks", (unsigned long)((tsc() - start) / 1000));
	message = (struct message){.word = {0xdead}};
	EQUAL(endpoint_call(endpoint, &message), -GYRE_EDEAD); /* the server faults, and nobody answers that */
	EQUAL(endpoint_call(endpoint, &message), -GYRE_EDEAD);
	EQUAL(object_destroy(server), 0);
	EQUAL(object_destroy(endpoint), 0);
	books_close(__LINE__);
}

#define MISSING 0x50000000ul
static struct message faults[4];
static volatile unsigned int fault_count;

static void job_handles_faults(struct job *job)
{
	struct message message = {0};
	long badge = endpoint_reply_wait(endpoint, 0, &message), status;
	(void)job;
	while (badge >= 0) {
		faults[fault_count++ % 4] = message;
		status = message.word[2] == MISSING && memory_map(0, (handle_t)badge, 0, MISSING, 1, 3) == 1 ? 0 : -1;
		message = (struct message){0};
		badge = endpoint_reply_wait(endpoint, status, &message);
	}
	thread_exit();
}

static void job_faults(struct job *job)
{
	(void)job;
	*(volatile unsigned int *)MISSING = 5;
	counted[7] = *(volatile unsigned int *)MISSING;
	/* A01: a return to where no address is. SYSRET must not fault in ring 0. */
	__asm__ volatile("movabs $0x0000800000000000, %%rax\n\tjmp *%%rax" : : : "rax");
}

static void fault_calls(void)
{
	books_open();
	endpoint = MADE(endpoint_create());
	handle_t page = MADE(memory_create(1, 0));
	EQUAL(memory_move_all(page, 0, GYRE_ROOT_RAM, ram, 1), 0);
	EQUAL(memory_clear_all(page, 0, 1), 0);
	handle_t server = job_start(0, job_handles_faults, 0);
	thread_yield();
	handle_t fault = MADE(handle_copy(0, endpoint, GYRE_RIGHT_CALL, page));
	counted[7] = 0;
	handle_t thread = job_start(1, job_faults, fault);
	while (fault_count < 2)
		thread_yield();
	EQUAL(counted[7], 5);
	EQUAL(faults[0].word[0], GYRE_FAULT_MESSAGE | 14);
	EQUAL(faults[0].word[1], 6);
	EQUAL(faults[0].word[2], MISSING);
	EQUAL(faults[1].word[0], GYRE_FAULT_MESSAGE | 13);
	EQUAL(thread_start(thread), -GYRE_EDEAD);
	EQUAL(object_destroy(thread), 0);
	EQUAL(object_destroy(server), 0);
	EQUAL(object_destroy(endpoint), 0);
	EQUAL(object_destroy(page), 0);
	books_close(__LINE__);
}

/* ---- processes ---- */

/* A server of few instructions: its endpoint's handle arrives in RDI. */
extern const char child_code[], child_code_end[];
__asm__(".section .rodata\nchild_code:\n"
	"\tmov %rdi, %rbx\n\tmov $24, %eax\n\txor %esi, %esi\n\txor %r9d, %r9d\n\tsyscall\n"
	"1:\tmov $24, %eax\n\tmov %rbx, %rdi\n\tmov $9, %esi\n\txor %r9d, %r9d\n\tsyscall\n\tjmp 1b\n"
	"child_code_end:\n\t.text\n");

static void process_calls(void)
{
	struct message message = {.word = {1, 2, 3}};
	books_open();
	handle_t process = MADE(process_create(64));
	handle_t code = MADE(memory_create(1, process));
	EQUAL(memory_move_all(code, 0, GYRE_ROOT_RAM, ram, 1), 0);
	EQUAL(memory_map(0, code, 0, 0x60000000, 1, 3), 1);
	for (long i = 0; i < child_code_end - child_code; i++)
		((volatile char *)0x60000000)[i] = child_code[i];
	EQUAL(memory_map(process, code, 0, 0x400000, 1, 5), 1);
	endpoint = MADE(endpoint_create());
	handle_t serve = MADE(handle_copy(process, endpoint, GYRE_RIGHT_SERVE, 0));
	handle_t thread = MADE(thread_create(process, 0x400000, 0, serve, 0, 0));
	EQUAL(thread_start(thread), 0);
	thread_yield();
	EQUAL(endpoint_call(endpoint, &message), 9);
	uint64_t start = tsc();
	for (unsigned int i = 0; i < 1000; i++)
		endpoint_call(endpoint, &message);
	native_log("a call to another process and its reply: %lu ticks", (unsigned long)((tsc() - start) / 1000));
	EQUAL(object_destroy(process), 0);
	EQUAL(endpoint_call(endpoint, &message), -GYRE_EDEAD);
	EQUAL(object_destroy(endpoint), 0);
	books_close(__LINE__);

	/* A57: made and killed with all that it has, again and again. */
	for (unsigned int round = 0; round < 100; round++) {
		process = MADE(process_create(64));
		for (unsigned int i = 0; i < 20; i++)
			memory_create(100000, process);
		handle_t memory = MADE(memory_create(512, process));
		EQUAL(memory_move_all(memory, 0, GYRE_ROOT_RAM, ram, 512), 0);
		EQUAL(memory_map_all(process, memory, 0, 0x800000, 512, 3), 0);
		EQUAL(memory_map_all(0, memory, 0, 0x70000000, 512, 3), 0);
		EQUAL(object_destroy(process), 0);
	}
	books_close(__LINE__);
}

/* ---- virtual processors ---- */

#define VCPU_AT 0x72000000ul

static void vcpu_calls(void)
{
	struct gyre_machine_info machine;
	struct gyre_vcpu_policy policy = {.abi = GYRE_VCPU_ABI, .cr0_allowed = 0xe005003f, .apic_timer_khz = 1000000};
	books_open();
	EQUAL(machine_info(&machine), 0);
	policy.physical_bits = machine.physical_bits;
	policy.tsc_khz = (uint32_t)machine.tsc_khz;
	handle_t vm = MADE(vm_create(0)), vcpu = MADE(vcpu_create(vm, 0, (void *)VCPU_AT));
	/* Its number, its first page, its last page is another's: all is as before, and that does not take long. */
	EQUAL(vcpu_create(vm, 0, (void *)(VCPU_AT + 0x10000)), -GYRE_EEXIST);
	EQUAL(vcpu_create(vm, 1, (void *)VCPU_AT), -GYRE_EEXIST);
	EQUAL(vcpu_create(vm, 1, (void *)(VCPU_AT - (GYRE_VCPU_PAGES - 1) * 4096)), -GYRE_EEXIST);
	EQUAL(((const struct gyre_vcpu_page *)VCPU_AT)->abi, GYRE_VCPU_ABI);
	/* What has been asked of a policy holds: no other comes after it. */
	EQUAL(vcpu_state_get(vcpu, GYRE_STATE_APIC), 0);
	EQUAL(vcpu_state_set(vcpu, GYRE_STATE_APIC), -GYRE_EINVAL);
	EQUAL(vcpu_policy(vcpu, &policy, NULL, 0), 0);
	EQUAL(vcpu_policy(vcpu, &policy, NULL, 0), 0);
	EQUAL(vcpu_state_set(vcpu, GYRE_STATE_APIC), 0);
	EQUAL(vcpu_policy(vcpu, &policy, NULL, 0), -GYRE_EBUSY);
	EQUAL(object_destroy(vcpu), 0);
	EQUAL(object_destroy(vm), 0);
	books_close(__LINE__);
}

/* ---- an attacker, in a process of its own ---- */

static uint64_t seed = 88172645463325252ull;

static uint64_t dice(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t hostile_value(void)
{
	uint64_t shift = dice() % 64;
	switch (dice() % 9) {
	case 0: return 0;
	case 1: return dice() % 64;
	case 2: return ~0ul;
	case 3: return dice();
	case 4: return 1ul << shift;
	case 5: return (1ul << shift) - 1;
	case 6: return dice() % 4096;
	case 7: return (uint64_t)WINDOW + dice() % 64 * 4096;
	default: return 8 + dice() % 40;
	}
}

/* Calls that would end or block the attacker, or take root's own memory from under it. */
static bool is_spared(uint64_t number, uint64_t first)
{
	switch (number) {
	case GYRE_CALL_thread_exit:
	case GYRE_CALL_event_wait:
	case GYRE_CALL_endpoint_call:
	case GYRE_CALL_endpoint_reply_wait:
	case GYRE_CALL_machine_check:
	case GYRE_CALL_log_write: return true;
	case GYRE_CALL_handle_close:
	case GYRE_CALL_object_destroy:
	case GYRE_CALL_thread_start:
	case GYRE_CALL_thread_stop:
	case GYRE_CALL_thread_schedule:
	case GYRE_CALL_thread_registers: return first < 8; /* its own */
	case GYRE_CALL_memory_unmap: return first < 2;
	default: return false;
	}
}

/* vcpu_run keeps no registers. */
static void any_call(uint64_t number, const uint64_t *a)
{
	uint64_t rdi = a[0], rsi = a[1], rdx = a[2];
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "+a"(number), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 :
			 : CALL_CLOBBERS, "rbx", "r12", "r13", "r14", "r15");
}

static void attack(unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t a[6], number = dice() % (GYRE_CALL_COUNT + 2);
		for (unsigned int n = 0; n < 6; n++)
			a[n] = hostile_value();
		if (is_spared(number, a[0]))
			continue;
		/* What is written goes where it does no harm. */
		if (number == GYRE_CALL_process_info || number == GYRE_CALL_machine_info)
			a[number == GYRE_CALL_process_info] = (uint64_t)WINDOW;
		if (number == GYRE_CALL_thread_registers)
			a[2] = (uint64_t)WINDOW;
		if (number == GYRE_CALL_vm_dirty_take)
			a[3] = (uint64_t)WINDOW;
		any_call(number, a);
		if (i % 4096 == 0)
			EQUAL(machine_check(GYRE_ROOT_MACHINE), 0);
	}
	EQUAL(machine_check(GYRE_ROOT_MACHINE), 0);
}

static void find_ram(void)
{
	uint64_t most = 0;
	for (unsigned int i = 0; i < boot->ranges; i++) {
		if (boot->range[i].pages <= most)
			continue;
		most = boot->range[i].pages;
		ram = (boot->range[i].first_page + 4096 + 511) & ~511ul;
	}
}

static unsigned long longest_off(void)
{
	static struct gyre_machine_info info;
	EQUAL(machine_info(&info), 0);
	return info.max_interrupts_off;
}

void native_main(void *argument)
{
	boot = argument;
	find_ram();
	memory_calls();
	thread_calls();
	vcpu_calls();
	/* What follows has threads that crash, and their registers go to a slow console. */
	native_log("interrupts were off for at most %lu ticks", longest_off());
	endpoint_calls();
	fault_calls();
	process_calls();
	attack(100000);
	native_log("calls: %u checks, %u failures", checks, failures);
}
