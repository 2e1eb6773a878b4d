/* SPDX-License-Identifier: Apache-2.0 */
/* tests/core/start.h: what a core for tests does when it starts, and asks about later. */
#ifndef TESTS_CORE_START_H
#define TESTS_CORE_START_H

#include <stdbool.h>
#include <stdint.h>

/*
 * With dirty=on, before anything is taken of it: memory looks as if somebody had used it. Words of each page hold DIRTY_WORD plus the page's number; whoever
 * gets a page and finds one has been handed a page that was not cleared.
 */
#define DIRTY_WORD 0x6f74686572277300ull
void start_dirty(void);

/* When all that is read-only is so. */
void start_hash(void);
/* Code and constants are what they were. */
bool start_hash_holds(void);

#endif
