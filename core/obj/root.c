/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/root.c: see root.h. All that can be wrong here is the boot loader's or the builder's doing: it ends in a panic with words.
 */
#include "core/obj/root.h"
#include "core/mem/memory.h"
#include "core/obj/call.h"
#include "core/obj/device.h"
#include "core/obj/elf.h"
#include "core/sched/sched.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu_features.h"
#include "core/x86/entry.h"
#include "core/x86/log.h"
#include "core/x86/window.h"
#include "gyre/boot.h"
#include "lib/string.h"

#define ROOT_PRIORITY	  32
#define ROOT_INFO_ADDRESS 0x00007fffffff0000ul
#define ROOT_INFO_PAGES	  2

static struct process root;
struct quota home_quota;

static const struct boot_module *module_find(const struct boot_info *boot, const char *name)
{
	size_t length = strlen(name);
	for (uint32_t i = 0; i < boot->module_count; i++) {
		const char *line = boot->module[i].name;
		if (strncmp(line, name, length) == 0 && (line[length] == 0 || line[length] == ' '))
			return &boot->module[i];
	}
	return NULL;
}

static void give(struct object *object, uint32_t rights, uint32_t expected)
{
	int64_t number = handle_create(&root, object, rights, 0);
	if (number != expected)
		panic("root's handle %u became %ld", expected, (long)number);
}

/* ---- memory ---- */

static uint64_t map_end(const struct boot_memory_map *map)
{
	return map->count == 0 ? PAGE_SIZE : map->range[map->count - 1].end;
}

static struct memory *memory_of_ranges(const struct boot_memory_map *map, struct quota *quota)
{
	struct memory *memory = memory_create(&root, map_end(map) >> PAGE_SHIFT);
	if (memory == NULL)
		return NULL;
	memory->tree.quota = quota;
	memory->fixed = true;
	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t first = map->range[i].start >> PAGE_SHIFT;
		if (!memory_add(memory, first, first, (map->range[i].end >> PAGE_SHIFT) - first))
			return NULL;
	}
	return memory;
}

static void make_memory(const struct boot_info *boot)
{
	struct memory *ram = memory_of_ranges(&boot->memory, &home_quota);
	struct memory *firmware = memory_of_ranges(&boot->firmware, &root.quota);
	struct memory *log = memory_create(&root, sizeof(log_memory) / PAGE_SIZE);
	struct machine *machine = OBJECT_CREATE(&root, GYRE_OBJECT_MACHINE, machine);
	if (ram == NULL || firmware == NULL || log == NULL || machine == NULL ||
		!memory_add(log, 0, image_physical(&log_memory).value >> PAGE_SHIFT, sizeof(log_memory) / PAGE_SIZE))
		panic("the pool is too small for the machine's memory; give more by pool=");
	ram->fixed = false;
	ram->home = true;
	memory_ram = ram;
	firmware->rights = log->rights = GYRE_RIGHT_READ;
	log->fixed = true;
	give(&ram->object, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE,
		GYRE_ROOT_RAM);
	give(&firmware->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, GYRE_ROOT_FIRMWARE);
	give(&machine->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE, GYRE_ROOT_MACHINE);
	give(&log->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, GYRE_ROOT_LOG);
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

static void modules_tell(struct gyre_boot_info *info, const struct boot_info *boot)
{
	for (uint32_t i = 0; i < boot->module_count && info->modules < GYRE_BOOT_MODULES; i++) {
		struct gyre_boot_module *module = &info->module[info->modules++];
		module->first_page = boot->module[i].start.value >> PAGE_SHIFT;
		module->bytes = boot->module[i].bytes;
		for (unsigned int c = 0; c < sizeof(module->name) - 1; c++) {
			if (boot->module[i].name[c] == 0 || boot->module[i].name[c] == ' ')
				break;
			module->name[c] = boot->module[i].name[c];
		}
	}
}

static void tell(struct gyre_boot_info *info, const struct boot_info *boot)
{
	info->magic = GYRE_BOOT_MAGIC;
	info->bytes = sizeof(*info);
	info->ranges = ranges_tell(info->range, &boot->memory);
	ranges_tell(info->firmware, &boot->firmware);
	modules_tell(info, boot);
	for (unsigned int i = 0; i < sizeof(info->command_line) - 1 && boot->command_line[i] != 0; i++)
		info->command_line[i] = boot->command_line[i];
	info->fadt = acpi_info.fadt.address;
	info->fadt_bytes = acpi_info.fadt.bytes;
	info->dsdt = acpi_info.dsdt.address;
	info->dsdt_bytes = acpi_info.dsdt.bytes;
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

static void load_segment(struct cpu *cpu, const struct boot_module *module, const struct elf_load *load)
{
	struct memory *memory = memory_create_core(&root, (load->bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	if (memory == NULL)
		panic("the pool is too small for root's image; give more by pool=");
	for (uint64_t done = 0; done < load->file_bytes; done += PAGE_SIZE) {
		uint64_t bytes = load->file_bytes - done < PAGE_SIZE ? load->file_bytes - done : PAGE_SIZE;
		physical_read(cpu, frame_virtual(memory_core_page(memory, done / PAGE_SIZE)),
			hpa(module->start.value + load->offset + done), bytes);
	}
	map_whole(memory, load->address, load->rights);
}

static uint64_t load_image(struct cpu *cpu, const struct boot_info *boot)
{
	static char head[PAGE_SIZE];
	struct elf_program program;
	const struct boot_module *module = module_find(boot, "root");
	if (module == NULL)
		panic("there is no boot module named \"root\"");
	physical_read(cpu, head, module->start, module->bytes < sizeof(head) ? module->bytes : sizeof(head));
	const char *error = elf_read(&program, head, sizeof(head), module->bytes, GYRE_USER_START, ROOT_INFO_ADDRESS);
	if (error != NULL)
		panic("the boot module \"root\" can't be used: %s", error);
	for (uint32_t i = 0; i < program.count; i++)
		load_segment(cpu, module, &program.load[i]);
	return program.entry;
}

static void load_info(const struct boot_info *boot)
{
	static struct gyre_boot_info info;
	struct memory *memory = memory_create_core(&root, ROOT_INFO_PAGES);
	if (memory == NULL)
		panic("the pool is too small; give more by pool=");
	tell(&info, boot);
	for (unsigned int page = 0; page < ROOT_INFO_PAGES; page++) {
		size_t from = page * PAGE_SIZE, bytes = sizeof(info) > from ? sizeof(info) - from : 0;
		memcpy(frame_virtual(memory_core_page(memory, page)), (char *)&info + from,
			bytes < PAGE_SIZE ? bytes : PAGE_SIZE);
	}
	map_whole(memory, ROOT_INFO_ADDRESS, GYRE_RIGHT_READ);
}

/* ---- all together ---- */

/* Tables of the tree when every second of its last-level ones is in pieces: more than that, and punched pages wait until some are whole again. */
static uint64_t home_frames(const struct boot_info *boot)
{
	uint64_t pages = 0;
	for (uint32_t i = 0; i < boot->memory.count; i++)
		pages += (boot->memory.range[i].end - boot->memory.range[i].start) >> PAGE_SHIFT;
	uint64_t wanted = 16 + 2 * boot->memory.count + pages / 512 / 2, most = frame_pool_free() / 4;
	return wanted < most ? wanted : most;
}

void root_start(struct cpu *cpu, const struct boot_info *boot)
{
	struct thread *thread;
	pagetable_process_setup(cpu_features.pages_1g, cpu_features.nx);
	uint64_t home = home_frames(boot);
	if (frame_pool_free() < home + POOL_RESERVE + 64)
		panic("the pool is too small; give more by pool=");
	quota_init(&home_quota, home);
	if (process_init_root(&root, frame_pool_free() - home - POOL_RESERVE) < 0)
		panic("the pool is too small; give more by pool=");

	struct thread_start start = {.entry = load_image(cpu, boot),
		.argument = ROOT_INFO_ADDRESS,
		.priority = ROOT_PRIORITY,
		.cpu = cpu->index};
	load_info(boot);
	if (thread_create(&root, &start, &thread) < 0)
		panic("the pool is too small; give more by pool=");
	thread->essential = true;
	give(&root.object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE, GYRE_ROOT_PROCESS);
	give(&thread->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE, GYRE_ROOT_THREAD);
	make_memory(boot);
	log_info("root: entry 0x%lx, %lu frames", (unsigned long)start.entry, (unsigned long)root.quota.given);
	thread_start(cpu, thread);
	core_enter(cpu);
}
