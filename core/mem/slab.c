/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/slab.c: each slab is a frame with a header and objects of one class. A quota lists the slabs that have room; full ones are found from their
 * objects' addresses.
 */
#include "core/mem/frame.h"

struct slab {
	struct list link; /* in quota->partial, if it has room */
	uint64_t *free;	  /* chain of free objects */
	uint16_t class, used, room;
} __attribute__((aligned(64))); /* so that objects begin at a cache line */

static const uint16_t class_bytes[SLAB_CLASSES] = {64, 96, 128, 192, 256, 384, 496, 672, 1008, SLAB_OBJECT_MAX};

static unsigned int class_of(size_t bytes)
{
	unsigned int class = 0;
	while (class_bytes[class] < bytes)
		class ++;
	return class;
}

static struct slab *slab_new(struct quota *quota, unsigned int class)
{
	hpa_t frame;
	if (!frame_alloc(quota, &frame))
		return NULL;
	struct slab *slab = frame_virtual(frame);
	slab->class = (uint16_t) class;
	slab->room = (uint16_t)((PAGE_SIZE - sizeof(*slab)) / class_bytes[class]);
	for (unsigned int i = slab->room; i > 0; i--) {
		uint64_t *object = (uint64_t *)((char *)(slab + 1) + (size_t)(i - 1) * class_bytes[class]);
		*object = (uint64_t)slab->free;
		slab->free = object;
	}
	list_push_front(&quota->partial[class], &slab->link);
	return slab;
}

static unsigned int frames_of(size_t bytes)
{
	return (unsigned int)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

void *slab_alloc(struct quota *quota, size_t bytes)
{
	if (bytes > SLAB_OBJECT_MAX) {
		hpa_t first;
		if (bytes > (size_t)FRAME_RUN_MAX * PAGE_SIZE || !frame_alloc_run(quota, frames_of(bytes), &first))
			return NULL;
		return frame_virtual(first);
	}
	unsigned int class = class_of(bytes);
	spin_lock(&quota->lock);
	struct list *partial = &quota->partial[class];
	struct slab *slab = list_empty(partial) ? slab_new(quota, class) : list_first(partial, struct slab, link);
	uint64_t *object = NULL;
	if (slab != NULL) {
		object = slab->free;
		slab->free = (uint64_t *)*object;
		if (++slab->used == slab->room)
			list_remove(&slab->link);
	}
	spin_unlock(&quota->lock);
	for (unsigned int i = 0; object != NULL && i < class_bytes[class] / 8u; i++)
		object[i] = 0;
	return object;
}

void slab_free(struct quota *quota, void *pointer, size_t bytes)
{
	if (bytes > SLAB_OBJECT_MAX) {
		frame_free_run(quota, frame_physical(pointer), frames_of(bytes));
		return;
	}
	struct slab *slab = (struct slab *)((uint64_t)pointer & ~(uint64_t)(PAGE_SIZE - 1));
	spin_lock(&quota->lock);
	if (slab->used-- == slab->room)
		list_push_front(&quota->partial[slab->class], &slab->link);
	*(uint64_t *)pointer = (uint64_t)slab->free;
	slab->free = pointer;
	bool empty = slab->used == 0;
	if (empty)
		list_remove(&slab->link);
	spin_unlock(&quota->lock);
	if (empty)
		frame_free(quota, frame_physical(slab));
}
