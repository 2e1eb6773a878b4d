/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/iso.h: what a machine boots Gyre from: GRUB, the core, and its boot modules (root, the monitor, the table of VMs, their files).
 */
#ifndef TOOLS_GYRE_ISO_H
#define TOOLS_GYRE_ISO_H

#include "tools/gyre/description.h"

struct iso {
	const struct description *description;
	const char *output;
	const char *lib_dir; /* NULL: where the command itself is */
	uint32_t header_flags, vm_flags;
	char *core_line; /* the core's command line */
	bool bios, uefi;
	/* GRUB's own words go to COM2, and when it can't go on it switches the machine off, so that whoever reads COM2 learns why. */
	bool emulated;
	bool repeatable; /* nothing random in it */
};

/* Adds KEY=VALUE to the core's command line. 0 or an exit code, said. */
int iso_core_option(struct iso *iso, const char *option);
/* The same, where no value was asked for that key. */
int iso_core_option_default(struct iso *iso, const char *option);
/* 0 or an exit code, said. If a signal asks for it, ends the command with nothing left behind, nor the folder remove_too (or NULL). */
int iso_make(const struct iso *iso, const char *remove_too);

#endif
