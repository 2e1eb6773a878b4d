/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/measure.h: what a core does for its tests that is built with TEST_CORE=1: it counts calls, measures how long interrupts are off, and checks its
 * books when asked to. core/sched/sched.h has what stands in its place in other builds.
 */
#ifndef TESTS_CORE_MEASURE_H
#define TESTS_CORE_MEASURE_H

#include <stdint.h>

struct cpu;
struct gyre_machine_info;

/* A stretch with interrupts off begins; one ends, and the next begins. */
void off_begin(struct cpu *cpu);
void off_end(struct cpu *cpu);
void call_counted(uint64_t number);
/* What was counted and measured. */
void test_tell(struct gyre_machine_info *info);
/* check_invariants(), whose time is not measured. */
int test_check(struct cpu *cpu);

#endif
