/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/pool.h: which pages of the machine's memory are free. Plain numbers: no call is made here. Page 0 is never free, so 0 says "none".
 */
#ifndef ROOT_POOL_H
#define ROOT_POOL_H

#include <stdint.h>

#define POOL_RANGES 256u

struct pool_range {
	uint64_t first, pages;
};

struct pool {
	uint32_t ranges;
	struct pool_range range[POOL_RANGES]; /* free; sorted, none touches the next */
};

/* Becomes free, joined with its neighbours. -GYRE_EEXIST: part of it is free already; -GYRE_ENOMEM: too many pieces. */
int pool_give(struct pool *pool, uint64_t first, uint64_t pages);

/* Whatever of it is free is free no longer. -GYRE_ENOMEM: too many pieces. */
int pool_reserve(struct pool *pool, uint64_t first, uint64_t pages);

/* That many in one piece, the first a multiple of align (a power of two): from the smallest piece that has them. 0: there is none. */
uint64_t pool_take(struct pool *pool, uint64_t pages, uint64_t align);

/* The largest piece with an aligned beginning and a size that is a multiple of align, at most *pages; its size in *pages. 0: there is none. */
uint64_t pool_take_largest(struct pool *pool, uint64_t *pages, uint64_t align);

uint64_t pool_free(const struct pool *pool);

#endif
