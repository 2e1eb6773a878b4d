/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/recreate.c: tests of the saved state: a VM goes on in another process. The old one ends with its vm, its vcpus and all else that it made; the
 * VM's memory, its channel, its event and its lines are root's and stay, with what is on its way in them. Root takes no part in what is saved.
 */
#include "services/root/root.h"
#include "services/root/vm.h"
#include "lib/format.h"
#include "gyre/channel.h"

/* Handles of files, as the start block has them. */
static int files_give(struct vm *vm)
{
	struct gyre_start *start = vm->start;
	int error = 0;
	for (uint32_t i = 0; error == 0 && i < 1 + vm->entry->initrds; i++)
		if (vm->file[i] != 0)
			error = vm_give(vm, vm->file[i], GYRE_RIGHT_READ,
				i == 0 ? &start->kernel.memory : &start->initrd[i - 1].memory);
	return error;
}

static int com1_give(struct vm *vm)
{
	if ((vm->start->flags & GYRE_START_COM1) == 0)
		return 0;
	return vm_com1_give(vm, &vm->start->interrupt);
}

static int make_again(struct vm *vm, struct config_fault *fault)
{
	uint64_t entry;
	int error = vm_process_create(vm);
	if (error == 0 && vm_image_again(vm, &entry, fault) < 0)
		return -GYRE_EIO;
	if (error == 0)
		error = vm_own_show(vm);
	if (error == 0)
		error = vm_give_all(vm);
	if (error == 0)
		error = files_give(vm);
	if (error == 0)
		error = com1_give(vm);
	vm->start->flags |= GYRE_START_SAVED;
	if (error == 0)
		error = vm_thread_make(vm, entry, MONITOR_PRIORITY, 0, 0);
	return error == 0
		       ? 0
		       : VM_FAULT(fault, GYRE_STATUS_FAILED, "no new monitor could be made for it (error %d)", error);
}

void vm_recreate(struct vm *vm)
{
	struct config_fault fault;
	object_destroy(vm->process);
	vm->process = vm->thread = 0;
	server_settle();
	__atomic_store_n(&vm->report.what, REPORT_NONE, __ATOMIC_RELEASE);
	if (make_again(vm, &fault) < 0)
		vm_end(vm, GYRE_END_MONITOR, fault.status, fault.text);
}
