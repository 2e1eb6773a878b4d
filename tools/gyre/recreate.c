/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/recreate.c: the value of --test-recreate. */
#include "tools/gyre/description.h"

#include <stdlib.h>
#include <string.h>

static int part_set(struct vm_description *vm, const char *part)
{
	static const char *const names[] = {"first:", "every:", "seed:"};
	uint32_t *const places[] = {&vm->recreate_first, &vm->recreate_every, &vm->recreate_seed};
	uint64_t number;

	for (unsigned i = 0; i < 3; i++) {
		size_t length = strlen(names[i]);
		if (strncmp(part, names[i], length) || !number_parse(part + length, 0, UINT32_MAX, &number))
			continue;
		*places[i] = (uint32_t)number;
		return 0;
	}
	return fail(GYRE_STATUS_USAGE, "--test-recreate: \"%s\" is none of first:N, every:N, seed:N", part);
}

int vm_set_recreate(struct vm_description *vm, const char *value)
{
	char *parts = text_copy(value), *next = parts, *part;
	int status = 0;

	while (!status && (part = strsep(&next, ",")))
		status = part_set(vm, part);
	free(parts);
	vm->recreate = true;
	return status;
}
