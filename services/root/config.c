/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/config.c: see config.h. */
#include "services/root/config.h"
#include "lib/crc32.h"
#include "lib/format.h"
#include "lib/string.h"
#include "gyre/errors.h"

#define KNOWN_VM_FLAGS                                                                                                 \
	(GYRE_VM_TEST_DEVICE | GYRE_VM_NO_REBOOT | GYRE_VM_TRACE | GYRE_VM_ACCEPT_LEAKS | GYRE_VM_COUNTERS |           \
		GYRE_VM_DEBUG | GYRE_VM_DEBUG_RUN | GYRE_VM_NO_START | GYRE_VM_RECREATE)
#define KNOWN_FLAGS	(GYRE_CONFIG_EMULATED | GYRE_CONFIG_NO_REBOOT | GYRE_CONFIG_CONTROL)
#define MEMORY_MOST	(1ull << 46)
#define MEMORY_MULTIPLE (2ull << 20)

#define FAULT(fault, ...)                                                                                              \
	(gyre_snprintf((fault)->text, sizeof((fault)->text), __VA_ARGS__), (fault)->status = GYRE_STATUS_FAILED,       \
		-GYRE_EPROTO)

static int header_check(const struct gyre_config_header *header, uint64_t bytes, struct config_fault *fault)
{
	if (bytes < sizeof(*header))
		return FAULT(fault, "the description is cut short: %lu bytes", (unsigned long)bytes);
	if (header->magic != GYRE_CONFIG_MAGIC)
		return FAULT(fault, "the module \"config\" is no description");
	if (header->version != GYRE_CONFIG_VERSION)
		return FAULT(fault, "the description has version %u, this Gyre reads %u: make the image again",
			header->version, GYRE_CONFIG_VERSION);
	if (header->total_bytes < sizeof(*header) || header->total_bytes > bytes)
		return FAULT(fault, "the description is cut short: %lu of %u bytes", (unsigned long)bytes,
			header->total_bytes);
	struct gyre_config_header copy = *header;
	copy.crc32 = 0;
	uint32_t crc = gyre_crc32(0, &copy, sizeof(copy));
	crc = gyre_crc32(crc, header + 1, header->total_bytes - sizeof(*header));
	if (crc != header->crc32)
		return FAULT(fault, "the description is corrupt: its checksum is %08x and should be %08x", crc,
			header->crc32);
	return 0;
}

static int layout_check(const struct gyre_config_header *header, struct config *config, struct config_fault *fault)
{
	if (header->vms == 0 || header->vms > GYRE_CONFIG_VMS)
		return FAULT(fault, "the description has %u VMs, possible are 1 to %u", header->vms, GYRE_CONFIG_VMS);
	uint64_t table_end = sizeof(*header) + (uint64_t)header->vms * sizeof(struct gyre_config_vm);
	if (table_end > header->total_bytes)
		return FAULT(fault, "the description is too small for its %u VMs", header->vms);
	if (header->text < table_end || header->text > header->total_bytes ||
		header->text_bytes > header->total_bytes - header->text || header->entropy_bytes >= header->text_bytes)
		return FAULT(fault, "the description's text lies outside it");
	config->header = header;
	config->vm = (const void *)(header + 1);
	config->text = (const char *)header + header->text;
	config->entropy = (const uint8_t *)config->text + header->text_bytes - header->entropy_bytes;
	/* The last byte before the entropy ends a string, so every offset below it is that of one. */
	if (config->text[0] != 0 || config->text[header->text_bytes - header->entropy_bytes - 1] != 0)
		return FAULT(fault, "the description's text is not terminated");
	if ((header->flags & ~KNOWN_FLAGS) != 0)
		return FAULT(fault, "the description has unknown flags %x", header->flags & ~KNOWN_FLAGS);
	return 0;
}

static int name_valid(const char name[GYRE_NAME_BYTES])
{
	unsigned length = 0;
	while (length < GYRE_NAME_BYTES && name[length] != 0) {
		char c = name[length++];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return 0;
	}
	return length > 0 && length < GYRE_NAME_BYTES;
}

static int text_valid(const struct config *config, uint32_t offset)
{
	return offset < config->header->text_bytes - config->header->entropy_bytes;
}

static int vm_texts_valid(const struct config *config, const struct gyre_config_vm *vm)
{
	if (!text_valid(config, vm->append) || !text_valid(config, vm->kernel_name))
		return 0;
	for (uint32_t i = 0; i < vm->initrds; i++)
		if (!text_valid(config, vm->initrd[i].arguments))
			return 0;
	return 1;
}

static int vm_check(const struct config *config, uint32_t number, struct config_fault *fault)
{
	const struct gyre_config_vm *vm = &config->vm[number];
	if (!name_valid(vm->name))
		return FAULT(fault, "the name of VM %u is not made of a-z, 0-9 and -", number);
	for (uint32_t i = 0; i < number; i++)
		if (strcmp(config->vm[i].name, vm->name) == 0)
			return FAULT(fault, "two VMs are named %s", vm->name);
	if (vm->memory < MEMORY_MULTIPLE || vm->memory > MEMORY_MOST || vm->memory % MEMORY_MULTIPLE != 0)
		return FAULT(fault, "%s: memory must be a multiple of 2M", vm->name);
	if (vm->cpus == 0)
		return FAULT(fault, "%s: a VM has at least one CPU", vm->name);
	if (vm->level != GYRE_LEVEL_PORTABLE_1 && vm->level != GYRE_LEVEL_HOST)
		return FAULT(fault, "%s: unknown CPU level %u", vm->name, vm->level);
	if ((vm->flags & ~KNOWN_VM_FLAGS) != 0)
		return FAULT(fault, "%s: unknown flags %x", vm->name, vm->flags & ~KNOWN_VM_FLAGS);
	if ((vm->flags & GYRE_VM_RECREATE) != 0 && (config->header->flags & GYRE_CONFIG_EMULATED) == 0)
		return FAULT(fault, "%s: its monitor is made anew only in tests, on an emulated machine", vm->name);
	if ((vm->flags & GYRE_VM_RECREATE) != 0 && (vm->flags & GYRE_VM_DEBUG) != 0)
		return FAULT(fault, "%s: a debugger keeps its monitor as it is: leave --test-recreate out", vm->name);
	if (vm->restart > GYRE_RESTART_ALWAYS)
		return FAULT(fault, "%s: unknown rule for restarts %u", vm->name, vm->restart);
	if (vm->initrds > GYRE_CONFIG_INITRDS)
		return FAULT(fault, "%s: %u initrds, possible are %u", vm->name, vm->initrds, GYRE_CONFIG_INITRDS);
	if (!vm_texts_valid(config, vm))
		return FAULT(fault, "%s: a text lies outside the description", vm->name);
	if (vm->firmware != GYRE_NO_FILE || vm->cdrom != GYRE_NO_FILE)
		return FAULT(fault, "%s: firmware and CD-ROM are not in this version", vm->name);
	if (vm->kernel == GYRE_NO_FILE)
		return FAULT(fault, "%s: no kernel", vm->name);
	return 0;
}

int config_check(const void *data, uint64_t bytes, struct config *config, struct config_fault *fault)
{
	const struct gyre_config_header *header = data;
	memset(config, 0, sizeof(*config));
	memset(fault, 0, sizeof(*fault));
	int error = header_check(header, bytes, fault);
	if (error == 0)
		error = layout_check(header, config, fault);
	for (uint32_t i = 0; error == 0 && i < header->vms; i++)
		error = vm_check(config, i, fault);
	return error;
}
