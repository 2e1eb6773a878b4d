/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/user_copy.c: what may be checked before a process's memory is touched. guarded.S touches it.
 */
#include "core/x86/user_copy.h"
#include "core/x86/address.h"
#include "gyre/errors.h"

int guarded_copy(void *to, const void *from, size_t bytes);
int guarded_load64(uint64_t *value, const uint64_t *from);

static int in_user_half(uint64_t address, size_t bytes)
{
	return bytes <= USER_COPY_MAX && address < USER_END && bytes <= USER_END - address;
}

int user_copy_from(void *to, uint64_t from, size_t bytes)
{
	return in_user_half(from, bytes) ? guarded_copy(to, (const void *)from, bytes) : -GYRE_EFAULT;
}

int user_copy_to(uint64_t to, const void *from, size_t bytes)
{
	return in_user_half(to, bytes) ? guarded_copy((void *)to, from, bytes) : -GYRE_EFAULT;
}

int user_load64(uint64_t *value, uint64_t from)
{
	return in_user_half(from, sizeof(*value)) && from % sizeof(*value) == 0
		       ? guarded_load64(value, (const uint64_t *)from)
		       : -GYRE_EFAULT;
}
