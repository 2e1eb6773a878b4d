/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/answers.h: answers of the terminal among what is typed. A VM that is shown can ask for its cursor, its identity, a colour or a title, and may
 * have chosen some of what comes back.
 *   Around a switch   they are taken out: asked for by one VM, they would be typed into the next one's console.
 *   At any time       what lies inside a string of the terminal's is no key of ours, though it looks like one.
 * An answer comes in one piece: a pause ends it (answers_idle).
 */
#ifndef CONSOLE_ANSWERS_H
#define CONSOLE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#define ANSWERS_MS   2000u /* for so long after Ctrl-], and after a switch */
#define ANSWERS_HELD 32u

struct answers {
	uint8_t state, length;
	uint8_t more;	   /* bytes that a character of UTF-8 still lacks */
	uint8_t taken_out; /* the one that has begun */
	uint8_t held[ANSWERS_HELD];
	uint64_t until;
};

/* From now on, for a while, they are taken out. */
void answers_expect(struct answers *answers, uint64_t now);

/* The next byte lies inside a string. */
int answers_inside(const struct answers *answers);

/* One byte that came in; how many are to be taken as typed, in out. */
size_t answers_next(struct answers *answers, uint8_t byte, uint64_t now, uint8_t out[ANSWERS_HELD + 1]);

/* Nothing came for a while: what is held was typed. */
size_t answers_idle(struct answers *answers, uint8_t out[ANSWERS_HELD + 1]);

static inline int answers_waiting(const struct answers *answers)
{
	return answers->state != 0;
}

#endif
