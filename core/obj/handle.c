/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/handle.c: handle tables.
 */
#include "core/obj/handle.h"
#include "core/mem/frame.h"
#include "core/obj/process.h"
#include "core/x86/cpu.h"

static struct handle_frame_header *frame_of(const struct handle *handle)
{
	return (struct handle_frame_header *)((uint64_t)handle & ~(uint64_t)(PAGE_SIZE - 1));
}

uint32_t handle_number(const struct handle *handle)
{
	return frame_of(handle)->index * HANDLE_PER_FRAME + ((uint64_t)handle % PAGE_SIZE) / sizeof(struct handle);
}

/* ---- making ---- */

/* A free entry, from the hint on in the first frame with room. */
static struct handle *entry_take(struct process *process)
{
	struct handle_table *table = &process->handles;
	if (table->full == UINT32_MAX)
		return NULL;
	uint32_t index = (uint32_t)__builtin_ctz(~table->full);
	if (table->frame[index] == NULL) {
		hpa_t frame;
		if (!frame_alloc(&process->quota, &frame))
			return NULL;
		table->frame[index] = frame_virtual(frame);
		*(struct handle_frame_header *)table->frame[index] = (struct handle_frame_header){
			.process = process, .index = index};
	}
	struct handle *entries = table->frame[index];
	struct handle_frame_header *header = (struct handle_frame_header *)entries;
	uint32_t slot = table->hint / HANDLE_PER_FRAME == index ? table->hint % HANDLE_PER_FRAME : 1;
	while (slot == 0 || entries[slot].object != NULL)
		slot = (slot + 1) % HANDLE_PER_FRAME;
	if (++header->used == HANDLE_PER_FRAME - 1)
		table->full |= 1u << index;
	table->hint = index * HANDLE_PER_FRAME + (slot + 1) % HANDLE_PER_FRAME;
	table->count++;
	return &entries[slot];
}

int64_t handle_create(struct process *process, struct object *object, uint32_t rights, uint32_t badge)
{
	if (!object_alive(object))
		return -GYRE_EHANDLE;
	if (!object_alive(&process->object))
		return -GYRE_ENOMEM;
	spin_lock(&process->handles.lock);
	struct handle *entry = entry_take(process);
	if (entry != NULL) {
		entry->badge = badge;
		entry->rights = rights;
		list_push_front(&object->handles, &entry->link);
		__atomic_store_n(&entry->object, object, __ATOMIC_RELEASE);
		__atomic_fetch_add(&handles_live, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&process->handles.lock);
	return entry == NULL ? -GYRE_ENOMEM : (int64_t)handle_number(entry);
}

/* ---- forgetting ---- */

void handle_remove(struct handle *handle)
{
	struct handle_frame_header *header = frame_of(handle);
	struct process *process = header->process;
	struct handle_table *table = &process->handles;
	spin_lock(&table->lock);
	list_remove(&handle->link);
	__atomic_store_n(&handle->object->quick, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&handle->object, NULL, __ATOMIC_RELEASE);
	table->full &= ~(1u << header->index);
	table->count--;
	bool empty = --header->used == 0;
	if (empty)
		table->frame[header->index] = NULL;
	spin_unlock(&table->lock);
	__atomic_fetch_sub(&handles_live, 1, __ATOMIC_RELAXED);
	if (empty) { /* freed when the call ends, like objects */
		struct cpu *cpu = cpu_current();
		header->next_deferred = cpu->sched.deferred_frames;
		cpu->sched.deferred_frames = header;
		cpu->hazard |= HAZARD_FREE;
	}
}

#define REMOVE_STEPS 5
/* It begins at the front with each call: so that it removes one at least, it must get past the free ones of a frame. */
_Static_assert(OBJECT_BUDGET >= HANDLE_PER_FRAME - 2 + REMOVE_STEPS, "handles end, however they lie");

bool handle_table_end(struct process *process, unsigned int *budget)
{
	struct handle **frames = process->handles.frame;
	for (uint32_t index = 0; index < HANDLE_FRAMES; index++) {
		for (uint32_t slot = 1; frames[index] != NULL && slot < HANDLE_PER_FRAME; slot++) {
			struct handle *handle = &frames[index][slot];
			if (!budget_take(budget, handle->object != NULL ? REMOVE_STEPS : 1))
				return false;
			if (handle->object != NULL)
				handle_remove(handle);
		}
	}
	return true;
}
