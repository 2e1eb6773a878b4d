/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/random.h: random bytes from a seed: ChaCha20 (RFC 8439) whose key is replaced by its own output after every request, so that what was given
 * cannot be computed from what is in memory now.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint32_t key[8];
};

/* One block of ChaCha20: RFC 8439, section "The ChaCha20 Block Function". */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t block[64]);

/* Adds to the state; never makes it worse. */
void random_mix(struct random *random, const void *seed, size_t bytes);
void random_bytes(struct random *random, void *data, size_t bytes);

/* One word of the processor's generator (RDRAND), if it has one: 1, else 0. */
int random_processor(uint64_t *word);

#endif
