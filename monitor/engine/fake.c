/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/engine/fake.c: the engine of unit tests and fuzzers, on Linux. See fake.h.
 */
#include "monitor/engine/fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gyre/errors.h"

struct fake fake;

static struct gyre_vcpu_page page;
static uint8_t state_page[4096] __attribute__((aligned(4096)));
#define state (*(struct gyre_vcpu_state *)state_page)
static uint8_t fpu[4096];
static struct gyre_vcpu_counters counters;
static uint8_t extra[0x20000] __attribute__((aligned(4096)));
static size_t extra_used;

/* A processor that has everything. */
static void cpuid_all(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	out[0] = leaf == 0 ? 0x0d : leaf == 0x80000000 ? 0x80000008 : 0xffffffff;
	out[1] = out[2] = out[3] = 0xffffffff;
	if (leaf == 0x0d) {
		out[0] = subleaf == 0 ? 7 : 256;
		out[1] = 576;
	}
}

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(&page, 0, sizeof(page));
	memset(state_page, 0, sizeof(state_page));
	memset(extra, 0, sizeof(extra));
	extra_used = 0;
	fake.khz = 1000000;
	fake.output_room = FAKE_OUTPUT;
	fake.cpuid = cpuid_all;
	fake.wall = 1700000000ull * 1000000000;
}

void fake_pass(uint64_t nanoseconds)
{
	fake.tsc += nanoseconds * (fake.khz / 1000) / 1000;
	if (fake.timer && fake.tsc >= fake.timer) {
		fake.timer = 0;
		fake.events |= ENGINE_EVENT_TIMER;
	}
}

int engine_map(uint64_t gpa, uint64_t bytes, uint8_t *host, uint32_t rights)
{
	(void)bytes, (void)host, (void)rights;
	fake.maps++;
	fake.last_map = gpa;
	return 0;
}

int engine_unmap(uint64_t gpa, uint64_t bytes)
{
	(void)bytes;
	fake.unmaps++;
	fake.last_unmap = gpa;
	return 0;
}

int engine_dirty_log(int on)
{
	(void)on;
	return 0;
}

int engine_dirty_take(uint64_t gpa, uint64_t pages, uint64_t *bitmap)
{
	(void)gpa, (void)pages, (void)bitmap;
	return 0;
}

uint8_t *engine_memory(uint64_t bytes)
{
	if (bytes > sizeof(extra) - extra_used)
		return NULL;
	extra_used += bytes;
	return extra + extra_used - bytes;
}

int engine_vcpu_create(struct engine_vcpu *vcpu, uint32_t apic_id)
{
	page.abi = GYRE_VCPU_ABI;
	*vcpu = (struct engine_vcpu){&page, &state, fpu, &counters, apic_id, 1};
	return 0;
}

int engine_vcpu_policy(struct engine_vcpu *vcpu, const struct gyre_vcpu_policy *policy,
	const struct gyre_cpuid_entry *cpuid, uint32_t entries)
{
	(void)vcpu;
	fake.policy = *policy;
	fake.entries = entries;
	memcpy(fake.table, cpuid, entries * sizeof(*cpuid));
	return 0;
}

int engine_run(struct engine_vcpu *vcpu)
{
	int exit = fake.run ? fake.run(vcpu) : GYRE_EXIT_KICK;
	vcpu->page->exit = (uint32_t)exit;
	return exit;
}

int engine_state_get(struct engine_vcpu *vcpu, uint32_t groups)
{
	(void)vcpu;
	if (groups & GYRE_STATE_MSRS)
		state.tsc_offset = (uint64_t)fake.policy.tsc_offset;
	if (groups & GYRE_STATE_MSRS)
		state.tsc = fake.tsc + (uint64_t)fake.policy.tsc_offset + state.tsc_adjust;
	return 0;
}

int engine_state_set(struct engine_vcpu *vcpu, uint32_t groups)
{
	(void)vcpu;
	fake.groups_set = groups;
	return 0;
}

int engine_kick(struct engine_vcpu *vcpu, uint32_t flags)
{
	(void)vcpu;
	fake.kicks |= flags;
	return 0;
}

void engine_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	fake.cpuid(leaf, subleaf, out);
}

int engine_trace(struct engine_vcpu *vcpu, int on)
{
	(void)vcpu, (void)on;
	return -GYRE_ENOTSUP;
}

void engine_trace_drain(struct engine_vcpu *vcpu)
{
	(void)vcpu;
}

int engine_msi(uint64_t address, uint32_t data)
{
	if (fake.messages < FAKE_MESSAGES) {
		fake.message[fake.messages].address = address;
		fake.message[fake.messages].data = data;
	}
	fake.messages++;
	return fake.message_error;
}

int engine_doorbell(uint16_t port, uint32_t size, uint64_t match, int bell)
{
	(void)port, (void)size, (void)match, (void)bell;
	return 0;
}

uint64_t engine_events(int wait)
{
	(void)wait; /* who waits here would wait for ever: the test has put in what there is */
	uint64_t events = fake.events;
	fake.events = 0;
	return events;
}

uint64_t engine_tsc(void)
{
	return fake.tsc;
}

uint64_t engine_wall_clock(void)
{
	return fake.wall + fake.tsc * 1000 / (fake.khz / 1000);
}

void engine_timer(uint64_t deadline)
{
	fake.timer = deadline;
}

size_t engine_console_write(const uint8_t *data, size_t bytes)
{
	if (bytes > fake.output_room)
		bytes = fake.output_room;
	for (size_t i = 0; i < bytes; i++)
		if (fake.output_bytes < FAKE_OUTPUT)
			fake.output[fake.output_bytes++] = data[i];
	fake.output_room -= bytes;
	return bytes;
}

/* From what the test has put there, which moves on. */
static size_t take(const uint8_t **from, size_t *left, uint8_t *data, size_t bytes)
{
	if (bytes > *left)
		bytes = *left;
	if (!bytes)
		return 0;
	memcpy(data, *from, bytes);
	*from += bytes;
	*left -= bytes;
	return bytes;
}

size_t engine_console_read(uint8_t *data, size_t bytes)
{
	return take(&fake.input, &fake.input_bytes, data, bytes);
}

size_t engine_debug_read(uint8_t *data, size_t bytes)
{
	return take(&fake.debug, &fake.debug_bytes, data, bytes);
}

void engine_debug_write(const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (fake.debugged_bytes < FAKE_OUTPUT)
			fake.debugged[fake.debugged_bytes++] = data[i];
}

void engine_log(const char *line)
{
	fake.log_lines++;
	snprintf(fake.last_log, sizeof(fake.last_log), "%s", line);
}

size_t engine_random(void *data, size_t bytes)
{
	memset(data, 0x5a, bytes);
	return bytes;
}

void engine_mark(void)
{
}

void engine_end(uint32_t reason, uint32_t code, const char *text)
{
	fake.reason = reason;
	fake.code = code;
	snprintf(fake.text, sizeof(fake.text), "%s", text);
	if (!fake.at_end) {
		fprintf(stderr, "the VM ended: %u %u %s\n", reason, code, text);
		abort();
	}
	longjmp(*fake.at_end, 1);
}

int engine_files(void)
{
	return 0;
}

void engine_console_get(struct engine_console *console)
{
	*console = fake.console;
}

void engine_console_set(const struct engine_console *console)
{
	fake.console = *console;
}

void engine_recreate(void)
{
	engine_end(GYRE_END_MONITOR, GYRE_STATUS_FAILED, "recreated");
}
