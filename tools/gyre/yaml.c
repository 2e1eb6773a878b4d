/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/yaml.c: reads a VM's description from YAML, or from JSON, which is YAML too. Strict: every message names the file and the line.
 * The schema is three levels deep, so that nothing here recurses, whatever a file's aliases say.
 */
#include "tools/gyre/description.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DESCRIPTION_BYTES (1 * MIB)

struct reader {
	const char *path;
	char *folder;
	yaml_document_t *document;
	struct vm_description *vm;
};

static int wrong(const struct reader *reader, const yaml_node_t *node, int status, const char *what, const char *why)
{
	return fail(status, "%s:%zu: %s%s%s", reader->path, node->start_mark.line + 1, what, *what ? ": " : "", why);
}

static int wrong_key(
	const struct reader *reader, const yaml_node_t *node, const char *key, const char *const *names, size_t count)
{
	const char *nearest = nearest_name(key, names, count);

	if (nearest)
		return fail(GYRE_STATUS_USAGE, "%s:%zu: unknown key \"%s\": did you mean \"%s\"?", reader->path,
			node->start_mark.line + 1, key, nearest);
	return fail(GYRE_STATUS_USAGE, "%s:%zu: unknown key \"%s\": gyre show --help lists the keys", reader->path,
		node->start_mark.line + 1, key);
}

/* The text of a scalar, or NULL: of another kind, or with a zero byte inside. */
static const char *scalar(const yaml_node_t *node)
{
	if (!node || node->type != YAML_SCALAR_NODE)
		return NULL;
	const char *text = (const char *)node->data.scalar.value;
	return strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *kind_words(enum vm_kind kind)
{
	switch (kind) {
	case VM_PATH: return "takes a file's name";
	case VM_SIZE: return "takes a size, as in 512M or 4G";
	case VM_COUNT: return "takes a number";
	case VM_BOOLEAN: return "takes true or false";
	case VM_INITRDS: return "takes a file's name, or a list of names or of {file: NAME, arguments: TEXT}";
	default: return "takes a text";
	}
}

/* {file: NAME, arguments: TEXT} */
static int initrd_mapping(struct reader *reader, const yaml_node_t *node)
{
	static const char *const names[] = {"file", "arguments"};
	const char *value[2] = {NULL, NULL};
	struct problem problem;

	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
		const char *name = scalar(key);
		const char *text = scalar(yaml_document_get_node(reader->document, pair->value));
		if (!name)
			return wrong(reader, key, GYRE_STATUS_USAGE, "initrd", kind_words(VM_INITRDS));
		int index = !strcmp(name, names[0]) ? 0 : !strcmp(name, names[1]) ? 1 : -1;
		if (index < 0)
			return wrong_key(reader, key, name, names, 2);
		if (value[index])
			return wrong(reader, key, GYRE_STATUS_USAGE, name, "is given twice");
		if (!text)
			return wrong(reader, key, GYRE_STATUS_USAGE, name, "takes a text");
		value[index] = text;
	}
	if (!value[0])
		return wrong(reader, node, GYRE_STATUS_USAGE, "initrd", "file: NAME is missing");
	if (!vm_add_initrd(reader->vm, value[0], value[1], reader->folder, &problem))
		return wrong(reader, node, problem.status, "initrd", problem.text);
	return 0;
}

static int initrd_item(struct reader *reader, const yaml_node_t *node)
{
	struct problem problem;
	const char *text = scalar(node);

	if (node->type == YAML_MAPPING_NODE)
		return initrd_mapping(reader, node);
	if (!text)
		return wrong(reader, node, GYRE_STATUS_USAGE, "initrd", kind_words(VM_INITRDS));
	if (!vm_add_initrd(reader->vm, text, NULL, reader->folder, &problem))
		return wrong(reader, node, problem.status, "initrd", problem.text);
	return 0;
}

static int initrd_list(struct reader *reader, const yaml_node_t *node)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return initrd_item(reader, node);
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		int status = initrd_item(reader, yaml_document_get_node(reader->document, *item));
		if (status)
			return status;
	}
	return 0;
}

static int one_key(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value, uint32_t *seen)
{
	const char *names[VM_KEY_COUNT];
	const char *name = scalar(key);
	struct problem problem;
	enum vm_key index = 0;

	for (unsigned i = 0; i < VM_KEY_COUNT; i++)
		names[i] = vm_key[i].name;
	if (!name)
		return wrong(reader, key, GYRE_STATUS_USAGE, "", "a key must be a plain word");
	while (index < VM_KEY_COUNT && strcmp(name, names[index]))
		index++;
	if (index == VM_KEY_COUNT)
		return wrong_key(reader, key, name, names, VM_KEY_COUNT);
	if (*seen & 1u << index)
		return wrong(reader, key, GYRE_STATUS_USAGE, name, "is given twice");
	*seen |= 1u << index;
	if (vm_key[index].later)
		return wrong(
			reader, key, GYRE_STATUS_USAGE, name, "this version of Gyre has not got it yet: leave it out");
	if (vm_key[index].kind == VM_INITRDS)
		return initrd_list(reader, value);

	/* "true" and "1" in quotes are texts; a key without a value is a mistake. */
	const char *text = scalar(value);
	bool typed = vm_key[index].kind == VM_COUNT || vm_key[index].kind == VM_BOOLEAN;
	if (!text || (typed && !is_plain(value)) || (!*text && is_plain(value)))
		return wrong(reader, value, GYRE_STATUS_USAGE, name, kind_words(vm_key[index].kind));
	if (!vm_set(reader->vm, index, text, reader->folder, &problem))
		return wrong(reader, value, problem.status, name, problem.text);
	return 0;
}

/* The file's name without folder and extension, unless the description has a name. */
static int name_from_path(struct reader *reader)
{
	struct problem problem;
	char *copy = text_copy(reader->path), *name = basename(copy), *dot = strrchr(name, '.');
	int status = 0;

	if (dot)
		*dot = 0;
	if (!vm_set(reader->vm, VM_KEY_NAME, name, NULL, &problem))
		status = fail(GYRE_STATUS_USAGE,
			"%s: the file's name gives the VM's name, and %s (or write name: NAME)", reader->path,
			problem.text);
	free(copy);
	return status;
}

static int read_document(struct reader *reader)
{
	yaml_node_t *root = yaml_document_get_root_node(reader->document);
	uint32_t seen = 0;

	if (!root)
		return fail(GYRE_STATUS_USAGE, "%s: the description is empty: gyre show --help lists the keys",
			reader->path);
	if (root->type != YAML_MAPPING_NODE)
		return wrong(reader, root, GYRE_STATUS_USAGE, "",
			"a description is lines of key: value; gyre show --help lists the keys");
	for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
		int status = one_key(reader, yaml_document_get_node(reader->document, pair->key),
			yaml_document_get_node(reader->document, pair->value), &seen);
		if (status)
			return status;
	}
	return reader->vm->name ? 0 : name_from_path(reader);
}

static int syntax_error(const char *path, const yaml_parser_t *parser)
{
	return fail(GYRE_STATUS_USAGE, "%s:%zu: this is no YAML: %s", path, parser->problem_mark.line + 1,
		parser->problem ? parser->problem : "it cannot be read");
}

static int parse(struct reader *reader, const unsigned char *text, size_t bytes)
{
	yaml_document_t document, more;
	yaml_parser_t parser;
	int status;

	if (!yaml_parser_initialize(&parser))
		return fail(GYRE_STATUS_FAILED, "out of memory");
	yaml_parser_set_input_string(&parser, text, bytes);
	if (!yaml_parser_load(&parser, &document)) {
		status = syntax_error(reader->path, &parser);
		yaml_parser_delete(&parser);
		return status;
	}
	reader->document = &document;
	status = read_document(reader);
	if (!status) {
		if (!yaml_parser_load(&parser, &more)) {
			status = syntax_error(reader->path, &parser);
		} else {
			if (yaml_document_get_root_node(&more))
				status = fail(GYRE_STATUS_USAGE,
					"%s: there is a second document: a file describes one VM", reader->path);
			yaml_document_delete(&more);
		}
	}
	reader->document = NULL;
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return status;
}

int description_read(struct description *description, const char *path)
{
	if (description->vms == GYRE_CONFIG_VMS)
		return fail(GYRE_STATUS_USAGE, "%s: these are more than %u VMs", path, GYRE_CONFIG_VMS);
	FILE *file = fopen(path, "rb");
	if (!file)
		return fail(errno == ENOENT || errno == ENOTDIR ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_FAILED, "%s: %s",
			path, strerror(errno));
	unsigned char *text = allocate(DESCRIPTION_BYTES + 1);
	size_t bytes = fread(text, 1, DESCRIPTION_BYTES + 1, file);
	int status = 0;
	if (ferror(file))
		status = fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
	else if (bytes > DESCRIPTION_BYTES)
		status = fail(GYRE_STATUS_USAGE, "%s is no description: it is larger than 1M", path);
	fclose(file);

	if (!status) {
		char *copy = text_copy(path);
		struct reader reader = {
			.path = path,
			.folder = text_copy(dirname(copy)),
			.vm = &description->vm[description->vms],
		};
		vm_init(reader.vm, path);
		status = parse(&reader, text, bytes);
		if (!status)
			description->vms++;
		free(reader.folder);
		free(copy);
	}
	free(text);
	return status;
}
