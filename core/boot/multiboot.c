/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/multiboot.c: see boot.h. The information lies in memory that the firmware's map does not spare, so everything is copied.
 */
#include "core/boot/boot.h"
#include "lib/string.h"

enum tag_type {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MEMORY_MAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_EFI32 = 11,
	TAG_EFI64 = 12,
	TAG_RSDP_1 = 14,
	TAG_RSDP_2 = 15,
};

#define HEADER_BYTES	   8
#define MODULE_HEADER	   16
#define MAP_HEADER	   16
#define MAP_ENTRY	   24
#define FRAMEBUFFER_HEADER 30

enum memory_type { MEMORY_RAM = 1, MEMORY_ACPI = 3, MEMORY_NVS = 4 };
enum framebuffer_type { FRAMEBUFFER_DIRECT = 1, FRAMEBUFFER_TEXT = 2 };

struct tag {
	uint32_t type, bytes;
	const uint8_t *data; /* the header included */
};

static uint64_t number(const struct tag *tag, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;
	memcpy(&value, tag->data + offset, length);
	return value;
}

/* A string in a tag: cut where it does not fit; without its zero, it ends with the tag. Nothing but printable characters goes on from here. */
static void copy_text(char *to, uint32_t room, const struct tag *tag, uint32_t offset)
{
	uint32_t length = 0;
	for (; offset < tag->bytes && tag->data[offset] != 0 && length + 1 < room; offset++) {
		uint8_t c = tag->data[offset];
		to[length++] = c >= ' ' && c < 0x7f ? (char)c : '?';
	}
	to[length] = 0;
}

static const char *parse_module(struct boot_info *info, const struct tag *tag)
{
	if (tag->bytes < MODULE_HEADER)
		return "the boot loader's description of a module is cut off";
	if (info->module_count == BOOT_MODULES_MAX)
		return "there are too many boot modules";
	struct boot_module *module = &info->module[info->module_count++];
	uint64_t start = number(tag, 8, 4), end = number(tag, 12, 4);
	if (end < start || start % PAGE_SIZE != 0)
		return "a boot module does not begin at a page boundary, or ends before it begins";
	module->start = hpa(start);
	module->bytes = end - start;
	copy_text(module->name, sizeof(module->name), tag, MODULE_HEADER);
	return NULL;
}

/* Two passes: whatever overlaps, memory that any entry calls something else is not RAM. */
static const char *parse_memory(struct boot_info *info, const struct tag *tag)
{
	uint32_t step = tag->bytes >= MAP_HEADER ? number(tag, 8, 4) : 0;
	bool complete = true;
	if (info->usable_bytes != 0)
		return "the boot loader gives two memory maps";
	if (step < MAP_ENTRY || step > tag->bytes)
		return "the boot loader's memory map has entries of an impossible size";
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t at = MAP_HEADER; at + step <= tag->bytes; at += step) {
			uint64_t start = number(tag, at, 8), length = number(tag, at + 8, 8);
			uint64_t end = length > UINT64_MAX - start ? UINT64_MAX : start + length;
			uint32_t type = number(tag, at + 16, 4);
			if (length == 0 || (type == MEMORY_RAM) != (pass == 0))
				continue;
			if (type == MEMORY_RAM) {
				memory_map_add(&info->memory, start, end); /* what does not fit is lost, no more */
				continue;
			}
			memory_map_remove(&info->memory, start, end);
			complete &= memory_map_cover(
				type == MEMORY_ACPI || type == MEMORY_NVS ? &info->firmware : &info->reserved, start,
				end);
		}
	}
	info->usable_bytes = memory_map_bytes(&info->memory);
	return complete ? NULL : "the firmware's memory map has too many ranges";
}

static void parse_framebuffer(struct boot_info *info, const struct tag *tag)
{
	struct boot_framebuffer *to = &info->framebuffer;
	if (tag->bytes < FRAMEBUFFER_HEADER)
		return;
	uint8_t type = tag->data[29];
	to->text = type == FRAMEBUFFER_TEXT;
	to->pitch = number(tag, 16, 4);
	to->width = number(tag, 20, 4);
	to->height = number(tag, 24, 4);
	to->pixel_bytes = (tag->data[28] + 7) / 8;
	if (type == FRAMEBUFFER_DIRECT && to->pixel_bytes >= 2 && to->pixel_bytes <= 4 && to->width >= 64 &&
		to->width <= 16384 && to->height >= 64 && to->height <= 16384 &&
		to->pitch >= to->width * to->pixel_bytes && to->pitch <= 1u << 18)
		to->address = hpa(number(tag, 8, 8));
}

static void parse_rsdp(struct boot_info *info, const struct tag *tag)
{
	uint32_t bytes = tag->bytes - HEADER_BYTES;
	/* The new form wins over the old, in whichever order they come. */
	if (tag->type == TAG_RSDP_1 && info->rsdp_bytes > 20)
		return;
	info->rsdp_bytes = bytes < sizeof(info->rsdp_copy) ? bytes : sizeof(info->rsdp_copy);
	memcpy(info->rsdp_copy, tag->data + HEADER_BYTES, info->rsdp_bytes);
}

static const char *parse_tag(struct boot_info *info, const struct tag *tag)
{
	switch (tag->type) {
	case TAG_COMMAND_LINE: copy_text(info->command_line, sizeof(info->command_line), tag, HEADER_BYTES); break;
	case TAG_LOADER: copy_text(info->loader, sizeof(info->loader), tag, HEADER_BYTES); break;
	case TAG_MODULE: return parse_module(info, tag);
	case TAG_MEMORY_MAP: return parse_memory(info, tag);
	case TAG_FRAMEBUFFER: parse_framebuffer(info, tag); break;
	case TAG_EFI32:
	case TAG_EFI64: info->uefi = true; break;
	case TAG_RSDP_1:
	case TAG_RSDP_2: parse_rsdp(info, tag); break;
	}
	return NULL;
}

const char *multiboot_parse(struct boot_info *info, const void *information, uint32_t bytes)
{
	const uint8_t *data = information;
	memset(info, 0, sizeof(*info));
	info->framebuffer.text = true; /* with a BIOS that says nothing else */
	uint32_t total = 0;
	if (bytes >= HEADER_BYTES)
		memcpy(&total, data, 4);
	if (total < HEADER_BYTES || total > bytes)
		return "the boot loader's information has an impossible length";
	for (uint32_t at = HEADER_BYTES; at + HEADER_BYTES <= total;) {
		struct tag tag = {.data = data + at};
		memcpy(&tag.type, tag.data, 4);
		memcpy(&tag.bytes, tag.data + 4, 4);
		if (tag.bytes < HEADER_BYTES || tag.bytes > total - at)
			return "the boot loader's information is cut off";
		if (tag.type == TAG_END)
			break;
		const char *error = parse_tag(info, &tag);
		if (error)
			return error;
		at += (tag.bytes + 7) & ~7u;
	}
	if (info->usable_bytes == 0)
		return "the boot loader gives no memory map";
	info->framebuffer.text &= !info->uefi;
	return NULL;
}
