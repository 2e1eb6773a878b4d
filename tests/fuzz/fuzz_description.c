/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_description.c: a VM's description in any bytes. Whatever is accepted keeps to what the flat table can hold.
 */
/* unit-sources: tools/gyre/yaml.c tools/gyre/description.c tools/gyre/config_table.c tools/gyre/util.c lib/crc32.c */
/* unit-libs: -lyaml */
#include "tools/gyre/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The command ends after one description and leaves its memory to the system. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_table(const struct description *description)
{
	static struct config_table table;
	struct gyre_config_header header;
	struct gyre_config_vm vm;

	check(config_table_make(&table, description, 0, 0, true) == 0);
	memcpy(&header, table.bytes, sizeof(header));
	memcpy(&vm, table.bytes + sizeof(header), sizeof(vm));
	check(header.total_bytes == table.length && header.vms == 1);
	check(header.text + header.text_bytes == header.total_bytes);
	check(vm.append < header.text_bytes - header.entropy_bytes);
	check(vm.name[GYRE_NAME_BYTES - 1] == 0 && vm.name[0] != 0);
	check(vm.memory >= 2 * MIB && vm.memory % (2 * MIB) == 0);
	check(vm.cpus == 1 && vm.initrds <= GYRE_CONFIG_INITRDS && vm.kernel < table.files);
	free(table.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct description *description;
	static int file = -1;
	static char path[64];

	if (file < 0) {
		file = memfd_create("description", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		description = allocate(sizeof(*description));
		/* The refusals, one for nearly every input, are not read here. */
		stderr = fopen("/dev/null", "w");
	}
	check(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
	description->vms = 0;
	int status = description_read(description, path);
	check(status == 0 ? description->vms == 1
			  : description->vms == 0 && (status == 2 || status == 4 || status == 6));
	if (status == 0 && description_check(description) == 0)
		check_table(description);
	return 0;
}
