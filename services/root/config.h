/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/config.h: the check of the table of VMs (include/gyre/config.h). It came through a boot loader, from anyone's disk: nothing in it is
 * used before config_check() has seen all of it. It lies in memory that root alone has mapped, read-only, so it stays as it was checked.
 */
#ifndef ROOT_CONFIG_H
#define ROOT_CONFIG_H

#include <stdint.h>
#include "gyre/config.h"

struct config {
	const struct gyre_config_header *header;
	const struct gyre_config_vm *vm; /* header->vms of them */
	const char *text;		 /* every offset in a checked entry is that of a terminated string */
	const uint8_t *entropy;		 /* header->entropy_bytes */
};

struct config_fault {
	int status;	/* GYRE_STATUS_ */
	char text[112]; /* what is wrong, for people */
};

/* 0, or -GYRE_EPROTO with the fault. */
int config_check(const void *data, uint64_t bytes, struct config *config, struct config_fault *fault);

#endif
