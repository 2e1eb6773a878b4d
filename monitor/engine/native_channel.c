/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/engine/native_channel.c: what the monitor tells root: log lines, traces, counters, and the end. */
#include "monitor/engine/native.h"
#include "lib/native.h"
#include "lib/string.h"
#include "gyre/frame.h"
#include "gyre/trace.h"

#define LOG_BYTES 240u
#define WAIT_MS	  5u

void channel_init(void)
{
	_Static_assert(sizeof(struct ring_shared) == sizeof(struct gyre_channel_counts), "one layout");
	struct gyre_channel *channel = native.channel;
	ring_init(
		&native.to_root, (struct ring_shared *)&channel->to_root, channel->to_root_data, GYRE_CHANNEL_TO_ROOT);
	ring_init(&native.to_monitor, (struct ring_shared *)&channel->to_monitor, channel->to_monitor_data,
		GYRE_CHANNEL_TO_MONITOR);
	ring_init(&native.debug, (struct ring_shared *)&channel->debug, channel->debug_data, GYRE_CHANNEL_DEBUG_BYTES);
	/* An earlier monitor of the VM has used them: its side goes on where it stood. */
	if ((native.start->flags & GYRE_START_SAVED) != 0) {
		native.to_root.count = channel->to_root.written;
		native.to_monitor.count = channel->to_monitor.taken;
		native.debug.count = channel->debug.taken;
	}
}

int channel_room(size_t bytes)
{
	return ring_room(&native.to_root) >= (int64_t)(sizeof(struct gyre_packet) + bytes);
}

static void root_wake(void)
{
	event_signal(native.start->event_root, 1ull << GYRE_ROOT_EVENT_CHANNEL);
}

/* Root takes packets as the line behind it lets it. Bits of other meaning that come meanwhile are set again: their turn comes. */
static int room_wait(size_t bytes)
{
	uint64_t aside = 0;
	while (!channel_room(bytes)) {
		uint64_t bits;
		if (ring_room(&native.to_root) < 0)
			return 0;
		root_wake();
		event_wait(native.start->event, engine_tsc() + native.machine.tsc_khz * WAIT_MS, &bits);
		aside |= bits & ~(1ull << GYRE_CHANNEL_ROOM);
	}
	if (aside != 0)
		event_signal(native.start->event, aside);
	return 1;
}

void channel_send(uint8_t type, const void *data, size_t bytes, const void *more, size_t more_bytes)
{
	struct gyre_packet packet = {.type = type, .length = (uint16_t)(bytes + more_bytes)};
	if (bytes + more_bytes > GYRE_FRAME_DATA || !room_wait(bytes + more_bytes))
		return;
	ring_put(&native.to_root, 0, &packet, sizeof(packet));
	ring_put(&native.to_root, sizeof(packet), data, (uint32_t)bytes);
	ring_put(&native.to_root, (uint32_t)(sizeof(packet) + bytes), more, (uint32_t)more_bytes);
	ring_commit(&native.to_root, (uint32_t)(sizeof(packet) + bytes + more_bytes));
	root_wake();
}

void engine_log(const char *line)
{
	size_t length = strnlen(line, LOG_BYTES);
	channel_send(GYRE_FRAME_LOG, line, length, "\n", 1);
}

/* ---- debugger ---- */

size_t engine_debug_read(uint8_t *data, size_t bytes)
{
	int64_t got = ring_read(&native.debug, data, (uint32_t)bytes);
	return got > 0 ? (size_t)got : 0;
}

void engine_debug_write(const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		size_t part = bytes < GYRE_FRAME_DATA ? bytes : GYRE_FRAME_DATA;
		channel_send(GYRE_FRAME_DEBUG, data, part, NULL, 0);
		data += part;
		bytes -= part;
	}
}

/* ---- trace ---- */

int engine_trace(struct engine_vcpu *vcpu, int on)
{
	long error = vcpu_trace(vcpu->handle, on);
	native.traced = error == 0 && on ? vcpu : NULL;
	return (int)error;
}

/* The pages are the core's to write and ours to read; the core is trusted. */
void engine_trace_drain(struct engine_vcpu *vcpu)
{
	const struct gyre_trace_header *header = (const void *)((const uint8_t *)vcpu->page +
								GYRE_VCPU_PAGE_TRACE * 4096);
	const struct gyre_trace_record *records = (const void *)(header + 1);
	const uint64_t most = GYRE_FRAME_DATA / sizeof(*records);
	if (native.traced != vcpu || header->magic != GYRE_TRACE_MAGIC || header->capacity == 0)
		return;
	uint64_t head = __atomic_load_n(&header->head, __ATOMIC_ACQUIRE);
	for (uint64_t at = header->tail; at < head;) {
		uint64_t index = at % header->capacity, count = head - at;
		if (count > header->capacity - index)
			count = header->capacity - index;
		if (count > most)
			count = most;
		channel_send(GYRE_FRAME_TRACE, &records[index], count * sizeof(*records), NULL, 0);
		at += count;
	}
	vcpu_trace(vcpu->handle, 1);
}

/* ---- end ---- */

void engine_recreate(void)
{
	struct message message = {.word = {GYRE_ROOT_RECREATE}};
	if (native.traced != NULL)
		engine_trace_drain(native.traced);
	if (endpoint_call(native.start->endpoint, &message) < 0)
		engine_end(GYRE_END_MONITOR, GYRE_STATUS_FAILED, "root makes no new monitor for it");
	thread_exit();
}

/* A NOP with the displacement "GYRE", which no compiler makes. */
void engine_mark(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'G', 'Y', 'R', 'E'");
}

void engine_end(uint32_t reason, uint32_t code, const char *text)
{
	struct message message = {.word = {GYRE_ROOT_END, reason, code}};
	engine_mark();
	console_flush();
	if (native.traced != NULL)
		engine_trace_drain(native.traced);
	if ((native.start->vm_flags & GYRE_VM_COUNTERS) != 0)
		for (uint32_t i = 0; i < native.vcpus; i++)
			channel_send(GYRE_FRAME_COUNTERS, native.counters[i], sizeof(*native.counters[i]), NULL, 0);
	/* What the report has no room for. */
	if (strlen(text) >= sizeof(native.channel->end_text))
		engine_log(text);
	gyre_strlcpy(native.channel->end_text, text, sizeof(native.channel->end_text));
	endpoint_call(native.start->endpoint, &message);
	thread_exit();
}
