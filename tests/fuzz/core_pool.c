/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/core_pool.c: the core's frames and slabs, of which the sanitizer knows what is in use: a frame or an object that was freed, and what lies
 * behind an object, may not be touched.
 */
#include "tests/fuzz/core_machine.h"
#include "core/x86/log.h"
#include "lib/string.h"
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISON(at, bytes)   __asan_poison_memory_region(at, bytes)
#define UNPOISON(at, bytes) __asan_unpoison_memory_region(at, bytes)
#endif
#endif
#ifndef POISON
#define POISON(at, bytes)   ((void)(at), (void)(bytes))
#define UNPOISON(at, bytes) ((void)(at), (void)(bytes))
#endif

static void *frames_zero(void *at, int value, size_t bytes)
{
	UNPOISON(at, bytes);
	return memset(at, value, bytes);
}

/* The core's own source under other names, for what is below. */
#define frame_free_run plain_frame_free_run
#define frame_free     plain_frame_free
#define memset	       frames_zero
#include "core/mem/frame.c"
#undef memset
#undef frame_free
#undef frame_free_run

void frame_free_run(struct quota *quota, hpa_t first, unsigned int count)
{
	plain_frame_free_run(quota, first, count);
	POISON(frame_virtual(first), (size_t)count * PAGE_SIZE);
}

void frame_free(struct quota *quota, hpa_t frame)
{
	frame_free_run(quota, frame, 1);
}

/* Slabs keep their books in what is free; a loop that clears must not become a call of memset(), which looks. */
#pragma clang optimize off
#pragma clang attribute push(__attribute__((no_sanitize("address"))), apply_to = function)
#define slab_alloc plain_slab_alloc
#define slab_free  plain_slab_free
#include "core/mem/slab.c"
#undef slab_alloc
#undef slab_free
#pragma clang attribute pop
#pragma clang optimize on

void *slab_alloc(struct quota *quota, size_t bytes)
{
	char *object = plain_slab_alloc(quota, bytes);
	if (object != NULL && bytes <= SLAB_OBJECT_MAX) {
		const size_t room = class_bytes[class_of(bytes)];
		UNPOISON(object, room);
		POISON(object + ((bytes + 7) & ~7ul), room - ((bytes + 7) & ~7ul));
	}
	return object;
}

void slab_free(struct quota *quota, void *object, size_t bytes)
{
	if (bytes <= SLAB_OBJECT_MAX)
		POISON(object, class_bytes[class_of(bytes)]);
	plain_slab_free(quota, object, bytes);
}

char *frame_test_pool;

void *pool_memory(void)
{
	static void *memory;
	if (memory == NULL)
		memory = aligned_alloc(PAGE_SIZE, (size_t)POOL_FRAMES * PAGE_SIZE);
	return memory;
}

/* Its physical memory begins at 0x100000, so that no frame is number 0. */
void pool_reset(void)
{
	UNPOISON(pool_memory(), (size_t)POOL_FRAMES * PAGE_SIZE);
	frame_test_pool = (char *)pool_memory() - 0x100000;
	frame_pool_init(hpa(0x100000), (size_t)POOL_FRAMES * PAGE_SIZE);
}
