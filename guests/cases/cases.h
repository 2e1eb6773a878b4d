/* SPDX-License-Identifier: Apache-2.0 */
/* guests/cases/cases.h: what the cases share: code in the sandbox, and their verdicts. */
#ifndef CASES_H
#define CASES_H

#include "guests/hostile/hostile.h"

#define HOLE 0xd0000000u /* nobody is there: reads are ones */

/* Bytes at an address of the sandbox's tables (a host address of the same page), run in a ring with enter_regs; 0, or 1 + the vector that ended it. */
uint32_t run_at(uint64_t rip, unsigned ring);
void must(bool condition, unsigned line);
#define MUST(condition) must(condition, __LINE__)

void same_as_the_processor(void); /* same.c: A22 */
/* keys.c: A11. A processor that does XSETBV without an exit sets whatever it has itself: QEMU's (docs/testing.md). */
void protection_keys_and_bounds(bool sets_what_it_likes);

#endif
