/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/show.c: `gyre show`: checks descriptions and prints them back, complete, as JSON that is a description too, or as YAML. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: gyre show [--json] VM...\n"
	"\n"
	"Checks the descriptions of VMs and prints them with every value filled in.\n"
	"\n"
	"  --json    as JSON: an object for one VM, a list for several. An object is a description, as YAML is\n"
	"\n"
	"A description is a file NAME.yaml (or NAME.json) of lines \"key: value\":\n"
	"  name: web                   a-z, 0-9 and -; left out: the file's name\n"
	"  memory: 256M                K, M, G or T, all binary; a multiple of 2M\n"
	"  cpus: 1                     this version of Gyre has one\n"
	"  level: portable-1           or host: all that this machine's processor has\n"
	"  kernel: FILE                a bzImage, a PVH ELF or a Multiboot ELF; from the description's folder\n"
	"  append: TEXT                the kernel's command line\n"
	"  initrd: FILE                or a list of FILE or of {file: FILE, arguments: TEXT}\n"
	"  test_device: false          the debug-exit port and what else test kernels written for QEMU expect\n"
	"  no_reboot: false            a reset ends the VM\n"
	"  start: true                 false: it is started only when gyre control asks for it\n"
	"  restart: never              or on-failure, always: started again when it has ended, but not when that was "
	"asked for\n"
	"  restart_limit: 10           so often, and not more than once in a second; 0: without a limit\n"
	"  accept_leaks: false         starts also on a processor from whose leaks the guest can't protect itself\n"
	"or inline: --vm NAME --kernel FILE [--append TEXT] [--initrd 'FILE [ARGUMENTS]']... [--memory SIZE] [--cpus "
	"N]\n"
	"           [--level LEVEL] [--test-device] [--restart RULE] [--restart-limit N]\n";

struct show {
	bool json;
};

static int set_json(void *command, const char *value)
{
	(void)value;
	((struct show *)command)->json = true;
	return 0;
}

/* The description says the same wherever it is read from. */
static char *absolute(const char *path)
{
	char *whole = realpath(path, NULL);

	return whole ? whole : text_copy(path);
}

static json_t *text_json(char *text)
{
	/* A file's name need not be UTF-8; JSON must be. */
	json_t *json = json_string(text);

	if (!json)
		json = json_string("(not UTF-8)");
	free(text);
	return json;
}

static json_t *vm_json(const struct vm_description *vm)
{
	json_t *json = json_object(), *initrds = json_array();

	for (unsigned i = 0; i < vm->initrds; i++) {
		json_t *initrd = json_object();
		json_object_set_new(initrd, "file", text_json(absolute(vm->initrd[i].file)));
		if (vm->initrd[i].arguments)
			json_object_set_new(initrd, "arguments", text_json(text_copy(vm->initrd[i].arguments)));
		json_array_append_new(initrds, initrd);
	}
	json_object_set_new(json, "name", json_string(vm->name));
	json_object_set_new(json, "memory", text_json(size_text(vm->memory)));
	json_object_set_new(json, "cpus", json_integer(vm->cpus));
	json_object_set_new(json, "level", json_string(level_name(vm->level)));
	json_object_set_new(json, "kernel", text_json(absolute(vm->kernel)));
	json_object_set_new(json, "append", text_json(text_copy(vm->append ? vm->append : "")));
	json_object_set_new(json, "initrd", initrds);
	json_object_set_new(json, "test_device", json_boolean(vm->test_device));
	json_object_set_new(json, "no_reboot", json_boolean(vm->no_reboot));
	json_object_set_new(json, "accept_leaks", json_boolean(vm->accept_leaks));
	json_object_set_new(json, "start", json_boolean(vm->start));
	json_object_set_new(json, "restart", json_string(restart_name(vm->restart)));
	json_object_set_new(json, "restart_limit", json_integer(vm->restart_limit));
	return json;
}

/* A JSON string is a YAML string too, so that quoting is done by one hand. */
static void yaml_line(const char *key, json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	printf("%s: %s\n", key, text ? text : "");
	free(text);
}

static void yaml_print(json_t *json)
{
	const char *key;
	json_t *value, *initrd;
	size_t index;

	json_object_foreach(json, key, value)
	{
		if (!strcmp(key, "initrd") && json_array_size(value)) {
			puts("initrd:");
			json_array_foreach(value, index, initrd)
			{
				char *text = json_dumps(initrd, 0);
				printf("  - %s\n", text ? text : "");
				free(text);
			}
		} else if (!strcmp(key, "name") || !strcmp(key, "level") || !strcmp(key, "memory") ||
			   !strcmp(key, "restart")) {
			printf("%s: %s\n", key, json_string_value(value));
		} else {
			yaml_line(key, value);
		}
	}
}

int command_show(char **argv)
{
	static const struct option_spec options[] = {{.name = "--json", .set = set_json}, {.name = NULL}};
	static struct description description;
	struct show show = {0};
	struct arguments arguments = {.options = options, .command = &show, .help = help, .description = &description};

	int status = arguments_parse(&arguments, argv);
	if (status >= 0)
		return status;
	if (!description.vms)
		return fail(GYRE_STATUS_USAGE, "show: name a description: gyre show NAME.yaml");
	status = description_check(&description);
	if (status)
		return status;
	json_t *list = json_array();
	for (unsigned i = 0; i < description.vms; i++)
		json_array_append_new(list, vm_json(&description.vm[i]));
	if (show.json) {
		json_dumpf(description.vms == 1 ? json_array_get(list, 0) : list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		for (unsigned i = 0; i < description.vms; i++) {
			if (i)
				puts("---");
			yaml_print(json_array_get(list, i));
		}
	}
	json_decref(list);
	return fflush(stdout) ? fail(GYRE_STATUS_FAILED, "standard output cannot be written") : 0;
}
