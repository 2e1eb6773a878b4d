/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/answers.h: answers of the terminal, taken out of what is typed just after another VM was shown. The one before may have asked for its
 * cursor, its identity or a colour, and chosen the moment: what the terminal says would be typed into the next VM's console.
 */
#ifndef CONSOLE_ANSWERS_H
#define CONSOLE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#define ANSWERS_MS   2000u /* for so long after a switch */
#define ANSWERS_HELD 32u

struct answers {
	uint8_t state, length;
	uint8_t held[ANSWERS_HELD];
	uint64_t until;
};

/* From now on, for a while. */
void answers_expect(struct answers *answers, uint64_t now);

/* One byte that came in; how many are to be taken as typed, in out. */
size_t answers_next(struct answers *answers, uint8_t byte, uint64_t now, uint8_t out[ANSWERS_HELD + 1]);

/* Nothing came for a while: what is held was typed. */
size_t answers_idle(struct answers *answers, uint8_t out[ANSWERS_HELD + 1]);

static inline int answers_waiting(const struct answers *answers)
{
	return answers->state != 0;
}

#endif
