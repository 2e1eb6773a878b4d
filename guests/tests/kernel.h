/* SPDX-License-Identifier: Apache-2.0 */
/* guests/tests/kernel.h: what the test kernel's parts share: ports, words and the console. */
#ifndef GUESTS_TESTS_KERNEL_H
#define GUESTS_TESTS_KERNEL_H

#include "guests/common/console.h"
#include "guests/common/ports.h"

/* task.c: hardware task switches. paging: 0 none, 1 of 32-bit entries, 2 PAE. */
void task_tests(int paging);

#endif
