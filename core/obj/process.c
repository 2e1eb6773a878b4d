/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/process.c: processes: how they are made of their creator's quota, and how they end with all that they own.
 */
#include "core/obj/process.h"
#include "core/obj/device.h"
#include "core/x86/cpu.h"

SEALED struct process *root_process;
static uint32_t process_numbers;

bool process_is_below(const struct process *process, const struct process *above)
{
	while (process != NULL && process != above) /* PROCESS_DEPTH */
		process = process->object.owner;
	return process != NULL;
}

/* With frames of a quota, if there is one to take them from: root's are nobody else's. */
static int process_begin(struct process *process, struct quota *from, uint64_t frames)
{
	list_init(&process->objects);
	list_init(&process->children);
	list_init(&process->ports);
	process->number = process_numbers++;
	quota_init(&process->quota, from == NULL ? frames : 0);
	if (from != NULL && !quota_give(from, &process->quota, frames))
		return -GYRE_ENOMEM;
	int error = aspace_init(&process->aspace, &pagetable_process, &process_aspace_ops, &process->quota);
	if (error == 0)
		process_aspace_prepare(process);
	return error;
}

int process_create(struct process *creator, uint64_t quota_frames, struct process **out)
{
	if (quota_frames < PROCESS_FRAMES_MIN)
		return -GYRE_EINVAL;
	if (creator->depth + 1 >= PROCESS_DEPTH)
		return -GYRE_ENOTSUP;
	struct process *process = OBJECT_CREATE(creator, GYRE_OBJECT_PROCESS, process);
	if (process == NULL)
		return -GYRE_ENOMEM;
	process->depth = creator->depth + 1;
	if (process_begin(process, &creator->quota, quota_frames) < 0) {
		quota_return(&process->quota, &creator->quota);
		object_discard(&process->object);
		return -GYRE_ENOMEM;
	}
	spin_lock(&creator->objects_lock);
	list_push_front(&creator->children, &process->in_creator);
	spin_unlock(&creator->objects_lock);
	*out = process;
	return 0;
}

int process_init_root(struct process *process, uint64_t quota_frames)
{
	process->object.type = GYRE_OBJECT_PROCESS;
	list_init(&process->object.handles);
	root_process = process;
	return process_begin(process, NULL, quota_frames);
}

/* ---- the end ---- */

/* All on the way down stop making new things, so that this comes to an end. */
static struct process *process_without_children(struct process *process)
{
	object_mark_dying(&process->object);
	while (!list_empty(&process->children)) { /* PROCESS_DEPTH */
		process = container_of(process->children.next, struct process, in_creator);
		object_mark_dying(&process->object);
	}
	return process;
}

static int objects_end(struct process *process, unsigned int *budget)
{
	while (!list_empty(&process->objects)) {
		if (!budget_take(budget, OBJECT_STEPS))
			return -GYRE_EAGAIN;
		int result = object_destroy(list_first(&process->objects, struct object, owned), NULL, budget);
		if (result < 0)
			return result;
	}
	return 0;
}

/* All of one that has no children any more. */
static int process_take_apart(struct process *process, unsigned int *budget)
{
	int result = objects_end(process, budget);
	if (result < 0)
		return result;
	while (!list_empty(&process->ports))
		ioports_ungrant(cpu_current(), list_first(&process->ports, struct ioports, in_process));
	if (!handle_table_end(process, budget) || !aspace_end(&process->aspace, budget))
		return -GYRE_EAGAIN;
	spin_lock(&process->object.owner->objects_lock);
	list_remove(&process->in_creator);
	spin_unlock(&process->object.owner->objects_lock);
	return 0;
}

int process_end(struct object *object, unsigned int *budget)
{
	struct process *process = container_of(object, struct process, object), *last;
	int result = 0;
	while (result == 0 && (last = process_without_children(process)) != process)
		result = object_destroy(&last->object, NULL, budget);
	return result < 0 ? result : process_take_apart(process, budget);
}
