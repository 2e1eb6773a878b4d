/* SPDX-License-Identifier: Apache-2.0 */
/* tests/core/protection.h: what the page tables allow. In a core built with TEST_CORE=1. */
#ifndef TESTS_CORE_PROTECTION_H
#define TESTS_CORE_PROTECTION_H

#include <stdbool.h>

/* False, with a line in the log for each page that could be used as it may not. Long: for tests. */
bool protection_good(void);

#endif
