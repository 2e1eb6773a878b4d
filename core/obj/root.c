/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/root.c: the first process, made of the boot module "root". All that can be wrong here is
 * the boot loader's or the builder's doing: it ends in a panic with words.
 */
#include "core/obj/call.h"
#include "core/obj/elf.h"
#include "core/x86/cpu_features.h"
#include "core/x86/entry.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "gyre/boot.h"
#include "lib/string.h"

#define ROOT_PRIORITY	  32
#define ROOT_INFO_ADDRESS 0x00007fffffff0000ul

static struct process root;
struct quota home_quota;
/* Mapped into root: whole pages with nothing else in them. */
static union {
	struct gyre_boot_info info;
	char pages[(sizeof(struct gyre_boot_info) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)];
} told __attribute__((aligned(PAGE_SIZE)));

static void need(bool enough)
{
	if (!enough)
		panic("the pool is too small; give more by pool=");
}

static void give(struct object *object, uint32_t rights, uint32_t expected)
{
	int64_t number = handle_create(&root, object, object_types[object->type].rights & rights, 0);
	if (number != expected)
		panic("root's handle %u became %ld", expected, (long)number);
}

/* ---- memory ---- */

static struct memory *memory_of_ranges(const struct boot_memory_map *map, struct quota *quota)
{
	uint64_t end = map->count == 0 ? PAGE_SIZE : map->range[map->count - 1].end;
	struct memory *memory = memory_create(&root, end >> PAGE_SHIFT);
	need(memory != NULL);
	memory->tree.quota = quota;
	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t first = map->range[i].start >> PAGE_SHIFT;
		need(memory_add(memory, first, first, (map->range[i].end >> PAGE_SHIFT) - first));
	}
	return memory;
}

/* What root may look at and nobody may change. */
static struct memory *memory_fixed(struct memory *memory)
{
	need(memory != NULL);
	memory->fixed = true;
	memory->rights = GYRE_RIGHT_READ;
	return memory;
}

/* Pages of the core's own image. */
static struct memory *memory_of_image(const void *start, uint64_t bytes)
{
	struct memory *memory = memory_fixed(memory_create(&root, bytes / PAGE_SIZE));
	need(memory_add(memory, 0, image_physical(start).value >> PAGE_SHIFT, bytes / PAGE_SIZE));
	return memory;
}

static void give_memory(const struct boot_info *boot)
{
	struct machine *machine = OBJECT_CREATE(&root, GYRE_OBJECT_MACHINE, machine);
	need(machine != NULL);
	memory_ram = memory_of_ranges(&boot->memory, &home_quota);
	memory_ram->home = true;
	struct memory *firmware = memory_fixed(memory_of_ranges(&boot->firmware, &root.quota));
	give(&memory_ram->object, GYRE_RIGHT_ALL, GYRE_ROOT_RAM);
	give(&firmware->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, GYRE_ROOT_FIRMWARE);
	give(&machine->object, GYRE_RIGHT_ALL, GYRE_ROOT_MACHINE);
	give(&memory_of_image(&log_memory, sizeof(log_memory))->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY,
		GYRE_ROOT_LOG);
}

/* ---- what root is told ---- */

static uint32_t ranges_tell(struct gyre_boot_range *to, const struct boot_memory_map *map)
{
	uint32_t count = map->count < GYRE_BOOT_RANGES ? map->count : GYRE_BOOT_RANGES;
	for (uint32_t i = 0; i < count; i++) {
		to[i].first_page = map->range[i].start >> PAGE_SHIFT;
		to[i].pages = (map->range[i].end - map->range[i].start) >> PAGE_SHIFT;
	}
	return count;
}

static void tell(struct gyre_boot_info *info, const struct boot_info *boot)
{
	*info = boot->told;
	info->magic = GYRE_BOOT_MAGIC;
	info->bytes = sizeof(*info);
	info->ranges = ranges_tell(info->range, &boot->memory);
	ranges_tell(info->firmware, &boot->firmware);
}

/* ---- the image ---- */

static void map_whole(struct memory *memory, uint64_t address, uint32_t rights)
{
	struct map_request request = {memory, 0, address >> PAGE_SHIFT, memory->pages, rights};
	while (request.pages > 0) {
		int64_t n = aspace_map(&root.aspace, &request);
		if (n <= 0)
			panic("root can't be mapped at 0x%lx: error %ld", address, (long)-n);
		request.offset += (uint64_t)n;
		request.page += (uint64_t)n;
		request.pages -= (uint64_t)n;
	}
}

static void load_segment(struct cpu *cpu, hpa_t file, const struct elf_segment *load)
{
	struct memory *memory = memory_create_core(&root, (load->bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	need(memory != NULL);
	for (uint64_t done = 0; done < load->file_bytes; done += PAGE_SIZE) {
		uint64_t bytes = load->file_bytes - done < PAGE_SIZE ? load->file_bytes - done : PAGE_SIZE;
		physical_read(cpu, frame_virtual(memory_core_page(memory, done / PAGE_SIZE)),
			hpa(file.value + load->offset + done), bytes);
	}
	map_whole(memory, load->address,
		GYRE_RIGHT_READ | ((load->flags & ELF_FLAG_WRITE) != 0 ? GYRE_RIGHT_WRITE : 0) |
			((load->flags & ELF_FLAG_EXEC) != 0 ? GYRE_RIGHT_EXEC : 0));
}

/* Its entry. */
static uint64_t load_image(struct cpu *cpu)
{
	static union {
		struct elf_header elf;
		char bytes[PAGE_SIZE];
	} head;
	uint32_t i = 0;
	while (i < told.info.modules && strcmp(told.info.module[i].name, "root") != 0)
		i++;
	if (i == told.info.modules)
		panic("there is no boot module named \"root\"");
	uint64_t bytes = told.info.module[i].bytes;
	hpa_t file = hpa(told.info.module[i].first_page << PAGE_SHIFT);
	size_t head_bytes = bytes < sizeof(head) ? bytes : sizeof(head);
	physical_read(cpu, &head, file, head_bytes);
	if (!elf_good(&head.elf, head_bytes, bytes))
		panic("the boot module \"root\" is no ELF executable for x86-64, or not all of it");
	for (i = 0; i < head.elf.segment_count; i++)
		if (head.elf.segment[i].type == ELF_LOAD)
			load_segment(cpu, file, &head.elf.segment[i]);
	return head.elf.entry;
}

/* ---- all together ---- */

/* Tables of the tree when every second of its last-level ones is in pieces: more than that, and punched pages wait until some are whole again. */
static uint64_t home_frames(const struct boot_info *boot)
{
	uint64_t pages = memory_map_bytes(&boot->memory) >> PAGE_SHIFT;
	uint64_t wanted = 16 + 2 * boot->memory.count + pages / 512 / 2, most = frame_pool_free() / 4;
	return wanted < most ? wanted : most;
}

void root_start(struct cpu *cpu, const struct boot_info *boot)
{
	struct thread *thread;
	pagetable_process.max_leaf = cpu_features.pages_1g ? 2 : 1;
	uint64_t home = home_frames(boot);
	need(frame_pool_free() >= home + POOL_RESERVE + 64);
	home_quota.given = quota_used(&home_quota) + home;
	home_quota.free = home;
	need(process_init_root(&root, frame_pool_free() - home - POOL_RESERVE) == 0);
	tell(&told.info, boot);
	map_whole(memory_of_image(&told, sizeof(told)), ROOT_INFO_ADDRESS, GYRE_RIGHT_READ);
	struct thread_start start = {
		.entry = load_image(cpu), .argument = ROOT_INFO_ADDRESS, .priority = ROOT_PRIORITY, .cpu = cpu->index};
	need(thread_create(&root, &start, &thread) == 0);
	thread->essential = true;
	give(&root.object, GYRE_RIGHT_ALL, GYRE_ROOT_PROCESS);
	give(&thread->object, GYRE_RIGHT_ALL, GYRE_ROOT_THREAD);
	give_memory(boot);
	log_info("root: entry 0x%lx, %lu frames", start.entry, root.quota.given);
	thread_start(cpu, thread);
	paging_seal();
	core_enter(cpu);
}
