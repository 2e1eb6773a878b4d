/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: lib/elf.c */
/* tests/fuzz/fuzz_lib_elf.c: any file: what the parser lets pass can be copied without leaving the file. */
#include <stdint.h>
#include <stdlib.h>
#include "lib/elf.h"

static volatile uint8_t read_all; /* keeps the reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct elf_image image;
	const char *reason;
	if (elf_parse(data, bytes, &image, &reason) < 0)
		return reason == NULL ? abort(), 0 : 0;
	for (uint32_t i = 0; i < image.segments; i++) {
		const struct elf_segment *segment = &image.segment[i];
		uint8_t sum = 0;
		for (uint64_t at = 0; at < segment->file_bytes; at++)
			sum ^= data[segment->offset + at];
		if (segment->file_bytes > segment->bytes || segment->bytes == 0)
			abort();
		read_all = sum;
	}
	return 0;
}
