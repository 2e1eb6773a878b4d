/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/frame.c: the pool as three levels of bitmaps, a bit set for "free" (level 0) or "something is free below" (1, 2). An allocation is a find-
 * first-set on each level. The bitmaps stand in the first frames of the pool.
 */
#include "core/mem/frame.h"
#include "core/x86/log.h"
#include "lib/string.h"

#define LEVELS	  3
#define TOP_WORDS 16   /* 16 * 64 * 64 * 64 frames: 16 GiB of pool */
#define RUN_SCAN  1024 /* words that a search for a run looks at */

static struct {
	struct spinlock lock;
	uint64_t base; /* physical address of frame 0 of the bitmaps */
	uint64_t frames, total, free;
	uint64_t *level[LEVELS];
	uint64_t words[LEVELS];
	uint64_t run_hint; /* word */
} pool;

static void mark_free(uint64_t frame)
{
	for (int level = 0; level < LEVELS; level++) {
		uint64_t bit = 1ul << (frame & 63);
		frame >>= 6;
		pool.level[level][frame] |= bit;
	}
}

static void mark_used(uint64_t frame)
{
	for (int level = 0; level < LEVELS; level++) {
		uint64_t bit = 1ul << (frame & 63);
		frame >>= 6;
		pool.level[level][frame] &= ~bit;
		if (pool.level[level][frame] != 0)
			break;
	}
}

void frame_pool_init(hpa_t base, size_t bytes)
{
	uint64_t frames = bytes / PAGE_SIZE, most = (uint64_t)TOP_WORDS << 18;
	pool.frames = frames < most ? frames : most;
	pool.base = base.value;
	uint64_t words = 0, bits = pool.frames;
	for (int level = 0; level < LEVELS; level++) {
		pool.words[level] = (bits + 63) / 64;
		bits = pool.words[level];
		words += pool.words[level];
	}
	uint64_t books = (words * 8 + PAGE_SIZE - 1) / PAGE_SIZE;
	CORE_ASSERT(books < pool.frames);
	uint64_t *next = frame_virtual(base);
	memset(next, 0, books * PAGE_SIZE);
	for (int level = 0; level < LEVELS; level++) {
		pool.level[level] = next;
		next += pool.words[level];
	}
	for (uint64_t frame = books; frame < pool.frames; frame++)
		mark_free(frame);
	pool.total = pool.free = pool.frames - books;
	pool.run_hint = 0;
}

uint64_t frame_pool_total(void)
{
	return pool.total;
}

uint64_t frame_pool_free(void)
{
	return __atomic_load_n(&pool.free, __ATOMIC_RELAXED);
}

static uint64_t frame_index(hpa_t frame)
{
	return (frame.value - pool.base) / PAGE_SIZE;
}

bool frame_in_pool(hpa_t frame)
{
	return frame.value >= pool.base && frame_index(frame) < pool.frames;
}

/* ---- quotas: `free` alone decides, and changes atomically ---- */
static bool quota_take(struct quota *quota, uint64_t frames)
{
	uint64_t free = __atomic_load_n(&quota->free, __ATOMIC_RELAXED);
	do {
		if (free < frames)
			return false;
	} while (!__atomic_compare_exchange_n(
		&quota->free, &free, free - frames, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static void quota_put(struct quota *quota, uint64_t frames)
{
	__atomic_fetch_add(&quota->free, frames, __ATOMIC_RELAXED);
}

/* ---- allocation ---- */
static bool pool_take_one(uint64_t *frame)
{
	for (uint64_t top = 0; top < pool.words[2]; top++) {
		if (pool.level[2][top] == 0)
			continue;
		uint64_t middle = top << 6 | (uint64_t)__builtin_ctzl(pool.level[2][top]);
		uint64_t low = middle << 6 | (uint64_t)__builtin_ctzl(pool.level[1][middle]);
		*frame = low << 6 | (uint64_t)__builtin_ctzl(pool.level[0][low]);
		mark_used(*frame);
		return true;
	}
	return false;
}

/* A run lies within one word of the bitmap, aligned to its size rounded up to a power of two. */
static bool pool_take_run(unsigned int count, uint64_t *first)
{
	unsigned int step = 1;
	while (step < count)
		step *= 2;
	uint64_t mask = count == 64 ? ~0ul : (1ul << count) - 1;
	uint64_t scan = pool.words[0] < RUN_SCAN ? pool.words[0] : RUN_SCAN;
	for (; scan > 0; scan--, pool.run_hint++) {
		if (pool.run_hint >= pool.words[0])
			pool.run_hint = 0;
		uint64_t word = pool.level[0][pool.run_hint];
		for (unsigned int bit = 0; word != 0 && bit + count <= 64; bit += step) {
			if ((word >> bit & mask) != mask)
				continue;
			*first = pool.run_hint << 6 | bit;
			for (unsigned int i = 0; i < count; i++)
				mark_used(*first + i);
			return true;
		}
	}
	return false;
}

bool frame_alloc_run(struct quota *quota, unsigned int count, hpa_t *first)
{
	uint64_t index;
	CORE_ASSERT(count > 0 && count <= FRAME_RUN_MAX);
	if (!quota_take(quota, count))
		return false;
	spin_lock(&pool.lock);
	bool found = count == 1 ? pool_take_one(&index) : pool_take_run(count, &index);
	pool.free -= found ? count : 0;
	spin_unlock(&pool.lock);
	if (!found) {
		quota_put(quota, count);
		return false;
	}
	*first = hpa(pool.base + index * PAGE_SIZE);
	memset(frame_virtual(*first), 0, (size_t)count * PAGE_SIZE);
	return true;
}

bool frame_alloc(struct quota *quota, hpa_t *frame)
{
	return frame_alloc_run(quota, 1, frame);
}

void frame_free_run(struct quota *quota, hpa_t first, unsigned int count)
{
	CORE_ASSERT(frame_in_pool(first) && is_page_aligned(first.value));
	spin_lock(&pool.lock);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t index = frame_index(first) + i;
		CORE_ASSERT((pool.level[0][index >> 6] >> (index & 63) & 1) == 0); /* freed twice? */
		mark_free(index);
	}
	pool.free += count;
	spin_unlock(&pool.lock);
	quota_put(quota, count);
}

void frame_free(struct quota *quota, hpa_t frame)
{
	frame_free_run(quota, frame, 1);
}

void quota_init(struct quota *quota, uint64_t frames)
{
	*quota = (struct quota){.given = frames, .free = frames};
	for (unsigned int i = 0; i < SLAB_CLASSES; i++)
		list_init(&quota->partial[i]);
}

/* Frames that have been taken from what is free. */
static void quota_move(struct quota *from, struct quota *to, uint64_t frames)
{
	__atomic_fetch_sub(&from->given, frames, __ATOMIC_RELAXED);
	__atomic_fetch_add(&to->given, frames, __ATOMIC_RELAXED);
	quota_put(to, frames);
}

bool quota_give(struct quota *from, struct quota *to, uint64_t frames)
{
	if (!quota_take(from, frames))
		return false;
	quota_move(from, to, frames);
	return true;
}

void quota_return(struct quota *from, struct quota *to)
{
	quota_move(from, to, __atomic_exchange_n(&from->free, 0, __ATOMIC_RELAXED));
}
