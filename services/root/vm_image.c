/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/vm_image.c: a monitor's program, or the console service's. Its file is checked as if it were hostile: it is a boot module like any other. */
#include "services/root/root.h"
#include "services/root/vm.h"
#include "lib/elf.h"
#include "lib/format.h"
#include "lib/string.h"

#define IMAGE_PAGES_MOST 1024u
#define IMAGE_START	 0x400000ull /* lib/native.ld; start block and channel lie below */

static uint64_t page_down(uint64_t value)
{
	return value & ~4095ull;
}

static uint64_t page_up(uint64_t value)
{
	return page_down(value + 4095);
}

static const char *segment_fault(const struct elf_segment *segment)
{
	if (segment->address < IMAGE_START || segment->bytes > IMAGE_PAGES_MOST * 4096 ||
		segment->address > IMAGE_START + IMAGE_PAGES_MOST * 4096 - segment->bytes)
		return "a segment lies outside the memory of a program's image";
	if (segment->address % 4096 != 0)
		return "a segment does not begin with a page";
	if ((segment->flags & ELF_SEGMENT_WRITE) != 0 && (segment->flags & ELF_SEGMENT_EXEC) != 0)
		return "a segment is writable and executable";
	return NULL;
}

int vm_image_check(
	const char *name, struct elf_image *image, uint64_t *address, uint64_t *pages, struct config_fault *fault)
{
	const char *reason;
	const struct gyre_boot_module *module = file_find(name);
	if (module == NULL)
		return VM_FAULT(
			fault, GYRE_STATUS_NOT_FOUND, "the boot module \"%s\" is missing: make the image again", name);
	const void *file = file_map(module);
	if (file == NULL)
		return VM_FAULT(
			fault, GYRE_STATUS_FAILED, "the boot module \"%s\" is empty: make the image again", name);
	int error = elf_parse(file, module->bytes, image, &reason);
	file_unmap(module);
	uint64_t low = UINT64_MAX, high = 0;
	for (uint32_t i = 0; error == 0 && i < image->segments; i++) {
		const struct elf_segment *segment = &image->segment[i];
		if ((reason = segment_fault(segment)) != NULL)
			error = -GYRE_EPROTO;
		low = segment->address < low ? segment->address : low;
		high = segment->address + segment->bytes > high ? segment->address + segment->bytes : high;
	}
	if (error < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "the boot module \"%s\" is corrupt: %s", name, reason);
	*address = low;
	*pages = (page_up(high) - low) / 4096;
	return 0;
}

/* The image is already zero. */
static void segments_copy(const struct vm *vm, const struct elf_image *image, const uint8_t *file)
{
	for (uint32_t i = 0; i < image->segments; i++) {
		const struct elf_segment *segment = &image->segment[i];
		memcpy((uint8_t *)WINDOW_IMAGE + (segment->address - vm->image_address), file + segment->offset,
			segment->file_bytes);
	}
}

static int segments_map(const struct vm *vm, const struct elf_image *image)
{
	for (uint32_t i = 0; i < image->segments; i++) {
		const struct elf_segment *segment = &image->segment[i];
		uint32_t rights = GYRE_RIGHT_READ | ((segment->flags & ELF_SEGMENT_WRITE) != 0 ? GYRE_RIGHT_WRITE : 0) |
				  ((segment->flags & ELF_SEGMENT_EXEC) != 0 ? GYRE_RIGHT_EXEC : 0);
		long error = memory_map_all(vm->process, vm->own,
			IMAGE_OFFSET + (segment->address - vm->image_address) / 4096, segment->address,
			page_up(segment->bytes) / 4096, rights);
		if (error < 0)
			return (int)error;
	}
	return 0;
}

int vm_image_load(const char *name, struct vm *vm, const struct elf_image *image, struct config_fault *fault)
{
	const struct gyre_boot_module *module = file_find(name);
	const uint8_t *file = module != NULL ? file_map(module) : NULL;
	long error = file == NULL ? -GYRE_ENOENT
				  : memory_map_all(0, vm->own, IMAGE_OFFSET, WINDOW_IMAGE, vm->image_pages,
					    GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	if (error == 0)
		segments_copy(vm, image, file);
	memory_unmap_all(0, WINDOW_IMAGE, vm->image_pages);
	if (file != NULL)
		file_unmap(module);
	if (error == 0)
		error = segments_map(vm, image);
	if (error < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its %s could not be loaded (error %d)", name, (int)error);
	return 0;
}

/* ---- again, for the next process of a VM: tests do it ten thousand times ---- */

#define WRITABLE_BYTES 4096u

/* What the monitor's file says is kept: little of it is in segments that can be written, and what can only be read is as it was. */
static struct {
	int known;
	struct elf_image image;
	uint8_t data[WRITABLE_BYTES]; /* the writable segments', one after the other */
} again;

static int again_know(struct config_fault *fault)
{
	const struct gyre_boot_module *module = file_find("monitor");
	uint64_t address, pages, used = 0;
	int error = vm_image_check("monitor", &again.image, &address, &pages, fault);
	const uint8_t *file = error < 0 ? NULL : file_map(module);
	if (file == NULL)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its monitor's file cannot be read again");
	for (uint32_t i = 0; i < again.image.segments; i++) {
		const struct elf_segment *segment = &again.image.segment[i];
		if ((segment->flags & ELF_SEGMENT_WRITE) == 0)
			continue;
		if (segment->file_bytes > WRITABLE_BYTES - used)
			error = -GYRE_ENOMEM;
		else
			memcpy(again.data + used, file + segment->offset, segment->file_bytes);
		used += segment->file_bytes;
	}
	file_unmap(module);
	if (error < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its monitor has more data than is made anew");
	again.known = 1;
	return 0;
}

static int segment_again(const struct vm *vm, const struct elf_segment *segment, const uint8_t *data)
{
	uint64_t offset = IMAGE_OFFSET + (segment->address - vm->image_address) / 4096,
		 pages = page_up(segment->bytes) / 4096;
	long error = memory_map_all(0, vm->own, offset, WINDOW_IMAGE, pages, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	if (error == 0) {
		memcpy((void *)WINDOW_IMAGE, data, segment->file_bytes);
		memset((uint8_t *)WINDOW_IMAGE + segment->file_bytes, 0, pages * 4096 - segment->file_bytes);
	}
	memory_unmap_all(0, WINDOW_IMAGE, pages);
	return (int)error;
}

int vm_image_again(struct vm *vm, uint64_t *entry, struct config_fault *fault)
{
	const uint8_t *data = again.data;
	int error = again.known ? 0 : again_know(fault);
	if (error < 0)
		return error;
	*entry = again.image.entry;
	for (uint32_t i = 0; error == 0 && i < again.image.segments; i++) {
		const struct elf_segment *segment = &again.image.segment[i];
		if ((segment->flags & ELF_SEGMENT_WRITE) == 0)
			continue;
		error = segment_again(vm, segment, data);
		data += segment->file_bytes;
	}
	if (error == 0)
		error = segments_map(vm, &again.image);
	if (error < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its monitor could not be loaded again (error %d)", error);
	return 0;
}
