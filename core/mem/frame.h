/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/frame.h: the frames of the core's own pool, the quotas that pay for them, and memory for objects in them.
 *
 * Every frame is paid by one quota from its allocation to its return. A process's quota is taken from its creator's, so no process can exhaust the
 * pool for another. Frames come zeroed. Plain code: also built on Linux for its tests, where the pool is an array.
 */
#ifndef CORE_MEM_FRAME_H
#define CORE_MEM_FRAME_H

#include "core/obj/list.h"
#include "core/x86/address.h"
#include "core/x86/spinlock.h"

#define FRAME_RUN_MAX 64 /* frames in a row that one allocation can get */

#ifdef GYRE_UNIT_TEST
extern char *frame_test_pool; /* what physical address 0 is for a test */
#define POOL_BASE (uint64_t) frame_test_pool
#else
#define POOL_BASE DIRECT_MAP_BASE
#endif

/* For memory of the core's own pool only. */
static inline void *frame_virtual(hpa_t frame)
{
	return (void *)(POOL_BASE + frame.value);
}
static inline hpa_t frame_physical(const void *pointer)
{
	return hpa((uint64_t)pointer - POOL_BASE);
}

/* Sizes of slab objects: multiples of 16 that waste little of a frame. */
#define SLAB_CLASSES 10

struct quota {
	uint64_t given;			   /* frames: what it was given, less what it gave on */
	uint64_t free;			   /* of those, not in use */
	struct spinlock lock;		   /* of the slabs below */
	struct list partial[SLAB_CLASSES]; /* slabs of this quota that have room */
};

/* Once, at boot. Takes what it needs for its own books from the beginning of the pool. */
void frame_pool_init(hpa_t base, size_t bytes);
uint64_t frame_pool_total(void); /* frames that can be given away */
uint64_t frame_pool_free(void);
bool frame_in_pool(hpa_t frame);

/* One zeroed frame, or `count` in a row (at most FRAME_RUN_MAX, aligned to their size rounded up to a power of two). False: quota or pool exhausted. */
bool frame_alloc(struct quota *quota, hpa_t *frame);
bool frame_alloc_run(struct quota *quota, unsigned int count, hpa_t *first);
void frame_free(struct quota *quota, hpa_t frame);
void frame_free_run(struct quota *quota, hpa_t first, unsigned int count);

void quota_init(struct quota *quota, uint64_t frames);
/* Moves the right to use frames: a process's creation and its end. */
bool quota_give(struct quota *from, struct quota *to, uint64_t frames);
void quota_return(struct quota *from, struct quota *to); /* all that is free */
static inline uint64_t quota_used(const struct quota *quota)
{
	return quota->given - __atomic_load_n(&quota->free, __ATOMIC_RELAXED);
}

/*
 * Memory for the core's objects, in frames of the quota that pays (core/mem/slab.c). A frame whose last object is freed goes back at once, so what a
 * process used returns exactly when what it made is gone. Larger things than SLAB_OBJECT_MAX get whole frames. Zeroed, aligned to 16; NULL: the quota is
 * exhausted. The size is given again when it is freed.
 */
#define SLAB_OBJECT_MAX 2016
void *slab_alloc(struct quota *quota, size_t bytes);
void slab_free(struct quota *quota, void *pointer, size_t bytes);

#endif
