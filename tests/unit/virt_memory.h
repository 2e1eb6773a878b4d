/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/virt_memory.h: see virt_memory.c. */
#ifndef TESTS_UNIT_VIRT_MEMORY_H
#define TESTS_UNIT_VIRT_MEMORY_H
#include <stdint.h>
extern uint64_t virt_hole, virt_hole_end; /* addresses that fault */
#endif
