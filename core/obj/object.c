/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/object.c: how objects come and go.
 */
#include "core/obj/object.h"
#include "core/obj/process.h"
#include "core/x86/cpu.h"

uint64_t objects_live, handles_live;

void *object_create_at(struct process *owner, enum gyre_object_type type, uint32_t bytes, uint16_t offset)
{
	if (!object_alive(&owner->object))
		return NULL;
	char *memory = slab_alloc(&owner->quota, bytes);
	if (memory == NULL)
		return NULL;
	struct object *object = (struct object *)(memory + offset);
	object->type = (uint8_t)type;
	object->offset = offset;
	object->bytes = bytes;
	object->owner = owner;
	list_init(&object->handles);
	spin_lock(&owner->objects_lock);
	list_push_front(&owner->objects, &object->owned);
	owner->object_count++;
	owner->thread_count += type == GYRE_OBJECT_THREAD;
	spin_unlock(&owner->objects_lock);
	__atomic_fetch_add(&objects_live, 1, __ATOMIC_RELAXED);
	return memory;
}

static void disown(struct object *object)
{
	struct process *owner = object->owner;
	spin_lock(&owner->objects_lock);
	list_remove(&object->owned);
	owner->object_count--;
	owner->thread_count -= object->type == GYRE_OBJECT_THREAD;
	spin_unlock(&owner->objects_lock);
	__atomic_fetch_sub(&objects_live, 1, __ATOMIC_RELAXED);
}

static void object_free(struct object *object)
{
	slab_free(&object->owner->quota, (char *)object - object->offset, object->bytes);
}

void object_discard(struct object *object)
{
	disown(object);
	object_free(object);
}

void object_mark_dying(struct object *object)
{
	if (object->state == OBJECT_ALIVE)
		__atomic_store_n(&object->state, OBJECT_DYING, __ATOMIC_RELEASE);
}

int object_finish(struct object *object, struct handle *keep, unsigned int *budget)
{
	if (keep != NULL)
		list_move_back(&object->handles, &keep->link);
	while (!list_empty(&object->handles)) {
		if (!budget_take(budget, 4))
			return -GYRE_EAGAIN;
		handle_remove(list_first(&object->handles, struct handle, link));
	}
	object->state = OBJECT_DEAD;
	disown(object);
	struct cpu *cpu = cpu_current();
	list_push_back(&cpu->sched.deferred, &object->owned);
	cpu->hazard |= HAZARD_FREE;
	return 0;
}

int object_destroy(struct object *object, struct handle *keep, unsigned int *budget)
{
	object_mark_dying(object);
	const object_end end = object_types[object->type].end;
	int result = end == NULL || object->state == OBJECT_ENDED ? 0 : end(object, budget);
	if (result < 0)
		return result;
	object->state = OBJECT_ENDED;
	return object_finish(object, keep, budget);
}

/* As many as one call can have put there: its budget bounds them. What a process owned stands before it. */
void objects_free_deferred(struct cpu *cpu)
{
	struct handle_frame_header *frame = cpu->sched.deferred_frames;
	cpu->sched.deferred_frames = NULL;
	while (frame != NULL) {
		struct handle_frame_header *next = frame->next_deferred;
		frame_free(&frame->process->quota, frame_physical(frame));
		frame = next;
	}
	while (!list_empty(&cpu->sched.deferred)) {
		struct object *object = container_of(cpu->sched.deferred.next, struct object, owned);
		list_remove(&object->owned);
		if (object->type == GYRE_OBJECT_PROCESS)
			quota_return(&container_of(object, struct process, object)->quota, &object->owner->quota);
		object_free(object);
	}
}
