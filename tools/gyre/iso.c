/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/iso.c: lays out the boot files in a temporary folder and has grub-mkrescue make an ISO of them. */
#include "tools/gyre/iso.h"
#include "tools/gyre/config_table.h"
#include "tools/gyre/process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What GRUB needs to boot Gyre: with all of its modules the image would have 20 MiB instead of 5. */
#define GRUB_MODULES                                                                                                   \
	"multiboot2 normal iso9660 all_video part_msdos part_gpt fat search search_fs_file serial terminal echo halt " \
	"test boot"
#define GRUB_BIOS "/usr/lib/grub/i386-pc"
#define GRUB_UEFI "/usr/lib/grub/x86_64-efi"

int iso_core_option(struct iso *iso, const char *option)
{
	const char *equals = strchr(option, '=');

	/* GRUB's script, then the core reads it: nothing that either would take apart. */
	if (!equals || equals == option ||
		strspn(option, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:+/=") !=
			strlen(option))
		return fail(GYRE_STATUS_USAGE,
			"--core-option %s: write KEY=VALUE with letters, digits and any of _-.,:+/ in it", option);
	char *line = text_format(
		"%s%s%s", iso->core_line ? iso->core_line : "", iso->core_line && *iso->core_line ? " " : "", option);
	if (strlen(line) > 500)
		return fail(GYRE_STATUS_USAGE,
			"--core-option %s: the core's options are longer than 500 bytes together", option);
	free(iso->core_line);
	iso->core_line = line;
	return 0;
}

int iso_core_option_default(struct iso *iso, const char *option)
{
	size_t key = strcspn(option, "=") + 1;

	for (const char *given = iso->core_line; given && *given; given += strspn(given, " ")) {
		if (!strncmp(given, option, key))
			return 0;
		given += strcspn(given, " ");
	}
	return iso_core_option(iso, option);
}

static int missing(const char *what, const char *package)
{
	return fail(GYRE_STATUS_FAILED, "%s is missing: install the Debian package %s (apt-get install %s)", what,
		package, package);
}

static int check_tools(const struct iso *iso)
{
	static const char *const tools[][2] = {
		{"grub-mkrescue", "grub-common"}, {"xorriso", "xorriso"}, {"mformat", "mtools"}};

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char *path = program_path(tools[i][0]);
		if (!path)
			return missing(tools[i][0], tools[i][1]);
		free(path);
	}
	if (iso->bios && !file_exists(GRUB_BIOS "/moddep.lst"))
		return missing("GRUB for BIOS", "grub-pc-bin");
	if (iso->uefi && !file_exists(GRUB_UEFI "/moddep.lst"))
		return missing("GRUB for UEFI", "grub-efi-amd64-bin");
	return 0;
}

static int write_all(int fd, const void *bytes, size_t length, const char *path)
{
	for (const char *next = bytes; length;) {
		ssize_t done = write(fd, next, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
		next += done;
		length -= (size_t)done;
	}
	return 0;
}

static int write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
	int status = write_all(fd, bytes, length, path);
	if (close(fd) < 0 && !status)
		status = fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
	return status;
}

/* Copies, so that what boots is one state of the file, whoever writes it meanwhile. */
static int copy_file(const char *from, const char *folder, const char *name)
{
	char *to = text_format("%s/boot/gyre/%s", folder, name);
	int in = open(from, O_RDONLY | O_CLOEXEC), status = 0;

	if (in < 0)
		return fail(
			errno == ENOENT ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_FAILED, "%s: %s", from, strerror(errno));
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		status = fail(GYRE_STATUS_FAILED, "%s: %s", to, strerror(errno));
	static char bytes[256 * 1024];
	ssize_t got = 0;
	while (!status && (got = read(in, bytes, sizeof(bytes))) > 0)
		status = write_all(out, bytes, (size_t)got, to);
	if (!status && got < 0)
		status = fail(GYRE_STATUS_FAILED, "%s: %s", from, strerror(errno));
	close(in);
	if (out >= 0)
		close(out);
	free(to);
	return status;
}

/* The folder where the command's own file is: Gyre's binaries lie beside it. */
static char *own_folder(void)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length <= 0)
		return text_copy(".");
	path[length] = 0;
	return text_copy(dirname(path));
}

/* On a machine that has COM1 alone the consoles of several VMs need the service for it; one VM has the line for itself. */
static bool has_console(const struct iso *iso)
{
	return !iso->emulated && iso->description->vms > 1;
}

static int copy_gyre(const struct iso *iso, const char *folder)
{
	static const char *const parts[] = {"gyre-core.elf", "root.elf", "monitor.elf", "console.elf"};
	size_t count = sizeof(parts) / sizeof(parts[0]) - (has_console(iso) ? 0 : 1);
	char *own = own_folder();
	const char *lib = iso->lib_dir ? iso->lib_dir : own;
	int status = 0;

	for (size_t i = 0; i < count && !status; i++) {
		char *path = text_format("%s/%s", lib, parts[i]);
		if (!file_exists(path))
			status = fail(GYRE_STATUS_NOT_FOUND,
				"%s is not there: build Gyre by make, or name its folder by --lib-dir", path);
		else
			status = copy_file(path, folder, parts[i]);
		free(path);
	}
	free(own);
	return status;
}

/* Commands one inside the other's "if", so that the first that fails is the last. Every name in it is ours; the core's line is checked. */
static int write_grub_script(const struct iso *iso, const struct config_table *table, const char *folder)
{
	char *path = text_format("%s/boot/grub/grub.cfg", folder), *script = NULL;
	size_t length;
	FILE *out = open_memstream(&script, &length);
	unsigned depth = 4 + table->files + (has_console(iso) ? 1 : 0);

	if (!out)
		return fail(GYRE_STATUS_FAILED, "out of memory");
	if (iso->emulated)
		fputs("serial --unit=1 --speed=115200\nterminal_output serial\n", out);
	fputs("set timeout=0\nset pager=0\ninsmod all_video\n", out);
	fprintf(out, "if multiboot2 /boot/gyre/gyre-core.elf %s; then\n", iso->core_line ? iso->core_line : "");
	fputs("if module2 /boot/gyre/root.elf root; then\n"
	      "if module2 /boot/gyre/monitor.elf monitor; then\n"
	      "if module2 /boot/gyre/config config; then\n",
		out);
	if (has_console(iso))
		fputs("if module2 /boot/gyre/console.elf console; then\n", out);
	for (unsigned i = 0; i < table->files; i++)
		fprintf(out, "if module2 /boot/gyre/file%u file%u; then\n", i, i);
	fputs("boot\n", out);
	while (depth--)
		fputs("fi\n", out);
	fprintf(out, "echo \"Gyre could not be loaded.\"\n%s", iso->emulated ? "halt\n" : "");
	fclose(out);
	int status = write_file(path, script, length);
	free(script);
	free(path);
	return status;
}

static int lay_out(const struct iso *iso, const char *folder)
{
	static const char *const folders[] = {"boot", "boot/gyre", "boot/grub"};
	struct config_table *table = allocate(sizeof(*table));
	int status = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !status; i++) {
		char *path = text_format("%s/%s", folder, folders[i]);
		if (mkdir(path, 0700) < 0)
			status = fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
		free(path);
	}
	if (!status)
		status = config_table_make(table, iso->description, iso->header_flags, iso->vm_flags, iso->repeatable);
	if (!status) {
		char *path = text_format("%s/boot/gyre/config", folder);
		status = write_file(path, table->bytes, table->length);
		free(path);
	}
	if (!status)
		status = copy_gyre(iso, folder);
	for (unsigned i = 0; i < table->files && !status; i++) {
		char name[32];
		snprintf(name, sizeof(name), "file%u", i);
		status = copy_file(table->file[i], folder, name);
	}
	if (!status)
		status = write_grub_script(iso, table, folder);
	free(table->bytes);
	free(table);
	return status;
}

static int run_mkrescue(const struct iso *iso, const char *folder, const char *output, int *interrupted)
{
	const char *argv[16];
	struct tail *tail = allocate(sizeof(*tail));
	char *program = program_path("grub-mkrescue");
	int count = 0, status = 0;

	argv[count++] = program;
	/* Without -d it makes an image for every platform that is installed. */
	if (!iso->uefi || !iso->bios) {
		argv[count++] = "-d";
		argv[count++] = iso->bios ? GRUB_BIOS : GRUB_UEFI;
	}
	argv[count++] = "--locales=";
	argv[count++] = "--fonts=";
	argv[count++] = "--themes=";
	argv[count++] = "--install-modules=" GRUB_MODULES;
	argv[count++] = "-o";
	argv[count++] = output;
	argv[count++] = folder;
	argv[count] = NULL;
	int result = run_to_end((char *const *)argv, tail, interrupted);
	if (!*interrupted && result)
		status = fail(GYRE_STATUS_FAILED, "grub-mkrescue failed (%d):\n%s", result, tail_text(tail));
	else if (!*interrupted && !file_exists(output))
		status = fail(GYRE_STATUS_FAILED, "grub-mkrescue made no image:\n%s", tail_text(tail));
	free(program);
	free(tail);
	return status;
}

int iso_make(const struct iso *iso, const char *remove_too)
{
	int interrupted = 0, status = check_tools(iso);

	if (status)
		return status;
	/* From here on a signal waits until we look, so that the folder is removed. */
	signals_fd();
	char *folder = folder_make();
	if (!folder)
		return GYRE_STATUS_FAILED;
	/* A whole image or none, in a folder of its own beside the place: others may make the same one. */
	char *beside = text_format("%s.XXXXXX", iso->output);
	if (!mkdtemp(beside)) {
		status = fail(GYRE_STATUS_FAILED, "%s: %s", beside, strerror(errno));
		folder_remove(folder);
		return status;
	}
	char *unfinished = text_format("%s/image", beside);
	status = lay_out(iso, folder);
	if (!status)
		status = run_mkrescue(iso, folder, unfinished, &interrupted);
	if (!status && !interrupted && rename(unfinished, iso->output) < 0)
		status = fail(GYRE_STATUS_FAILED, "%s: %s", iso->output, strerror(errno));
	folder_remove(beside);
	free(beside);
	folder_remove(folder);
	free(unfinished);
	free(folder);
	if (interrupted) {
		if (remove_too)
			folder_remove(remove_too);
		die_of_signal(interrupted);
	}
	return status;
}
