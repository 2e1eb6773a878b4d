/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/console.c: see console.h; include/gyre/console.h has the protocol. */
#include "services/root/console.h"
#include "services/root/output.h"
#include "services/root/root.h"
#include "lib/elf.h"
#include "lib/format.h"
#include "lib/string.h"
#include "lib/uart.h"
#include "gyre/console.h"
#include "gyre/frame.h"

#define MODULE		 "console"
#define PRIORITY	 40u /* between root and the monitors: a guest that computes does not hold up typing ... */
#define BUDGET_US	 5000u
#define PERIOD_US	 20000u /* ... and the service can't keep the guests from computing */
#define QUOTA_BASE	 64u
#define STARTS_MOST	 4u
#define FLUSH_MS	 3000u
#define FLUSH_STEP_MS	 2u
#define PACKETS_PER_TURN 16u
#define HISTORY_PAGES	 (GYRE_CONSOLE_HISTORY / 4096u)

static const struct gyre_config_vm entry = {.name = MODULE};

static struct {
	struct vm vm; /* its process and memory: as a VM's monitor, without a VM */
	struct gyre_console_channel *channel;
	struct ring to_service, to_root;
	uint32_t sent[GYRE_CONFIG_VMS];
	uint32_t starts;
	int has_com1; /* it, and no monitor, whether it lives or not */
	int alive;
} console;

int console_on(void)
{
	return console.has_com1;
}

/* ---- its process ---- */

static int memory_take(uint64_t image_pages)
{
	struct vm *vm = &console.vm;
	uint64_t histories = (uint64_t)HISTORY_PAGES * root.config.header->vms;
	vm->image_pages = image_pages;
	vm->own_pages = IMAGE_OFFSET + image_pages + histories;
	long process = process_create(QUOTA_BASE + vm->own_pages / 512);
	if (process < 0)
		return (int)process;
	vm->process = (handle_t)process;
	long own = memory_create(vm->own_pages, vm->process);
	if (own < 0)
		return (int)own;
	vm->own = (handle_t)own;
	int error = vm_pages_take(vm, vm->own, 0, vm->own_pages);
	return error < 0 ? error : (int)memory_clear_all(vm->own, 0, vm->own_pages);
}

static int memory_map_in(void)
{
	const struct vm *vm = &console.vm;
	const uint32_t both = GYRE_RIGHT_READ | GYRE_RIGHT_WRITE;
	long error = memory_map_all(0, vm->own, 0, WINDOW_CONSOLE, IMAGE_OFFSET, both);
	if (error == 0)
		error = vm_own_show(vm);
	if (error == 0)
		error = memory_map_all(vm->process, vm->own, IMAGE_OFFSET + vm->image_pages,
			GYRE_CONSOLE_HISTORY_ADDRESS, vm->own_pages - IMAGE_OFFSET - vm->image_pages, both);
	return (int)error;
}

static int handles_give(struct gyre_console_start *start)
{
	struct vm *vm = &console.vm;
	long event = event_create();
	if (event < 0)
		return (int)event;
	vm->event = (handle_t)event;
	int error = vm_com1_take(vm, &start->interrupt);
	if (error == 0)
		error = vm_give(vm, vm->event, GYRE_RIGHT_WAIT | GYRE_RIGHT_SIGNAL | GYRE_RIGHT_MANAGE, &start->event);
	if (error == 0)
		error = vm_give(vm, root.event, GYRE_RIGHT_SIGNAL, &start->event_root);
	/* No badge of a VM's: the server refuses what comes with it, so a thread that faults ends. */
	long endpoint = error < 0 ? error : handle_copy(0, root.endpoint, GYRE_RIGHT_CALL, GYRE_CONFIG_VMS + 1);
	if (endpoint > 0)
		vm->endpoint = (handle_t)endpoint;
	return endpoint < 0 ? (int)endpoint : 0;
}

static void rings_init(void)
{
	struct gyre_console_channel *channel = console.channel;
	ring_init(&console.to_service, (struct ring_shared *)&channel->to_service, channel->to_service_data,
		sizeof(channel->to_service_data));
	ring_init(&console.to_root, (struct ring_shared *)&channel->to_root, channel->to_root_data,
		sizeof(channel->to_root_data));
	memset(console.sent, 0, sizeof(console.sent));
}

static int service_make(struct config_fault *fault)
{
	struct elf_image image;
	struct vm *vm = &console.vm;
	uint64_t pages;
	struct gyre_console_start *start = (struct gyre_console_start *)WINDOW_CONSOLE;
	int error = vm_image_check(MODULE, &image, &vm->image_address, &pages, fault);
	if (error < 0)
		return error;
	if ((error = memory_take(pages)) < 0)
		return VM_FAULT(fault, GYRE_STATUS_LACKS, "there is no memory for it (error %d)", error);
	if ((error = vm_image_load(MODULE, vm, &image, fault)) < 0)
		return error;
	if ((error = memory_map_in()) < 0)
		return VM_FAULT(fault, GYRE_STATUS_LACKS, "its memory can't be mapped (error %d)", error);
	console.channel = (struct gyre_console_channel *)(WINDOW_CONSOLE + GYRE_START_PAGES * 4096);
	rings_init();
	start->magic = GYRE_CONSOLE_MAGIC;
	start->vms = root.config.header->vms;
	for (uint32_t i = 0; i < start->vms; i++)
		memcpy(start->name[i], root.config.vm[i].name, sizeof(start->name[i]));
	if ((error = handles_give(start)) < 0 ||
		(error = vm_thread_make(&console.vm, image.entry, PRIORITY, BUDGET_US, PERIOD_US)) < 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "it could not be made (error %d)", error);
	return 0;
}

static void service_destroy(void)
{
	console.alive = 0;
	console.channel = NULL;
	vm_destroy(&console.vm, WINDOW_CONSOLE);
}

static void service_start(void)
{
	struct config_fault fault;
	console.vm.entry = &entry;
	console.starts++;
	console.alive = service_make(&fault) == 0;
	if (console.alive)
		return;
	service_destroy();
	root_log("the console service can't be started: %s", fault.text);
}

void console_begin(void)
{
	if (root.emulated || root.config.header->vms < 2)
		return;
	service_start();
	console.has_com1 = console.alive;
}

/* What it knew of the consoles is gone with it. */
static void service_replace(const char *why)
{
	service_destroy();
	root_log("the console service %s%s", why, console.starts < STARTS_MOST ? ": it is started again" : "");
	if (console.starts < STARTS_MOST)
		service_start();
	else
		root_log("it is not started again: consoles have no line from now on");
}

/* ---- out ---- */

static void wake(void)
{
	event_signal(console.vm.event, 1ull << GYRE_CONSOLE_INPUT);
}

int console_fits(const struct vm *vm, uint32_t bytes)
{
	if (!console.alive)
		return 1; /* and is dropped: a VM does not wait for a console that there isn't */
	uint32_t open = console.sent[vm->number] -
			__atomic_load_n(&console.channel->taken[vm->number], __ATOMIC_ACQUIRE);
	return open <= GYRE_CONSOLE_WINDOW && bytes <= GYRE_CONSOLE_WINDOW - open &&
	       ring_room(&console.to_service) >= (int64_t)(sizeof(struct gyre_console_packet) + bytes);
}

static void packet_put(uint8_t type, uint32_t vm, const void *data, uint32_t bytes)
{
	struct gyre_console_packet packet = {.type = type, .vm = (uint8_t)vm, .length = (uint16_t)bytes};
	ring_put(&console.to_service, 0, &packet, sizeof(packet));
	ring_put(&console.to_service, sizeof(packet), data, bytes);
	ring_commit(&console.to_service, (uint32_t)sizeof(packet) + bytes);
	wake();
}

void console_output(const struct vm *vm, const uint8_t *data, uint32_t bytes)
{
	if (!console.alive)
		return;
	console.sent[vm->number] += bytes;
	packet_put(GYRE_FRAME_CONSOLE, vm->number, data, bytes);
}

void console_ended(const struct vm *vm)
{
	char text[sizeof(vm->end.text)];
	gyre_snprintf(text, sizeof(text), "%s", vm->end.text);
	if (text[0] == 0)
		gyre_snprintf(text, sizeof(text), "exit code %d", vm->end.code);
	uint32_t length = (uint32_t)strlen(text);
	/* The log has it too: it may be left out. */
	if (console.alive && ring_room(&console.to_service) >= (int64_t)(sizeof(struct gyre_console_packet) + length))
		packet_put(GYRE_FRAME_EXIT, vm->number, text, length);
}

void console_flush(void)
{
	uint64_t step = root.machine.tsc_khz * FLUSH_STEP_MS, end = tsc() + root.machine.tsc_khz * FLUSH_MS, bits;
	for (uint32_t i = 0; console.alive && i < root.config.header->vms && tsc() < end;) {
		if (__atomic_load_n(&console.channel->taken[i], __ATOMIC_ACQUIRE) == console.sent[i]) {
			i++;
			continue;
		}
		event_timer(root.event, ROOT_EVENT_TIMER, tsc() + step);
		event_wait(root.event, GYRE_FOREVER, &bits);
	}
}

/* ---- in ---- */

/* 1: there was a packet; 0; -GYRE_EPROTO. */
static int packet_take(void)
{
	uint8_t data[GYRE_CONSOLE_TYPED];
	struct gyre_console_packet packet;
	int64_t used = ring_used(&console.to_root);
	if (used <= 0)
		return (int)used;
	if (used < (int64_t)sizeof(packet))
		return -GYRE_EPROTO;
	ring_peek(&console.to_root, 0, &packet, sizeof(packet));
	if (packet.type != GYRE_FRAME_CONSOLE || packet.length > sizeof(data) || packet.vm >= root.config.header->vms ||
		used < (int64_t)(sizeof(packet) + packet.length))
		return -GYRE_EPROTO;
	ring_peek(&console.to_root, sizeof(packet), data, packet.length);
	ring_take(&console.to_root, (uint32_t)sizeof(packet) + packet.length);
	vm_input(&vms[packet.vm], data, packet.length);
	return 1;
}

static int counts_make_sense(void)
{
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		if (console.sent[i] - __atomic_load_n(&console.channel->taken[i], __ATOMIC_ACQUIRE) >
			GYRE_CONSOLE_WINDOW)
			return 0;
	return ring_room(&console.to_service) >= 0;
}

void console_turn(void)
{
	int result = 1;
	if (!console.alive)
		return;
	for (uint32_t i = 0; i < PACKETS_PER_TURN && result > 0; i++)
		result = packet_take();
	if (result > 0)
		event_signal(root.event, 1ull << GYRE_ROOT_EVENT_CHANNEL);
	/* Starting what runs changes nothing. */
	if (thread_start(console.vm.thread) == -GYRE_EDEAD)
		service_replace("crashed");
	else if (result < 0 || !counts_make_sense())
		service_replace("broke its channel to root");
}
