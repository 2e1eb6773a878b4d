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

enum memory_type { MEMORY_RAM = 1, MEMORY_ACPI = 3, MEMORY_NVS = 4 };
#define FRAMEBUFFER_DIRECT 1 /* of colours: the one type that is used */

/* As they lie, each at a multiple of 8 bytes. */
struct tag {
	uint32_t type, bytes; /* this header included */
	union {
		struct {
			uint32_t start, end;
		} module; /* then its name */
		struct {
			uint32_t entry_bytes, version;
		} memory; /* then entries */
		struct {
			uint64_t address;
			uint32_t pitch, width, height;
			uint8_t bits, type;
		} __attribute__((packed)) framebuffer;
	};
} __attribute__((packed));
#define HEADER_BYTES	  8
#define TAG_BYTES(member) (HEADER_BYTES + (uint32_t)sizeof(((struct tag *)0)->member))

struct memory_entry {
	uint64_t start, length;
	uint32_t type, reserved;
} __attribute__((packed));

/* A string in a tag, up to a character or a zero: cut where it does not fit; without its zero, it ends with the tag. Nothing but printable characters goes on from here. */
static void copy_text(char *to, uint32_t room, const struct tag *tag, uint32_t offset, char stop)
{
	const char *text = (const char *)tag;
	uint32_t length = 0;
	for (; offset < tag->bytes && text[offset] != 0 && text[offset] != stop && length + 1 < room; offset++)
		to[length++] = text[offset] >= ' ' && text[offset] < 0x7f ? text[offset] : '?';
	to[length] = 0;
}

static const char *parse_module(struct boot_info *info, const struct tag *tag)
{
	if (tag->bytes < TAG_BYTES(module))
		return "the boot loader's description of a module is cut off";
	if (info->told.modules == GYRE_BOOT_MODULES)
		return "there are too many boot modules";
	if (tag->module.end < tag->module.start || tag->module.start % PAGE_SIZE != 0)
		return "a boot module does not begin at a page boundary, or ends before it begins";
	struct gyre_boot_module *module = &info->told.module[info->told.modules++];
	module->first_page = tag->module.start / PAGE_SIZE;
	module->bytes = tag->module.end - tag->module.start;
	copy_text(module->name, sizeof(module->name), tag, TAG_BYTES(module), ' ');
	return NULL;
}

/* Two passes: whatever overlaps, memory that any entry calls something else is not RAM. */
static const char *parse_memory(struct boot_info *info, const struct tag *tag)
{
	uint32_t step = tag->bytes >= TAG_BYTES(memory) ? tag->memory.entry_bytes : 0;
	bool complete = true;
	if (info->usable_bytes != 0)
		return "the boot loader gives two memory maps";
	if (step < sizeof(struct memory_entry) || step > tag->bytes)
		return "the boot loader's memory map has entries of an impossible size";
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t at = TAG_BYTES(memory); at + step <= tag->bytes; at += step) {
			const struct memory_entry *entry = (const void *)((const char *)tag + at);
			uint64_t start = entry->start, end = start + entry->length;
			if (end < start)
				end = UINT64_MAX;
			if (pass == 0 && entry->type == MEMORY_RAM)
				memory_map_add(&info->memory, start, end); /* what does not fit is lost, no more */
			if (pass == 0 || entry->type == MEMORY_RAM || start == end)
				continue;
			bool acpi = entry->type == MEMORY_ACPI || entry->type == MEMORY_NVS;
			memory_map_remove(&info->memory, start, end);
			complete &= memory_map_cover(acpi ? &info->firmware : &info->reserved, start, end);
		}
	}
	info->usable_bytes = memory_map_bytes(&info->memory);
	return complete ? NULL : "the firmware's memory map has too many ranges";
}

static void parse_framebuffer(struct boot_info *info, const struct tag *tag)
{
	struct boot_framebuffer *to = &info->framebuffer;
	if (tag->bytes < TAG_BYTES(framebuffer))
		return;
	*to = (struct boot_framebuffer){.pitch = tag->framebuffer.pitch,
		.width = tag->framebuffer.width,
		.height = tag->framebuffer.height,
		.pixel_bytes = (tag->framebuffer.bits + 7) / 8};
	if (tag->framebuffer.type == FRAMEBUFFER_DIRECT && to->pixel_bytes >= 2 && to->pixel_bytes <= 4 &&
		to->width <= to->pitch / to->pixel_bytes)
		to->address = hpa(tag->framebuffer.address);
}

static void parse_rsdp(struct boot_info *info, const struct tag *tag)
{
	uint32_t bytes = tag->bytes - HEADER_BYTES;
	/* The new form wins over the old, in whichever order they come. */
	if (tag->type == TAG_RSDP_1 && info->rsdp_bytes > 20)
		return;
	info->rsdp_bytes = bytes < sizeof(info->rsdp_copy) ? bytes : sizeof(info->rsdp_copy);
	memcpy(info->rsdp_copy, (const char *)tag + HEADER_BYTES, info->rsdp_bytes);
}

static const char *parse_tag(struct boot_info *info, const struct tag *tag)
{
	switch (tag->type) {
	case TAG_COMMAND_LINE: copy_text(info->told.command_line, GYRE_BOOT_LINE, tag, HEADER_BYTES, 0); break;
	case TAG_LOADER: copy_text(info->loader, sizeof(info->loader), tag, HEADER_BYTES, 0); break;
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
	const uint32_t *total = information;
	memset(info, 0, sizeof(*info));
	if (bytes < HEADER_BYTES || *total < HEADER_BYTES || *total > bytes)
		return "the boot loader's information has an impossible length";
	for (uint32_t at = HEADER_BYTES; at + HEADER_BYTES <= *total;) {
		const struct tag *tag = (const void *)((const char *)information + at);
		if (tag->bytes < HEADER_BYTES || tag->bytes > *total - at)
			return "the boot loader's information is cut off";
		if (tag->type == TAG_END)
			break;
		const char *error = parse_tag(info, tag);
		if (error)
			return error;
		at += (tag->bytes + 7) & ~7u;
	}
	if (info->usable_bytes == 0)
		return "the boot loader gives no memory map";
	return NULL;
}
