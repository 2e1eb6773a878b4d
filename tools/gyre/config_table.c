/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/config_table.c: header, an entry for each VM, strings, and random bytes at the end of the strings. */
#include "tools/gyre/config_table.h"
#include "lib/crc32.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct text_area {
	char *bytes;
	uint32_t length;
};

/* The offset of a string in the text; 0 is the empty string, so also "none". */
static uint32_t text_add(struct text_area *text, const char *string)
{
	uint32_t offset = text->length, bytes = string ? (uint32_t)strlen(string) + 1 : 0;

	if (bytes <= 1)
		return 0;
	text->bytes = realloc(text->bytes, offset + bytes);
	if (!text->bytes)
		exit(fail(GYRE_STATUS_FAILED, "out of memory"));
	memcpy(text->bytes + offset, string, bytes);
	text->length += bytes;
	return offset;
}

static uint32_t file_add(struct config_table *table, const char *path)
{
	for (unsigned i = 0; i < table->files; i++)
		if (!strcmp(table->file[i], path))
			return i;
	table->file[table->files] = path;
	return table->files++;
}

/* What a Multiboot module is told: as a kernel's command line, it begins with the file's name. */
static uint32_t module_text(struct text_area *text, const struct vm_initrd *initrd)
{
	char *line = initrd->arguments ? text_format("%s %s", initrd->name, initrd->arguments)
				       : text_copy(initrd->name);
	uint32_t offset = text_add(text, line);

	free(line);
	return offset;
}

static void vm_entry(struct config_table *table, struct text_area *text, struct gyre_config_vm *entry,
	const struct vm_description *vm, uint32_t vm_flags)
{
	memcpy(entry->name, vm->name, strlen(vm->name));
	entry->memory = vm->memory;
	entry->cpus = vm->cpus;
	entry->level = vm->level;
	entry->flags = vm_flags | (vm->test_device ? GYRE_VM_TEST_DEVICE : 0) |
		       (vm->no_reboot ? GYRE_VM_NO_REBOOT : 0) | (vm->accept_leaks ? GYRE_VM_ACCEPT_LEAKS : 0);
	if (vm->debug)
		entry->flags |= GYRE_VM_DEBUG | (vm->debug_run ? GYRE_VM_DEBUG_RUN : 0);
	if (vm->recreate)
		entry->flags |= GYRE_VM_RECREATE;
	entry->recreate_first = vm->recreate_first;
	entry->recreate_every = vm->recreate_every;
	entry->recreate_seed = vm->recreate_seed;
	if (!vm->start)
		entry->flags |= GYRE_VM_NO_START;
	entry->restart = vm->restart;
	entry->restart_limit = vm->restart_limit;
	entry->kernel = file_add(table, vm->kernel);
	entry->kernel_name = text_add(text, vm->kernel_name);
	entry->append = text_add(text, vm->append);
	entry->initrds = vm->initrds;
	for (unsigned i = 0; i < vm->initrds; i++) {
		entry->initrd[i].file = file_add(table, vm->initrd[i].file);
		entry->initrd[i].arguments = module_text(text, &vm->initrd[i]);
	}
	for (unsigned i = vm->initrds; i < GYRE_CONFIG_INITRDS; i++)
		entry->initrd[i].file = GYRE_NO_FILE;
	entry->firmware = GYRE_NO_FILE;
	entry->cdrom = GYRE_NO_FILE;
}

int config_table_make(struct config_table *table, const struct description *description, uint32_t header_flags,
	uint32_t vm_flags, bool repeatable)
{
	struct gyre_config_header header = {
		.magic = GYRE_CONFIG_MAGIC,
		.version = GYRE_CONFIG_VERSION,
		.vms = description->vms,
		.flags = header_flags,
		.entropy_bytes = CONFIG_ENTROPY_BYTES,
	};
	struct text_area text = {.bytes = allocate(1), .length = 1};
	struct gyre_config_vm *entries = allocate(sizeof(*entries) * description->vms);
	uint8_t entropy[CONFIG_ENTROPY_BYTES];

	table->files = 0;
	for (unsigned i = 0; i < description->vms; i++)
		vm_entry(table, &text, &entries[i], &description->vm[i], vm_flags);
	for (size_t i = 0; i < sizeof(entropy); i++)
		entropy[i] = (uint8_t)i;
	if (!repeatable && getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
		return fail(GYRE_STATUS_FAILED, "no random bytes from the kernel: %s", strerror(errno));

	/* The random bytes are the last of the text, and no string reaches into them. */
	uint32_t entries_bytes = (uint32_t)sizeof(*entries) * description->vms;
	header.text = (uint32_t)sizeof(header) + entries_bytes;
	header.text_bytes = text.length + CONFIG_ENTROPY_BYTES;
	header.total_bytes = header.text + header.text_bytes;
	table->length = header.total_bytes;
	table->bytes = allocate(table->length);
	memcpy(table->bytes + sizeof(header), entries, entries_bytes);
	memcpy(table->bytes + header.text, text.bytes, text.length);
	memcpy(table->bytes + header.text + text.length, entropy, sizeof(entropy));
	memcpy(table->bytes, &header, sizeof(header));
	header.crc32 = gyre_crc32(0, table->bytes, table->length);
	memcpy(table->bytes, &header, sizeof(header));
	free(entries);
	free(text.bytes);
	return 0;
}
