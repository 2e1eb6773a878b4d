/* SPDX-License-Identifier: Apache-2.0 */
/* lib/random.c: see lib/random.h. */
#include "lib/random.h"
#include "lib/string.h"

static uint32_t rotate(uint32_t value, unsigned by)
{
	return value << by | value >> (32 - by);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b, *d = rotate(*d ^ *a, 16);
	*c += *d, *b = rotate(*b ^ *c, 12);
	*a += *b, *d = rotate(*d ^ *a, 8);
	*c += *d, *b = rotate(*b ^ *c, 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t block[64])
{
	uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0], key[1], key[2], key[3], key[4],
		key[5], key[6], key[7], counter, nonce[0], nonce[1], nonce[2]};
	uint32_t s[16];
	memcpy(s, start, sizeof(s));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			quarter_round(&s[i], &s[4 + i], &s[8 + i], &s[12 + i]);
		for (int i = 0; i < 4; i++)
			quarter_round(&s[i], &s[4 + (i + 1) % 4], &s[8 + (i + 2) % 4], &s[12 + (i + 3) % 4]);
	}
	for (int i = 0; i < 16; i++) {
		s[i] += start[i];
		memcpy(block + i * 4, &s[i], 4);
	}
}

/* The key is both: for the first half of block 0 it makes the next key. */
static void next_key(struct random *random)
{
	uint8_t block[64];
	chacha20_block(random->key, 0, (const uint32_t[3]){0}, block);
	memcpy(random->key, block, sizeof(random->key));
}

void random_mix(struct random *random, const void *seed, size_t bytes)
{
	const uint8_t *from = seed;
	while (bytes > 0) {
		uint8_t part[sizeof(random->key)] = {0};
		size_t length = bytes < sizeof(part) ? bytes : sizeof(part);
		memcpy(part, from, length);
		for (size_t i = 0; i < sizeof(part); i++)
			((uint8_t *)random->key)[i] ^= part[i];
		next_key(random);
		from += length;
		bytes -= length;
	}
}

void random_bytes(struct random *random, void *data, size_t bytes)
{
	uint8_t *to = data, block[64];
	for (uint32_t counter = 1; bytes > 0; counter++) {
		size_t length = bytes < sizeof(block) ? bytes : sizeof(block);
		chacha20_block(random->key, counter, (const uint32_t[3]){0}, block);
		memcpy(to, block, length);
		to += length;
		bytes -= length;
	}
	next_key(random);
}

int random_processor(uint64_t *word)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if ((ecx & 1u << 30) == 0)
		return 0;
	/* SDM vol. 1, "Random Number Generator Instructions": ten tries. All zeros or ones are what broken ones have given. */
	for (int i = 0; i < 10; i++) {
		uint8_t good;
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(good) : : "cc");
		if (good && *word != 0 && *word != UINT64_MAX)
			return 1;
	}
	return 0;
}
