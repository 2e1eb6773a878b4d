/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/server.c: the thread behind root's endpoint. Calls run on their caller's time, so it does the least: it writes down what a monitor says,
 * or how it crashed, and wakes the main thread, which ends the VM.
 */
#include "services/root/root.h"
#include "services/root/vm.h"
#include "lib/native.h"
#include "gyre/channel.h"

#define SERVER_STACK_BYTES 8192

static uint8_t server_stack[SERVER_STACK_BYTES] __attribute__((aligned(4096)));

static void report_done(struct vm *vm, enum report what)
{
	__atomic_store_n(&vm->report.what, what, __ATOMIC_RELEASE);
	event_signal(root.event, 1ull << ROOT_EVENT_SERVER);
}

/* The thread ends by a negative status; the first report is the one that counts. */
static long serve(uint32_t badge, const struct message *message)
{
	if (badge == 0 || badge > GYRE_CONFIG_VMS)
		return -GYRE_EINVAL;
	struct vm *vm = &vms[badge - 1];
	struct vm_report *report = &vm->report;
	int fault = (message->word[0] & 0xffffffff00000000ull) == GYRE_FAULT_MESSAGE;
	if (__atomic_load_n(&report->what, __ATOMIC_ACQUIRE) != REPORT_NONE)
		return fault ? -GYRE_EDEAD : -GYRE_EBUSY;
	if (fault) {
		report->trap = message->word[0] & 0xffffffffull;
		report->error = message->word[1];
		report->address = message->word[2];
		report->rip = message->word[3];
		thread_registers(vm->thread, 0, &report->registers);
		report_done(vm, REPORT_FAULT);
		return -GYRE_EDEAD;
	}
	if (message->word[0] == GYRE_ROOT_RECREATE && (vm->entry->flags & GYRE_VM_RECREATE) != 0) {
		report_done(vm, REPORT_RECREATE);
		return 0;
	}
	if (message->word[0] != GYRE_ROOT_END)
		return -GYRE_ENOSYS;
	report->reason = (uint32_t)message->word[1];
	report->code = (uint32_t)message->word[2];
	report_done(vm, REPORT_END);
	return 0;
}

static void server(void *argument)
{
	(void)argument;
	long status = 0;
	for (;;) {
		struct message message = {0};
		long badge = endpoint_reply_wait(root.endpoint, status, &message);
		if (badge == -GYRE_EAGAIN)
			continue; /* callers with handles that are none: others wait behind them */
		if (badge < 0)
			native_panic("the endpoint is broken (error %ld)", badge);
		if (message.handle != 0)
			handle_close(message.handle); /* nobody was asked for one */
		status = serve((uint32_t)badge, &message);
	}
}

int server_start(void)
{
	/* As after a call: the stack pointer is 8 off a multiple of 16 (System V ABI, AMD64 supplement, "The Stack Frame"). */
	uint64_t stack = (uintptr_t)server_stack + SERVER_STACK_BYTES - 8;
	long thread = thread_create(GYRE_ROOT_PROCESS, (uintptr_t)server, stack, 0, 0, 0);
	if (thread < 0)
		return (int)thread;
	long error = thread_schedule((handle_t)thread, ROOT_PRIORITY, 0, 0, 0, 0);
	return error < 0 ? (int)error : (int)thread_start((handle_t)thread);
}

void server_settle(void)
{
	struct message message = {0}; /* badge 0, which the server refuses; it takes its calls in order */
	endpoint_call(root.endpoint, &message);
}
