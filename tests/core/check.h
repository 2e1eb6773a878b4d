/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/check.h: what must be true of the core's own books at any time between two calls. For unit tests, and in a core built with TEST_CORE=1.
 */
#ifndef TESTS_CORE_CHECK_H
#define TESTS_CORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct pagetable;

/* 0, or -GYRE_EIO with a line in the log for each thing that is wrong. Long: for tests. */
int check_invariants(struct cpu *cpu);

/*
 * Frames that the tables of pages below `limit` hold, counted by walking them; -1: an entry count is wrong, or `check` did not like a leaf.
 */
typedef bool (*pagetable_leaf_check)(void *context, uint64_t page, uint64_t frame, uint64_t pages);
int64_t pagetable_check(const struct pagetable *table, uint64_t limit, pagetable_leaf_check check, void *context);

/* In a walk over all processes from root on: the one after this, or NULL. */
struct process;
struct process *process_next(struct process *process);

/* 0, or -GYRE_EIO: tags of a TLB that no processor may have at the same time. check_tags.c: not for unit tests. */
int check_tags(void);

/* Another machine begins: for unit tests. */
void check_reset(void);

#endif
