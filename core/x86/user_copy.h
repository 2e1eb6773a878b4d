/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/user_copy.h: the only way in which the core touches a process's memory. core/x86/guarded.S
 *
 * The address may be anything: outside the lower half, or where the process has nothing mapped (or only read-only), the result is -GYRE_EFAULT and the target's
 * content is undefined. Bounded: at most USER_COPY_MAX bytes at a time. Each source byte is read once.
 */
#ifndef CORE_X86_USER_COPY_H
#define CORE_X86_USER_COPY_H

#include "core/x86/address.h"
#include "gyre/errors.h"

#define USER_COPY_MAX 65536

/* Without a check of the range. */
int guarded_copy(void *to, const void *from, size_t bytes);
int guarded_load64(uint64_t *value, const uint64_t *from);

static inline bool in_user_half(uint64_t address, size_t bytes)
{
	return bytes <= USER_COPY_MAX && address < USER_END && bytes <= USER_END - address;
}

static inline int user_copy_from(void *to, uint64_t from, size_t bytes)
{
	return in_user_half(from, bytes) ? guarded_copy(to, (const void *)from, bytes) : -GYRE_EFAULT;
}

static inline int user_copy_to(uint64_t to, const void *from, size_t bytes)
{
	return in_user_half(to, bytes) ? guarded_copy((void *)to, from, bytes) : -GYRE_EFAULT;
}

/* One aligned word, read by one load. */
static inline int user_load64(uint64_t *value, uint64_t from)
{
	bool good = in_user_half(from, sizeof(*value)) && from % sizeof(*value) == 0;
	return good ? guarded_load64(value, (const uint64_t *)from) : -GYRE_EFAULT;
}

#endif
