/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/virt_memory.c: "the monitor's memory" for tests of core/virt: any pointer below the end of the lower half is readable, except a hole. */
#include "tests/unit/virt_memory.h"
#include "core/x86/user_copy.h"
#include "gyre/errors.h"
#include <string.h>

uint64_t virt_hole, virt_hole_end;

static int refused(uint64_t from, size_t bytes)
{
	return from < virt_hole_end && from + bytes > virt_hole;
}

int guarded_copy(void *to, const void *from, size_t bytes)
{
	if (refused((uint64_t)from, bytes))
		return -GYRE_EFAULT;
	memcpy(to, from, bytes);
	return 0;
}

int guarded_load64(uint64_t *value, const uint64_t *from)
{
	return guarded_copy(value, from, sizeof(*value));
}
