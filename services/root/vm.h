/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/vm.h: a VM as root has it: the memory that it was given, its monitor's process, the channel, and how it ended. Each start has everything anew.
 *
 * Memory   "own" holds start block, channel and the monitor's image; "ram" the guest's RAM and, behind it, memory of devices. Both are cleared before
 *          anyone sees them, whoever had the pages before. The VM's process pays for the objects.
 */
#ifndef ROOT_VM_H
#define ROOT_VM_H

#include <stdint.h>
#include "gyre/channel.h"
#include "gyre/frame.h"
#include "lib/calls.h"
#include "lib/ring.h"
#include "services/root/config.h"

#define VM_PIECES 32u
#define IMAGE_OFFSET                                                                                                   \
	(GYRE_START_PAGES + GYRE_CHANNEL_PAGES) /* of the monitor's image in "own", behind start block and channel */

/* ENDING: it runs no longer, and what it said last is on its way out. */
enum vm_state { VM_NEW, VM_RUNNING, VM_ENDING, VM_ENDED };

/* What the server's thread leaves for the main thread. It writes all else before `what`, once. */
enum report { REPORT_NONE, REPORT_END, REPORT_FAULT, REPORT_RECREATE };
struct vm_report {
	uint32_t what; /* enum report, atomically */
	uint32_t reason, code;
	uint64_t trap, error, address, rip;
	struct gyre_thread_registers registers;
};

/* What a start took beside what its process pays for: accounts.c. */
struct vm_share {
	uint64_t pages, objects, handles, root_handles, quota;
};

struct vm {
	/* For good: lives_begin() sets them. */
	uint32_t number;
	const struct gyre_config_vm *entry;

	/* From one start to the next: lives.c. */
	enum vm_state state;
	uint32_t starts, restarts;	  /* in all; by root itself, since someone asked for a start */
	uint64_t restart_at;		  /* TSC; 0: it is not to be started again */
	uint64_t last_start, start_ticks; /* TSC: when, and how long it took */
	int asked_off;			  /* it was asked to power off */
	int on_request;			  /* its end was asked for */
	struct gyre_frame_exit end;	  /* the last one */

	/* Of one start: from here on empty before it. `process` is the first. */
	struct {
		handle_t process, thread, ram, own, event, endpoint, ports, interrupt;
		handle_t file[1 + GYRE_CONFIG_INITRDS];
		struct {
			uint64_t first, pages;
		} piece[VM_PIECES]; /* physical memory taken from the pool */
		uint32_t pieces;
		uint64_t own_pages, image_pages, extra_pages, image_address;
		struct gyre_start *start; /* root's views */
		struct gyre_channel *channel;
		struct ring to_root, to_monitor, debug;
		uint64_t end_deadline; /* TSC: last words that have not gone out by then are lost */
		uint64_t end_bytes;    /* that it has said since its end */
		struct vm_share share;
	};
	struct vm_report report; /* the server's thread writes it */
};
extern struct vm vms[GYRE_CONFIG_VMS];

/*
 * vm.c
 * vm_start: makes one run that is new or has ended: 0, or -GYRE_EIO with the fault; then it has been and ended with GYRE_END_REFUSED.
 * vm_end: it runs no longer, if it did; vm_finish comes when its last words are out. text may be hostile.
 * vm_finish: everything of it is gone when this returns, and its end is told.
 */
int vm_start(struct vm *vm, struct config_fault *fault);
void vm_end(struct vm *vm, uint32_t reason, int32_t code, const char *text);
void vm_finish(struct vm *vm);

/* Parts of a start that are done again where the VM goes on in a new process (recreate.c): start block and channel into it, handles, its thread. */
int vm_own_show(const struct vm *vm);
int vm_give(const struct vm *vm, long origin, uint32_t rights, uint32_t *number);
int vm_give_all(const struct vm *vm);
int vm_com1_give(const struct vm *vm, uint32_t *number);
int vm_thread_make(struct vm *vm, uint64_t entry, uint32_t priority, uint32_t budget_us, uint32_t period_us);

/* Parts that the console service needs as well: COM1 and its interrupt, whose handle's number it gets; the end of all that it has. */
int vm_com1_take(struct vm *vm, uint32_t *number);
void vm_destroy(struct vm *vm, uint64_t window);
/* Pages from the pool into a memory object, from `offset` on. */
int vm_pages_take(struct vm *vm, handle_t memory, uint64_t offset, uint64_t pages);

/* recreate.c: GYRE_VM_RECREATE: its monitor has saved its state; a new process takes its place, or the VM ends. */
void vm_recreate(struct vm *vm);

/* vm_memory.c: -GYRE_ENOMEM with the fault. */
int vm_memory_take(struct vm *vm, uint64_t image_pages, struct config_fault *fault);
void vm_memory_give(struct vm *vm);
int vm_process_create(struct vm *vm);

/* vm_image.c: the program's ELF file, a boot module, into "own" and into the process. */
struct elf_image;
int vm_image_check(
	const char *module, struct elf_image *image, uint64_t *address, uint64_t *pages, struct config_fault *fault);
int vm_image_load(const char *module, struct vm *vm, const struct elf_image *image, struct config_fault *fault);
/* As it was at the start, for the next process (GYRE_VM_RECREATE). */
int vm_image_again(struct vm *vm, uint64_t *entry, struct config_fault *fault);

/* crash.c: what is known of its monitor's fault; it is still there. */
void crash_report(const struct vm *vm, char *text, size_t bytes);

/*
 * vm_channel.c: packets of the monitors go out as frames, as far as there is room, one of each VM in turn, and no more in one call than VMs can have said
 * in one. 1: there may be more; then root's event is set. vm_channel_done: nothing is to come of a VM that has ended. vm_input: to its console; vm_debug: to its
 * debugger.
 */
int vm_channels_pump(struct vm *vm, uint32_t count);
int vm_channel_done(const struct vm *vm);
void vm_input(struct vm *vm, const uint8_t *data, size_t bytes);
void vm_debug(struct vm *vm, const uint8_t *data, size_t bytes);

#define VM_FAULT(fault, number, ...)                                                                                   \
	(gyre_snprintf((fault)->text, sizeof((fault)->text), __VA_ARGS__), (fault)->status = (number), -GYRE_EIO)

#endif
