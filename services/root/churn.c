/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/churn.c: tests: VMs start and end in every way that there is, at random moments (lives.h). Each start may lack something:
 *   quota    the VM's process gets less than it needs: the call of root's or the monitor's that meets the bound first fails
 *   memory   root's pool has a few pages, in pieces
 *   frames   root itself has a few of the core's frames left
 * and what runs is killed, crashes (its monitor is sent to an address where nothing is), is asked to power off, or is left to end by itself.
 * A phase of some starts has a number of VMs side by side; at its end all are killed, so that the accounts are compared in full.
 */
#include "services/root/lives.h"
#include "services/root/accounts.h"
#include "services/root/output.h"
#include "services/root/root.h"

#define PHASE_STARTS 32u
#define DELAY_SHIFT  15u /* from 1 us to 32 ms, as many of each length; moments=N: to 2^N us */
#define SHIFT_MOST   30u
#define NOWHERE	     0x1000ull

enum way { WAY_ITSELF, WAY_KILLED, WAY_CRASHED, WAY_REFUSED, WAYS };

static struct {
	uint64_t left, starts, seed, state;
	uint64_t leak;	/* every so many starts something is left behind, so that it is seen that this is seen */
	uint64_t at;	/* TSC of the next step */
	uint64_t shift; /* moments= */
	uint32_t side_by_side, phase;
	uint64_t way[WAYS], crashes_made;
	uint32_t seen[GYRE_CONFIG_VMS]; /* starts of it whose end has been counted */
	int active;
} churn;

/* xorshift64*: the same steps for a seed wherever it runs. */
static uint64_t draw(uint64_t below)
{
	churn.state ^= churn.state >> 12;
	churn.state ^= churn.state << 25;
	churn.state ^= churn.state >> 27;
	return below > 0 ? (churn.state * 0x2545f4914f6cdd1dull >> 16) % below : 0;
}

void churn_begin(void)
{
	if (!option_number("churn=", &churn.left) || churn.left == 0)
		return;
	if (!option_number("seed=", &churn.seed))
		churn.seed = tsc();
	option_number("leak=", &churn.leak);
	if (!option_number("moments=", &churn.shift) || churn.shift > SHIFT_MOST)
		churn.shift = DELAY_SHIFT;
	churn.state = churn.seed | 1ull << 63;
	churn.active = 1;
	churn.at = tsc();
	churn.starts = churn.left;
	root_log("churn: %lu starts, seed=%lu", (unsigned long)churn.starts, (unsigned long)churn.seed);
}

/* ---- what a start lacks ---- */

/* All pages but a few, in up to three pieces. */
static void pool_shrink(void)
{
	struct pool few = {0};
	uint64_t pages = draw(3 * 1024) + 1;
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t part = pages / 3 + 1, first = pool_take(&root.pool, part, draw(2) ? 512 : 1);
		if (first != 0)
			pool_give(&few, first, part);
	}
	root.pool = few;
}

static void start_without_memory(struct vm *vm, struct config_fault *fault)
{
	static struct pool whole;
	whole = root.pool;
	pool_shrink();
	lives_start(vm, fault);
	root.pool = whole;
	for (uint32_t i = 0; i < vm->pieces; i++)
		pool_reserve(&root.pool, vm->piece[i].first, vm->piece[i].pages);
}

static void start_without_frames(struct vm *vm, struct config_fault *fault)
{
	struct gyre_process_info own = {0};
	process_info(0, &own);
	uint64_t left = own.quota_frames - own.used_frames, few;
	root.quota_most = 40 + draw(24);
	few = root.quota_most + draw(24);
	long hog = left > few + 8 ? process_create(left - few) : 0;
	lives_start(vm, fault);
	if (hog > 0)
		object_destroy((handle_t)hog);
	root.quota_most = 0;
}

static void start_one(struct vm *vm)
{
	struct config_fault fault;
	churn.left--;
	churn.phase++;
	accounts_held = 1;
	switch (draw(16)) {
	case 0: start_without_memory(vm, &fault); break;
	case 1: start_without_frames(vm, &fault); break;
	case 2:
	case 3:
		root.quota_most = 8 + draw(80);
		lives_start(vm, &fault);
		root.quota_most = 0;
		break;
	default: lives_start(vm, &fault); break;
	}
	accounts_held = 0;
	if (churn.leak != 0 && churn.left % churn.leak == 0)
		event_create();
	if (vm->state == VM_ENDED)
		accounts_compare(vm);
}

/* ---- what becomes of what runs ---- */

/* -GYRE_EBUSY where it can't be stopped just now: then it is killed. */
static void crash_one(struct vm *vm)
{
	struct gyre_thread_registers registers;
	struct config_fault fault;
	long error = thread_stop(vm->thread);
	if (error == 0)
		error = thread_registers(vm->thread, 0, &registers);
	registers.rip = NOWHERE;
	if (error == 0)
		error = thread_registers(vm->thread, 1, &registers);
	if (error == 0)
		error = thread_start(vm->thread);
	churn.crashes_made += error == 0;
	if (error < 0)
		lives_kill(vm, &fault);
}

static void act_on(struct vm *vm)
{
	struct config_fault fault;
	switch (draw(8)) {
	case 0: break;
	case 1: lives_stop(vm, &fault); break;
	case 2:
	case 3: crash_one(vm); break;
	default: lives_kill(vm, &fault); break;
	}
}

/* ---- steps ---- */

static void ends_count(void)
{
	for (uint32_t i = 0; i < root.config.header->vms; i++) {
		const struct vm *vm = &vms[i];
		if (vm->state != VM_ENDED || churn.seen[i] == vm->starts)
			continue;
		churn.seen[i] = vm->starts;
		churn.way[vm->end.reason == GYRE_END_REFUSED   ? WAY_REFUSED
			  : vm->end.reason == GYRE_END_KILLED  ? WAY_KILLED
			  : vm->end.reason == GYRE_END_MONITOR ? WAY_CRASHED
							       : WAY_ITSELF]++;
	}
}

static void phase_end(void)
{
	struct config_fault fault;
	int running = 0;
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		if (vms[i].state == VM_RUNNING || vms[i].state == VM_ENDING) {
			lives_kill(&vms[i], &fault);
			running = 1;
		}
	if (running)
		return;
	churn.phase = 0;
	churn.side_by_side = 1 + (uint32_t)draw(root.config.header->vms);
}

static void step(void)
{
	if (churn.side_by_side == 0 || churn.phase >= PHASE_STARTS || churn.left == 0)
		return phase_end();
	struct vm *vm = &vms[draw(churn.side_by_side)];
	if (vm->state == VM_NEW || vm->state == VM_ENDED)
		start_one(vm);
	else if (vm->state == VM_RUNNING)
		act_on(vm);
}

void churn_turn(void)
{
	if (!churn.active)
		return;
	ends_count();
	if (tsc() < churn.at)
		return;
	step();
	uint64_t microseconds = 1ull << draw(churn.shift + 1);
	churn.at = tsc() + root.machine.tsc_khz * (microseconds + draw(microseconds)) / 1000;
}

int churn_over(void)
{
	return !churn.active || churn.left == 0;
}

uint64_t churn_due(uint64_t latest)
{
	return churn.active && churn.at < latest ? churn.at : latest;
}

int32_t churn_report(void)
{
	if (!churn.active)
		return 0;
	ends_count();
	root_log("churn: %lu starts with seed=%lu: %lu ended by themselves, %lu killed, %lu monitors crashed, %lu "
		 "refused; accounts compared %lu times, %lu differed",
		(unsigned long)(churn.starts - churn.left), (unsigned long)churn.seed,
		(unsigned long)churn.way[WAY_ITSELF], (unsigned long)churn.way[WAY_KILLED],
		(unsigned long)churn.way[WAY_CRASHED], (unsigned long)churn.way[WAY_REFUSED],
		(unsigned long)accounts_compared, (unsigned long)accounts_differed);
	return accounts_differed != 0 ? GYRE_STATUS_FAILED : 0;
}
