/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/user_copy.h: the only way in which the core touches a process's memory. core/x86/guarded.S
 *
 * The address may be anything: outside the lower half, or where the process has nothing mapped (or only read-only), the result is -GYRE_EFAULT and the target's
 * content is undefined. Bounded: at most USER_COPY_MAX bytes at a time. Each source byte is read once.
 */
#ifndef CORE_X86_USER_COPY_H
#define CORE_X86_USER_COPY_H

#include <stddef.h>
#include <stdint.h>

#define USER_COPY_MAX 65536

int user_copy_from(void *to, uint64_t from, size_t bytes);
int user_copy_to(uint64_t to, const void *from, size_t bytes);
/* One aligned word, read by one load. */
int user_load64(uint64_t *value, uint64_t from);

#endif
