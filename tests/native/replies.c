/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/native/replies.c: runs in root's place and looks at what calls leave behind: "every word that a call does not define comes back as it went in; all
 * buffers are fully written" (include/gyre/calls.h), and what is reserved is 0. Each buffer is filled with a pattern, and again with another one: a byte
 * that keeps both was not written. The last line of its log counts.
 */
#include <stdbool.h>
#include "lib/calls.h"
#include "lib/native.h"
#include "lib/string.h"

#define PAGE	4096u
#define PAGES	64u /* of a VM's memory, and of the dirty log */
#define AREA	0x10000000ul
#define VCPU_AT 0x20000000ul

static unsigned int looked_at, wrong;

static void say_wrong(const char *what, const char *where, uint64_t got, uint64_t wanted)
{
	wrong++;
	native_log("replies: WRONG %s: %s is %lx, not %lx", what, where, got, wanted);
}

static void want(const char *what, const char *where, uint64_t got, uint64_t wanted)
{
	looked_at++;
	if (got != wanted)
		say_wrong(what, where, got, wanted);
}

/* ---- registers ---- */

enum word { RAX, RDI, RSI, RDX, R10, R8, R9, RBX, RBP, R12, R13, R14, R15, RCX, R11, WORDS };
static const char *const word_names[WORDS] = {
	"rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "rbp", "r12", "r13", "r14", "r15", "rcx", "r11"};
struct registers {
	uint64_t word[WORDS];
};

/* All registers go in, and all come out: by SYSCALL, or by the interrupt. */
void call_by_syscall(struct registers *registers);
void call_by_int(struct registers *registers);
extern const char after_syscall[];
__asm__(".macro CALL_ALL name, instruction, after\n"
	"	.text\n"
	"	.globl \\name, \\after\n"
	"\\name:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"	mov %rdi, %rax\n"
	"	mov 8(%rax), %rdi; mov 16(%rax), %rsi; mov 24(%rax), %rdx; mov 32(%rax), %r10\n"
	"	mov 40(%rax), %r8; mov 48(%rax), %r9; mov 56(%rax), %rbx; mov 64(%rax), %rbp\n"
	"	mov 72(%rax), %r12; mov 80(%rax), %r13; mov 88(%rax), %r14; mov 96(%rax), %r15\n"
	"	mov 104(%rax), %rcx; mov 112(%rax), %r11; mov (%rax), %rax\n"
	"	\\instruction\n"
	"\\after:\n"
	"	xchg %rax, (%rsp)\n"
	"	mov %rdi, 8(%rax); mov %rsi, 16(%rax); mov %rdx, 24(%rax); mov %r10, 32(%rax)\n"
	"	mov %r8, 40(%rax); mov %r9, 48(%rax); mov %rbx, 56(%rax); mov %rbp, 64(%rax)\n"
	"	mov %r12, 72(%rax); mov %r13, 80(%rax); mov %r14, 88(%rax); mov %r15, 96(%rax)\n"
	"	mov %rcx, 104(%rax); mov %r11, 112(%rax)\n"
	"	pop %rdi\n"
	"	mov %rdi, (%rax)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	".endm\n"
	"	CALL_ALL call_by_syscall, syscall, after_syscall\n"
	"	CALL_ALL call_by_int, \"int $0x20\", after_int\n");

#define NONE	 0u
#define BIT(n)	 (1u << (n))
#define ARGUMENT 6

/* Makes a call and looks at all that it does not define: `defined` has a bit for each word that is a result. */
static int64_t call_seen(const char *name, uint64_t number, const uint64_t *arguments, uint32_t defined, bool by_int)
{
	struct registers before, after;
	for (unsigned int i = 0; i < WORDS; i++)
		before.word[i] = 0x7e57000000000000ull + i * 0x0101010101ull;
	before.word[RAX] = number;
	for (unsigned int i = 0; i < ARGUMENT; i++)
		if (arguments[i] != ~0ull - 1)
			before.word[RDI + i] = arguments[i];
	after = before;
	if (by_int)
		call_by_int(&after);
	else
		call_by_syscall(&after);
	/* SYSCALL itself takes two: what they hold is the caller's own. */
	if (!by_int) {
		want(name, "rcx", after.word[RCX], (uint64_t)after_syscall);
		want(name, "r11's bits beyond the flags", after.word[R11] & ~0x3fffffull, 0);
	}
	for (unsigned int i = RDI; i < (by_int ? WORDS : RCX); i++)
		if ((defined & BIT(i)) == 0)
			want(name, word_names[i], after.word[i], before.word[i]);
	return (int64_t)after.word[RAX];
}

/* An argument that the call has not: the register keeps its pattern. */
#define NO (~0ull - 1)
#define CALL(name, defined, ...)                                                                                       \
	call_seen(#name, GYRE_CALL_##name, (const uint64_t[]){__VA_ARGS__, NO, NO, NO, NO, NO, NO}, defined, use_int)
#define DONE(name, defined, ...) want(#name, "result", (uint64_t)CALL(name, defined, __VA_ARGS__), 0)

static bool use_int;

static handle_t made(const char *name, int64_t result)
{
	looked_at++;
	if (result <= 0)
		say_wrong(name, "result", (uint64_t)result, 1);
	return result > 0 ? (handle_t)result : 0;
}
#define MADE(name, ...) made(#name, CALL(name, NONE, __VA_ARGS__))

/* ---- memory ---- */

static uint8_t first[PAGE], second[PAGE], buffer[PAGE];

/* Both patterns went in, these came back: bytes below `bytes` were all written, those behind were not. */
static void buffer_check(const char *name, size_t bytes)
{
	unsigned int left = 0, beyond = 0;
	for (size_t i = 0; i < PAGE; i++) {
		bool kept = first[i] == 0xa5 && second[i] == 0x5a;
		left += i < bytes && kept;
		beyond += i >= bytes && !kept;
	}
	want(name, "bytes of the reply that were not written", left, 0);
	want(name, "bytes written behind the reply", beyond, 0);
}

#define BUFFER_CHECK(bytes, target, call)                                                                              \
	do {                                                                                                           \
		memset((target), 0xa5, PAGE);                                                                          \
		call;                                                                                                  \
		memcpy(first, (target), PAGE);                                                                         \
		memset((target), 0x5a, PAGE);                                                                          \
		call;                                                                                                  \
		memcpy(second, (target), PAGE);                                                                        \
		buffer_check(#call, bytes);                                                                            \
	} while (0)

static void zero_check(const char *what, const void *from, size_t bytes)
{
	const uint8_t *byte = from;
	size_t i = 0;
	while (i < bytes && byte[i] == 0)
		i++;
	want(what, "the first byte that is not 0", i, bytes);
}

/* In pieces. */
#define FINISHED(name, ...)                                                                                            \
	do {                                                                                                           \
		int64_t result;                                                                                        \
		while ((result = CALL(name, NONE, __VA_ARGS__)) == -GYRE_EAGAIN)                                       \
			;                                                                                              \
		want(#name, "result", (uint64_t)result, 0);                                                            \
	} while (0)

/* ---- the calls, as they are meant ---- */

static handle_t endpoint;
static char stack[8192] __attribute__((aligned(16)));

void server_begin(void);
__asm__(".text\nserver_begin:\n\tand $-16, %rsp\n\tcall server\n\tud2\n");
void server(void);
void server(void)
{
	struct message message = {0};
	long badge = endpoint_reply_wait(endpoint, 0, &message);
	while (badge >= 0) {
		message = (struct message){.word = {11, 12, 13}};
		badge = endpoint_reply_wait(endpoint, 5, &message);
	}
	thread_exit();
}

static void of_handles_and_memory(uint64_t ram)
{
	handle_t memory = MADE(memory_create, PAGES, 0);
	want("memory_move", "result", (uint64_t)memory_move_all(memory, 0, GYRE_ROOT_RAM, ram, PAGES), 0);
	want("handle_info", "type", (uint64_t)CALL(handle_info, BIT(RSI) | BIT(RDX), memory) & 0xff,
		GYRE_OBJECT_MEMORY);
	handle_t copy = MADE(handle_copy, 0, memory, GYRE_RIGHT_READ, 0);
	DONE(handle_close, NONE, copy);
	handle_t window = MADE(memory_derive, memory, 4, 4, GYRE_RIGHT_READ);
	want("memory_map", "result", (uint64_t)CALL(memory_map, NONE, 0, memory, 0, AREA, 8, 3), 8);
	want("memory_unmap", "result", (uint64_t)CALL(memory_unmap, NONE, 0, AREA, 8), 8);
	want("memory_punch", "result", (uint64_t)CALL(memory_punch, NONE, memory, 60, 2), 2);
	CALL(memory_replace, NONE, memory, 60, memory, 3);
	FINISHED(memory_revoke, memory);
	want("handle_info", "result", (uint64_t)CALL(handle_info, NONE, window), (uint64_t)-GYRE_EHANDLE);
	FINISHED(object_destroy, memory);
}

static void of_processes(void)
{
	handle_t process = MADE(process_create, 64);
	BUFFER_CHECK(sizeof(struct gyre_process_info), buffer, process_info(process, (void *)buffer));
	DONE(process_info, NONE, process, (uint64_t)buffer);
	handle_t thread = MADE(thread_create, process, 0x400000, 0x500000, 7, 0, 0);
	BUFFER_CHECK(sizeof(struct gyre_thread_registers), buffer, thread_registers(thread, 0, (void *)buffer));
	DONE(thread_registers, NONE, thread, 0, (uint64_t)buffer);
	DONE(thread_registers, NONE, thread, 1, (uint64_t)buffer);
	DONE(thread_schedule, NONE, thread, 1, 0, 0, 0, 0);
	DONE(thread_start, NONE, thread);
	DONE(thread_stop, NONE, thread);
	DONE(thread_yield, NONE, NO);
	FINISHED(object_destroy, process);
}

static void of_endpoints_and_events(void)
{
	endpoint = MADE(endpoint_create, NO);
	handle_t thread = MADE(thread_create, 0, (uint64_t)server_begin, (uint64_t)stack + sizeof(stack), 0, 0, 0);
	DONE(thread_start, NONE, thread);
	while (CALL(endpoint_call, BIT(RSI) | BIT(RDX) | BIT(R10) | BIT(R8) | BIT(R9), endpoint, 1, 2, 3, 4, 0) != 5)
		thread_yield();
	struct message message = {.word = {1, 2, 3, 4}};
	want("endpoint_call", "status", (uint64_t)endpoint_call(endpoint, &message), 5);
	want("endpoint_call", "the reply's fourth word", message.word[3], 0);
	want("endpoint_call", "the reply's handle", message.handle, 0);
	FINISHED(object_destroy, endpoint);
	want("endpoint_call", "result", (uint64_t)CALL(endpoint_call, NONE, endpoint, 1, 2, 3, 4, 0),
		(uint64_t)-GYRE_EHANDLE);
	object_destroy(thread);

	handle_t event = MADE(event_create, NO);
	DONE(event_signal, NONE, event, 6);
	DONE(event_wait, BIT(RSI), event, 0);
	want("event_wait", "result", (uint64_t)CALL(event_wait, BIT(RSI), event, 0), (uint64_t)-GYRE_ETIMEOUT);
	DONE(event_timer, NONE, event, 3, 0);
	handle_t line = MADE(interrupt_create, GYRE_ROOT_MACHINE, 10, GYRE_INTERRUPT_ISA);
	DONE(interrupt_bind, NONE, line, event, 4);
	DONE(interrupt_ack, NONE, line);
	FINISHED(object_destroy, line);
	handle_t ports = MADE(ioports_create, GYRE_ROOT_MACHINE, 0x70, 2);
	DONE(ioports_grant, NONE, 0, ports);
	FINISHED(object_destroy, ports);
	FINISHED(object_destroy, event);
}

/* What the core shares with a monitor, when it is new. */
static void new_pages_check(void)
{
	const char *page = (const char *)VCPU_AT;
	zero_check("vcpu_create: behind the run page", page + sizeof(struct gyre_vcpu_page),
		PAGE - sizeof(struct gyre_vcpu_page));
	zero_check("vcpu_create: the state page and the FPU page", page + PAGE, 2 * PAGE);
	zero_check("vcpu_create: behind the counters", page + 3 * PAGE + sizeof(struct gyre_vcpu_counters),
		PAGE - sizeof(struct gyre_vcpu_counters));
	zero_check("vcpu_create: the trace pages", page + 4 * PAGE, GYRE_VCPU_TRACE_PAGES * PAGE);
}

static void of_vcpus(handle_t vm)
{
	uint8_t *state = (uint8_t *)VCPU_AT + PAGE, *fpu = state + PAGE;
	const struct gyre_vcpu_state *seen = (const struct gyre_vcpu_state *)state;
	handle_t vcpu = MADE(vcpu_create, vm, 0, VCPU_AT);
	if (vcpu == 0)
		return;
	new_pages_check();
	BUFFER_CHECK(sizeof(struct gyre_vcpu_state), state, vcpu_state_get(vcpu, GYRE_STATE_ALL & ~GYRE_STATE_FPU));
	want("vcpu_state_get", "what is reserved of GDTR", seen->gdtr.reserved, 0);
	want("vcpu_state_get", "what is reserved of IDTR", seen->idtr.reserved, 0);
	want("vcpu_state_get", "what is reserved of the local APIC", seen->apic_reserved, 0);
	BUFFER_CHECK(PAGE, fpu, vcpu_state_get(vcpu, GYRE_STATE_FPU));
	zero_check("vcpu_state_get: what is reserved of XSAVE's header", fpu + 512 + 16, 48);
	DONE(vcpu_state_get, NONE, vcpu, GYRE_STATE_ALL);
	CALL(vcpu_state_set, NONE, vcpu, GYRE_STATE_DEBUG);
	handle_t event = MADE(event_create, NO);
	DONE(vcpu_kick, NONE, vcpu, GYRE_KICK_EXIT);
	DONE(vcpu_kick_on, NONE, vcpu, event);
	DONE(vcpu_kick_on, NONE, vcpu, 0);
	CALL(vcpu_policy, NONE, vcpu, (uint64_t)buffer, 0, 0);
	CALL(vcpu_trace, NONE, vcpu, 1);
	CALL(vcpu_trace, NONE, vcpu, 0);
	FINISHED(object_destroy, event);
	FINISHED(object_destroy, vcpu);
}

static void of_vms(uint64_t ram)
{
	handle_t vm = MADE(vm_create, 0), memory = MADE(memory_create, PAGES, 0), event = MADE(event_create, NO);
	want("memory_move", "result", (uint64_t)memory_move_all(memory, 0, GYRE_ROOT_RAM, ram, PAGES), 0);
	want("vm_map", "whether it did something", CALL(vm_map, NONE, vm, memory, 0, 0, PAGES, 7) > 0, 1);
	DONE(vm_doorbell, NONE, vm, 0x80 | 1 << 16, ~0ull, event, 2);
	DONE(vm_doorbell, NONE, vm, 0x80 | 1 << 16, ~0ull, 0, 0);
	CALL(vm_interrupt, NONE, vm, 0xfee00000, 0x40);
	DONE(vm_event_interrupt, NONE, vm, event, 5, 0xfee00000, 0x41);
	DONE(vm_event_interrupt, NONE, vm, event, 5, 0, 0);
	FINISHED(vm_dirty_log, vm, 1);
	BUFFER_CHECK(PAGES / 8, buffer, vm_dirty_take(vm, 0, PAGES, (void *)buffer));
	BUFFER_CHECK(GYRE_DIRTY_PAGES / 8, buffer, vm_dirty_take(vm, 0, GYRE_DIRTY_PAGES, (void *)buffer));
	CALL(vm_dirty_take, NONE, vm, 0, PAGES, (uint64_t)buffer);
	FINISHED(vm_dirty_log, vm, 0);
	of_vcpus(vm);
	want("vm_unmap", "whether it did something", CALL(vm_unmap, NONE, vm, 0, PAGES) > 0, 1);
	FINISHED(object_destroy, event);
	FINISHED(object_destroy, vm);
	FINISHED(object_destroy, memory);
}

static void of_the_machine(void)
{
	static const char line[] = "replies: a line";
	memset(buffer, 0, PAGE);
	BUFFER_CHECK(sizeof(struct gyre_machine_info), buffer, machine_info((void *)buffer));
	DONE(machine_info, NONE, (uint64_t)buffer);
	DONE(log_write, NONE, (uint64_t)line, sizeof(line) - 1);
	DONE(machine_check, NONE, GYRE_ROOT_MACHINE);
}

/* What is refused changes nothing at all. */
static void of_errors(void)
{
	static const uint64_t nothing[ARGUMENT] = {4000, 4000, 4000, 4000, 4000, 4000};
	for (uint64_t number = 0; number < GYRE_CALL_COUNT + 2; number++) {
		if (number == GYRE_CALL_thread_exit || number == GYRE_CALL_thread_yield ||
			number == GYRE_CALL_vcpu_run || number == GYRE_CALL_endpoint_create ||
			number == GYRE_CALL_event_create)
			continue;
		want("a call without handles", "sign of the result",
			call_seen("a call without handles", number, nothing, NONE, use_int) < 0, 1);
	}
}

static uint64_t ram_find(const struct gyre_boot_info *boot)
{
	uint64_t most = 0, ram = 0;
	for (unsigned int i = 0; i < boot->ranges; i++) {
		if (boot->range[i].pages <= most)
			continue;
		most = boot->range[i].pages;
		ram = (boot->range[i].first_page + 4096 + 511) & ~511ull;
	}
	return ram;
}

void native_main(void *argument)
{
	uint64_t ram = ram_find(argument);
	for (unsigned int way = 0; way < 2; way++) {
		use_int = way == 1;
		of_the_machine();
		of_handles_and_memory(ram);
		of_processes();
		of_endpoints_and_events();
		of_vms(ram);
		of_errors();
		want("machine_check", "result", (uint64_t)machine_check(GYRE_ROOT_MACHINE), 0);
	}
	native_log("replies: %u looked at, %u wrong", looked_at, wrong);
}
