/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/lives.c: see lives.h. */
#include "services/root/lives.h"
#include "services/root/accounts.h"
#include "services/root/output.h"
#include "services/root/root.h"
#include "lib/format.h"

#define RESTART_MS    1000u /* from a start to the next, at least; and so many times as long as the start took: */
#define RESTART_PARTS 10u

struct vm vms[GYRE_CONFIG_VMS];
static int started; /* some VM, at some time */

/* ---- ends ---- */

static int32_t end_code(uint32_t reason, uint32_t code)
{
	switch (reason) {
	case GYRE_END_POWER_OFF:
	case GYRE_END_RESET: return GYRE_STATUS_OFF;
	case GYRE_END_DEBUG_EXIT: return (int32_t)((2 * code + 1) & 255);
	case GYRE_END_TRIPLE_FAULT:
	case GYRE_END_CRASHED: return GYRE_STATUS_CRASHED;
	case GYRE_END_REFUSED:
		return code == GYRE_STATUS_USAGE || code == GYRE_STATUS_NOT_FOUND || code == GYRE_STATUS_LACKS ||
				       code == GYRE_STATUS_REFUSED
			       ? (int32_t)code
			       : GYRE_STATUS_FAILED;
	case GYRE_END_KILLED: return GYRE_STATUS_STATE;
	default: return GYRE_STATUS_FAILED;
	}
}

/* Starting what runs changes nothing. Nobody but root has a handle of this thread, so it never stands still. */
static int monitor_gone(const struct vm *vm)
{
	return thread_start(vm->thread) == -GYRE_EDEAD;
}

static void report_take(struct vm *vm)
{
	char text[GYRE_CHANNEL_TEXT];
	int gone = monitor_gone(vm); /* before its report: what it said last counts */
	switch (__atomic_load_n(&vm->report.what, __ATOMIC_ACQUIRE)) {
	case REPORT_END:
		vm_end(vm, vm->report.reason, end_code(vm->report.reason, vm->report.code), vm->channel->end_text);
		break;
	case REPORT_RECREATE: vm_recreate(vm); break;
	case REPORT_FAULT:
		crash_report(vm, text, sizeof(text));
		vm_end(vm, GYRE_END_MONITOR, GYRE_STATUS_FAILED, text);
		break;
	default:
		if (gone)
			vm_end(vm, GYRE_END_MONITOR, GYRE_STATUS_FAILED, "its monitor went without a word");
		break;
	}
}

/* ---- restarts ---- */

static int restart_wanted(const struct vm *vm)
{
	if (vm->on_request || vm->end.reason == GYRE_END_REFUSED || root.quit)
		return 0;
	switch (vm->entry->restart) {
	case GYRE_RESTART_ALWAYS: return 1;
	case GYRE_RESTART_ON_FAILURE:
		return vm->end.code != GYRE_STATUS_OFF && vm->end.code % 2 == 0; /* odd: the guest's own */
	default: return 0;
	}
}

static void restart_decide(struct vm *vm)
{
	uint32_t limit = vm->entry->restart_limit;
	if (!restart_wanted(vm))
		return;
	if (limit != 0 && vm->restarts >= limit) {
		root_log("%s is not started again: it was %u times, which is its limit", vm->entry->name, vm->restarts);
		return;
	}
	/* Its memory is cleared each time: what takes long comes seldom. */
	uint64_t apart = vm->start_ticks * RESTART_PARTS;
	vm->restart_at = vm->last_start + root.machine.tsc_khz * RESTART_MS;
	if (vm->restart_at < vm->last_start + apart)
		vm->restart_at = vm->last_start + apart;
}

static void restart(struct vm *vm)
{
	struct config_fault fault;
	char of[24] = "";
	vm->restarts++;
	if (vm->entry->restart_limit != 0)
		gyre_snprintf(of, sizeof(of), " of %u", vm->entry->restart_limit);
	root_log("%s is started again (%u%s)", vm->entry->name, vm->restarts, of);
	vm_start(vm, &fault);
}

/* ---- the loop ---- */

static uint32_t count(void)
{
	return root.config.header->vms;
}

void lives_begin(void)
{
	struct config_fault fault;
	for (uint32_t i = 0; i < count(); i++) {
		vms[i].number = i;
		vms[i].entry = &root.config.vm[i];
	}
	churn_begin();
	for (uint32_t i = 0; i < count() && churn_over(); i++)
		if ((vms[i].entry->flags & GYRE_VM_NO_START) == 0)
			lives_start(&vms[i], &fault);
	if (!started && churn_over() && (root.config.header->flags & GYRE_CONFIG_CONTROL) == 0)
		root_log("no VM is to be started, and nobody can ask for one");
}

static void ended_take(struct vm *vm)
{
	vm_finish(vm);
	restart_decide(vm);
}

void lives_turn(void)
{
	vm_channels_pump(vms, count());
	for (uint32_t i = 0; i < count(); i++) {
		struct vm *vm = &vms[i];
		if (vm->state == VM_RUNNING)
			report_take(vm);
		if (vm->state == VM_ENDING && (vm_channel_done(vm) || tsc() >= vm->end_deadline))
			ended_take(vm);
		if (vm->restart_at != 0 && tsc() >= vm->restart_at)
			restart(vm);
	}
	churn_turn();
}

uint64_t lives_due(uint64_t latest)
{
	for (uint32_t i = 0; i < count(); i++)
		if (vms[i].restart_at != 0 && vms[i].restart_at < latest)
			latest = vms[i].restart_at;
	return churn_due(latest);
}

int lives_over(void)
{
	for (uint32_t i = 0; i < count(); i++)
		if (vms[i].state == VM_RUNNING || vms[i].state == VM_ENDING || vms[i].restart_at != 0)
			return 0;
	return churn_over() && (started || (root.config.header->flags & GYRE_CONFIG_CONTROL) == 0);
}

uint32_t lives_running(void)
{
	uint32_t running = 0;
	for (uint32_t i = 0; i < count(); i++)
		running += vms[i].state == VM_RUNNING;
	return running;
}

void lives_end(void)
{
	for (uint32_t i = 0; i < count(); i++) {
		struct vm *vm = &vms[i];
		vm->restart_at = 0;
		vm_end(vm, GYRE_END_KILLED, GYRE_STATUS_STATE, "ended with the machine");
		while (vm->state == VM_ENDING) {
			output_pump();
			vm_channels_pump(vms, count());
			if (vm_channel_done(vm) || tsc() >= vm->end_deadline)
				vm_finish(vm);
		}
	}
}

int32_t lives_code(void)
{
	int32_t failed = churn_report();
	return failed != 0 ? failed : vms[0].end.code;
}

/* ---- what is asked for ---- */

uint32_t lives_state(const struct vm *vm)
{
	switch (vm->state) {
	case VM_NEW: return GYRE_STATE_NEW;
	case VM_RUNNING: return vm->asked_off ? GYRE_STATE_STOPPING : GYRE_STATE_RUNNING;
	case VM_ENDING: return GYRE_STATE_ENDING;
	default: return vm->restart_at != 0 ? GYRE_STATE_RESTARTING : GYRE_STATE_ENDED;
	}
}

#define REFUSE(fault, ...) ((void)VM_FAULT(fault, GYRE_STATUS_STATE, __VA_ARGS__), GYRE_STATUS_STATE)

int lives_start(struct vm *vm, struct config_fault *fault)
{
	if (vm->state == VM_RUNNING)
		return REFUSE(fault, "it runs already");
	if (vm->state == VM_ENDING)
		return REFUSE(fault, "it is just ending: ask again");
	started = 1;
	vm->restarts = 0;
	return vm_start(vm, fault) < 0 ? fault->status : GYRE_STATUS_OFF;
}

/* What has ended and would be started again is not. */
static int restart_cancel(struct vm *vm)
{
	if (vm->restart_at == 0)
		return 0;
	vm->restart_at = 0;
	root_log("%s is not started again: it was asked to stop", vm->entry->name);
	return 1;
}

static int stop_check(struct vm *vm, struct config_fault *fault)
{
	if (vm->state == VM_RUNNING || vm->state == VM_ENDING) {
		vm->on_request = 1;
		return GYRE_STATUS_OFF;
	}
	if (!restart_cancel(vm))
		return REFUSE(fault, "it does not run");
	gyre_snprintf(fault->text, sizeof(fault->text), "it had ended, and is not started again");
	return GYRE_STATUS_OFF;
}

int lives_stop(struct vm *vm, struct config_fault *fault)
{
	int status;
	fault->text[0] = 0;
	status = stop_check(vm, fault);
	if (vm->state == VM_RUNNING) {
		vm->asked_off = 1;
		event_signal(vm->event, 1ull << GYRE_CHANNEL_POWER_KEY);
	}
	return status;
}

int lives_kill(struct vm *vm, struct config_fault *fault)
{
	int status;
	fault->text[0] = 0;
	status = stop_check(vm, fault);
	vm_end(vm, GYRE_END_KILLED, GYRE_STATUS_STATE, "killed");
	return status;
}
