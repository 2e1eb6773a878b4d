/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/image.c: `gyre image`: VMs and Gyre as an ISO that a machine boots under BIOS or UEFI. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"
#include "tools/gyre/iso.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
	"usage: gyre image -o FILE.iso [options] VM...\n"
	"\n"
	"Makes an ISO that boots Gyre with these VMs, under BIOS and UEFI. A VM's console is COM1; several share it, "
	"and\n"
	"there Ctrl-] and then a digit shows that VM, [ looks back in it, Ctrl-] sends Ctrl-].\n"
	"\n"
	"  -o FILE                  the image\n"
	"  --no-reboot              a reset ends the VM\n"
	"  --core-option KEY=VALUE  for the core's command line; may be repeated\n"
	"  --lib-dir FOLDER         where gyre-core.elf, root.elf and monitor.elf are, if not beside gyre\n"
	"\n"
	"VM: NAME.yaml (gyre show --help has its keys), or inline:\n"
	"  --vm NAME --kernel FILE [--append TEXT] [--initrd 'FILE [ARGUMENTS]']... [--memory SIZE] [--cpus N]\n"
	"  [--level portable-1|host] [--test-device]\n";

struct image {
	struct iso iso;
};

static int set_output(void *command, const char *value)
{
	struct image *image = command;

	if (image->iso.output)
		return fail(GYRE_STATUS_USAGE, "-o is given twice");
	if (!*value)
		return fail(GYRE_STATUS_USAGE, "-o needs a file's name");
	image->iso.output = value;
	return 0;
}

static int set_no_reboot(void *command, const char *value)
{
	struct image *image = command;

	(void)value;
	image->iso.header_flags |= GYRE_CONFIG_NO_REBOOT;
	image->iso.vm_flags |= GYRE_VM_NO_REBOOT;
	return 0;
}

static int set_core_option(void *command, const char *value)
{
	return iso_core_option(&((struct image *)command)->iso, value);
}

static int set_lib_dir(void *command, const char *value)
{
	((struct image *)command)->iso.lib_dir = value;
	return 0;
}

static const struct option_spec options[] = {
	{.name = "-o", .takes_value = true, .set = set_output},
	{.name = "--no-reboot", .set = set_no_reboot},
	{.name = "--core-option", .takes_value = true, .set = set_core_option},
	{.name = "--lib-dir", .takes_value = true, .set = set_lib_dir},
	{.name = NULL},
};

int command_image(char **argv)
{
	static struct description description;
	struct image image = {.iso = {.description = &description, .bios = true, .uefi = true}};
	struct arguments arguments = {.options = options, .command = &image, .help = help, .description = &description};
	struct stat about;

	int status = arguments_parse(&arguments, argv);
	if (status >= 0)
		return status;
	if (!image.iso.output)
		return fail(GYRE_STATUS_USAGE, "image: name the file to make: -o FILE.iso");
	if (!description.vms)
		return fail(GYRE_STATUS_USAGE, "image: name a VM: a file NAME.yaml, or --vm NAME --kernel FILE");
	status = description_check(&description);
	if (status)
		return status;
	char *copy = text_copy(image.iso.output), *folder = dirname(copy);
	if (stat(image.iso.output, &about) == 0 && !S_ISREG(about.st_mode))
		return fail(GYRE_STATUS_FAILED, "%s is there and is no file: name another", image.iso.output);
	if (access(folder, W_OK) < 0)
		return fail(errno == ENOENT ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_FAILED, "%s: %s", folder,
			strerror(errno));
	free(copy);
	return iso_make(&image.iso, NULL);
}
