/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: services/root/config.c services/root/s5.c lib/crc32.c lib/format.c lib/frame.c */
/* tests/fuzz/fuzz_root_config.c: what comes to root from outside: a description (its checksum made right), AML, and a line of frames. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/crc32.h"
#include "lib/frame.h"
#include "services/root/config.h"
#include "services/root/s5.h"

static void description(uint8_t *data, size_t bytes)
{
	struct gyre_config_header *header = (struct gyre_config_header *)data;
	struct config config;
	struct config_fault fault;
	if (bytes < sizeof(*header))
		return;
	header->magic = GYRE_CONFIG_MAGIC;
	header->version = GYRE_CONFIG_VERSION;
	header->total_bytes = (uint32_t)bytes;
	header->crc32 = 0;
	header->crc32 = gyre_crc32(0, data, bytes);
	if (config_check(data, bytes, &config, &fault) < 0)
		return;
	for (uint32_t i = 0; i < header->vms; i++) {
		const struct gyre_config_vm *vm = &config.vm[i];
		size_t length = strlen(vm->name) + strlen(config.text + vm->append) +
				strlen(config.text + vm->kernel_name);
		for (uint32_t n = 0; n < vm->initrds; n++)
			length += strlen(config.text + vm->initrd[n].arguments);
		if (length > bytes * 12)
			abort();
	}
}

static void frames(const uint8_t *data, size_t bytes)
{
	static struct frame_decoder decoder;
	frame_decoder_init(&decoder);
	for (size_t at = 0; at < bytes;) {
		int complete;
		size_t taken = frame_decode(&decoder, data + at, bytes - at, &complete);
		if (taken == 0 || taken > bytes - at || decoder.have > sizeof(decoder.bytes))
			abort();
		at += taken;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t type_a, type_b, *copy = malloc(bytes ? bytes : 1);
	memcpy(copy, data, bytes);
	s5_find(copy, (uint32_t)bytes, &type_a, &type_b);
	frames(copy, bytes);
	description(copy, bytes);
	free(copy);
	return 0;
}
