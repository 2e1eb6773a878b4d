/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/description.c: the keys of a VM's description, and what values they take. */
#include "tools/gyre/description.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VM_KEY_INFO(id, key_name, key_flag, key_kind, key_later)                                                       \
	[VM_KEY_##id] = {.name = key_name, .flag = key_flag, .kind = key_kind, .later = key_later},
const struct vm_key_info vm_key[VM_KEY_COUNT] = {VM_KEYS(VM_KEY_INFO)};

const char *level_name(enum gyre_level level)
{
	return level == GYRE_LEVEL_HOST ? "host" : "portable-1";
}

static const char *const restart_names[] = {"never", "on-failure", "always"};

const char *restart_name(enum gyre_restart restart)
{
	return restart_names[restart];
}

void vm_init(struct vm_description *vm, const char *source)
{
	memset(vm, 0, sizeof(*vm));
	vm->memory = VM_MEMORY_DEFAULT;
	vm->cpus = 1;
	vm->level = GYRE_LEVEL_PORTABLE_1;
	vm->start = true;
	vm->restart_limit = VM_RESTARTS_DEFAULT;
	vm->source = text_copy(source);
}

static bool refuse(struct problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct problem *problem, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(&problem->text, format, list) < 0)
		problem->text = text_copy("out of memory");
	va_end(list);
	problem->status = GYRE_STATUS_USAGE;
	return false;
}

static bool name_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	/* These stand before lines that are not a VM's. */
	static const char *const taken[] = {"core", "root", "gyre"};

	if (!*value || strlen(value) >= GYRE_NAME_BYTES ||
		strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(value) || *value == '-')
		return refuse(problem,
			"\"%s\" is no name for a VM: use a-z, 0-9 and -, a letter or digit first, at most %u of them",
			value, GYRE_NAME_BYTES - 1);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (!strcmp(value, taken[i]))
			return refuse(problem, "\"%s\" is a name that Gyre's own messages have: choose another", value);
	vm->name = text_copy(value);
	return true;
}

static bool memory_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	const char *wrong = size_parse(value, &vm->memory);

	if (wrong)
		return refuse(problem, "\"%s\" %s", value, wrong);
	if (vm->memory < VM_MEMORY_STEP || vm->memory % VM_MEMORY_STEP)
		return refuse(problem, "%s is no multiple of 2M, which a VM's memory must be", value);
	if (vm->memory > VM_MEMORY_MOST)
		return refuse(problem, "%s is more than the 256G that a VM can have", value);
	return true;
}

static bool cpus_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	uint64_t cpus;

	if (!number_parse(value, 1, 1024, &cpus))
		return refuse(problem, "\"%s\" is no number of CPUs: write 1", value);
	if (cpus > 1)
		return refuse(problem, "this version of Gyre has VMs of one CPU only: write 1");
	vm->cpus = (uint32_t)cpus;
	return true;
}

static bool level_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	if (!strcmp(value, "portable-1"))
		vm->level = GYRE_LEVEL_PORTABLE_1;
	else if (!strcmp(value, "host"))
		vm->level = GYRE_LEVEL_HOST;
	else if (!strcmp(value, "portable-2"))
		return refuse(problem, "this version of Gyre has no level portable-2: write portable-1 or host");
	else
		return refuse(problem, "\"%s\" is no CPU level: write portable-1 or host", value);
	return true;
}

static bool restart_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	for (unsigned i = 0; i < sizeof(restart_names) / sizeof(restart_names[0]); i++)
		if (!strcmp(value, restart_names[i])) {
			vm->restart = (enum gyre_restart)i;
			return true;
		}
	return refuse(problem, "\"%s\" is no rule for restarts: write never, on-failure or always", value);
}

static bool restart_limit_set(struct vm_description *vm, const char *value, struct problem *problem)
{
	uint64_t limit;

	if (!number_parse(value, 0, VM_RESTARTS_MOST, &limit))
		return refuse(problem, "\"%s\" is no number of restarts: write 1 to %u, or 0 for no limit", value,
			VM_RESTARTS_MOST);
	vm->restart_limit = (uint32_t)limit;
	return true;
}

static bool text_check(const char *value, struct problem *problem)
{
	if (strlen(value) >= VM_APPEND_BYTES)
		return refuse(problem, "the text is longer than %u bytes", VM_APPEND_BYTES - 1);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			return refuse(problem, "the text has a control character: write it on one line");
	return true;
}

/* A path in a description starts at the description's folder. */
static char *path_from(const char *folder, const char *path)
{
	return folder && *path != '/' ? text_format("%s/%s", folder, path) : text_copy(path);
}

static bool path_check(const char *path, struct problem *problem)
{
	struct stat about;
	int error = 0;

	if (!*path)
		return refuse(problem, "a file's name is missing");
	if (stat(path, &about) < 0 || access(path, R_OK) < 0) {
		error = errno;
		refuse(problem, "%s: %s", path, strerror(error));
	} else if (S_ISDIR(about.st_mode)) {
		refuse(problem, "%s is a folder: name a file", path);
	} else if (S_ISREG(about.st_mode) && about.st_size == 0) {
		refuse(problem, "%s is empty", path);
	} else {
		return true;
	}
	problem->status = error == ENOENT || error == ENOTDIR ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_FAILED;
	return false;
}

static bool boolean_set(bool *target, const char *value, struct problem *problem)
{
	if (strcmp(value, "true") && strcmp(value, "false"))
		return refuse(problem, "\"%s\" is neither true nor false", value);
	*target = *value == 't';
	return true;
}

bool vm_add_initrd(
	struct vm_description *vm, const char *file, const char *arguments, const char *folder, struct problem *problem)
{
	if (vm->initrds == GYRE_CONFIG_INITRDS)
		return refuse(problem, "a VM has at most %u of them", GYRE_CONFIG_INITRDS);
	char *path = path_from(folder, file);
	if ((arguments && !text_check(arguments, problem)) || !path_check(path, problem)) {
		free(path);
		return false;
	}
	vm->initrd[vm->initrds].file = path;
	vm->initrd[vm->initrds].name = text_copy(file);
	vm->initrd[vm->initrds++].arguments = arguments && *arguments ? text_copy(arguments) : NULL;
	vm->given |= 1u << VM_KEY_INITRD;
	return true;
}

bool vm_set(struct vm_description *vm, enum vm_key key, const char *value, const char *folder, struct problem *problem)
{
	bool good = true;

	if (vm_key[key].later)
		return refuse(problem, "this version of Gyre has not got it yet: leave it out");
	if (vm_key[key].kind != VM_INITRDS && (vm->given & 1u << key))
		return refuse(problem, "is given twice");
	switch (key) {
	case VM_KEY_NAME: good = name_set(vm, value, problem); break;
	case VM_KEY_MEMORY: good = memory_set(vm, value, problem); break;
	case VM_KEY_CPUS: good = cpus_set(vm, value, problem); break;
	case VM_KEY_LEVEL: good = level_set(vm, value, problem); break;
	case VM_KEY_KERNEL:
		vm->kernel = path_from(folder, value);
		vm->kernel_name = text_copy(value);
		good = text_check(value, problem) && path_check(*value ? vm->kernel : "", problem);
		break;
	case VM_KEY_APPEND:
		vm->append = text_copy(value);
		good = text_check(value, problem);
		break;
	case VM_KEY_INITRD: return vm_add_initrd(vm, value, NULL, folder, problem);
	case VM_KEY_TEST_DEVICE: good = boolean_set(&vm->test_device, value, problem); break;
	case VM_KEY_NO_REBOOT: good = boolean_set(&vm->no_reboot, value, problem); break;
	case VM_KEY_ACCEPT_LEAKS: good = boolean_set(&vm->accept_leaks, value, problem); break;
	case VM_KEY_START: good = boolean_set(&vm->start, value, problem); break;
	case VM_KEY_RESTART: good = restart_set(vm, value, problem); break;
	case VM_KEY_RESTART_LIMIT: good = restart_limit_set(vm, value, problem); break;
	default: return refuse(problem, "is no key of a VM");
	}
	if (good)
		vm->given |= 1u << key;
	return good;
}

int vm_check(const struct vm_description *vm)
{
	if (!vm->kernel)
		return fail(GYRE_STATUS_USAGE, "%s: there is no kernel: give one by %s", vm->source,
			strncmp(vm->source, "--", 2) ? "kernel: FILE" : "--kernel FILE");
	return 0;
}

int description_check(const struct description *description)
{
	for (unsigned i = 0; i < description->vms; i++) {
		int status = vm_check(&description->vm[i]);
		if (status)
			return status;
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(description->vm[i].name, description->vm[j].name))
				return fail(GYRE_STATUS_USAGE,
					"%s: another VM has the name %s already (%s): rename one of them",
					description->vm[i].source, description->vm[i].name, description->vm[j].source);
	}
	return 0;
}

uint64_t vm_file_bytes(const struct vm_description *vm)
{
	struct stat about;
	uint64_t bytes = stat(vm->kernel, &about) == 0 ? (uint64_t)about.st_size : 0;

	for (unsigned i = 0; i < vm->initrds; i++)
		if (stat(vm->initrd[i].file, &about) == 0)
			bytes += (uint64_t)about.st_size;
	return bytes;
}

uint64_t description_file_bytes(const struct description *description)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < description->vms; i++)
		bytes += vm_file_bytes(&description->vm[i]);
	return bytes;
}
