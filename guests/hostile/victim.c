/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/victim.c: a guest beside the hostile one, which watches that nobody changes its memory and its vector registers. */
#include "guests/hostile/hostile.h"

#define PATTERN	      ((uint32_t *)0x400000) /* 2 MiB */
#define PATTERN_WORDS (512u * 1024)

static uint8_t area[512] __attribute__((aligned(16)));

static void vectors_load(uint32_t pattern)
{
	for (unsigned i = 0; i < 512; i++)
		area[i] = i < 32 ? 0 : (uint8_t)(pattern + i);
	*(uint16_t *)area = 0x37f;
	*(uint32_t *)(area + 24) = 0x1f80;
	__asm__ volatile("fxrstor %0" : : "m"(area));
}

/* XMM0 to 15; ST0 to 7 have six bytes of nothing each. */
static bool vectors_differ(uint32_t pattern, bool zero)
{
	__asm__ volatile("fxsave %0" : "=m"(area));
	for (unsigned i = 32; i < 416; i++)
		if ((i >= 160 || (i & 15) < 10) && area[i] != (zero ? 0 : (uint8_t)(pattern + i)))
			return true;
	return false;
}

void victim(void)
{
	if (vectors_differ(0, true)) {
		say("victim: registers are not those of a reset\n");
		debug_exit(7);
	}
	for (uint32_t i = 0; i < PATTERN_WORDS; i++)
		PATTERN[i] = i * 0x9e3779b9u;
	vectors_load(7);
	for (unsigned beat = 0; beat < 400; beat++) {
		for (uint32_t i = beat % 16; i < PATTERN_WORDS; i += 16)
			if (PATTERN[i] != i * 0x9e3779b9u) {
				say("victim: memory changed\n");
				debug_exit(5);
			}
		if (vectors_differ(7, false)) {
			say("victim: registers changed\n");
			debug_exit(6);
		}
		if (beat % 100 == 0)
			say("victim: beat\n");
	}
	say("victim: all is well\n");
	debug_exit(1);
}
