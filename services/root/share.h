/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/share.h: how much of the machine's time root spends on what monitors make it do: waking it, carrying what they say. It runs before them, so while
 * several VMs run it takes a twentieth of the time for that, and rests when it was more: with a burst at the beginning, and never long, since it has
 * other duties. Plain numbers, in ticks of the TSC.
 */
#ifndef ROOT_SHARE_H
#define ROOT_SHARE_H

#include <stdint.h>

#define SHARE_PARTS    20u /* of which one is root's */
#define SHARE_BURST_MS 2u
#define SHARE_MOST_MS  50u /* it rests no longer */

struct share {
	uint64_t paid; /* up to then, what it did is within its share */
};

/* It was busy from `begin` to `end`: until when it must rest, which is `end` if it need not. */
static inline uint64_t share_spend(struct share *share, uint64_t begin, uint64_t end, uint64_t ticks_ms)
{
	uint64_t from = share->paid > begin ? share->paid : begin, least = end + SHARE_BURST_MS * ticks_ms,
		 most = least + SHARE_MOST_MS * ticks_ms;
	share->paid = from + (end - begin) * SHARE_PARTS;
	if (share->paid > most)
		share->paid = most;
	return share->paid > least ? end + (share->paid - least) : end;
}

#endif
