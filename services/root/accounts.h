/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/accounts.h: what is held, by all and by root, and whether everything comes back when a VM ends (core option accounts=on; no work without it).
 *
 * When no VM is left, every count must be what it was before the first. While others run, what they hold is taken off first: what their processes have by
 * the core's own count, and what root holds for each, which was counted at its start. That holds for pages, objects and handles; not for frames, since
 * VMs share slabs and page tables in root, nor while a monitor has made processes of its own, whose counts root can't see.
 */
#ifndef ROOT_ACCOUNTS_H
#define ROOT_ACCOUNTS_H

#include <stdint.h>
#include "services/root/vm.h"

struct accounts {
	uint64_t pages_free, frames, objects, handles, root_frames, root_handles;
};

/* As it is now; zeros without accounts=on. */
void accounts_now(struct accounts *accounts);
void accounts_log(const char *when);
/* Once, before the first start: what all later comparisons are made with. */
void accounts_begin(void);
/* What the VM's start took, `before` being what was held then; others may run meanwhile, so what they hold is left out of both. */
void accounts_before(struct accounts *before);
void accounts_share(struct vm *vm, const struct accounts *before);
/* The VM has ended and nothing of it is left, or it is said that something is. */
void accounts_compare(const struct vm *vm);
/* How often that was done, and how often something was left. */
extern uint64_t accounts_compared, accounts_differed;
/* Tests: what was taken away for a while is not missing; comparisons wait. */
extern int accounts_held;

#endif
