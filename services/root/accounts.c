/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/accounts.c: see accounts.h. */
#include "services/root/accounts.h"
#include "services/root/output.h"
#include "services/root/root.h"
#include "lib/string.h"

uint64_t accounts_compared, accounts_differed;
int accounts_held;
static struct accounts reference;

void accounts_now(struct accounts *accounts)
{
	struct gyre_machine_info machine;
	struct gyre_process_info own;
	*accounts = (struct accounts){0};
	if (!root.accounts || machine_info(&machine) < 0 || process_info(0, &own) < 0)
		return;
	*accounts = (struct accounts){
		.pages_free = pool_free(&root.pool),
		.frames = machine.frames_used,
		.objects = machine.objects_live,
		.handles = machine.handles_live,
		.root_frames = own.used_frames,
		.root_handles = own.handles,
	};
}

void accounts_log(const char *when)
{
	struct accounts now;
	if (!root.accounts)
		return;
	accounts_now(&now);
	root_log("accounts %s: %lu pages free, %lu frames, %lu objects, %lu handles; root %lu frames, %lu handles",
		when, (unsigned long)now.pages_free, (unsigned long)now.frames, (unsigned long)now.objects,
		(unsigned long)now.handles, (unsigned long)now.root_frames, (unsigned long)now.root_handles);
}

void accounts_begin(void)
{
	accounts_now(&reference);
}

/* Takes off what the VMs have that are there, but for one or none: how many, or -1 if that can't be known now. */
static int others_take_off(struct accounts *now, const struct vm *but)
{
	int others = 0;
	for (uint32_t i = 0; i < root.config.header->vms; i++) {
		const struct vm *vm = &vms[i];
		struct gyre_process_info process;
		if (vm->process == 0 || vm == but)
			continue;
		if (process_info(vm->process, &process) < 0 || process.quota_frames != vm->share.quota)
			return -1;
		others++;
		now->pages_free += vm->share.pages;
		now->objects -= vm->share.objects + process.objects;
		now->handles -= vm->share.handles + process.handles;
		now->root_handles -= vm->share.root_handles;
	}
	return others;
}

void accounts_before(struct accounts *before)
{
	accounts_now(before);
	others_take_off(before, NULL);
}

void accounts_share(struct vm *vm, const struct accounts *before)
{
	struct accounts now;
	struct gyre_process_info process;
	if (!root.accounts || process_info(vm->process, &process) < 0)
		return;
	accounts_now(&now);
	others_take_off(&now, vm);
	vm->share = (struct vm_share){
		.pages = before->pages_free - now.pages_free,
		.objects = now.objects - before->objects - process.objects,
		.handles = now.handles - before->handles - process.handles,
		.root_handles = now.root_handles - before->root_handles,
		.quota = process.quota_frames,
	};
}

static int equal(const struct accounts *now, int others)
{
	return now->pages_free == reference.pages_free && now->objects == reference.objects &&
	       now->handles == reference.handles && now->root_handles == reference.root_handles &&
	       (others > 0 || (now->frames == reference.frames && now->root_frames == reference.root_frames));
}

void accounts_compare(const struct vm *vm)
{
	struct accounts now;
	if (!root.accounts || accounts_held)
		return;
	accounts_now(&now);
	int others = others_take_off(&now, NULL);
	if (others < 0)
		return;
	accounts_compared++;
	if (equal(&now, others))
		return;
	accounts_differed++;
	root_log("accounts differ after %s has ended with %d others there: pages free %ld, frames %ld, objects %ld, "
		 "handles %ld; root frames %ld, handles %ld",
		vm->entry->name, others, (long)(now.pages_free - reference.pages_free),
		others > 0 ? 0 : (long)(now.frames - reference.frames), (long)(now.objects - reference.objects),
		(long)(now.handles - reference.handles),
		others > 0 ? 0 : (long)(now.root_frames - reference.root_frames),
		(long)(now.root_handles - reference.root_handles));
	/* Each loss is counted once. */
	if (others > 0) {
		now.frames = reference.frames;
		now.root_frames = reference.root_frames;
	}
	reference = now;
}
