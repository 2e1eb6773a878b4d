/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/vm.h: a VM as root has it: the memory that it was given, its monitor's process, the channel, and how it ended.
 *
 * Memory   "own" holds start block, channel and the monitor's image; "ram" the guest's RAM and, behind it, memory of devices. Both are cleared before
 *          anyone sees them, whoever had the pages before. The VM's process pays for the objects.
 */
#ifndef ROOT_VM_H
#define ROOT_VM_H

#include <stdint.h>
#include "gyre/channel.h"
#include "lib/calls.h"
#include "lib/ring.h"
#include "services/root/config.h"

#define VM_PIECES 32u

enum vm_state { VM_WAITING, VM_RUNNING, VM_ENDED };

/* What the server's thread leaves for the main thread. It writes all else before `what`, once. */
enum report { REPORT_NONE, REPORT_END, REPORT_FAULT };
struct vm_report {
	uint32_t what; /* enum report, atomically */
	uint32_t reason, code;
	uint64_t trap, error, address, rip;
	struct gyre_thread_registers registers;
};

struct vm {
	enum vm_state state;
	uint32_t number;
	const struct gyre_config_vm *entry;
	handle_t process, thread, ram, own, event, endpoint, ports, interrupt;
	handle_t file[1 + GYRE_CONFIG_INITRDS];
	struct {
		uint64_t first, pages;
	} piece[VM_PIECES]; /* physical memory taken from the pool */
	uint32_t pieces;
	uint64_t own_pages, image_pages, extra_pages, image_address;
	struct gyre_start *start; /* root's views */
	struct gyre_channel *channel;
	struct ring to_root, to_monitor;
	struct vm_report report;
	uint64_t input_lost;
	int32_t code; /* once it has ended */
};

/* vm.c: makes it run, or ends it with the fault that it says. */
void vm_start(struct vm *vm, uint32_t number);

/* The VM has ended: everything of it is gone and accounted for when this returns. text may be hostile. */
void vm_end(struct vm *vm, uint32_t reason, int32_t code, const char *text);

/* vm_memory.c: -GYRE_ENOMEM with the fault. */
int vm_memory_take(struct vm *vm, uint64_t image_pages, struct config_fault *fault);
void vm_memory_give(struct vm *vm);

/* vm_image.c: the monitor's ELF file into "own" and into the process. */
struct elf_image;
int vm_image_check(struct elf_image *image, uint64_t *address, uint64_t *pages, struct config_fault *fault);
int vm_image_load(struct vm *vm, const struct elf_image *image, struct config_fault *fault);

/* vm_channel.c: packets of the monitors go out as frames, as far as there is room, one of each VM in turn; the last ones of a VM that ends, all of them;
 * input goes in. */
void vm_channels_pump(struct vm *vm, uint32_t count);
void vm_channel_drain(struct vm *vm);
void vm_input(struct vm *vm, const uint8_t *data, size_t bytes);

#define VM_FAULT(fault, number, ...)                                                                                   \
	(gyre_snprintf((fault)->text, sizeof((fault)->text), __VA_ARGS__), (fault)->status = (number), -GYRE_EIO)

#endif
