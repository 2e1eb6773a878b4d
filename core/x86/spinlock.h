/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/spinlock.h: a fair lock between processors. Interrupts are off wherever the core runs, so nothing else needs saying; from an NMI no lock may
 * be taken.
 */
#ifndef CORE_X86_SPINLOCK_H
#define CORE_X86_SPINLOCK_H

#include <stdint.h>

/* Free where it is all zeros. */
struct spinlock {
	uint16_t next;	/* the ticket that the next comer draws */
	uint16_t owner; /* the ticket that may go on */
};

static inline void spin_lock(struct spinlock *lock)
{
	uint16_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->owner, (uint16_t)(lock->owner + 1), __ATOMIC_RELEASE);
}

#endif
