/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/vm_memory.c: memory of a VM. Guest RAM comes in pieces of 2 MiB and in 2 MiB alignment, so that both page tables over it have large
 * entries; of 1 GiB where the VM is that large and such a piece is free.
 */
#include "services/root/root.h"
#include "services/root/vm.h"
#include "services/root/output.h"
#include "lib/format.h"

#define PAGES_2M      512u
#define PAGES_1G      (512u * 512u)
#define TEST_PAGES    32u /* memory of devices: the test device's 64 KiB, and ROMs */
#define MIB_PAGES     256u
#define CLEAR_AT_ONCE (64u * MIB_PAGES) /* some milliseconds */
#define FRAMES_OWN    16u		/* that root itself needs for a VM: handles, objects, tables of its windows */

/* Pages from the pool into the object, from `offset` on. */
static int piece_add(struct vm *vm, handle_t memory, uint64_t offset, uint64_t first, uint64_t pages)
{
	if (vm->pieces == VM_PIECES) {
		pool_give(&root.pool, first, pages);
		return -GYRE_ENOMEM;
	}
	vm->piece[vm->pieces].first = first;
	vm->piece[vm->pieces].pages = pages;
	vm->pieces++;
	return (int)memory_move_all(memory, offset, GYRE_ROOT_RAM, first, pages);
}

static int ram_fill(struct vm *vm, uint64_t pages)
{
	uint64_t done = 0, first = 0;
	if (pages >= PAGES_1G)
		first = pool_take(&root.pool, pages, PAGES_1G);
	if (first == 0)
		first = pool_take(&root.pool, pages, PAGES_2M);
	if (first != 0)
		return piece_add(vm, vm->ram, 0, first, pages);
	while (done < pages) {
		uint64_t part = pages - done;
		first = pool_take_largest(&root.pool, &part, PAGES_2M);
		if (first == 0)
			return -GYRE_ENOMEM;
		int error = piece_add(vm, vm->ram, done, first, part);
		if (error < 0)
			return error;
		done += part;
	}
	return 0;
}

int vm_pages_take(struct vm *vm, handle_t memory, uint64_t offset, uint64_t pages)
{
	uint64_t first = pool_take(&root.pool, pages, 1);
	return first == 0 ? -GYRE_ENOMEM : piece_add(vm, memory, offset, first, pages);
}

/* Nothing is handed on unscrubbed. A VM of many GiB takes a while: it is said every 16 GiB. */
static int clear_pieces(struct vm *vm, handle_t memory, uint64_t pages)
{
	const uint64_t step = 16 * (uint64_t)PAGES_1G;
	for (uint64_t done = 0; done < pages; done += step) {
		uint64_t part = pages - done < step ? pages - done : step;
		if (done > 0)
			root_log("%s: %lu of %lu GiB of its memory are cleared", vm->entry->name,
				(unsigned long)(done / PAGES_1G), (unsigned long)(pages / PAGES_1G));
		long error = memory_clear_all(memory, done, part);
		if (error < 0)
			return (int)error;
	}
	return 0;
}

/* What takes long is done in turn with the VMs that run, as one of them. */
static int clear_all(struct vm *vm, handle_t memory, uint64_t pages)
{
	if (pages <= CLEAR_AT_ONCE)
		return clear_pieces(vm, memory, pages);
	thread_schedule(0, MONITOR_PRIORITY, 0, 0, 0, 0);
	int error = clear_pieces(vm, memory, pages);
	thread_schedule(0, ROOT_PRIORITY, 0, 0, 0, 0);
	return error;
}

static uint64_t file_pages(const struct vm *vm)
{
	const struct gyre_boot_module *module = file_numbered(vm->entry->kernel);
	uint64_t pages = module != NULL ? module->bytes / 4096 : 0;
	for (uint32_t i = 0; i < vm->entry->initrds; i++)
		if ((module = file_numbered(vm->entry->initrd[i].file)) != NULL)
			pages += module->bytes / 4096;
	return pages;
}

static uint64_t quota(const struct vm *vm)
{
	uint64_t frames = gyre_vm_frames(vm->entry->memory, file_pages(vm) * 4096);
	return root.quota_most != 0 && root.quota_most < frames ? root.quota_most : frames;
}

/* Frames of the core's pool that root has left to give. */
static uint64_t frames_left(void)
{
	struct gyre_process_info own;
	return process_info(0, &own) < 0 ? 0 : own.quota_frames - own.used_frames;
}

/* The pool, in MiB, that has room for so many frames more. */
static uint64_t pool_wanted(uint64_t frames)
{
	struct gyre_machine_info machine;
	uint64_t total = machine_info(&machine) < 0 ? 0 : machine.frames_total;
	return ((total + frames) / MIB_PAGES + 2) & ~1ull;
}

int vm_process_create(struct vm *vm)
{
	long process = process_create(quota(vm));
	if (process < 0)
		return (int)process;
	vm->process = (handle_t)process;
	return 0;
}

static int objects_create(struct vm *vm, uint64_t ram_pages)
{
	int error = vm_process_create(vm);
	if (error < 0)
		return error;
	/* Who pays for an object takes it along when it ends: what outlives the process, root pays for. */
	handle_t payer = (vm->entry->flags & GYRE_VM_RECREATE) != 0 ? 0 : vm->process;
	long own = memory_create(vm->own_pages, payer);
	if (own < 0)
		return (int)own;
	vm->own = (handle_t)own;
	long ram = memory_create(ram_pages + vm->extra_pages, payer);
	if (ram < 0)
		return (int)ram;
	vm->ram = (handle_t)ram;
	return 0;
}

static int take_all(struct vm *vm, uint64_t ram_pages)
{
	int error = objects_create(vm, ram_pages);
	if (error == 0)
		error = ram_fill(vm, ram_pages); /* first: the rest fits between */
	if (error == 0 && vm->extra_pages > 0)
		error = vm_pages_take(vm, vm->ram, ram_pages, vm->extra_pages);
	if (error == 0)
		error = vm_pages_take(vm, vm->own, 0, vm->own_pages);
	if (error == 0)
		error = clear_all(vm, vm->ram, ram_pages + vm->extra_pages);
	if (error == 0)
		error = clear_all(vm, vm->own, vm->own_pages);
	return error;
}

int vm_memory_take(struct vm *vm, uint64_t image_pages, struct config_fault *fault)
{
	uint64_t ram_pages = vm->entry->memory / 4096, free = pool_free(&root.pool), left = frames_left();
	vm->image_pages = image_pages;
	vm->own_pages = GYRE_START_PAGES + GYRE_CHANNEL_PAGES + image_pages +
			((vm->entry->flags & GYRE_VM_RECREATE) != 0 ? GYRE_RECREATION_PAGES : 0);
	vm->extra_pages = (vm->entry->flags & GYRE_VM_TEST_DEVICE) != 0 ? TEST_PAGES : 0;
	if (ram_pages + vm->own_pages + vm->extra_pages > free)
		return VM_FAULT(fault, GYRE_STATUS_LACKS,
			"it wants %lu MiB, the machine has %lu MiB free: give the VM less memory or the machine more",
			(unsigned long)(ram_pages / MIB_PAGES), (unsigned long)(free / MIB_PAGES));
	if (root.quota_most == 0 && quota(vm) + FRAMES_OWN > left)
		return VM_FAULT(fault, GYRE_STATUS_LACKS,
			"it needs %lu KiB of the core's pool, %lu are left: larger by --core-option pool=%luM, or "
			"fewer VMs",
			(unsigned long)quota(vm) * 4, (unsigned long)left * 4,
			(unsigned long)pool_wanted(quota(vm) + FRAMES_OWN - left));
	int error = take_all(vm, ram_pages);
	if (error < 0)
		return VM_FAULT(fault, GYRE_STATUS_LACKS,
			"its %lu MiB could not be put together (error %d): give the VM less memory or the machine "
			"more",
			(unsigned long)(ram_pages / MIB_PAGES), error);
	return 0;
}

void vm_memory_give(struct vm *vm)
{
	/* The process paid for the objects: they may have died with it. Either way every page is back in GYRE_ROOT_RAM now. */
	if (vm->ram != 0)
		object_destroy(vm->ram);
	if (vm->own != 0)
		object_destroy(vm->own);
	vm->ram = vm->own = 0;
	for (; vm->pieces > 0; vm->pieces--)
		if (pool_give(&root.pool, vm->piece[vm->pieces - 1].first, vm->piece[vm->pieces - 1].pages) < 0)
			root_log("%s: some of its memory is lost", vm->entry->name);
}
