/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/check.h: what must be true of the core's own books at any time between two calls. In test builds (-DGYRE_TEST_CORE).
 */
#ifndef CORE_OBJ_CHECK_H
#define CORE_OBJ_CHECK_H

struct cpu;

/* 0, or -GYRE_EIO with a line in the log for each thing that is wrong. Long: for tests. */
int check_invariants(struct cpu *cpu);
/* Another machine begins: for unit tests. */
void check_reset(void);

#endif
