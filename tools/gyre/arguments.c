/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/arguments.c: options with their values, VMs inline or by file. */
#include "tools/gyre/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MOST 64

/* The option that an argument starts, "--name" or "--name=value". */
static bool names_option(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(argument, name, length) && (!argument[length] || argument[length] == '=');
}

/* Where the value is: behind "=" or in the next argument. */
static int take_value(char ***next, const char *name, const char **value)
{
	const char *argument = **next;

	(*next)++;
	if (argument[strlen(name)] == '=') {
		*value = argument + strlen(name) + 1;
		return 0;
	}
	if (!**next)
		return fail(GYRE_STATUS_USAGE, "%s needs a value behind it", name);
	*value = *(*next)++;
	return 0;
}

static int no_value(const char *argument, const char *name)
{
	return argument[strlen(name)] ? fail(GYRE_STATUS_USAGE, "%s takes no value", name) : 0;
}

static int refused_later(const char *name)
{
	return fail(GYRE_STATUS_USAGE, "%s: this version of Gyre has not got it yet", name);
}

static int vm_begin(const struct arguments *arguments, const char *name)
{
	struct description *description = arguments->description;
	struct problem problem;

	if (description->vms == GYRE_CONFIG_VMS)
		return fail(GYRE_STATUS_USAGE, "--vm %s: these are more than %u VMs", name, GYRE_CONFIG_VMS);
	struct vm_description *vm = &description->vm[description->vms++];
	char *source = text_format("--vm %s", name);
	vm_init(vm, source);
	free(source);
	if (!vm_set(vm, VM_KEY_NAME, name, NULL, &problem))
		return fail(problem.status, "--vm: %s", problem.text);
	return 0;
}

/* 'FILE ARGUMENTS' */
static bool initrd_flag(struct vm_description *vm, const char *value, struct problem *problem)
{
	char *file = text_copy(value), *space = strchr(file, ' ');

	if (space)
		*space++ = 0;
	bool good = vm_add_initrd(vm, file, space, NULL, problem);
	free(file);
	return good;
}

static int vm_option(const struct arguments *arguments, enum vm_key key, char ***next, struct vm_description **vm)
{
	const char *flag = vm_key[key].flag, *value = "true";
	struct problem problem;
	int status = vm_key[key].kind == VM_BOOLEAN ? no_value(**next, flag) : 0;

	if (vm_key[key].later)
		return refused_later(flag);
	if (!status && vm_key[key].kind == VM_BOOLEAN)
		(*next)++;
	else if (!status)
		status = take_value(next, flag, &value);
	if (status)
		return status;
	if (key == VM_KEY_NAME) {
		status = vm_begin(arguments, value);
		*vm = &arguments->description->vm[arguments->description->vms - !!arguments->description->vms];
		return status;
	}
	if (!*vm)
		return fail(GYRE_STATUS_USAGE, "%s belongs to a VM: write --vm NAME before it", flag);
	if (!(key == VM_KEY_INITRD ? initrd_flag(*vm, value, &problem) : vm_set(*vm, key, value, NULL, &problem)))
		return fail(problem.status, "%s (of %s): %s", flag, (*vm)->source, problem.text);
	return 0;
}

static int command_option(const struct arguments *arguments, const struct option_spec *option, char ***next)
{
	const char *value = "";
	int status;

	if (option->later)
		return refused_later(option->name);
	if (option->takes_value) {
		status = take_value(next, option->name, &value);
	} else {
		status = no_value(**next, option->name);
		(*next)++;
	}
	return status ? status : option->set(arguments->command, value);
}

static int unknown_option(const struct arguments *arguments, const char *argument)
{
	const char *names[OPTIONS_MOST];
	char *name = text_copy(argument);
	size_t count = 0;

	name[strcspn(name, "=")] = 0;
	for (const struct option_spec *option = arguments->options; option->name && count < OPTIONS_MOST; option++)
		names[count++] = option->name;
	for (unsigned key = 0; arguments->description && key < VM_KEY_COUNT && count < OPTIONS_MOST; key++)
		if (vm_key[key].flag)
			names[count++] = vm_key[key].flag;
	const char *nearest = nearest_name(name, names, count);
	return nearest ? fail(GYRE_STATUS_USAGE, "unknown option %s: did you mean %s?", name, nearest)
		       : fail(GYRE_STATUS_USAGE, "unknown option %s: --help lists the options", name);
}

static int one_argument(const struct arguments *arguments, char ***next, struct vm_description **vm)
{
	const char *argument = **next;

	for (const struct option_spec *option = arguments->options; option->name; option++)
		if (names_option(argument, option->name))
			return command_option(arguments, option, next);
	for (unsigned key = 0; arguments->description && key < VM_KEY_COUNT; key++)
		if (vm_key[key].flag && names_option(argument, vm_key[key].flag))
			return vm_option(arguments, key, next, vm);
	if (argument[0] == '-' && argument[1])
		return unknown_option(arguments, argument);
	(*next)++;
	if (arguments->word)
		return arguments->word(arguments->command, argument);
	if (!arguments->description)
		return fail(GYRE_STATUS_USAGE, "\"%s\" means nothing here: --help says what does", argument);
	/* The options of an inline VM end where a file begins. */
	*vm = NULL;
	return description_read(arguments->description, argument);
}

int arguments_parse(const struct arguments *arguments, char **argv)
{
	struct vm_description *vm = NULL;
	char **next = argv;

	/* Help is given whatever else is wrong. */
	for (char **word = argv; *word && strcmp(*word, "--"); word++) {
		if (!strcmp(*word, "--help") || !strcmp(*word, "-h")) {
			fputs(arguments->help, stdout);
			return 0;
		}
	}
	while (*next) {
		if (!strcmp(*next, "--")) {
			if (!arguments->rest)
				return fail(GYRE_STATUS_USAGE, "nothing can stand behind -- here");
			*arguments->rest = next + 1;
			break;
		}
		int status = one_argument(arguments, &next, &vm);
		if (status)
			return status;
	}
	return -1;
}
