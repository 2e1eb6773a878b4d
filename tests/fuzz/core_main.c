/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/core_main.c: fuzz_core without libFuzzer, for the measurement of what it reaches: programs that are made of a seed, always the same.
 *   fuzz_core FIRST COUNT BYTES     runs COUNT programs of seeds FIRST and up; says how often each call was made; 1: a call was never reached
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fuzz/core_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dull;
}

int main(int count, char **words)
{
	if (count != 4) {
		fprintf(stderr, "usage: fuzz_core FIRST COUNT BYTES\n");
		return 2;
	}
	const uint64_t first = strtoull(words[1], NULL, 0), programs = strtoull(words[2], NULL, 0);
	const size_t bytes = strtoull(words[3], NULL, 0);
	uint8_t *program = malloc(bytes + 1);
	for (uint64_t i = 0; i < programs && program != NULL; i++) {
		uint64_t seed = (first + i + 1) * 0x9e3779b97f4a7c15ull;
		for (size_t n = 0; n < bytes; n++)
			program[n] = (uint8_t)(next(&seed) >> 32);
		LLVMFuzzerTestOneInput(program, bytes);
	}
	free(program);
	return report_print() ? 0 : 1;
}
