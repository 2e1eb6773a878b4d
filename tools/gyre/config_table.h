/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/config_table.h: descriptions as the flat binary table of include/gyre/config.h, so that no text parser runs on Gyre.
 */
#ifndef TOOLS_GYRE_CONFIG_TABLE_H
#define TOOLS_GYRE_CONFIG_TABLE_H

#include "tools/gyre/description.h"

#define CONFIG_ENTROPY_BYTES 256u

/* A kernel and its initrds, for each VM: more than any description has. */
#define CONFIG_FILES (GYRE_CONFIG_VMS * (1 + GYRE_CONFIG_INITRDS))

struct config_table {
	uint8_t *bytes;
	uint32_t length;
	/* The boot modules file0, file1 ...; each path once. Borrowed from the description. */
	const char *file[CONFIG_FILES];
	unsigned files;
};

/* header_flags: GYRE_CONFIG_; vm_flags: GYRE_VM_, set for every VM. repeatable: a fixed pattern in place of random bytes, for runs that
 * must be equal. 0 or an exit code, said. */
int config_table_make(struct config_table *table, const struct description *description, uint32_t header_flags,
	uint32_t vm_flags, bool repeatable);

#endif
