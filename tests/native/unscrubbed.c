/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/native/unscrubbed.c: services/root/vm_memory.c with a fault that is planted in it: guests' RAM is not cleared. tests/system/test_oracle.py sees that it
 * is found.
 */
#include "lib/calls.h"

/* A macro's own name is not expanded again in it. */
#define memory_clear_all(memory, offset, pages) ((memory) == vm->ram ? 0 : memory_clear_all(memory, offset, pages))
#include "services/root/vm_memory.c"
