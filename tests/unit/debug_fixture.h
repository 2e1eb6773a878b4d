/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/debug_fixture.h: a machine that is looked at by a debugger and never runs: RAM of 2 MiB, page tables in it, and the protocol in front. What the
 * debugger would have it do is counted.
 */
#ifndef TESTS_UNIT_DEBUG_FIXTURE_H
#define TESTS_UNIT_DEBUG_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include "monitor/debug/inside.h"
#include "monitor/engine/fake.h"

#define FIXTURE_RAM   0x200000u
#define FIXTURE_PML4  0x10000u
#define FIXTURE_WIDE  0xffff800000000000ull /* mapped: 2 MiB at 0, then one page of 4 KiB at 0x5000, then nothing */
#define FIXTURE_SMALL (FIXTURE_WIDE + 0x200000)

static struct {
	struct machine machine;
	struct debug debug;
	struct engine_vm vm;
	struct gyre_vcpu_page page;
	struct gyre_vcpu_state state;
	uint8_t *ram, fpu[4096];
	unsigned settled, steps, continues, let_go;
} fixture;

void debug_settle(struct debug *debug)
{
	(void)debug;
	fixture.settled++;
}

void debug_go_on(struct debug *debug, bool step)
{
	debug->stopped = false;
	fixture.steps += step;
	fixture.continues += !step;
}

void debug_let_go(struct debug *debug)
{
	breaks_clear_all(debug);
	fixture.let_go++;
}

static inline void entry_put(uint32_t table, unsigned index, uint64_t entry)
{
	memcpy(fixture.ram + table + 8 * index, &entry, 8);
}

static inline void fixture_make(void)
{
	uint8_t *ram = fixture.ram ? fixture.ram : aligned_alloc(4096, FIXTURE_RAM);
	memset(&fixture, 0, sizeof(fixture));
	memset(ram, 0, FIXTURE_RAM);
	fake_reset();
	fixture.ram = ram;
	fixture.machine.vm = &fixture.vm;
	fixture.machine.vcpu.page = &fixture.page;
	fixture.machine.vcpu.state = &fixture.state;
	fixture.machine.vcpu.fpu = fixture.fpu;
	fixture.machine.memory.range[0] = (struct memory_range){0, FIXTURE_RAM, ram};
	fixture.machine.memory.ranges = 1;
	entry_put(FIXTURE_PML4, 256, 0x11003);
	entry_put(0x11000, 0, 0x12003);
	entry_put(0x12000, 0, 0x83);
	entry_put(0x12000, 1, 0x13003);
	entry_put(0x13000, 0, 0x5003);
	fixture.page.mode = GYRE_MODE_PE | GYRE_MODE_PG | GYRE_MODE_PAE | GYRE_MODE_LMA | GYRE_MODE_CS_L;
	fixture.page.cr3 = FIXTURE_PML4;
	fixture.debug.machine = &fixture.machine;
	fixture.debug.stopped = true;
	fixture.debug.wide = true;
	rsp_init(&fixture.debug.rsp, &debug_ops, &fixture.debug);
}

/* Bytes from the debugger; what came back stands in fake.debugged. */
static inline void fixture_feed(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		switch (rsp_input(&fixture.debug.rsp, bytes[i])) {
		case RSP_PACKET: rsp_packet(&fixture.debug.rsp); break;
		case RSP_GONE: debug_let_go(&fixture.debug); break;
		case RSP_INTERRUPT: fixture.debug.stopped = true; break;
		case RSP_NOTHING: break;
		}
}

#endif
