/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/engine/fake.h: the engine of unit tests and fuzzers: a host whose clock stands where the test puts it, and that writes down what a monitor
 * asked of it. engine_run() calls the test's own function, which stands in for the guest.
 */
#ifndef MONITOR_ENGINE_FAKE_H
#define MONITOR_ENGINE_FAKE_H

#include <setjmp.h>
#include "monitor/engine/engine.h"

#define FAKE_MESSAGES 64
#define FAKE_OUTPUT   4096

struct fake {
	uint64_t tsc, timer; /* set by the test; by engine_timer */
	uint64_t wall;	     /* nanoseconds, at tsc 0 */
	uint64_t khz;
	uint64_t events; /* what engine_events gives next; the timer adds itself */
	/* messages to local APICs; the count goes on when the list is full */
	unsigned messages;
	struct {
		uint64_t address;
		uint32_t data;
	} message[FAKE_MESSAGES];
	int message_error;
	/* console */
	size_t output_bytes, output_room;
	uint8_t output[FAKE_OUTPUT];
	const uint8_t *input;
	size_t input_bytes;
	/* the debugger's line */
	const uint8_t *debug;
	size_t debug_bytes, debugged_bytes;
	uint8_t debugged[FAKE_OUTPUT];
	/* the end */
	jmp_buf *at_end;
	uint32_t reason, code;
	char text[256];
	unsigned log_lines;
	char last_log[256];
	/* the guest */
	int (*run)(struct engine_vcpu *vcpu);
	void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
	uint32_t groups_set; /* of the last engine_state_set */
	struct gyre_vcpu_policy policy;
	uint32_t entries;
	struct gyre_cpuid_entry table[GYRE_CPUID_ENTRIES];
	unsigned maps, unmaps;
	uint64_t last_map, last_unmap;
	uint32_t kicks;
	struct engine_console console; /* what a saved state has of the engine */
};
extern struct fake fake;

/* Everything as at the start of a test: 1 GHz, room for all output. */
void fake_reset(void);
/* Moves the clock on; the timer's event is there afterwards if it was due. */
void fake_pass(uint64_t nanoseconds);

#endif
