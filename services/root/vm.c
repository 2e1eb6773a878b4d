/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/vm.c: a VM from its entry in the description to its first instruction, and its end. */
#include "services/root/root.h"
#include "services/root/accounts.h"
#include "services/root/console.h"
#include "services/root/vm.h"
#include "services/root/output.h"
#include "lib/elf.h"
#include "lib/format.h"
#include "lib/random.h"
#include "lib/string.h"
#include "lib/uart.h"
#include "gyre/frame.h"

#define COM1_ISA_LINE 4u
#define LAST_WORDS_MS 2000u

/* ---- the start block ---- */

struct text_place {
	char *text;
	uint32_t used, bytes;
	int full;
};

static uint32_t text_add(struct text_place *place, const char *text)
{
	size_t length = strlen(text) + 1;
	uint32_t at = place->used;
	if (length > place->bytes - place->used) {
		place->full = 1;
		return 0;
	}
	memcpy(place->text + at, text, length);
	place->used += (uint32_t)length;
	return at;
}

static const char *config_text(uint32_t offset)
{
	return root.config.text + offset;
}

/* A derived, read-only window onto the module for the monitor. */
static int file_add(
	struct vm *vm, uint32_t slot, uint32_t number, struct gyre_start_file *file, struct config_fault *fault)
{
	const struct gyre_boot_module *module = file_numbered(number);
	if (module == NULL)
		return VM_FAULT(fault, GYRE_STATUS_NOT_FOUND,
			"the boot module \"file%u\" is missing: make the image again", number);
	file->bytes = module->bytes;
	if (module->bytes == 0)
		return 0;
	long window = memory_derive(GYRE_ROOT_RAM, module->first_page, (module->bytes + 4095) / 4096, GYRE_RIGHT_READ);
	if (window > 0)
		vm->file[slot] = (handle_t)window;
	long copy = window < 0 ? window : handle_copy(vm->process, vm->file[slot], GYRE_RIGHT_READ, 0);
	if (copy < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED,
			"the boot module \"file%u\" could not be handed on (error %d)", number, (int)copy);
	file->memory = (uint32_t)copy;
	return 0;
}

static int files_add(struct vm *vm, struct text_place *place, struct config_fault *fault)
{
	struct gyre_start *start = vm->start;
	int error = file_add(vm, 0, vm->entry->kernel, &start->kernel, fault);
	start->kernel.name = text_add(place, config_text(vm->entry->kernel_name));
	start->initrds = vm->entry->initrds;
	for (uint32_t i = 0; error == 0 && i < vm->entry->initrds; i++) {
		error = file_add(vm, 1 + i, vm->entry->initrd[i].file, &start->initrd[i], fault);
		start->initrd[i].arguments = text_add(place, config_text(vm->entry->initrd[i].arguments));
	}
	return error;
}

static void seed_add(struct gyre_start *start)
{
	static struct random source;
	static int mixed;
	uint64_t word;
	for (int i = 0; i < 4; i++)
		if (random_processor(&word)) {
			random_mix(&source, &word, sizeof(word));
			start->flags |= GYRE_START_SEEDED;
		}
	if (!mixed)
		random_mix(&source, root.config.entropy, root.config.header->entropy_bytes);
	mixed = 1;
	if (root.config.header->entropy_bytes >= 32)
		start->flags |= GYRE_START_SEEDED;
	word = tsc();
	random_mix(&source, &word, sizeof(word));
	random_bytes(&source, start->seed, sizeof(start->seed));
}

static int start_fill(struct vm *vm, struct config_fault *fault)
{
	struct gyre_start *start = vm->start;
	struct text_place place = {start->text, 1, GYRE_START_PAGES * 4096 - sizeof(*start), 0};
	start->magic = GYRE_START_MAGIC;
	start->bytes = GYRE_START_PAGES * 4096;
	start->vm = vm->number;
	memcpy(start->name, vm->entry->name, sizeof(start->name));
	start->memory = vm->entry->memory;
	start->extra = vm->extra_pages * 4096;
	start->cpus = vm->entry->cpus;
	start->level = vm->entry->level;
	start->vm_flags = vm->entry->flags;
	start->recreate_first = vm->entry->recreate_first;
	start->recreate_every = vm->entry->recreate_every;
	start->recreate_seed = vm->entry->recreate_seed;
	if ((root.config.header->flags & GYRE_CONFIG_NO_REBOOT) != 0)
		start->vm_flags |= GYRE_VM_NO_REBOOT;
	start->append = text_add(&place, config_text(vm->entry->append));
	start->wall_nanoseconds = root.wall_seconds * 1000000000;
	start->wall_tsc = root.start_tsc;
	seed_add(start);
	int error = files_add(vm, &place, fault);
	if (error == 0 && place.full)
		return VM_FAULT(
			fault, GYRE_STATUS_FAILED, "its command lines are longer than %u bytes together", place.bytes);
	return error;
}

/* ---- handles ---- */

int vm_give(const struct vm *vm, long origin, uint32_t rights, uint32_t *number)
{
	long copy = origin < 0 ? origin : handle_copy(vm->process, (handle_t)origin, rights, 0);
	if (copy < 0)
		return (int)copy;
	*number = (uint32_t)copy;
	return 0;
}

int vm_give_all(const struct vm *vm)
{
	struct gyre_start *start = vm->start;
	int error = vm_give(vm, vm->ram, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC, &start->ram);
	if (error == 0)
		error = vm_give(vm, vm->event, GYRE_RIGHT_WAIT | GYRE_RIGHT_SIGNAL | GYRE_RIGHT_MANAGE, &start->event);
	if (error == 0)
		error = vm_give(vm, root.event, GYRE_RIGHT_SIGNAL, &start->event_root);
	/* With the badge that it has already: a copy keeps it. */
	long copy = error < 0 ? error : handle_copy(vm->process, vm->endpoint, GYRE_RIGHT_CALL, vm->number + 1);
	if (copy < 0)
		return (int)copy;
	start->endpoint = (uint32_t)copy;
	return 0;
}

int vm_com1_give(const struct vm *vm, uint32_t *number)
{
	int error = vm_give(vm, vm->interrupt, GYRE_RIGHT_MANAGE | GYRE_RIGHT_WAIT, number);
	return error < 0 ? error : (int)ioports_grant(vm->process, vm->ports);
}

int vm_com1_take(struct vm *vm, uint32_t *number)
{
	long ports = ioports_create(GYRE_ROOT_MACHINE, UART_COM1, 8);
	if (ports < 0)
		return (int)ports;
	vm->ports = (handle_t)ports;
	long interrupt = interrupt_create(GYRE_ROOT_MACHINE, COM1_ISA_LINE, GYRE_INTERRUPT_ISA);
	if (interrupt < 0)
		return (int)interrupt;
	vm->interrupt = (handle_t)interrupt;
	return vm_com1_give(vm, number);
}

/* The first VM's console is COM1 itself, if the machine has one and the console service does not have it. */
static void com1_add(struct vm *vm)
{
	if (vm->number != 0 || console_on())
		return;
	if (vm_com1_take(vm, &vm->start->interrupt) == 0)
		vm->start->flags |= GYRE_START_COM1;
	else
		root_log("%s: COM1 is not to be had, its console has no line", vm->entry->name);
}

static int handles_give(struct vm *vm)
{
	long event = event_create();
	if (event < 0)
		return (int)event;
	vm->event = (handle_t)event;
	long endpoint = handle_copy(0, root.endpoint, GYRE_RIGHT_CALL | GYRE_RIGHT_COPY, vm->number + 1);
	if (endpoint < 0)
		return (int)endpoint;
	vm->endpoint = (handle_t)endpoint;
	int error = vm_give_all(vm);
	if (error == 0)
		com1_add(vm);
	return error;
}

/* ---- start ---- */

int vm_own_show(const struct vm *vm)
{
	const uint32_t both = GYRE_RIGHT_READ | GYRE_RIGHT_WRITE;
	long error = memory_map_all(vm->process, vm->own, 0, GYRE_START_ADDRESS, GYRE_START_PAGES, GYRE_RIGHT_READ);
	if (error == 0)
		error = memory_map_all(
			vm->process, vm->own, GYRE_START_PAGES, GYRE_CHANNEL_ADDRESS, GYRE_CHANNEL_PAGES, both);
	if (error == 0 && (vm->entry->flags & GYRE_VM_RECREATE) != 0)
		error = memory_map_all(vm->process, vm->own, IMAGE_OFFSET + vm->image_pages, GYRE_RECREATION_ADDRESS,
			GYRE_RECREATION_PAGES, both);
	return (int)error;
}

/* Start block and channel: root's view for good, the monitor's the block read-only. */
static uint64_t own_window(const struct vm *vm)
{
	return WINDOW_VMS + vm->number * WINDOW_VM_BYTES;
}

static int own_map(struct vm *vm)
{
	uint64_t window = own_window(vm);
	const uint32_t both = GYRE_RIGHT_READ | GYRE_RIGHT_WRITE;
	long error = memory_map_all(0, vm->own, 0, window, IMAGE_OFFSET, both);
	if (error == 0)
		error = vm_own_show(vm);
	if (error < 0)
		return (int)error;
	vm->start = (struct gyre_start *)window;
	vm->channel = (struct gyre_channel *)(window + GYRE_START_PAGES * 4096);
	_Static_assert(sizeof(struct ring_shared) == sizeof(struct gyre_channel_counts), "one layout");
	ring_init(&vm->to_root, (struct ring_shared *)&vm->channel->to_root, vm->channel->to_root_data,
		GYRE_CHANNEL_TO_ROOT);
	ring_init(&vm->to_monitor, (struct ring_shared *)&vm->channel->to_monitor, vm->channel->to_monitor_data,
		GYRE_CHANNEL_TO_MONITOR);
	ring_init(&vm->debug, (struct ring_shared *)&vm->channel->debug, vm->channel->debug_data,
		GYRE_CHANNEL_DEBUG_BYTES);
	return 0;
}

int vm_thread_make(struct vm *vm, uint64_t entry, uint32_t priority, uint32_t budget_us, uint32_t period_us)
{
	long thread = thread_create(vm->process, entry, 0, GYRE_START_ADDRESS, vm->endpoint, 0);
	if (thread < 0)
		return (int)thread;
	vm->thread = (handle_t)thread;
	long error = thread_schedule(vm->thread, priority, 0, budget_us, period_us, 0);
	return error < 0 ? (int)error : (int)thread_start(vm->thread);
}

static const char *no_virtualization(uint32_t reason)
{
	switch (reason) {
	case GYRE_VIRT_DISABLED_BY_FIRMWARE:
		return "virtualization is disabled by the firmware: enable it in the firmware's setup";
	case GYRE_VIRT_NO_NESTED_PAGING: return "the processor has no nested paging: use one that has it";
	case GYRE_VIRT_FORCED_OFF: return "virtualization is switched off by a core option: leave that out";
	case GYRE_VIRT_CONTRADICTS:
		return "what the processor says of its virtualization contradicts itself, or it refuses to be turned "
		       "on: the core's log names the register; update the firmware";
	default: return "the processor has no virtualization: use one that has it";
	}
}

static int vm_prepare(struct vm *vm, struct config_fault *fault)
{
	struct elf_image image;
	uint64_t pages;
	if (root.machine.virtualization == GYRE_VIRT_NONE)
		return VM_FAULT(fault, GYRE_STATUS_LACKS, "%s", no_virtualization(root.machine.virt_reason));
	int error = vm_image_check("monitor", &image, &vm->image_address, &pages, fault);
	if (error == 0)
		error = vm_memory_take(vm, pages, fault);
	if (error == 0)
		error = vm_image_load("monitor", vm, &image, fault);
	if (error < 0)
		return error;
	if ((error = own_map(vm)) < 0 || (error = handles_give(vm)) < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its monitor could not be made (error %d)", error);
	if ((error = start_fill(vm, fault)) < 0)
		return error;
	if ((error = vm_thread_make(vm, image.entry, MONITOR_PRIORITY, 0, 0)) < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "its monitor could not be started (error %d)", error);
	return 0;
}

/* Nothing of an earlier start is left: vm_destroy() has given it all back, and no report of its monitor is being written (server_settle). */
static void vm_reset(struct vm *vm)
{
	memset((char *)vm + offsetof(struct vm, process), 0, sizeof(*vm) - offsetof(struct vm, process));
	vm->asked_off = vm->on_request = 0;
	vm->restart_at = 0;
}

static int vm_begin(struct vm *vm, struct config_fault *fault)
{
	struct accounts before;
	vm_reset(vm);
	vm->starts++;
	vm->last_start = tsc();
	vm->state = VM_RUNNING;
	accounts_before(&before);
	int error = vm_prepare(vm, fault);
	if (error == 0) {
		accounts_share(vm, &before);
		return 0;
	}
	vm_end(vm, GYRE_END_REFUSED, fault->status, fault->text);
	vm_finish(vm);
	return error;
}

int vm_start(struct vm *vm, struct config_fault *fault)
{
	uint64_t begin = tsc(), aside = root.aside;
	int error = vm_begin(vm, fault);
	vm->start_ticks = tsc() - begin;
	root.aside = aside + vm->start_ticks;
	return error;
}

/* ---- end ---- */

static void destroy(handle_t *handle)
{
	if (*handle != 0)
		object_destroy(*handle);
	*handle = 0;
}

void vm_destroy(struct vm *vm, uint64_t window)
{
	destroy(&vm->interrupt);
	destroy(&vm->ports);
	destroy(&vm->process); /* with its threads, vm and vcpus */
	vm->thread = 0;
	server_settle();
	memory_unmap_all(0, window, IMAGE_OFFSET);
	vm->channel = NULL;
	vm->start = NULL;
	vm_memory_give(vm);
	for (uint32_t i = 0; i < 1 + GYRE_CONFIG_INITRDS; i++)
		destroy(&vm->file[i]);
	destroy(&vm->event);
	if (vm->endpoint != 0)
		handle_close(vm->endpoint);
	vm->endpoint = 0;
}

/* Each byte is fetched once: what lies in the channel can change meanwhile. */
static void text_clean(char *target, const volatile char *text, size_t bytes)
{
	size_t i;
	char c;
	for (i = 0; i + 1 < bytes && (c = text[i]) != 0; i++)
		target[i] = c >= ' ' && c <= '~' ? c : '?';
	memset(target + i, 0, bytes - i);
}

void vm_end(struct vm *vm, uint32_t reason, int32_t code, const char *text)
{
	if (vm->state != VM_RUNNING)
		return;
	vm->state = VM_ENDING;
	vm->end.code = code;
	vm->end.reason = reason;
	text_clean(vm->end.text, text, sizeof(vm->end.text)); /* it may lie in the channel */
	vm->end_deadline = tsc() + root.machine.tsc_khz * LAST_WORDS_MS;
	if (vm->thread != 0)
		thread_stop(
			vm->thread); /* the guest stands still; other threads of a hostile monitor may add to its last words, up to a bound */
}

void vm_finish(struct vm *vm)
{
	uint64_t begin = tsc(), aside = root.aside;
	vm->state = VM_ENDED;
	vm_destroy(vm, own_window(vm));
	accounts_compare(vm);
	console_ended(vm);
	if (!output_has_frames())
		root_log("%s has ended with %d: %s", vm->entry->name, vm->end.code, vm->end.text);
	output_frame(GYRE_FRAME_EXIT, (uint8_t)vm->number, &vm->end, sizeof(vm->end), NULL, 0);
	root.aside = aside + (tsc() - begin);
}
