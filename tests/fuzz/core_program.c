/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/core_program.c: the program: each byte says what comes next, the bytes behind it with what. Most of it is a call of the thread whose turn it
 * is, through the core's own decoding.
 */
#include "tests/fuzz/core_machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/sched/endpoint.h"
#include "core/virt/virt.h"
#include "core/x86/entry.h"
#include "core/x86/timer.h"

#define CHECK_STEPS 64u
#define SOON	    (1ul << 40)
#define CALL_STEPS  4096u /* that a program makes, so that none lasts for ever */

/* ---- results: of a call that blocks, when its thread runs again ---- */

#define WAITING 256
static uint64_t waiting[WAITING]; /* by the thread's number: 1 + the call that it is in */

static void result_see(const struct thread *thread)
{
	uint64_t *entry = &waiting[thread->number % WAITING];
	if (*entry != 0)
		report_result(*entry - 1, (int64_t)thread->regs.rax);
	*entry = 0;
}

/* Which registers a call gives back other values in, beside RAX. */
static bool gives_words(uint64_t number)
{
	return number == GYRE_CALL_endpoint_call || number == GYRE_CALL_endpoint_reply_wait;
}

static void check_registers(const struct thread *caller, const struct regs *before, uint64_t number)
{
	const struct regs *after = &caller->regs;
	EXPECT((int64_t)after->rax >= -GYRE_EIO, "call %lu gave %ld", (unsigned long)number, (long)after->rax);
	EXPECT(after->rdi == before->rdi && after->r10 == before->r10 && after->r8 == before->r8 &&
			after->r9 == before->r9 && after->rbx == before->rbx && after->rip == before->rip,
		"call %lu changed a register that it does not define", (unsigned long)number);
	EXPECT(after->rdx == before->rdx || number == GYRE_CALL_handle_info, "call %lu changed RDX",
		(unsigned long)number);
	EXPECT(after->rsi == before->rsi || number == GYRE_CALL_handle_info || number == GYRE_CALL_event_wait,
		"call %lu changed RSI", (unsigned long)number);
}

/* ---- calls ---- */

static struct {
	uint64_t number;
	struct regs regs;
} last;

/* By the entry of all calls, or that of vcpu_run. */
static void enter(uint64_t number)
{
	if (setjmp(machine.leave) != 0)
		return;
	if (number == GYRE_CALL_vcpu_run)
		vcpu_run_call(machine.cpu, machine.cpu->thread->regs.rdi);
	else
		core_call(machine.cpu, number);
}

/* FUZZ_CORE_TRACE=1 in the environment: each call on standard error, for who looks at one program. */
static void trace_call(const struct thread *caller, uint64_t number, const struct regs *regs, int64_t result)
{
	static int wanted = -1;
	if (wanted < 0)
		wanted = getenv("FUZZ_CORE_TRACE") != NULL;
	if (wanted == 1)
		fprintf(stderr,
			"step %u: process %u, thread %u: call %lu(0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx) = %ld\n",
			machine.steps, caller->process->number, caller->number, (unsigned long)number,
			(unsigned long)regs->rdi, (unsigned long)regs->rsi, (unsigned long)regs->rdx,
			(unsigned long)regs->r10, (unsigned long)regs->r8, (unsigned long)regs->r9, (long)result);
}

#define UNANSWERED 0x5a5a5a5a5a5a5a5aull

static void call_make(uint64_t number, const struct regs *arguments)
{
	struct thread *caller = machine.cpu->thread;
	machine.calls++;
	result_see(caller);
	report_call(number);
	caller->regs = *arguments;
	regs_make_user(&caller->regs);
	const struct regs before = caller->regs;
	caller->regs.rax = UNANSWERED;
	last.number = number;
	last.regs = before;
	waiting[caller->number % WAITING] = 1 + number;
	enter(number);
	trace_call(caller, number, &before, (int64_t)caller->regs.rax);
	/* What has died goes away when the call ends. */
	if (number < GYRE_CALL_COUNT && !gives_words(number) && number != GYRE_CALL_vcpu_run &&
		number != GYRE_CALL_thread_exit && caller->regs.rax != UNANSWERED)
		check_registers(caller, &before, number);
	if (caller->regs.rax != UNANSWERED && caller->state != THREAD_CALLING && caller->state != THREAD_QUEUED)
		result_see(caller);
	machine_leave();
}

static void call_random(void)
{
	struct regs regs = {.rip = 0x400000, .rbx = 0xb0b};
	static const uint8_t often[] = {GYRE_CALL_endpoint_call, GYRE_CALL_endpoint_call, GYRE_CALL_endpoint_reply_wait,
		GYRE_CALL_vcpu_run, GYRE_CALL_handle_copy, GYRE_CALL_vm_dirty_take, GYRE_CALL_memory_map,
		GYRE_CALL_vm_map, GYRE_CALL_thread_schedule, GYRE_CALL_memory_derive};
	const uint8_t which = byte();
	uint64_t number = which < 208	? which % GYRE_CALL_COUNT
			  : which < 250 ? often[which % sizeof(often)]
					: (uint64_t)GYRE_CALL_COUNT << byte() % 64u;
	/* The threads of a program would soon be gone. */
	if (number == GYRE_CALL_thread_exit && byte() % 4u != 0)
		number = GYRE_CALL_handle_info;
	arguments_make(&regs, number);
	call_make(number, &regs);
}

/* As who is told to call again does; or the same once more, where it is not expected. */
static void call_again(void)
{
	const uint8_t how = byte();
	const bool patient = how % 8u != 0;
	const unsigned int times = patient ? 1000 : 2u << how / 8u % 12u;
	if (last.number == GYRE_CALL_thread_exit)
		return;
	for (unsigned int i = 0; i < times && machine.cpu->thread != NULL && machine.calls < CALL_STEPS; i++) {
		struct thread *caller = machine.cpu->thread;
		struct regs regs = last.regs;
		call_make(last.number, &regs);
		if (caller != machine.cpu->thread || (patient && (int64_t)caller->regs.rax != -GYRE_EAGAIN))
			return;
	}
}

static int64_t call6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct thread *caller = machine.cpu->thread;
	struct regs regs = {.rip = 0x400000, .rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e, .r9 = f};
	if (caller == NULL)
		return -GYRE_EDEAD;
	call_make(number, &regs);
	return caller == machine.cpu->thread ? (int64_t)caller->regs.rax : -GYRE_EDEAD;
}

/* ---- what random calls find too seldom ---- */

static void vm_make(void)
{
	struct regs regs = {0};
	int64_t vm = call6(GYRE_CALL_vm_create, 0, 0, 0, 0, 0, 0);
	unsigned int vcpus = 1 + byte() % 3u;
	if (vm < 0 || machine.cpu->thread == NULL)
		return;
	arguments_make(&regs, GYRE_CALL_vm_map);
	uint64_t rights = (byte() & 6u) | 1;
	call6(GYRE_CALL_vm_map, (uint64_t)vm, regs.rsi, 0, byte() % 2u << 18, 0x40000, rights);
	call6(GYRE_CALL_vm_map, (uint64_t)vm, regs.rsi, byte(), byte() * 64u, 1 + byte() * 4u, rights);
	for (unsigned int i = 0; i < vcpus; i++) {
		int64_t vcpu = call6(
			GYRE_CALL_vcpu_create, (uint64_t)vm, i, 0x80000000ul + byte() % 16u * 0x8000u, 0, 0, 0);
		if (vcpu < 0)
			return;
		call6(GYRE_CALL_vcpu_policy, (uint64_t)vcpu, WINDOW_AT + WINDOW_POLICY, WINDOW_AT + WINDOW_CPUID, 8, 0,
			0);
		arguments_make(&regs, GYRE_CALL_handle_copy);
		if (regs.rdi != 0 && machine.cpu->thread != NULL)
			call6(GYRE_CALL_handle_copy, regs.rdi, (uint64_t)vcpu, GYRE_RIGHT_ALL, 0, 0, 0);
		call6(GYRE_CALL_vcpu_state_get, (uint64_t)vcpu, GYRE_STATE_ALL, 0, 0, 0, 0);
		call6(GYRE_CALL_vcpu_state_set, (uint64_t)vcpu, byte() % 2u ? GYRE_STATE_ALL : byte() & GYRE_STATE_ALL,
			0, 0, 0, 0);
	}
}

static void children_make(void)
{
	struct process *process;
	struct thread *caller = machine.cpu->thread;
	const uint64_t frames = byte() % 4u == 0 ? 8u + byte() % 32u : 100u + byte() * 4u;
	if (process_create(caller->process, frames, &process) < 0)
		return;
	handle_create(caller->process, &process->object, object_types[GYRE_OBJECT_PROCESS].rights, 0);
	process_populate(process, 256u << byte() % 3u);
	thread_spawn(process, 24 + byte() % 16u);
}

/* A process that has hardly a frame left, and all who pay by it. */
static void quota_squeeze(void)
{
	const uint64_t left = byte() % 12u, free = machine.cpu->thread->process->quota.free;
	if (free > left + 10)
		call6(GYRE_CALL_process_create, free - left, 0, 0, 0, 0, 0);
}

/* One in another, until there are too many. */
static void chain_make(void)
{
	struct regs regs = {0};
	const uint8_t how = byte();
	struct process *process = machine.cpu->thread->process;
	arguments_make(&regs, GYRE_CALL_memory_derive);
	uint64_t memory = regs.rdi;
	for (unsigned int i = 0; i < 17 && how % 2 == 0; i++) {
		int64_t window = call6(GYRE_CALL_memory_derive, memory, how >> 4 & i, 600 - 20 * i, 7, 0, 0);
		if (window < 0)
			return;
		if (i % 4u == how / 2u % 4u)
			call6(GYRE_CALL_memory_map, 0, (uint64_t)window, i, 0x40000000 + i * 0x100000ul, 40, 1);
		memory = (uint64_t)window;
	}
	for (unsigned int i = 0; i < 8 && how % 2 == 1; i++) {
		struct process *child;
		if (process_create(process, (8 - i) * 40, &child) < 0)
			return;
		process = child;
		process_populate(child, 16);
		thread_spawn(child, 20 + byte() % 20u);
	}
}

/* The same page at many places; and the same place by bit and port. */
static void many_make(void)
{
	struct regs regs = {0};
	const uint8_t how = byte();
	const uint64_t number = how % 16 == 15 ? GYRE_CALL_vcpu_create
				: how % 4 == 0 ? GYRE_CALL_memory_map
				: how % 4 == 1 ? GYRE_CALL_vm_map
				: how % 4 == 2 ? GYRE_CALL_vm_doorbell
					       : GYRE_CALL_ioports_create;
	arguments_make(&regs, number);
	for (unsigned int i = 0; i < (number == GYRE_CALL_ioports_create ? 70u : 260u); i++) {
		const uint64_t event = regs.r10;
		int64_t result = number == GYRE_CALL_memory_map
					 ? call6(number, 0, regs.rsi, 0, 0x50000000 + i * 0x2000ul, 1, 1)
				 : number == GYRE_CALL_vm_map
					 ? call6(number, regs.rdi, regs.rsi, 0, 0x1000 + i * 2u, 1, 1)
				 : number == GYRE_CALL_vm_doorbell
					 ? call6(number, regs.rdi, (0x200u + i) | 0x10000u, ~0ull, event, i % 64u, 0)
					 : call6(number, regs.rdi, 0x1000 + 16 * i, 16, 0, 0, 0);
		if (number == GYRE_CALL_ioports_create && result > 0)
			call6(GYRE_CALL_ioports_grant, 0, (uint64_t)result, 0, 0, 0, 0);
		if (machine.cpu->thread == NULL)
			return;
	}
}

/* A thread of this process that runs at once. */
static bool step_aside(void)
{
	const unsigned int priority = machine.cpu->thread->own.priority + 1u;
	struct thread *thread = thread_spawn(
		machine.cpu->thread->process, priority < GYRE_PRIORITIES ? priority : GYRE_PRIORITIES - 1);
	machine_leave();
	return thread != NULL && machine.cpu->thread == thread;
}

/* Many pages of one object shown in another, some of them mapped; what follows takes them away at either end. */
static void shares_make(void)
{
	struct regs regs = {0};
	const uint8_t how = byte();
	const unsigned int pages = 1u << how % 8u;
	int64_t target = call6(GYRE_CALL_memory_create, 600, 0, 0, 0, 0, 0), window;
	if (target < 0 || machine.cpu->thread == NULL)
		return;
	arguments_make(&regs, GYRE_CALL_memory_replace);
	window = call6(GYRE_CALL_memory_derive, (uint64_t)target, 0, 500, 7, 0, 0);
	for (unsigned int i = 0; i < pages && machine.cpu->thread != NULL; i++)
		call6(GYRE_CALL_memory_replace, (uint64_t)target, 3 * i, regs.rdx, i + how / 8u, 0, 0);
	for (unsigned int i = 0; i < pages && i < 40 && machine.cpu->thread != NULL; i++)
		call6(GYRE_CALL_memory_map, 0, (uint64_t)(i % 2u ? target : window), 3 * i, 0x60000000 + i * 0x2000ul,
			1, 1);
	if (machine.cpu->thread == NULL)
		return;
	switch (byte() % 5u) {
	case 0: call6(GYRE_CALL_memory_punch, regs.rdx, how / 8u, 1 + pages / 2, 0, 0, 0); break;
	case 1: call6(GYRE_CALL_memory_revoke, regs.rdx, 0, 0, 0, 0, 0); break;
	case 2: call6(GYRE_CALL_object_destroy, regs.rdx, 0, 0, 0, 0, 0); break;
	case 3: call6(GYRE_CALL_memory_replace, (uint64_t)target, 3, regs.rdx, 0, 0, 0); break;
	default: call6(GYRE_CALL_memory_move, (uint64_t)target, 1, regs.rdx, how / 8u, pages, 0); break;
	}
}

/* Parts of one object side by side, each before the last, and again in between. */
static void pieces_make(void)
{
	struct regs regs = {0};
	arguments_make(&regs, GYRE_CALL_memory_map);
	for (unsigned int i = 8; i > 0 && machine.cpu->thread != NULL; i--)
		call6(GYRE_CALL_memory_map, regs.rdi, regs.rsi, 16 * i, 0x70000000 + i * 0x10000ul, 16, 1);
	if (machine.cpu->thread != NULL)
		call6(GYRE_CALL_memory_unmap, regs.rdi, 0x70000000 + byte() % 8u * 0x8000u, 24, 0, 0, 0);
	if (machine.cpu->thread != NULL)
		call6(GYRE_CALL_memory_map, regs.rdi, regs.rsi, 0, 0x70000000, 200, 1);
}

/* A page of a large one goes, and nobody has a frame to split it. */
static void large_pages_break(void)
{
	struct regs regs = {0};
	const uint8_t how = byte();
	arguments_make(&regs, GYRE_CALL_memory_punch);
	call6(GYRE_CALL_memory_map, 0, regs.rdi, 512 * (how % 2u), 0x78000000, 512, 3);
	if (machine.cpu->thread != NULL && how % 4 < 3)
		call6(GYRE_CALL_process_create, machine.cpu->thread->process->quota.free, 0, 0, 0, 0, 0);
	if (machine.cpu->thread == NULL)
		return;
	if (how / 4 % 4 == 0)
		call6(GYRE_CALL_memory_unmap, 0, 0x78000000 + how * 0x1000u, how / 16u, 0, 0, 0);
	else if (how / 4 % 4 == 1)
		call6(GYRE_CALL_memory_replace, regs.rdi, 512 * (how % 2u) + how, 1, 0, 0, 0);
	else
		call6(GYRE_CALL_memory_punch, regs.rdi, 512 * (how % 2u) + how, 1 + how / 64u, 0, 0, 0);
}

/*
 * Servers that call servers, and callers that wait for them, some with a handle that can't be passed: what follows ends, stops and
 * destroys one or other of them.
 */
static void calls_nest(void)
{
	uint64_t endpoints[10];
	const uint8_t how = byte();
	const unsigned int depth = how % 3u == 0 ? 1 : 1 + how % 10u, callers = byte() % 40u, gone = byte();
	for (unsigned int i = 0; i < depth; i++) {
		int64_t endpoint = call6(GYRE_CALL_endpoint_create, 0, 0, 0, 0, 0, 0);
		if (endpoint < 0 || machine.cpu->thread == NULL || !step_aside())
			return;
		endpoints[i] = (uint64_t)endpoint;
		call6(GYRE_CALL_endpoint_reply_wait, endpoints[i], 0, 0, 0, 0, 0);
	}
	for (unsigned int i = 0; i < depth && machine.cpu->thread != NULL; i++)
		call6(GYRE_CALL_endpoint_call, endpoints[i], i, 2, 3, 4, 0);
	for (unsigned int i = 0; i < callers && machine.cpu->thread != NULL; i++) {
		if (!step_aside())
			return;
		call6(GYRE_CALL_endpoint_call, endpoints[how % 4u == 0 ? i % depth : 0], 1, 2, 3, 4,
			gone % 3u == 0 ? 4000 : 0);
	}
	if (machine.cpu->thread != NULL && gone % 4u == 0)
		call6(GYRE_CALL_thread_exit, 0, 0, 0, 0, 0, 0);
	else if (machine.cpu->thread != NULL && gone % 4u == 1)
		call6(GYRE_CALL_endpoint_reply_wait, endpoints[depth - 1], 0, 0, 0, 0, 0);
	else if (machine.cpu->thread != NULL && gone % 4u == 2)
		call6(GYRE_CALL_object_destroy, endpoints[gone % depth], 0, 0, 0, 0, 0);
}

/* The dirty log of a VM that this process has: on, some writes, taken, and off again. */
static void log_dirty(void)
{
	struct regs regs = {0}, run = {0};
	arguments_make(&regs, GYRE_CALL_vm_dirty_log);
	arguments_make(&run, GYRE_CALL_vcpu_run);
	for (unsigned int i = 0; i < 400; i++)
		if (call6(GYRE_CALL_vm_dirty_log, regs.rdi, 1, 0, 0, 0, 0) != -GYRE_EAGAIN)
			break;
	for (unsigned int i = byte() % 8u; i > 0 && machine.cpu->thread != NULL; i--)
		call6(GYRE_CALL_vcpu_run, run.rdi, 0, 0, 0, 0, 0);
	const uint64_t pages = byte() % 2u == 0 ? 64 : 64u << byte() % 6u;
	call6(GYRE_CALL_vm_dirty_take, regs.rdi, byte() % 4u * 64u, pages, WINDOW_AT + WINDOW_GENERAL, 0, 0);
	for (unsigned int i = 0; i < 400 && byte() % 2u == 0; i++)
		if (call6(GYRE_CALL_vm_dirty_log, regs.rdi, 0, 0, 0, 0, 0) != -GYRE_EAGAIN)
			break;
}

/* Others of this process call what it serves, or fault to it. */
static void callers_make(void)
{
	struct process *process = machine.cpu->thread->process;
	for (unsigned int i = 1 + byte() % 20u; i > 0; i--)
		thread_spawn(process, 16 + byte() % 32u);
	machine_leave();
}

static void poke(void)
{
	const uint8_t how = byte();
	struct object *object;
	if (how % 8 == 0) {
		window_reset();
	} else if (how % 8 < 2) {
		for (unsigned int i = 0; i < 4; i++)
			machine.window[(byte() << 4 | byte() % 16u) % WINDOW_BYTES] = byte();
	} else if (how % 8 == 3) {
		/* A policy with one word that is wrong. */
		uint64_t *policy = (uint64_t *)(machine.window + WINDOW_POLICY);
		policy[byte() % (sizeof(struct gyre_vcpu_policy) / 8)] = (uint64_t)byte() << byte() % 64u;
		((struct gyre_vcpu_policy *)policy)->flags = byte() & 0x1fu;
	} else if (how % 8 == 4) {
		/* A thread's last four registers, RIP and the bases, where they may not be. */
		uint64_t *registers = (uint64_t *)(machine.window + WINDOW_THREAD);
		registers[16 + byte() % 4u] = (uint64_t)byte() << byte() % 64u;
	} else if (how % 8 == 5) {
		/* CPUID leaves out of order, and more of one. */
		uint32_t *cpuid = (uint32_t *)(machine.window + WINDOW_CPUID);
		cpuid[byte() % 64u] = byte() % 2u == 0 ? ~0u : byte();
	} else if ((object = object_pick(machine.cpu->thread->process, GYRE_OBJECT_VCPU)) != NULL) {
		for (unsigned int i = how >> 4; i > 0; i--)
			guest_pages_poke(container_of(object, struct vcpu, object));
	}
}

static void fault(void)
{
	struct thread *thread = machine.cpu->thread;
	result_see(thread);
	virt_disturbed(machine.cpu);
	fault_report(machine.cpu, thread, byte() % 32u, byte(), byte() * 4096u);
	machine_leave();
}

/* ---- time, and who has it ---- */

static void time_pass(void)
{
	const uint8_t how = byte();
	const struct deadline *first = machine.cpu->sched.deadlines;
	uint64_t ticks = how % 4u == 0 ? byte() : (uint64_t)byte() << how % 24u;
	/* No machine runs for a hundred years. */
	if (how % 4u == 1 && first != NULL && first->tsc > unit_tsc && first->tsc - unit_tsc < SOON)
		ticks = first->tsc - unit_tsc;
	machine_time(ticks);
	machine_leave();
}

/* Nobody can run: what a machine does then is wait. Else somebody new. False: nobody can be made. */
static bool idle_end(void)
{
	struct deadline *first = machine.cpu->sched.deadlines;
	struct process *process = machine.root;
	if (first != NULL && first->tsc < unit_tsc + SOON && byte() % 4u != 0) {
		machine_time(first->tsc > unit_tsc ? first->tsc - unit_tsc : 1);
		machine_leave();
		return true;
	}
	for (unsigned int i = byte() % 4u; i > 0 && !list_empty(&process->children); i--)
		process = list_first(&process->children, struct process, in_creator);
	if (thread_spawn(process, 32) == NULL && thread_spawn(machine.root, 32) == NULL)
		return false;
	machine_leave();
	return true;
}

static void step(void)
{
	const uint8_t what = byte();
	unit_tsc += 50;
	if (what < 180)
		call_random();
	else if (what < 192)
		call_again();
	else if (what < 208)
		time_pass();
	else if (what < 216)
		machine_line(byte() % 24u), machine_leave();
	else if (what < 232)
		poke();
	else if (what < 236)
		fault();
	else if (what < 239)
		children_make();
	else if (what < 243)
		vm_make();
	else if (what < 245)
		log_dirty();
	else if (what < 247)
		calls_nest();
	else if (what < 248)
		callers_make();
	else if (what < 249)
		shares_make();
	else if (what < 250)
		byte() % 2u == 0 ? quota_squeeze() : byte() % 2u == 0 ? pieces_make() : large_pages_break();
	else if (what < 252)
		many_make();
	else if (what < 254)
		chain_make();
	else
		call6(GYRE_CALL_thread_yield, 0, 0, 0, 0, 0, 0);
}

void program_run(void)
{
	memset(waiting, 0, sizeof(waiting));
	memset(&last, 0, sizeof(last));
	last.number = GYRE_CALL_thread_yield;
	machine_leave();
	while (!program_ended() && machine.calls < CALL_STEPS) {
		machine.steps++;
		if (machine.cpu->thread == NULL) {
			if (!idle_end())
				return;
			continue;
		}
		step();
		if (machine.steps % CHECK_STEPS == 0)
			check_now();
	}
}
