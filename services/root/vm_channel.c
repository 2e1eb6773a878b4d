/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/vm_channel.c: the channel to a monitor. Everything that comes is hostile: each packet is copied out, then checked; a ring that makes
 * no sense ends the VM (its monitor is its own guest's by then, and nobody else's).
 */
#include "services/root/root.h"
#include "services/root/vm.h"
#include "services/root/console.h"
#include "services/root/output.h"
#include "lib/string.h"
#include "gyre/frame.h"
#include "gyre/vcpu.h"

#define PUMP_BYTES	 16384			    /* in one call; then the loop looks at everything else */
#define LAST_WORDS_BYTES (2 * GYRE_CHANNEL_TO_ROOT) /* of a VM that has ended */

static int type_known(uint8_t type)
{
	return type == GYRE_FRAME_LOG || type == GYRE_FRAME_CONSOLE || type == GYRE_FRAME_TRACE ||
	       type == GYRE_FRAME_COUNTERS || type == GYRE_FRAME_DEBUG;
}

static struct gyre_root_figures figures(const struct vm *vm)
{
	struct gyre_process_info process = {0};
	struct gyre_machine_info machine = {0};
	process_info(vm->process, &process);
	machine_info(&machine);
	uint64_t monitor = (vm->own_pages + vm->extra_pages) * 4096;
	return (struct gyre_root_figures){
		.vm_bytes = process.used_frames * 4096 + monitor,
		.gyre_bytes = machine.core_image_bytes + machine.frames_total * 4096 + monitor,
		.image_bytes = file_pages_all() * 4096,
		.ipc = root.ipc_ticks,
		.frames_vm = process.used_frames,
		.frames_used = machine.frames_used,
		.frames_total = machine.frames_total,
		.core_image_bytes = machine.core_image_bytes,
	};
}

static void packet_out(const struct vm *vm, const struct gyre_packet *packet, const uint8_t *data)
{
	struct gyre_root_figures total;
	switch (packet->type) {
	case GYRE_FRAME_LOG:
		output_text((uint8_t)vm->number, vm->entry->name, (const char *)data, packet->length);
		break;
	case GYRE_FRAME_COUNTERS:
		if (packet->length != sizeof(struct gyre_vcpu_counters))
			return;
		total = figures(vm);
		output_frame(GYRE_FRAME_COUNTERS, (uint8_t)vm->number, data, packet->length, &total, sizeof(total));
		break;
	case GYRE_FRAME_CONSOLE:
		if (console_on()) {
			console_output(vm, data, packet->length);
			break;
		}
		/* fall through */
	default: output_frame(packet->type, (uint8_t)vm->number, data, packet->length, NULL, 0); break;
	}
}

/* One packet: its bytes, 0 if there is none, -GYRE_EAGAIN if there is no room for it, or -GYRE_EPROTO. */
static int packet_take(struct vm *vm)
{
	static uint8_t data[GYRE_FRAME_DATA]; /* the main thread alone comes here */
	struct gyre_packet packet;
	int64_t used = ring_used(&vm->to_root);
	if (used <= 0)
		return (int)used;
	if (used < (int64_t)sizeof(packet))
		return -GYRE_EPROTO;
	ring_peek(&vm->to_root, 0, &packet, sizeof(packet));
	if (!type_known(packet.type) || packet.length > sizeof(data) ||
		used < (int64_t)(sizeof(packet) + packet.length))
		return -GYRE_EPROTO;
	/* A LOG may grow by a newline, COUNTERS by the figures. */
	if (!output_spare(packet.length + sizeof(struct gyre_root_figures)))
		return -GYRE_EAGAIN;
	/* This VM waits, not those whose turn is next. */
	if (packet.type == GYRE_FRAME_CONSOLE && console_on() && !console_fits(vm, packet.length))
		return 0;
	ring_peek(&vm->to_root, sizeof(packet), data, packet.length);
	ring_take(&vm->to_root, sizeof(packet) + packet.length);
	packet_out(vm, &packet, data);
	return (int)(sizeof(packet) + packet.length);
}

int vm_channel_done(const struct vm *vm)
{
	return vm->channel == NULL || ring_used(&vm->to_root) <= 0 || vm->end_bytes > LAST_WORDS_BYTES;
}

static int packet_turn(struct vm *vm)
{
	if ((vm->state != VM_RUNNING && vm->state != VM_ENDING) || vm->channel == NULL ||
		(vm->state == VM_ENDING && vm_channel_done(vm)))
		return 0;
	int result = packet_take(vm);
	if (result > 0 && vm->state == VM_ENDING)
		vm->end_bytes += (uint32_t)result;
	if (result == -GYRE_EPROTO) {
		vm_end(vm, GYRE_END_MONITOR, GYRE_STATUS_FAILED, "its monitor broke the channel to root");
		vm->end_bytes = LAST_WORDS_BYTES + 1;
	}
	return result;
}

int vm_channels_pump(struct vm *vm, uint32_t count)
{
	static uint32_t first; /* whose turn it is */
	uint64_t taken = 0;    /* VMs that gave something in this call */
	uint32_t idle = 0;     /* turns in a row without a packet */
	int64_t left = PUMP_BYTES;
	_Static_assert(GYRE_CONFIG_VMS <= 64, "a bit for each");
	for (first %= count; idle < count && left > 0; first = (first + 1) % count) {
		int result = packet_turn(&vm[first]);
		if (result == -GYRE_EAGAIN)
			break; /* it goes on with this one */
		idle = result > 0 ? 0 : idle + 1;
		left -= result > 0 ? result : 0;
		if (result > 0)
			taken |= 1ull << first;
	}
	for (uint32_t i = 0; i < count; i++)
		if ((taken & 1ull << i) != 0 && vm[i].event != 0)
			event_signal(vm[i].event, 1ull << GYRE_CHANNEL_ROOM);
	if (left <= 0)
		event_signal(root.event, 1ull << GYRE_ROOT_EVENT_CHANNEL);
	return left <= 0;
}

void vm_input(struct vm *vm, const uint8_t *data, size_t bytes)
{
	if (vm->state != VM_RUNNING || vm->channel == NULL)
		return;
	/* What a guest does not read is lost, as on a serial line. */
	ring_write(&vm->to_monitor, data, (uint32_t)bytes);
	event_signal(vm->event, 1ull << GYRE_CHANNEL_INPUT);
}

/* The debugger waits for an answer to each packet, and one fits: what does not is rubbish. */
void vm_debug(struct vm *vm, const uint8_t *data, size_t bytes)
{
	if (vm->state != VM_RUNNING || vm->channel == NULL || (vm->entry->flags & GYRE_VM_DEBUG) == 0)
		return;
	ring_write(&vm->debug, data, (uint32_t)bytes);
	event_signal(vm->event, 1ull << GYRE_CHANNEL_DEBUG);
}
