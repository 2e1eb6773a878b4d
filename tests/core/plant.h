/* SPDX-License-Identifier: Apache-2.0 */
/* tests/core/plant.h: see plant.c. */
#ifndef TESTS_CORE_PLANT_H
#define TESTS_CORE_PLANT_H

#include <stdbool.h>
#include <stdint.h>

extern bool plant_any;
void plant_begin(void);

/* At each call, before it is done, if anything is planted. */
struct cpu;
void plant_call(struct cpu *cpu, uint64_t number);

#endif
